//! The inner loops of the products: rows of lanes gathered by index, without a check per entry.
//!
//! The checks of a whole run of entries come first: a [`Bounded`] says that every index is below
//! a bound, so one look at the lengths covers them all. Checking each entry cost a third of the
//! speed where the lanes are in the first cache.
//!
//! Loops over arrays of vectors are written out: the compiler may leave an adapter such as `map` as
//! a separate function, which then lacks the target features.
#![allow(unsafe_code, clippy::needless_range_loop)]

use std::ops::Range;

use super::super::operands::Batch;
use super::{Simd, Vector};
use crate::csr::Bounded;

/// The entries' values.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    /// In the order of the entries.
    Direct(&'a [f32]),
    /// At the given positions.
    At(&'a [u32], &'a [f32]),
}

impl Values<'_> {
    /// Panics unless there is a value for each entry.
    #[inline(always)]
    fn check(&self, entries: usize) {
        let values = match self {
            Values::Direct(data) => data.len(),
            Values::At(positions, _) => positions.len(),
        };
        assert_eq!(values, entries, "internal: a value for each entry");
    }

    /// The value of entry `k`.
    ///
    /// # Safety
    /// `k` is below the number of entries, for which `check` has passed.
    #[inline(always)]
    unsafe fn get(&self, k: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Values::Direct(data) => *data.get_unchecked(k),
                Values::At(positions, data) => data[*positions.get_unchecked(k) as usize],
            }
        }
    }
}

/// Entries and what they are multiplied with.
#[derive(Clone, Copy)]
pub struct Gather<'a> {
    /// Which row of `x` each entry takes.
    pub indices: Bounded<'a>,
    /// (bound, stride).
    x: &'a [f32],
    /// Lanes of a row.
    pub stride: usize,
    /// Whether to prefetch rows: for an `x` that is larger than the near caches.
    prefetch: bool,
    /// How many entries ahead to prefetch.
    ahead: usize,
}

/// Takes dot products as they are computed. It is a trait and not a closure: a closure that is
/// called from several places may become a separate function, which then lacks the target features.
pub trait Sink {
    /// Takes `sums[..count]`, those of the entries `k..k + count`.
    fn take<S: Simd>(&mut self, simd: S, k: usize, sums: [f32; 8], count: usize);
    /// Prefetches what the sums of the entries `k..k + count` will change.
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize);
}

/// Cache lines to prefetch ahead of the current one: as many as memory serves at a time. With 6
/// entries, where rows are a line or two, products took more than twice as long.
const LINES_AHEAD: usize = 128;
/// The fewest entries ahead, for rows of many lines.
const ENTRIES_AHEAD: usize = 8;

/// Elements to prefetch ahead in what is read in order, entries and rows: between random reads the
/// processor does not prefetch them early enough by itself.
const RUN_AHEAD: usize = 512;
const ROWS_AHEAD: usize = 64;

/// Bytes of `x` up to which the processor finds its rows in time by itself.
const NEAR_BYTES: usize = 640 << 10;

/// Prefetches the lines of `count` elements of an array from `start` on, for a kernel that jumps in
/// it: the processor cannot predict that.
#[inline(always)]
pub fn fetch_run<S: Simd, T>(simd: S, array: &[T], start: usize, count: usize) {
    let lines = (count * size_of::<T>()).div_ceil(64);
    for line in 0..lines {
        let at = array.as_ptr().wrapping_add(start).wrapping_byte_add(64 * line);
        S::V16::prefetch(simd, at.cast());
    }
}

impl<'a> Gather<'a> {
    /// `x`: (bound of the indices, stride).
    #[inline(always)]
    pub fn new(indices: Bounded<'a>, x: Batch<'a>) -> Self {
        let Batch { values: x, stride } = x;
        let ahead = (LINES_AHEAD / stride.div_ceil(16)).max(ENTRIES_AHEAD);
        Gather { indices, x, stride, prefetch: size_of_val(x) > NEAR_BYTES, ahead }
    }

    /// The same gather with a number of lanes, the stride, that the compiler may know.
    #[inline(always)]
    pub fn of_lanes(self, stride: usize) -> Self {
        assert_eq!(stride, self.stride, "internal: the lanes of a row");
        Gather { stride, ..self }
    }

    /// The same gather without prefetching, for rows of `x` that are visited while they are near.
    #[inline(always)]
    pub fn near(self) -> Self {
        Gather { prefetch: false, ..self }
    }

    /// Panics unless rows of `x` hold the lanes `offset..offset + lanes` for every index.
    #[inline(always)]
    fn check(&self, range: &Range<usize>, offset: usize, lanes: usize) {
        let rows = self.indices.below().checked_mul(self.stride);
        assert!(rows.is_some_and(|n| n <= self.x.len()), "internal: x is (bound, stride)");
        assert!(offset + lanes <= self.stride, "internal: a tile within the row");
        assert!(range.end <= self.indices.indices().len(), "internal: entries exist");
    }

    /// The address of lane `offset` of the row that entry `k` takes.
    ///
    /// # Safety
    /// `k` is below the number of entries and `check` has passed for `offset`.
    #[inline(always)]
    unsafe fn row(&self, k: usize, offset: usize) -> *const f32 {
        // SAFETY: the index is below the bound and `x` holds that many rows.
        unsafe {
            let index = *self.indices.indices().get_unchecked(k) as usize;
            self.x.as_ptr().add(index * self.stride + offset)
        }
    }

    /// Prefetches lanes of the row of a later entry, if there is one.
    #[inline(always)]
    fn fetch<S: Simd, V: Vector<S>>(&self, simd: S, k: usize, offset: usize, lanes: usize) {
        if let Some(&index) = self.indices.indices().get(k) {
            let row = self.x.as_ptr().wrapping_add(index as usize * self.stride + offset);
            for line in (0..lanes).step_by(16) {
                V::prefetch(simd, row.wrapping_add(line));
            }
        }
    }

    /// `acc[t] += value * x[index, offset + t * N ..]` over the entries of `range`, in order, a
    /// fused multiply-add each.
    #[inline(always)]
    pub fn accumulate<S: Simd, V: Vector<S>, const T: usize>(
        &self,
        simd: S,
        values: Values<'_>,
        range: Range<usize>,
        offset: usize,
        mut acc: [V; T],
    ) -> [V; T] {
        self.check(&range, offset, V::N * T);
        values.check(self.indices.indices().len());
        for k in range {
            self.fetch_ahead::<S, V>(simd, values, k, offset, V::N * T);
            // SAFETY: k is below the number of entries, for which `check` has passed.
            let value = V::splat(simd, unsafe { values.get(k) });
            // SAFETY: `check` has passed for N * T lanes from `offset`.
            unsafe {
                let row = self.row(k, offset);
                for t in 0..T {
                    acc[t] = value.mul_add(V::load_at(simd, row.add(t * V::N)), acc[t]);
                }
            }
        }
        acc
    }

    /// [`Gather::accumulate`] of R rows of one lane, one beside the other: within a row every
    /// multiply-add waits for the one before.
    #[inline(always)]
    pub fn accumulate_rows<S: Simd, const R: usize>(
        &self,
        simd: S,
        values: Values<'_>,
        rows: &[Range<usize>; R],
        mut acc: [S::V1; R],
    ) -> [S::V1; R] {
        values.check(self.indices.indices().len());
        let (mut common, mut at) = (usize::MAX, [0; R]);
        for r in 0..R {
            self.check(&rows[r], 0, 1);
            common = common.min(rows[r].len());
            at[r] = rows[r].start;
        }
        for _ in 0..common {
            for r in 0..R {
                // SAFETY: `at` is in a row, for which `check` has passed.
                unsafe {
                    let value = S::V1::splat(simd, values.get(at[r]));
                    acc[r] = value.mul_add(S::V1::load_at(simd, self.row(at[r], 0)), acc[r]);
                }
                at[r] += 1;
            }
        }
        for r in 0..R {
            [acc[r]] = self.accumulate(simd, values, at[r]..rows[r].end, 0, [acc[r]]);
        }
        acc
    }

    /// Whether what is gathered is prefetched.
    #[inline(always)]
    pub fn is_far(&self) -> bool {
        self.prefetch
    }

    /// Prefetches the entries that come some time after those of a short row.
    #[inline(always)]
    pub fn fetch_entries<S: Simd>(&self, simd: S, values: Values<'_>, row: &Range<usize>) {
        if self.prefetch {
            let soon = row.start + RUN_AHEAD;
            fetch_run(simd, self.indices.indices(), soon, 1);
            match values {
                Values::Direct(data) => fetch_run(simd, data, soon, 1),
                Values::At(positions, _) => fetch_run(simd, positions, soon, 1),
            }
        }
    }

    /// Prefetches what will be multiplied [`Gather::ahead`] entries later.
    #[inline(always)]
    fn fetch_ahead<S: Simd, V: Vector<S>>(
        &self,
        simd: S,
        values: Values<'_>,
        k: usize,
        offset: usize,
        lanes: usize,
    ) {
        if self.prefetch {
            self.fetch::<S, V>(simd, k + self.ahead, offset, lanes);
            if let Values::At(positions, data) = values
                && let Some(&position) = positions.get(k + self.ahead)
            {
                V::prefetch(simd, data.as_ptr().wrapping_add(position as usize));
            }
        }
    }

    /// Row n of `y`, (rows, stride), becomes `starts[n]`, or 0, plus the sum of `value * x[index]`
    /// over the entries number i of `range` with `numbers[i]` = n, in order, a fused multiply-add
    /// each. Rows without entries stay. `numbers` ascend.
    #[inline(always)]
    pub fn sums_of_rows<S: Simd>(
        &self,
        simd: S,
        data: &[f32],
        range: Range<usize>,
        numbers: &[u16],
        starts: Option<&[f32]>,
        y: &mut [f32],
    ) {
        match self.stride {
            1 => self.sums_of_rows_of::<S, S::V1>(simd, data, range, numbers, starts, y),
            4 => self.sums_of_rows_of::<S, S::V4>(simd, data, range, numbers, starts, y),
            8 => self.sums_of_rows_of::<S, S::V8>(simd, data, range, numbers, starts, y),
            16 => self.sums_of_rows_of::<S, S::V16>(simd, data, range, numbers, starts, y),
            _ => panic!("internal: a row of {} lanes is not a vector", self.stride),
        }
    }

    #[inline(always)]
    fn sums_of_rows_of<S: Simd, V: Vector<S>>(
        &self,
        simd: S,
        data: &[f32],
        range: Range<usize>,
        numbers: &[u16],
        starts: Option<&[f32]>,
        y: &mut [f32],
    ) {
        self.check(&range, 0, V::N);
        let values = Values::Direct(data);
        values.check(self.indices.indices().len());
        let (mut acc, mut row) = (V::splat(simd, 0.0), u16::MAX);
        for (k, &number) in range.zip(numbers) {
            self.fetch_ahead::<S, V>(simd, values, k, 0, V::N);
            if self.prefetch {
                let soon = k + RUN_AHEAD;
                fetch_run(simd, self.indices.indices(), soon, 1);
                fetch_run(simd, data, soon, 1);
            }
            let lanes = &mut y[usize::from(number) * V::N..][..V::N];
            // SAFETY: k is below the number of entries, for which `check` has passed.
            let value = V::splat(simd, unsafe { values.get(k) });
            // Selecting without a branch keeps the sum in registers: to read back what was just
            // stored would mean to wait for it.
            let start = V::splat(simd, starts.map_or(0.0, |starts| starts[usize::from(number)]));
            let same = if number == row { u16::MAX } else { 0 };
            row = number;
            // SAFETY: `check` has passed for N lanes.
            let x = unsafe { V::load_at(simd, self.row(k, 0)) };
            acc = value.mul_add(x, acc.select(same, start));
            acc.store(lanes);
        }
    }

    /// [`Gather::dots`] of entries of several rows: entry number i of `range` is multiplied with
    /// row `numbers[i]` of `d`, (rows, stride).
    #[inline(always)]
    pub fn dots_of_rows<S: Simd>(
        &self,
        simd: S,
        d: &[f32],
        range: Range<usize>,
        numbers: &[u16],
        sink: &mut impl Sink,
    ) {
        match self.stride {
            1 => self.dots_of_rows_of::<S, S::V1, 1>(simd, d, range, numbers, sink),
            4 => self.dots_of_rows_of::<S, S::V4, 1>(simd, d, range, numbers, sink),
            8 => self.dots_of_rows_of::<S, S::V8, 1>(simd, d, range, numbers, sink),
            16 => self.dots_of_rows_of::<S, S::V16, 1>(simd, d, range, numbers, sink),
            32 => self.dots_of_rows_of::<S, S::V16, 2>(simd, d, range, numbers, sink),
            48 => self.dots_of_rows_of::<S, S::V16, 3>(simd, d, range, numbers, sink),
            64 => self.dots_of_rows_of::<S, S::V16, 4>(simd, d, range, numbers, sink),
            _ => panic!("internal: a row of {} lanes is not narrow", self.stride),
        }
    }

    #[inline(always)]
    fn dots_of_rows_of<S: Simd, V: Vector<S>, const T: usize>(
        &self,
        simd: S,
        d: &[f32],
        range: Range<usize>,
        numbers: &[u16],
        sink: &mut impl Sink,
    ) {
        self.check(&range, 0, V::N * T);
        let start = range.start;
        for group in range.clone().step_by(8) {
            let count = (range.end - group).min(8);
            if self.prefetch {
                let soon = group + RUN_AHEAD;
                fetch_run(simd, self.indices.indices(), soon, 1);
                sink.fetch(simd, soon, 1);
            }
            let mut acc = [V::splat(simd, 0.0); 8];
            for i in 0..8 {
                // Missing entries repeat the last.
                let k = group + i.min(count - 1);
                if self.prefetch {
                    self.fetch::<S, V>(simd, k + self.ahead, 0, V::N * T);
                }
                let row = usize::from(numbers[k - start]);
                if self.prefetch {
                    let next = (row + ROWS_AHEAD) * (V::N * T);
                    for line in (0..V::N * T).step_by(16) {
                        V::prefetch(simd, d.as_ptr().wrapping_add(next + line));
                    }
                }
                let d = &d[row * (V::N * T)..][..V::N * T];
                for t in 0..T {
                    // SAFETY: the entry exists and `check` has passed for whole rows.
                    let x = unsafe { V::load_at(simd, self.row(k, t * V::N)) };
                    acc[i] = V::load(simd, &d[t * V::N..]).mul_add(x, acc[i]);
                }
            }
            sink.take(simd, group, V::sum8(acc), count);
        }
    }

    /// Calls `sink.take(k, sums, count)`: `sums[i]` is the dot product of `d`, (stride,), with the
    /// row of `x` that entry `k + i` takes, for the first `count` of them. The range is covered in
    /// groups, so that the reduction of eight sums is shared.
    #[inline(always)]
    pub fn dots<S: Simd>(&self, simd: S, d: &[f32], range: Range<usize>, sink: &mut impl Sink) {
        // To decide at each product whether to prefetch cost a fifth of the speed in near rows.
        if S::INLINES && self.prefetch {
            self.dots_with::<S, true>(simd, d, range, sink);
        } else {
            self.dots_with::<S, false>(simd, d, range, sink);
        }
    }

    #[inline(always)]
    fn dots_with<S: Simd, const FETCH: bool>(
        &self,
        simd: S,
        d: &[f32],
        range: Range<usize>,
        sink: &mut impl Sink,
    ) {
        match self.stride {
            1 => self.dots_of::<S, S::V1, 1, FETCH>(simd, d, range, sink),
            4 => self.dots_of::<S, S::V4, 1, FETCH>(simd, d, range, sink),
            8 => self.dots_of::<S, S::V8, 1, FETCH>(simd, d, range, sink),
            16 if S::INLINES => self.dots_of::<S, S::V16, 1, FETCH>(simd, d, range, sink),
            32 if S::INLINES => self.dots_of::<S, S::V16, 2, FETCH>(simd, d, range, sink),
            64 if S::INLINES => self.dots_of::<S, S::V16, 4, FETCH>(simd, d, range, sink),
            128 if S::INLINES => self.dots_of::<S, S::V16, 8, FETCH>(simd, d, range, sink),
            _ => self.dots_of::<S, S::V16, 0, FETCH>(simd, d, range, sink),
        }
    }

    /// [`Gather::dots`] where a row is T vectors, or any number of them if T is 0.
    #[inline(always)]
    fn dots_of<S: Simd, V: Vector<S>, const T: usize, const FETCH: bool>(
        &self,
        simd: S,
        d: &[f32],
        range: Range<usize>,
        sink: &mut impl Sink,
    ) {
        self.check(&range, 0, self.stride);
        assert_eq!(d.len(), self.stride, "internal: d is (stride,)");
        assert!(self.stride.is_multiple_of(V::N), "internal: whole vectors");
        assert!(T == 0 || self.stride == T * V::N, "internal: T vectors a row");
        // A row that is a few vectors stays in registers; where those are few, four products share
        // what they load of it.
        let together = S::TILE < 8 && (T == 0 || T > S::TILE);
        let mut held = [V::splat(simd, 0.0); T];
        for t in 0..T {
            held[t] = V::load(simd, &d[t * V::N..]);
        }
        let zero = V::splat(simd, 0.0);
        let mut k = range.start;
        while k < range.end {
            let count = (range.end - k).min(8);
            // Many prefetches at once delay the group's reads, so each product makes one, unless
            // the group is small.
            let (small, next) = (count < 8 && (1..=2).contains(&T), k + self.ahead);
            if FETCH && small {
                for i in 0..count {
                    self.fetch::<S, V>(simd, next + i, 0, self.stride);
                }
            }
            let mut acc = [zero; 8];
            // Whole halves, so that the compiler unrolls them; missing entries repeat the last.
            let padded = if count > 4 { 8 } else { 4 };
            for half in 0..padded / 4 {
                let mut rows = [self.x.as_ptr(); 4];
                for i in 0..4 {
                    let entry = 4 * half + i;
                    if FETCH && !small {
                        self.fetch::<S, V>(simd, next + entry, 0, self.stride);
                    }
                    // SAFETY: the entry exists, and `check` has passed for whole rows.
                    unsafe {
                        rows[i] = self.row(k + entry.min(count - 1), 0);
                        if !together {
                            acc[entry] = if T > 0 {
                                self.dot_held(simd, &held, rows[i], zero)
                            } else {
                                self.dot(simd, d, rows[i], zero)
                            };
                        }
                    }
                }
                if together {
                    // SAFETY: the entries exist, and `check` has passed for whole rows.
                    let four = unsafe { self.dots_together(simd, d, rows, zero) };
                    acc[4 * half..][..4].copy_from_slice(&four);
                }
            }
            sink.take(simd, k, V::sum8(acc), count);
            k += count;
        }
    }

    /// The lanes of a dot product with a row, one vector after the other.
    ///
    /// # Safety
    /// `row` has T vectors.
    #[inline(always)]
    unsafe fn dot_held<S: Simd, V: Vector<S>, const T: usize>(
        &self,
        simd: S,
        d: &[V; T],
        row: *const f32,
        mut acc: V,
    ) -> V {
        for t in 0..T {
            // SAFETY: the caller's promise.
            acc = d[t].mul_add(unsafe { V::load_at(simd, row.add(t * V::N)) }, acc);
        }
        acc
    }

    /// The lanes of a dot product with a row of any number of vectors.
    ///
    /// # Safety
    /// `row` is as long as `d`, a multiple of N.
    #[inline(always)]
    unsafe fn dot<S: Simd, V: Vector<S>>(
        &self,
        simd: S,
        d: &[f32],
        row: *const f32,
        mut acc: V,
    ) -> V {
        let mut lane = 0;
        while lane < d.len() {
            // SAFETY: the caller's promise.
            unsafe {
                let d = V::load_at(simd, d.as_ptr().add(lane));
                acc = d.mul_add(V::load_at(simd, row.add(lane)), acc);
            }
            lane += V::N;
        }
        acc
    }

    /// The lanes of the dot products with four rows, the same as those of four times [`Self::dot`].
    ///
    /// # Safety
    /// Each of `rows` is as long as `d`, a multiple of N.
    #[inline(always)]
    unsafe fn dots_together<S: Simd, V: Vector<S>>(
        &self,
        simd: S,
        d: &[f32],
        rows: [*const f32; 4],
        zero: V,
    ) -> [V; 4] {
        let (mut acc, mut lane) = ([zero; 4], 0);
        while lane < d.len() {
            // SAFETY: the caller's promise.
            unsafe {
                let d = V::load_at(simd, d.as_ptr().add(lane));
                for i in 0..4 {
                    acc[i] = d.mul_add(V::load_at(simd, rows[i].add(lane)), acc[i]);
                }
            }
            lane += V::N;
        }
        acc
    }
}
