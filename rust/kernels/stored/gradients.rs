//! Gradients from the stored values of a batch.

#![allow(clippy::needless_range_loop)] // an adapter might lose the target features

use std::ops::Range;

use super::batch::{List, StoredBatch};
use super::{FETCH, TILE};
use crate::csr::Pattern;
use crate::kernels::GRAIN;
use crate::kernels::operands::{Batch, Split};
use crate::kernels::simd::{Simd, multiversion};
use crate::parallel::Par;

/// Connections whose gradients are summed together.
const SUMS: usize = 8;

/// Writes deltas, (n_rows, stride), sample by sample: `out` is (samples, n_rows).
pub(super) fn by_sample(par: &Par, dy: Batch<'_>, samples: usize, out: &mut [f32]) {
    let n = dy.values.len() / dy.stride;
    assert_eq!(out.len(), samples * n, "internal: scratch is (samples, n_rows)");
    if n == 0 {
        return;
    }
    par.for_rows(
        0..samples.div_ceil(TILE),
        GRAIN,
        out,
        |tile| tile * TILE * n,
        |out: &mut [f32], range, mid| out.split((mid - range.start) * TILE * n),
        |tiles, out| {
            for (tile, out) in tiles.zip(out.chunks_mut(TILE * n)) {
                let first = tile * TILE;
                for (row, lanes) in dy.values.chunks_exact(dy.stride).enumerate() {
                    for (own, &d) in out.chunks_exact_mut(n).zip(&lanes[first..]) {
                        own[row] = d;
                    }
                }
            }
        },
    );
}

/// Sums the gradients of one feature's connections over its samples. `dy`: (samples, n_rows).
#[inline(always)]
pub(super) fn gradients_of(
    of: List<'_>,
    rows: &[u32],
    dy: &[f32],
    n: usize,
    gradients: &mut [f32],
) {
    let List { numbers: samples, values } = of;
    for start in (0..rows.len()).step_by(SUMS) {
        let count = SUMS.min(rows.len() - start);
        // What is missing repeats the first row: a loop of known length stays in registers.
        let mut own = [rows[start] as usize; SUMS];
        for k in 0..count {
            own[k] = rows[start + k] as usize;
        }
        let mut sums = [0.0f32; SUMS];
        for i in 0..samples.len() {
            let (x, dy) = (values[i], &dy[samples[i] as usize * n..][..n]);
            for k in 0..SUMS {
                sums[k] = x.mul_add(dy[own[k]], sums[k]);
            }
        }
        gradients[start..][..count].copy_from_slice(&sums[..count]);
    }
}

/// The gradients at some places, (n_rows, n_cols): `out` is (places.nnz(),).
pub fn stored_gradient_at(
    par: &Par,
    batch: &StoredBatch,
    places: Pattern<'_>,
    dy: Batch<'_>,
    out: &mut [f32],
) {
    assert!(dy.has_rows(places.n_rows()), "internal: dy is (n_rows, stride)");
    assert_eq!(out.len(), places.nnz(), "internal: out is (nnz,)");
    par.for_rows(
        0..places.n_rows(),
        GRAIN,
        out,
        |row| FETCH * places.indptr()[row] + row,
        |out, range, mid| out.split(places.indptr()[mid] - places.indptr()[range.start]),
        |rows, out| gradients_at(batch, places, dy, rows, out),
    );
}

#[inline(always)]
fn gradients_at_body<S: Simd>(
    _simd: S,
    batch: &StoredBatch,
    places: Pattern<'_>,
    dy: Batch<'_>,
    rows: Range<usize>,
    out: &mut [f32],
) {
    let mut out = out.iter_mut();
    for row in rows {
        let dy = dy.row(row);
        for (&column, out) in places.row(row).iter().zip(&mut out) {
            let List { numbers: samples, values } = batch.of_feature(column);
            let mut sum = 0.0f32;
            for (&sample, &x) in samples.iter().zip(values) {
                sum = x.mul_add(dy[sample as usize], sum);
            }
            *out = sum;
        }
    }
}
multiversion! {
    fn gradients_at(
        batch: &StoredBatch, places: Pattern<'_>, dy: Batch<'_>, rows: Range<usize>,
        out: &mut [f32],
    ) => gradients_at_body
}
