//! A worker's copy of a network: what it computes gradients with.

use super::mlp::Mlp;
use super::moments::Second;
use super::standardize::Units;
use super::{GradientView, Layer, Layout, Memory, SRelu};
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::parallel::Par;

const WHAT: &str = "a worker's network";

/// What a worker computes with: a network's structure, shared, and a copy of its values, without
/// the state of the optimiser, which is the server's.
#[derive(Debug)]
pub struct Replica(Mlp);

impl Replica {
    /// A copy of the network's values beside its structure.
    pub fn new(model: &Mlp) -> Result<Self> {
        let mut config = model.config.clone();
        config.layer_sizes = copied(&config.layer_sizes, WHAT)?;
        let copy = Mlp {
            config,
            layers: Vec::new(),
            standardizer: None, // the batches come standardised
            units: model.units.as_ref().map(Units::try_clone).transpose()?,
            origin: None,
            state: None,
            owed: None,
            counters: model.counters,
        };
        let mut replica = Replica(copy);
        replica.pull_structure(model)?;
        Ok(replica)
    }

    /// The network to compute with.
    pub fn model(&self) -> &Mlp {
        &self.0
    }

    /// Takes over structure and values.
    pub fn pull_structure(&mut self, model: &Mlp) -> Result<()> {
        let layer = |l: &Layer| {
            let mut weights = l.weights.clone();
            weights.unshare()?;
            Ok(Layer {
                weights,
                momentum: Vec::new(), // the server's
                bias: copied(&l.bias, "biases")?,
                bias_momentum: Vec::new(),
                second: Second::default(),
                srelu: l.srelu().map(SRelu::values_only).transpose()?,
                pruned: Vec::new(),
                transpose: l.transpose.clone(),
            })
        };
        self.0.layers = model.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(())
    }

    /// Takes over the values of a network with the structure that this has.
    pub fn pull_values(&mut self, model: &Mlp) {
        for (own, layer) in self.0.layers.iter_mut().zip(&model.layers) {
            own.weights.data_mut().copy_from_slice(layer.weights.data());
            own.bias.copy_from_slice(&layer.bias);
            if let (Some(own), Some(srelu)) = (&mut own.srelu, layer.srelu()) {
                own.parameters.copy_from_slice(srelu.parameters());
            }
        }
    }

    /// Takes over values that came as one array, in the order of [`Layout`].
    pub fn set_values(&mut self, values: &[f32]) -> Result<()> {
        let layout = Layout::of(&self.0);
        let values = GradientView::new(values, &layout, 0)?;
        for (own, (weights, others)) in self.0.layers.iter_mut().zip(values.layers()) {
            own.weights.data_mut().copy_from_slice(weights);
            own.set_others(others);
        }
        Ok(())
    }

    /// Takes over a structure that came from elsewhere, offsets and columns for each layer; all
    /// values are 0 until [`Replica::set_values`]. If it is not valid nothing has changed.
    pub fn set_structure(&mut self, par: &Par, layers: Vec<(Vec<usize>, Vec<u32>)>) -> Result<()> {
        let expected = self.0.layers.len();
        if layers.len() != expected {
            let found = format!("{} matrices", layers.len());
            return Err(Error::invalid("structure", found, expected.to_string()));
        }
        let mut new = Vec::new();
        for (own, (indptr, indices)) in self.0.layers.iter().zip(layers) {
            let data = filled(indices.len(), 0.0, WHAT)?;
            let weights = Csr::new(own.weights.n_cols(), indptr, indices, data)?;
            if weights.n_rows() != own.weights.n_rows() {
                let found = format!("{} rows", weights.n_rows());
                return Err(Error::invalid("structure", found, own.weights.n_rows().to_string()));
            }
            new.push(weights);
        }
        for (own, weights) in self.0.layers.iter_mut().zip(new) {
            own.weights = weights;
            own.transpose.take();
        }
        self.0.prepare_training(par, Memory::Fast)
    }
}
