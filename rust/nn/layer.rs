//! One layer: sparse weights with their momentum, and biases with theirs.

use std::sync::{Arc, OnceLock};

use super::moments::Second;
use super::srelu::SRelu;
use crate::csr::{Csr, Pattern, Transpose};
use crate::error::{Error, Result};
use crate::kernels::{Linear, Parameters};
use crate::memory::{copied, filled};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};
use crate::topology::{self, Init};
use crate::watch::Watch;

/// A layer. The momentum array is aligned with the weights' entries, always; in a
/// [`super::Replica`] alone there is none.
#[derive(Clone, Debug)]
pub struct Layer {
    pub(super) weights: Csr,
    pub(super) momentum: Vec<f32>,
    pub(super) bias: Vec<f32>,
    pub(super) bias_momentum: Vec<f32>,
    pub(super) second: Second,
    /// The parameters of SReLU, if that is the activation.
    pub(super) srelu: Option<SRelu>,
    /// Which neurons were pruned for good: their rows have no entries and no rule grows any. Empty
    /// if none was.
    pub(super) pruned: Vec<bool>,
    /// Built when it is first needed: by training, and by sparse samples in the first layer. Dropped
    /// whenever the structure changes.
    pub(super) transpose: OnceLock<Arc<Transpose>>,
}

impl Layer {
    /// A layer with the given weights, no momentum and zero biases.
    pub fn new(weights: Csr) -> Result<Self> {
        let bias = filled(weights.n_rows(), 0.0, "biases")?;
        Self::with_bias(weights, bias)
    }

    /// A layer with the given weights and biases, and no momentum.
    pub fn with_bias(weights: Csr, bias: Vec<f32>) -> Result<Self> {
        let momentum = filled(weights.nnz(), 0.0, "momentum")?;
        let bias_momentum = filled(bias.len(), 0.0, "momentum of biases")?;
        Self::from_parts(weights, momentum, bias, bias_momentum)
    }

    /// A layer from all its arrays, checked against each other.
    pub fn from_parts(
        weights: Csr,
        momentum: Vec<f32>,
        bias: Vec<f32>,
        bias_momentum: Vec<f32>,
    ) -> Result<Self> {
        for (name, values, len) in [
            ("momentum", &momentum, weights.nnz()),
            ("bias", &bias, weights.n_rows()),
            ("bias momentum", &bias_momentum, weights.n_rows()),
        ] {
            if values.len() != len {
                return Err(Error::invalid(
                    name,
                    format!("{} values", values.len()),
                    format!("{len}"),
                ));
            }
        }
        let (second, srelu) = (Second::default(), None);
        let (pruned, transpose) = (Vec::new(), OnceLock::new());
        Ok(Layer { weights, momentum, bias, bias_momentum, second, srelu, pruned, transpose })
    }

    /// An Erdos-Renyi layer with weights drawn from `init`; `number` counts layers from 1. The watch
    /// counts each connection twice: when it is there, and when it has its weight.
    pub fn random(
        par: &Par,
        sizes: [usize; 2],
        probability: f64,
        init: Init,
        seed: u64,
        number: u64,
        watch: &mut Watch<'_>,
    ) -> Result<Self> {
        let [n_in, n_out] = sizes;
        let structure = Stream::new(seed, Purpose::Structure, number, 0);
        let (indptr, indices) =
            topology::erdos_renyi_watched(par, n_in, n_out, probability, structure, watch)?;
        let empty = filled(indices.len(), 0.0, "weights")?;
        let mut weights = Csr::from_parts(n_in, indptr, indices, empty);
        draw_weights(par, &mut weights, init, seed, number);
        watch.advance(weights.nnz() as u64)?;
        Layer::new(weights)
    }

    /// A layer with these connections and biases, and weights that are drawn as `random` draws them
    /// for connections that are the same.
    pub fn drawn(
        par: &Par,
        mut weights: Csr,
        bias: Vec<f32>,
        init: Init,
        seed: u64,
        number: u64,
    ) -> Result<Self> {
        draw_weights(par, &mut weights, init, seed, number);
        Layer::with_bias(weights, bias)
    }

    /// The layer with weights that were just drawn times a factor.
    pub fn gained(mut self, factor: f64) -> Self {
        if factor != 1.0 {
            let (_, data) = self.weights.pattern_and_data_mut();
            data.iter_mut().for_each(|w| *w = (f64::from(*w) * factor) as f32);
        }
        self
    }

    /// The weights, a row an output neuron.
    pub fn weights(&self) -> &Csr {
        &self.weights
    }
    /// The momentum of each weight, aligned with its entries.
    pub fn momentum(&self) -> &[f32] {
        &self.momentum
    }
    /// The biases, (n_out,).
    pub fn bias(&self) -> &[f32] {
        &self.bias
    }
    /// The momentum of the biases, (n_out,).
    pub fn bias_momentum(&self) -> &[f32] {
        &self.bias_momentum
    }

    /// The weights and biases as a product takes them.
    pub(super) fn linear(&self) -> Linear<'_> {
        Linear { weights: (&self.weights).into(), bias: &self.bias }
    }

    /// The structure, and the weights as a step of the optimiser takes them.
    pub(super) fn weights_mut(&mut self) -> (Pattern<'_>, Parameters<'_>) {
        let (pattern, values) = self.weights.pattern_and_data_mut();
        let (momentum, second) = (&mut self.momentum, &mut self.second.weights);
        (pattern, Parameters { values, momentum, second })
    }

    /// The biases as a step of the optimiser takes them.
    pub(super) fn biases_mut(&mut self) -> Parameters<'_> {
        Parameters {
            values: &mut self.bias,
            momentum: &mut self.bias_momentum,
            second: &mut self.second.bias,
        }
    }

    /// Which neurons were pruned for good, (n_out,), or empty if none was.
    pub fn pruned(&self) -> &[bool] {
        &self.pruned
    }

    /// Sets the neurons that were pruned for good, by their numbers in ascending order; none of
    /// them may have connections.
    pub fn set_pruned(&mut self, numbers: &[u32]) -> Result<()> {
        let n_out = self.weights.n_rows();
        let ascending = numbers.windows(2).all(|pair| pair[0] < pair[1]);
        if !ascending || numbers.last().is_some_and(|&r| r as usize >= n_out) {
            let expected = format!("ascending numbers below {n_out}");
            return Err(Error::invalid("pruned", "numbers in disorder", expected));
        }
        let pattern = self.weights.pattern();
        if let Some(r) = numbers.iter().find(|&&r| !pattern.row(r as usize).is_empty()) {
            return Err(Error::invalid("pruned", r, "neurons without incoming connections"));
        }
        if numbers.is_empty() {
            self.pruned = Vec::new();
            return Ok(());
        }
        self.pruned = filled(n_out, false, "pruned neurons")?;
        numbers.iter().for_each(|&r| self.pruned[r as usize] = true);
        Ok(())
    }

    /// A copy of all but the transpose; weights share memory until they are changed.
    pub(super) fn try_clone(&self) -> Result<Self> {
        Ok(Layer {
            weights: self.weights.clone(),
            momentum: copied(&self.momentum, "momentum")?,
            bias: copied(&self.bias, "biases")?,
            bias_momentum: copied(&self.bias_momentum, "momentum of biases")?,
            second: self.second.try_clone()?,
            srelu: self.srelu.as_ref().map(SRelu::try_clone).transpose()?,
            pruned: copied(&self.pruned, "pruned neurons")?,
            transpose: OnceLock::new(),
        })
    }

    /// Weights, momentum and origin of a part, as [`topology::restrict`] has it.
    pub(super) fn part(
        &self,
        par: &Par,
        rows: &[u32],
        columns: &[u32],
        n_in: usize,
    ) -> Result<(Csr, Vec<f32>, Vec<u32>)> {
        let part = topology::restrict(&self.weights, rows, columns, n_in)?;
        let momentum = topology::carry(par, &part.source, &self.momentum)?;
        Ok((part.matrix, momentum, part.source))
    }

    /// The transpose index, built now if there is none.
    pub(super) fn transposed(&self, par: &Par) -> Result<&Arc<Transpose>> {
        if let Some(index) = self.transpose.get() {
            return Ok(index);
        }
        let index = Arc::new(Transpose::new(par, self.weights.pattern())?);
        Ok(self.transpose.get_or_init(|| index))
    }

    /// Drops the transpose index.
    pub(super) fn forget_transpose(&mut self) {
        self.transpose.take();
    }
}

fn draw_weights(par: &Par, weights: &mut Csr, init: Init, seed: u64, number: u64) {
    let values = Stream::new(seed, Purpose::Weights, number, 0);
    let (pattern, data) = weights.pattern_and_data_mut();
    topology::initial_weights(par, pattern, init, values, data);
}
