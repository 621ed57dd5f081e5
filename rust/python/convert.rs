//! Settings from Python as the core's types.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as NameError, StrDeserializer};

use crate::error::{Error, Result};
use crate::memory::collected;
use crate::train::ParallelSettings;

/// The value that `name` stands for among those of the type.
pub fn name<'de, T: Deserialize<'de>>(argument: &str, value: &'de str) -> Result<T> {
    let deserializer: StrDeserializer<'de, NameError> = value.into_deserializer();
    T::deserialize(deserializer).map_err(|e| {
        let text = e.to_string();
        let expected = text.split("expected ").last().unwrap_or_default().replace('`', "'");
        Error::invalid(argument, format!("{value:?}"), expected)
    })
}

/// What a JSON text says; `argument` names it in errors.
pub fn from_json<'de, T: Deserialize<'de>>(argument: &str, text: &'de str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|e| Error::invalid(argument, text, format!("the settings that it has ({e})")))
}

/// The settings of a fit on several workers.
pub fn parallel(text: &str) -> Result<ParallelSettings> {
    let settings: ParallelSettings = from_json("settings", text)?;
    settings.fit.check_parallel()?;
    Ok(settings)
}

/// Offsets from Python; negative ones become too large and are refused by the structure's check.
pub fn offsets(indptr: &PyReadonlyArray1<'_, i64>) -> PyResult<Vec<usize>> {
    let offsets = indptr.as_slice()?.iter().map(|&p| usize::try_from(p).unwrap_or(usize::MAX));
    Ok(collected(offsets, "row offsets")?)
}
