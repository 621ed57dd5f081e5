//! The pre-activations of a sparse batch, and what becomes of them.

#![allow(clippy::needless_range_loop)] // an adapter might lose the target features

use std::ops::Range;

use super::batch::{List, StoredBatch};
use super::touched::Touched;
use super::{LOOK_UP, TILE};
use crate::kernels::GRAIN;
use crate::kernels::epilogue::{Forward, forward_row};
use crate::kernels::operands::{Outputs, Split};
use crate::kernels::simd::{Simd, multiversion};
use crate::kernels::tiles::words;
use crate::parallel::Par;

#[inline(always)]
fn sums_body<S: Simd>(
    _simd: S,
    batch: &StoredBatch,
    touched: &Touched,
    samples: Range<usize>,
    bias: &[f32],
    z: &mut [f32],
) {
    for (sample, z) in samples.zip(z.chunks_exact_mut(bias.len())) {
        z.copy_from_slice(bias);
        let List { numbers, values } = batch.by_sample.list(sample);
        for i in 0..numbers.len() {
            let (number, x) = (numbers[i] as usize, values[i]);
            let (start, end) = (touched.starts[number], touched.starts[number + 1]);
            let (rows, weights) = (&touched.rows[start..end], &touched.values[start..end]);
            for k in 0..rows.len() {
                let z = &mut z[rows[k] as usize];
                *z = weights[k].mul_add(x, *z);
            }
        }
    }
}
multiversion! {
    fn sums_of_samples(
        batch: &StoredBatch, touched: &Touched, samples: Range<usize>, bias: &[f32],
        z: &mut [f32],
    ) => sums_body
}

#[inline(always)]
fn activate_body<S: Simd>(
    simd: S,
    z: &[f32],
    bias: &[f32],
    forward: &Forward,
    rows: Range<usize>,
    outputs: Outputs<'_>,
) {
    let Outputs { y, mut record } = outputs;
    let (stride, words, n) = (y.stride, words(y.stride), bias.len());
    let samples = z.len() / n;
    for start in rows.clone().step_by(TILE) {
        let block = start..rows.end.min(start + TILE);
        let own = (start - rows.start) * stride;
        let own = &mut y.values[own..][..block.len() * stride];
        for (sample, z) in z.chunks_exact(n).enumerate() {
            for (i, &value) in z[block.clone()].iter().enumerate() {
                own[i * stride + sample] = value;
            }
        }
        for (row, lanes) in block.zip(own.chunks_exact_mut(stride)) {
            // As a product with zeros has it.
            lanes[samples..].fill(bias[row]);
            forward_row(simd, forward, row, lanes, record.row(row - rows.start, stride, words));
        }
    }
}
multiversion! {
    fn activate_rows(
        z: &[f32], bias: &[f32], forward: &Forward, rows: Range<usize>, outputs: Outputs<'_>,
    ) => activate_body
}

/// `Y = forward(W X + bias)` of the connections that are touched. `bias`: (n_rows,); `scratch` is
/// overwritten; `outputs` as in [`crate::kernels::spmm_activate`].
pub fn stored_activate(
    par: &Par,
    batch: &StoredBatch,
    touched: &Touched,
    bias: &[f32],
    forward: &Forward,
    scratch: &mut [f32],
    outputs: Outputs<'_>,
) {
    let (n, samples, stride) = (bias.len(), batch.samples(), outputs.y.stride);
    outputs.check(n);
    assert_eq!(scratch.len(), samples * n, "internal: scratch is (samples, n_rows)");
    if n == 0 {
        return;
    }
    let starts = &batch.by_sample.starts;
    let each = touched.len() / batch.features().len().max(1) + 1;
    par.for_rows(
        0..samples,
        GRAIN,
        &mut *scratch,
        |sample| LOOK_UP * starts[sample] * each + sample * n,
        |z, range, mid| z.split((mid - range.start) * n),
        |range, z| sums_of_samples(batch, touched, range, bias, z),
    );
    let z = &*scratch;
    par.for_rows(
        0..n,
        GRAIN,
        outputs,
        |row| row * stride,
        |outputs, range, mid| outputs.split(mid - range.start),
        |rows, outputs| activate_rows(z, bias, forward, rows, outputs),
    );
}
