//! Sparse evolutionary training, SET: drop the weakest connections, grow random ones
//! (PAPER section 3; Mocanu et al., 2018).

use std::hint::select_unpredictable;

use super::sample::sample_distinct;
use super::select::{Cuts, smallest};
use crate::csr::{Csr, NONE};
use crate::error::Result;
use crate::memory::{collected, filled};
use crate::parallel::Par;
use crate::rng::Stream;

/// Entries below which a pass stays on one thread.
const GRAIN: usize = 1 << 14;

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
/// uniformly without replacement from those that hold none in open rows. `closed` says which rows
/// are not open, none if it is empty; they must have no entries, so that there are always enough
/// places. `value(row_nnz)(i)` is the weight of
/// grown connection number `i`, counted in the order of the new matrix, in a row (the incoming
/// connections of a neuron) that has `row_nnz` after growth.
///
/// Time O(nnz + n_rows) on average, memory as much.
///
/// # Panics
/// If a closed row has entries.
pub fn evolve<V: Fn(u64) -> f32>(
    par: &Par,
    w: &Csr,
    zeta: f64,
    closed: &[bool],
    places: Stream,
    value: impl Fn(usize) -> V + Sync,
) -> Result<Evolved> {
    let pattern = w.pattern();
    let (indptr, n_rows) = (pattern.indptr(), w.n_rows());
    let cuts = smallest(par, w.data(), zeta)?;
    let kept = kept_offsets(par, w, cuts)?;
    let dropped = w.nnz() - kept[n_rows];

    // A place's rank is its number among the empty places, counted along the rows.
    let open = open_offsets(w, closed)?;
    let empty = Empty { n_cols: w.n_cols() as u64, kept: &kept, open: &open };
    let ranks = sample_distinct(par, empty.before(n_rows), dropped as u64, places)?;
    let grown = grown_offsets(&ranks, empty, kept.len())?;
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
                    rank_start: empty.before(r),
                    first_grown: grown[r] as u64,
                };
                let (indices, source) = (&mut indices[here.clone()], &mut source[here.clone()]);
                row.merge(w, cuts, indices, source);
                gather(source, w.data(), &mut data[here.clone()]);
                row.grow(value(source.len()), source, &mut data[here]);
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
    /// Where the connections are and where they come from. Steps without a branch on what is
    /// random: half of all predictions would be wrong.
    fn merge(&self, w: &Csr, cuts: Cuts, indices: &mut [u32], source: &mut [u32]) {
        let grown = self.ranks.len();
        // The survivors go to the end of the row, from where merging moves them to the left: what
        // is written never reaches what is still to be read.
        let (tail_indices, tail_source) = (&mut indices[grown..], &mut source[grown..]);
        let old = self.old.clone();
        let mut entries = old.clone().zip(&w.pattern().indices()[old.clone()]).zip(&w.data()[old]);
        let mut survivors = 0;
        while survivors < tail_indices.len() {
            let Some(((k, &column), &v)) = entries.next() else { break };
            (tail_indices[survivors], tail_source[survivors]) = (column, k as u32);
            survivors += usize::from(cuts.survives(k as u32, v));
        }
        let last = indices.len().saturating_sub(1);
        let (mut at, mut passed) = (0, 0);
        while at - passed < grown {
            // The column is the gap's number plus the survivors to its left.
            let column = (self.ranks[at - passed] - self.rank_start) as u32 + passed as u32;
            let next = grown + passed;
            // Beyond the last survivor no column is as large as NONE.
            let beyond = u32::from(next <= last).wrapping_sub(1);
            let next = next.min(last);
            let (survivor, from) = (indices[next] | beyond, source[next]);
            let survives = survivor <= column;
            indices[at] = select_unpredictable(survives, survivor, column);
            source[at] = select_unpredictable(survives, from, NONE);
            passed += usize::from(survives);
            at += 1;
        }
    }

    /// The weights of the grown connections.
    fn grow(&self, value: impl Fn(u64) -> f32, source: &[u32], data: &mut [f32]) {
        let mut index = self.first_grown;
        for (source, data) in source.chunks(64).zip(data.chunks_mut(64)) {
            // Finds them without a branch: the next position overwrites one that does not count.
            let (mut grown, mut found) = ([0u8; 64], 0);
            for (at, &source) in (0u8..64).zip(source) {
                grown[found] = at;
                found += usize::from(source == NONE);
            }
            for &at in &grown[..found] {
                data[usize::from(at)] = value(index);
                index += 1;
            }
        }
    }
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
            let source = &source[range];
            gather(source, old, new);
            for (v, &source) in new.iter_mut().zip(source) {
                *v = if source == NONE { 0.0 } else { *v };
            }
        },
    );
    Ok(new)
}

/// Values of the old entries, anything for those that were grown: like this it is a minimum, not a
/// branch that is wrong every other time.
fn gather(source: &[u32], old: &[f32], new: &mut [f32]) {
    let Some(last) = old.len().checked_sub(1) else { return };
    for (v, &source) in new.iter_mut().zip(source) {
        *v = old[(source as usize).min(last)];
    }
}

/// Survivors before each row, (n_rows + 1,).
fn kept_offsets(par: &Par, w: &Csr, cuts: Cuts) -> Result<Vec<usize>> {
    let indptr = w.pattern().indptr();
    let mut kept = filled(indptr.len(), 0usize, "evolution")?;
    par.for_rows(
        0..w.n_rows(),
        GRAIN,
        &mut kept[1..],
        |r| indptr[r] + r,
        |kept: &mut [usize], range, mid| kept.split_at_mut(mid - range.start),
        |rows, kept| {
            for (r, kept) in rows.zip(kept) {
                let row = indptr[r]..indptr[r + 1];
                let entries = (row.start as u32..).zip(&w.data()[row]);
                let survive = entries.map(|(k, &v)| u32::from(cuts.survives(k, v)));
                *kept = survive.sum::<u32>() as usize;
            }
        },
    );
    for r in 0..w.n_rows() {
        kept[r + 1] += kept[r];
    }
    Ok(kept)
}

/// Open rows before each row, (n_rows + 1,); nothing if all are open.
fn open_offsets(w: &Csr, closed: &[bool]) -> Result<Vec<u32>> {
    if closed.is_empty() {
        return Ok(Vec::new());
    }
    assert_eq!(closed.len(), w.n_rows(), "internal: closed is (n_rows,)");
    let mut open = filled(closed.len() + 1, 0u32, "evolution")?;
    for (r, &closed) in closed.iter().enumerate() {
        assert!(!closed || w.pattern().row(r).is_empty(), "internal: closed row {r} has entries");
        open[r + 1] = open[r] + u32::from(!closed);
    }
    Ok(open)
}

/// How the empty places of open rows are counted.
#[derive(Clone, Copy)]
struct Empty<'a> {
    n_cols: u64,
    /// Survivors before each row.
    kept: &'a [usize],
    /// [`open_offsets`].
    open: &'a [u32],
}

impl Empty<'_> {
    /// Empty places of open rows before row `r`; closed rows have no survivors.
    fn before(&self, r: usize) -> u64 {
        let open = if self.open.is_empty() { r as u64 } else { u64::from(self.open[r]) };
        open * self.n_cols - self.kept[r] as u64
    }
}

/// Grown connections before each row, (n_rows + 1,).
fn grown_offsets(ranks: &[u64], empty: Empty<'_>, offsets: usize) -> Result<Vec<usize>> {
    let mut grown = filled(offsets, 0usize, "evolution")?;
    let mut g = 0;
    for (r, grown) in grown.iter_mut().enumerate() {
        let empty_before = empty.before(r);
        while g < ranks.len() && ranks[g] < empty_before {
            g += 1;
        }
        *grown = g;
    }
    Ok(grown)
}
