//! The average of several sparse matrices, cut back to a number of connections (phase 2 of
//! WASAP-SGD, arXiv 2102.01732).

use crate::csr::Csr;
use crate::error::Result;
use crate::memory::{collected, reserved};

const WHAT: &str = "the average of workers";

/// The average of matrices of one shape over the union of their connections, cut back to `target`
/// connections. An absent connection counts as 0.
///
/// Exact zeros go first, by position. If there are still too many, the surplus is shared between
/// the signs in proportion to their numbers (rounded down for the positive ones); of each sign
/// those closest to zero go, ties by position. NaN stays.
///
/// The array beside each matrix is aligned with its entries and averaged in the same way; that is
/// the second result. Sums are taken in f64 in the order of the matrices, so that one matrix stays
/// as it is.
///
/// Time O(union * matrices).
///
/// # Panics
/// Without matrices, or if shapes differ.
pub fn average(parts: &[(&Csr, &[f32])], target: usize) -> Result<(Csr, Vec<f32>)> {
    let (first, _) = parts.first().expect("internal: no matrices to average");
    let (n_rows, n_cols) = (first.n_rows(), first.n_cols());
    for (w, beside) in parts {
        assert_eq!((w.n_rows(), w.n_cols()), (n_rows, n_cols), "internal: shapes differ");
        assert_eq!(beside.len(), w.nnz(), "internal: an array beside is (nnz,)");
    }
    let mut union = 0;
    for r in 0..n_rows {
        merge(parts, r, |_, _, _| union += 1);
    }
    let mut indices = reserved(union, WHAT)?;
    let mut data = reserved(union, WHAT)?;
    let mut beside = reserved(union, WHAT)?;
    let mut indptr = reserved(n_rows + 1, WHAT)?;
    indptr.push(0);
    let count = parts.len() as f64;
    for r in 0..n_rows {
        merge(parts, r, |column, weight, other| {
            indices.push(column);
            data.push((weight / count) as f32);
            beside.push((other / count) as f32);
        });
        indptr.push(indices.len());
    }
    let mut cut = Cut::new(&data, union.saturating_sub(target))?;
    let (mut at, mut kept) = (0, 0);
    for end in &mut indptr[1..] {
        while at < *end {
            if !cut.takes(data[at]) {
                (indices[kept], data[kept], beside[kept]) = (indices[at], data[at], beside[at]);
                kept += 1;
            }
            at += 1;
        }
        *end = kept;
    }
    // Exact allocations again: the union of k matrices can be k times as large.
    let indices = collected(indices[..kept].iter().copied(), WHAT)?;
    let data = collected(data[..kept].iter().copied(), WHAT)?;
    let beside = collected(beside[..kept].iter().copied(), WHAT)?;
    Ok((Csr::from_parts(n_cols, indptr, indices, data), beside))
}

/// Gives the columns of row `r` that any matrix has, in order, with the two sums.
fn merge(parts: &[(&Csr, &[f32])], r: usize, mut take: impl FnMut(u32, f64, f64)) {
    let mut rows: Vec<_> = parts
        .iter()
        .map(|(w, beside)| {
            let range = w.pattern().indptr()[r]..w.pattern().indptr()[r + 1];
            (w.pattern().row(r), &w.data()[range.clone()], &beside[range])
        })
        .collect();
    while let Some(column) = rows.iter().filter_map(|(columns, _, _)| columns.first()).min() {
        let (column, mut weight, mut other) = (*column, None, None);
        for (columns, data, beside) in &mut rows {
            if columns.first() == Some(&column) {
                // A sum that starts with the first term keeps the sign of a zero.
                let add =
                    |sum: Option<f64>, v: f32| Some(sum.map_or(v.into(), |s| s + f64::from(v)));
                (weight, other) = (add(weight, data[0]), add(other, beside[0]));
                (*columns, *data, *beside) = (&columns[1..], &data[1..], &beside[1..]);
            }
        }
        take(column, weight.unwrap_or(0.0), other.unwrap_or(0.0));
    }
}

/// What still has to go of zeros, positive and negative values; asked in the order of positions.
struct Cut {
    zeros: usize,
    /// For each sign the largest magnitude that goes, and how many that are equal to it.
    signs: [(f32, usize); 2],
}

fn sign(v: f32) -> Option<usize> {
    if v > 0.0 {
        Some(0)
    } else if v < 0.0 {
        Some(1)
    } else {
        None
    }
}

impl Cut {
    fn new(data: &[f32], surplus: usize) -> Result<Self> {
        let zeros = data.iter().filter(|v| **v == 0.0).count().min(surplus);
        let count = |s: usize| data.iter().filter(|v| sign(**v) == Some(s)).count();
        let counts = [count(0), count(1)];
        let all = counts[0] + counts[1];
        let surplus = (surplus - zeros).min(all);
        let positive = (surplus as u128 * counts[0] as u128 / all.max(1) as u128) as usize;
        let mut signs = [(0.0, 0); 2];
        for (s, goes) in [positive, surplus - positive].into_iter().enumerate() {
            if goes > 0 {
                let mut magnitudes = reserved(counts[s], WHAT)?;
                magnitudes.extend(data.iter().filter(|v| sign(**v) == Some(s)).map(|v| v.abs()));
                let (below, last, _) = magnitudes.select_nth_unstable_by(goes - 1, f32::total_cmp);
                let last = *last;
                let ties = goes - below.iter().filter(|v| **v < last).count();
                signs[s] = (last, ties);
            }
        }
        Ok(Cut { zeros, signs })
    }

    fn takes(&mut self, v: f32) -> bool {
        let left = match sign(v) {
            None if v == 0.0 => &mut self.zeros,
            None => return false,
            Some(s) => {
                let (last, ties) = &mut self.signs[s];
                if v.abs() != *last {
                    return v.abs() < *last;
                }
                ties
            }
        };
        let takes = *left > 0;
        *left -= usize::from(takes);
        takes
    }
}
