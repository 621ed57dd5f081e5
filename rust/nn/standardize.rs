//! Standardisation of inputs, with the statistics of the first training data. Batches are
//! standardised where they are gathered: dense samples in `train/data.rs`, sparse ones in
//! `batch.rs`.

use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, filled, reserved};
use crate::parallel::Par;

/// `(x - mean) * scale` per feature. A feature with one value becomes exactly 0: its mean is that
/// value and its scale is 1. Computed in f64 and rounded once: a mean in f32 would spoil features
/// whose offset is large beside their spread.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    mean: Vec<f64>,
    scale: Vec<f64>,
    /// Features with one value that is not 0, ascending.
    constant: Vec<u32>,
}

/// Features whose sums one task takes together: a row's piece is one cache line.
const FEATURES: usize = 16;

impl Standardizer {
    /// From stored statistics: a finite mean and a finite scale for each feature, and the features
    /// that had one value other than 0, ascending.
    pub fn from_parts(mean: Vec<f64>, scale: Vec<f64>, constant: Vec<u32>) -> Result<Self> {
        if mean.len() != scale.len() {
            let value = format!("{} scales", scale.len());
            return Err(Error::invalid("standardizer", value, format!("{} of them", mean.len())));
        }
        if let Some(v) = mean.iter().chain(&scale).find(|v| !v.is_finite()) {
            return Err(Error::invalid("standardizer", v, "finite means and scales"));
        }
        if let Some(v) = scale.iter().find(|&&v| v <= 0.0) {
            return Err(Error::invalid("standardizer", format!("scale {v}"), "scales above 0"));
        }
        let ascending = constant.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || constant.last().is_some_and(|&c| c as usize >= mean.len()) {
            let value = format!("constant features {constant:?}");
            let expected = format!("ascending numbers below {}", mean.len());
            return Err(Error::invalid("standardizer", value, expected));
        }
        if let Some(c) = constant.iter().find(|&&c| scale[c as usize] != 1.0) {
            let value = format!("scale {} of constant feature {c}", scale[*c as usize]);
            return Err(Error::invalid("standardizer", value, "1"));
        }
        Ok(Standardizer { mean, scale, constant })
    }

    /// From statistics of data, where a feature with one value has that as its mean and scale 1.
    fn found(mean: Vec<f64>, scale: Vec<f64>, is_constant: Vec<bool>) -> Result<Self> {
        let constant =
            || (0u32..).zip(&is_constant).filter(|&(c, &is)| is && mean[c as usize] != 0.0);
        let mut numbers = reserved(constant().count(), "standardisation")?;
        numbers.extend(constant().map(|(c, _)| c));
        Ok(Standardizer { mean, scale, constant: numbers })
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        let what = "statistics";
        Ok(Standardizer {
            mean: copied(&self.mean, what)?,
            scale: copied(&self.scale, what)?,
            constant: copied(&self.constant, what)?,
        })
    }

    /// The statistics of `x`, (samples, features) row-major, in f64 over the samples in order.
    pub fn fit(par: &Par, x: &[f32], features: usize) -> Result<Self> {
        let what = "standardisation";
        let mut mean = filled(features, 0.0f64, what)?;
        let mut scale = filled(features, 1.0f64, what)?;
        let mut constant = filled(features, true, what)?;
        let samples = x.len() / features;
        par.for_rows(
            0..features.div_ceil(FEATURES),
            256,
            (&mut mean[..], &mut scale[..], &mut constant[..]),
            |block| block * samples,
            |(m, s, c): (&mut [f64], &mut [f64], &mut [bool]), range, mid| {
                let at = ((mid - range.start) * FEATURES).min(m.len());
                let ((m, m_right), (s, s_right)) = (m.split_at_mut(at), s.split_at_mut(at));
                let (c, c_right) = c.split_at_mut(at);
                ((m, s, c), (m_right, s_right, c_right))
            },
            |blocks, (m, s, c)| {
                let pieces = m.chunks_mut(FEATURES).zip(s.chunks_mut(FEATURES));
                for (block, ((m, s), c)) in blocks.zip(pieces.zip(c.chunks_mut(FEATURES))) {
                    block_statistics(x, features, block * FEATURES, m, s, c);
                }
            },
        );
        Standardizer::found(mean, scale, constant)
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
        let mut constant = filled(features, true, what)?;
        for (c, &(count, low, high)) in stored.iter().enumerate() {
            let zeros = samples - f64::from(count);
            let (low, high) = if zeros > 0.0 { (low.min(0.0), high.max(0.0)) } else { (low, high) };
            if low < high {
                scale[c] = (samples / (squares[c] + zeros * mean[c].powi(2))).sqrt();
                constant[c] = false;
            } else {
                mean[c] = only_value(low);
            }
        }
        Standardizer::found(mean, scale, constant)
    }

    /// A value of feature `i`, scaled to the standard deviation 1. It is shifted to the mean 0 only
    /// if the feature [is constant](Standardizer::constant).
    #[inline]
    pub fn scaled(&self, i: usize, value: f32) -> f32 {
        if self.is_constant(i) {
            self.apply(i, value)
        } else {
            (f64::from(value) * self.scale[i]) as f32
        }
    }

    /// What must still be subtracted from values of feature `i` that were [`Standardizer::scaled`].
    #[inline]
    pub fn shift(&self, i: usize) -> f32 {
        if self.is_constant(i) { -0.0 } else { -self.apply(i, 0.0) }
    }

    #[inline]
    fn is_constant(&self, i: usize) -> bool {
        // The scale is compared first: it rules out most features.
        self.scale[i] == 1.0 && self.constant.binary_search(&(i as u32)).is_ok()
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

    /// The features that had one value other than 0, ascending.
    pub fn constant(&self) -> &[u32] {
        &self.constant
    }
}

/// The mean of a feature whose values are all this one; 0 if there are none, and not -0.
fn only_value(value: f32) -> f64 {
    if value.is_finite() { f64::from(value) + 0.0 } else { 0.0 }
}

/// The statistics of the features `start..`, as many as `mean` has room for.
fn block_statistics(
    x: &[f32],
    features: usize,
    start: usize,
    mean: &mut [f64],
    scale: &mut [f64],
    constant: &mut [bool],
) {
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
            constant[i] = false;
        } else {
            mean[i] = only_value(low[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constant_features_become_zero() {
        // 0.1 is not exact, so its mean computed by summation is off by rounding.
        let constants = [0.1f32, -3.0, 2024.0, 1e30, f32::MAX, f32::from_bits(1), 0.0];
        let row = |i: i32| constants.into_iter().chain([i as f32]);
        let x: Vec<f32> = (0..1000).flat_map(row).collect();
        let dense = Standardizer::fit(&Par::seq(), &x, 8).unwrap();
        let stored: Vec<u32> = [0, 1, 2, 3, 4, 5, 7].repeat(1000);
        let values = x.chunks(8).flat_map(|row| row.iter().take(6).chain(&row[7..]).copied());
        let indptr = (0..=1000).map(|i| 7 * i).collect();
        let sparse = Csr::new(8, indptr, stored, values.collect()).unwrap();
        for s in [dense, Standardizer::fit_sparse(&sparse).unwrap()] {
            for (i, value) in constants.into_iter().enumerate() {
                assert_eq!((s.mean()[i], s.scale()[i]), (f64::from(value), 1.0));
                assert_eq!((s.apply(i, value), s.scaled(i, value) - s.shift(i)), (0.0, 0.0));
            }
            assert_eq!(s.constant(), [0, 1, 2, 3, 4, 5]);
            assert_eq!(s.mean()[7], 499.5);
            assert!((s.scale()[7] - (12.0 / (1e6 - 1.0f64)).sqrt()).abs() < 1e-12);
            assert!((s.scaled(7, 500.0) - s.shift(7) - s.apply(7, 500.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn the_mean_of_zeros_has_no_sign() {
        let s = Standardizer::fit(&Par::seq(), &[-0.0; 4], 1).unwrap();
        assert_eq!((s.mean()[0].to_bits(), s.constant()), (0, &[][..]));
        assert_eq!(Standardizer::fit(&Par::seq(), &[], 1).unwrap().mean(), [0.0]);
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
        let refused = |m: &[f64], s: &[f64], c: &[u32]| {
            Standardizer::from_parts(m.to_vec(), s.to_vec(), c.to_vec()).unwrap_err().to_string()
        };
        assert!(refused(&[0.0; 2], &[1.0], &[]).contains("1 scales"));
        assert!(refused(&[f64::NAN], &[1.0], &[]).contains("finite"));
        assert!(refused(&[0.0], &[f64::INFINITY], &[]).contains("finite"));
        for scale in [0.0, -0.0, -1.0] {
            assert!(refused(&[0.0; 2], &[1.0, scale], &[]).contains("scales above 0"));
        }
        assert!(refused(&[0.0; 2], &[1.0; 2], &[1, 0]).contains("ascending"));
        assert!(refused(&[0.0; 2], &[1.0; 2], &[2]).contains("below 2"));
        assert!(refused(&[0.0; 2], &[2.0; 2], &[1]).contains("scale 2"));
    }
}
