//! Standardisation of inputs, with the statistics of the first training data.

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::parallel::Par;

/// `(x - mean) * scale` per feature. Features without variance are left as they are: mean 0 and
/// scale 1. Computed in f64 and rounded once: a mean in f32 would spoil features whose offset is
/// large beside their spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

/// Features whose sums one task takes together: a row's piece is one cache line.
const FEATURES: usize = 16;

impl Standardizer {
    /// From stored statistics: a finite mean and a finite scale for each feature.
    pub fn from_parts(mean: Vec<f64>, scale: Vec<f64>) -> Result<Self> {
        if mean.len() != scale.len() {
            let value = format!("{} scales", scale.len());
            return Err(Error::invalid("standardizer", value, format!("{} of them", mean.len())));
        }
        if let Some(v) = mean.iter().chain(&scale).find(|v| !v.is_finite()) {
            return Err(Error::invalid("standardizer", v, "finite means and scales"));
        }
        Ok(Standardizer { mean, scale })
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        let what = "statistics";
        Ok(Standardizer { mean: copied(&self.mean, what)?, scale: copied(&self.scale, what)? })
    }

    /// The statistics of `x`, (samples, features) row-major, in f64 over the samples in order.
    pub fn fit(par: &Par, x: &[f32], features: usize) -> Result<Self> {
        let what = "standardisation";
        let mut mean = filled(features, 0.0f64, what)?;
        let mut scale = filled(features, 1.0f64, what)?;
        let samples = x.len() / features;
        par.for_rows(
            0..features.div_ceil(FEATURES),
            256,
            (&mut mean[..], &mut scale[..]),
            |block| block * samples,
            |(m, s): (&mut [f64], &mut [f64]), range, mid| {
                let at = ((mid - range.start) * FEATURES).min(m.len());
                let ((m, m_right), (s, s_right)) = (m.split_at_mut(at), s.split_at_mut(at));
                ((m, s), (m_right, s_right))
            },
            |blocks, (m, s)| {
                let pieces = m.chunks_mut(FEATURES).zip(s.chunks_mut(FEATURES));
                for (block, (m, s)) in blocks.zip(pieces) {
                    block_statistics(x, features, block * FEATURES, m, s);
                }
            },
        );
        Ok(Standardizer { mean, scale })
    }

    /// [`Standardizer::fit`] of samples most of whose features are zero, a sample a row.
    pub fn fit_sparse(x: &Csr) -> Result<Self> {
        let (samples, features) = (x.n_rows() as f64, x.n_cols());
        let what = "standardisation";
        let mut mean = filled(features, 0.0f64, what)?;
        let mut scale = filled(features, 1.0f64, what)?;
        let mut stored = filled(features, (0u32, f32::INFINITY, f32::NEG_INFINITY), what)?;
        let entries = || x.pattern().indices().iter().zip(x.data());
        for (&c, &v) in entries() {
            let (count, low, high) = &mut stored[c as usize];
            (*count, *low, *high) = (*count + 1, low.min(v), high.max(v));
            mean[c as usize] += f64::from(v);
        }
        mean.iter_mut().for_each(|sum| *sum /= samples);
        let mut squares = filled(features, 0.0f64, what)?;
        for (&c, &v) in entries() {
            squares[c as usize] += (f64::from(v) - mean[c as usize]).powi(2);
        }
        for (c, &(count, low, high)) in stored.iter().enumerate() {
            let zeros = samples - f64::from(count);
            let (low, high) = if zeros > 0.0 { (low.min(0.0), high.max(0.0)) } else { (low, high) };
            if low < high {
                scale[c] = (samples / (squares[c] + zeros * mean[c].powi(2))).sqrt();
            } else {
                mean[c] = 0.0;
            }
        }
        Ok(Standardizer { mean, scale })
    }

    /// A value of feature `i` with the standard deviation 1, but not moved to the mean 0.
    #[inline]
    pub fn scaled(&self, i: usize, value: f32) -> f32 {
        (f64::from(value) * self.scale[i]) as f32
    }

    /// A value of feature `i`, standardised.
    #[inline]
    pub fn apply(&self, i: usize, value: f32) -> f32 {
        ((f64::from(value) - self.mean[i]) * self.scale[i]) as f32
    }

    /// Means, (features,).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// One over the standard deviations, (features,).
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }
}

/// The statistics of the features `start..`, as many as `mean` and `scale` have room for.
fn block_statistics(x: &[f32], features: usize, start: usize, mean: &mut [f64], scale: &mut [f64]) {
    let (samples, width) = (x.len() / features, mean.len());
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
    for i in 0..width {
        // Two different f32 values never give a spread beyond f64's range.
        if low[i] < high[i] {
            (mean[i], scale[i]) = (means[i], (samples as f64 / squares[i]).sqrt());
        }
    }
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
        assert!((s.scale()[1] - (12.0 / (1e6 - 1.0f64)).sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        // Neighbouring f32 values: their mean is not one.
        let x: Vec<f32> = (0..1000).map(|i| 16_777_214.0 + (i % 2) as f32).collect();
        let s = Standardizer::fit(&Par::seq(), &x, 1).unwrap();
        assert_eq!((s.apply(0, x[0]), s.apply(0, x[1])), (-1.0, 1.0));
        let tiny = [f32::from_bits(1), f32::from_bits(2)];
        let s = Standardizer::fit(&Par::seq(), &tiny, 1).unwrap();
        assert_eq!(tiny.map(|v| s.apply(0, v)), [-1.0, 1.0]);
    }

    #[test]
    fn the_same_for_any_number_of_threads() {
        let x: Vec<f32> = (0..100 * 131).map(|i| ((i * 7919) % 1009) as f32).collect();
        let one = Standardizer::fit(&Par::seq(), &x, 131).unwrap();
        for threads in [2, 3, 7] {
            assert_eq!(one, Standardizer::fit(&Par::new(threads).unwrap(), &x, 131).unwrap());
        }
    }

    #[test]
    fn stored_statistics_are_checked() {
        let refused = |m: &[f64], s: &[f64]| {
            Standardizer::from_parts(m.to_vec(), s.to_vec()).unwrap_err().to_string()
        };
        assert!(refused(&[0.0; 2], &[1.0]).contains("1 scales"));
        assert!(refused(&[f64::NAN], &[1.0]).contains("finite"));
        assert!(refused(&[0.0], &[f64::INFINITY]).contains("finite"));
    }
}
