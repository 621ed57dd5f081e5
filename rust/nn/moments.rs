//! The second moments of Adam: arrays that exist only while it trains the network.

use super::layer::Layer;
use super::mlp::Mlp;
use super::optimizer::{Optimizer, Update};
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::parallel::Par;
use crate::topology;

const WHAT: &str = "second moments";

/// Means of squared gradients, one for each weight, aligned with its entries, and for each bias;
/// none but with Adam.
#[derive(Clone, Debug, Default)]
pub(super) struct Second {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

impl Second {
    fn zeros(layer: &Layer) -> Result<Self> {
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
    /// The second moment of each weight, aligned with its entries; empty but with Adam.
    pub fn second_moment(&self) -> &[f32] {
        &self.second.weights
    }

    /// The second moments of the biases, (n_out,); empty but with Adam.
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
        self.second = Second { weights, bias };
        Ok(())
    }
}

impl Mlp {
    /// The number of steps after which Adam began with the moments that there are; none if there
    /// are none.
    pub fn adam_since(&self) -> Option<u64> {
        self.adam_since
    }

    /// Sets it, for a network whose layers have second moments.
    pub fn set_adam_since(&mut self, steps: u64) -> Result<()> {
        if steps > self.counters.steps {
            let expected = format!("at most the {} steps trained", self.counters.steps);
            return Err(Error::invalid("adam_since", steps, expected));
        }
        self.check_adam()?;
        self.adam_since = Some(steps);
        Ok(())
    }

    /// An error if Adam cannot train this network.
    fn check_adam(&self) -> Result<()> {
        if self.layers.iter().any(|layer| layer.srelu.is_some()) {
            let expected = "SGD, which alone trains SReLU's parameters";
            return Err(Error::invalid("optimizer", "Adam", expected));
        }
        Ok(())
    }

    /// An error if this optimiser cannot train this network.
    pub fn check_optimizer(&self, optimizer: &Optimizer) -> Result<()> {
        if optimizer.is_adam() { self.check_adam() } else { Ok(()) }
    }

    /// Makes the state of the network that of this optimiser: if another one has trained it before,
    /// momentum starts from 0, as it means something else now; and the second moments that Adam
    /// needs come or go. If memory runs out nothing has changed.
    pub fn prepare_optimizer(&mut self, optimizer: &Optimizer) -> Result<()> {
        if optimizer.is_adam() == self.adam_since.is_some() {
            return Ok(());
        }
        if optimizer.is_adam() {
            self.check_adam()?;
            let second = self.layers.iter().map(Second::zeros).collect::<Result<Vec<_>>>()?;
            self.forget_momentum();
            for (layer, second) in self.layers.iter_mut().zip(second) {
                layer.second = second;
            }
            self.adam_since = Some(self.counters.steps);
        } else {
            self.forget_momentum();
        }
        Ok(())
    }

    /// As [`Mlp::prepare_optimizer`] for SGD; a panic if the update is another's.
    pub(super) fn expect_sgd(&mut self, update: &Update) {
        assert!(!update.is_adam(), "internal: Adam takes its step with the gradients");
        if self.adam_since.is_some() {
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
        self.adam_since = None;
    }
}
