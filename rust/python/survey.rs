//! Statistics of samples that come in pieces.

use std::sync::{Mutex, PoisonError};

use numpy::PyArray1;
use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::statistics::Moments;
use crate::nn;
use crate::train::{self, block_order};

/// Takes data piece by piece, in their order, and once more after `turn`.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Survey {
    network: Py<Network>,
    survey: Mutex<train::Survey>,
}

#[pymethods]
impl Survey {
    /// For a network, of data whose samples count at most `most` each.
    #[new]
    fn new(network: Py<Network>, most: f32) -> Self {
        Survey { network, survey: Mutex::new(train::Survey::new(most)) }
    }

    /// Takes the next piece.
    fn take(&self, py: Python<'_>, data: &Data) -> PyResult<()> {
        let network = self.network.get();
        data.with(py, |data| {
            let (inputs, outputs) = {
                let mlp = network.as_is()?;
                let learns = mlp.config().standardize_targets.then(|| mlp.n_outputs());
                (mlp.config().standardize.is_any(), learns)
            };
            self.survey.lock().unwrap_or_else(PoisonError::into_inner).take(data, inputs, outputs)
        })
    }

    /// Begins the second time.
    fn turn(&self) {
        self.survey.lock().unwrap_or_else(PoisonError::into_inner).turn();
    }

    /// As `Network.moments` of all of the data.
    fn moments(&self, py: Python<'_>) -> PyResult<(Option<Moments>, Option<Moments>)> {
        let (inputs, targets) = py.detach(|| {
            let survey = self.survey.lock().unwrap_or_else(PoisonError::into_inner);
            let mlp = self.network.get().as_is()?;
            let inputs = survey.inputs(mlp.config().standardize, mlp.standardizer())?;
            Ok::<_, crate::error::Error>((inputs, survey.targets()?))
        })?;
        let of = |moments: Option<nn::Moments>| moments.map(|m| Moments::of(py, &m)).transpose();
        Ok((of(inputs)?, of(targets)?))
    }
}

/// The order of `count` blocks of rows in an epoch of a network with this seed.
#[pyfunction(name = "block_order")]
pub fn order(py: Python<'_>, seed: u64, epoch: u64, count: u32) -> PyResult<Py<PyArray1<u32>>> {
    Ok(PyArray1::from_vec(py, block_order(seed, epoch, count)?).unbind())
}
