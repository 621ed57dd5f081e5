//! SReLU: an activation with four trained parameters for every neuron.
//!
//! It is made of multiplications and additions, which no compiler contracts: the bits are the same
//! on every instruction set.

use super::epilogue::{Backward, Forward, keep_row};
use super::flush::flushed;
use super::operands::{BatchMut, Outputs, Record, Split};
use super::simd::{Simd, multiversion};
use super::tiles::{LANES, words};
use crate::parallel::Par;

/// Parameters of a neuron: the lower threshold and the slope below it, the upper threshold and the
/// slope above it.
pub const SRELU_PARAMETERS: usize = 4;

/// `upper` above and at the upper threshold, else `lower` below and at the lower one.
#[derive(Clone, Copy)]
struct Curve {
    lower: f32,
    below: f32,
    upper: f32,
    above: f32,
}

impl Curve {
    #[inline(always)]
    fn of(parameters: &[f32]) -> Self {
        let [lower, below, upper, above] = *parameters else {
            panic!("internal: parameters are (n, {SRELU_PARAMETERS})")
        };
        Curve { lower, below, upper, above }
    }

    #[inline(always)]
    fn apply(self, z: f32) -> f32 {
        if z >= self.upper {
            self.upper + self.above * (z - self.upper)
        } else if z <= self.lower {
            self.lower + self.below * (z - self.lower)
        } else {
            z
        }
    }
}

/// SReLU of one value, with the bits that a batch gets. `parameters`: ([`SRELU_PARAMETERS`],).
pub fn srelu_of(parameters: &[f32], z: f32) -> f32 {
    Curve::of(parameters).apply(z)
}

#[inline(always)]
fn srelu_body<S: Simd>(
    simd: S,
    parameters: &[f32],
    forward: &Forward,
    first: usize,
    outputs: Outputs<'_>,
) {
    let Outputs { y, record: Record { kept, z, .. } } = outputs;
    let w = words(y.stride);
    if !z.is_empty() {
        z.copy_from_slice(y.values);
    }
    let rows = y.values.chunks_exact_mut(y.stride);
    for (r, (y, parameters)) in rows.zip(parameters.chunks_exact(SRELU_PARAMETERS)).enumerate() {
        let curve = Curve::of(parameters);
        if forward.flush {
            y.iter_mut().for_each(|y| *y = flushed(curve.apply(*y)));
        } else {
            y.iter_mut().for_each(|y| *y = curve.apply(*y));
        }
        if let Some(mask) = &forward.mask {
            keep_row(simd, mask, first + r, y, &mut kept[r * w..][..w]);
        }
    }
}
multiversion! {
    fn srelu_rows(
        parameters: &[f32], forward: &Forward, first: usize, outputs: Outputs<'_>,
    ) => srelu_body
}

/// SReLU of every row, then what `forward` does after its map, which is not used.
///
/// `parameters`: (n, [`SRELU_PARAMETERS`]); `outputs`: n rows of pre-activations that become
/// activations; `z` and `kept` of its record are written, `kept` must not be empty with a mask.
pub fn srelu(par: &Par, parameters: &[f32], forward: &Forward, outputs: Outputs<'_>) {
    let (n, stride) = (parameters.len() / SRELU_PARAMETERS, outputs.y.stride);
    outputs.check(n);
    let masked = forward.mask.is_none() || n == 0 || !outputs.record.kept.is_empty();
    assert!(masked, "internal: a mask needs kept bits");
    par.for_rows(
        0..n,
        super::GRAIN,
        outputs,
        |r| r * stride,
        |outputs, range, mid| outputs.split(mid - range.start),
        |rows, outputs| {
            let own = rows.start * SRELU_PARAMETERS..rows.end * SRELU_PARAMETERS;
            srelu_rows(&parameters[own], forward, rows.start, outputs);
        },
    );
}

#[inline(always)]
fn backward_body<S: Simd>(
    _simd: S,
    parameters: &[f32],
    backward: &Backward<'_>,
    first: usize,
    dy: BatchMut<'_>,
    gradients: &mut [f32],
) {
    let Backward { z, kept, mask_scale, flush, .. } = *backward;
    let BatchMut { values: dy, stride } = dy;
    let w = words(stride);
    let rows = dy.chunks_exact_mut(stride).zip(gradients.chunks_exact_mut(SRELU_PARAMETERS));
    for (r, (dy, gradient)) in rows.enumerate() {
        let row = first + r;
        let curve = Curve::of(&parameters[row * SRELU_PARAMETERS..][..SRELU_PARAMETERS]);
        let z = &z[row * stride..][..stride];
        let mut sums = [[0.0f32; LANES]; SRELU_PARAMETERS];
        for (block, (dy, z)) in dy.chunks_mut(LANES).zip(z.chunks(LANES)).enumerate() {
            if let Some(scale) = mask_scale {
                keep(kept[row * w + block], scale, dy);
            }
            derive(curve, z, dy, &mut sums);
            if flush {
                dy.iter_mut().for_each(|d| *d = flushed(*d));
            }
        }
        for (gradient, sums) in gradient.iter_mut().zip(&sums) {
            *gradient = tree_sum(sums);
        }
    }
}

/// Scales the lanes whose bit is set and zeroes the others.
#[inline(always)]
fn keep(bits: u16, scale: f32, dy: &mut [f32]) {
    for (i, d) in dy.iter_mut().enumerate() {
        *d = if bits >> i & 1 == 1 { *d * scale } else { 0.0 };
    }
}

/// Multiplies at most [`LANES`] gradients by the derivative at `z`, and adds the gradients of the
/// parameters to `sums`.
#[inline(always)]
fn derive(curve: Curve, z: &[f32], dy: &mut [f32], sums: &mut [[f32; LANES]; SRELU_PARAMETERS]) {
    for (i, (d, &z)) in dy.iter_mut().zip(z).enumerate() {
        let g = *d;
        let high = z >= curve.upper;
        let low = z <= curve.lower && !high;
        let pick = |yes: bool, value: f32| if yes { value } else { 0.0 };
        sums[0][i] += pick(low, g * (1.0 - curve.below));
        sums[1][i] += pick(low, g * (z - curve.lower));
        sums[2][i] += pick(high, g * (1.0 - curve.above));
        sums[3][i] += pick(high, g * (z - curve.upper));
        let slope = if high { curve.above } else { curve.below };
        *d = if high || low { g * slope } else { g };
    }
}
multiversion! {
    fn backward_rows(
        parameters: &[f32], backward: &Backward<'_>, first: usize, dy: BatchMut<'_>,
        gradients: &mut [f32],
    ) => backward_body
}

/// The sum of all lanes, halves added to each other.
#[inline(always)]
fn tree_sum(lanes: &[f32; LANES]) -> f32 {
    let mut sums = *lanes;
    let mut half = LANES / 2;
    while half > 0 {
        for i in 0..half {
            sums[i] += sums[i + half];
        }
        half /= 2;
    }
    sums[0]
}

/// Turns the gradients of the activations into those of the pre-activations and of the parameters.
/// Of `backward` the pre-activations and dropout's part are used.
///
/// `parameters`: (n, [`SRELU_PARAMETERS`]); `dy`: n rows, overwritten; `gradients`: as
/// `parameters`, overwritten by sums over the batch.
pub fn srelu_backward(
    par: &Par,
    parameters: &[f32],
    backward: &Backward<'_>,
    dy: BatchMut<'_>,
    gradients: &mut [f32],
) {
    let (n, stride) = (parameters.len() / SRELU_PARAMETERS, dy.stride);
    assert_eq!(dy.values.len(), n * stride, "internal: dy is (n, stride)");
    assert_eq!(backward.z.len(), dy.values.len(), "internal: z is (n, stride)");
    assert_eq!(gradients.len(), parameters.len(), "internal: a gradient a parameter");
    par.for_rows(
        0..n,
        super::GRAIN,
        (dy, gradients),
        |r| r * stride,
        |(dy, gradients), range, mid| {
            let rows = mid - range.start;
            let (dy, dy_right) = dy.split(rows);
            let (g, g_right) = gradients.split(rows * SRELU_PARAMETERS);
            ((dy, g), (dy_right, g_right))
        },
        |rows, (dy, gradients)| backward_rows(parameters, backward, rows.start, dy, gradients),
    );
}
