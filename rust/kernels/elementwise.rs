//! What happens to a row of lanes right after its product, while it is still in the first cache.

use super::lanes::{for_tiles, sum, words};
use super::math;
use super::sddmm::Step;
use super::simd::multiversion;
use crate::parallel::Par;
use crate::rng::Stream;

/// An element-wise function whose derivative needs one bit or the output only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Map {
    /// z.
    Identity,
    /// z where z > 0 and slope * z elsewhere; the derivative at 0 is the slope.
    Slope(f32),
    /// 1 / (1 + e^-z).
    Sigmoid,
    /// tanh z.
    Tanh,
}

/// Inverted dropout of one layer in one step, 16 random bits a unit.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    stream: Stream,
    threshold: u32,
    scale: f32,
}

impl Mask {
    /// Units are dropped with probability `rate`, rounded to a multiple of 2^-16.
    pub fn new(stream: Stream, rate: f32) -> Self {
        let threshold = (f64::from(rate) * 65536.0).round().clamp(0.0, 65535.0) as u32;
        Mask { stream, threshold, scale: (65536.0 / f64::from(65536 - threshold)) as f32 }
    }

    /// What kept units are multiplied by: the inverse of the probability of being kept.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// One bit for each of the lanes `16 * word ..` of a row: set if the unit is kept.
    #[inline(always)]
    fn kept(&self, row_key: u64, word: usize) -> u16 {
        let (low, high) = (row_key as u32, (row_key >> 32) as u32);
        let mut bits = 0u16;
        for j in 0..8u32 {
            // A keyed permutation of a 32-bit counter; each half of the result serves one lane.
            let mut w = low.wrapping_add((word as u32 * 8 + j).wrapping_mul(0x9E37_79B9));
            w = (w ^ (w >> 16)).wrapping_mul(0x7FEB_352D) ^ high;
            w = (w ^ (w >> 15)).wrapping_mul(0x846C_A68B);
            w ^= w >> 16;
            bits |= u16::from(w & 0xFFFF >= self.threshold) << j;
            bits |= u16::from(w >> 16 >= self.threshold) << (j + 8);
        }
        bits
    }
}

/// What turns pre-activations into activations.
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// The activation.
    pub map: Map,
    /// Dropout, while training.
    pub mask: Option<Mask>,
}

/// What turns the gradient of activations into that of pre-activations. `signs` and `kept` are
/// what the forward pass recorded, `output` its activations; each is laid out as there and only
/// looked at where the map or the mask needs it.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// The activation of the forward pass.
    pub map: Map,
    /// [`Mask::scale`], if there was a mask.
    pub mask_scale: Option<f32>,
    /// One bit a unit: the pre-activation was positive.
    pub signs: &'a [u16],
    /// One bit a unit: dropout kept it.
    pub kept: &'a [u16],
    /// The activations, dropout's scale included.
    pub output: &'a [f32],
}

/// Applies [`Forward`] to one row and records its bits where the slices are not empty.
#[inline(always)]
pub(super) fn forward_row(
    forward: &Forward,
    row: usize,
    stride: usize,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &mut [u16],
) {
    let row_key = forward.mask.map_or(0, |mask| mask.stream.at(row as u64));
    for_tiles!(stride, |offset, N, T| for t in 0..T {
        let at = offset + t * N;
        let lanes: &mut [f32; N] = lane_chunk(y, at);
        if !signs.is_empty() {
            let mut bits = 0u16;
            for (i, z) in lanes.iter().enumerate() {
                bits |= u16::from(*z > 0.0) << i;
            }
            signs[at / 16] = bits;
        }
        match forward.map {
            Map::Identity => {}
            Map::Slope(slope) => {
                lanes.iter_mut().for_each(|z| *z = if *z > 0.0 { *z } else { slope * *z })
            }
            Map::Sigmoid => lanes.iter_mut().for_each(|z| *z = math::logistic(*z)),
            Map::Tanh => lanes.iter_mut().for_each(|z| *z = math::tanh(*z)),
        }
        if let Some(mask) = &forward.mask {
            let bits = mask.kept(row_key, at / 16);
            for (i, a) in lanes.iter_mut().enumerate() {
                *a = if bits >> i & 1 == 1 { *a * mask.scale } else { 0.0 };
            }
            if !kept.is_empty() {
                kept[at / 16] = bits;
            }
        }
    });
}

/// Multiplies one row of gradients by the derivative of what [`forward_row`] did.
#[inline(always)]
pub(super) fn backward_row(backward: &Backward<'_>, row: usize, stride: usize, dy: &mut [f32]) {
    let w = words(stride);
    for_tiles!(stride, |offset, N, T| for t in 0..T {
        let at = offset + t * N;
        let lanes: &mut [f32; N] = lane_chunk(dy, at);
        let mut scale = 1.0;
        if let Some(mask_scale) = backward.mask_scale {
            scale = mask_scale;
            let bits = backward.kept[row * w + at / 16];
            for (i, d) in lanes.iter_mut().enumerate() {
                *d = if bits >> i & 1 == 1 { *d * scale } else { 0.0 };
            }
        }
        match backward.map {
            Map::Identity => {}
            Map::Slope(slope) => {
                let bits = backward.signs[row * w + at / 16];
                for (i, d) in lanes.iter_mut().enumerate() {
                    *d = if bits >> i & 1 == 1 { *d } else { slope * *d };
                }
            }
            Map::Sigmoid | Map::Tanh => {
                let output = &backward.output[row * stride + at..][..N];
                // A dropped unit's output is 0, but so is its gradient.
                let inverse = 1.0 / scale;
                if backward.map == Map::Sigmoid {
                    lanes.iter_mut().zip(output).for_each(|(d, a)| *d *= (a * inverse) * (1.0 - a * inverse));
                } else {
                    lanes.iter_mut().zip(output).for_each(|(d, a)| *d *= 1.0 - (a * inverse) * (a * inverse));
                }
            }
        }
    });
}

#[inline(always)]
fn lane_chunk<const N: usize>(row: &mut [f32], at: usize) -> &mut [f32; N] {
    (&mut row[at..at + N]).try_into().expect("internal: a tile of N lanes")
}

/// Sum of one row's lanes, in the same order as `sddmm` against a row of ones.
#[inline(always)]
fn row_sum(row: &[f32], stride: usize) -> f32 {
    fn narrow<const N: usize>(row: &[f32]) -> f32 {
        sum::<N>(row.try_into().expect("internal: a row of N lanes"))
    }
    match stride {
        1 => row[0],
        4 => narrow::<4>(row),
        8 => narrow::<8>(row),
        _ => {
            let mut acc = [0.0f32; 16];
            for chunk in row.chunks_exact(16) {
                for (a, x) in acc.iter_mut().zip(chunk) {
                    *a += x;
                }
            }
            sum(acc)
        }
    }
}

#[inline(always)]
fn row_sums_body(dy: &[f32], stride: usize, out: &mut [f32]) {
    for (row, o) in dy.chunks_exact(stride).zip(out) {
        *o = row_sum(row, stride);
    }
}
multiversion! {
    fn row_sums_rows(dy: &[f32], stride: usize, out: &mut [f32]) => row_sums_body
}

/// The gradient of a bias, summed over the batch: `out[r] = sum_b dy[r, b]`.
/// `dy`: (n, stride); `out`: (n,).
pub fn row_sums(dy: &[f32], stride: usize, out: &mut [f32]) {
    assert_eq!(dy.len(), out.len() * stride, "internal: dy is (n, stride)");
    row_sums_rows(dy, stride, out);
}

#[inline(always)]
fn bias_update_body(dy: &[f32], stride: usize, step: &Step, bias: &mut [f32], momentum: &mut [f32]) {
    for ((row, b), v) in dy.chunks_exact(stride).zip(bias).zip(momentum) {
        step.apply(row_sum(row, stride), b, v);
    }
}
multiversion! {
    fn bias_update_rows(
        dy: &[f32], stride: usize, step: &Step, bias: &mut [f32], momentum: &mut [f32],
    ) => bias_update_body
}

/// One optimiser step of the biases from the gradients of the pre-activations.
/// `dy`: (n, stride); `bias`, `momentum`: (n,).
pub fn bias_update(par: &Par, dy: &[f32], stride: usize, step: &Step, bias: &mut [f32], momentum: &mut [f32]) {
    assert_eq!(dy.len(), bias.len() * stride, "internal: dy is (n, stride)");
    assert_eq!(bias.len(), momentum.len(), "internal: bias and momentum are (n,)");
    par.for_rows(
        0..bias.len(),
        super::GRAIN,
        (dy, bias, momentum),
        |r| r * stride,
        |(dy, b, v), range, mid| {
            let cut = mid - range.start;
            let (dy, dy_right) = dy.split_at(cut * stride);
            let (b, b_right) = b.split_at_mut(cut);
            let (v, v_right) = v.split_at_mut(cut);
            ((dy, b, v), (dy_right, b_right, v_right))
        },
        |_, (dy, b, v)| bias_update_rows(dy, stride, step, b, v),
    );
}
