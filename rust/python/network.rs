//! The network as a Python object.

mod arrays;
mod at_once;
mod evolution;
mod files;
mod footprint;
mod samples;

pub use arrays::{LayerWeights, Snapshot};
pub use evolution::RemovedNeurons;
pub use files::ModelFile;
pub use footprint::{Footprint, expected_footprint, resident_memory};

use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::convert::offsets;
use super::interrupt::{Tick, watched};
use super::results::Counters;
use super::shared_network::SharedNetwork;
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, filled};
use crate::nn::{Config, Layer, Mlp};
use crate::parallel::{self, Par};

/// A layer as Python has it: offsets, columns, values, or None if they are to be drawn, and biases.
#[derive(FromPyObject)]
struct GivenLayer<'py> {
    #[pyo3(item(0))]
    indptr: PyReadonlyArray1<'py, i64>,
    #[pyo3(item(1))]
    indices: PyReadonlyArray1<'py, u32>,
    #[pyo3(item(2))]
    values: Option<PyReadonlyArray1<'py, f32>>,
    #[pyo3(item(3))]
    bias: PyReadonlyArray1<'py, f32>,
}

/// As [`memory::available`](crate::memory::available).
#[pyfunction]
pub fn available_memory() -> Option<u64> {
    crate::memory::available()
}

/// As [`parallel::available`].
#[pyfunction]
pub fn available_threads() -> usize {
    parallel::available()
}

/// A network and the threads that it uses.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Network {
    shared: SharedNetwork,
    /// The JSON text of the settings. Who holds the lock does nothing that could wait for another
    /// thread, so it may be taken while attached to the interpreter.
    config: Mutex<Py<PyString>>,
}

impl Deref for Network {
    type Target = SharedNetwork;
    fn deref(&self) -> &SharedNetwork {
        &self.shared
    }
}

impl Network {
    #[inline(never)]
    pub(super) fn wrap(py: Python<'_>, mlp: Mlp, par: Par) -> Self {
        let config = PyString::new(py, &mlp.config().to_json()).unbind();
        Network { shared: SharedNetwork::new(mlp, par), config: Mutex::new(config) }
    }

    /// Reads the settings anew, after they may have changed.
    #[inline(never)]
    fn renew_config(&self, py: Python<'_>) -> PyResult<()> {
        let text = py.detach(|| self.as_is().map(|mlp| mlp.config().to_json()))?;
        *self.config_lock() = PyString::new(py, &text).unbind();
        Ok(())
    }

    fn config_lock(&self) -> MutexGuard<'_, Py<PyString>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layer<R: Send>(
        &self,
        py: Python<'_>,
        index: usize,
        f: impl FnOnce(&Layer) -> Result<R> + Send,
    ) -> PyResult<R> {
        Ok(py.detach(|| {
            let mlp = self.read()?;
            let count = mlp.layers().len();
            match mlp.layers().get(index) {
                Some(layer) => f(layer),
                None => Err(Error::invalid("layer", index, format!("an index below {count}"))),
            }
        })?)
    }
}

#[pymethods]
impl Network {
    #[new]
    #[pyo3(signature = (config, threads, tick=None))]
    fn new(py: Python<'_>, config: &str, threads: usize, tick: Tick) -> PyResult<Self> {
        let (config, par) = (Config::from_json(config)?, Par::new(threads)?);
        let mlp = watched(py, tick, |watch| Mlp::new_watched(&par, config, watch))?;
        Ok(Network::wrap(py, mlp, par))
    }

    /// A network with given connections, a matrix with one row per output neuron for each layer;
    /// weights that are None are drawn.
    #[staticmethod]
    fn from_matrices(
        py: Python<'_>,
        config: &str,
        threads: usize,
        matrices: Vec<GivenLayer<'_>>,
    ) -> PyResult<Self> {
        let (config, par) = (Config::from_json(config)?, Par::new(threads)?);
        let mut layers = Vec::new();
        for ((layer, n_in), number) in matrices.iter().zip(&config.layer_sizes).zip(1..) {
            let GivenLayer { indptr, indices, values, bias } = layer;
            let indptr = offsets(indptr)?;
            let indices = copied(indices.as_slice()?, "connections")?;
            let given = match values {
                Some(values) => copied(values.as_slice()?, "weights")?,
                None => filled(indices.len(), 0.0, "weights")?,
            };
            let weights = Csr::new(*n_in, indptr, indices, given)?;
            let bias = copied(bias.as_slice()?, "biases")?;
            if let Some(b) = bias.iter().find(|b| !b.is_finite()) {
                return Err(Error::invalid("biases", b, "finite numbers").into());
            }
            layers.push(match values {
                Some(_) => Layer::with_bias(weights, bias)?,
                None => py.detach(|| {
                    let gain = if number == 1 { config.input_gain } else { 1.0 };
                    Layer::drawn(&par, weights, bias, config.init, config.seed, number)
                        .map(|layer| layer.gained(gain))
                })?,
            });
        }
        let mlp = py.detach(|| Mlp::from_layers(config, layers))?;
        Ok(Network::wrap(py, mlp, par))
    }

    /// The settings as the JSON text that the constructor takes.
    #[getter]
    fn config(&self, py: Python<'_>) -> Py<PyString> {
        self.config_lock().clone_ref(py)
    }

    /// What the network has been through.
    fn counters(&self, py: Python<'_>) -> PyResult<Counters> {
        Ok(py.detach(|| self.as_is().map(|mlp| mlp.counters))?.into())
    }

    #[getter]
    fn threads(&self) -> PyResult<usize> {
        Ok(self.par()?.threads())
    }

    fn set_threads(&self, threads: usize) -> PyResult<()> {
        Ok(self.set_par(Par::new(threads)?)?)
    }

    /// Connections of each layer.
    fn nnz(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        Ok(py.detach(|| self.as_is().map(|mlp| mlp.connections()))?)
    }

    /// Takes over the average of networks that were made from this one.
    fn average(&self, py: Python<'_>, networks: Vec<Py<Network>>) -> PyResult<()> {
        let par = self.par()?;
        Ok(py.detach(|| {
            let mut own = self.write()?;
            let others = networks.iter().map(|n| n.get().read()).collect::<Result<Vec<_>>>()?;
            let others: Vec<&Mlp> = others.iter().map(|guard| &**guard).collect();
            let shape = |mlp: &Mlp| mlp.config().layer_sizes.clone();
            if others.is_empty() || others.iter().any(|mlp| shape(mlp) != shape(&own)) {
                let expected = "one or more of this network's layer sizes";
                return Err(Error::invalid("networks", others.len(), expected));
            }
            own.average(&par, &others)
        })?)
    }

    /// A network whose output before the softmax or the sigmoid is the mean of those of these.
    #[staticmethod]
    fn merged(py: Python<'_>, networks: Vec<Py<Network>>) -> PyResult<Self> {
        let Some(first) = networks.first() else {
            return Err(Error::invalid("networks", "[]", "one network or more").into());
        };
        let par = first.get().par()?;
        let mlp = py.detach(|| {
            let all = networks.iter().map(|n| n.get().read()).collect::<Result<Vec<_>>>()?;
            Mlp::merged(&all.iter().map(|look| &**look).collect::<Vec<&Mlp>>())
        })?;
        Ok(Network::wrap(py, mlp, par))
    }

    /// Takes over the content of another network, which gets this one's. Threads stay.
    #[pyo3(name = "become")]
    fn become_(&self, py: Python<'_>, other: Bound<'_, Network>) -> PyResult<()> {
        let other = other.get();
        py.detach(|| self.exchange(other))?;
        if !std::ptr::eq(self, other) {
            // In the order of addresses: without Python's global lock two calls could wait for each
            // other.
            let is_first = std::ptr::from_ref(self) < std::ptr::from_ref(other);
            let (first, second) = if is_first { (self, other) } else { (other, self) };
            std::mem::swap(&mut *first.config_lock(), &mut *second.config_lock());
        }
        Ok(())
    }

    /// A second network with the same content.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        let par = self.par()?;
        let mlp = py.detach(|| self.as_is()?.try_clone())?;
        Ok(Network::wrap(py, mlp, par))
    }
}
