//! Sparse batches: select the columns of W whose feature occurs in the batch, then multiply that
//! smaller matrix. The sums are those of the whole matrix, in which the other columns would add
//! zeros.

use std::ops::Range;

use super::operands::{Linear, Parameters, Split, Weights};
use super::simd::{Simd, multiversion};
use super::step::Step;
use crate::csr::{Csr, Pattern};
use crate::error::Result;
use crate::memory::{filled, reserved};
use crate::parallel::Par;

const WHAT: &str = "sparse inputs";
/// Entries that are searched before those found are copied.
const SEARCHED: usize = 256;
/// Entries whose gradients are computed before any of them is used: a few cache lines.
const RUN: usize = 64;

/// Some of the columns of a matrix, numbered in ascending order. A bit and a half for each column.
#[derive(Debug)]
pub struct ColumnSet {
    /// One bit a column.
    words: Vec<u64>,
    /// For each word the columns in those before it.
    before: Vec<u32>,
    len: usize,
}

impl ColumnSet {
    /// The empty set of `n` columns.
    pub fn new(n: usize) -> Result<Self> {
        let words = n.div_ceil(64);
        Ok(ColumnSet { words: filled(words, 0, WHAT)?, before: filled(words, 0, WHAT)?, len: 0 })
    }

    /// Replaces the set by the given columns; any may come several times.
    pub fn fill(&mut self, columns: impl Iterator<Item = u32>) {
        self.words.fill(0);
        columns.for_each(|c| self.words[c as usize / 64] |= 1 << (c % 64));
        self.len = 0;
        for (word, before) in self.words.iter().zip(&mut self.before) {
            *before = self.len as u32;
            self.len += word.count_ones() as usize;
        }
    }

    /// The number of columns in the set.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The rank of a column among those in the set; None if it is not in the set.
    #[inline(always)]
    pub fn number(&self, column: u32) -> Option<u32> {
        let (smaller, is_there) = self.rank(column);
        is_there.then_some(smaller)
    }

    /// How many columns of the set are smaller than this one, and whether this one is in the set.
    #[inline(always)]
    fn rank(&self, column: u32) -> (u32, bool) {
        let (word, bit) = (self.words[column as usize / 64], 1u64 << (column % 64));
        let below = (word & (bit - 1)).count_ones();
        (self.before[column as usize / 64] + below, word & bit != 0)
    }
}

/// The entries of a matrix in some of its columns, as a matrix of those columns only.
#[derive(Debug)]
pub struct Selected {
    matrix: Csr,
    /// Where each entry is in the whole matrix, ascending.
    positions: Vec<u32>,
}

impl Default for Selected {
    fn default() -> Self {
        let matrix = Csr::from_parts(0, vec![0], Vec::new(), Vec::new());
        Selected { matrix, positions: Vec::new() }
    }
}

/// Resizes a vector whose values will be overwritten, reusing its memory.
fn resized<T: Copy + Default>(mut vec: Vec<T>, len: usize) -> Result<Vec<T>> {
    if vec.capacity() < len {
        vec = reserved(len + len / 4, WHAT)?;
    }
    vec.resize(len, T::default());
    Ok(vec)
}

impl Selected {
    /// The entries of `w` in `columns`, 12 bytes each. Reuses the memory of `self`.
    pub fn select(self, par: &Par, w: Weights<'_>, columns: &ColumnSet) -> Result<Self> {
        w.check();
        let Weights { pattern: w, data } = w;
        let (indptr, indices, values) = self.matrix.into_parts();
        let mut indptr = resized(indptr, w.n_rows() + 1)?;
        let rows = |rows: Range<usize>| w.indptr()[rows.start]..w.indptr()[rows.end];
        par.for_rows(
            0..w.n_rows(),
            super::GRAIN,
            &mut indptr[1..],
            |r| w.indptr()[r] + r,
            |counts, range, mid| counts.split(mid - range.start),
            |range, counts: &mut [usize]| {
                for (row, count) in range.zip(counts) {
                    let found =
                        w.row(row).iter().map(|&c| usize::from(columns.number(c).is_some()));
                    *count = found.sum();
                }
            },
        );
        indptr[0] = 0;
        for r in 0..w.n_rows() {
            indptr[r + 1] += indptr[r];
        }
        let nnz = indptr[w.n_rows()];
        let mut indices = resized(indices, nnz)?;
        let mut values = resized(values, nnz)?;
        let mut positions = resized(self.positions, nnz)?;
        par.for_rows(
            0..w.n_rows(),
            super::GRAIN,
            ((&mut indices[..], &mut values[..]), &mut positions[..]),
            |r| w.indptr()[r] + r,
            |arrays, range, mid| arrays.split(indptr[mid] - indptr[range.start]),
            |range, ((indices, values), positions)| {
                let mut places = indices.iter_mut().zip(values).zip(positions);
                let mut found = [(0u32, 0u32); SEARCHED];
                let entries = rows(range);
                for start in entries.clone().step_by(SEARCHED) {
                    // Every entry is written, and only a column of the set is counted: a branch
                    // would be mispredicted at most of those found.
                    let mut count = 0;
                    let end = entries.end.min(start + SEARCHED);
                    for (&column, k) in w.indices()[start..end].iter().zip(start as u32..) {
                        let (number, is_there) = columns.rank(column);
                        found[count] = (number, k);
                        count += usize::from(is_there);
                    }
                    for (&(number, k), ((index, value), position)) in
                        found[..count].iter().zip(&mut places)
                    {
                        (*index, *value, *position) = (number, data[k as usize], k);
                    }
                }
            },
        );
        let matrix = Csr::from_parts_by(par, columns.len(), indptr, indices, values);
        Ok(Selected { matrix, positions })
    }

    /// The smaller matrix.
    pub fn matrix(&self) -> &Csr {
        &self.matrix
    }
}

/// The shift of features that are not zero at their mean: the true value of feature c is the one in
/// the batch less `shift[c]`.
#[derive(Clone, Copy, Debug)]
pub struct Centre<'a> {
    /// What is subtracted from each feature, (n_cols,).
    pub shift: &'a [f32],
    /// Sums of the rows of deltas, (n_rows,).
    pub sums: &'a [f32],
}

impl Centre<'_> {
    /// Adds what the shift adds to the gradients of all entries, (nnz,).
    pub fn add_to(&self, w: Pattern<'_>, gradients: &mut [f32]) {
        assert_eq!(gradients.len(), w.nnz(), "internal: gradients are (nnz,)");
        let mut gradients = gradients.iter_mut();
        for (row, sum) in self.sums.iter().enumerate() {
            for (&column, gradient) in w.row(row).iter().zip(&mut gradients) {
                *gradient -= self.shift[column as usize] * sum;
            }
        }
    }
}

/// Gradients of a matrix's entries, without what the shift of features adds.
#[derive(Clone, Copy, Debug)]
pub enum Given<'a> {
    /// Those of the selected entries, in order; the others have none.
    Selected(&'a Selected, &'a [f32]),
    /// Those of all entries, (nnz,).
    All(&'a [f32]),
}

/// The gradients of all entries of a matrix.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a> {
    /// What is there of them.
    pub given: Given<'a>,
    /// The shift of the features, which adds to the gradient of every entry.
    pub centre: Option<Centre<'a>>,
}

impl Picked<'_> {
    /// Calls `take(k, gradients)` for every run of entries of some rows, in order; `k` is the
    /// first.
    #[inline(always)]
    fn visit(&self, w: Pattern<'_>, rows: Range<usize>, mut take: impl FnMut(usize, &[f32])) {
        let mut own = match self.given {
            Given::Selected(selected, _) => selected.matrix.pattern().indptr()[rows.start],
            Given::All(_) => 0,
        };
        let mut run = [0.0f32; RUN];
        for row in rows {
            let end = w.indptr()[row + 1];
            for start in (w.indptr()[row]..end).step_by(RUN) {
                let run = &mut run[..(end - start).min(RUN)];
                match self.given {
                    Given::Selected(selected, gradients) => {
                        run.fill(0.0);
                        let own_end = selected.matrix.pattern().indptr()[row + 1];
                        while own < own_end {
                            let at = selected.positions[own] as usize - start;
                            let Some(gradient) = run.get_mut(at) else { break };
                            *gradient = gradients[own];
                            own += 1;
                        }
                    }
                    Given::All(gradients) => run.copy_from_slice(&gradients[start..][..run.len()]),
                }
                if let Some(Centre { shift, sums }) = self.centre {
                    let columns = &w.indices()[start..][..run.len()];
                    for (gradient, &column) in run.iter_mut().zip(columns) {
                        *gradient -= shift[column as usize] * sums[row];
                    }
                }
                take(start, run);
            }
        }
    }

    fn check(&self, w: Pattern<'_>) {
        let (gradients, nnz) = match self.given {
            Given::Selected(selected, gradients) => {
                assert_eq!(selected.matrix.n_rows(), w.n_rows(), "internal: a selection of w");
                (gradients, selected.matrix.nnz())
            }
            Given::All(gradients) => (gradients, w.nnz()),
        };
        assert_eq!(gradients.len(), nnz, "internal: a gradient for each entry");
        if let Some(Centre { shift, sums }) = self.centre {
            assert_eq!(shift.len(), w.n_cols(), "internal: shift is (n_cols,)");
            assert_eq!(sums.len(), w.n_rows(), "internal: sums are (n_rows,)");
        }
    }
}

#[inline(always)]
fn update_body<S: Simd>(
    _simd: S,
    w: Pattern<'_>,
    picked: &Picked<'_>,
    step: &Step,
    rows: Range<usize>,
    mut parameters: Parameters<'_>,
) {
    let (first, step) = (w.indptr()[rows.start], *step);
    picked.visit(w, rows, |k, gradients| {
        step.spend(gradients, k - first, &mut parameters);
    });
}
multiversion! {
    fn update_rows(
        w: Pattern<'_>, picked: &Picked<'_>, step: &Step, rows: Range<usize>,
        parameters: Parameters<'_>,
    ) => update_body
}

/// One [`Step`] of every weight of `w`. `parameters`: (nnz,).
pub fn update_picked(
    par: &Par,
    w: Pattern<'_>,
    picked: &Picked<'_>,
    step: &Step,
    parameters: Parameters<'_>,
) {
    picked.check(w);
    step.check(&parameters, w.nnz());
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        parameters,
        |r| w.indptr()[r],
        |parameters, range, mid| parameters.split(w.indptr()[mid] - w.indptr()[range.start]),
        |rows, parameters| update_rows(w, picked, step, rows, parameters),
    );
}

/// Writes the gradients of all entries to `out`, (nnz,).
pub fn gradient_picked(w: Pattern<'_>, picked: &Picked<'_>, out: &mut [f32]) {
    picked.check(w);
    assert_eq!(out.len(), w.nnz(), "internal: out is (nnz,)");
    picked.visit(w, 0..w.n_rows(), |k, run| out[k..][..run.len()].copy_from_slice(run));
}

/// `out = bias - W shift`, each sum in f64 and in the order of the row.
///
/// `shift`: (n_cols,); `out`: (n_rows,).
pub fn shifted_bias(par: &Par, linear: Linear<'_>, shift: &[f32], out: &mut [f32]) {
    linear.weights.check();
    let Linear { weights: Weights { pattern: w, data }, bias } = linear;
    assert_eq!(shift.len(), w.n_cols(), "internal: shift is (n_cols,)");
    assert!(bias.len() == w.n_rows() && out.len() == w.n_rows(), "internal: bias is (n_rows,)");
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        out,
        |r| w.indptr()[r] + r,
        |out, range, mid| out.split(mid - range.start),
        |rows, out: &mut [f32]| {
            for (row, out) in rows.zip(out) {
                let values = &data[w.indptr()[row]..w.indptr()[row + 1]];
                let products = w.row(row).iter().zip(values);
                let product = |(&c, &v): (&u32, &f32)| f64::from(v) * f64::from(shift[c as usize]);
                let sum: f64 = products.map(product).sum();
                *out = (f64::from(bias[row]) - sum) as f32;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::super::step::RULES;
    use super::*;

    #[test]
    fn columns_are_numbered_in_order() {
        let mut set = ColumnSet::new(200).unwrap();
        set.fill([130, 0, 63, 64, 130, 199].into_iter());
        assert_eq!(set.len(), 5);
        let numbers: Vec<_> = (0..200).filter_map(|c| Some((c, set.number(c)?))).collect();
        assert_eq!(numbers, [(0, 0), (63, 1), (64, 2), (130, 3), (199, 4)]);
        set.fill(std::iter::empty());
        assert!(set.is_empty() && (0..200).all(|c| set.number(c).is_none()));
    }

    #[test]
    fn entries_of_other_columns_are_left_out() {
        let par = Par::new(2).unwrap();
        let indices = vec![0, 1, 3, 2, 0, 3];
        let w = Csr::new(4, vec![0, 3, 3, 4, 6], indices, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        let w = w.unwrap();
        let mut set = ColumnSet::new(4).unwrap();
        let mut selected = Selected::default();
        for (columns, indptr, numbers, positions) in [
            (vec![3, 0], vec![0, 2, 2, 2, 4], vec![0, 1, 0, 1], vec![0, 2, 4, 5]),
            (vec![], vec![0; 5], vec![], vec![]),
            (vec![2], vec![0, 0, 0, 1, 1], vec![0], vec![3]),
        ] {
            set.fill(columns.into_iter());
            selected = selected.select(&par, (&w).into(), &set).unwrap();
            let m = selected.matrix();
            assert_eq!((m.pattern().indptr(), m.n_cols()), (&indptr[..], set.len()));
            assert_eq!((m.pattern().indices(), &selected.positions), (&numbers[..], &positions));
            let values: Vec<f32> = positions.iter().map(|&k: &u32| w.data()[k as usize]).collect();
            assert_eq!(m.data(), values);
            let gradients: Vec<f32> = (0..values.len()).map(|i| 10.0 + i as f32).collect();
            let centre = Centre { shift: &[0.5, 0.0, 1.0, 2.0], sums: &[1.0, 9.0, 3.0, 0.0] };
            for centre in [None, Some(centre)] {
                let picked = Picked { given: Given::Selected(&selected, &gradients), centre };
                let mut out = vec![f32::NAN; w.nnz()];
                gradient_picked(w.pattern(), &picked, &mut out);
                for (k, (&found, row)) in out.iter().zip([0, 0, 0, 2, 3, 3]).enumerate() {
                    let own = positions.iter().position(|&p| p as usize == k);
                    let own = own.map_or(0.0, |i| gradients[i]);
                    let c = w.pattern().indices()[k] as usize;
                    let less = centre.map_or(0.0, |centre| centre.shift[c] * centre.sums[row]);
                    assert_eq!(found, own - less);
                }
            }
        }
    }

    fn numbers(n: usize, a: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * a) % 1009) as f32 / 500.0 - 1.0).collect()
    }

    /// An update by picked gradients has the bits of one entry after the other.
    fn updates_as_one_by_one(
        par: &Par,
        pattern: Pattern<'_>,
        picked: &Picked<'_>,
        gradients: &[f32],
        step: &Step,
    ) {
        let nnz = gradients.len();
        let start = || {
            let second: Vec<f32> = numbers(step.seconds(nnz), 23).iter().map(|s| s * s).collect();
            [numbers(nnz, 7), numbers(nnz, 19), second]
        };
        let ([mut values, mut momentum, mut second], [mut w, mut v, mut s]) = (start(), start());
        let parameters =
            Parameters { values: &mut values, momentum: &mut momentum, second: &mut second };
        update_picked(par, pattern, picked, step, parameters);
        for (k, &gradient) in gradients.iter().enumerate() {
            let mut all = Parameters { values: &mut w, momentum: &mut v, second: &mut s };
            step.spend_at(gradient, k, &mut all);
        }
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        for (found, expected) in [(values, w), (momentum, v), (second, s)] {
            assert!(bits(&found) == bits(&expected));
        }
    }

    /// Rows around the lengths at which runs and searches end, and enough of them for two threads.
    #[test]
    fn runs_are_the_entries_one_by_one() {
        let lengths = [0, 1, RUN - 1, RUN, RUN + 1, SEARCHED, SEARCHED + 1, 600];
        let n_cols = 700;
        let (mut indptr, mut indices) = (vec![0], Vec::new());
        for r in 0..1600u32 {
            let length = lengths[r as usize % lengths.len()] as u32;
            indices.extend((0..length).map(|i| (r % 97) + i));
            indptr.push(indices.len());
        }
        let nnz = indices.len();
        let w = Csr::new(n_cols, indptr, indices, numbers(nnz, 7)).unwrap();
        let pattern = w.pattern();
        let mut set = ColumnSet::new(n_cols).unwrap();
        set.fill((0..n_cols as u32).filter(|c| c % 3 == 0 || *c > 650));
        let (shift, sums) = (numbers(n_cols, 11), numbers(w.n_rows(), 13));
        let steps = RULES.map(|rule| Step {
            rule,
            rate: 0.1,
            decay: 0.01,
            inverse_batch: 0.25,
            shrink: 0.001,
        });
        for threads in [1, 2, 3] {
            let par = Par::new(threads).unwrap();
            let selected = Selected::default().select(&par, (&w).into(), &set).unwrap();
            let expected: Vec<_> = (0u32..)
                .zip(pattern.indices())
                .filter_map(|(k, &c)| Some((k, set.number(c)?)))
                .collect();
            let found = selected.positions.iter().copied();
            let found: Vec<_> = found.zip(selected.matrix.pattern().indices().to_vec()).collect();
            assert!(found == expected, "{threads} threads");
            let gradients = numbers(found.len(), 17);
            for centre in [None, Some(Centre { shift: &shift, sums: &sums })] {
                let picked = Picked { given: Given::Selected(&selected, &gradients), centre };
                let mut naive = vec![0.0; nnz];
                for (&(k, _), &gradient) in found.iter().zip(&gradients) {
                    naive[k as usize] = gradient;
                }
                if centre.is_some() {
                    for (r, sum) in sums.iter().enumerate() {
                        for k in pattern.indptr()[r]..pattern.indptr()[r + 1] {
                            naive[k] -= shift[pattern.indices()[k] as usize] * sum;
                        }
                    }
                }
                let mut out = vec![f32::NAN; nnz];
                gradient_picked(pattern, &picked, &mut out);
                assert!(out == naive, "{threads} threads");
                for step in steps {
                    updates_as_one_by_one(&par, pattern, &picked, &naive, &step);
                }
            }
        }
    }
}
