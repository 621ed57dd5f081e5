//! The settings of a network: each once, checked. Their defaults and the words that users know
//! stand in Python's `config.py`; both meet in the JSON form, which is also that of the model file.

use serde::{Deserialize, Serialize};

use super::activation::{Activation, ActivationKind};
use super::loss::{Loss, TargetRange};
use super::mlp::Draw;
use super::per_layer::PerLayer;
use super::ranges;
use super::sparsity::Sparsity;
use crate::csr::NONE;
use crate::error::{Error, Result};
use crate::kernels::{Mask, Needs};
use crate::rng::{Purpose, Stream};
pub use crate::topology::Init;
use crate::topology::{Fan, Scheme, expected_connections};

/// What defines a network besides its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Neurons of each layer, inputs first and outputs last.
    pub layer_sizes: Vec<usize>,
    /// How many connections there are at the start.
    pub sparsity: Sparsity,
    /// The activations of hidden layers.
    pub activation: Activation,
    /// The loss and with it the output function.
    pub loss: Loss,
    /// How much of each target of cross-entropy training spreads evenly over the classes.
    pub label_smoothing: f64,
    /// The distribution of initial and of grown weights.
    pub init: Init,
    /// The factor of the first layer's initial weights.
    // Files from before there was one lack it, as those of models with 1 do.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub input_gain: f64,
    /// The probability with which a hidden unit is dropped while training, in all hidden layers or
    /// in each.
    pub dropout: PerLayer<f64>,
    /// The standard deviation of the noise added to the (standardised) inputs while training.
    pub input_noise: f64,
    /// Which inputs are standardised with the statistics of the first training data.
    pub standardize: Standardize,
    /// What standardised inputs approach but never exceed.
    // Files from before there was a limit lack it, as those of models without one do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
    /// Whether the network learns targets in units of their own deviations from their mean.
    pub standardize_targets: bool,
    /// The seed of everything random.
    pub seed: u64,
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

/// Which inputs are standardised; in JSON `false`, `true` and `"auto"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Word", into = "Word")]
pub enum Standardize {
    /// None of them.
    None,
    /// All.
    All,
    /// Those of dense samples, and of sparse ones the columns that most samples have. Others are scaled at
    /// most, where their values are of another size than 1.
    Auto,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Word {
    Flag(bool),
    Named(String),
}

impl TryFrom<Word> for Standardize {
    type Error = String;

    fn try_from(word: Word) -> std::result::Result<Self, String> {
        match word {
            Word::Flag(false) => Ok(Standardize::None),
            Word::Flag(true) => Ok(Standardize::All),
            Word::Named(word) if word == "auto" => Ok(Standardize::Auto),
            Word::Named(word) => {
                Err(format!("standardize {word:?}: expected true, false, \"auto\""))
            }
        }
    }
}

impl From<Standardize> for Word {
    fn from(standardize: Standardize) -> Self {
        match standardize {
            Standardize::None => Word::Flag(false),
            Standardize::All => Word::Flag(true),
            Standardize::Auto => Word::Named("auto".into()),
        }
    }
}

impl Standardize {
    /// Whether there are statistics.
    pub fn is_any(self) -> bool {
        self != Standardize::None
    }
}

impl Config {
    /// The plainest settings, for `..`: connections are given, hidden layers have ReLU, the loss is
    /// cross-entropy, training adds nothing, and the seed is 0.
    pub fn plain(layer_sizes: Vec<usize>) -> Self {
        Config {
            layer_sizes,
            sparsity: Sparsity::Given,
            activation: Activation { kind: ActivationKind::Relu.into(), slope: 0.0 },
            loss: Loss::CrossEntropy,
            label_smoothing: 0.0,
            init: Init { scheme: Scheme::HeUniform, fan: Fan::Layer },
            input_gain: 1.0,
            dropout: 0.0.into(),
            input_noise: 0.0,
            standardize: Standardize::None,
            clip: None,
            standardize_targets: false,
            seed: 0,
        }
    }

    /// Dropout of a hidden layer, counted from 1, in a step; its scale depends on the rate only.
    pub(super) fn mask(&self, layer: usize, draw: Draw) -> Option<Mask> {
        let rate = self.dropout.of(layer - 1);
        let stream = Stream::new(draw.seed, Purpose::Dropout, layer as u64, draw.step);
        (rate > 0.0).then(|| Mask::new(stream, rate))
    }

    /// Neurons of the layers that have SReLU, inputs first, and 0 for the others.
    pub(super) fn srelu_sizes(&self) -> Vec<usize> {
        self.sizes_of(|l| self.activation.is_srelu(l))
    }

    /// Neurons of the layers of whose pre-activations the backward pass needs all, or what side of
    /// zero they were on; inputs first, and 0 for the others.
    pub(super) fn sizes_needing(&self, needs: Needs) -> Vec<usize> {
        self.sizes_of(|l| self.activation.needs(l) == needs)
    }

    /// Neurons of the hidden layers that are chosen, and 0 for the others.
    fn sizes_of(&self, chosen: impl Fn(usize) -> bool) -> Vec<usize> {
        let last = self.layer_sizes.len() - 1;
        let sizes = self.layer_sizes.iter().enumerate();
        sizes.map(|(l, &n)| if l > 0 && l < last && chosen(l) { n } else { 0 }).collect()
    }

    /// Checks every value; the message names the argument as users know it.
    pub fn check(&self) -> Result<()> {
        let sizes = &self.layer_sizes;
        if sizes.len() < 2 {
            return Err(Error::invalid(
                "layer_sizes",
                format!("{sizes:?}"),
                "at least an input and an output size",
            ));
        }
        if let Some(n) = sizes.iter().find(|&&n| n == 0 || n >= NONE as usize) {
            return Err(Error::invalid("layer_sizes", n, format!("sizes from 1 to {}", NONE - 1)));
        }
        self.sparsity.check(sizes.len() - 1)?;
        for (pair, probability) in sizes.windows(2).zip(self.sparsity.probabilities(sizes)) {
            expected_connections(pair[0], pair[1], probability)?;
        }
        let smoothing = self.label_smoothing;
        ranges::LABEL_SMOOTHING.check("label_smoothing", &[smoothing])?;
        if smoothing > 0.0 && self.loss != Loss::CrossEntropy {
            let value = format!("{smoothing} with loss = {:?}", self.loss);
            return Err(Error::invalid("label_smoothing", value, "cross-entropy"));
        }
        if self.standardize_targets && self.loss.target_range() != TargetRange::Finite {
            let value = format!("true with loss = {:?}", self.loss);
            return Err(Error::invalid("standardize_targets", value, "squared error or Huber's"));
        }
        if let Some(clip) = self.clip {
            ranges::CLIP.check("clip", &[clip])?;
            if !self.standardize.is_any() {
                let expected = "standardised inputs, or none";
                return Err(Error::invalid("clip", clip, expected));
            }
        }
        self.activation.kind.check("activation", sizes.len() - 2, "hidden layer")?;
        self.dropout.check("dropout", sizes.len() - 2, "hidden layer")?;
        ranges::INPUT_GAIN.check("input_gain", &[self.input_gain])?;
        ranges::SLOPE.check("slope", &[self.activation.slope])?;
        ranges::DROPOUT.check("dropout", self.dropout.values())?;
        ranges::INPUT_NOISE.check("input_noise", &[self.input_noise])
    }

    /// The settings that a JSON text gives, checked.
    pub fn from_json(text: &str) -> Result<Self> {
        let config: Config = serde_json::from_str(text).map_err(|e| {
            Error::invalid("config", text, format!("the settings of a network ({e})"))
        })?;
        config.check()?;
        Ok(config)
    }

    /// The JSON text of the settings.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("internal: plain data always serialise")
    }
}
