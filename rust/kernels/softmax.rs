//! The output layer's functions over a batch: lanes are samples, rows are classes.

use super::math;
use super::operands::BatchMut;
use super::simd::{Simd, multiversion};

/// Lanes handled together; their running values stay in registers.
const CHUNK: usize = 16;

#[inline(always)]
fn softmax_body<S: Simd>(_: S, batch: BatchMut<'_>, lse: &mut [f32]) {
    let n = batch.n_rows();
    let BatchMut { values: z, stride } = batch;
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
    fn softmax_dispatch(z: BatchMut<'_>, lse: &mut [f32]) => softmax_body
}

/// Turns logits into probabilities, lane by lane, summing classes in ascending order, and gives
/// each lane's log of the sum of exponentials.
///
/// `lse`: (stride,).
pub fn softmax(z: BatchMut<'_>, lse: &mut [f32]) {
    assert!(z.values.len().is_multiple_of(z.stride), "internal: z is (n, stride)");
    assert_eq!(lse.len(), z.stride, "internal: lse is (stride,)");
    softmax_dispatch(z, lse);
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
