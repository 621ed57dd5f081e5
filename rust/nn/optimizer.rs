//! Momentum SGD and its learning-rate schedules.

use serde::{Deserialize, Serialize};

use crate::kernels::Step;

/// How the learning rate changes over a fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// It does not.
    Constant,
    /// Half a cosine from the learning rate down to 0 at the end of the fit.
    Cosine,
}

/// Stochastic gradient descent with momentum (PAPER section 1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate at the start.
    pub learning_rate: f64,
    /// The momentum coefficient.
    pub momentum: f32,
    /// Subtracted from every parameter per step as this fraction of it; not multiplied by the
    /// learning rate.
    pub weight_decay: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// How the learning rate changes.
    pub schedule: Schedule,
}

impl Sgd {
    /// The learning rate of step `step` of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f64 {
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let done = step.min(total) as f64 / total.max(1) as f64;
                self.learning_rate * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done))
            }
        }
    }

    /// The numbers of one step over a batch of `batch` samples.
    pub fn step(&self, step: u64, total: u64, batch: usize) -> Step {
        Step {
            rate: self.rate(step, total) as f32,
            momentum: self.momentum,
            decay: self.weight_decay,
            nesterov: self.nesterov,
            inverse_batch: 1.0 / batch as f32,
        }
    }
}
