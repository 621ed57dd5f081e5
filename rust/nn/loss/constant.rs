//! The best constant prediction: what a network that has learnt anything is better than.

use super::{Answers, Asked, Config, Loss, Mlp, Targets};
use crate::error::Result;
use crate::memory::filled;

const WHAT: &str = "the best constant prediction";
/// Passes over the targets in which Huber's minimiser is looked for.
const PASSES: usize = 40;

/// The constant prediction with the least weighted loss on some targets, with what is needed to join
/// it with that of others. All in float64.
///
/// Cross-entropy has the weighted shares of the classes, smoothed as in training; binary
/// cross-entropy those of each output; squared errors the weighted means. Huber's minimiser is
/// found by bisection; what is not found exactly, and that of targets that were joined, bounds
/// the least loss from above.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    loss: Loss,
    smoothing: f64,
    samples: usize,
    /// The sum of the weights.
    weight: f64,
    /// The prediction for each output; of cross-entropies the mean target.
    center: Vec<f64>,
    /// The summed loss of that prediction for each output; not of cross-entropies.
    above: Vec<f64>,
    /// The summed loss of outputs of zero; Huber's only.
    zero: f64,
}

impl Constant {
    /// That of the answers to `samples` samples by this network, in the units of its targets.
    pub fn of(model: &Mlp, answers: Answers<'_>, samples: usize) -> Result<Self> {
        let config = model.config();
        let outputs = config.layer_sizes.last().copied().unwrap_or(0);
        let mut constant = Constant {
            loss: config.loss,
            smoothing: config.label_smoothing,
            samples,
            weight: 0.0,
            center: filled(outputs, 0.0, WHAT)?,
            above: filled(outputs, 0.0, WHAT)?,
            zero: 0.0,
        };
        match answers.targets {
            Targets::Classes(classes) => constant.count(classes, answers),
            _ => {
                let asked = Asked { samples: &[], answers, units: model.units() };
                match config.loss {
                    Loss::Huber => constant.bisect(asked)?,
                    _ => constant.average(asked),
                }
            }
        }
        Ok(constant)
    }

    /// From numbers that [`Constant::numbers`] gave for a network with these settings.
    pub fn from_numbers(config: &Config, samples: usize, numbers: &[f64]) -> Option<Self> {
        let outputs = config.layer_sizes.last().copied().unwrap_or(0);
        let (&[weight, zero], rest) = numbers.split_first_chunk::<2>()?;
        let (center, above) = rest.split_at_checked(outputs)?;
        (above.len() == outputs).then(|| Constant {
            loss: config.loss,
            smoothing: config.label_smoothing,
            samples,
            weight,
            center: center.to_vec(),
            above: above.to_vec(),
            zero,
        })
    }

    /// All that another process needs of it beside the settings and the number of samples.
    pub fn numbers(&self) -> Vec<f64> {
        let (center, above) = (self.center.iter(), self.above.iter());
        [self.weight, self.zero].iter().chain(center).chain(above).copied().collect()
    }

    /// How many samples it is of.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The mean loss of the prediction, as training computes a mean: by samples, not by weights.
    pub fn loss(&self) -> f64 {
        let sum = match self.loss {
            Loss::CrossEntropy => self.weight * self.entropy(),
            Loss::BinaryCrossEntropy => {
                let two = |&y: &f64| -(product(y) + product(1.0 - y));
                self.weight * self.center.iter().map(two).sum::<f64>()
            }
            _ => self.above.iter().sum(),
        };
        sum.max(0.0) / self.samples as f64
    }

    /// About the most that a network has before its first step: the mean loss of outputs of zero, and
    /// 1 for each output, or each sample with a softmax, as initial outputs have a variance of
    /// about 1.
    pub fn start(&self) -> f64 {
        let outputs = if self.loss == Loss::CrossEntropy { 1 } else { self.center.len() };
        self.guess() + outputs as f64 * self.weight / self.samples as f64
    }

    /// By how much a network that predicts nearly the same for all samples may be above, as
    /// cross-entropies come near a loss of 0 and never to it: a hundredth of the loss of a guess.
    pub fn slack(&self) -> f64 {
        match self.loss {
            Loss::CrossEntropy | Loss::BinaryCrossEntropy => 0.01 * self.guess(),
            _ => 0.0,
        }
    }

    /// The mean loss of outputs of zero.
    fn guess(&self) -> f64 {
        let outputs = self.center.len() as f64;
        let squares = |from: f64| {
            let moved = |(c, above): (&f64, &f64)| above + 0.5 * self.weight * (c - from).powi(2);
            self.center.iter().zip(&self.above).map(moved).sum::<f64>()
        };
        let sum = match self.loss {
            Loss::CrossEntropy => self.weight * outputs.ln(),
            Loss::BinaryCrossEntropy => self.weight * outputs * 2f64.ln(),
            Loss::SquaredError => squares(0.0),
            Loss::SquaredErrorSigmoid => squares(0.5),
            Loss::Huber => self.zero,
        };
        sum / self.samples as f64
    }

    /// That of these targets and others together.
    pub fn join(&mut self, other: &Constant) {
        let weight = self.weight + other.weight;
        let share = if weight > 0.0 { other.weight / weight } else { 0.0 };
        for k in 0..self.center.len() {
            let (own, theirs) = (self.center[k], other.center[k]);
            let center = own + share * (theirs - own);
            self.above[k] += other.above[k]
                + match self.loss {
                    // Its slope is 1 at most.
                    Loss::Huber => {
                        self.weight * (center - own).abs() + other.weight * (theirs - center).abs()
                    }
                    _ => 0.5 * self.weight * share * (theirs - own).powi(2),
                };
            self.center[k] = center;
        }
        (self.weight, self.samples) = (weight, self.samples + other.samples);
        self.zero += other.zero;
    }

    /// Cross-entropy of the smoothed mean target by itself.
    fn entropy(&self) -> f64 {
        let even = self.smoothing / self.center.len() as f64;
        let smoothed = || self.center.iter().map(|y| (1.0 - self.smoothing) * y + even);
        product(smoothed().sum()) - smoothed().map(product).sum::<f64>()
    }

    /// The targets of each sample that has a weight, with it.
    fn rows<'a>(
        &self,
        asked: Asked<'a>,
    ) -> impl Iterator<Item = (f64, impl Iterator<Item = f64> + use<'a>)> + use<'a> {
        let outputs = self.center.len();
        let row = move |s| (0..outputs).map(move |k| f64::from(asked.target(s, k, outputs)));
        let weighted = move |s| (f64::from(asked.answers.weight(s)), row(s));
        (0..self.samples as u32).map(weighted).filter(|(weight, _)| *weight > 0.0)
    }

    fn count(&mut self, classes: &[u32], answers: Answers<'_>) {
        for (s, &class) in (0..).zip(classes) {
            self.center[class as usize] += f64::from(answers.weight(s));
        }
        self.weight = self.center.iter().sum();
        if self.weight > 0.0 {
            self.center.iter_mut().for_each(|c| *c /= self.weight);
        }
    }

    /// Weighted means, and half the sums of squares around them (West, 1979).
    fn average(&mut self, asked: Asked<'_>) {
        for (weight, row) in self.rows(asked) {
            self.weight += weight;
            let share = weight / self.weight;
            for ((center, above), y) in self.center.iter_mut().zip(&mut self.above).zip(row) {
                let shift = y - *center;
                *center += share * shift;
                *above += 0.5 * weight * shift * (y - *center);
            }
        }
    }

    /// Huber's: all outputs together, each in an interval that is halved until its ends are as good,
    /// unless a step of Newton's gets further.
    fn bisect(&mut self, asked: Asked<'_>) -> Result<()> {
        let outputs = self.center.len();
        let mut low = filled(outputs, f64::INFINITY, WHAT)?;
        let mut high = filled(outputs, f64::NEG_INFINITY, WHAT)?;
        for (weight, row) in self.rows(asked) {
            self.weight += weight;
            for (k, y) in row.enumerate() {
                (low[k], high[k]) = (low[k].min(y), high[k].max(y));
                self.zero += weight * huber(y);
            }
        }
        if self.weight == 0.0 {
            return Ok(());
        }
        self.above.fill(f64::INFINITY);
        let mut at: Vec<f64> = low.iter().zip(&high).map(|(l, h)| l + 0.5 * (h - l)).collect();
        let (mut sum, mut slope) = (filled(outputs, 0.0, WHAT)?, filled(outputs, 0.0, WHAT)?);
        let mut curve = filled(outputs, 0.0, WHAT)?;
        for _ in 0..PASSES {
            for values in [&mut sum, &mut slope, &mut curve] {
                values.fill(0.0);
            }
            for (weight, row) in self.rows(asked) {
                for (k, y) in row.enumerate() {
                    let d = at[k] - y;
                    sum[k] += weight * huber(d);
                    slope[k] += weight * d.clamp(-1.0, 1.0);
                    curve[k] += if d.abs() < 1.0 { weight } else { 0.0 };
                }
            }
            let mut open = false;
            for k in 0..outputs {
                if sum[k] < self.above[k] {
                    (self.above[k], self.center[k]) = (sum[k], at[k]);
                }
                *(if slope[k] > 0.0 { &mut high[k] } else { &mut low[k] }) = at[k];
                let left = slope[k].abs() * (high[k] - low[k]);
                open |= left > 1e-9 * self.above[k];
                let newton = at[k] - slope[k] / curve[k];
                let inside = newton > low[k] && newton < high[k];
                at[k] = if inside { newton } else { low[k] + 0.5 * (high[k] - low[k]) };
            }
            if !open {
                break;
            }
        }
        Ok(())
    }
}

fn huber(difference: f64) -> f64 {
    let size = difference.abs();
    if size <= 1.0 { 0.5 * size * size } else { size - 0.5 }
}

/// y log y, which is 0 at 0.
fn product(y: f64) -> f64 {
    if y > 0.0 { y * libm::log(y) } else { 0.0 }
}
