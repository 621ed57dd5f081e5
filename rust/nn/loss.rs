//! Losses with their output functions, most of which make the gradient `p - y`.

use serde::{Deserialize, Serialize};

use crate::kernels::{BatchMut, sigmoid, softmax};

/// A loss; per sample, summed over outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax output, `-sum_k y_k log p_k`.
    CrossEntropy,
    /// Sigmoid outputs, `-sum_k (y_k log p_k + (1 - y_k) log (1 - p_k))`.
    BinaryCrossEntropy,
    /// Identity outputs, `1/2 sum_k (z_k - y_k)^2`.
    SquaredError,
    /// Sigmoid outputs, `1/2 sum_k (p_k - y_k)^2`; its gradient is `(p - y) p (1 - p)`.
    SquaredErrorSigmoid,
}

/// What dense targets of a loss may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetRange {
    /// Any finite numbers.
    Finite,
    /// Numbers in [0, 1].
    Unit,
    /// Numbers in [0, 1], the sum of a sample's 1.
    Probabilities,
}

/// What a network should have answered.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// A class per sample, below the number of outputs; cross-entropy only.
    Classes(&'a [u32]),
    /// (samples, outputs), row-major.
    Dense(&'a [f32]),
}

/// Targets, and how much each sample counts.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// The targets.
    pub targets: Targets<'a>,
    /// (samples,), by which losses and gradients are multiplied; 1 each if None.
    pub weights: Option<&'a [f32]>,
}

impl<'a> From<Targets<'a>> for Answers<'a> {
    fn from(targets: Targets<'a>) -> Self {
        Answers { targets, weights: None }
    }
}

impl Answers<'_> {
    fn weight(&self, sample: u32) -> f32 {
        self.weights.map_or(1.0, |weights| weights[sample as usize])
    }
}

/// Sums over samples; add them up in a fixed order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the samples' losses, times their weights.
    pub loss: f64,
    /// Number of right answers; with several sigmoid outputs a sample counts in parts.
    pub correct: f64,
    /// Number of samples.
    pub samples: usize,
    /// Multiplications with additions that training made for them, one for each sample and each
    /// connection that a product went through; none of an evaluation.
    pub multiply_adds: u64,
}

impl Score {
    /// Adds the sums of more samples.
    pub fn add(&mut self, other: Score) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
        self.multiply_adds += other.multiply_adds;
    }
    /// The mean loss, NaN without samples.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples as f64
    }
    /// The fraction of right answers, NaN without samples.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.samples as f64
    }
}

/// The largest value's index, the first of equal ones.
fn argmax(values: impl Iterator<Item = f32>) -> usize {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, v) in values.enumerate() {
        if v > best.1 {
            best = (i, v);
        }
    }
    best.0
}

impl Loss {
    /// What dense targets may be.
    pub fn target_range(self) -> TargetRange {
        match self {
            Loss::CrossEntropy => TargetRange::Probabilities,
            Loss::BinaryCrossEntropy | Loss::SquaredErrorSigmoid => TargetRange::Unit,
            Loss::SquaredError => TargetRange::Finite,
        }
    }

    /// Turns pre-activations, a row an output, into what `predict` returns. `scratch`: (stride,).
    pub fn outputs(self, z: BatchMut<'_>, scratch: &mut [f32]) {
        match self {
            Loss::CrossEntropy => {
                let stride = z.stride;
                softmax(z, &mut scratch[..stride]);
            }
            Loss::BinaryCrossEntropy | Loss::SquaredErrorSigmoid => sigmoid(z.values),
            Loss::SquaredError => {}
        }
    }

    /// Scores a batch and turns pre-activations into the gradient of the summed loss, times the
    /// sample's weight; zero in padding lanes.
    ///
    /// `z`: a row an output, lane b is sample `samples[b]` of the answers; `scratch`: (stride,).
    pub fn score(
        self,
        z: BatchMut<'_>,
        samples: &[u32],
        answers: Answers<'_>,
        scratch: &mut [f32],
    ) -> Score {
        let BatchMut { values: z, stride } = z;
        let weight = |sample| f64::from(answers.weight(sample));
        let outputs = z.len() / stride;
        let mut score = Score { samples: samples.len(), ..Score::default() };
        match (self, answers.targets) {
            (Loss::CrossEntropy, Targets::Classes(y)) => {
                for (b, &s) in samples.iter().enumerate() {
                    let class = y[s as usize] as usize;
                    score.loss -= weight(s) * f64::from(z[class * stride + b]);
                    let best = argmax(lane(z, stride, b));
                    score.correct += f64::from(u8::from(best == class));
                }
                let lse = &mut scratch[..stride];
                softmax(BatchMut { values: &mut *z, stride }, lse);
                let lses = samples.iter().zip(&*lse).map(|(&s, &l)| weight(s) * f64::from(l));
                score.loss += lses.sum::<f64>();
                for (b, &s) in samples.iter().enumerate() {
                    z[y[s as usize] as usize * stride + b] -= 1.0;
                }
            }
            (Loss::CrossEntropy, Targets::Dense(y)) => {
                for (b, &s) in samples.iter().enumerate() {
                    let y = target(y, s, outputs);
                    let products =
                        lane(z, stride, b).zip(y).map(|(z, y)| f64::from(z) * f64::from(*y));
                    score.loss -= weight(s) * products.sum::<f64>();
                    let right = argmax(lane(z, stride, b)) == argmax(y.iter().copied());
                    score.correct += f64::from(u8::from(right));
                }
                let lse = &mut scratch[..stride];
                softmax(BatchMut { values: &mut *z, stride }, lse);
                for (b, &s) in samples.iter().enumerate() {
                    let y = target(y, s, outputs);
                    let sum = y.iter().map(|&y| f64::from(y)).sum::<f64>();
                    score.loss += weight(s) * (f64::from(lse[b]) * sum);
                    (0..outputs).for_each(|k| z[k * stride + b] -= y[k]);
                }
            }
            (Loss::BinaryCrossEntropy, Targets::Dense(y)) => {
                for (b, &s) in samples.iter().enumerate() {
                    let mut right = 0;
                    for (z, y) in lane(z, stride, b).zip(target(y, s, outputs)) {
                        let (z, t) = (f64::from(z), f64::from(*y));
                        // log(1 + e^z) - z t without overflow.
                        score.loss +=
                            weight(s) * (z.max(0.0) - z * t + libm::log1p(libm::exp(-z.abs())));
                        right += u32::from((z > 0.0) == (t > 0.5));
                    }
                    score.correct += f64::from(right) / outputs as f64;
                }
                sigmoid(z);
                subtract(z, stride, samples, y);
            }
            (Loss::SquaredError, Targets::Dense(y)) => {
                subtract(z, stride, samples, y);
                for (b, &s) in samples.iter().enumerate() {
                    let half = |d| 0.5 * f64::from(d) * f64::from(d);
                    score.loss += weight(s) * lane(z, stride, b).map(half).sum::<f64>();
                }
            }
            (Loss::SquaredErrorSigmoid, Targets::Dense(y)) => {
                sigmoid(z);
                for (b, &s) in samples.iter().enumerate() {
                    let (mut right, mut loss) = (0, 0.0);
                    for (k, &y) in target(y, s, outputs).iter().enumerate() {
                        let p = &mut z[k * stride + b];
                        right += u32::from((*p > 0.5) == (y > 0.5));
                        let difference = *p - y;
                        loss += 0.5 * f64::from(difference) * f64::from(difference);
                        *p = difference * *p * (1.0 - *p);
                    }
                    score.loss += weight(s) * loss;
                    score.correct += f64::from(right) / outputs as f64;
                }
            }
            (_, Targets::Classes(_)) => panic!("internal: class targets belong to cross-entropy"),
        }
        if answers.weights.is_some() {
            for row in z.chunks_exact_mut(stride) {
                row.iter_mut().zip(samples).for_each(|(d, &s)| *d *= answers.weight(s));
            }
        }
        if stride > samples.len() {
            z.chunks_exact_mut(stride).for_each(|row| row[samples.len()..].fill(0.0));
        }
        score
    }
}

/// The values of one sample's lane.
fn lane(z: &[f32], stride: usize, b: usize) -> impl Iterator<Item = f32> + '_ {
    z.iter().skip(b).step_by(stride).copied()
}

/// One sample's targets.
fn target(y: &[f32], sample: u32, outputs: usize) -> &[f32] {
    &y[sample as usize * outputs..][..outputs]
}

fn subtract(z: &mut [f32], stride: usize, samples: &[u32], y: &[f32]) {
    let outputs = z.len() / stride;
    for (b, &s) in samples.iter().enumerate() {
        for k in 0..outputs {
            z[k * stride + b] -= y[s as usize * outputs + k];
        }
    }
}
