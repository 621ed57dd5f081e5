//! Momentum SGD and its learning-rate schedules.

use serde::{Deserialize, Serialize};

use super::layer::Layer;
use crate::error::{Error, Result};
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

/// By what the learning rate is multiplied for the weights of each layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerRates {
    /// By 1.
    #[default]
    Equal,
    /// By the smallest mean fan-in of all layers over its own: a step then moves the neurons of all
    /// layers about equally far, however many connections they have.
    FanIn,
}

/// One step of every parameter, from gradients that are known.
#[derive(Clone, Copy, Debug)]
pub struct Update {
    /// The step of biases, and of weights but for the factor of the layer.
    pub step: Step,
    /// That factor.
    pub layer_rates: LayerRates,
}

impl From<Step> for Update {
    fn from(step: Step) -> Self {
        Update { step, layer_rates: LayerRates::Equal }
    }
}

impl Update {
    /// The step of the weights of layer `l`.
    pub(super) fn of_weights(&self, layers: &[Layer], l: usize) -> Step {
        match self.layer_rates {
            LayerRates::Equal => self.step,
            LayerRates::FanIn => {
                let fan_in = |layer: &Layer| {
                    let w = &layer.weights;
                    w.nnz().max(1) as f64 / w.n_rows() as f64
                };
                let smallest = layers.iter().map(fan_in).fold(f64::INFINITY, f64::min);
                let rate = f64::from(self.step.rate) * (smallest / fan_in(&layers[l]));
                Step { rate: rate as f32, ..self.step }
            }
        }
    }
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
    /// How it differs between layers.
    pub layer_rates: LayerRates,
}

impl Sgd {
    /// Checks every value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        if !(self.learning_rate > 0.0 && (self.learning_rate as f32).is_finite()) {
            let expected = "a positive finite number";
            return Err(Error::invalid("learning_rate", self.learning_rate, expected));
        }
        for (name, value) in [("momentum", self.momentum), ("weight_decay", self.weight_decay)] {
            if !(0.0..1.0).contains(&value) {
                return Err(Error::invalid(name, value, "a number in [0, 1)"));
            }
        }
        Ok(())
    }

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
    pub fn step(&self, step: u64, total: u64, batch: usize) -> Update {
        let step = Step {
            rate: self.rate(step, total) as f32,
            momentum: self.momentum,
            decay: self.weight_decay,
            nesterov: self.nesterov,
            inverse_batch: 1.0 / batch as f32,
        };
        Update { step, layer_rates: self.layer_rates }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_checked() {
        let good = Sgd {
            learning_rate: 0.1,
            momentum: 0.9,
            weight_decay: 0.0,
            nesterov: false,
            schedule: Schedule::Constant,
            layer_rates: LayerRates::Equal,
        };
        good.check().unwrap();
        let refused = |sgd: Sgd| sgd.check().unwrap_err().to_string();
        for learning_rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e39] {
            assert!(refused(Sgd { learning_rate, ..good }).contains("learning_rate = "));
        }
        for bad in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
            assert!(refused(Sgd { momentum: bad, ..good }).starts_with("momentum = "));
            assert!(refused(Sgd { weight_decay: bad, ..good }).starts_with("weight_decay = "));
        }
    }
}
