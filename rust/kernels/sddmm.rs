//! The sampled product: gradients of the connections that exist, and their update in one pass.

use std::ops::Range;

use super::simd::{Simd, Vector, multiversion};
use crate::csr::Pattern;
use crate::parallel::Par;

/// One step of momentum SGD as plain numbers (PAPER section 1): with the mean gradient `g`,
/// `v <- momentum * v - rate * g` and `w <- w + v - decay * w`; with Nesterov's variant
/// `w <- w + momentum * v - rate * g - decay * w` instead.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate.
    pub rate: f32,
    /// The momentum coefficient.
    pub momentum: f32,
    /// The decay per step, not multiplied by the learning rate.
    pub decay: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// One over the number of samples whose gradients were summed.
    pub inverse_batch: f32,
}

impl Step {
    /// Updates one parameter from the sum of its gradients over the batch.
    #[inline(always)]
    pub fn apply(&self, gradient_sum: f32, w: &mut f32, v: &mut f32) {
        let push = -self.rate * (gradient_sum * self.inverse_batch);
        *v = self.momentum.mul_add(*v, push);
        let ahead = if self.nesterov { self.momentum.mul_add(*v, push) } else { *v };
        *w = (-self.decay).mul_add(*w, *w + ahead);
    }
}

/// Calls `sink(k, gradient)` for the entries of `rows`, k counted from the first of them.
#[inline(always)]
fn gradients<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: &[f32],
    x: &[f32],
    stride: usize,
    rows: Range<usize>,
    mut sink: impl FnMut(usize, f32),
) {
    let first = w.indptr()[rows.start];
    for row in rows {
        let at = w.indptr()[row] - first;
        let (columns, dy) = (w.row(row), &dy[row * stride..][..stride]);
        match stride {
            1 => entries::<S, S::V1>(simd, columns, dy, x, at, &mut sink),
            4 => entries::<S, S::V4>(simd, columns, dy, x, at, &mut sink),
            8 => entries::<S, S::V8>(simd, columns, dy, x, at, &mut sink),
            _ => entries::<S, S::V16>(simd, columns, dy, x, at, &mut sink),
        }
    }
}

#[inline(always)]
fn entries<S: Simd, V: Vector<S>>(
    simd: S,
    columns: &[u32],
    dy: &[f32],
    x: &[f32],
    at: usize,
    sink: &mut impl FnMut(usize, f32),
) {
    for (k, &c) in columns.iter().enumerate() {
        let x = &x[c as usize * dy.len()..][..dy.len()];
        let mut acc = V::splat(simd, 0.0);
        for (d, x) in dy.chunks_exact(V::N).zip(x.chunks_exact(V::N)) {
            acc = V::load(simd, d).mul_add(V::load(simd, x), acc);
        }
        sink(at + k, acc.sum());
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
    gradients(simd, w, dy, x, stride, rows, |k, g| grad[k] = g);
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
) {
    gradients(simd, w, dy, x, stride, rows, |k, g| step.apply(g, &mut data[k], &mut momentum[k]));
}
multiversion! {
    fn sddmm_update_rows(
        w: Pattern<'_>, dy: &[f32], x: &[f32], stride: usize, step: &Step, rows: Range<usize>,
        data: &mut [f32], momentum: &mut [f32],
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
/// `momentum`: (nnz,).
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
) {
    check(w, dy, x, stride);
    assert_eq!(data.len(), w.nnz(), "internal: data is (nnz,)");
    assert_eq!(momentum.len(), w.nnz(), "internal: momentum is (nnz,)");
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        (data, momentum),
        |r| w.indptr()[r] * stride,
        |(data, momentum), range, mid| {
            let cut = w.indptr()[mid] - w.indptr()[range.start];
            let (data, data_right) = data.split_at_mut(cut);
            let (momentum, momentum_right) = momentum.split_at_mut(cut);
            ((data, momentum), (data_right, momentum_right))
        },
        |rows, (data, momentum)| sddmm_update_rows(w, dy, x, stride, step, rows, data, momentum),
    );
}
