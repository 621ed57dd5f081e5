//! Settings from Python as the core's types.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};

use crate::error::{Error, Result};
use crate::memory::collected;
use crate::nn::{Cut, Fall, Memory, Optimizer, PerLayer, Pruned, Pruning, Refusal, Rule, Schedule};
use crate::train::{FitSettings, ParallelSettings, Strategy};

/// The value that `name` stands for among those that the type's file format knows.
pub fn name<'de, T: Deserialize<'de>>(argument: &str, value: &'de str) -> Result<T> {
    let deserializer: StrDeserializer<'de, NameError> = value.into_deserializer();
    T::deserialize(deserializer).map_err(|e| {
        let text = e.to_string();
        let expected = text.split("expected ").last().unwrap_or_default().replace('`', "'");
        Error::invalid(argument, format!("{value:?}"), expected)
    })
}

/// What the JSON text `text` says.
pub fn from_json<'de, T: Deserialize<'de>>(argument: &str, text: &'de str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::invalid(argument, text, format!("the settings that it has ({e})")))
}

/// Offsets from Python; negative ones become too large and are refused by the structure's check.
pub fn offsets(indptr: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let offsets = indptr.as_slice()?.iter().map(|&p| usize::try_from(p).unwrap_or(usize::MAX));
    Ok(collected(offsets, "row offsets")?)
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
#[derive(FromPyObject)]
pub enum Setting<T> {
    /// The same in all.
    Same(T),
    /// One for each.
    Each(Vec<T>),
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

/// An optimiser.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerArguments {
    rule: RuleArguments,
    learning_rate: f64,
    weight_decay: f64,
    l1: f64,
    schedule: ScheduleArguments,
    layer_rates: String,
}

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum RuleArguments {
    Sgd { momentum: f32, nesterov: bool, schedule_decay: bool },
    Adam { beta_1: f32, beta_2: f32, epsilon: f32 },
}

/// Numbers that a schedule of this name does not have are not used.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleArguments {
    name: String,
    warmup: f64,
    every: f64,
    factor: f64,
    last: f64,
}

impl OptimizerArguments {
    fn optimizer(self) -> Result<Optimizer> {
        Ok(Optimizer {
            rule: match self.rule {
                RuleArguments::Sgd { momentum, nesterov, schedule_decay } => {
                    Rule::Sgd { momentum, nesterov, schedule_decay }
                }
                RuleArguments::Adam { beta_1, beta_2, epsilon } => {
                    Rule::Adam { beta_1, beta_2, epsilon }
                }
            },
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            l1: self.l1,
            schedule: self.schedule.schedule()?,
            layer_rates: name("layer_rates", &self.layer_rates)?,
        })
    }
}

/// How a fit takes its steps.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FitArguments {
    batch_size: usize,
    optimizer: OptimizerArguments,
    total_steps: u64,
}

impl FitArguments {
    /// The core's type.
    pub fn settings(self) -> Result<FitSettings> {
        let FitArguments { batch_size, optimizer, total_steps } = self;
        Ok(FitSettings { batch_size, optimizer: optimizer.optimizer()?, total_steps })
    }

    /// The same for several workers: a server can apply their gradients with SGD only.
    pub fn parallel(self) -> Result<FitSettings> {
        let settings = self.settings()?;
        if settings.optimizer.is_adam() {
            return Err(Error::invalid("optimizer", "Adam", "SGD with several workers"));
        }
        Ok(settings)
    }
}

/// A fit on one network, and the memory that it may take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerArguments {
    /// How it takes its steps.
    pub fit: FitArguments,
    /// A name that [`memory`] takes.
    pub memory: String,
    /// Candidates for growth per connection; None if the topology does not evolve.
    pub candidates: Option<f64>,
    /// Samples whose gradients say where connections grow; 0 for those of a step.
    pub growth_batch: usize,
}

/// A fit on several workers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParallelArguments {
    fit: FitArguments,
    strategy: Strategy,
    workers: usize,
    local_from: u64,
}

impl ParallelArguments {
    /// The core's type.
    pub fn settings(self) -> Result<ParallelSettings> {
        let ParallelArguments { fit, strategy, workers, local_from } = self;
        Ok(ParallelSettings { fit: fit.parallel()?, strategy, workers, local_from })
    }
}

impl ScheduleArguments {
    fn schedule(self) -> Result<Schedule> {
        let ScheduleArguments { name, warmup, every, factor, last } = self;
        let fall = match &name[..] {
            "constant" => Fall::Constant,
            "step" => Fall::Step { every, factor },
            "exponential" => Fall::Exponential { factor },
            "cosine" => Fall::Cosine { last },
            _ => {
                let expected = "'constant', 'step', 'exponential' or 'cosine'";
                return Err(Error::invalid("schedule", format!("{name:?}"), expected));
            }
        };
        Ok(Schedule { warmup, fall })
    }
}
