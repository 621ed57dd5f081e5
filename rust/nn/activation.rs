//! Activation functions of hidden layers; All-ReLU is that of arXiv 2102.01732.

use serde::{Deserialize, Serialize};

use super::per_layer::PerLayer;
use crate::kernels::{Map, Needs};

/// The names of activation functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActivationKind {
    /// Alternated left ReLU: the negative side's slope changes its sign from layer to layer.
    AllRelu,
    /// max(z, 0).
    Relu,
    /// z where positive, slope * z elsewhere.
    LeakyRelu,
    /// 1 / (1 + e^-z).
    Sigmoid,
    /// tanh z.
    Tanh,
    /// z / (1 + e^-z).
    Silu,
    /// z times the normal distribution function at z.
    Gelu,
    /// z.
    Identity,
    /// S-shaped ReLU: z between two thresholds, and a slope beyond each; these are four trained
    /// parameters for every neuron (Jin et al., 2016).
    Srelu,
}

/// The activation functions of hidden layers with their parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Activation {
    /// Which function, in all hidden layers or in each.
    pub kind: PerLayer<ActivationKind>,
    /// Alpha in arXiv 2102.01732; only All-ReLU and leaky ReLU use it.
    pub slope: f64,
}

impl Activation {
    /// The function of hidden layer `hidden`, counted from 1. arXiv 2102.01732 counts the input as
    /// layer 1, so the first hidden layer is even and its slope is `-alpha`. For SReLU it is the
    /// identity: SReLU has parameters for each neuron and is applied afterwards.
    pub fn map(&self, hidden: usize) -> Map {
        let slope = self.slope as f32;
        match self.kind.of(hidden - 1) {
            ActivationKind::AllRelu if hidden % 2 == 1 => Map::Slope(-slope),
            ActivationKind::AllRelu | ActivationKind::LeakyRelu => Map::Slope(slope),
            ActivationKind::Relu => Map::Slope(0.0),
            ActivationKind::Sigmoid => Map::Sigmoid,
            ActivationKind::Tanh => Map::Tanh,
            ActivationKind::Silu => Map::Silu,
            ActivationKind::Gelu => Map::Gelu,
            ActivationKind::Identity | ActivationKind::Srelu => Map::Identity,
        }
    }

    /// What the backward pass needs of hidden layer `hidden`, counted from 1.
    pub(super) fn needs(&self, hidden: usize) -> Needs {
        if self.is_srelu(hidden) { Needs::PreActivations } else { self.map(hidden).needs() }
    }

    /// Whether hidden layer `hidden`, counted from 1, has SReLU.
    pub fn is_srelu(&self, hidden: usize) -> bool {
        self.kind.of(hidden - 1) == ActivationKind::Srelu
    }
}
