//! A matrix between a drop and the growth that follows: what survives, and which places are empty.
//!
//! The empty places are numbered along the open rows, column by column, and the new connections are
//! chosen as numbers: no list of places is made. The empty places of a part of a row are
//! consecutive numbers, so a rule that grows in a part of the layer draws from ranges.

use std::borrow::Cow;
use std::ops::Range;

use super::drop::Survival;
use super::sample::sample_distinct;
use crate::csr::{Csr, row_runs};
use crate::error::Result;
use crate::memory::{filled, reserved, zeros};
use crate::parallel::Par;
use crate::rng::Stream;

/// Entries below which a pass stays on one thread.
pub(super) const GRAIN: usize = 1 << 14;
/// The fewest rows and entries of a block, unless there are fewer in all.
const LEAST: usize = 1 << 12;

/// A matrix as an evolution takes it.
#[derive(Clone, Copy, Debug)]
pub struct Old<'a> {
    /// The weights, a row an output neuron.
    pub weights: &'a Csr,
    /// Values that go with the entries that survive: (nnz,), or empty.
    pub carried: &'a [f32],
    /// Which rows are closed: they have no entries, and none grow there. Empty if all rows are
    /// open.
    pub closed: &'a [bool],
    /// Whether the map from new entries to old ones is wanted.
    pub track: bool,
}

/// A matrix of which some entries have gone.
#[derive(Debug)]
pub struct Thinned<'a, S> {
    pub(super) old: Old<'a>,
    /// Offsets of the open rows: as if closed rows were not there.
    pub(super) offsets: Cow<'a, [usize]>,
    pub(super) survival: S,
    /// Where blocks of open rows begin, and the end.
    pub(super) blocks: Vec<usize>,
    /// The survivors before each of them.
    pub(super) kept: Vec<usize>,
}

impl<'a, S: Survival> Thinned<'a, S> {
    /// The matrix without the entries that do not survive. Time O(nnz + n_rows).
    ///
    /// # Panics
    /// If a closed row has entries, or arrays do not fit the matrix.
    pub fn new(par: &Par, old: Old<'a>, survival: S) -> Result<Self> {
        // On one thread all blocks are large; more threads each need a few, also of a small layer.
        let work = old.weights.nnz() + old.weights.n_rows();
        let share = if par.threads() == 1 { work } else { work / (4 * par.threads()) };
        Self::in_blocks(share.clamp(LEAST, GRAIN), par, old, survival)
    }

    /// [`Thinned::new`] in blocks of about `grain` rows and entries.
    pub(super) fn in_blocks(grain: usize, par: &Par, old: Old<'a>, survival: S) -> Result<Self> {
        let (w, carried) = (old.weights, old.carried);
        let fits = carried.is_empty() || carried.len() == w.nnz();
        assert!(fits, "internal: carried is (nnz,) or empty");
        let offsets = match old.closed {
            [] => Cow::Borrowed(w.pattern().indptr()),
            closed => Cow::Owned(open_offsets(w, closed)?),
        };
        let blocks = blocks(&offsets, grain)?;
        let kept = filled(blocks.len(), 0usize, "an evolution")?;
        let mut thinned = Thinned { old, offsets, survival, blocks, kept };
        let count = |b: usize| thinned.count_survivors(thinned.blocks[b]..thinned.blocks[b + 1]);
        let survivors = par.map(thinned.blocks.len() - 1, count);
        for (b, survivors) in survivors.into_iter().enumerate() {
            thinned.kept[b + 1] = thinned.kept[b] + survivors;
        }
        Ok(thinned)
    }

    /// The entries that survive.
    pub fn survivors(&self) -> usize {
        self.kept[self.kept.len() - 1]
    }

    /// The entries that have gone.
    pub fn dropped(&self) -> usize {
        self.old.weights.nnz() - self.survivors()
    }

    /// The empty places of all open rows.
    pub fn empty(&self) -> u64 {
        self.empty_before(self.blocks.len() - 1)
    }

    /// `count` distinct empty places, every set of them equally likely, in ascending order.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn draw(&self, par: &Par, count: u64, stream: Stream) -> Result<Vec<u64>> {
        sample_distinct(par, self.empty(), count, stream)
    }

    /// The empty places before block `b`.
    pub(super) fn empty_before(&self, b: usize) -> u64 {
        self.blocks[b] as u64 * self.old.weights.n_cols() as u64 - self.kept[b] as u64
    }

    /// The first of the ascending `places` that is not before block `b`.
    pub(super) fn first_in(&self, b: usize, places: &[u64]) -> usize {
        let end = self.empty_before(b);
        places.partition_point(|&place| place < end)
    }

    /// Some empty places, in ascending order, as a matrix of zeros.
    pub fn matrix_of(&self, par: &Par, places: &[u64]) -> Result<Csr> {
        const WHAT: &str = "candidates for growth";
        let w = self.old.weights;
        let mut indptr = filled(w.n_rows() + 1, 0usize, WHAT)?;
        let mut indices = zeros(places.len(), WHAT)?;
        let values = zeros(places.len(), WHAT)?;
        let mut tasks = reserved(self.blocks.len() - 1, WHAT)?;
        let (mut ends, mut columns, mut first) = (&mut indptr[1..], &mut indices[..], 0);
        for b in 0..self.blocks.len() - 1 {
            let rows = self.blocks[b]..self.blocks[b + 1];
            let last = self.first_in(b + 1, places);
            let (own_ends, other_ends) = ends.split_at_mut(rows.len());
            let (own, other) = columns.split_at_mut(last - first);
            tasks.push((rows, self.kept[b], first..last, own_ends, own));
            (ends, columns, first) = (other_ends, other, last);
        }
        par.for_each(&mut tasks, |(rows, kept, range, ends, columns)| {
            let places = &places[range.clone()];
            let n_cols = w.n_cols() as u64;
            let (mut passed, mut at) = (*kept as u64, 0);
            for (row, end) in rows.clone().zip(ends.iter_mut()) {
                let start = row as u64 * n_cols;
                // Writes the columns of the places before `place`, which `passed` survivors
                // precede.
                let mut until = |place: u64, passed: u64| {
                    while at < places.len() && places[at] + passed < place {
                        columns[at] = (places[at] + passed - start) as u32;
                        at += 1;
                    }
                };
                self.visit_survivors(row, |column| {
                    until(start + u64::from(column), passed);
                    passed += 1;
                });
                until(start + n_cols, passed);
                *end = range.start + at;
            }
        });
        spread(&mut indptr, self.old.closed);
        Ok(Csr::from_parts_by(par, w.n_cols(), indptr, indices, values))
    }

    /// How many entries of some open rows survive.
    fn count_survivors(&self, rows: Range<usize>) -> usize {
        let data = self.old.weights.data();
        if !S::BY_ROW {
            let entries = self.offsets[rows.start]..self.offsets[rows.end];
            let entries = (entries.start as u32..).zip(&data[entries]);
            let stays = |(k, &v)| u32::from(self.survival.survives(k, 0, v));
            return entries.map(stays).sum::<u32>() as usize;
        }
        let mut survivors = 0;
        row_runs(&self.offsets, rows, |entries, rows| {
            let entries = (entries.start as u32..).zip(rows).zip(&data[entries]);
            for ((k, &row), &v) in entries {
                survivors += usize::from(self.survival.survives(k, row, v));
            }
        });
        survivors
    }

    /// The columns of the entries of an open row that survive.
    fn visit_survivors(&self, row: usize, mut visit: impl FnMut(u32)) {
        let entries = self.offsets[row]..self.offsets[row + 1];
        let columns = &self.old.weights.pattern().indices()[entries.clone()];
        let data = &self.old.weights.data()[entries.clone()];
        for ((&column, &v), k) in columns.iter().zip(data).zip(entries) {
            if self.survival.survives(k as u32, row as u32, v) {
                visit(column);
            }
        }
    }
}

/// Offsets of the open rows.
fn open_offsets(w: &Csr, closed: &[bool]) -> Result<Vec<usize>> {
    assert_eq!(closed.len(), w.n_rows(), "internal: closed is (n_rows,)");
    let mut open = reserved(closed.len() + 1, "an evolution")?;
    for (r, offset) in w.pattern().indptr().iter().enumerate() {
        match closed.get(r) {
            Some(true) => assert!(w.pattern().row(r).is_empty(), "internal: row {r} has entries"),
            _ => open.push(*offset),
        }
    }
    Ok(open)
}

/// From the offsets of the open rows, which come first, to those of all rows.
pub(super) fn spread(offsets: &mut [usize], closed: &[bool]) {
    let mut open = closed.iter().filter(|closed| !**closed).count();
    for (r, closed) in closed.iter().enumerate().rev() {
        offsets[r + 1] = offsets[open];
        open -= usize::from(!closed);
    }
}

/// Rows where blocks of about `size` rows and entries begin, and the end. They are about equal.
fn blocks(offsets: &[usize], size: usize) -> Result<Vec<usize>> {
    let n_rows = offsets.len() - 1;
    let work = offsets[n_rows] + n_rows;
    let count = (work / size).max(1);
    let size = work / count;
    let mut blocks = reserved(count + 1, "an evolution")?;
    blocks.push(0);
    for b in 1..count {
        let (mut low, mut high) = (blocks[b - 1], n_rows);
        while low < high {
            let mid = low + (high - low) / 2;
            if offsets[mid] + mid < b * size { low = mid + 1 } else { high = mid }
        }
        blocks.push(low);
    }
    blocks.push(n_rows);
    Ok(blocks)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_cover_all_rows(lengths in prop::collection::vec(0usize..30, 0..60), size in 1usize..50) {
            let mut offsets = vec![0];
            lengths.iter().for_each(|l| offsets.push(offsets[offsets.len() - 1] + l));
            let blocks = blocks(&offsets, size).unwrap();
            prop_assert!(blocks.len() >= 2 && blocks[0] == 0 && blocks[blocks.len() - 1] == lengths.len());
            for pair in blocks.windows(2) {
                prop_assert!(pair[0] <= pair[1]);
                let work = offsets[pair[1]] + pair[1] - offsets[pair[0]] - pair[0];
                prop_assert!(work < 2 * size + 31);
            }
        }
    }
}
