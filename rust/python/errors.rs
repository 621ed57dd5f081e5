//! The one conversion of the crate's errors into Python's.

use pyo3::PyErr;
use pyo3::exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError};

use crate::error::Error;

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        match error {
            Error::OutOfMemory { .. } | Error::TooLarge { .. } => {
                PyMemoryError::new_err(error.to_string())
            }
            Error::Forked | Error::Compacted | Error::Stopped => {
                PyRuntimeError::new_err(error.to_string())
            }
            Error::Io { path, source } => os_error(path, source, ""),
            Error::Unsaved { path, source, why } => os_error(path, source, &format!(" ({why})")),
            _ => PyValueError::new_err(error.to_string()),
        }
    }
}

/// The system's error about a file, with what else there is to say of it.
fn os_error(path: String, source: std::io::Error, more: &str) -> PyErr {
    match source.raw_os_error() {
        // Python picks FileNotFoundError and the like by the number.
        Some(number) => {
            let text = source.to_string();
            let reason = text.split(" (os error").next().unwrap_or_default();
            PyOSError::new_err((number, format!("{reason}{more}"), path))
        }
        None => std::io::Error::new(source.kind(), format!("{path}: {source}{more}")).into(),
    }
}
