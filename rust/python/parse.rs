//! Names and numbers from Python as the core's types.

use pyo3::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::{
    Activation, Config, Cut, Memory, Optimizer, PerLayer, Pruned, Pruning, Refusal, Sparsity,
};
use crate::topology::Init;
use crate::train::WarmUp;

/// The value that `name` stands for among those that the type's file format knows.
pub fn name<'de, T: Deserialize<'de>>(argument: &str, value: &'de str) -> Result<T> {
    let deserializer: StrDeserializer<'de, NameError> = value.into_deserializer();
    T::deserialize(deserializer).map_err(|e| {
        let text = e.to_string();
        let expected = text.split("expected ").last().unwrap_or_default().replace('`', "'");
        Error::invalid(argument, format!("{value:?}"), expected)
    })
}

/// The name of a value, as [`name`] takes it.
pub fn text<T: Serialize>(value: &T) -> PyResult<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(name)) => Ok(name),
        other => panic!("internal: {other:?} is not a name"),
    }
}

/// What a pruning did to each layer, in plain values: neurons, connections, and why not, if so.
pub fn pruned(reports: Vec<Pruned>) -> Vec<(usize, usize, Option<&'static str>)> {
    let plain = |r: Pruned| (r.neurons, r.connections, r.refused.map(Refusal::reason));
    reports.into_iter().map(plain).collect()
}

/// How much memory training may take.
pub fn memory(value: &str) -> Result<Memory> {
    match value {
        "fast" => Ok(Memory::Fast),
        "lean" => Ok(Memory::Lean),
        "least" => Ok(Memory::Least),
        _ => Err(Error::invalid("memory", format!("{value:?}"), "'fast', 'lean' or 'least'")),
    }
}

/// A setting that is the same in all layers or one for each, as Python has it.
#[derive(FromPyObject, IntoPyObject)]
pub enum Setting<T> {
    /// The same in all.
    Same(T),
    /// One for each.
    Each(Vec<T>),
}

impl<T> From<PerLayer<T>> for Setting<T> {
    fn from(value: PerLayer<T>) -> Self {
        match value {
            PerLayer::Same(value) => Setting::Same(value),
            PerLayer::Each(values) => Setting::Each(values),
        }
    }
}

impl<T> Setting<T> {
    /// The core's type, with every value converted.
    fn map<U>(self, mut f: impl FnMut(T) -> Result<U>) -> Result<PerLayer<U>> {
        Ok(match self {
            Setting::Same(value) => PerLayer::Same(f(value)?),
            Setting::Each(values) => {
                PerLayer::Each(values.into_iter().map(f).collect::<Result<_>>()?)
            }
        })
    }
}

/// The names of values, as [`text`] of each.
pub fn texts<T: Serialize + Copy>(values: &PerLayer<T>) -> PyResult<Setting<String>> {
    Ok(match values {
        PerLayer::Same(value) => Setting::Same(text(value)?),
        PerLayer::Each(values) => Setting::Each(values.iter().map(text).collect::<PyResult<_>>()?),
    })
}

/// The keyword arguments that define a network, as one object per call.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct ConfigArguments {
    layer_sizes: Vec<usize>,
    epsilon: Option<Setting<f64>>,
    density: Option<Setting<f64>>,
    allocation: Option<String>,
    activation: Setting<String>,
    slope: f64,
    loss: String,
    init: String,
    fan: String,
    dropout: Setting<f64>,
    input_noise: f64,
    standardize: bool,
    seed: u64,
}

impl ConfigArguments {
    pub fn config(self) -> Result<Config> {
        let sparsity = match (self.epsilon, self.density, self.allocation) {
            (Some(epsilon), None, None) => Sparsity::Epsilon(epsilon.map(Ok)?),
            (None, Some(density), None) => Sparsity::Density(density.map(Ok)?),
            (None, Some(Setting::Same(density)), Some(allocation)) => {
                Sparsity::Allocated { density, allocation: name("allocation", &allocation)? }
            }
            (None, None, None) => Sparsity::Given,
            (Some(_), Some(_), _) => {
                let expected = "one of epsilon and density, not both";
                return Err(Error::invalid("epsilon", "a value beside density", expected));
            }
            (_, _, Some(allocation)) => {
                let expected = "one density of the whole network with it";
                return Err(Error::invalid("allocation", format!("{allocation:?}"), expected));
            }
        };
        Ok(Config {
            layer_sizes: self.layer_sizes,
            sparsity,
            activation: Activation {
                kind: self.activation.map(|value| name("activation", &value))?,
                slope: self.slope,
            },
            loss: name("loss", &self.loss)?,
            init: Init { scheme: name("init", &self.init)?, fan: name("fan", &self.fan)? },
            dropout: self.dropout.map(Ok)?,
            input_noise: self.input_noise,
            standardize: self.standardize,
            seed: self.seed,
        })
    }
}

/// How neurons are pruned: one of `percentile` and `threshold`.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct PruningArguments {
    percentile: Option<Setting<f64>>,
    threshold: Option<f64>,
    /// Whether a percentile is of the connected neurons only.
    connected: bool,
    /// Whether SET grows the neurons no connections again.
    close: bool,
}

impl PruningArguments {
    /// The core's type.
    pub fn pruning(self) -> Result<Pruning> {
        let cut = match (self.percentile, self.threshold) {
            (Some(percentile), None) => {
                let values = percentile.map(Ok)?;
                if self.connected {
                    Cut::ConnectedPercentile(values)
                } else {
                    Cut::Percentile(values)
                }
            }
            (None, Some(threshold)) => Cut::Threshold(threshold),
            (percentile, threshold) => {
                let given = percentile.is_some();
                let value = format!("{given} with threshold = {threshold:?}");
                return Err(Error::invalid("percentile", value, "one of percentile and threshold"));
            }
        };
        Ok(Pruning { cut, close: self.close })
    }
}

/// The optimiser that a JSON text describes.
pub fn optimizer(text: &str) -> Result<Optimizer> {
    serde_json::from_str(text).map_err(|e| Error::invalid("optimizer", e, "an optimiser's JSON"))
}

/// One that servers can apply the gradients of others with.
pub fn shared_optimizer(text: &str) -> Result<Optimizer> {
    let (optimizer, expected) = (optimizer(text)?, "SGD with several workers");
    match optimizer.kind() {
        rule if rule.applies_alone() => Ok(optimizer),
        rule => Err(Error::invalid("optimizer", rule.name(), expected)),
    }
}

/// How a synchronous fit warms up.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct WarmUpArguments {
    warmup_epochs: usize,
    momentum_correction: bool,
    scale_local_rate: bool,
}

impl From<WarmUpArguments> for WarmUp {
    fn from(given: WarmUpArguments) -> Self {
        WarmUp {
            epochs: given.warmup_epochs,
            momentum_correction: given.momentum_correction,
            scale_local_rate: given.scale_local_rate,
        }
    }
}
