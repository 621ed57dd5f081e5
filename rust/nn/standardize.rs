//! Standardisation: inputs by the statistics of the training data, and the units of targets.
//! Batches are standardised where they are gathered: dense samples in `train/data.rs`, sparse ones
//! in `batch.rs`.

use std::ops::Range;

use super::config::Standardize;
use super::statistics::Moments;
use crate::error::{Error, Result};
use crate::kernels::{Scalings, standardize_lanes, standardize_row};
use crate::memory::{collected, copied, reserved};

const WHAT: &str = "statistics";

/// The standardiser's name in errors.
const NAME: &str = "standardizer";

/// Where a feature of sparse samples lies this many deviations from 0, what is subtracted from it
/// would not cancel exactly in the first layer's biases.
const FAR: f64 = 256.0;

/// `(x - mean) * scale` per feature, in f64 and rounded once; clipped before that, if there is a limit. A
/// feature with one value becomes 0, also with another value later.
#[derive(Clone, Debug, PartialEq)]
pub struct Standardizer {
    mean: Vec<f64>,
    /// One over the standard deviation; 0 of a feature with one value.
    scale: Vec<f64>,
    age: Age,
    /// What standardised values approach but never exceed, by `x / sqrt(1 + (x / limit)^2)`.
    clip: Option<f64>,
    /// Whether features that are as they were are not clipped.
    keeps: bool,
    /// Features of sparse samples that are shifted where they are gathered, ascending.
    far: Vec<u32>,
    /// The number of features up to the last one that is shifted in the biases.
    shifted: usize,
    /// Numbers up to this one are in f32's range once they are standardised, for every feature.
    reach: f64,
    /// Whether the steps of f32 are small beside the deviation of every feature.
    suits_float32: bool,
}

/// Which samples the statistics are of.
#[derive(Clone, Debug, PartialEq)]
enum Age {
    /// That number, in f64; 0 of statistics that are given, which stay as they are.
    Counted(f64),
    /// Those of a model file without a count. Samples were rounded to f32 first, and the features with
    /// one value other than 0, ascending, have scale 1. Predictions must keep their bits.
    First(Vec<u32>),
}

impl Standardizer {
    /// From the moments of samples.
    pub fn from_moments(moments: &Moments) -> Result<Self> {
        let scale = collected((0..moments.mean().len()).map(|c| moments.scale(c)), WHAT)?;
        Self::counted(copied(moments.mean(), WHAT)?, scale, moments.total())
    }

    /// From stored statistics of `count` samples, or given ones, of 0: finite means, and scales above 0,
    /// or 0 of a feature that had one value.
    pub fn counted(mean: Vec<f64>, scale: Vec<f64>, count: f64) -> Result<Self> {
        if !(count >= 0.0 && count.is_finite()) {
            let value = format!("statistics of {count} samples");
            return Err(Error::invalid(NAME, value, "a number of at least 0"));
        }
        check(&mean, &scale, |s| *s >= 0.0)?;
        let (reach, suits_float32) = ranges(&mean, &scale);
        let age = Age::Counted(count);
        let (far, shifted) = (Vec::new(), 0);
        let of = Standardizer {
            mean,
            scale,
            age,
            clip: None,
            keeps: false,
            far,
            shifted,
            reach,
            suits_float32,
        };
        of.shifting_from(FAR)
    }

    /// As a network's settings have it: with a limit that standardised values approach but never exceed,
    /// and the shift of features of sparse samples where they are gathered.
    pub fn set_up(self, standardize: Standardize, clip: Option<f64>) -> Result<Self> {
        let keeps = standardize == Standardize::Auto;
        let of = Standardizer { clip, keeps, ..self };
        // Most samples have the features whose mean is not 0.
        if keeps { of.shifting_from(0.0) } else { Ok(of) }
    }

    /// Shifts features of sparse samples where they are gathered if they lie further from 0, in
    /// deviations.
    fn shifting_from(mut self, most: f64) -> Result<Self> {
        if !matches!(self.age, Age::Counted(_)) {
            return Ok(self);
        }
        let distance = |c: &u32| (self.mean[*c as usize] * self.scale[*c as usize]).abs();
        let features = || 0..self.mean.len() as u32;
        let mut far = reserved(features().filter(|c| distance(c) > most).count(), WHAT)?;
        far.extend(features().filter(|c| distance(c) > most));
        let is_shifted = |c: &u32| distance(c) > 0.0 && distance(c) <= most;
        let shifted = features().rev().find(is_shifted).map_or(0, |c| c as usize + 1);
        (self.far, self.shifted) = (far, shifted);
        Ok(self)
    }

    /// From the statistics of the first models: a finite mean and a scale above 0 for each feature, and
    /// the features that had one value other than 0, ascending.
    pub fn of_first_models(mean: Vec<f64>, scale: Vec<f64>, constant: Vec<u32>) -> Result<Self> {
        check(&mean, &scale, |s| *s > 0.0)?;
        let ascending = constant.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || constant.last().is_some_and(|&c| c as usize >= mean.len()) {
            let value = format!("constant features {constant:?}");
            let expected = format!("ascending numbers below {}", mean.len());
            return Err(Error::invalid(NAME, value, expected));
        }
        if let Some(c) = constant.iter().find(|&&c| scale[c as usize] != 1.0) {
            let value = format!("scale {} of constant feature {c}", scale[*c as usize]);
            return Err(Error::invalid(NAME, value, "1"));
        }
        let far = copied(&constant, WHAT)?;
        let (reach, suits_float32) = ranges(&mean, &scale);
        let age = Age::First(constant);
        let shifted = mean.len();
        let keeps = false;
        Ok(Standardizer { mean, scale, age, clip: None, keeps, far, shifted, reach, suits_float32 })
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        Ok(Standardizer {
            mean: copied(&self.mean, WHAT)?,
            scale: copied(&self.scale, WHAT)?,
            age: match &self.age {
                Age::Counted(count) => Age::Counted(*count),
                Age::First(constant) => Age::First(copied(constant, WHAT)?),
            },
            clip: self.clip,
            keeps: self.keeps,
            far: copied(&self.far, WHAT)?,
            shifted: self.shifted,
            reach: self.reach,
            suits_float32: self.suits_float32,
        })
    }

    /// A copy that does not clip.
    pub fn unclipped(&self) -> Result<Self> {
        Ok(Standardizer { clip: None, ..self.try_clone()? })
    }

    /// The statistics of some features, not yet [set up](Standardizer::set_up).
    pub fn restricted(&self, features: &[u32]) -> Result<Self> {
        let pick = |values: &[f64]| collected(features.iter().map(|&i| values[i as usize]), WHAT);
        let (mean, scale) = (pick(&self.mean)?, pick(&self.scale)?);
        match &self.age {
            Age::Counted(count) => Self::counted(mean, scale, *count),
            Age::First(constant) => {
                let is_constant = |&(_, &i): &(u32, &u32)| constant.binary_search(&i).is_ok();
                let numbers = || (0u32..).zip(features).filter(is_constant).map(|(n, _)| n);
                let mut constant = reserved(numbers().count(), WHAT)?;
                constant.extend(numbers());
                Self::of_first_models(mean, scale, constant)
            }
        }
    }

    /// The moments that more samples can be merged into; none of statistics that stay.
    pub fn moments(&self) -> Result<Option<Moments>> {
        let Some(count) = self.count().filter(|count| *count > 0.0) else { return Ok(None) };
        moments(count, &self.mean, &self.scale).map(Some)
    }

    /// A value of feature `i` of sparse samples, scaled to the standard deviation 1. It is shifted to
    /// the mean 0 only if the feature [is far](Standardizer::far_from).
    #[inline]
    pub fn scaled(&self, i: usize, value: f64) -> f32 {
        match self.limit(i) {
            _ if self.is_far(i) => self.apply(i, value),
            None => (value * self.scale[i]) as f32,
            Some(_) => (self.exactly(i, value) - self.exactly(i, 0.0)) as f32,
        }
    }

    /// What must still be subtracted from values of feature `i` that were [`Standardizer::scaled`].
    #[inline]
    pub fn shift(&self, i: usize) -> f32 {
        if self.is_far(i) { -0.0 } else { -self.apply(i, 0.0) }
    }

    /// Numbers up to this one are in f32's range once they are standardised, for every feature.
    pub fn reach(&self) -> f64 {
        self.reach
    }

    /// Whether f32 surely tells values apart as well as the network does; if not it may still.
    pub fn suits_float32(&self) -> bool {
        self.suits_float32
    }

    /// Whether anything must still be subtracted from features of sparse samples, of which the first
    /// ones are `dense` and come shifted.
    pub fn shifts_behind(&self, dense: usize) -> bool {
        self.shifted > dense
    }

    /// Features of sparse samples that are shifted where they are gathered, ascending, from this one on:
    /// those that are far from 0.
    pub fn far_from(&self, first: usize) -> &[u32] {
        &self.far[self.far.partition_point(|&c| (c as usize) < first)..]
    }

    #[inline]
    fn is_far(&self, i: usize) -> bool {
        !self.far.is_empty() && self.far.binary_search(&(i as u32)).is_ok()
    }

    /// A value of feature `i`, standardised.
    #[inline]
    pub fn apply(&self, i: usize, value: f64) -> f32 {
        self.exactly(i, value) as f32
    }

    /// What values of feature `i` never exceed.
    #[inline]
    pub fn limit(&self, i: usize) -> Option<f64> {
        self.scalings(0..self.mean.len()).at(i).limit
    }

    #[inline]
    fn exactly(&self, i: usize, value: f64) -> f64 {
        self.scalings(0..self.mean.len()).at(i).of(value)
    }

    #[inline]
    fn scalings(&self, features: Range<usize>) -> Scalings<'_> {
        let (mean, scale) = (&self.mean[features.clone()], &self.scale[features]);
        Scalings { mean, scale, limit: self.clip, keeps: self.keeps }
    }

    /// Standardises values of feature `i`.
    #[inline]
    pub fn apply_in_place(&self, i: usize, values: &mut [f32]) {
        standardize_lanes(self.scalings(i..i + 1).at(0), values);
    }

    /// Standardises the values of one sample, of the features from `start` on.
    #[inline]
    pub fn apply_to_row(&self, start: usize, values: &[f64], out: &mut [f32]) {
        standardize_row(self.scalings(start..start + values.len()), values, out);
    }

    /// Means, (features,).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// One over the standard deviations, (features,); 0 of a feature with one value.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// How many samples they are of; none of the first models, whose samples are rounded to f32 first.
    pub fn count(&self) -> Option<f64> {
        match self.age {
            Age::Counted(count) => Some(count),
            Age::First(_) => None,
        }
    }

    /// The features of the first models that had one value other than 0, ascending.
    pub fn constant(&self) -> &[u32] {
        match &self.age {
            Age::Counted(_) => &[],
            Age::First(constant) => constant,
        }
    }
}

/// Steps of f32 beside a feature's mean, in its standard deviations, of which nothing is to be said.
/// `say_coarse` of Python's `data/digits.py` says something from four on.
const FINE: f64 = 1.0;

/// [`Standardizer::reach`] and [`Standardizer::suits_float32`].
fn ranges(mean: &[f64], scale: &[f64]) -> (f64, bool) {
    let most = |values: &[f64]| values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
    let (mean_most, scale_most) = (most(mean), most(scale));
    let reach = f64::from(f32::MAX) / scale_most.max(f64::MIN_POSITIVE) - mean_most;
    let step = f64::from(f32::EPSILON);
    let is_fine =
        |(m, s): (&f64, &f64)| (m.abs() * step).max(f64::from(f32::MIN_POSITIVE)) * s <= FINE;
    (reach, mean.iter().zip(scale).all(is_fine))
}

fn check(mean: &[f64], scale: &[f64], fits: impl Fn(&f64) -> bool) -> Result<()> {
    if mean.len() != scale.len() {
        let value = format!("{} scales", scale.len());
        return Err(Error::invalid(NAME, value, format!("{} of them", mean.len())));
    }
    if let Some(v) = mean.iter().chain(scale).find(|v| !v.is_finite()) {
        return Err(Error::invalid(NAME, v, "finite means and scales"));
    }
    let bad = scale.iter().find(|s| !fits(s));
    bad.map_or(Ok(()), |s| Err(Error::invalid(NAME, format!("a scale of {s}"), "one above 0")))
}

/// The units of targets: networks learn `(y - mean) * scale`, and predictions are turned back.
#[derive(Clone, Debug, PartialEq)]
pub struct Units {
    mean: Vec<f64>,
    /// One over the standard deviation; 0 of a target with one value.
    scale: Vec<f64>,
    total: f64,
}

impl Units {
    /// From the moments of targets.
    pub fn from_moments(moments: &Moments) -> Result<Self> {
        let scale = collected((0..moments.mean().len()).map(|c| moments.scale(c)), WHAT)?;
        Self::counted(copied(moments.mean(), WHAT)?, scale, moments.total())
    }

    /// From stored statistics of the weight `total`: finite means, and scales above 0, or 0 of a target
    /// that had one value.
    pub fn counted(mean: Vec<f64>, scale: Vec<f64>, total: f64) -> Result<Self> {
        check(&mean, &scale, |s| *s >= 0.0)?;
        if !(total > 0.0 && total.is_finite()) {
            let value = format!("statistics of the weight {total}");
            return Err(Error::invalid("targets", value, "a number above 0"));
        }
        Ok(Units { mean, scale, total })
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        let (mean, scale) = (copied(&self.mean, WHAT)?, copied(&self.scale, WHAT)?);
        Ok(Units { mean, scale, total: self.total })
    }

    /// The moments that more targets can be merged into.
    pub fn moments(&self) -> Result<Moments> {
        moments(self.total, &self.mean, &self.scale)
    }

    /// A target of output `k` as the network learns it.
    #[inline]
    pub fn apply(&self, k: usize, value: f64) -> f32 {
        ((value - self.mean[k]) * self.scale(k)) as f32
    }

    /// Means, (outputs,).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// One over the standard deviation of output `k`; 1 if it had one value.
    pub fn scale(&self, k: usize) -> f64 {
        if self.varies(k) { self.scale[k] } else { 1.0 }
    }

    /// Whether output `k` had more than one value.
    pub fn varies(&self, k: usize) -> bool {
        self.scale[k] > 0.0
    }

    /// The scales as [`Units::counted`] takes them, (outputs,).
    pub fn stored_scale(&self) -> &[f64] {
        &self.scale
    }

    /// The sum of the weights of the targets.
    pub fn total(&self) -> f64 {
        self.total
    }
}

fn moments(total: f64, mean: &[f64], scale: &[f64]) -> Result<Moments> {
    let deviation = |s: &f64| if *s > 0.0 { total / (s * s) } else { 0.0 };
    let deviations = collected(scale.iter().map(deviation), WHAT)?;
    Moments::from_parts(total, copied(mean, WHAT)?, deviations)
}

#[cfg(test)]
mod tests {
    use super::super::statistics::Table;
    use super::*;
    use crate::csr::Csr;
    use crate::parallel::Par;

    fn of(values: &[f32], columns: usize) -> Standardizer {
        let table = Table { values, columns, weights: None };
        Standardizer::from_moments(&Moments::of(&Par::seq(), table, "x").unwrap()).unwrap()
    }

    #[test]
    fn features_with_one_value_become_zero() {
        // 0.1 is not exact, so its mean computed by summation is off by rounding.
        let constants = [0.1f32, -3.0, 2024.0, 1e30, f32::MAX, f32::from_bits(1), 0.0];
        let row = |i: i32| constants.into_iter().chain([i as f32]);
        let x: Vec<f32> = (0..1000).flat_map(row).collect();
        let stored: Vec<u32> = [0, 1, 2, 3, 4, 5, 7].repeat(1000);
        let values = x.chunks(8).flat_map(|row| row.iter().take(6).chain(&row[7..]).copied());
        let indptr = (0..=1000).map(|i| 7 * i).collect();
        let sparse = Csr::new(8, indptr, stored, values.collect()).unwrap();
        let sparse = Moments::of_sparse((&sparse).into(), None, "x").unwrap();
        for s in [of(&x, 8), Standardizer::from_moments(&sparse).unwrap()] {
            for (i, value) in constants.into_iter().enumerate() {
                assert_eq!((s.mean()[i], s.scale()[i]), (f64::from(value), 0.0));
                for value in [value, -1e9, f32::MAX] {
                    let shifted = s.scaled(i, f64::from(value)) - s.shift(i);
                    assert_eq!((s.apply(i, f64::from(value)), shifted), (0.0, 0.0));
                }
            }
            assert_eq!(s.mean()[7], 499.5);
            assert!((s.scale()[7] - (12.0 / (1e6 - 1.0f64)).sqrt()).abs() < 1e-12);
            assert!((s.scaled(7, 500.0) - s.shift(7) - s.apply(7, 500.0)).abs() < 1e-6);
        }
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        // Neighbouring f32 values: their mean is not one.
        let x: Vec<f32> = (0..1000).map(|i| 16_777_214.0 + (i % 2) as f32).collect();
        let s = of(&x, 1);
        assert_eq!((s.apply(0, x[0].into()), s.apply(0, x[1].into())), (-1.0, 1.0));
        assert_eq!((s.far_from(0), s.scaled(0, x[1].into()), s.shift(0)), (&[0][..], 1.0, -0.0));
        let tiny = [f32::from_bits(1), f32::from_bits(2)];
        let s = of(&tiny, 1);
        assert_eq!(tiny.map(|v| s.apply(0, v.into())), [-1.0, 1.0]);
    }

    #[test]
    fn more_samples_can_follow() {
        let x: Vec<f32> = (0..1000).map(|i| 1e6 + (i * 7919 % 1009) as f32).collect();
        let mut moments = of(&x[..100], 1).moments().unwrap().unwrap();
        let table = Table { values: &x[100..], columns: 1, weights: None };
        moments.merge(&Moments::of(&Par::seq(), table, "x").unwrap());
        let (followed, whole) = (Standardizer::from_moments(&moments).unwrap(), of(&x, 1));
        assert_eq!(followed.count(), Some(1000.0));
        assert!((followed.mean()[0] - whole.mean()[0]).abs() < 1e-8);
        assert!((followed.scale()[0] / whole.scale()[0] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn units_of_targets_come_back() {
        let table = Table { values: &[1e9f64, 7.0, 1e9 + 2.0, 7.0], columns: 2, weights: None };
        let units = Units::from_moments(&Moments::of(&Par::seq(), table, "y").unwrap()).unwrap();
        assert_eq!([units.apply(0, 1e9), units.apply(0, 1e9 + 2.0)], [-1.0, 1.0]);
        assert_eq!((units.apply(1, 7.0), units.apply(1, 9.0), units.varies(1)), (0.0, 2.0, false));
        assert_eq!(units.moments().unwrap().scale(1), 0.0);
    }

    #[test]
    fn stored_statistics_are_checked() {
        let first = |m: &[f64], s: &[f64], c: &[u32]| {
            Standardizer::of_first_models(m.to_vec(), s.to_vec(), c.to_vec())
                .unwrap_err()
                .to_string()
        };
        assert!(first(&[0.0; 2], &[1.0], &[]).contains("1 scales"));
        assert!(first(&[f64::NAN], &[1.0], &[]).contains("finite"));
        assert!(first(&[0.0], &[f64::INFINITY], &[]).contains("finite"));
        for scale in [0.0, -0.0, -1.0] {
            assert!(first(&[0.0; 2], &[1.0, scale], &[]).contains("above 0"));
        }
        assert!(first(&[0.0; 2], &[1.0; 2], &[1, 0]).contains("ascending"));
        assert!(first(&[0.0; 2], &[1.0; 2], &[2]).contains("below 2"));
        assert!(first(&[0.0; 2], &[2.0; 2], &[1]).contains("scale 2"));
        let counted = |m: &[f64], s: &[f64], n: f64| {
            Standardizer::counted(m.to_vec(), s.to_vec(), n).unwrap_err().to_string()
        };
        assert!(counted(&[0.0], &[-1.0], 1.0).contains("scale of -1"));
        assert!(counted(&[0.0], &[1.0], -1.0).contains("-1 samples"));
        let given = Standardizer::counted(vec![0.0], vec![1.0], 0.0).unwrap();
        assert_eq!(given.moments().unwrap(), None);
        assert!(counted(&[0.0], &[1.0], f64::NAN).contains("NaN samples"));
    }
}
