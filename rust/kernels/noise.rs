//! Gaussian noise on a batch.

use super::math;
use super::operands::{BatchMut, Split};
use super::simd::{Simd, multiversion};
use super::tiles::LANES;
use crate::parallel::Par;
use crate::rng::Stream;

/// Random words for [`LANES`] lanes: one word gives the noise of two.
const WORDS: usize = LANES / 2;

#[inline(always)]
fn add_noise_body<S: Simd>(
    _: S,
    stream: &Stream,
    deviation: f32,
    first_row: usize,
    samples: usize,
    x: BatchMut<'_>,
) {
    for (row, lanes) in (first_row as u64..).zip(x.values.chunks_exact_mut(x.stride)) {
        for (piece, lanes) in (0u64..).zip(lanes[..samples].chunks_mut(LANES)) {
            let start = (row << 32) + piece * WORDS as u64;
            let (mut first, mut second) = ([0.0f32; WORDS], [0.0f32; WORDS]);
            for (i, (a, b)) in (start..).zip(first.iter_mut().zip(&mut second)) {
                (*a, *b) = math::normals(stream.at(i));
            }
            for (v, n) in lanes.iter_mut().zip(first.iter().chain(&second)) {
                *v = n.mul_add(deviation, *v);
            }
        }
    }
}
multiversion! {
    fn add_noise_rows(
        stream: &Stream, deviation: f32, first_row: usize, samples: usize, x: BatchMut<'_>,
    ) => add_noise_body
}

/// Adds independent draws of N(0, deviation^2) to the first `samples` lanes of each row. The draw
/// of a row's lane depends on the stream, the row and the lane only.
pub fn add_noise(par: &Par, stream: &Stream, deviation: f32, samples: usize, x: BatchMut<'_>) {
    let stride = x.stride;
    assert!(x.values.len().is_multiple_of(stride) && samples <= stride, "internal: (n, stride)");
    par.for_rows(
        0..x.n_rows(),
        super::GRAIN / 16, // a draw takes as long as some 16 multiply-adds
        x,
        |row| row * stride,
        |x, range, mid| x.split(mid - range.start),
        |rows, x| add_noise_rows(stream, deviation, rows.start, samples, x),
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::portable::Portable;
    use crate::rng::Purpose;

    #[test]
    fn every_lane_has_its_own_noise_and_padding_none() {
        let stream = Stream::new(1, Purpose::InputNoise, 0, 0);
        let mut noise = vec![0.0; 300 * 48];
        let batch = BatchMut { values: &mut noise, stride: 48 };
        add_noise(&Par::new(3).unwrap(), &stream, 0.5, 37, batch);
        assert!(noise.chunks(48).all(|row| row[37..].iter().all(|&v| v == 0.0)));
        let drawn: Vec<u32> =
            noise.chunks(48).flat_map(|row| &row[..37]).map(|v| v.to_bits()).collect();
        let distinct: std::collections::HashSet<_> = drawn.iter().collect();
        assert!(distinct.len() > drawn.len() * 99 / 100);
        // One thread and portable code give the same bits, and noise is added to what was there.
        let mut again = vec![0.0; noise.len()];
        add_noise_body(Portable, &stream, 0.5, 0, 37, BatchMut { values: &mut again, stride: 48 });
        assert_eq!(noise, again);
        let mut narrow = vec![1.0; 300 * 4];
        add_noise(&Par::seq(), &stream, 0.5, 3, BatchMut { values: &mut narrow, stride: 4 });
        for (wide, narrow) in noise.chunks(48).zip(narrow.chunks(4)) {
            assert!(wide.iter().zip(&narrow[..3]).all(|(w, n)| (1.0 + w - n).abs() < 1e-6));
        }
    }
}
