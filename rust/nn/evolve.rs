//! Changes of the topology: evolutions by a rule, with or without gradients on a batch, and changes
//! that the caller decides on.

use std::cmp::Reverse;
use std::mem::{replace, take};

use super::backward::pass_back;
use super::batch::SparseInput;
use super::layer::Layer;
use super::mlp::{Draw, Mlp};
use super::{Answers, Workspace};
use crate::csr::Pattern;
use crate::error::{Error, Result};
use crate::kernels::{Batch, sddmm};
use crate::memory::reserved;
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};
use crate::topology::{
    Buffers, Evolved, Evolving, Gradients, Grown, Init, Old, Rewired, Rule, Turnover, carry, rewire,
};

/// A change of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Which of its entries go.
    pub drop: &'a [bool],
    /// What grows.
    pub grow: Grown<'a>,
}

/// Places of a layer, with a connection or without.
#[derive(Clone, Copy, Debug)]
pub struct Places<'a> {
    /// The layer's index.
    pub layer: usize,
    /// The places, a row an output neuron.
    pub pattern: Pattern<'a>,
}

/// What a change of the topology did to each layer: for each entry the position that it had before,
/// or [`crate::csr::NONE`] if it was grown; nothing for a layer that has not changed.
pub type Sources = Vec<Option<Vec<u32>>>;

/// Connections up to which all layers evolve at the same time. It is faster, as parts of an
/// evolution use one thread, but takes up to 8 bytes a connection: 4 MiB at most.
const AT_ONCE: usize = 1 << 19;

/// An evolution: its rule, and what all layers have in common.
struct Evolution<'a> {
    rule: &'a dyn Rule,
    init: Init,
    seed: u64,
    /// How many evolutions the network has had before.
    number: u64,
    /// Whether the caller wants the sources.
    track: bool,
}

/// What an evolution makes of a layer: its weights with their momentum, and their second moments.
struct New {
    evolved: Evolved,
    second: Vec<f32>,
}

impl Evolution<'_> {
    /// What it makes of a layer, whose `index` counts from 0; survivors keep their moments, grown
    /// connections start without.
    fn of(
        &self,
        par: &Par,
        layer: &Layer,
        index: usize,
        gradients: Option<Gradients<'_>>,
        buffers: &mut Buffers,
    ) -> Result<New> {
        let stream = |purpose| Stream::new(self.seed, purpose, index as u64 + 1, self.number);
        let (places, values) = (stream(Purpose::GrowPlaces), stream(Purpose::GrowValues));
        let old = Old {
            weights: &layer.weights,
            carried: &layer.momentum,
            closed: &layer.pruned,
            track: self.track || layer.second.exist(),
        };
        let evolving = Evolving { old, init: self.init, places, values, gradients };
        let evolved = self.rule.evolve(par, &evolving, buffers)?;
        let second = layer.second.carried(par, &evolved.source)?;
        Ok(New { evolved, second })
    }
}

impl Layer {
    /// Takes over weights with their moments; what it was before goes to `buffers`.
    fn replace(&mut self, new: New, buffers: &mut Buffers) {
        self.second.weights = new.second;
        let weights = replace(&mut self.weights, new.evolved.matrix);
        let momentum = replace(&mut self.momentum, new.evolved.carried);
        buffers.recycle(weights, momentum);
        self.transpose.take();
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
    /// Evolves every layer but the output layer by a rule that needs no samples; returns how many
    /// connections of each layer went and came.
    ///
    /// Large networks evolve layer by layer, the one with most connections first; the others use
    /// its memory again (see [`super::Footprint`]). If there is no memory for the first nothing has
    /// changed. If memory runs out later, because another process takes it or a snapshot holds
    /// some, some layers have evolved and some have not; such a network can be used like any other.
    pub fn evolve(&mut self, par: &Par, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        self.evolve_tracked(par, rule, false).map(|(turnover, _)| turnover)
    }

    /// [`Mlp::evolve`] that, with `track`, also says where the connections of each layer come from.
    pub fn evolve_tracked(
        &mut self,
        par: &Par,
        rule: &dyn Rule,
        track: bool,
    ) -> Result<(Vec<Turnover>, Sources)> {
        rule.check()?;
        if rule.needs_gradients() {
            let expected = "one that needs no samples";
            return Err(Error::invalid("rule", format!("{rule:?}"), expected));
        }
        let evolution = self.evolution(rule, track);
        let evolving = self.layers.len() - 1;
        // Drops the transpose indices: training builds them again.
        self.layers[..evolving].iter_mut().for_each(Layer::forget_transpose);
        let mut turnover = vec![Turnover::default(); evolving + 1];
        let mut sources: Sources = vec![None; evolving + 1];
        let mut keep = |l: usize, layer: &mut Layer, mut new: New, buffers: &mut Buffers| {
            turnover[l] = new.evolved.turnover;
            sources[l] = track.then_some(take(&mut new.evolved.source));
            layer.replace(new, buffers);
        };
        let layers = &mut self.layers[..evolving];
        if layers.iter().map(|layer| layer.weights.nnz()).sum::<usize>() <= AT_ONCE {
            let evolved = |l| evolution.of(par, &layers[l], l, None, &mut Buffers::default());
            let all = par.map(evolving, evolved).into_iter().collect::<Result<Vec<_>>>()?;
            for (l, (layer, new)) in layers.iter_mut().zip(all).enumerate() {
                keep(l, layer, new, &mut Buffers::default());
            }
        } else {
            let mut buffers = Buffers::default();
            // In this order each layer finds arrays that are large enough.
            let mut order: Vec<_> = layers.iter_mut().enumerate().collect();
            order.sort_by_key(|(_, layer)| Reverse(layer.weights.nnz()));
            for (l, layer) in order {
                let new = evolution.of(par, layer, l, None, &mut buffers)?;
                keep(l, layer, new, &mut buffers);
            }
        }
        self.counters.evolved();
        Ok((turnover, sources))
    }

    /// [`Mlp::evolve`] by a rule that may use the gradients of the loss on the batch in
    /// `workspace`. `answers` as in [`Mlp::train_step`]; dropout and noise are those of the next
    /// step.
    ///
    /// Layers evolve from the last one to the first, each when its deltas have been passed on. An
    /// error can leave a network some layers of which have evolved, as it can in [`Mlp::evolve`].
    pub fn evolve_on_batch(
        &mut self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        rule: &dyn Rule,
    ) -> Result<Vec<Turnover>> {
        rule.check()?;
        let evolution = self.evolution(rule, false);
        self.score_batch(par, workspace, samples, answers, self.next_draw());
        let mut turnover = vec![Turnover::default(); self.layers.len()];
        let mut buffers = Buffers::default();
        for l in (0..self.layers.len()).rev() {
            self.deltas_behind(par, workspace, l);
            if l + 1 == self.layers.len() {
                continue;
            }
            let sparse = workspace.sparse.as_ref().filter(|_| l == 0);
            let (dy, x) = (workspace.deltas(l), workspace.inputs(l, sparse));
            let gradients =
                |places: Pattern<'_>, out: &mut [f32]| gradients(par, places, sparse, dy, x, out);
            let new = evolution.of(par, &self.layers[l], l, Some(&gradients), &mut buffers)?;
            turnover[l] = new.evolved.turnover;
            self.layers[l].replace(new, &mut buffers);
        }
        self.counters.evolved();
        Ok(turnover)
    }

    fn evolution<'a>(&self, rule: &'a dyn Rule, track: bool) -> Evolution<'a> {
        let (init, seed) = (self.config.init, self.config.seed);
        Evolution { rule, init, seed, number: self.counters.evolutions, track }
    }

    /// Writes to `out` the gradients of the mean loss of the batch in `workspace` at some places,
    /// one for each; where there is no connection, the gradient that one would have. Otherwise as
    /// [`Mlp::evolve_on_batch`]; the network does not change.
    pub fn gradient_at(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        places: Places<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        let Places { layer, pattern } = places;
        self.score_batch(par, workspace, samples, answers, self.next_draw());
        for l in (layer + 1..self.layers.len()).rev() {
            self.deltas_behind(par, workspace, l);
        }
        self.recall(par, workspace, layer);
        let sparse = workspace.sparse.as_ref().filter(|_| layer == 0);
        let (dy, x) = (workspace.deltas(layer), workspace.inputs(layer, sparse));
        gradients(par, pattern, sparse, dy, x, out)?;
        let inverse = 1.0 / samples.len() as f32;
        out.iter_mut().for_each(|g| *g *= inverse);
        Ok(())
    }

    /// Which random numbers the next step will draw.
    pub fn next_draw(&self) -> Draw {
        Draw { seed: self.config.seed, step: self.counters.steps }
    }

    /// Passes the deltas of layer `l` back to the layer before, if there is one.
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
    pub fn rewire(&mut self, par: &Par, changes: &[Option<Change<'_>>]) -> Result<Vec<Turnover>> {
        let evolving = self.layers.len() - 1;
        if changes.len() != evolving {
            return Err(Error::invalid("changes", changes.len(), format!("{evolving}")));
        }
        let mut rewired = reserved(evolving, "changes of the topology")?;
        for (l, change) in changes.iter().enumerate() {
            let Some(Change { drop, grow }) = change else {
                rewired.push(None);
                continue;
            };
            let layer = &self.layers[l];
            let Rewired { matrix, source, dropped } =
                rewire(&layer.weights, drop, grow, &layer.pruned)
                    .map_err(|error| error.of(format!("layer {}", l + 1)))?;
            let turnover = Turnover { dropped, grown: grow.inputs.len() };
            let carried = carry(par, &source, &layer.momentum)?;
            let second = layer.second.carried(par, &source)?;
            let source = Vec::new();
            rewired
                .push(Some(New { evolved: Evolved { matrix, carried, source, turnover }, second }));
        }
        let mut report = vec![Turnover::default(); self.layers.len()];
        for ((layer, new), report) in self.layers.iter_mut().zip(rewired).zip(&mut report) {
            if let Some(new) = new {
                *report = new.evolved.turnover;
                layer.replace(new, &mut Buffers::default());
            }
        }
        self.counters.evolved();
        Ok(report)
    }
}
