//! Products of a sparse matrix, or its transpose, with a feature-major batch.

use std::ops::Range;

use super::elementwise::{Backward, Forward, Map, backward_row, forward_row};
use super::lanes::{for_tiles, words};
use super::simd::{Simd, Vector, multiversion};
use crate::csr::{Pattern, Transpose};
use crate::parallel::Par;

/// One tile of one row: T vectors of accumulators over the row's entries in ascending order.
/// `value(k)` is the k-th entry's value, `columns[k]` the row of `x` that it multiplies.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<S: Simd, V: Vector<S>, const T: usize>(
    simd: S,
    columns: &[u32],
    value: impl Fn(usize) -> f32,
    x: &[f32],
    stride: usize,
    offset: usize,
    start: f32,
    y: &mut [f32],
) {
    let mut acc = [V::splat(simd, start); T];
    for (k, &c) in columns.iter().enumerate() {
        let v = V::splat(simd, value(k));
        let x = &x[c as usize * stride + offset..][..V::N * T];
        for t in 0..T {
            acc[t] = v.mul_add(V::load(simd, &x[t * V::N..]), acc[t]);
        }
    }
    let y = &mut y[offset..][..V::N * T];
    for t in 0..T {
        acc[t].store(&mut y[t * V::N..]);
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
    let words = words(stride);
    let row_words = |bits: &[u16]| if bits.is_empty() { 0 } else { words };
    let (signs_width, kept_width) = (row_words(signs), row_words(kept));
    for (local, row) in rows.enumerate() {
        let columns = w.row(row);
        let values = &data[w.indptr()[row]..][..columns.len()];
        let y = &mut y[local * stride..][..stride];
        for_tiles!(S, stride, |offset, V, T| {
            tile::<S, V<S>, T>(simd, columns, |k| values[k], x, stride, offset, bias[row], y)
        });
        let signs = &mut signs[local * signs_width..][..signs_width];
        let kept = &mut kept[local * kept_width..][..kept_width];
        forward_row(simd, forward, row, stride, y, signs, kept);
    }
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

/// `Y = forward(W X + bias)`, recording a bit a unit where `signs` and `kept` are not empty.
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
    dx: &mut [f32],
) {
    for (local, column) in columns.enumerate() {
        let (rows, positions) = index.column(column);
        let dx = &mut dx[local * stride..][..stride];
        for_tiles!(S, stride, |offset, V, T| {
            tile::<S, V<S>, T>(
                simd,
                rows,
                |k| data[positions[k] as usize],
                dy,
                stride,
                offset,
                0.0,
                dx,
            )
        });
        backward_row(simd, backward, column, stride, dx);
    }
}
multiversion! {
    fn spmm_transpose_columns(
        index: &Transpose, data: &[f32], dy: &[f32], stride: usize, backward: &Backward<'_>,
        columns: Range<usize>, dx: &mut [f32],
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
    spmm_transpose_derive(par, index, data, dy, stride, &linear, dx);
}

/// `dX = (W^T dY) * derivative`, the derivative that of the activation which made `X`.
///
/// `data`: (nnz,); `dy`: (n_rows, stride); `dx`: (n_cols, stride), overwritten.
pub fn spmm_transpose_derive(
    par: &Par,
    index: &Transpose,
    data: &[f32],
    dy: &[f32],
    stride: usize,
    backward: &Backward<'_>,
    dx: &mut [f32],
) {
    let n_cols = index.n_cols();
    assert_eq!(data.len(), index.indptr()[n_cols], "internal: data is (nnz,)");
    assert_eq!(dx.len(), n_cols * stride, "internal: dx is (n_cols, stride)");
    par.for_rows(
        0..n_cols,
        super::GRAIN,
        dx,
        |c| (index.indptr()[c] + c) * stride,
        |dx, range, mid| dx.split_at_mut((mid - range.start) * stride),
        |columns, dx| spmm_transpose_columns(index, data, dy, stride, backward, columns, dx),
    );
}
