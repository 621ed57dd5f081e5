//! No denormal numbers: training makes 0 of what is smaller than every normal number.
//!
//! Values that decay towards 0, such as the momentum of a weight without a gradient, would else end
//! as denormal numbers and stay there: 0.9 times the least ones rounds to themselves. On some
//! processors an operation with such a number takes a hundred times as long. The processor's own
//! mode for this is not an option, as Rust's arithmetic must not run in it.

use super::simd::{Simd, multiversion};

/// The least magnitude but 0 that training keeps: that of a normal number, 2^-126. A larger one
/// would change fits without denormal numbers.
pub const LEAST: f32 = f32::MIN_POSITIVE;

/// The value, or +0 if its magnitude is below [`LEAST`]; NaN stays.
#[inline(always)]
pub fn flushed(value: f32) -> f32 {
    if value.abs() < LEAST { 0.0 } else { value }
}

#[inline(always)]
fn flush_body<S: Simd>(_: S, values: &mut [f32], least: f32) {
    values.iter_mut().for_each(|value| *value = if value.abs() < least { 0.0 } else { *value });
}
multiversion! {
    /// Makes +0 of every value of a magnitude below `least`, which is [`LEAST`] or more.
    pub fn flush(values: &mut [f32], least: f32) => flush_body
}

#[cfg(test)]
mod tests {
    use super::super::simd::Vector;
    use super::*;

    const INFINITE: u32 = 0x7f80_0000;

    #[test]
    fn denormal_numbers_become_zeros_and_all_others_stay() {
        let edges = [0, 1, 0x007f_ffff, 0x0080_0000, 0x0080_0001, INFINITE - 1, INFINITE];
        let nans = [INFINITE + 1, 0x7fc0_0000, 0x7fff_ffff];
        let spread = (0..=INFINITE).step_by(99_991);
        let values: Vec<f32> = (edges.into_iter().chain(nans).chain(spread))
            .flat_map(|bits| [bits, bits | 1 << 31].map(f32::from_bits))
            .collect();
        let bits = |values: &[f32]| values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        let expected: Vec<u32> = values
            .iter()
            .map(|v| if v.is_subnormal() || *v == 0.0 { 0 } else { v.to_bits() })
            .collect();
        assert_eq!(values.iter().map(|v| flushed(*v).to_bits()).collect::<Vec<_>>(), expected);
        // Every position in a vector, and the rest behind the last.
        for shift in 0..17 {
            let mut moved = values[shift..].to_vec();
            flush(&mut moved, LEAST);
            assert_eq!(bits(&moved), expected[shift..]);
        }
        vectors_flush(&values, &expected);
        let mut moved = [0.5, -0.5, 1.0, -1.0, f32::NAN];
        flush(&mut moved, 1.0);
        assert_eq!(moved[..4], [0.0, 0.0, 1.0, -1.0]);
        assert!(moved[4].is_nan());
    }

    #[inline(always)]
    fn vectors_body<S: Simd>(simd: S, values: &[f32], expected: &[u32]) {
        fn bits(lanes: &[f32]) -> Vec<u32> {
            lanes.iter().map(|v| v.to_bits()).collect()
        }
        let mut out = [0.0; 16];
        for (lanes, expected) in values.windows(16).zip(expected.windows(16)) {
            S::V16::load(simd, lanes).flushed(simd).store(&mut out);
            assert_eq!(bits(&out), expected);
            S::V8::load(simd, lanes).flushed(simd).store(&mut out);
            assert_eq!(bits(&out[..8]), expected[..8]);
            S::V4::load(simd, lanes).flushed(simd).store(&mut out);
            assert_eq!(bits(&out[..4]), expected[..4]);
            S::V1::load(simd, lanes).flushed(simd).store(&mut out);
            assert_eq!(bits(&out[..1]), expected[..1]);
        }
    }
    multiversion! {
        fn vectors_flush(values: &[f32], expected: &[u32]) => vectors_body
    }
}
