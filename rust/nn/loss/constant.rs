//! The best constant prediction: what a network that has learnt anything is better than.

use super::super::standardize::Units;
use super::{Answers, Config, Labels, Loss, Mlp, Targets};
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
    /// The same without labels that are missing, as a mean is divided by it.
    counted: f64,
    /// The sum of the weights of the labels that each output has.
    weights: Vec<f64>,
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
            counted: samples as f64,
            weights: filled(outputs, 0.0, WHAT)?,
            center: filled(outputs, 0.0, WHAT)?,
            above: filled(outputs, 0.0, WHAT)?,
            zero: 0.0,
        };
        match answers.targets {
            Targets::Classes(classes) => constant.count(classes, answers),
            _ => {
                constant.counted = answers.counted(samples, outputs);
                let labels = answers.labels(samples, outputs)?;
                let asked = Asked { labels, units: model.units() };
                match config.loss {
                    Loss::Huber => constant.bisect(&asked)?,
                    _ => constant.average(&asked),
                }
            }
        }
        Ok(constant)
    }

    /// From numbers that [`Constant::numbers`] gave for a network with these settings.
    pub fn from_numbers(config: &Config, samples: usize, numbers: &[f64]) -> Option<Self> {
        let outputs = config.layer_sizes.last().copied().unwrap_or(0);
        let (&[counted, zero], rest) = numbers.split_first_chunk::<2>()?;
        let (weights, rest) = rest.split_at_checked(outputs)?;
        let (center, above) = rest.split_at_checked(outputs)?;
        (above.len() == outputs).then(|| Constant {
            loss: config.loss,
            smoothing: config.label_smoothing,
            samples,
            counted,
            weights: weights.to_vec(),
            center: center.to_vec(),
            above: above.to_vec(),
            zero,
        })
    }

    /// All that another process needs of it beside the settings and the number of samples.
    pub fn numbers(&self) -> Vec<f64> {
        let each = self.weights.iter().chain(&self.center).chain(&self.above);
        [self.counted, self.zero].iter().chain(each).copied().collect()
    }

    /// How many samples it is of.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The mean loss of the prediction, as training computes a mean: by samples, not by weights.
    pub fn loss(&self) -> f64 {
        let sum = match self.loss {
            Loss::CrossEntropy => self.weight() * self.entropy(),
            Loss::BinaryCrossEntropy => {
                let two = |y: f64| -(product(y) + product(1.0 - y));
                self.weights.iter().zip(&self.center).map(|(w, y)| w * two(*y)).sum::<f64>()
            }
            _ => self.above.iter().sum(),
        };
        sum.max(0.0) / self.counted
    }

    /// The weight of the samples, of cross-entropy, whose targets are whole.
    fn weight(&self) -> f64 {
        self.weights.first().copied().unwrap_or(0.0)
    }

    /// About the most that a network has before its first step: the mean loss of outputs of zero, and
    /// 1 for each output, or each sample with a softmax, as initial outputs have a variance of
    /// about 1.
    pub fn start(&self) -> f64 {
        let outputs = match self.loss {
            Loss::CrossEntropy => self.weight(),
            _ => self.weights.iter().sum(),
        };
        self.guess() + outputs / self.counted
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
            let each = self.weights.iter().zip(&self.center).zip(&self.above);
            each.map(|((w, c), above)| above + 0.5 * w * (c - from).powi(2)).sum::<f64>()
        };
        let sum = match self.loss {
            Loss::CrossEntropy => self.weight() * outputs.ln(),
            Loss::BinaryCrossEntropy => self.weights.iter().sum::<f64>() * 2f64.ln(),
            Loss::SquaredError => squares(0.0),
            Loss::SquaredErrorSigmoid => squares(0.5),
            Loss::Huber => self.zero,
        };
        sum / self.counted
    }

    /// That of these targets and others together.
    pub fn join(&mut self, other: &Constant) {
        for k in 0..self.center.len() {
            let (own, theirs) = (self.center[k], other.center[k]);
            let weight = self.weights[k] + other.weights[k];
            let share = if weight > 0.0 { other.weights[k] / weight } else { 0.0 };
            let center = own + share * (theirs - own);
            self.above[k] += other.above[k]
                + match self.loss {
                    // Its slope is 1 at most.
                    Loss::Huber => {
                        let moved = [(center - own).abs(), (theirs - center).abs()];
                        self.weights[k] * moved[0] + other.weights[k] * moved[1]
                    }
                    _ => 0.5 * self.weights[k] * share * (theirs - own).powi(2),
                };
            (self.center[k], self.weights[k]) = (center, weight);
        }
        self.samples += other.samples;
        self.counted += other.counted;
        self.zero += other.zero;
    }

    /// Cross-entropy of the smoothed mean target by itself.
    fn entropy(&self) -> f64 {
        let even = self.smoothing / self.center.len() as f64;
        let smoothed = || self.center.iter().map(|y| (1.0 - self.smoothing) * y + even);
        product(smoothed().sum()) - smoothed().map(product).sum::<f64>()
    }

    fn count(&mut self, classes: &[u32], answers: Answers<'_>) {
        for (s, &class) in (0..).zip(classes) {
            self.center[class as usize] += f64::from(answers.weight(s));
        }
        let weight: f64 = self.center.iter().sum();
        self.weights.fill(weight);
        if weight > 0.0 {
            self.center.iter_mut().for_each(|c| *c /= weight);
        }
    }

    /// Weighted means, and half the sums of squares around them (West, 1979).
    fn average(&mut self, asked: &Asked<'_>) {
        asked.visit(|k, weight, y| {
            self.weights[k] += weight;
            let shift = y - self.center[k];
            self.center[k] += weight / self.weights[k] * shift;
            self.above[k] += 0.5 * weight * shift * (y - self.center[k]);
        });
    }

    /// Huber's: all outputs together, each in an interval that is halved until its ends are as good,
    /// unless a step of Newton's gets further.
    fn bisect(&mut self, asked: &Asked<'_>) -> Result<()> {
        let outputs = self.center.len();
        let mut low = filled(outputs, f64::INFINITY, WHAT)?;
        let mut high = filled(outputs, f64::NEG_INFINITY, WHAT)?;
        asked.visit(|k, weight, y| {
            self.weights[k] += weight;
            (low[k], high[k]) = (low[k].min(y), high[k].max(y));
            self.zero += weight * huber(y);
        });
        if self.weights.iter().all(|weight| *weight == 0.0) {
            return Ok(());
        }
        for k in (0..outputs).filter(|&k| self.weights[k] == 0.0) {
            (low[k], high[k]) = (0.0, 0.0);
        }
        self.above.fill(f64::INFINITY);
        let mut at: Vec<f64> = low.iter().zip(&high).map(|(l, h)| l + 0.5 * (h - l)).collect();
        let (mut sum, mut slope) = (filled(outputs, 0.0, WHAT)?, filled(outputs, 0.0, WHAT)?);
        let mut curve = filled(outputs, 0.0, WHAT)?;
        for _ in 0..PASSES {
            for values in [&mut sum, &mut slope, &mut curve] {
                values.fill(0.0);
            }
            asked.visit(|k, weight, y| {
                let d = at[k] - y;
                sum[k] += weight * huber(d);
                slope[k] += weight * d.clamp(-1.0, 1.0);
                curve[k] += if d.abs() < 1.0 { weight } else { 0.0 };
            });
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

/// Labels, and the units in which the network learns them.
struct Asked<'a> {
    labels: Labels<'a>,
    units: Option<&'a Units>,
}

impl Asked<'_> {
    /// As [`Labels::visit`], of targets in the network's units.
    fn visit(&self, mut each: impl FnMut(usize, f64, f64)) {
        self.labels.visit(|k, weight, y| {
            let y = self.units.map_or(y as f32, |units| units.apply(k, y));
            each(k, weight, f64::from(y));
        });
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
