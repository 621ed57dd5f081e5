//! The last part of an evolution: one new matrix of what survives and what grows.

use std::hint::select_unpredictable;
use std::mem::take;
use std::ops::Range;

use super::buffers::Buffers;
use super::drop::Survival;
use super::thinned::{GRAIN, Thinned, spread};
use crate::csr::{Csr, NONE, RUN, row_runs};
use crate::error::Result;
use crate::memory::{filled, zeros};
use crate::parallel::Par;

/// What an evolution makes of a matrix.
#[derive(Debug)]
pub struct Evolved {
    /// The new matrix.
    pub matrix: Csr,
    /// The carried values of its entries, 0 for those that were grown.
    pub carried: Vec<f32>,
    /// For each of its entries the position in the old matrix, or [`NONE`] if it was grown; empty
    /// unless it was asked for.
    pub source: Vec<u32>,
    /// How many connections went and came.
    pub turnover: Turnover,
}

/// How many connections of a layer went and came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turnover {
    /// Connections that were dropped.
    pub dropped: usize,
    /// Connections that were grown.
    pub grown: usize,
}

/// Merges the survivors with new connections at some of the empty places, which are distinct and in
/// ascending order. `value(row_nnz)(i)` is the weight of grown connection number `i`, counted in
/// the order of the new matrix, in a row (the incoming connections of a neuron) that has `row_nnz`
/// after growth. The new arrays are those of `buffers`.
///
/// Time O(nnz + n_rows), memory as [`super::evolution_bytes`] has it.
///
/// # Panics
/// If there is no such empty place.
pub fn merge<S: Survival, V: Fn(u64) -> f32>(
    par: &Par,
    thinned: &Thinned<'_, S>,
    mut places: Vec<u64>,
    value: impl Fn(usize) -> V + Sync,
    buffers: &mut Buffers,
) -> Result<Evolved> {
    let Thinned { old, offsets, blocks, kept, .. } = thinned;
    assert!(places.last().is_none_or(|&last| last < thinned.empty()), "internal: no such place");
    let turnover = Turnover { dropped: thinned.dropped(), grown: places.len() };
    let nnz = thinned.survivors() + places.len();
    buffers.fit(old.weights.n_rows(), nnz, !old.carried.is_empty())?;
    let mut source = if old.track { zeros(nnz, "the map of an evolution")? } else { Vec::new() };
    let mut grown = filled(blocks.len(), 0usize, "an evolution")?;
    grown.iter_mut().enumerate().for_each(|(b, g)| *g = thinned.first_in(b, &places));

    let last = blocks.len() - 1;
    let start = |b: usize| kept[b] + grown[b];
    let mut indptr = take(&mut buffers.indptr);
    let mut indices = take(&mut buffers.indices);
    let mut data = take(&mut buffers.data);
    let mut carried = take(&mut buffers.carried);
    indptr[0] = 0;
    par.for_rows(
        0..last,
        1,
        New {
            ends: &mut indptr[1..offsets.len()],
            indices: &mut indices,
            data: &mut data,
            carried: &mut carried,
            source: &mut source,
            places: &mut places,
        },
        |b| b,
        |new: New<'_>, range, mid| {
            let first = range.start;
            let (rows, entries) = (blocks[mid] - blocks[first], start(mid) - start(first));
            new.split(rows, entries, grown[mid] - grown[first])
        },
        |range, mut new| {
            for b in range {
                let rows = blocks[b]..blocks[b + 1];
                let entries = start(b + 1) - start(b);
                let (own, rest) = new.split(rows.len(), entries, grown[b + 1] - grown[b]);
                new = rest;
                Merge::new(thinned, rows, kept[b], grown[b], own).run(&value);
            }
        },
    );
    spread(&mut indptr, old.closed);
    let matrix = Csr::from_parts_by(par, old.weights.n_cols(), indptr, indices, data);
    Ok(Evolved { matrix, carried, source, turnover })
}

/// A part of what an evolution makes.
struct New<'a> {
    /// Where the rows end.
    ends: &'a mut [usize],
    indices: &'a mut [u32],
    data: &'a mut [f32],
    /// Empty if nothing is carried.
    carried: &'a mut [f32],
    /// Empty if it is not wanted.
    source: &'a mut [u32],
    /// Where connections grow, as numbers of empty places.
    places: &'a mut [u64],
}

impl New<'_> {
    fn split(self, rows: usize, entries: usize, grown: usize) -> (Self, Self) {
        fn cut<T>(all: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
            all.split_at_mut(at.min(all.len()))
        }
        let (ends, ends_right) = cut(self.ends, rows);
        let (indices, indices_right) = cut(self.indices, entries);
        let (data, data_right) = cut(self.data, entries);
        let (carried, carried_right) = cut(self.carried, entries);
        let (source, source_right) = cut(self.source, entries);
        let (places, places_right) = cut(self.places, grown);
        (
            New { ends, indices, data, carried, source, places },
            New {
                ends: ends_right,
                indices: indices_right,
                data: data_right,
                carried: carried_right,
                source: source_right,
                places: places_right,
            },
        )
    }
}

/// Merges the survivors of some rows with what grows there. It does not look at where rows end, and
/// no branch depends on what is random: half of all predictions would be wrong.
struct Merge<'a, S> {
    thinned: &'a Thinned<'a, S>,
    rows: Range<usize>,
    /// Survivors and grown connections before these rows.
    kept_before: usize,
    grown_before: usize,
    new: New<'a>,
    divisor: Divisor,
    /// Survivors and chosen places that were merged, entries that were written, and those that were
    /// grown.
    passed: u64,
    chosen: usize,
    written: usize,
    grown: usize,
    /// The next entries: the number of each one's place, counted along these rows, and where it
    /// comes from.
    places: [u64; RUN],
    from: [u32; RUN],
}

impl<'a, S: Survival> Merge<'a, S> {
    fn new(
        thinned: &'a Thinned<'a, S>,
        rows: Range<usize>,
        kept_before: usize,
        grown_before: usize,
        new: New<'a>,
    ) -> Self {
        Merge {
            thinned,
            rows,
            kept_before,
            grown_before,
            new,
            divisor: Divisor::new(thinned.old.weights.n_cols() as u64),
            passed: 0,
            chosen: 0,
            written: 0,
            grown: 0,
            places: [0; RUN],
            from: [0; RUN],
        }
    }

    fn run<V: Fn(u64) -> f32>(mut self, value: &impl Fn(usize) -> V) {
        self.new.ends.fill(0);
        let (thinned, first) = (self.thinned, self.rows.start as u32);
        let w = thinned.old.weights;
        let n_cols = w.n_cols() as u64;
        let empty = u64::from(first) * n_cols - self.kept_before as u64;
        self.new.places.iter_mut().for_each(|place| *place -= empty);

        let (columns, data) = (w.pattern().indices(), w.data());
        let (mut gaps, mut from) = ([0u64; RUN], [0u32; RUN]);
        row_runs(&thinned.offsets, self.rows.clone(), |entries, rows| {
            let mut survivors = 0;
            let columns = columns[entries.clone()].iter().zip(rows);
            let ks = entries.start as u32..;
            for (((&column, &row), &v), k) in columns.zip(&data[entries]).zip(ks) {
                let place = u64::from(row - first) * n_cols + u64::from(column);
                // The empty places before it.
                gaps[survivors] = place - self.passed - survivors as u64;
                from[survivors] = k;
                survivors += usize::from(thinned.survival.survives(k, row, v));
            }
            self.merge(&gaps[..survivors], &from[..survivors]);
        });
        while self.chosen < self.new.places.len() {
            let empty = &self.new.places[self.chosen..];
            let count = empty.len().min(RUN);
            for (place, empty) in self.places.iter_mut().zip(empty) {
                *place = empty + self.passed;
            }
            self.from[..count].fill(NONE);
            self.chosen += count;
            self.write(count);
        }

        let mut end = self.kept_before + self.grown_before;
        let begin = end;
        for row_end in self.new.ends.iter_mut() {
            end += *row_end;
            *row_end = end;
        }
        for (index, &mut grown) in (self.grown_before as u64..).zip(self.new.places) {
            let (row, at) = ((grown >> 32) as usize, grown as u32 as usize);
            let start = if row == 0 { begin } else { self.new.ends[row - 1] };
            self.new.data[at] = value(self.new.ends[row] - start)(index);
        }
    }

    /// Merges survivors with all that grows before the last of them. `gaps`: how many empty places
    /// are before each.
    fn merge(&mut self, gaps: &[u64], from: &[u32]) {
        let mut s = 0;
        while s < gaps.len() {
            let mut at = 0;
            while s < gaps.len() && at < RUN {
                let empty = self.new.places.get(self.chosen).copied().unwrap_or(u64::MAX);
                let survives = gaps[s] <= empty;
                self.places[at] = gaps[s].min(empty) + self.passed;
                self.from[at] = select_unpredictable(survives, from[s], NONE);
                self.chosen += usize::from(!survives);
                self.passed += u64::from(survives);
                s += usize::from(survives);
                at += 1;
            }
            self.write(at);
        }
    }

    /// Writes the next `count` entries, but not the weights of grown ones: these depend on how many
    /// entries their rows have in the end. Replaces the number of each grown one by its row and
    /// position.
    fn write(&mut self, count: usize) {
        let New { ends, indices, data, carried, source, places } = &mut self.new;
        let here = self.written..self.written + count;
        let from = &self.from[..count];
        let (mut grown, mut found) = ([0u64; RUN], 0);
        let entries = self.places.iter().zip(from).zip(&mut indices[here.clone()]);
        for (((&place, &from), column), at) in entries.zip(here.start as u64..) {
            let (row, remainder) = self.divisor.divide(place);
            *column = remainder as u32;
            ends[row as usize] += 1;
            // The next entry overwrites this one if it was not grown.
            grown[found] = row << 32 | at;
            found += usize::from(from == NONE);
        }
        places[self.grown..self.grown + found].copy_from_slice(&grown[..found]);
        gather(from, self.thinned.old.weights.data(), &mut data[here.clone()]);
        if !carried.is_empty() {
            gather_or_zero(from, self.thinned.old.carried, &mut carried[here.clone()]);
        }
        if !source.is_empty() {
            source[here].copy_from_slice(from);
        }
        self.written += count;
        self.grown += found;
    }
}

/// Division by a number that is known in advance, as a multiplication.
#[derive(Clone, Copy)]
struct Divisor {
    divisor: u64,
    inverse: u64,
}

impl Divisor {
    fn new(divisor: u64) -> Self {
        // Without columns nothing is divided.
        let divisor = divisor.max(1);
        Divisor { divisor, inverse: u64::MAX / divisor }
    }

    /// Quotient and remainder.
    #[inline(always)]
    fn divide(self, value: u64) -> (u64, u64) {
        // Too low by one at most, as the inverse is by less than 1 / 2^64 of the divisor's.
        let quotient = ((u128::from(value) * u128::from(self.inverse)) >> 64) as u64;
        let remainder = value - quotient * self.divisor;
        let low = remainder >= self.divisor;
        let less = select_unpredictable(low, self.divisor, 0);
        (quotient + u64::from(low), remainder - less)
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
            gather_or_zero(&source[range], old, new);
        },
    );
    Ok(new)
}

/// Values of the old entries, and any values for those that were grown: a minimum takes the place
/// of a branch that would be wrong every other time.
fn gather(source: &[u32], old: &[f32], new: &mut [f32]) {
    let Some(last) = old.len().checked_sub(1) else { return };
    for (v, &source) in new.iter_mut().zip(source) {
        *v = old[(source as usize).min(last)];
    }
}

/// [`gather`], and 0 for those that were grown.
fn gather_or_zero(source: &[u32], old: &[f32], new: &mut [f32]) {
    gather(source, old, new);
    for (v, &source) in new.iter_mut().zip(source) {
        *v = if source == NONE { 0.0 } else { *v };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};
    use crate::topology::{Old, sample_distinct, weakest};
    use proptest::prelude::*;

    /// Columns, sources and the grown's numbers of each row in SET with the fraction `zeta`: the
    /// definition, place by place.
    fn naive(old: &Old<'_>, zeta: f64, places: Stream) -> Vec<Vec<(u32, u32, u64)>> {
        let (w, closed) = (old.weights, old.closed);
        let data = w.data();
        let mut gone: Vec<_> = (0..w.nnz()).filter(|&k| data[k] == 0.0).collect();
        for sign in [1.0, -1.0] {
            let mut weak: Vec<_> = (0..w.nnz()).filter(|&k| data[k] * sign > 0.0).collect();
            weak.sort_by(|&a, &b| data[a].abs().total_cmp(&data[b].abs()).then(a.cmp(&b)));
            weak.truncate((zeta * weak.len() as f64).floor() as usize);
            gone.extend(weak);
        }
        let (n_cols, indptr) = (w.n_cols() as u64, w.pattern().indptr());
        let open: Vec<_> =
            (0..w.n_rows()).filter(|&r| !closed.get(r).is_some_and(|c| *c)).collect();
        let mut entries = Vec::new();
        for (number, &r) in open.iter().enumerate() {
            for k in (indptr[r]..indptr[r + 1]).filter(|k| !gone.contains(k)) {
                let place = number as u64 * n_cols + u64::from(w.pattern().indices()[k]);
                entries.push((place, k as u32, 0));
            }
        }
        let survivors: Vec<_> = entries.iter().map(|entry| entry.0).collect();
        let empty = open.len() as u64 * n_cols - survivors.len() as u64;
        let ranks = sample_distinct(&Par::seq(), empty, gone.len() as u64, places).unwrap();
        for (rank, number) in ranks.into_iter().zip(0..) {
            let place = survivors.iter().fold(rank, |at, &taken| at + u64::from(taken <= at));
            entries.push((place, NONE, number));
        }
        entries.sort_unstable();
        let mut rows = vec![Vec::new(); w.n_rows()];
        for (place, source, number) in entries {
            rows[open[(place / n_cols) as usize]].push(((place % n_cols) as u32, source, number));
        }
        rows
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(
            // Wide rows have more than 2^32 places in each two.
            wide: bool, lengths in prop::collection::vec(prop_oneof![0usize..4, 0usize..12, Just(60)], 1..40),
            grain in prop_oneof![1usize..60, Just(GRAIN)], threads in 1usize..4, zeta in 0.0..1.0f64,
            closes: bool, track: bool, seed: u64,
        ) {
            let n_cols = if wide { NONE as usize - 1 } else { 60 };
            let numbers = Stream::new(seed, Purpose::Weights, 1, 1);
            let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
            for (r, &length) in lengths.iter().enumerate() {
                let mut row = std::collections::BTreeSet::new();
                let mut block = numbers.block(r as u64);
                while row.len() < length {
                    row.insert(block.below(n_cols as u64) as u32);
                }
                indices.extend(row);
                data.extend((0..length).map(|_| block.below(41) as f32 - 20.0));
                indptr.push(indices.len());
            }
            let closed: Vec<_> = lengths.iter().map(|&length| closes && length == 0).collect();
            let carried: Vec<_> = (1..=data.len()).map(|k| k as f32).collect();
            let w = Csr::new(n_cols, indptr, indices, data).unwrap();
            let places = Stream::new(seed, Purpose::GrowPlaces, 1, 1);
            let old = Old {
                weights: &w, carried: &carried, closed: if closes { &closed } else { &[] }, track,
            };
            let value = |nnz: usize| move |index: u64| 100.0 * nnz as f32 + index as f32;
            let par = Par::new(threads).unwrap();
            let dropped = weakest(&par, w.data(), zeta).unwrap();
            let thinned = Thinned::in_blocks(grain, &par, old, dropped).unwrap();
            let chosen = thinned.draw(&par, thinned.dropped() as u64, places).unwrap();
            let new = merge(&par, &thinned, chosen, value, &mut Buffers::default()).unwrap();
            let mut at = 0;
            for (r, row) in naive(&old, zeta, places).into_iter().enumerate() {
                for &(column, source, number) in &row {
                    prop_assert_eq!(new.matrix.pattern().indices()[at], column);
                    let (weight, value) = match w.data().get(source as usize) {
                        Some(&weight) => (weight, carried[source as usize]),
                        None => (value(row.len())(number), 0.0),
                    };
                    prop_assert_eq!((new.matrix.data()[at], new.carried[at]), (weight, value));
                    prop_assert!(!track || new.source[at] == source);
                    at += 1;
                }
                prop_assert_eq!(new.matrix.pattern().indptr()[r + 1], at);
            }
            prop_assert_eq!((at, new.source.len()), (w.nnz(), if track { at } else { 0 }));
        }

        #[test]
        fn dividing_is_dividing(value: u64, divisor in prop_oneof![1..9u64, any::<u64>()], low in 0..9u64) {
            let divisor = divisor.max(1);
            for value in [value, value % 16, u64::MAX - low, (value / divisor).saturating_mul(divisor)] {
                for value in [value, value.saturating_sub(1)] {
                    let expected = (value / divisor, value % divisor);
                    prop_assert_eq!(Divisor::new(divisor).divide(value), expected);
                }
            }
        }
    }
}
