//! Losses with their output functions, most of which make the gradient `p - y`.
//!
//! A loss is a variant of [`Loss`], the [`Formula`] that it names, and a row of Python's `losses.py`.

mod constant;
mod pull;
mod targets;

pub use constant::Constant;
pub(in crate::nn) use targets::Labels;
pub use targets::{Answers, SparseTargets, Targets};

use std::iter::Copied;
use std::slice::Iter;

use serde::{Deserialize, Serialize};

use self::pull::{ALWAYS, weigh};
use self::targets::TargetRow;
use super::config::Config;
use super::mlp::Mlp;
use super::standardize::Units;
use crate::kernels::{BatchMut, LEAST, flush, sigmoid, softmax};

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
    /// Identity outputs; the sum of `d^2 / 2` where `|d| <= 1`, and of `|d| - 1/2` elsewhere, with
    /// `d = z - y` (Huber, 1964); its gradient is d within [-1, 1].
    Huber,
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

/// Sums over samples; add them up in a fixed order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the samples' losses, times their weights.
    pub loss: f64,
    /// Number of right answers; with several sigmoid outputs a sample counts in parts.
    pub correct: f64,
    /// Number of samples.
    pub samples: usize,
    /// The same without labels that are missing: a sample counts with the part that is there.
    pub counted: f64,
    /// Multiplications with additions that training made for them, one for each sample and each
    /// connection that a product went through; none of an evaluation.
    pub multiply_adds: u64,
    /// Batches in which the weights of samples were limited.
    pub limited: u64,
}

impl Score {
    /// Adds the sums of more samples.
    pub fn add(&mut self, other: Score) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
        self.counted += other.counted;
        self.multiply_adds += other.multiply_adds;
        self.limited += other.limited;
    }
    /// The mean loss, NaN without samples. Of samples with missing labels it is the mean over the labels
    /// that are there, times the number of outputs.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.counted
    }
    /// The fraction of right answers, NaN without samples.
    pub fn accuracy(&self) -> f64 {
        self.correct / self.counted
    }

    /// Takes the right answers of a sample of which `there` labels are there.
    fn count(&mut self, right: u32, there: u32, outputs: usize) {
        self.correct += f64::from(right) / outputs as f64;
        self.counted += f64::from(there) / outputs as f64;
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
    fn formula(self) -> &'static dyn Formula {
        match self {
            Loss::CrossEntropy => &CrossEntropy { smoothing: 0.0 },
            Loss::BinaryCrossEntropy => &BinaryCrossEntropy,
            Loss::SquaredError => &SquaredError,
            Loss::Huber => &Huber,
            Loss::SquaredErrorSigmoid => &SquaredErrorSigmoid,
        }
    }

    /// What dense targets may be.
    pub fn target_range(self) -> TargetRange {
        self.formula().target_range()
    }

    /// Turns pre-activations, a row an output, into what `predict` returns. `scratch`: (stride,).
    pub fn outputs(self, z: BatchMut<'_>, scratch: &mut [f32]) {
        self.formula().outputs(z, scratch);
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
        score(self.formula(), z, Asked { samples, answers, units: None }, scratch, false)
    }
}

impl Mlp {
    /// As [`Loss::score`] of targets in the network's units.
    pub fn score(
        &self,
        z: BatchMut<'_>,
        samples: &[u32],
        answers: Answers<'_>,
        scratch: &mut [f32],
    ) -> Score {
        let asked = Asked { samples, answers, units: self.units() };
        score(self.config().loss.formula(), z, asked, scratch, false)
    }

    /// As [`Mlp::score`] of a batch of training, with smoothed targets if the settings say so and
    /// without denormal numbers among the gradients.
    pub fn score_in_training(
        &self,
        z: BatchMut<'_>,
        samples: &[u32],
        answers: Answers<'_>,
        scratch: &mut [f32],
    ) -> Score {
        let smoothed = CrossEntropy { smoothing: self.config().label_smoothing };
        let formula = match self.config().loss {
            Loss::CrossEntropy => &smoothed,
            loss => loss.formula(),
        };
        let asked = Asked { samples, answers, units: self.units() };
        score(formula, z, asked, scratch, true)
    }
}

/// Gradients of probabilities below this are 0 in training. The exponential ends at e^-87.3, just
/// above [`LEAST`], so every sure sample has such gradients, and all their products were denormal.
const NEGLIGIBLE: f32 = 7.888_609e-31; // 2^-100

fn score(
    formula: &dyn Formula,
    mut z: BatchMut<'_>,
    asked: Asked<'_>,
    scratch: &mut [f32],
    in_training: bool,
) -> Score {
    let mut score = formula.score(z.reborrow(), asked, scratch);
    let Asked { samples, answers, .. } = asked;
    score.samples = samples.len();
    if score.counted > 0.0 && score.counted < samples.len() as f64 {
        // The gradient of the mean over the labels that are there, as far as weights reach.
        let factor = (samples.len() as f64 / score.counted).min(f64::from(ALWAYS)) as f32;
        z.values.iter_mut().for_each(|d| *d *= factor);
    }
    if in_training {
        // The gradients of other losses have the scale of the targets.
        let bounded = formula.target_range() != TargetRange::Finite;
        flush(z.values, if bounded { NEGLIGIBLE } else { LEAST });
    }
    if answers.weights.is_some() {
        score.limited = weigh(&mut z, samples, answers).into();
        if in_training {
            flush(z.values, LEAST);
        }
    }
    if z.stride > samples.len() {
        z.values.chunks_exact_mut(z.stride).for_each(|row| row[samples.len()..].fill(0.0));
    }
    score
}

/// The samples of a batch, lane by lane, and what they are scored against.
#[derive(Clone, Copy)]
struct Asked<'a> {
    samples: &'a [u32],
    answers: Answers<'a>,
    units: Option<&'a Units>,
}

impl<'a> Asked<'a> {
    /// Each sample's lane, weight and targets.
    fn rows(self, outputs: usize) -> impl Iterator<Item = Row<TargetRow<'a>>> {
        let Asked { answers, units, .. } = self;
        self.rows_of(move |s| TargetRow::new(answers.targets, s, outputs, units))
    }

    fn rows_of<Y>(self, row: impl Fn(u32) -> Y) -> impl Iterator<Item = Row<Y>> {
        let Asked { samples, answers, .. } = self;
        let row = move |(lane, &s): (usize, &u32)| {
            let (y, weight) = (row(s), f64::from(answers.weight(s)));
            Row { lane, y, weight }
        };
        samples.iter().enumerate().map(row)
    }

    /// The targets if they are dense numbers that are taken as they are, which is quickest.
    fn plain(self, outputs: usize) -> Option<impl Fn(u32) -> Copied<Iter<'a, f32>>> {
        match (self.answers.targets, self.units) {
            (Targets::Dense(y), None) => {
                Some(move |s| y[s as usize * outputs..][..outputs].iter().copied())
            }
            _ => None,
        }
    }
}

/// A sample with targets for each output.
struct Row<Y> {
    lane: usize,
    y: Y,
    weight: f64,
}

/// What a loss computes.
trait Formula {
    /// What dense targets may be.
    fn target_range(&self) -> TargetRange;

    /// As [`Loss::outputs`].
    fn outputs(&self, z: BatchMut<'_>, scratch: &mut [f32]);

    /// Scores a batch and turns pre-activations into gradients, before the samples' weights. The
    /// number of samples is left to the caller, and so are padding lanes.
    fn score(&self, z: BatchMut<'_>, asked: Asked<'_>, scratch: &mut [f32]) -> Score;
}

/// Targets become `(1 - smoothing) y + smoothing / classes` (Szegedy et al., 2016); answers are right
/// by the targets as they are.
struct CrossEntropy {
    smoothing: f64,
}

impl Formula for CrossEntropy {
    fn target_range(&self) -> TargetRange {
        TargetRange::Probabilities
    }

    fn outputs(&self, z: BatchMut<'_>, scratch: &mut [f32]) {
        let stride = z.stride;
        softmax(z, &mut scratch[..stride]);
    }

    fn score(&self, z: BatchMut<'_>, asked: Asked<'_>, scratch: &mut [f32]) -> Score {
        match asked.answers.targets {
            Targets::Classes(y) => self.score_classes(z, asked, y, scratch),
            _ => self.score_probabilities(z, asked, scratch),
        }
    }
}

impl CrossEntropy {
    /// A target as it is learnt; the same bits without smoothing.
    fn smoothed(&self, y: f32, classes: usize) -> f64 {
        (1.0 - self.smoothing) * f64::from(y) + self.smoothing / classes as f64
    }

    fn score_classes(
        &self,
        mut z: BatchMut<'_>,
        Asked { samples, answers, .. }: Asked<'_>,
        y: &[u32],
        scratch: &mut [f32],
    ) -> Score {
        let (stride, classes, mut score) = (z.stride, z.n_rows(), Score::default());
        score.counted = samples.len() as f64;
        let [no, yes] = [0.0, 1.0].map(|y| self.smoothed(y, classes));
        let weight = |sample| f64::from(answers.weight(sample));
        for (b, &s) in samples.iter().enumerate() {
            let class = y[s as usize] as usize;
            score.loss -= weight(s) * ((yes - no) * f64::from(z.values[class * stride + b]));
            if no > 0.0 {
                score.loss -= weight(s) * (no * lane(&z, b).map(f64::from).sum::<f64>());
            }
            score.correct += f64::from(u8::from(argmax(lane(&z, b)) == class));
        }
        self.outputs(z.reborrow(), scratch);
        let log_sums = samples.iter().zip(&*scratch).map(|(&s, &l)| weight(s) * f64::from(l));
        score.loss += log_sums.sum::<f64>();
        for (b, &s) in samples.iter().enumerate() {
            let own = y[s as usize] as usize * stride + b;
            let gradient = z.values[own] - yes as f32;
            if no > 0.0 {
                lane_mut(&mut z, b).for_each(|p| *p -= no as f32);
            }
            z.values[own] = gradient;
        }
        score
    }

    fn score_probabilities(
        &self,
        mut z: BatchMut<'_>,
        asked: Asked<'_>,
        scratch: &mut [f32],
    ) -> Score {
        let (outputs, mut score) = (z.n_rows(), Score::default());
        score.counted = asked.samples.len() as f64;
        let smoothed = |y| self.smoothed(y, outputs);
        let rows = || asked.rows(outputs);
        for (Row { lane: b, y, weight }, again) in rows().zip(rows()) {
            let products = lane(&z, b).zip(y).map(|(z, y)| f64::from(z) * smoothed(y));
            score.loss -= weight * products.sum::<f64>();
            let right = argmax(lane(&z, b)) == argmax(again.y);
            score.correct += f64::from(u8::from(right));
        }
        self.outputs(z.reborrow(), scratch);
        for (Row { lane: b, y, weight }, again) in rows().zip(rows()) {
            let sum = y.map(smoothed).sum::<f64>();
            score.loss += weight * (f64::from(scratch[b]) * sum);
            lane_mut(&mut z, b).zip(again.y).for_each(|(p, y)| *p -= smoothed(y) as f32);
        }
        score
    }
}

struct BinaryCrossEntropy;

impl Formula for BinaryCrossEntropy {
    fn target_range(&self) -> TargetRange {
        TargetRange::Unit
    }

    fn outputs(&self, z: BatchMut<'_>, _: &mut [f32]) {
        sigmoid(z.values);
    }

    fn score(&self, z: BatchMut<'_>, asked: Asked<'_>, _: &mut [f32]) -> Score {
        let outputs = z.n_rows();
        match asked.plain(outputs) {
            Some(row) => Self::score_rows(z, || asked.rows_of(&row)),
            None => Self::score_rows(z, || asked.rows(outputs)),
        }
    }
}

impl BinaryCrossEntropy {
    fn score_rows<Y, R>(mut z: BatchMut<'_>, rows: impl Fn() -> R) -> Score
    where
        Y: Iterator<Item = f32>,
        R: Iterator<Item = Row<Y>>,
    {
        let (outputs, mut score) = (z.n_rows(), Score::default());
        for Row { lane: b, y, weight } in rows() {
            let (mut right, mut there) = (0, 0);
            for (z, y) in lane(&z, b).zip(y).filter(|(_, y)| !y.is_nan()) {
                let (z, y) = (f64::from(z), f64::from(y));
                there += 1;
                // log(1 + e^z) - z y without overflow.
                score.loss += weight * (z.max(0.0) - z * y + libm::log1p(libm::exp(-z.abs())));
                right += u32::from((z > 0.0) == (y > 0.5));
            }
            score.count(right, there, outputs);
        }
        sigmoid(z.values);
        for Row { lane: b, y, .. } in rows() {
            let gradient = |p: f32, y: f32| if y.is_nan() { 0.0 } else { p - y };
            lane_mut(&mut z, b).zip(y).for_each(|(p, y)| *p = gradient(*p, y));
        }
        score
    }
}

struct SquaredError;

impl Formula for SquaredError {
    fn target_range(&self) -> TargetRange {
        TargetRange::Finite
    }

    fn outputs(&self, _: BatchMut<'_>, _: &mut [f32]) {}

    fn score(&self, z: BatchMut<'_>, asked: Asked<'_>, _: &mut [f32]) -> Score {
        score_outputs(z, asked, |z, y| {
            *z -= y;
            Part { loss: half_square(*z), is_right: false }
        })
    }
}

struct Huber;

impl Formula for Huber {
    fn target_range(&self) -> TargetRange {
        TargetRange::Finite
    }

    fn outputs(&self, _: BatchMut<'_>, _: &mut [f32]) {}

    fn score(&self, z: BatchMut<'_>, asked: Asked<'_>, _: &mut [f32]) -> Score {
        score_outputs(z, asked, |z, y| {
            let difference = *z - y;
            let size = difference.abs();
            let loss = if size <= 1.0 { half_square(difference) } else { f64::from(size) - 0.5 };
            *z = difference.clamp(-1.0, 1.0);
            Part { loss, is_right: false }
        })
    }
}

struct SquaredErrorSigmoid;

impl Formula for SquaredErrorSigmoid {
    fn target_range(&self) -> TargetRange {
        TargetRange::Unit
    }

    fn outputs(&self, z: BatchMut<'_>, _: &mut [f32]) {
        sigmoid(z.values);
    }

    fn score(&self, mut z: BatchMut<'_>, asked: Asked<'_>, _: &mut [f32]) -> Score {
        sigmoid(z.reborrow().values);
        score_outputs(z, asked, |p, y| {
            let is_right = (*p > 0.5) == (y > 0.5);
            let difference = *p - y;
            *p = difference * *p * (1.0 - *p);
            Part { loss: half_square(difference), is_right }
        })
    }
}

/// What one output adds to the score of its sample.
struct Part {
    loss: f64,
    is_right: bool,
}

/// Scores a batch output by output; `part` is given an output with its target, and turns it into
/// the gradient.
fn score_outputs(z: BatchMut<'_>, asked: Asked<'_>, part: impl Fn(&mut f32, f32) -> Part) -> Score {
    let outputs = z.n_rows();
    match asked.plain(outputs) {
        Some(row) => score_rows(z, asked.rows_of(row), part),
        None => score_rows(z, asked.rows(outputs), part),
    }
}

fn score_rows<Y: Iterator<Item = f32> + Clone>(
    mut z: BatchMut<'_>,
    rows: impl Iterator<Item = Row<Y>>,
    part: impl Fn(&mut f32, f32) -> Part,
) -> Score {
    let (outputs, mut score) = (z.n_rows(), Score::default());
    for Row { lane: b, y, weight } in rows {
        let (mut right, mut there, mut loss) = (0, outputs as u32, 0.0);
        let mut take = |z: &mut f32, y: f32| {
            let part = part(z, y);
            loss += part.loss;
            right += u32::from(part.is_right);
        };
        // Without a branch for each label where none is missing.
        if y.clone().fold(false, |missing, y| missing | y.is_nan()) {
            for (z, y) in lane_mut(&mut z, b).zip(y) {
                if y.is_nan() {
                    (*z, there) = (0.0, there - 1);
                } else {
                    take(z, y);
                }
            }
        } else {
            lane_mut(&mut z, b).zip(y).for_each(|(z, y)| take(z, y));
        }
        score.loss += weight * loss;
        score.count(right, there, outputs);
    }
    score
}

fn half_square(difference: f32) -> f64 {
    0.5 * f64::from(difference) * f64::from(difference)
}

/// The values of one sample's lane.
fn lane(z: &BatchMut<'_>, b: usize) -> impl Iterator<Item = f32> {
    z.values.iter().skip(b).step_by(z.stride).copied()
}

fn lane_mut<'a>(z: &'a mut BatchMut<'_>, b: usize) -> impl Iterator<Item = &'a mut f32> {
    z.values.iter_mut().skip(b).step_by(z.stride)
}
