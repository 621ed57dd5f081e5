//! Sparse evolutionary training, SET: drop the weakest connections, grow random ones
//! (PAPER section 3; Mocanu et al., 2018).

use super::sample::sample_distinct;
use super::select::smallest;
use crate::csr::{Csr, NONE};
use crate::error::Result;
use crate::memory::{collected, filled};
use crate::parallel::Par;
use crate::rng::Stream;

/// Entries below which a pass stays on one thread.
const GRAIN: usize = 1 << 14;

/// A connection that was grown, for the function that gives its weight.
#[derive(Clone, Copy, Debug)]
pub struct Grown {
    /// The connections of its row (incoming connections of the neuron) after growth.
    pub row_nnz: usize,
    /// Its number among all that were grown, in the order of the new matrix.
    pub index: u64,
}

/// What an evolution gives.
#[derive(Debug)]
pub struct Evolved {
    /// The new matrix.
    pub matrix: Csr,
    /// For each of its entries the position in the old matrix, or [`NONE`] if it was grown.
    pub source: Vec<u32>,
    /// How many connections were dropped; as many were grown.
    pub dropped: usize,
}

/// One step of SET. Exact zeros are dropped, then of each sign the fraction `zeta` (rounded down)
/// of the weights closest to zero, ties by position; as many connections grow at places drawn
/// uniformly without replacement from those that hold none, with weights from `value`.
///
/// Time O(nnz log nnz) at worst, memory O(nnz + n_rows).
pub fn evolve(
    par: &Par,
    w: &Csr,
    zeta: f64,
    places: Stream,
    value: impl Fn(Grown) -> f32 + Sync,
) -> Result<Evolved> {
    let pattern = w.pattern();
    let (indptr, n_rows) = (pattern.indptr(), w.n_rows());
    let keep = survivors(par, w, zeta)?;
    let kept = kept_offsets(&keep, indptr)?;
    let dropped = w.nnz() - kept[n_rows];

    // A place's rank is its number among the empty places, counted along the rows.
    let empty = w.n_cols() as u64 * n_rows as u64 - kept[n_rows] as u64;
    let ranks = sample_distinct(par, empty, dropped as u64, places)?;
    let grown = grown_offsets(&ranks, &kept, w.n_cols())?;
    let starts = collected(kept.iter().zip(&grown).map(|(k, g)| k + g), "row offsets")?;

    let mut indices = filled(w.nnz(), 0u32, "evolved connections")?;
    let mut data = filled(w.nnz(), 0.0f32, "evolved weights")?;
    let mut source = filled(w.nnz(), NONE, "the map of evolved connections")?;
    par.for_rows(
        0..n_rows,
        GRAIN,
        (&mut indices[..], &mut data[..], &mut source[..]),
        |r| indptr[r] + starts[r] + r,
        |(i, d, s): (&mut [u32], &mut [f32], &mut [u32]), range, mid| {
            let cut = starts[mid] - starts[range.start];
            let (i, i_right) = i.split_at_mut(cut);
            let (d, d_right) = d.split_at_mut(cut);
            let (s, s_right) = s.split_at_mut(cut);
            ((i, d, s), (i_right, d_right, s_right))
        },
        |rows, (indices, data, source)| {
            let first = starts[rows.start];
            for r in rows {
                let here = starts[r] - first..starts[r + 1] - first;
                let row = Row {
                    old: indptr[r]..indptr[r + 1],
                    ranks: &ranks[grown[r]..grown[r + 1]],
                    rank_start: r as u64 * w.n_cols() as u64 - kept[r] as u64,
                    first_grown: grown[r] as u64,
                };
                row.fill(
                    w,
                    &keep,
                    &value,
                    &mut indices[here.clone()],
                    &mut data[here.clone()],
                    &mut source[here],
                );
            }
        },
    );
    Ok(Evolved { matrix: Csr::from_parts(w.n_cols(), starts, indices, data), source, dropped })
}

/// One row of the new matrix: survivors and grown connections merged in column order.
struct Row<'a> {
    old: std::ops::Range<usize>,
    ranks: &'a [u64],
    rank_start: u64,
    first_grown: u64,
}

impl Row<'_> {
    fn fill(
        &self,
        w: &Csr,
        keep: &[bool],
        value: &impl Fn(Grown) -> f32,
        indices: &mut [u32],
        data: &mut [f32],
        source: &mut [u32],
    ) {
        let columns = w.pattern().indices();
        let mut survivors = self.old.clone().filter(|&k| keep[k]).peekable();
        let mut passed = 0u64; // survivors before the next grown column
        let row_nnz = indices.len();
        let mut at = 0;
        for (i, rank) in self.ranks.iter().enumerate() {
            let gap = rank - self.rank_start;
            // The column is the gap's number plus the survivors to its left.
            while let Some(k) = survivors.next_if(|&k| u64::from(columns[k]) <= gap + passed) {
                (indices[at], data[at], source[at]) = (columns[k], w.data()[k], k as u32);
                at += 1;
                passed += 1;
            }
            indices[at] = (gap + passed) as u32;
            data[at] = value(Grown { row_nnz, index: self.first_grown + i as u64 });
            source[at] = NONE;
            at += 1;
        }
        for k in survivors {
            (indices[at], data[at], source[at]) = (columns[k], w.data()[k], k as u32);
            at += 1;
        }
    }
}

/// Which entries survive.
fn survivors(par: &Par, w: &Csr, zeta: f64) -> Result<Vec<bool>> {
    let data = w.data();
    let cuts = smallest(par, data, zeta)?;
    // Zeros go in any case: the smallest magnitude that stays has bits of at least 1.
    let least = cuts.map(|cut| cut.bits.max(1));
    let mut keep = filled(w.nnz(), true, "evolution")?;
    par.for_rows(
        0..data.len(),
        GRAIN,
        &mut keep[..],
        |k| k,
        |keep: &mut [bool], range, mid| keep.split_at_mut(mid - range.start),
        |range, keep| {
            for (v, keep) in data[range].iter().zip(keep) {
                let bits = v.to_bits();
                *keep = bits & 0x7FFF_FFFF >= if bits >> 31 == 0 { least[0] } else { least[1] };
            }
        },
    );
    for (sign, cut) in cuts.into_iter().enumerate() {
        let equal = (sign as u32) << 31 | cut.bits;
        let ties = data.iter().enumerate().filter(|(_, v)| v.to_bits() == equal);
        ties.take(cut.ties).for_each(|(k, _)| keep[k] = false);
    }
    Ok(keep)
}

/// Values of the old entries carried over to the new ones, 0 for those that were grown.
/// `source`: [`Evolved::source`]; `old`: (old nnz,). Shape (new nnz,).
pub fn carry(par: &Par, source: &[u32], old: &[f32]) -> Result<Vec<f32>> {
    let mut new = filled(source.len(), 0.0f32, "evolution")?;
    par.for_rows(
        0..source.len(),
        GRAIN,
        &mut new[..],
        |k| k,
        |new: &mut [f32], range, mid| new.split_at_mut(mid - range.start),
        |range, new| {
            for (v, &source) in new.iter_mut().zip(&source[range]) {
                *v = old.get(source as usize).copied().unwrap_or(0.0);
            }
        },
    );
    Ok(new)
}

/// Survivors before each row, (n_rows + 1,).
fn kept_offsets(keep: &[bool], indptr: &[usize]) -> Result<Vec<usize>> {
    let mut kept = filled(indptr.len(), 0usize, "evolution")?;
    for r in 0..indptr.len() - 1 {
        kept[r + 1] = kept[r] + keep[indptr[r]..indptr[r + 1]].iter().filter(|&&k| k).count();
    }
    Ok(kept)
}

/// Grown connections before each row, (n_rows + 1,).
fn grown_offsets(ranks: &[u64], kept: &[usize], n_cols: usize) -> Result<Vec<usize>> {
    let mut grown = filled(kept.len(), 0usize, "evolution")?;
    let mut g = 0;
    for r in 1..kept.len() {
        let empty_before = r as u64 * n_cols as u64 - kept[r] as u64;
        while g < ranks.len() && ranks[g] < empty_before {
            g += 1;
        }
        grown[r] = g;
    }
    Ok(grown)
}
