//! What an optimiser keeps for each parameter beside the momentum: arrays that exist only while
//! one that needs them trains the network.

use super::layer::Layer;
use super::mlp::Mlp;
use super::optimizer::{Optimizer, Update, UpdateKind};
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::parallel::Par;
use crate::topology;
use serde::{Deserialize, Serialize};

const WHAT: &str = "second moments";

/// Which rule the moments are of, and after how many steps it began with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// The rule.
    pub rule: UpdateKind,
    /// The steps.
    pub since: u64,
}

/// Means of squared gradients, one for each weight, aligned with its entries, and for each bias;
/// none if the rule keeps none.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Second {
    fn zeros(layer: &Layer, rule: UpdateKind) -> Result<Self> {
        if rule.moments() < 2 {
            return Ok(Second::default());
        }
        let weights = filled(layer.weights.nnz(), 0.0, WHAT)?;
        Ok(Second { weights, bias: filled(layer.bias.len(), 0.0, WHAT)? })
    }

    /// Whether there are some. A layer may have no connections, but it has biases.
    pub(super) fn exist(&self) -> bool {
        !self.bias.is_empty()
    }

    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Second { weights: copied(&self.weights, WHAT)?, bias: copied(&self.bias, WHAT)? })
    }

    /// Those of the weights after a change of the structure that `source` tells of: 0 for what is
    /// new, none if there were none.
    pub(super) fn carried(&self, par: &Par, source: &[u32]) -> Result<Vec<f32>> {
        if !self.exist() {
            return Ok(Vec::new());
        }
        topology::carry(par, source, &self.weights)
    }
}

impl Layer {
    /// The second moment of each weight, aligned with its entries; empty without.
    pub fn second_moment(&self) -> &[f32] {
        &self.second.weights
    }

    /// The second moments of the biases, (n_out,); empty without.
    pub fn bias_second_moment(&self) -> &[f32] {
        &self.second.bias
    }

    /// Sets the second moments of weights and biases, checked against the layer.
    pub fn set_second_moments(&mut self, weights: Vec<f32>, bias: Vec<f32>) -> Result<()> {
        let expected = [self.weights.nnz(), self.bias.len()];
        if [weights.len(), bias.len()] != expected {
            let value = format!("{} and {} values", weights.len(), bias.len());
            let expected = format!("{} and {}", expected[0], expected[1]);
            return Err(Error::invalid("second moments", value, expected));
        }
        if let Some(v) = weights.iter().chain(&bias).find(|&&v| v < 0.0) {
            return Err(Error::invalid("second moments", v, "means of squares"));
        }
        self.second = Second { weights, bias };
        Ok(())
    }
}

impl Mlp {
    /// Whose moments there are; none of a network that only momentum SGD has trained.
    pub fn state(&self) -> Option<State> {
        self.state
    }

    /// The rule whose moments there are.
    pub(super) fn rule(&self) -> UpdateKind {
        self.state.map_or(UpdateKind::default(), |state| state.rule)
    }

    /// Sets it, for a network whose layers have these moments.
    pub fn set_state(&mut self, state: State) -> Result<()> {
        if state.since > self.counters.steps {
            let expected = format!("at most the {} steps trained", self.counters.steps);
            return Err(Error::invalid("since", state.since, expected));
        }
        self.check_rule(state.rule)?;
        self.state = Some(state);
        Ok(())
    }

    /// An error if this rule cannot train this network.
    fn check_rule(&self, rule: UpdateKind) -> Result<()> {
        if !rule.takes_shared_gradients() && self.layers.iter().any(|layer| layer.srelu.is_some()) {
            let expected = "SGD, which alone trains SReLU's parameters";
            return Err(Error::invalid("optimizer", rule.name(), expected));
        }
        Ok(())
    }

    /// An error if this optimiser cannot train this network.
    pub fn check_optimizer(&self, optimizer: &Optimizer) -> Result<()> {
        self.check_rule(optimizer.kind())
    }

    /// Makes the state of the network that of this optimiser: if another rule has trained it before,
    /// momentum starts from 0, as it means something else now; and the second moments that a rule
    /// needs come or go. If memory runs out nothing has changed.
    pub fn prepare_optimizer(&mut self, par: &Par, optimizer: &Optimizer) -> Result<()> {
        let rule = optimizer.kind();
        if rule == self.rule() {
            return Ok(());
        }
        self.check_rule(rule)?;
        self.settle(par)?;
        let second = self.layers.iter().map(|layer| Second::zeros(layer, rule));
        let second = second.collect::<Result<Vec<_>>>()?;
        self.forget_momentum();
        for (layer, second) in self.layers.iter_mut().zip(second) {
            layer.second = second;
        }
        let since = self.counters.steps;
        self.state = (rule != UpdateKind::default()).then_some(State { rule, since });
        Ok(())
    }

    /// As [`Mlp::prepare_optimizer`] for the gradients of workers; a panic if the update is of a rule
    /// that cannot apply them.
    pub(super) fn expect_shared(&mut self, update: &Update) {
        assert!(
            update.kind().takes_shared_gradients(),
            "internal: it takes its step with the gradients"
        );
        if self.rule() != update.kind() {
            self.forget_momentum();
        }
    }

    /// Multiplies the velocity of every parameter; by 1 it stays as it is.
    pub fn scale_momentum(&mut self, factor: f64) {
        if factor == 1.0 {
            return;
        }
        for layer in &mut self.layers {
            let srelu = layer.srelu.as_mut().map(|srelu| &mut srelu.momentum);
            for values in [&mut layer.momentum, &mut layer.bias_momentum].into_iter().chain(srelu) {
                values.iter_mut().for_each(|v| *v = (f64::from(*v) * factor) as f32);
            }
        }
    }

    fn forget_momentum(&mut self) {
        for layer in &mut self.layers {
            layer.second = Second::default();
            layer.momentum.fill(0.0);
            layer.bias_momentum.fill(0.0);
        }
        self.state = None;
    }
}
