//! Gradients apart from the step that spends them: what the workers of parallel training exchange
//! (PAPER section 5; arXiv 2102.01732, the section on parallel training).

use std::sync::Arc;

use super::mlp::{Draw, Mlp};
use super::{Layer, Score, Targets, Workspace};
use crate::csr::NONE;
use crate::error::Result;
use crate::kernels::{Step, bias_gradient, sddmm, stride, update};
use crate::memory::{copied, filled};
use crate::parallel::Par;

const WHAT: &str = "a worker's gradient";

/// The gradients of all parameters, summed over the samples of a batch.
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    /// For each layer those of the weights, (nnz,), aligned with its entries, and of the biases,
    /// (n_out,).
    layers: Vec<(Vec<f32>, Vec<f32>)>,
    /// How many samples were summed.
    samples: usize,
}

/// What a worker computes with: a network's structure, shared, and a copy of its values, without
/// the state of the optimiser, which is the server's.
#[derive(Debug)]
pub struct Replica(Mlp);

impl Gradient {
    /// Takes the memory for gradients of `model`, as it is now.
    pub fn fit(&mut self, model: &Mlp) -> Result<()> {
        let fits = self.layers.len() == model.layers.len()
            && self.layers.iter().zip(&model.layers).all(|((weights, bias), layer)| {
                weights.len() == layer.weights.nnz() && bias.len() == layer.bias.len()
            });
        if !fits {
            self.samples = 0;
            let layer = |l: &Layer| {
                Ok((filled(l.weights.nnz(), 0.0, WHAT)?, filled(l.bias.len(), 0.0, WHAT)?))
            };
            self.layers = model.layers.iter().map(layer).collect::<Result<_>>()?;
        }
        Ok(())
    }

    /// Entries of all layers: the connections of the network that it was made on.
    pub fn entries(&self) -> usize {
        self.layers.iter().map(|(weights, _)| weights.len()).sum()
    }

    /// How many samples were summed.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Gradients with given values, (weights, biases) for each layer: for tests of what is done
    /// with them.
    pub fn from_parts(layers: Vec<(Vec<f32>, Vec<f32>)>, samples: usize) -> Self {
        Gradient { layers, samples }
    }
}

impl Mlp {
    /// The gradient of the batch in `workspace.input(samples.len())`; the network stays as it is.
    /// `targets` and the result as in [`Mlp::train_step`].
    ///
    /// # Panics
    /// Without [`Mlp::prepare_training`] since the last change of the structure, or if the gradient
    /// has not been [fitted](Gradient::fit) since.
    pub fn gradient(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        targets: Targets<'_>,
        draw: Draw,
        gradient: &mut Gradient,
    ) -> Score {
        let stride = stride(samples.len());
        let score = self.score_batch(par, workspace, samples, targets, draw);
        for (l, layer) in self.layers.iter().enumerate().rev() {
            self.pass_back(par, workspace, stride, l);
            let (x, dy) = workspace.products(self, stride, l);
            let (weights, bias) = &mut gradient.layers[l];
            sddmm(par, layer.weights.pattern(), dy, x, stride, weights);
            bias_gradient(dy, stride, bias);
        }
        gradient.samples = samples.len();
        score
    }

    /// One step of every parameter from the sum of gradients that were made on this structure,
    /// added up in their order. One alone gives the bits of [`Mlp::train_step`].
    pub fn apply(&mut self, par: &Par, gradients: &[&Gradient], step: &Step) {
        for (l, layer) in self.layers.iter_mut().enumerate() {
            let weights: Vec<_> = gradients.iter().map(|g| &g.layers[l].0[..]).collect();
            let biases: Vec<_> = gradients.iter().map(|g| &g.layers[l].1[..]).collect();
            update(par, &weights, step, layer.weights.data_mut(), &mut layer.momentum);
            update(&Par::seq(), &biases, step, &mut layer.bias, &mut layer.bias_momentum);
        }
    }

    /// One step of the biases and of those connections that the gradient has an entry for, from a
    /// gradient that was made on an older structure. `origins`: for each layer where its entries
    /// were then, or nothing if the layer is as it was. All other connections stay as they are,
    /// decay and momentum included. Returns how many entries were used.
    pub fn apply_valid(
        &mut self,
        par: &Par,
        gradient: &Gradient,
        origins: &[Option<Vec<u32>>],
        step: &Step,
    ) -> usize {
        let mut applied = 0;
        for ((layer, (weights, bias)), origin) in
            self.layers.iter_mut().zip(&gradient.layers).zip(origins)
        {
            let data = layer.weights.data_mut();
            match origin {
                None => {
                    update(par, &[weights], step, data, &mut layer.momentum);
                    applied += data.len();
                }
                Some(origin) => {
                    for ((w, v), &from) in data.iter_mut().zip(&mut layer.momentum).zip(origin) {
                        if from != NONE {
                            step.apply(weights[from as usize], w, v);
                            applied += 1;
                        }
                    }
                }
            }
            update(&Par::seq(), &[bias], step, &mut layer.bias, &mut layer.bias_momentum);
        }
        applied
    }
}

impl Replica {
    /// A copy of the network's values beside its structure.
    pub fn new(model: &Mlp) -> Result<Self> {
        let mut config = model.config.clone();
        config.layer_sizes = copied(&config.layer_sizes, WHAT)?;
        let copy = Mlp {
            config,
            layers: Vec::new(),
            standardizer: None, // the batches come standardised
            origin: None,
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
                pruned: Vec::new(),
                transpose: l.transpose.as_ref().map(Arc::clone),
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
        }
    }
}
