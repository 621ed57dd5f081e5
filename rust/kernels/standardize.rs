//! Numbers of samples to the mean 0 and the standard deviation 1, and clipped if there is a limit.
//!
//! All is in f64 and rounded once. Its operations round correctly on every processor, so vectors of
//! them have the bits of single numbers.

use std::hint::select_unpredictable;

use super::simd::{Simd, multiversion};

/// Beyond this many limits a clipped value is at its limit, to the last bit.
const CLIPPED: f64 = 1e8;

/// How numbers of one feature are standardised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// What becomes 0.
    pub mean: f64,
    /// One over the standard deviation; 0 of a feature that becomes 0.
    pub scale: f64,
    /// What standardised numbers approach but never exceed.
    pub limit: Option<f64>,
}

impl Scaling {
    /// A number, standardised.
    #[inline(always)]
    pub fn of(self, value: f64) -> f64 {
        // Not by the product: an infinite difference times 0 would be NaN.
        if self.scale == 0.0 {
            return 0.0;
        }
        let standardised = (value - self.mean) * self.scale;
        self.limit.map_or(standardised, |limit| clipped(standardised, limit))
    }
}

/// As RealMLP clips numbers (Holzmüller, Grinsztajn and Steinwart, 2024), whose limit is 3.
#[inline(always)]
pub fn clipped(value: f64, limit: f64) -> f64 {
    let part = value / limit;
    if part.abs() > CLIPPED {
        return limit.copysign(value);
    }
    value / (1.0 + part * part).sqrt()
}

/// As [`clipped`], without a branch: behind one, compilers load masked vectors, which takes longer, or none.
#[inline(always)]
fn clipped_lane(value: f64, limit: f64) -> f64 {
    let part = value / limit;
    let (near, far) = (value / (1.0 + part * part).sqrt(), limit.copysign(value));
    select_unpredictable(part.abs() > CLIPPED, far, near)
}

#[inline(always)]
fn standardize_lanes_body<S: Simd>(_: S, by: Scaling, values: &mut [f32]) {
    let standardised = |v: f32| (f64::from(v) - by.mean) * by.scale;
    match by.limit {
        _ if by.scale == 0.0 => values.fill(0.0),
        None => values.iter_mut().for_each(|v| *v = standardised(*v) as f32),
        Some(limit) => {
            values.iter_mut().for_each(|v| *v = clipped_lane(standardised(*v), limit) as f32);
        }
    }
}
multiversion! {
    /// Standardises numbers of one feature as [`Scaling::of`] does. Of a multiple of eight numbers none
    /// is beside the vectors.
    pub fn standardize_lanes(by: Scaling, values: &mut [f32]) => standardize_lanes_body
}

/// How numbers of several features are standardised.
#[derive(Clone, Copy, Debug)]
pub struct Scalings<'a> {
    /// Means, (features,).
    pub mean: &'a [f64],
    /// [`Scaling::scale`], (features,).
    pub scale: &'a [f64],
    /// [`Scaling::limit`] of all.
    pub limit: Option<f64>,
    /// Whether features with the mean 0 and the scale 1 have no limit.
    pub keeps: bool,
}

impl Scalings<'_> {
    /// That of one feature.
    #[inline]
    pub fn at(&self, i: usize) -> Scaling {
        let (mean, scale) = (self.mean[i], self.scale[i]);
        let limit = self.limit.filter(|_| !(self.keeps && mean == 0.0 && scale == 1.0));
        Scaling { mean, scale, limit }
    }
}

#[inline(always)]
fn standardize_row_body<S: Simd>(_: S, by: Scalings<'_>, values: &[f64], out: &mut [f32]) {
    assert!(by.mean.len() == out.len() && by.scale.len() == out.len(), "internal: features");
    let rows = values.iter().zip(by.mean.iter().zip(by.scale));
    match by.limit {
        None => {
            for (out, (&value, (&mean, &scale))) in out.iter_mut().zip(rows) {
                let standardised = (value - mean) * scale;
                *out = select_unpredictable(scale == 0.0, 0.0, standardised as f32);
            }
        }
        Some(limit) => {
            for (out, (&value, (&mean, &scale))) in out.iter_mut().zip(rows) {
                let standardised = (value - mean) * scale;
                let is_kept = by.keeps & (mean == 0.0) & (scale == 1.0);
                let clipped = clipped_lane(standardised, limit);
                let chosen = select_unpredictable(is_kept, standardised, clipped);
                *out = select_unpredictable(scale == 0.0, 0.0, chosen as f32);
            }
        }
    }
}
multiversion! {
    /// Standardises a number of each feature.
    pub fn standardize_row(by: Scalings<'_>, values: &[f64], out: &mut [f32]) => standardize_row_body
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::portable::Portable;
    use crate::rng::{Purpose, Stream};

    /// Numbers of every size and kind.
    fn numbers(seed: u64, count: usize) -> Vec<f64> {
        let odd = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 5e-324, f64::MAX, 3e8];
        let stream = Stream::new(seed, Purpose::Structure, 0, 0);
        let number = |word: u64| {
            let near = (word >> 40) as f64 / 2e6 - 4.0;
            match word % 64 {
                kind @ 0..8 => odd[kind as usize],
                8..16 => near * f64::powi(2.0, (word >> 32 & 255) as i32 - 128),
                16..20 => f64::from_bits(word.rotate_left(17)),
                _ => near,
            }
        };
        (0..count as u64).map(|i| number(stream.at(i))).collect()
    }

    /// The bits; not those of a NaN, whose sign is the processor's choice.
    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| if v.is_nan() { 0x7FC0_0000 } else { v.to_bits() }).collect()
    }

    const LIMITS: [Option<f64>; 6] =
        [None, Some(3.0), Some(0.1), Some(1e6), Some(f64::MIN_POSITIVE), Some(5e-324)];

    /// Usual statistics, those of a feature that is kept, and odd ones.
    fn statistics(seed: u64, count: usize) -> (Vec<f64>, Vec<f64>) {
        let finite = |v: f64| if v.is_finite() { v } else { 1.0 };
        let mut mean: Vec<f64> = numbers(seed, count).into_iter().map(finite).collect();
        let mut scale: Vec<f64> =
            numbers(seed + 1, count).into_iter().map(|v| finite(v).abs()).collect();
        for i in (0..count).step_by(5) {
            (mean[i], scale[i]) = (0.0, [1.0, 0.0, 2.0][i % 3]);
        }
        (mean, scale)
    }

    #[test]
    fn lanes_have_the_bits_of_single_numbers() {
        for (seed, limit) in (0..300).zip(LIMITS.into_iter().cycle()) {
            let (mean, scale) = statistics(2 * seed, 16);
            let from: Vec<f32> = numbers(seed + 7, 61).into_iter().map(|v| v as f32).collect();
            for (mean, scale) in mean.into_iter().zip(scale) {
                let by = Scaling { mean, scale, limit };
                let expected: Vec<f32> = from.iter().map(|&v| by.of(v.into()) as f32).collect();
                for count in [1, 3, 4, 8, 13, 16, 61] {
                    let (mut found, mut portable) =
                        (from[..count].to_vec(), from[..count].to_vec());
                    standardize_lanes(by, &mut found);
                    standardize_lanes_body(Portable, by, &mut portable);
                    assert_eq!(bits(&found), bits(&expected[..count]), "{by:?}");
                    assert_eq!(bits(&portable), bits(&expected[..count]), "{by:?}");
                }
            }
        }
    }

    #[test]
    fn rows_have_the_bits_of_single_numbers() {
        for (seed, limit) in (0..600).zip(LIMITS.into_iter().cycle()) {
            let count = [1, 3, 4, 8, 13, 16, 61][seed as usize % 7];
            let (mean, scale) = statistics(2 * seed, count);
            let by = Scalings { mean: &mean, scale: &scale, limit, keeps: seed % 4 < 2 };
            let from = numbers(seed + 7, count);
            let expected: Vec<f32> = (0..count).map(|i| by.at(i).of(from[i]) as f32).collect();
            let (mut found, mut portable) = (vec![0.5; count], vec![0.5; count]);
            standardize_row(by, &from, &mut found);
            standardize_row_body(Portable, by, &from, &mut portable);
            assert_eq!(bits(&found), bits(&expected), "{by:?}");
            assert_eq!(bits(&portable), bits(&expected), "{by:?}");
        }
    }

    #[test]
    fn clipped_numbers_keep_their_sign_and_stay_below_the_limit() {
        let mut values = [0.0, -0.0, 3.0, -3.0, f32::MAX, f32::MIN, f32::INFINITY];
        standardize_lanes(Scaling { mean: 0.0, scale: 1.0, limit: Some(3.0) }, &mut values);
        let half = (3.0 / 2f64.sqrt()) as f32;
        assert_eq!(bits(&values), bits(&[0.0, -0.0, half, -half, 3.0, -3.0, 3.0]));
    }
}
