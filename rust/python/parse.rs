//! Names and numbers from Python as the core's types.

use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};

use crate::error::{Error, Result};
use crate::nn::{Fall, Memory, Optimizer, Rule, Schedule};
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

/// How much memory training may take.
pub fn memory(value: &str) -> Result<Memory> {
    match value {
        "fast" => Ok(Memory::Fast),
        "lean" => Ok(Memory::Lean),
        "least" => Ok(Memory::Least),
        _ => Err(Error::invalid("memory", format!("{value:?}"), "'fast', 'lean' or 'least'")),
    }
}

/// The keyword arguments of an optimiser.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct OptimizerArguments {
    rule: RuleArguments,
    learning_rate: f64,
    weight_decay: f64,
    l1: f64,
    schedule: ScheduleArguments,
    layer_rates: String,
}

#[derive(FromPyObject)]
enum RuleArguments {
    Sgd {
        #[pyo3(item)]
        momentum: f32,
        #[pyo3(item)]
        nesterov: bool,
        #[pyo3(item)]
        schedule_decay: bool,
    },
    Adam {
        #[pyo3(item)]
        beta_1: f32,
        #[pyo3(item)]
        beta_2: f32,
        #[pyo3(item)]
        epsilon: f32,
    },
}

/// The numbers that a schedule of this name does not have are of no account.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct ScheduleArguments {
    name: String,
    warmup: f64,
    every: f64,
    factor: f64,
    last: f64,
}

impl OptimizerArguments {
    pub fn optimizer(self) -> Result<Optimizer> {
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

    /// One that servers can apply the gradients of others with.
    pub fn parallel(self) -> Result<Optimizer> {
        let optimizer = self.optimizer()?;
        if optimizer.is_adam() {
            return Err(Error::invalid("optimizer", "Adam", "SGD with several workers"));
        }
        Ok(optimizer)
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
