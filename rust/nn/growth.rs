//! Growth by gradients: those that connections would have at places that hold none, on one batch;
//! and changes of the topology that somebody else decides on.

use std::sync::{Mutex, PoisonError};

use super::backward::pass_back;
use super::input::SparseInput;
use super::mlp::{Draw, Mlp, Set};
use super::{Answers, Workspace};
use crate::csr::Pattern;
use crate::error::{Error, Result};
use crate::kernels::{Batch, sddmm};
use crate::memory::reserved;
use crate::parallel::Par;
use crate::topology::{Grown, Guide, Spare, carry, rewire};

/// The parameters of an evolution by gradients: SET's, whose connections grow at the best of more
/// places than they need.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GradientGrowth {
    /// What is dropped, and how grown weights start.
    pub set: Set,
    /// Candidates for each connection that grows, at least 1.
    pub samples: f64,
}

/// A change of a layer: which of its entries go, and what grows.
pub type Change<'a> = (&'a [bool], Grown<'a>);

impl GradientGrowth {
    /// Checks every value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        if !(self.samples.is_finite() && self.samples >= 1.0) {
            return Err(Error::invalid("samples", self.samples, "a finite number of at least 1"));
        }
        self.set.check()
    }
}

/// The gradients at places of a layer from its inputs, of few features if it is the first one of a
/// sparse batch, and the deltas of its outputs.
fn gradients(
    par: &Par,
    places: Pattern<'_>,
    sparse: Option<&SparseInput>,
    dy: Batch<'_>,
    x: Batch<'_>,
    out: &mut [f32],
) -> Result<()> {
    match sparse {
        Some(input) => input.gradient_at(par, places, dy, x, out),
        None => {
            sddmm(par, places, dy, x, out);
            Ok(())
        }
    }
}

impl Mlp {
    /// Evolves every layer but the output layer as [`Mlp::evolve`] does, but connections grow where
    /// the loss on the batch in `workspace` has the largest gradients; returns
    /// the replaced connections per layer. `answers` as in [`Mlp::train_step`]; dropout and noise
    /// are those of the next step.
    ///
    /// Layers evolve from the last one to the first, each when its deltas have been passed on. An
    /// error can leave a network some layers of which have evolved, as it can in [`Mlp::evolve`].
    pub fn evolve_by_gradient(
        &mut self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        growth: &GradientGrowth,
    ) -> Result<Vec<usize>> {
        growth.check()?;
        let (init, seed, epoch) = (self.config.init, self.config.seed, self.counters.evolutions);
        self.score_batch(par, workspace, samples, answers, self.next_draw());
        let mut replaced = vec![0; self.layers.len()];
        let mut spare = Spare::default();
        for l in (0..self.layers.len()).rev() {
            self.deltas_behind(par, workspace, l);
            if l + 1 == self.layers.len() {
                continue;
            }
            let sparse = workspace.sparse.as_deref().filter(|_| l == 0);
            let (dy, x) = (workspace.deltas(l), workspace.inputs(l, sparse));
            let failed = Mutex::new(Ok(()));
            let score = |candidates: Pattern<'_>, scores: &mut [f32]| {
                if let Err(e) = gradients(par, candidates, sparse, dy, x, scores) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(e);
                }
            };
            let guide = Guide { samples: growth.samples, score: &score };
            let (set, index) = (&growth.set, (l as u64 + 1, epoch));
            let how = (false, Some(guide), &mut spare);
            let (evolved, second) = self.layers[l].evolved(par, set, init, seed, index, how)?;
            failed.into_inner().unwrap_or_else(PoisonError::into_inner)?;
            replaced[l] = evolved.dropped;
            self.layers[l].replace(evolved.matrix, (evolved.carried, second), &mut spare);
        }
        self.counters.evolutions += 1;
        Ok(replaced)
    }

    /// The gradients that the mean loss of the batch in `workspace` has, or would have, at places of layer `layer`, to `out`, (places.nnz(),). Otherwise as
    /// [`Mlp::evolve_by_gradient`]; the network stays as it is.
    pub fn gradient_at(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        (layer, places): (usize, Pattern<'_>),
        out: &mut [f32],
    ) -> Result<()> {
        self.score_batch(par, workspace, samples, answers, self.next_draw());
        for l in (layer + 1..self.layers.len()).rev() {
            self.deltas_behind(par, workspace, l);
        }
        self.recall(par, workspace, layer);
        let sparse = workspace.sparse.as_deref().filter(|_| layer == 0);
        let (dy, x) = (workspace.deltas(layer), workspace.inputs(layer, sparse));
        gradients(par, places, sparse, dy, x, out)?;
        let inverse = 1.0 / samples.len() as f32;
        out.iter_mut().for_each(|g| *g *= inverse);
        Ok(())
    }

    /// Which random numbers the next step will draw.
    pub fn next_draw(&self) -> Draw {
        Draw { seed: self.config.seed, step: self.counters.steps }
    }

    /// From the deltas of layer `l` to those of the layer before, if there is one.
    fn deltas_behind(&self, par: &Par, workspace: &mut Workspace, l: usize) {
        self.recall(par, workspace, l);
        if l > 0 {
            let (layer, srelu) = (&self.layers[l], self.layers[l - 1].srelu());
            pass_back(par, &self.config, layer, srelu, l, workspace, None);
        }
    }

    /// Changes layers, the output layer excepted, each as it is told or not at all; survivors keep
    /// their momentum. Returns dropped and grown connections per layer. After an error, which names
    /// the layer by its number from 1, nothing has changed.
    pub fn rewire(
        &mut self,
        par: &Par,
        changes: &[Option<Change<'_>>],
    ) -> Result<Vec<(usize, usize)>> {
        let evolving = self.layers.len() - 1;
        if changes.len() != evolving {
            return Err(Error::invalid("changes", changes.len(), format!("{evolving}")));
        }
        let mut rewired = reserved(evolving, "changes of the topology")?;
        for (l, change) in changes.iter().enumerate() {
            let Some((drop, grown)) = change else {
                rewired.push(None);
                continue;
            };
            let layer = &self.layers[l];
            let new = rewire(&layer.weights, drop, grown, &layer.pruned)
                .map_err(|error| error.of(format!("layer {}", l + 1)))?;
            let momentum = carry(par, &new.source, &layer.momentum)?;
            let second = layer.second.carried(par, &new.source)?;
            rewired.push(Some((new, (momentum, second), grown.inputs.len())));
        }
        let mut report = vec![(0, 0); self.layers.len()];
        for ((layer, new), report) in self.layers.iter_mut().zip(rewired).zip(&mut report) {
            if let Some((new, moments, grown)) = new {
                *report = (new.dropped, grown);
                layer.replace(new.matrix, moments, &mut Spare::default());
            }
        }
        self.counters.evolutions += 1;
        Ok(report)
    }
}
