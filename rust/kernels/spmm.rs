//! Products of a sparse matrix, or its transpose, with a feature-major batch.

use std::ops::Range;

use super::blocks::{Blocks, Lanes};
use super::elementwise::{Backward, Biases, Forward, Map, backward_row, forward_row};
use super::lanes::{LANES, for_tiles, words};
use super::pieces::{Piece, Pieces, Worth};
use super::simd::rows::{Gather, Values, fetch_run};
use super::simd::{Simd, Vector, multiversion};
use crate::csr::{Pattern, Transpose};
use crate::parallel::Par;

/// Measured on 4096 x 4096 at batch 128: blocks gain from these counts on.
const WORTH: Worth = Worth { first: 10.0, second: 12.0 };

/// Products of the rows `rows` of a matrix with `x`, into `y`, starting from the bias or 0;
/// `finish` gets each row when it is complete.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn products<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    values: Values<'_>,
    indptr: &[usize],
    rows: Range<usize>,
    bias: Option<&[f32]>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    // Where rows are short, looking at the stride for each of them takes as long as the product.
    // Not for a transpose, which waits for values at random positions.
    if let Values::Direct(data) = values
        && Blocks::pay(indptr, gather.stride, LANES)
    {
        return match gather.stride {
            8 => products_of_blocks(simd, gather, 8, data, indptr, rows, bias, y, finish),
            16 => products_of_blocks(simd, gather, 16, data, indptr, rows, bias, y, finish),
            other => products_of_blocks(simd, gather, other, data, indptr, rows, bias, y, finish),
        };
    }
    match gather.stride {
        16 => products_of_pieces(simd, gather, 16, values, indptr, rows, bias, y, finish),
        32 => products_of_pieces(simd, gather, 32, values, indptr, rows, bias, y, finish),
        other => products_of_pieces(simd, gather, other, values, indptr, rows, bias, y, finish),
    }
}

/// [`products`] of rows in turn or in pieces.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn products_of_pieces<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    stride: usize,
    values: Values<'_>,
    indptr: &[usize],
    rows: Range<usize>,
    bias: Option<&[f32]>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    let (gather, first_row) = (gather.of_lanes(stride), rows.start);
    let (indices, below) = (gather.indices.indices(), gather.indices.below());
    let pieces = Pieces::new(indptr, indices, below, rows, stride, WORTH);
    let whole = pieces.whole();
    let gather = if whole { gather } else { gather.near() };
    for piece in pieces {
        if whole {
            gather.fetch_entries(simd, values, &piece.entries);
        } else {
            fetch_pieces(simd, indices, values, &piece);
        }
        let y = &mut y[(piece.row - first_row) * stride..][..stride];
        let start = piece.first.then(|| bias.map_or(0.0, |bias| bias[piece.row]));
        add_product(simd, gather, values, piece.entries, start, y);
        if piece.last {
            finish.row(simd, piece.row, y);
        }
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
#[allow(clippy::too_many_arguments)]
fn products_of_blocks<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    stride: usize,
    data: &[f32],
    indptr: &[usize],
    rows: Range<usize>,
    bias: Option<&[f32]>,
    y: &mut [f32],
    finish: &mut impl Finish<S>,
) {
    let (gather, first_row) = (gather.of_lanes(stride), rows.start);
    let mut blocks = Blocks::new(indptr, rows, stride);
    let far = blocks.are_far(stride);
    let mut lanes = Lanes::default();
    while let Some(block) = blocks.next() {
        let rows = block.rows.clone();
        let y = &mut y[(rows.start - first_row) * stride..][..rows.len() * stride];
        let sums = if far { &mut lanes.0[..y.len()] } else { &mut *y };
        let start = |row: usize| bias.map_or(0.0, |bias| bias[row]);
        if block.is_long() {
            add_product(
                simd,
                gather,
                Values::Direct(data),
                block.entries,
                Some(start(rows.start)),
                sums,
            );
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

/// Asks for the entries of pieces to come: the processor does not foresee where they start.
#[inline(always)]
fn fetch_pieces<S: Simd>(simd: S, indices: &[u32], values: Values<'_>, piece: &Piece) {
    match values {
        Values::Direct(data) => {
            if let Some((start, count)) = piece.soon {
                fetch_run(simd, indices, start, count);
                fetch_run(simd, data, start, count);
            }
        }
        Values::At(positions, data) => {
            if let Some((start, count)) = piece.later {
                fetch_run(simd, indices, start, count);
                fetch_run(simd, positions, start, count);
            }
            if let Some((start, count)) = piece.soon {
                let end = positions.len().min(start + count);
                for &position in &positions[start..end] {
                    fetch_run(simd, data, position as usize, 1);
                }
            }
        }
    }
}

/// What happens to a row once its product is complete. A trait for the reason that `Sink` is one.
pub(super) trait Finish<S> {
    fn row(&mut self, simd: S, row: usize, lanes: &mut [f32]);
}

/// Activations; `first` is the first row, the bits are those from it on, or empty.
struct Activate<'a> {
    first: usize,
    words: usize,
    forward: &'a Forward,
    signs: &'a mut [u16],
    kept: &'a mut [u16],
}

impl<S: Simd> Finish<S> for Activate<'_> {
    #[inline(always)]
    fn row(&mut self, simd: S, row: usize, lanes: &mut [f32]) {
        let at = (row - self.first) * self.words;
        let signs =
            if self.signs.is_empty() { &mut [] } else { &mut self.signs[at..][..self.words] };
        let kept = if self.kept.is_empty() { &mut [] } else { &mut self.kept[at..][..self.words] };
        forward_row(simd, self.forward, row, lanes, signs, kept);
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

/// What a thread writes to of a product with the transpose.
pub(super) type Columns<'a> = (&'a mut [f32], Option<Biases<'a>>);

/// Cuts it behind `columns` columns.
pub(super) fn split_columns(
    (dx, biases): Columns<'_>,
    stride: usize,
    columns: usize,
) -> (Columns<'_>, Columns<'_>) {
    let (left, right) = biases.map(|biases| biases.split_at(columns)).unzip();
    let (dx, dx_right) = dx.split_at_mut(columns * stride);
    ((dx, left), (dx_right, right))
}

/// Panics unless there is a bias for each column.
pub(super) fn check_biases(biases: &Option<Biases<'_>>, n_cols: usize) {
    let fit = |b: &Biases<'_>| b.bias.len() == n_cols && b.momentum.len() == n_cols;
    assert!(biases.as_ref().is_none_or(fit), "internal: bias and momentum are (n_cols,)");
    if let Some(biases) = biases {
        biases.step.check(biases.second, n_cols);
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn spmm_body<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    data: &[f32],
    x: &[f32],
    stride: usize,
    bias: &[f32],
    forward: &Forward,
    rows: Range<usize>,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &mut [u16],
) {
    let mut finish = Activate { first: rows.start, words: words(stride), forward, signs, kept };
    let gather = Gather::new(w.bounded(), x, stride);
    let values = Values::Direct(data);
    products(simd, gather, values, w.indptr(), rows, Some(bias), y, &mut finish);
}
multiversion! {
    fn spmm_rows(
        w: Pattern<'_>, data: &[f32], x: &[f32], stride: usize, bias: &[f32], forward: &Forward,
        rows: Range<usize>, y: &mut [f32], signs: &mut [u16], kept: &mut [u16],
    ) => spmm_body
}

/// `Y = W X + bias`.
///
/// `data`: (nnz,); `x`: (n_cols, stride); `bias`: (n_rows,); `y`: (n_rows, stride), overwritten.
pub fn spmm(
    par: &Par,
    w: Pattern<'_>,
    data: &[f32],
    x: &[f32],
    stride: usize,
    bias: &[f32],
    y: &mut [f32],
) {
    let linear = Forward { map: Map::Identity, mask: None };
    spmm_activate(par, w, data, x, stride, bias, &linear, y, &mut [], &mut []);
}

/// `Y = forward(W X + bias)`, recording a bit a unit: in `signs` where it is not empty, and in
/// `kept`, which must not be empty if there is a mask.
///
/// `data`: (nnz,); `x`: (n_cols, stride); `bias`: (n_rows,); `y`: (n_rows, stride), overwritten;
/// `signs`, `kept`: (n_rows, [`words`](super::words)`(stride)`) or empty.
#[allow(clippy::too_many_arguments)]
pub fn spmm_activate(
    par: &Par,
    w: Pattern<'_>,
    data: &[f32],
    x: &[f32],
    stride: usize,
    bias: &[f32],
    forward: &Forward,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &mut [u16],
) {
    let words = words(stride);
    assert_eq!(data.len(), w.nnz(), "internal: data is (nnz,)");
    assert_eq!(x.len(), w.n_cols() * stride, "internal: x is (n_cols, stride)");
    assert_eq!(y.len(), w.n_rows() * stride, "internal: y is (n_rows, stride)");
    assert_eq!(bias.len(), w.n_rows(), "internal: bias is (n_rows,)");
    for bits in [&*signs, &*kept] {
        assert!(
            bits.is_empty() || bits.len() == w.n_rows() * words,
            "internal: bits are (n_rows, words)"
        );
    }
    assert!(
        forward.mask.is_none() || !kept.is_empty() || y.is_empty(),
        "internal: a mask needs kept bits"
    );
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        (y, signs, kept),
        |r| (w.indptr()[r] + r) * stride,
        |(y, signs, kept), range, mid| {
            let cut = mid - range.start;
            let (y, y_right) = y.split_at_mut(cut * stride);
            let (signs, signs_right) = split_bits(signs, cut * words);
            let (kept, kept_right) = split_bits(kept, cut * words);
            ((y, signs, kept), (y_right, signs_right, kept_right))
        },
        |rows, (y, signs, kept)| spmm_rows(w, data, x, stride, bias, forward, rows, y, signs, kept),
    );
}

fn split_bits(bits: &mut [u16], at: usize) -> (&mut [u16], &mut [u16]) {
    if bits.is_empty() { (&mut [], &mut []) } else { bits.split_at_mut(at) }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn spmm_transpose_body<S: Simd>(
    simd: S,
    index: &Transpose,
    data: &[f32],
    dy: &[f32],
    stride: usize,
    backward: &Backward<'_>,
    columns: Range<usize>,
    (dx, biases): Columns<'_>,
) {
    let gather = Gather::new(index.rows(), dy, stride);
    let values = Values::At(index.positions(), data);
    let mut derive = Derive { first: columns.start, backward, biases };
    products(simd, gather, values, index.indptr(), columns, None, dx, &mut derive);
}
multiversion! {
    fn spmm_transpose_columns(
        index: &Transpose, data: &[f32], dy: &[f32], stride: usize, backward: &Backward<'_>,
        columns: Range<usize>, results: Columns<'_>,
    ) => spmm_transpose_body
}

/// `dX = W^T dY`.
///
/// `data`: (nnz,); `dy`: (n_rows, stride); `dx`: (n_cols, stride), overwritten.
pub fn spmm_transpose(
    par: &Par,
    index: &Transpose,
    data: &[f32],
    dy: &[f32],
    stride: usize,
    dx: &mut [f32],
) {
    let linear =
        Backward { map: Map::Identity, mask_scale: None, signs: &[], kept: &[], output: &[] };
    spmm_transpose_derive(par, index, data, dy, stride, &linear, dx, None);
}

/// `dX = (W^T dY) * derivative`, the derivative that of the activation which made `X`; and a step
/// of the biases, if there are some, whose gradients `dX` are.
///
/// `data`: (nnz,); `dy`: (n_rows, stride); `dx`: (n_cols, stride), overwritten; `biases`: (n_cols,).
#[allow(clippy::too_many_arguments)]
pub fn spmm_transpose_derive(
    par: &Par,
    index: &Transpose,
    data: &[f32],
    dy: &[f32],
    stride: usize,
    backward: &Backward<'_>,
    dx: &mut [f32],
    biases: Option<Biases<'_>>,
) {
    let n_cols = index.n_cols();
    check_biases(&biases, n_cols);
    assert_eq!(dy.len(), index.n_rows() * stride, "internal: dy is (n_rows, stride)");
    assert_eq!(data.len(), index.indptr()[n_cols], "internal: data is (nnz,)");
    assert_eq!(dx.len(), n_cols * stride, "internal: dx is (n_cols, stride)");
    par.for_rows(
        0..n_cols,
        super::GRAIN,
        (dx, biases),
        |c| (index.indptr()[c] + c) * stride,
        |results, range, mid| split_columns(results, stride, mid - range.start),
        |columns, results| {
            spmm_transpose_columns(index, data, dy, stride, backward, columns, results);
        },
    );
}
