//! The multilayer perceptron: what it is made of, one step of training, one forward pass.

use serde::{Deserialize, Serialize};

use super::compact::Origin;
use super::config::Config;
use super::footprint::Footprint;
use super::layer::Layer;
use super::loss::{Answers, Score};
use super::moments::State;
use super::optimizer::Optimizer;
use super::owed::Owed;
use super::srelu::SRelu;
use super::standardize::{Standardizer, Units};
use super::workspace::{Memory, Workspace};
use crate::error::{Error, Result};
use crate::parallel::Par;
use crate::watch::Watch;

/// How far a network has been trained; random numbers are keyed by these counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counters {
    /// Completed epochs.
    pub epochs: u64,
    /// Completed training steps.
    pub steps: u64,
    /// Completed evolutions of the topology.
    pub evolutions: u64,
    /// Epochs that were completed before the last evolution or pruning; 0 if there was none. None if
    /// that is not known: files of version 1 do not say.
    #[serde(deserialize_with = "Option::deserialize")]
    pub changed_after: Option<u64>,
}

impl Default for Counters {
    fn default() -> Self {
        Counters { epochs: 0, steps: 0, evolutions: 0, changed_after: Some(0) }
    }
}

impl Counters {
    /// Counts an evolution.
    pub(super) fn evolved(&mut self) {
        self.evolutions += 1;
        self.changed();
    }

    /// Notes that connections have changed.
    pub(super) fn changed(&mut self) {
        self.changed_after = Some(self.epochs);
    }
}

/// Which random numbers a training step draws: those of a seed at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Draw {
    /// The seed: the network's own, or another one for each further worker.
    pub seed: u64,
    /// Steps before this one.
    pub step: u64,
}

/// A truly sparse multilayer perceptron.
#[derive(Clone, Debug)]
pub struct Mlp {
    pub(super) config: Config,
    pub(super) layers: Vec<Layer>,
    pub(super) standardizer: Option<Standardizer>,
    /// Those of the targets.
    pub(super) units: Option<Units>,
    /// Where the neurons come from, once a compaction has removed some.
    pub(super) origin: Option<Origin>,
    /// The optimiser that the moments belong to, unless it is SGD.
    pub(super) state: Option<State>,
    /// What connections of the first layer owe; see [`Mlp::settle`].
    pub(super) owed: Option<Box<Owed>>,
    /// How far the network has been trained.
    pub counters: Counters,
}

impl Mlp {
    /// A network with random connections and weights.
    pub fn new(par: &Par, config: Config) -> Result<Self> {
        Self::new_watched(par, config, &mut Watch::none())
    }

    /// [`Mlp::new`] under a watch, which counts as [`Layer::random`] does.
    pub fn new_watched(par: &Par, config: Config, watch: &mut Watch<'_>) -> Result<Self> {
        config.check()?;
        let footprint = Footprint::expected(&config, 0, None, Memory::Fast, 1)?;
        footprint.check(0.0)?;
        watch.begin((2.0 * footprint.connections) as u64);
        let layers = config
            .layer_sizes
            .windows(2)
            .zip(1..)
            .zip(config.sparsity.probabilities(&config.layer_sizes))
            .map(|((pair, index), probability)| {
                let (sizes, seed) = ([pair[0], pair[1]], config.seed);
                let gain = if index == 1 { config.input_gain } else { 1.0 };
                Layer::random(par, sizes, probability, config.init, seed, index, watch)
                    .map(|layer| layer.gained(gain))
            })
            .collect::<Result<_>>()?;
        Mlp::from_checked(config, layers)
    }

    /// A network from given layers, checked against the configuration.
    pub fn from_layers(config: Config, layers: Vec<Layer>) -> Result<Self> {
        config.check()?;
        let shapes = layers.iter().map(|l| (l.weights.n_cols(), l.weights.n_rows()));
        let expected: Vec<_> = config.layer_sizes.windows(2).map(|w| (w[0], w[1])).collect();
        let shapes: Vec<_> = shapes.collect();
        if layers.last().is_some_and(|output| !output.pruned.is_empty()) {
            return Err(Error::invalid("pruned", "neurons of the output layer", "hidden ones"));
        }
        if shapes != expected {
            return Err(Error::invalid(
                "weights",
                format!("shapes {shapes:?}"),
                format!("{expected:?}"),
            ));
        }
        Mlp::from_checked(config, layers)
    }

    fn from_checked(config: Config, mut layers: Vec<Layer>) -> Result<Self> {
        let hidden = layers.len() - 1;
        for (l, layer) in (1..).zip(&mut layers[..hidden]) {
            if config.activation.is_srelu(l) && layer.srelu.is_none() {
                layer.srelu = Some(SRelu::new(layer.weights.n_rows())?);
            }
        }
        let counters = Counters::default();
        let (standardizer, units) = (None, None);
        Ok(Mlp {
            config,
            layers,
            standardizer,
            units,
            origin: None,
            state: None,
            owed: None,
            counters,
        })
    }

    /// The bytes of all layers as they are now, transpose indices included.
    pub fn bytes(&self) -> f64 {
        let built = |l: &Layer| l.transpose.get().map_or(0, |t| t.bytes()) as f64;
        let indices = self.layers.iter().map(built).sum::<f64>();
        let footprint = Footprint::of(self, 0, None, Memory::Fast, self.rule().moments());
        footprint.total() + indices + self.owed_bytes() as f64
    }

    /// A copy; weights share memory until they are changed.
    pub fn try_clone(&self) -> Result<Self> {
        let layers = self.layers.iter().map(Layer::try_clone).collect::<Result<_>>()?;
        let standardizer = self.standardizer.as_ref().map(Standardizer::try_clone);
        Ok(Mlp {
            config: self.config.clone(),
            layers,
            standardizer: standardizer.transpose()?,
            units: self.units.as_ref().map(Units::try_clone).transpose()?,
            origin: self.origin.as_ref().map(Origin::try_clone).transpose()?,
            state: self.state,
            owed: self.owed.as_ref().map(|owed| owed.try_clone()).transpose()?.map(Box::new),
            counters: self.counters,
        })
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The layers, first hidden layer first, output layer last.
    ///
    /// # Panics
    /// If connections owe steps: see [`Mlp::settled`].
    pub fn layers(&self) -> &[Layer] {
        assert!(!self.owes(), "internal: a look at weights that owe steps");
        &self.layers
    }

    /// Statistics of the first training data, once there was some.
    pub fn standardizer(&self) -> Option<&Standardizer> {
        self.standardizer.as_ref()
    }

    /// Sets the statistics by which inputs are standardised from now on.
    pub fn set_standardizer(&mut self, standardizer: Standardizer) -> Result<()> {
        let (features, expected) = (standardizer.mean().len(), self.config.layer_sizes[0]);
        if !self.config.standardize.is_any() {
            let value = format!("statistics of {features} features");
            return Err(Error::invalid("standardizer", value, "none, as standardize is false"));
        }
        if features != expected {
            let value = format!("statistics of {features} features");
            return Err(Error::invalid("standardizer", value, format!("{expected} features")));
        }
        self.standardizer = Some(self.set_up(standardizer)?);
        Ok(())
    }

    /// Statistics as the settings have them.
    pub(super) fn set_up(&self, standardizer: Standardizer) -> Result<Standardizer> {
        standardizer.set_up(self.config.standardize, self.config.clip)
    }

    /// The units of targets, once there were some.
    pub fn units(&self) -> Option<&Units> {
        self.units.as_ref()
    }

    /// Sets the units of targets from now on.
    pub fn set_units(&mut self, units: Units) -> Result<()> {
        let outputs = units.mean().len();
        if !self.config.standardize_targets || outputs != self.n_outputs() {
            let value = format!("units of {outputs} targets");
            let expected = match self.config.standardize_targets {
                true => format!("{}", self.n_outputs()),
                false => "none, as standardize_targets is false".into(),
            };
            return Err(Error::invalid("units", value, expected));
        }
        self.units = Some(units);
        Ok(())
    }

    /// Goes back to having no statistics.
    pub fn forget_statistics(&mut self) {
        (self.standardizer, self.units) = (None, None);
    }

    /// The number of connections of each layer.
    pub fn connections(&self) -> Vec<usize> {
        self.layers.iter().map(|l| l.weights.nnz()).collect()
    }

    /// The number of connections in all layers.
    pub fn nnz(&self) -> usize {
        self.layers.iter().map(|l| l.weights.nnz()).sum()
    }

    /// Whether all parameters are finite, and all moments: a parameter with an infinite one is lost
    /// or never moves again.
    pub fn is_finite(&self, par: &Par) -> bool {
        const CHUNK: usize = 1 << 20;
        let all = |values: &[f32]| {
            let chunks: Vec<&[f32]> = values.chunks(CHUNK).collect();
            // Without a branch for each, so that the compiler takes several at once.
            let finite = |i: usize| chunks[i].iter().fold(true, |all, v| all & v.is_finite());
            par.map(chunks.len(), finite).into_iter().all(|is_finite| is_finite)
        };
        self.layers.iter().all(|l| {
            let of_srelu = l.srelu().map_or(&[][..], SRelu::parameters);
            let moments = [&l.momentum, &l.bias_momentum, &l.second.weights, &l.second.bias];
            [l.weights.data(), &l.bias, of_srelu].into_iter().all(all)
                && moments.into_iter().all(|values| all(values))
        })
    }

    /// The neurons of each layer with weights that have incoming connections.
    pub fn connected_neurons(&self) -> Vec<usize> {
        let connected = |l: &Layer| {
            let offsets = l.weights.pattern().indptr().windows(2);
            offsets.filter(|pair| pair[0] < pair[1]).count()
        };
        self.layers.iter().map(connected).collect()
    }

    /// Outputs of the last layer.
    pub fn n_outputs(&self) -> usize {
        self.layers.last().map_or(0, |l| l.weights.n_rows())
    }

    /// Takes all memory that a step needs beside its buffers: transpose indices, if it has some,
    /// and copies of weights that snapshots share. Call it after every change of the structure, and
    /// whenever a snapshot may have been taken.
    pub fn prepare_training(&mut self, par: &Par, memory: Memory) -> Result<()> {
        self.layers.iter_mut().try_for_each(|layer| layer.weights.unshare())?;
        if memory != Memory::Fast {
            self.layers[1..].iter_mut().for_each(Layer::forget_transpose);
            return Ok(());
        }
        // The input layer passes no gradient on.
        let layers = &self.layers[1..];
        let built = par.map(layers.len(), |l| layers[l].transposed(par).map(drop));
        built.into_iter().collect()
    }

    /// One step over the batch in `workspace`; lane b is sample `samples[b]` of the answers. `at`,
    /// a step of a total, is where the learning-rate schedule stands. Returns the scores of the
    /// batch before the step.
    ///
    /// Without [`Mlp::prepare_training`] since the last change of the structure it is slower.
    ///
    /// # Panics
    /// If another kind of optimiser made a step and [`Mlp::prepare_optimizer`] was not called
    /// since.
    pub fn train_step(
        &mut self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        optimizer: &Optimizer,
        at: (u64, u64),
    ) -> Score {
        let draw = self.next_draw();
        let mut score = self.score_batch(par, workspace, samples, answers, draw);
        let taken = self.counters.steps - self.state.map_or(0, |state| state.since);
        let update = optimizer.step(at, taken, samples.len());
        self.backward(par, workspace, &update);
        self.counters.steps += 1;
        score.multiply_adds = workspace.products;
        score
    }
}
