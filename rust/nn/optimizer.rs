//! Optimisers: an update rule with its numbers, a learning rate and its schedule.

use serde::{Deserialize, Deserializer, Serialize};

use super::layer::Layer;
use super::schedule::Schedule;
use crate::error::{Error, Result};
use crate::kernels::{Adam, Lion, Sgd, Step, UpdateRule};

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
    step: Step,
    /// The factor of the weights' rate, and of what goes with it, in each layer.
    layer_rates: LayerRates,
}

impl From<Step> for Update {
    fn from(step: Step) -> Self {
        Update { step, layer_rates: LayerRates::Equal }
    }
}

impl Update {
    /// The step of all biases: without an L1 penalty, which is there to take connections away.
    pub(super) fn of_biases(&self) -> Step {
        Step { shrink: 0.0, ..self.step }
    }

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
                let factor = smallest / fan_in(&layers[l]);
                let times = |value: f32| (f64::from(value) * factor) as f32;
                let Step { rate, shrink, decay, .. } = self.step;
                let decay = if self.kind().decay_follows_rate() { times(decay) } else { decay };
                Step { rate: times(rate), shrink: times(shrink), decay, ..self.step }
            }
        }
    }

    /// Which rule's it is.
    pub(super) fn kind(&self) -> UpdateKind {
        match self.step.rule {
            UpdateRule::Sgd(_) => UpdateKind::Sgd,
            UpdateRule::Adam(_) => UpdateKind::Adam,
            UpdateRule::Lion(_) => UpdateKind::Lion,
        }
    }
}

/// The update rules by name, and what each can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateKind {
    /// Stochastic gradient descent with momentum.
    #[default]
    Sgd,
    /// Adam.
    Adam,
    /// Lion.
    Lion,
}

impl UpdateKind {
    /// The name as users know it.
    pub fn name(self) -> &'static str {
        match self {
            UpdateKind::Sgd => "SGD",
            UpdateKind::Adam => "Adam",
            UpdateKind::Lion => "Lion",
        }
    }

    /// Numbers that it keeps for each parameter: 1, or 2 with second moments.
    pub fn moments(self) -> usize {
        match self {
            UpdateKind::Sgd | UpdateKind::Lion => 1,
            UpdateKind::Adam => 2,
        }
    }

    /// Whether it can apply gradients that other workers made, and train SReLU's parameters.
    pub fn takes_shared_gradients(self) -> bool {
        match self {
            UpdateKind::Sgd => true,
            UpdateKind::Adam | UpdateKind::Lion => false,
        }
    }

    /// Whether the weight decay is multiplied by the learning rate.
    fn decay_follows_rate(self) -> bool {
        match self {
            UpdateKind::Sgd => false,
            UpdateKind::Adam | UpdateKind::Lion => true,
        }
    }
}

/// By which rule gradients become steps.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum UpdateSettings {
    /// Stochastic gradient descent with momentum.
    Sgd {
        /// The momentum coefficient.
        #[serde(deserialize_with = "single")]
        momentum: f32,
        /// Nesterov's variant.
        nesterov: bool,
        /// Multiplies the decay by the schedule's factor, as SGDW (Loshchilov and Hutter, 2019).
        schedule_decay: bool,
    },
    /// Adam (Kingma and Ba, 2015) with decoupled decay (Loshchilov and Hutter, 2019).
    Adam {
        /// The coefficient of the mean of gradients.
        #[serde(deserialize_with = "single")]
        beta_1: f32,
        /// The coefficient of the mean of their squares.
        #[serde(deserialize_with = "single")]
        beta_2: f32,
        /// Added to the root of that mean.
        #[serde(deserialize_with = "single")]
        epsilon: f32,
    },
    /// Lion (Chen et al., 2023), whose steps have one length.
    Lion {
        /// The coefficient of the mean of gradients in the move.
        #[serde(deserialize_with = "single")]
        beta_1: f32,
        /// The coefficient of the mean of gradients that is kept.
        #[serde(deserialize_with = "single")]
        beta_2: f32,
    },
}

/// A number of single precision by way of a double one, as Python has it.
fn single<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f32, D::Error> {
    f64::deserialize(deserializer).map(|value| value as f32)
}

/// An optimiser.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// The rule.
    pub rule: UpdateSettings,
    /// The learning rate before the schedule.
    pub learning_rate: f64,
    /// Subtracted from every parameter per step as this fraction of it; multiplied by the learning
    /// rate except with SGD.
    pub weight_decay: f64,
    /// Subtracted from the magnitude of every weight per step, down to 0; multiplied by the learning
    /// rate.
    pub l1: f64,
    /// How the learning rate changes.
    pub schedule: Schedule,
    /// How it differs between layers.
    pub layer_rates: LayerRates,
}

impl Optimizer {
    /// Checks every value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        let finite = |value: f64| (value as f32).is_finite();
        if !(self.learning_rate > 0.0 && finite(self.learning_rate)) {
            let expected = "a positive finite number";
            return Err(Error::invalid("learning_rate", self.learning_rate, expected));
        }
        let fraction = |name, value: f32| match value {
            v if (0.0..1.0).contains(&v) => Ok(()),
            v => Err(Error::invalid(name, v, "a number in [0, 1)")),
        };
        let amount = |name, value: f64| match value {
            v if v >= 0.0 && finite(v) => Ok(()),
            v => Err(Error::invalid(name, v, "a finite number of at least 0")),
        };
        match self.rule {
            UpdateSettings::Sgd { momentum, .. } => {
                fraction("momentum", momentum)?;
                fraction("weight_decay", self.weight_decay as f32)?;
            }
            UpdateSettings::Adam { beta_1, beta_2, epsilon } => {
                fraction("beta_1", beta_1)?;
                fraction("beta_2", beta_2)?;
                if !(epsilon > 0.0 && epsilon.is_finite()) {
                    return Err(Error::invalid("epsilon", epsilon, "a positive finite number"));
                }
                amount("weight_decay", self.weight_decay)?;
            }
            UpdateSettings::Lion { beta_1, beta_2 } => {
                fraction("beta_1", beta_1)?;
                fraction("beta_2", beta_2)?;
                amount("weight_decay", self.weight_decay)?;
            }
        }
        amount("l1", self.l1)?;
        self.schedule.check()
    }

    /// Which rule it follows.
    pub fn kind(&self) -> UpdateKind {
        match self.rule {
            UpdateSettings::Sgd { .. } => UpdateKind::Sgd,
            UpdateSettings::Adam { .. } => UpdateKind::Adam,
            UpdateSettings::Lion { .. } => UpdateKind::Lion,
        }
    }

    /// The learning rate of step `step` of `total`.
    pub fn rate(&self, step: u64, total: u64) -> f64 {
        self.learning_rate * self.schedule.factor(step, total)
    }

    /// The numbers of one step over a batch of `batch` samples: step `step` of `total` in the
    /// schedule, after `taken` steps on the moments that there are.
    pub fn step(&self, at: (u64, u64), taken: u64, batch: usize) -> Update {
        let (step, total) = at;
        let rate = self.rate(step, total);
        let shrink = (rate * self.l1) as f32;
        let of = |rule, rate: f64, decay: f64| Step {
            rule,
            rate: rate as f32,
            decay: decay as f32,
            inverse_batch: 1.0 / batch as f32,
            shrink,
        };
        let step = match self.rule {
            UpdateSettings::Sgd { momentum, nesterov, schedule_decay } => {
                let factor = if schedule_decay { self.schedule.factor(step, total) } else { 1.0 };
                of(UpdateRule::Sgd(Sgd { momentum, nesterov }), rate, factor * self.weight_decay)
            }
            UpdateSettings::Adam { beta_1, beta_2, epsilon } => {
                // What the means have of the gradients so far; the rest is the zero of the start.
                let weight = |beta: f32| 1.0 - libm::pow(beta.into(), (taken + 1) as f64);
                let inverse_root = (1.0 / weight(beta_2).sqrt()) as f32;
                let rule = UpdateRule::Adam(Adam { beta_1, beta_2, epsilon, inverse_root });
                of(rule, rate / weight(beta_1), rate * self.weight_decay)
            }
            UpdateSettings::Lion { beta_1, beta_2 } => {
                of(UpdateRule::Lion(Lion { beta_1, beta_2 }), rate, rate * self.weight_decay)
            }
        };
        Update { step, layer_rates: self.layer_rates }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::Fall;
    use super::*;

    const GOOD: Optimizer = Optimizer {
        rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: false, schedule_decay: false },
        learning_rate: 0.1,
        weight_decay: 0.0,
        l1: 0.0,
        schedule: Schedule { warmup: 0.0, fall: Fall::Constant },
        layer_rates: LayerRates::Equal,
    };

    #[test]
    fn every_value_is_checked() {
        GOOD.check().unwrap();
        let refused = |optimizer: Optimizer| optimizer.check().unwrap_err().to_string();
        for learning_rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e39] {
            assert!(refused(Optimizer { learning_rate, ..GOOD }).contains("learning_rate = "));
        }
        let adam = |beta_1, beta_2, epsilon| UpdateSettings::Adam { beta_1, beta_2, epsilon };
        let with = |rule| Optimizer { rule, ..GOOD };
        let lion = |beta_1, beta_2| UpdateSettings::Lion { beta_1, beta_2 };
        with(adam(0.9, 0.999, 1e-8)).check().unwrap();
        with(lion(0.9, 0.99)).check().unwrap();
        for bad in [-0.1, 1.0, f32::NAN, f32::INFINITY] {
            let weight_decay = bad.into();
            let sgd = UpdateSettings::Sgd { momentum: bad, nesterov: true, schedule_decay: true };
            assert!(refused(with(sgd)).contains("momentum"));
            assert!(refused(Optimizer { weight_decay, ..GOOD }).starts_with("weight_decay = "));
            assert!(refused(with(adam(bad, 0.9, 1.0))).starts_with("beta_1 = "));
            assert!(refused(with(adam(0.9, bad, 1.0))).starts_with("beta_2 = "));
            assert!(refused(with(lion(bad, 0.9))).starts_with("beta_1 = "));
            assert!(refused(with(lion(0.9, bad))).starts_with("beta_2 = "));
        }
        for bad in [-1.0, f64::NAN, f64::INFINITY, 1e39] {
            assert!(refused(with(adam(0.9, 0.9, bad as f32))).starts_with("epsilon = "));
            assert!(refused(Optimizer { l1: bad, ..GOOD }).starts_with("l1 = "));
            for rule in [adam(0.9, 0.9, 1.0), lion(0.9, 0.9)] {
                let decays = Optimizer { weight_decay: bad, ..with(rule) };
                assert!(refused(decays).starts_with("weight_decay = "));
            }
        }
        let schedule = Schedule { warmup: 1.0, fall: Fall::Constant };
        assert!(refused(Optimizer { schedule, ..GOOD }).starts_with("warmup = "));
    }
}
