//! The output layer's functions over a batch: lanes are samples, rows are classes.

use super::math;
use super::simd::{Simd, multiversion};

/// Lanes handled together; their running values stay in registers.
const CHUNK: usize = 16;

#[inline(always)]
fn softmax_body<S: Simd>(_: S, z: &mut [f32], stride: usize, lse: &mut [f32]) {
    let n = z.len() / stride;
    let mut at = 0;
    while at < stride {
        let width = CHUNK.min(stride - at);
        let mut largest = [f32::NEG_INFINITY; CHUNK];
        for row in 0..n {
            for (m, z) in largest.iter_mut().zip(&z[row * stride + at..][..width]) {
                *m = if *z > *m { *z } else { *m };
            }
        }
        let mut total = [0.0f32; CHUNK];
        for row in 0..n {
            for ((s, m), z) in
                total.iter_mut().zip(&largest).zip(&mut z[row * stride + at..][..width])
            {
                *z = math::exp(*z - m);
                *s += *z;
            }
        }
        for row in 0..n {
            for (s, z) in total.iter().zip(&mut z[row * stride + at..][..width]) {
                *z /= s;
            }
        }
        for (i, l) in lse[at..at + width].iter_mut().enumerate() {
            // The logarithm is taken where it is needed, once a sample.
            *l = largest[i] + libm::logf(total[i]);
        }
        at += width;
    }
}
multiversion! {
    fn softmax_dispatch(z: &mut [f32], stride: usize, lse: &mut [f32]) => softmax_body
}

/// Turns logits into probabilities, lane by lane, summing classes in ascending order, and gives
/// each lane's log of the sum of exponentials.
///
/// `z`: (n, stride); `lse`: (stride,).
pub fn softmax(z: &mut [f32], stride: usize, lse: &mut [f32]) {
    assert!(z.len().is_multiple_of(stride) && lse.len() == stride, "internal: z is (n, stride)");
    softmax_dispatch(z, stride, lse);
}

#[inline(always)]
fn sigmoid_body<S: Simd>(_: S, z: &mut [f32]) {
    z.iter_mut().for_each(|z| *z = math::logistic(*z));
}
multiversion! {
    fn sigmoid_dispatch(z: &mut [f32]) => sigmoid_body
}

/// Element-wise 1 / (1 + e^-z) in place.
pub fn sigmoid(z: &mut [f32]) {
    sigmoid_dispatch(z);
}
