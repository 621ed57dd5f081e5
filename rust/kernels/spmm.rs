//! Products of a sparse matrix, or its transpose, with a feature-major batch.

use std::ops::Range;

use super::activation::Map;
use super::epilogue::{Backward, Biases, Forward, backward_row, forward_row};
use super::operands::{Batch, BatchMut, Linear, Outputs, Record, Split, Transposed, Weights};
use super::simd::rows::{Gather, Values, fetch_run};
use super::simd::{Simd, Vector, multiversion};
use super::tiles::{LANES, for_tiles, words};
use super::traversal::blocks::{Blocks, Lanes};
use super::traversal::panels::{Panels, Visit, Worth};
use crate::parallel::Par;

/// Measured on 4096 x 4096 at batch 128: blocks gain from these counts on.
const WORTH: Worth = Worth { first: 10.0, second: 12.0 };

/// Rows of a matrix, or of its transpose, that a thread multiplies.
struct Rows<'a> {
    indptr: &'a [usize],
    range: Range<usize>,
    /// What the sums start from, for all rows of the matrix, if not from 0.
    bias: Option<&'a [f32]>,
}

/// Products of some rows with the batch that `gather` has, into `y`; `finish` gets each row when it
/// is complete.
#[inline(always)]
fn products<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    values: Values<'_>,
    rows: Rows<'_>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    // Portable code has the one way that does for all, as it is small.
    if !S::INLINES {
        return products_of_panels(simd, gather, gather.stride, values, rows, y, finish);
    }
    // In short rows, matching the stride for each of them takes as long as the product. A transpose
    // has no such case: it waits for values at random positions.
    if let Values::Direct(data) = values
        && Blocks::pay(rows.indptr, gather.stride, LANES)
    {
        return match gather.stride {
            8 => products_of_blocks(simd, gather, 8, data, rows, y, finish),
            16 => products_of_blocks(simd, gather, 16, data, rows, y, finish),
            other => products_of_blocks(simd, gather, other, data, rows, y, finish),
        };
    }
    if gather.stride == 1 && !gather.is_far() {
        return products_of_one_lane(simd, gather, values, rows, y, finish);
    }
    match gather.stride {
        16 => products_of_panels(simd, gather, 16, values, rows, y, finish),
        32 => products_of_panels(simd, gather, 32, values, rows, y, finish),
        other => products_of_panels(simd, gather, other, values, rows, y, finish),
    }
}

/// [`products`] of rows in turn or in visits.
#[inline(always)]
fn products_of_panels<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    stride: usize,
    values: Values<'_>,
    rows: Rows<'_>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    let Rows { indptr, range, bias } = rows;
    let (gather, first_row) = (gather.of_lanes(stride), range.start);
    let (indices, below) = (gather.indices.indices(), gather.indices.below());
    let visits = Panels::new(indptr, indices, below, range, stride, WORTH);
    let whole = visits.whole();
    let gather = if whole { gather } else { gather.near() };
    for visit in visits {
        if whole {
            gather.fetch_entries(simd, values, &visit.entries);
        } else {
            fetch_visits(simd, indices, values, &visit);
        }
        let y = &mut y[(visit.row - first_row) * stride..][..stride];
        let start = visit.first.then(|| bias.map_or(0.0, |bias| bias[visit.row]));
        add_product(simd, gather, values, visit.entries, start, y);
        if visit.last {
            finish.row(simd, visit.row, y);
        }
    }
}

/// Rows of one lane that are added up beside each other.
const BESIDE: usize = 4;

/// [`products`] of rows with one lane.
#[inline(always)]
fn products_of_one_lane<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    values: Values<'_>,
    rows: Rows<'_>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    let Rows { indptr, range, bias } = rows;
    let gather = gather.of_lanes(1);
    let (first, start) = (range.start, |row: usize| bias.map_or(0.0, |bias| bias[row]));
    let mut row = range.start;
    while row < range.end {
        let count = BESIDE.min(range.end - row);
        let sums = &mut y[row - first..][..count];
        if count == BESIDE {
            let entries = std::array::from_fn(|r| indptr[row + r]..indptr[row + r + 1]);
            let mut acc = [S::V1::splat(simd, 0.0); BESIDE];
            for (r, acc) in (row..).zip(&mut acc) {
                *acc = S::V1::splat(simd, start(r));
            }
            let acc = gather.accumulate_rows(simd, values, &entries, acc);
            for (acc, sum) in acc.into_iter().zip(&mut *sums) {
                acc.store(std::slice::from_mut(sum));
            }
        } else {
            for (r, sum) in (row..).zip(sums.iter_mut()) {
                let (entries, sum) = (indptr[r]..indptr[r + 1], std::slice::from_mut(sum));
                add_product(simd, gather, values, entries, Some(start(r)), sum);
            }
        }
        for (r, sum) in (row..).zip(sums.iter_mut()) {
            finish.row(simd, r, std::slice::from_mut(sum));
        }
        row += count;
    }
}

/// Adds the products of some entries of a row to `start`, or to what is in `y`, (stride,), already.
#[inline(always)]
fn add_product<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    values: Values<'_>,
    entries: Range<usize>,
    start: Option<f32>,
    y: &mut [f32],
) {
    for_tiles!(S, y.len(), |offset, V, T| {
        let lanes = &mut y[offset..][..<V<S> as Vector<S>>::N * T];
        let mut acc = [V::<S>::splat(simd, start.unwrap_or(0.0)); T];
        if start.is_none() {
            for t in 0..T {
                acc[t] = V::<S>::load(simd, &lanes[t * <V<S> as Vector<S>>::N..]);
            }
        }
        let acc = gather.accumulate(simd, values, entries.clone(), offset, acc);
        for t in 0..T {
            acc[t].store(&mut lanes[t * <V<S> as Vector<S>>::N..]);
        }
    });
}

/// [`products`] of rows with few entries and a vector of lanes at most.
#[inline(always)]
fn products_of_blocks<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    stride: usize,
    data: &[f32],
    rows: Rows<'_>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    let Rows { indptr, range, bias } = rows;
    let (gather, first_row) = (gather.of_lanes(stride), range.start);
    let mut blocks = Blocks::new(indptr, range, stride);
    let far = blocks.are_far(stride);
    let mut lanes = Lanes::default();
    while let Some(block) = blocks.next() {
        let rows = block.rows.clone();
        let y = &mut y[(rows.start - first_row) * stride..][..rows.len() * stride];
        let sums = if far { &mut lanes.0[..y.len()] } else { &mut *y };
        let start = |row: usize| bias.map_or(0.0, |bias| bias[row]);
        if block.is_long() {
            let (values, start) = (Values::Direct(data), Some(start(rows.start)));
            add_product(simd, gather, values, block.entries, start, sums);
        } else {
            for (row, sums) in rows.clone().zip(sums.chunks_exact_mut(stride)) {
                for_tiles!(S, stride, |offset, V, T| for t in 0..T {
                    let lanes = &mut sums[offset + t * <V<S> as Vector<S>>::N..];
                    V::<S>::splat(simd, start(row)).store(lanes);
                });
            }
            let (entries, numbers) = (block.entries.clone(), blocks.numbers(&block));
            let starts = bias.map(|bias| &bias[rows.clone()]);
            gather.sums_of_rows(simd, data, entries, numbers, starts, sums);
        }
        for (row, sums) in rows.zip(sums.chunks_exact_mut(stride)) {
            finish.row(simd, row, &mut sums[..stride]);
        }
        if far {
            simd.copy_past(&lanes.0[..y.len()], y);
        }
    }
    if far {
        simd.copied_past();
    }
}

/// Prefetches the entries of later visits: the processor cannot predict where they start.
#[inline(always)]
fn fetch_visits<S: Simd>(simd: S, indices: &[u32], values: Values<'_>, visit: &Visit) {
    match values {
        Values::Direct(data) => {
            if let Some((start, count)) = visit.soon {
                fetch_run(simd, indices, start, count);
                fetch_run(simd, data, start, count);
            }
        }
        Values::At(positions, data) => {
            if let Some((start, count)) = visit.later {
                fetch_run(simd, indices, start, count);
                fetch_run(simd, positions, start, count);
            }
            if let Some((start, count)) = visit.soon {
                let end = positions.len().min(start + count);
                for &position in &positions[start..end] {
                    fetch_run(simd, data, position as usize, 1);
                }
            }
        }
    }
}

/// What happens to a row once its product is complete. It is a trait for the same reason as `Sink`.
pub(super) trait Finish<S> {
    fn row(&mut self, simd: S, row: usize, lanes: &mut [f32]);
}

/// Activations; `first` is the first row, the record is that of the rows from it on.
struct Activate<'a> {
    first: usize,
    words: usize,
    forward: &'a Forward,
    record: Record<'a>,
}

impl<S: Simd> Finish<S> for Activate<'_> {
    #[inline(always)]
    fn row(&mut self, simd: S, row: usize, lanes: &mut [f32]) {
        let record = self.record.row(row - self.first, lanes.len(), self.words);
        forward_row(simd, self.forward, row, lanes, record);
    }
}

/// Derivatives, and the step of the biases whose gradients they make; `first` is the first row.
pub(super) struct Derive<'a, 'b> {
    pub(super) first: usize,
    pub(super) backward: &'a Backward<'b>,
    pub(super) biases: Option<Biases<'a>>,
}

impl<S: Simd> Finish<S> for Derive<'_, '_> {
    #[inline(always)]
    fn row(&mut self, simd: S, row: usize, lanes: &mut [f32]) {
        backward_row(simd, self.backward, row, lanes);
        if let Some(biases) = &mut self.biases {
            biases.update(simd, row - self.first, lanes);
        }
    }
}

/// What a product with the transpose writes.
pub(super) struct Columns<'a> {
    pub(super) dx: BatchMut<'a>,
    /// The biases that step from the rows of `dx`, if any.
    pub(super) biases: Option<Biases<'a>>,
}

impl Columns<'_> {
    /// Panics unless they are `n_cols` columns of `stride` lanes.
    pub(super) fn check(&self, n_cols: usize, stride: usize) {
        assert_eq!(self.dx.stride, stride, "internal: dx and dy are of one batch");
        assert!(self.dx.as_batch().has_rows(n_cols), "internal: dx is (n_cols, stride)");
        if let Some(Biases { step, parameters }) = &self.biases {
            step.check(parameters, n_cols);
        }
    }
}

impl Split for Columns<'_> {
    fn split(self, columns: usize) -> (Self, Self) {
        let (dx, dx_right) = self.dx.split(columns);
        let (biases, biases_right) = self.biases.split(columns);
        (Columns { dx, biases }, Columns { dx: dx_right, biases: biases_right })
    }
}

#[inline(always)]
fn spmm_body<S: Simd>(
    simd: S,
    linear: Linear<'_>,
    x: Batch<'_>,
    forward: &Forward,
    rows: Range<usize>,
    y: &mut [f32],
    record: Record<'_>,
) {
    let Linear { weights: Weights { pattern, data }, bias } = linear;
    let mut finish = Activate { first: rows.start, words: words(x.stride), forward, record };
    let gather = Gather::new(pattern.bounded(), x);
    let rows = Rows { indptr: pattern.indptr(), range: rows, bias: Some(bias) };
    products(simd, gather, Values::Direct(data), rows, y, &mut finish);
}
multiversion! {
    fn spmm_rows(
        linear: Linear<'_>, x: Batch<'_>, forward: &Forward, rows: Range<usize>, y: &mut [f32],
        record: Record<'_>,
    ) => spmm_body
}

/// `Y = W X + bias`. `x`: n_cols rows; `y`: n_rows rows, overwritten.
pub fn spmm(par: &Par, linear: Linear<'_>, x: Batch<'_>, y: BatchMut<'_>) {
    let identity = Forward { map: Map::Identity, mask: None, flush: false };
    spmm_activate(par, linear, x, &identity, Outputs::alone(y));
}

/// `Y = forward(W X + bias)`. `x`: n_cols rows; `outputs`: n_rows rows, overwritten. Of the record,
/// `signs` are written, pre-activations if the activation needs them, and `kept`, which must not be
/// empty if there is a mask.
pub fn spmm_activate(
    par: &Par,
    linear: Linear<'_>,
    x: Batch<'_>,
    forward: &Forward,
    outputs: Outputs<'_>,
) {
    let (w, stride) = (linear.weights.pattern, x.stride);
    linear.weights.check();
    outputs.check(w.n_rows());
    assert_eq!(outputs.y.stride, stride, "internal: x and y are of one batch");
    assert!(x.has_rows(w.n_cols()), "internal: x is (n_cols, stride)");
    assert_eq!(linear.bias.len(), w.n_rows(), "internal: bias is (n_rows,)");
    let masked = forward.mask.is_none() || !outputs.record.kept.is_empty() || w.n_rows() == 0;
    assert!(masked, "internal: a mask needs kept bits");
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        outputs,
        |r| (w.indptr()[r] + r) * stride,
        |outputs, range, mid| outputs.split(mid - range.start),
        |rows, Outputs { y, record }| spmm_rows(linear, x, forward, rows, y.values, record),
    );
}

#[inline(always)]
fn spmm_transpose_body<S: Simd>(
    simd: S,
    w: Transposed<'_>,
    dy: Batch<'_>,
    backward: &Backward<'_>,
    columns: Range<usize>,
    dx: &mut [f32],
    biases: Option<Biases<'_>>,
) {
    let Transposed { index, data } = w;
    let gather = Gather::new(index.rows(), dy);
    let values = Values::At(index.positions(), data);
    let mut derive = Derive { first: columns.start, backward, biases };
    let rows = Rows { indptr: index.indptr(), range: columns, bias: None };
    products(simd, gather, values, rows, dx, &mut derive);
}
multiversion! {
    fn spmm_transpose_columns(
        w: Transposed<'_>, dy: Batch<'_>, backward: &Backward<'_>, columns: Range<usize>,
        dx: &mut [f32], biases: Option<Biases<'_>>,
    ) => spmm_transpose_body
}

/// `dX = W^T dY`. `dy`: n_rows rows; `dx`: n_cols rows, overwritten.
pub fn spmm_transpose(par: &Par, w: Transposed<'_>, dy: Batch<'_>, dx: BatchMut<'_>) {
    spmm_transpose_derive(par, w, dy, &Backward::of(Map::Identity), dx, None);
}

/// `dX = (W^T dY) * derivative`, with the derivative of the activation that made `X`. The biases,
/// if there are any, make a step from the rows of `dX`, their gradients.
///
/// `dy`: n_rows rows; `dx`: n_cols rows, overwritten; `biases`: (n_cols,).
pub fn spmm_transpose_derive(
    par: &Par,
    w: Transposed<'_>,
    dy: Batch<'_>,
    backward: &Backward<'_>,
    dx: BatchMut<'_>,
    biases: Option<Biases<'_>>,
) {
    let (index, stride, results) = (w.index, dy.stride, Columns { dx, biases });
    let n_cols = index.n_cols();
    assert!(dy.has_rows(index.n_rows()), "internal: dy is (n_rows, stride)");
    assert_eq!(w.data.len(), index.indptr()[n_cols], "internal: data is (nnz,)");
    results.check(n_cols, stride);
    par.for_rows(
        0..n_cols,
        super::GRAIN,
        results,
        |c| (index.indptr()[c] + c) * stride,
        |results, range, mid| results.split(mid - range.start),
        |columns, Columns { dx, biases }| {
            spmm_transpose_columns(w, dy, backward, columns, dx.values, biases);
        },
    );
}
