//! The sampled product: gradients of the connections that exist, and their update in one pass.

use std::ops::Range;

use super::blocks::Blocks;
use super::pieces::{Piece, Pieces, Worth};
use super::simd::rows::{Gather, Sink, fetch_run};
use super::simd::{Simd, multiversion};
use super::step::{Step, split_second};

use crate::csr::Pattern;
use crate::parallel::Par;

/// Measured on 4096 x 4096 at batch 128. Blocks for the first cache never gain: a visit loads the
/// row of `dy` and ends in a group of sums that is not full.
const WORTH: Worth = Worth { first: f64::INFINITY, second: 24.0 };

/// Lanes up to which blocks of short rows pay.
const NARROW: usize = 64;

/// Gives the gradients of all entries of `rows` to `sink`.
#[inline(always)]
fn gradients<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: &[f32],
    x: &[f32],
    stride: usize,
    rows: Range<usize>,
    sink: &mut impl Sink,
) {
    let gather = Gather::new(w.bounded(), x, stride);
    if Blocks::pay(w.indptr(), stride, NARROW) {
        let mut blocks = Blocks::new(w.indptr(), rows, stride);
        while let Some(block) = blocks.next() {
            let d = &dy[block.rows.start * stride..][..block.rows.len() * stride];
            if block.is_long() {
                dots(simd, gather, d, block.entries, sink);
            } else {
                let numbers = blocks.numbers(&block);
                gather.dots_of_rows(simd, d, block.entries.clone(), numbers, sink);
            }
        }
        return;
    }
    let pieces = Pieces::new(w.indptr(), w.indices(), w.n_cols(), rows, stride, WORTH);
    let gather = if pieces.whole() { gather } else { gather.near() };
    for Piece { row, entries, soon, .. } in pieces {
        if let Some((start, count)) = soon {
            fetch_run(simd, w.indices(), start, count);
            sink.fetch(simd, start, count);
        }
        dots(simd, gather, &dy[row * stride..][..stride], entries, sink);
    }
}

/// The gradients of some entries of a row whose deltas are `d`, (stride,).
#[inline(always)]
fn dots<S: Simd>(
    simd: S,
    gather: Gather<'_>,
    d: &[f32],
    entries: Range<usize>,
    sink: &mut impl Sink,
) {
    match d.len() {
        1 => gather.dots::<S, S::V1>(simd, d, entries, sink),
        4 => gather.dots::<S, S::V4>(simd, d, entries, sink),
        8 => gather.dots::<S, S::V8>(simd, d, entries, sink),
        _ => gather.dots::<S, S::V16>(simd, d, entries, sink),
    }
}

/// Stores gradients; `first` is the position of the first one.
struct Store<'a> {
    first: usize,
    grad: &'a mut [f32],
}

impl Sink for Store<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        fetch_run(simd, self.grad, k - self.first, count);
    }

    #[inline(always)]
    fn take(&mut self, k: usize, sums: [f32; 8], count: usize) {
        self.grad[k - self.first..][..count].copy_from_slice(&sums[..count]);
    }
}

/// Spends gradients on a step; `first` is the position of the first weight.
struct Update<'a> {
    first: usize,
    /// A copy, as in [`super::Biases`].
    step: Step,
    data: &'a mut [f32],
    momentum: &'a mut [f32],
    /// Empty but for Adam.
    second: &'a mut [f32],
}

impl Sink for Update<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        fetch_run(simd, self.data, k - self.first, count);
        fetch_run(simd, self.momentum, k - self.first, count);
        if !self.second.is_empty() {
            fetch_run(simd, self.second, k - self.first, count);
        }
    }

    #[inline(always)]
    fn take(&mut self, k: usize, sums: [f32; 8], count: usize) {
        let w = &mut self.data[k - self.first..][..count];
        let v = &mut self.momentum[k - self.first..][..count];
        // The common case has a constant length, so that it becomes vector instructions.
        if let Some(adam) = &self.step.adam {
            let s = &mut self.second[k - self.first..][..count];
            let eight = (
                <&mut [f32; 8]>::try_from(&mut *w),
                <&mut [f32; 8]>::try_from(&mut *v),
                <&mut [f32; 8]>::try_from(&mut *s),
            );
            if let (Ok(w), Ok(v), Ok(s)) = eight {
                for i in 0..8 {
                    self.step.apply_adam(adam, sums[i], &mut w[i], &mut v[i], &mut s[i]);
                }
            } else {
                for i in 0..count {
                    self.step.apply_adam(adam, sums[i], &mut w[i], &mut v[i], &mut s[i]);
                }
            }
            return;
        }
        match (<&mut [f32; 8]>::try_from(&mut *w), <&mut [f32; 8]>::try_from(&mut *v)) {
            (Ok(w), Ok(v)) => {
                for i in 0..8 {
                    self.step.apply(sums[i], &mut w[i], &mut v[i]);
                }
            }
            _ => {
                for i in 0..count {
                    self.step.apply(sums[i], &mut w[i], &mut v[i]);
                }
            }
        }
    }
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn sddmm_body<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: &[f32],
    x: &[f32],
    stride: usize,
    rows: Range<usize>,
    grad: &mut [f32],
) {
    let first = w.indptr()[rows.start];
    gradients(simd, w, dy, x, stride, rows, &mut Store { first, grad });
}
multiversion! {
    fn sddmm_rows(
        w: Pattern<'_>, dy: &[f32], x: &[f32], stride: usize, rows: Range<usize>, grad: &mut [f32],
    ) => sddmm_body
}

#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn sddmm_update_body<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: &[f32],
    x: &[f32],
    stride: usize,
    step: &Step,
    rows: Range<usize>,
    data: &mut [f32],
    momentum: &mut [f32],
    second: &mut [f32],
) {
    let first = w.indptr()[rows.start];
    gradients(
        simd,
        w,
        dy,
        x,
        stride,
        rows,
        &mut Update { first, step: *step, data, momentum, second },
    );
}
multiversion! {
    fn sddmm_update_rows(
        w: Pattern<'_>, dy: &[f32], x: &[f32], stride: usize, step: &Step, rows: Range<usize>,
        data: &mut [f32], momentum: &mut [f32], second: &mut [f32],
    ) => sddmm_update_body
}

fn check(w: Pattern<'_>, dy: &[f32], x: &[f32], stride: usize) {
    assert_eq!(dy.len(), w.n_rows() * stride, "internal: dy is (n_rows, stride)");
    assert_eq!(x.len(), w.n_cols() * stride, "internal: x is (n_cols, stride)");
}

/// `grad[k] = sum_b dY[row(k), b] X[column(k), b]` for every entry k, summed over the batch.
///
/// `dy`: (n_rows, stride), padding zero; `x`: (n_cols, stride), padding finite; `grad`: (nnz,).
pub fn sddmm(par: &Par, w: Pattern<'_>, dy: &[f32], x: &[f32], stride: usize, grad: &mut [f32]) {
    check(w, dy, x, stride);
    assert_eq!(grad.len(), w.nnz(), "internal: grad is (nnz,)");
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        grad,
        |r| w.indptr()[r] * stride,
        |grad, range, mid| grad.split_at_mut(w.indptr()[mid] - w.indptr()[range.start]),
        |rows, grad| sddmm_rows(w, dy, x, stride, rows, grad),
    );
}

/// [`sddmm`] with the gradients spent at once on a [`Step`] of every weight; the bits are those of
/// the two passes one after the other.
///
/// `dy`: (n_rows, stride), padding zero; `x`: (n_cols, stride), padding finite; `data`,
/// `momentum`: (nnz,); `second`: the second moments of Adam, (nnz,), or empty.
#[allow(clippy::too_many_arguments)]
pub fn sddmm_update(
    par: &Par,
    w: Pattern<'_>,
    dy: &[f32],
    x: &[f32],
    stride: usize,
    step: &Step,
    data: &mut [f32],
    momentum: &mut [f32],
    second: &mut [f32],
) {
    check(w, dy, x, stride);
    assert_eq!(data.len(), w.nnz(), "internal: data is (nnz,)");
    assert_eq!(momentum.len(), w.nnz(), "internal: momentum is (nnz,)");
    step.check(second, w.nnz());
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        (data, momentum, second),
        |r| w.indptr()[r] * stride,
        |(data, momentum, second), range, mid| {
            let cut = w.indptr()[mid] - w.indptr()[range.start];
            let (data, data_right) = data.split_at_mut(cut);
            let (momentum, momentum_right) = momentum.split_at_mut(cut);
            let (second, second_right) = split_second(second, cut);
            ((data, momentum, second), (data_right, momentum_right, second_right))
        },
        |rows, (data, momentum, second)| {
            sddmm_update_rows(w, dy, x, stride, step, rows, data, momentum, second);
        },
    );
}
