//! Names and numbers from Python as the core's types.

use pyo3::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::nn::{Activation, Config, Memory, PerLayer, Pruned, Pruning, Refusal, Sgd, Sparsity};
use crate::topology::Init;

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

/// The rule that one of the two arguments gives.
pub fn pruning(percentile: Option<f64>, threshold: Option<f64>) -> Result<Pruning> {
    match (percentile, threshold) {
        (Some(percentile), None) => Ok(Pruning::Percentile(percentile)),
        (None, Some(threshold)) => Ok(Pruning::Threshold(threshold)),
        _ => {
            let value = format!("{percentile:?} with threshold = {threshold:?}");
            Err(Error::invalid("percentile", value, "one of percentile and threshold"))
        }
    }
}

/// The keyword arguments of an optimiser.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct SgdArguments {
    learning_rate: f64,
    momentum: f32,
    weight_decay: f32,
    nesterov: bool,
    schedule: String,
    layer_rates: String,
}

impl SgdArguments {
    pub fn sgd(self) -> Result<Sgd> {
        Ok(Sgd {
            learning_rate: self.learning_rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            nesterov: self.nesterov,
            schedule: name("schedule", &self.schedule)?,
            layer_rates: name("layer_rates", &self.layer_rates)?,
        })
    }
}
