//! Names and numbers from Python as the core's types.

use pyo3::prelude::*;

use crate::error::{Error, Result};
use crate::nn::{Memory, Optimizer};
use crate::train::WarmUp;

/// How much memory training may take.
pub fn memory(value: &str) -> Result<Memory> {
    match value {
        "fast" => Ok(Memory::Fast),
        "lean" => Ok(Memory::Lean),
        "least" => Ok(Memory::Least),
        _ => Err(Error::invalid("memory", format!("{value:?}"), "'fast', 'lean' or 'least'")),
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
