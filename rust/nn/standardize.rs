//! Standardisation of inputs, with the statistics of the first training data.

use crate::error::Result;
use crate::memory::filled;
use crate::parallel::Par;

/// `(x - mean) * scale` per feature. Features without variance are left as they are: mean 0 and
/// scale 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    mean: Vec<f32>,
    scale: Vec<f32>,
}

/// Features whose sums one task takes together: a row's piece is one cache line.
const FEATURES: usize = 16;

impl Standardizer {
    /// From stored statistics.
    pub fn from_parts(mean: Vec<f32>, scale: Vec<f32>) -> Self {
        assert_eq!(mean.len(), scale.len(), "internal: one mean and one scale a feature");
        Standardizer { mean, scale }
    }

    /// The statistics of `x`, (samples, features) row-major, in f64 over the samples in order.
    pub fn fit(par: &Par, x: &[f32], features: usize) -> Result<Self> {
        let what = "standardisation";
        let (mut mean, mut scale) =
            (filled(features, 0.0f32, what)?, filled(features, 1.0f32, what)?);
        let blocks = par.map(features.div_ceil(FEATURES), |block| {
            let start = block * FEATURES;
            block_statistics(x, features, start, FEATURES.min(features - start))
        });
        for (block, statistics) in blocks.into_iter().enumerate() {
            for (i, (m, s)) in statistics.into_iter().enumerate() {
                (mean[block * FEATURES + i], scale[block * FEATURES + i]) = (m, s);
            }
        }
        Ok(Standardizer { mean, scale })
    }

    /// Means, (features,).
    pub fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// One over the standard deviations, (features,).
    pub fn scale(&self) -> &[f32] {
        &self.scale
    }
}

fn block_statistics(x: &[f32], features: usize, start: usize, width: usize) -> Vec<(f32, f32)> {
    let samples = x.len() / features;
    let rows = || x.chunks_exact(features).map(|row| &row[start..start + width]);
    let mut sums = [0.0f64; FEATURES];
    let (mut low, mut high) = ([f32::INFINITY; FEATURES], [f32::NEG_INFINITY; FEATURES]);
    for row in rows() {
        for (i, &v) in row.iter().enumerate() {
            sums[i] += f64::from(v);
            low[i] = low[i].min(v);
            high[i] = high[i].max(v);
        }
    }
    let means = sums.map(|s| s / samples as f64);
    let mut squares = [0.0f64; FEATURES];
    for row in rows() {
        for (i, &v) in row.iter().enumerate() {
            squares[i] += (f64::from(v) - means[i]).powi(2);
        }
    }
    (0..width)
        .map(|i| {
            let scale = (samples as f64 / squares[i]).sqrt() as f32;
            // A spread too small or too large for f32 is left alone like a constant.
            if low[i] == high[i] || !scale.is_normal() {
                (0.0, 1.0)
            } else {
                (means[i] as f32, scale)
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_features_are_left_alone() {
        // 0.1 is not exact, so its mean computed by summation is off by rounding.
        let x: Vec<f32> = (0..1000).flat_map(|i| [0.1, i as f32, -3.0]).collect();
        let s = Standardizer::fit(&Par::seq(), &x, 3).unwrap();
        assert_eq!((s.mean()[0], s.scale()[0], s.mean()[2], s.scale()[2]), (0.0, 1.0, 0.0, 1.0));
        assert_eq!(s.mean()[1], 499.5);
        assert!((f64::from(s.scale()[1]) - (12.0 / (1e6 - 1.0f64)).sqrt()).abs() < 1e-9);
    }
}
