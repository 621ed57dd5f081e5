//! Samples and targets held for the core.

use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::network::Network;
use crate::error::{Error, Result};
use crate::nn::Targets;
use crate::train;

/// Checked samples and targets for one network. The samples stay where NumPy has them; class
/// labels are copied, so that no other thread can put a label out of range.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Data {
    x: Py<PyArray2<f32>>,
    classes: Option<Vec<u32>>,
    dense: Option<Py<PyArray2<f32>>>,
}

fn targets<'a>(classes: Option<&'a [u32]>, dense: Option<&'a [f32]>) -> Option<Targets<'a>> {
    classes.map(Targets::Classes).or(dense.map(Targets::Dense))
}

#[pymethods]
impl Data {
    /// Checks `x` (samples, features) and one kind of targets, or none, against the network.
    #[new]
    #[pyo3(signature = (network, x, classes=None, dense=None, names=("x", "y")))]
    fn new(
        py: Python<'_>,
        network: &Network,
        x: PyReadonlyArray2<'_, f32>,
        classes: Option<PyReadonlyArray1<'_, u32>>,
        dense: Option<PyReadonlyArray2<'_, f32>>,
        names: (&str, &str),
    ) -> PyResult<Self> {
        let par = network.par()?;
        let values = x.as_slice()?;
        let features = x.shape()[1];
        let labels = classes.map(|c| c.as_slice().map(<[u32]>::to_vec)).transpose()?;
        let rows = dense.as_ref().map(|d| d.as_slice()).transpose()?;
        let width = dense.as_ref().map(|d| d.shape()[1]);
        py.detach(|| -> Result<()> {
            let network = network.read();
            let (expected, outputs) = (network.config().layer_sizes[0], network.n_outputs());
            if features != expected {
                return Err(Error::invalid(
                    names.0,
                    format!("{features} features"),
                    format!("{expected}"),
                ));
            }
            if let Some(width) = width.filter(|&w| w != outputs) {
                return Err(Error::invalid(
                    names.1,
                    format!("{width} columns"),
                    format!("{outputs}"),
                ));
            }
            let targets = targets(labels.as_deref(), rows);
            let loss = network.config().loss;
            train::Data::new(&par, values, features, targets, loss, outputs, names).map(|_| ())
        })?;
        Ok(Data {
            x: x.as_array_object(),
            classes: labels,
            dense: dense.map(|d| d.as_array_object()),
        })
    }

    /// The number of samples.
    #[pyo3(name = "samples")]
    fn py_samples(&self, py: Python<'_>) -> usize {
        self.samples(py)
    }
}

impl Data {
    /// The number of samples.
    pub fn samples(&self, py: Python<'_>) -> usize {
        self.x.bind(py).shape()[0]
    }

    /// Runs `f` on the data, detached from the interpreter.
    pub fn with<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&train::Data<'_>) -> Result<R> + Send,
    ) -> PyResult<R> {
        let x = self.x.bind(py).try_readonly()?;
        let dense = self.dense.as_ref().map(|d| d.bind(py).try_readonly()).transpose()?;
        let rows = dense.as_ref().map(|d| d.as_slice()).transpose()?;
        let targets = targets(self.classes.as_deref(), rows);
        let data = train::Data::checked_before(x.as_slice()?, x.shape()[1], targets);
        Ok(py.detach(|| f(&data))?)
    }
}

/// The array behind a read-only borrow, to be kept.
trait ArrayObject {
    fn as_array_object(&self) -> Py<PyArray2<f32>>;
}

impl ArrayObject for PyReadonlyArray2<'_, f32> {
    fn as_array_object(&self) -> Py<PyArray2<f32>> {
        let array: &Bound<'_, PyArray2<f32>> = self;
        array.clone().unbind()
    }
}
