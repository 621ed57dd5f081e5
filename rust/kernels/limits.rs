//! What this machine can do at most, for benches to be compared with.

use std::hint::black_box;
use std::time::Instant;

use super::operands::Batch;
use super::simd::{Simd, Vector, multiversion};
use super::tiles::LANES;
use crate::parallel::Par;

/// Independent accumulators: more than the latency of a fused multiply-add times those per cycle.
const CHAINS: usize = 12;

#[inline(always)]
fn fma_body<S: Simd>(simd: S, rounds: usize, out: &mut f32) {
    let mut acc = [S::V16::splat(simd, black_box(1.0)); CHAINS];
    let (a, b) = (S::V16::splat(simd, black_box(0.999)), S::V16::splat(simd, black_box(0.001)));
    for _ in 0..rounds {
        for acc in &mut acc {
            *acc = acc.mul_add(a, b);
        }
    }
    *out = acc.iter().map(|a| a.sum()).sum();
}
multiversion! {
    fn fma_loop(rounds: usize, out: &mut f32) => fma_body
}

#[inline(always)]
fn read_body<S: Simd>(simd: S, values: &[f32], out: &mut f32) {
    let mut acc = [S::V16::splat(simd, 0.0); 8];
    for chunk in values.chunks_exact(8 * 16) {
        for (t, acc) in acc.iter_mut().enumerate() {
            *acc = acc.add(S::V16::load(simd, &chunk[t * 16..]));
        }
    }
    *out = acc.iter().map(|a| a.sum()).sum();
}
multiversion! {
    fn read_loop(values: &[f32], out: &mut f32) => read_body
}

#[inline(always)]
fn gather_body<S: Simd>(simd: S, x: Batch<'_>, order: &[u32], out: &mut f32) {
    let Batch { values: x, stride } = x;
    const AHEAD: usize = 128;
    let mut acc = S::V16::splat(simd, 0.0);
    for (k, &row) in order.iter().enumerate() {
        let ahead = order[(k + AHEAD).min(order.len() - 1)] as usize * stride;
        for lane in (0..stride).step_by(LANES) {
            S::V16::prefetch(simd, x.as_ptr().wrapping_add(ahead + lane));
        }
        for lanes in x[row as usize * stride..][..stride].chunks_exact(LANES) {
            acc = acc.add(S::V16::load(simd, lanes));
        }
    }
    *out = acc.sum();
}
multiversion! {
    fn gather_loop(x: Batch<'_>, order: &[u32], out: &mut f32) => gather_body
}

/// Rows per second at which all threads together read rows of `x` in the given order:
/// what memory allows a product with few connections a row.
pub fn gather_rate(par: &Par, x: Batch<'_>, order: &[u32]) -> f64 {
    let start = Instant::now();
    let parts = par.threads();
    let sums = par.map(parts, |i| {
        let part = &order[order.len() * i / parts..order.len() * (i + 1) / parts];
        let mut out = 0.0;
        gather_loop(x, part, &mut out);
        out
    });
    black_box(sums);
    order.len() as f64 / start.elapsed().as_secs_f64()
}

/// Multiply-adds per second of one thread that does nothing else, measured for some milliseconds.
pub fn fma_rate() -> f64 {
    const ROUNDS: usize = 1_000_000;
    let (start, mut out) = (Instant::now(), 0.0);
    fma_loop(ROUNDS, &mut out);
    black_box(out);
    (ROUNDS * CHAINS * 16) as f64 / start.elapsed().as_secs_f64()
}

/// Bytes per second at which one thread reads `values` in order, several times over.
pub fn read_rate(values: &[f32]) -> f64 {
    let rounds = (1usize << 26).div_ceil(values.len());
    let (start, mut out) = (Instant::now(), 0.0);
    for _ in 0..rounds {
        read_loop(black_box(values), &mut out);
        black_box(out);
    }
    (rounds * size_of_val(values)) as f64 / start.elapsed().as_secs_f64()
}
