//! How outputs depend on inputs: their gradients by the inputs of a batch, sample by sample.
//!
//! Inputs are what the network multiplies: standardised and clipped, if it does so.

use super::backward::pass_back;
use super::batch::BatchBuffers;
use super::loss::Loss;
use super::mlp::Mlp;
use super::standardize::Standardizer;
use super::workspace::{Memory, Workspace};
use crate::error::{Error, Result};
use crate::kernels::{Batch, BatchMut, Transposed, spmm_transpose, stride};
use crate::memory::{Lanes, area};
use crate::parallel::Par;

const WHAT: &str = "gradients of inputs";

/// What of an output is differentiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// The output before its softmax or sigmoid.
    Logit,
    /// `log(p / (1 - p))` of the probability p. Unlike the logits before a softmax it says nothing that
    /// all classes have in common. Of a sigmoid it is the logit.
    LogOdds,
    /// The output itself: a probability, or a value.
    Output,
}

impl Quantity {
    /// The quantity of a name in Python.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "logits" => Ok(Quantity::Logit),
            "log_odds" => Ok(Quantity::LogOdds),
            "outputs" => Ok(Quantity::Output),
            _ => Err(Error::invalid("of", name, "'logits', 'log_odds' or 'outputs'")),
        }
    }

    /// What it is with a loss: the same numbers under the plainest name.
    fn plain(self, loss: Loss) -> Self {
        match (self, loss) {
            (_, Loss::SquaredError | Loss::Huber) => Quantity::Logit,
            (Quantity::LogOdds, Loss::BinaryCrossEntropy | Loss::SquaredErrorSigmoid) => {
                Quantity::Logit
            }
            _ => self,
        }
    }
}

/// A network without what training adds, and the buffers for gradients by its inputs. It stays what it
/// was when it was taken; weights share memory.
#[derive(Debug)]
pub struct InputGradients {
    model: Mlp,
    standardizer: Option<Standardizer>,
    quantity: Quantity,
    workspace: Workspace,
    /// The quantity of each output, (n_out, stride).
    values: Lanes,
    /// What [`Share::of`] writes of each class, (n_out, stride), where the quantity needs it.
    shares: Lanes,
    /// (n_0, stride).
    gradient: Lanes,
    scratch: Lanes,
}

impl InputGradients {
    /// For batches of up to `max_batch` samples of `model`. Indices of transposed weights that it has
    /// not are made, and kept as long as this is.
    pub fn new(par: &Par, model: &Mlp, quantity: Quantity, max_batch: usize) -> Result<Self> {
        let at_rest = model.at_rest()?;
        let layers = at_rest.layers();
        let made = par.map(layers.len(), |l| layers[l].transposed(par).map(drop));
        made.into_iter().collect::<Result<()>>()?;
        let (loss, outputs) = (model.config().loss, model.n_outputs());
        let quantity = quantity.plain(loss);
        let lanes = stride(max_batch);
        let floats = |n: usize| Lanes::zeros(area(n, lanes, WHAT)?, WHAT);
        let has_shares = loss == Loss::CrossEntropy && quantity != Quantity::Logit;
        Ok(InputGradients {
            workspace: Workspace::new(&at_rest, max_batch, Memory::Fast)?,
            standardizer: model.standardizer().map(Standardizer::try_clone).transpose()?,
            quantity,
            values: floats(outputs)?,
            shares: floats(if has_shares { outputs } else { 0 })?,
            gradient: floats(model.config().layer_sizes[0])?,
            scratch: floats(1)?,
            model: at_rest,
        })
    }

    /// The network.
    pub fn model(&self) -> &Mlp {
        &self.model
    }

    /// The statistics by which its inputs are standardised.
    pub fn standardizer(&self) -> Option<&Standardizer> {
        self.standardizer.as_ref()
    }

    /// Where the inputs of a batch go before [`InputGradients::forward`], and what standardises them.
    pub fn buffers(&mut self) -> (BatchBuffers<'_>, Option<&Standardizer>) {
        (self.workspace.buffers(), self.standardizer.as_ref())
    }

    /// The inputs of the last batch, (n_0, stride).
    pub fn inputs(&self) -> Batch<'_> {
        self.workspace.inputs(0, None)
    }

    /// Computes the quantity of each output, (n_out, stride), for the `batch` samples whose inputs are
    /// there.
    pub fn forward(&mut self, par: &Par, batch: usize) -> Batch<'_> {
        let InputGradients { model, workspace, values, shares, .. } = self;
        (workspace.stride, workspace.samples) = (stride(batch), batch);
        model.forward_training(par, workspace, 0..model.layers.len());
        let (stride, n) = (workspace.stride, model.n_outputs());
        let z = workspace.outputs();
        values[..z.values.len()].copy_from_slice(z.values);
        if self.quantity == Quantity::Output {
            let values = BatchMut::new(values, n, stride);
            model.config.loss.outputs(values, &mut self.scratch[..stride]);
        }
        if !shares.is_empty() {
            for lane in 0..stride {
                let share = Share::of(z.as_batch(), lane, shares);
                if self.quantity == Quantity::LogOdds {
                    share.log_odds(z.as_batch(), lane, values);
                }
            }
        }
        Batch::new(&self.values, n, stride)
    }

    /// Computes [`InputGradients::gradient`], once [`InputGradients::forward`] has been.
    pub fn backward(&mut self, par: &Par, output: usize) {
        self.seed(output);
        let InputGradients { model, workspace, gradient, .. } = self;
        let (stride, n_in) = (workspace.stride, model.config.layer_sizes[0]);
        for l in (1..model.layers.len()).rev() {
            let (layer, srelu) = (&model.layers[l], model.layers[l - 1].srelu());
            pass_back(par, &model.config, layer, srelu, l, workspace, None);
        }
        let first = &model.layers[0];
        let index = first.transpose.get().expect("internal: made before");
        let w = Transposed { index, data: first.weights.data() };
        spmm_transpose(par, w, workspace.deltas(0), BatchMut::new(gradient, n_in, stride));
    }

    /// The gradient of the quantity of an output by each input, (n_0, stride).
    pub fn gradient(&self) -> Batch<'_> {
        Batch::new(&self.gradient, self.model.config.layer_sizes[0], self.workspace.stride)
    }

    /// Writes the gradient of the quantity of an output by the logits where passes back begin.
    fn seed(&mut self, output: usize) {
        let InputGradients { workspace, values, shares, quantity, .. } = self;
        let deltas = workspace.outputs();
        let stride = deltas.stride;
        deltas.values.fill(0.0);
        let own = output * stride..(output + 1) * stride;
        if *quantity == Quantity::Logit {
            deltas.values[own].fill(1.0);
        } else if shares.is_empty() {
            let of_sigmoid = deltas.values[own.clone()].iter_mut().zip(&values[own]);
            of_sigmoid.for_each(|(delta, &p)| *delta = p * (1.0 - p));
        } else {
            let is_output = *quantity == Quantity::Output;
            let shares = Batch::new(shares, deltas.values.len() / stride, stride);
            for lane in 0..stride {
                seed_class(shares, lane, output, is_output, deltas.values);
            }
        }
    }
}

/// How the classes of one sample share the probability, beside the largest logit.
struct Share {
    /// The class with the largest logit.
    best: usize,
    /// The second largest logit.
    second: f64,
    /// How far the largest is above it.
    above: f64,
    /// The sum of the shares of all classes but the best one.
    rest: f64,
}

/// The largest share, of a class beside which others are nothing.
const MOST: f64 = 1e30;

fn lanes(rows: Batch<'_>, lane: usize) -> impl Iterator<Item = f64> + Clone + '_ {
    rows.values[lane..].iter().step_by(rows.stride).map(|&v| f64::from(v))
}

impl Share {
    /// Writes `exp(z - second)` of each logit z of one lane, (n, stride).
    fn of(z: Batch<'_>, lane: usize, shares: &mut [f32]) -> Self {
        let classes = || lanes(z, lane).enumerate();
        let higher = |a: (usize, f64), b: (usize, f64)| if b.1 > a.1 { b } else { a };
        let (best, most) = classes().reduce(higher).unwrap_or_default();
        let others = || classes().filter(|(k, _)| *k != best);
        let second = others().fold(f64::NEG_INFINITY, |most, (_, z)| most.max(z));
        let mut rest = 0.0;
        for ((k, logit), out) in classes().zip(shares[lane..].iter_mut().step_by(z.stride)) {
            let share = (logit - second).exp().min(MOST);
            *out = share as f32;
            rest += if k == best { 0.0 } else { share };
        }
        Share { best, second, above: most - second, rest }
    }

    /// Writes the log-odds of each class of that lane: its logit less the logarithm of the sum of the
    /// others' exponentials.
    fn log_odds(&self, z: Batch<'_>, lane: usize, out: &mut [f32]) {
        for ((k, z), out) in
            lanes(z, lane).enumerate().zip(out[lane..].iter_mut().step_by(z.stride))
        {
            let others = match k == self.best {
                true => self.rest.ln(),
                false => {
                    let without = self.rest - (z - self.second).exp();
                    self.above + (without * (-self.above).exp()).ln_1p()
                }
            };
            *out = (z - self.second - others) as f32;
        }
    }
}

/// Writes the gradient of the probability, or of the log-odds, of a class by the logits of one lane.
fn seed_class(shares: Batch<'_>, lane: usize, class: usize, of_output: bool, deltas: &mut [f32]) {
    let others = || lanes(shares, lane).enumerate().filter(|(k, _)| *k != class);
    let own = f64::from(shares.values[class * shares.stride + lane]);
    let sum: f64 = others().map(|(_, share)| share).sum();
    let whole = own + sum;
    // By its own logit; by those of the others it is as much together, and goes the other way.
    let slope = if of_output { own / whole * (sum / whole) } else { 1.0 };
    deltas[class * shares.stride + lane] = slope as f32;
    for (k, share) in others() {
        deltas[k * shares.stride + lane] = (-slope * (share / sum)) as f32;
    }
}
