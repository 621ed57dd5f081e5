//! SReLU: an activation with four parameters of its own for every neuron.
//!
//! Plain multiplications and additions, which no compiler contracts: the bits are the same on every
//! instruction set.

use super::elementwise::{Mask, keep_row};
use super::lanes::{LANES, words};
use super::simd::{Simd, multiversion};
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
#[allow(clippy::too_many_arguments)]
fn srelu_body<S: Simd>(
    simd: S,
    parameters: &[f32],
    stride: usize,
    mask: Option<&Mask>,
    first: usize,
    y: &mut [f32],
    z: &mut [f32],
    kept: &mut [u16],
) {
    let w = words(stride);
    if !z.is_empty() {
        z.copy_from_slice(y);
    }
    let rows = y.chunks_exact_mut(stride).zip(parameters.chunks_exact(SRELU_PARAMETERS));
    for (r, (y, parameters)) in rows.enumerate() {
        let curve = Curve::of(parameters);
        y.iter_mut().for_each(|y| *y = curve.apply(*y));
        if let Some(mask) = mask {
            keep_row(simd, mask, first + r, y, &mut kept[r * w..][..w]);
        }
    }
}
multiversion! {
    fn srelu_rows(
        parameters: &[f32], stride: usize, mask: Option<&Mask>, first: usize, y: &mut [f32],
        z: &mut [f32], kept: &mut [u16],
    ) => srelu_body
}

/// SReLU of every row, and dropout if there is a mask.
///
/// `parameters`: (n, [`SRELU_PARAMETERS`]); `y`: (n, stride), pre-activations that become activations;
/// `z`: (n, stride), takes the pre-activations, or empty; `kept`: (n, [`words`](super::words)`(stride)`),
/// takes a bit a unit, or empty if there is no mask.
pub fn srelu(
    par: &Par,
    parameters: &[f32],
    stride: usize,
    mask: Option<&Mask>,
    y: &mut [f32],
    z: &mut [f32],
    kept: &mut [u16],
) {
    let n = parameters.len() / SRELU_PARAMETERS;
    let words = words(stride);
    assert_eq!(y.len(), n * stride, "internal: y is (n, stride)");
    assert!(z.is_empty() || z.len() == y.len(), "internal: z is (n, stride)");
    assert!(mask.is_none() || kept.len() == n * words, "internal: a mask needs kept bits");
    let kept = if mask.is_none() { &mut [] } else { kept };
    let cut = |values: &mut [f32], at: usize| if values.is_empty() { 0 } else { at };
    par.for_rows(
        0..n,
        super::GRAIN,
        (parameters, y, z, kept),
        |r| r * stride,
        |(parameters, y, z, kept), range, mid| {
            let rows = mid - range.start;
            let (p, p_right) = parameters.split_at(rows * SRELU_PARAMETERS);
            let (y, y_right) = y.split_at_mut(rows * stride);
            let at = cut(z, rows * stride);
            let (z, z_right) = z.split_at_mut(at);
            let at = if kept.is_empty() { 0 } else { rows * words };
            let (kept, kept_right) = kept.split_at_mut(at);
            ((p, y, z, kept), (p_right, y_right, z_right, kept_right))
        },
        |rows, (parameters, y, z, kept)| {
            srelu_rows(parameters, stride, mask, rows.start, y, z, kept);
        },
    );
}

/// What the backward pass knows of the forward pass.
#[derive(Clone, Copy, Debug)]
pub struct SReluBackward<'a> {
    /// (n, [`SRELU_PARAMETERS`]).
    pub parameters: &'a [f32],
    /// The pre-activations, (n, stride).
    pub z: &'a [f32],
    /// [`Mask::scale`], if there was a mask.
    pub mask_scale: Option<f32>,
    /// One bit a unit: dropout kept it.
    pub kept: &'a [u16],
}

#[inline(always)]
fn backward_body<S: Simd>(
    _simd: S,
    backward: &SReluBackward<'_>,
    stride: usize,
    first: usize,
    dy: &mut [f32],
    gradients: &mut [f32],
) {
    let w = words(stride);
    let rows = dy.chunks_exact_mut(stride).zip(gradients.chunks_exact_mut(SRELU_PARAMETERS));
    for (r, (dy, gradient)) in rows.enumerate() {
        let row = first + r;
        let curve = Curve::of(&backward.parameters[row * SRELU_PARAMETERS..][..SRELU_PARAMETERS]);
        let z = &backward.z[row * stride..][..stride];
        let mut sums = [[0.0f32; LANES]; SRELU_PARAMETERS];
        for (block, (dy, z)) in dy.chunks_mut(LANES).zip(z.chunks(LANES)).enumerate() {
            if let Some(scale) = backward.mask_scale {
                let bits = backward.kept[row * w + block];
                for (i, d) in dy.iter_mut().enumerate() {
                    *d = if bits >> i & 1 == 1 { *d * scale } else { 0.0 };
                }
            }
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
        for (gradient, sums) in gradient.iter_mut().zip(&sums) {
            *gradient = tree_sum(sums);
        }
    }
}
multiversion! {
    fn backward_rows(
        backward: &SReluBackward<'_>, stride: usize, first: usize, dy: &mut [f32],
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

/// From the gradients of the activations to those of the pre-activations and of the parameters.
///
/// `dy`: (n, stride), overwritten; `gradients`: (n, [`SRELU_PARAMETERS`]), overwritten by sums over
/// the batch.
pub fn srelu_backward(
    par: &Par,
    backward: &SReluBackward<'_>,
    stride: usize,
    dy: &mut [f32],
    gradients: &mut [f32],
) {
    let n = backward.parameters.len() / SRELU_PARAMETERS;
    assert_eq!(dy.len(), n * stride, "internal: dy is (n, stride)");
    assert_eq!(backward.z.len(), dy.len(), "internal: z is (n, stride)");
    assert_eq!(gradients.len(), backward.parameters.len(), "internal: a gradient a parameter");
    par.for_rows(
        0..n,
        super::GRAIN,
        (dy, gradients),
        |r| r * stride,
        |(dy, gradients), range, mid| {
            let rows = mid - range.start;
            let (dy, dy_right) = dy.split_at_mut(rows * stride);
            let (g, g_right) = gradients.split_at_mut(rows * SRELU_PARAMETERS);
            ((dy, g), (dy_right, g_right))
        },
        |rows, (dy, gradients)| backward_rows(backward, stride, rows.start, dy, gradients),
    );
}
