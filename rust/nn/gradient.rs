//! Gradients apart from the step that spends them: what the workers of parallel training exchange
//! (WASAP-SGD and WASSP-SGD, arXiv 2102.01732).

use super::backward::pass_back;
use super::batch::products;
use super::mlp::{Draw, Mlp};
use super::moments::Second;
use super::standardize::Units;
use super::{Answers, Layer, SRelu, Score, Update, Workspace};
use crate::csr::NONE;
use crate::error::{Error, Result};
use crate::kernels::{bias_gradient, sddmm, spend_stored};
use crate::memory::{copied, filled};
use crate::parallel::Par;

const WHAT: &str = "a worker's gradient";

/// Where each layer's parameters are in one array: weights in the order of the entries, then
/// biases, then SReLU's parameters; layer after layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout(Vec<(usize, usize)>);

/// The gradients of all parameters, summed over the samples of a batch, in one array.
#[derive(Clone, Debug, Default)]
pub struct Gradient {
    values: Vec<f32>,
    layout: Layout,
    samples: usize,
}

/// A gradient in borrowed memory.
#[derive(Clone, Copy, Debug)]
pub struct GradientView<'a> {
    values: &'a [f32],
    layout: &'a Layout,
    samples: usize,
}

impl Layout {
    /// The layout of a network as it is now.
    pub fn of(model: &Mlp) -> Self {
        Layout(model.layers.iter().map(|l| (l.weights.nnz(), l.others())).collect())
    }

    /// The number of parameters.
    pub fn parameters(&self) -> usize {
        self.0.iter().map(|(weights, others)| weights + others).sum()
    }

    /// The number of connections.
    pub fn entries(&self) -> usize {
        self.0.iter().map(|(weights, _)| weights).sum()
    }

    fn fits(&self, model: &Mlp) -> bool {
        let own = model.layers.iter().map(|l| (l.weights.nnz(), l.others()));
        self.0.iter().copied().eq(own)
    }

    /// The weights of each layer, and its other parameters.
    fn split<'a>(&self, mut values: &'a [f32]) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        assert_eq!(values.len(), self.parameters(), "internal: values are (parameters,)");
        self.0.iter().map(move |&(weights, others)| {
            let (layer, rest) = values.split_at(weights + others);
            values = rest;
            layer.split_at(weights)
        })
    }
}

impl Gradient {
    /// Takes the memory for gradients of `model`, as it is now.
    pub fn fit(&mut self, model: &Mlp) -> Result<()> {
        if !self.layout.fits(model) {
            let layout = Layout::of(model);
            self.values = filled(layout.parameters(), 0.0, WHAT)?;
            (self.layout, self.samples) = (layout, 0);
        }
        Ok(())
    }

    /// The values, (parameters,), in the order of [`Layout`].
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// Sets the number of samples that were summed.
    pub fn set_samples(&mut self, samples: usize) {
        self.samples = samples;
    }

    /// The gradient, to be applied.
    pub fn view(&self) -> GradientView<'_> {
        GradientView { values: &self.values, layout: &self.layout, samples: self.samples }
    }

    /// Gradients with given values, (weights, biases) for each layer: for tests of what is done
    /// with them.
    pub fn from_parts(layers: Vec<(Vec<f32>, Vec<f32>)>, samples: usize) -> Self {
        let layout = Layout(layers.iter().map(|(w, b)| (w.len(), b.len())).collect());
        let values = layers.into_iter().flat_map(|(w, b)| [w, b].concat()).collect();
        Gradient { values, layout, samples }
    }
}

impl<'a> GradientView<'a> {
    /// From an array of (parameters,); an error if it has another length.
    pub fn new(values: &'a [f32], layout: &'a Layout, samples: usize) -> Result<Self> {
        if values.len() != layout.parameters() {
            let expected = layout.parameters().to_string();
            return Err(Error::invalid("gradient", format!("{} values", values.len()), expected));
        }
        Ok(GradientView { values, layout, samples })
    }

    /// The Euclidean norm of each layer's weights' gradients, of the mean over the samples.
    pub fn norms(&self) -> Vec<f64> {
        let squared = |values: &[f32]| values.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>();
        let samples = self.samples.max(1) as f64;
        self.layers().map(|(weights, _)| squared(weights).sqrt() / samples).collect()
    }

    /// Entries of all layers: the connections of the network that it was made on.
    pub fn entries(&self) -> usize {
        self.layout.entries()
    }

    /// How many samples were summed.
    pub fn samples(&self) -> usize {
        self.samples
    }

    pub(super) fn layers(&self) -> impl Iterator<Item = (&'a [f32], &'a [f32])> {
        self.layout.split(self.values)
    }
}

impl Mlp {
    /// Writes the gradient of the batch in `workspace`, summed over its samples, to `out`,
    /// (parameters,), in the order of [`Layout`]; the network stays as it is. `answers` and the
    /// result as in [`Mlp::train_step`].
    ///
    /// # Panics
    /// If `out` has another length.
    pub fn gradient(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        draw: Draw,
        out: &mut [f32],
    ) -> Score {
        let mut score = self.score_batch(par, workspace, samples, answers, draw);
        let mut left = out;
        for (l, layer) in self.layers.iter().enumerate().rev() {
            self.recall(par, workspace, l);
            if l > 0 {
                let srelu = self.layers[l - 1].srelu();
                pass_back(par, &self.config, layer, srelu, l, workspace, None);
            }
            let mut sparse = workspace.sparse.take();
            let (x, dy) = (workspace.inputs(l, sparse.as_ref()), workspace.deltas(l));
            let length = left.len().checked_sub(layer.weights.nnz() + layer.others());
            let (rest, own) = left.split_at_mut(length.expect("internal: out is (parameters,)"));
            let (weights, others) = own.split_at_mut(layer.weights.nnz());
            let own_products = products(layer, sparse.as_ref().filter(|_| l == 0), samples.len());
            match &mut sparse {
                Some(input) if l == 0 => input.gradient(par, layer, dy, x, weights),
                _ => sddmm(par, layer.weights.pattern(), dy, x, weights),
            }
            bias_gradient(dy, &mut others[..layer.bias.len()]);
            workspace.sparse = sparse;
            workspace.products += own_products;
            if let Some(srelu) = l.checked_sub(1).and_then(|before| self.layers[before].srelu()) {
                // They are the last parameters of the layer before.
                let gradients = &workspace.gradients[..srelu.parameters().len()];
                let start = rest.len() - gradients.len();
                rest[start..].copy_from_slice(gradients);
            }
            left = rest;
        }
        assert!(left.is_empty(), "internal: out is (parameters,)");
        score.multiply_adds = workspace.products;
        score
    }

    /// The network without what training adds, dropout and noise, and without the state of the
    /// optimiser; weights share memory.
    pub fn at_rest(&self) -> Result<Self> {
        let mut config = self.config.clone();
        (config.dropout, config.input_noise) = (0.0.into(), 0.0);
        let layer = |l: &Layer| {
            Ok(Layer {
                weights: l.weights.clone(),
                momentum: Vec::new(),
                bias: copied(&l.bias, "biases")?,
                bias_momentum: Vec::new(),
                second: Second::default(),
                srelu: l.srelu().map(SRelu::values_only).transpose()?,
                pruned: Vec::new(),
                transpose: l.transpose.clone(),
            })
        };
        let layers = self.layers.iter().map(layer).collect::<Result<_>>()?;
        let counters = self.counters;
        let units = self.units.as_ref().map(Units::try_clone).transpose()?;
        Ok(Mlp {
            config,
            layers,
            standardizer: None,
            units,
            origin: None,
            state: None,
            owed: None,
            counters,
        })
    }

    /// One step of every parameter from the sum of gradients that were made on this structure,
    /// added in order. A single gradient gives the bits of [`Mlp::train_step`].
    ///
    /// # Panics
    /// If a gradient was made on another structure, or the update is of a rule that takes its
    /// step with the gradients only.
    pub fn apply(&mut self, par: &Par, gradients: &[GradientView<'_>], update_by: &Update) {
        self.expect_shared(update_by);
        let mut layers: Vec<_> = gradients.iter().map(GradientView::layers).collect();
        for l in 0..self.layers.len() {
            let step = update_by.of_weights(&self.layers, l);
            let layer = &mut self.layers[l];
            let next = |own: &mut _| Iterator::next(own).expect("internal: a gradient per layer");
            let (weights, others): (Vec<_>, Vec<_>) = layers.iter_mut().map(next).unzip();
            spend_stored(par, &weights, &step, layer.weights_mut().1);
            layer.step_others(&others, update_by);
        }
    }

    /// One step from a gradient that was made on an older structure: of biases, of SReLU's
    /// parameters, and of those connections that the gradient has an entry for. All other
    /// connections stay as they are, decay and momentum included. Returns how many entries were
    /// used.
    ///
    /// `origins`: for each layer where its entries were then, or nothing if the layer has not
    /// changed.
    ///
    /// # Panics
    /// As [`Mlp::apply`].
    pub fn apply_valid(
        &mut self,
        par: &Par,
        gradient: GradientView<'_>,
        origins: &[Option<Vec<u32>>],
        update_by: &Update,
    ) -> usize {
        self.expect_shared(update_by);
        let mut applied = 0;
        for (l, ((weights, others), origin)) in gradient.layers().zip(origins).enumerate() {
            let step = update_by.of_weights(&self.layers, l);
            let layer = &mut self.layers[l];
            let mut parameters = layer.weights_mut().1;
            match origin {
                None => {
                    applied += parameters.values.len();
                    spend_stored(par, &[weights], &step, parameters);
                }
                Some(origin) => {
                    for (k, &from) in origin.iter().enumerate().filter(|(_, from)| **from != NONE) {
                        step.spend_at(weights[from as usize], k, &mut parameters);
                        applied += 1;
                    }
                }
            }
            layer.step_others(&[others], update_by);
        }
        applied
    }
}
