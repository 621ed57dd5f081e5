//! What the epochs of a fit have in common.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::nn::Optimizer;

/// How a fit takes its steps.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitSettings {
    /// Samples per step; the last step of an epoch takes what is left.
    pub batch_size: usize,
    /// The optimiser.
    pub optimizer: Optimizer,
    /// Steps of the whole fit, for the learning-rate schedule.
    pub total_steps: u64,
}

impl FitSettings {
    /// Checks every value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        if self.batch_size == 0 {
            return Err(Error::invalid("batch_size", 0, "at least 1"));
        }
        self.optimizer.check()
    }

    /// Checks that a server can apply the gradients of several workers.
    pub fn check_parallel(&self) -> Result<()> {
        match self.optimizer.kind() {
            rule if rule.takes_shared_gradients() => Ok(()),
            rule => Err(Error::invalid("optimizer", rule.name(), "SGD with several workers")),
        }
    }

    /// The learning rate of step `step` of the fit, times `factor`.
    pub fn learning_rate(&self, factor: f64, step: u64) -> f64 {
        let mut optimizer = self.optimizer;
        optimizer.learning_rate *= factor;
        optimizer.rate(step, self.total_steps)
    }
}
