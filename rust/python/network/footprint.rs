//! What networks and their training take in memory.

use pyo3::prelude::*;

use super::Network;
use crate::error::Error;
use crate::memory::available;
use crate::nn::{self, Config};
use crate::python::convert;

/// Memory of a network and its training, in bytes.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Footprint {
    /// Expected ones if the network is yet to be made.
    connections: f64,
    neurons: usize,
    /// Bytes by what they are for.
    parts: Vec<(&'static str, f64)>,
    /// What the network takes already.
    taken: f64,
    /// What the process can still take; None if the system does not say.
    available: Option<u64>,
}

impl Footprint {
    fn new(footprint: nn::Footprint, taken: f64) -> Self {
        let nn::Footprint { connections, neurons, parts, .. } = footprint;
        Footprint { connections, neurons, parts, taken, available: available() }
    }
}

/// The bytes of memory that this process has now; None if the system does not say.
#[pyfunction]
pub fn resident_memory() -> Option<u64> {
    crate::memory::resident()
}

/// What a network that is yet to be made and its training on batches would take; on samples that
/// store `stored` values each, if they are sparse.
#[pyfunction]
pub fn expected_footprint(
    config: &str,
    batch_size: usize,
    candidates: Option<f64>,
    memory: &str,
    moments: usize,
    stored: Option<f64>,
) -> PyResult<Footprint> {
    let memory = convert::name("memory", memory)?;
    let expected = nn::Footprint::expected(
        &Config::from_json(config)?,
        batch_size,
        candidates,
        memory,
        moments,
    )?;
    Ok(Footprint::new(expected.storing(batch_size, stored), 0.0))
}

#[pymethods]
impl Network {
    /// As `expected_footprint` of the network as it is, with the bytes that it takes already.
    fn footprint(
        &self,
        py: Python<'_>,
        batch_size: usize,
        candidates: Option<f64>,
        memory: &str,
        moments: usize,
        stored: Option<f64>,
    ) -> PyResult<Footprint> {
        let memory = convert::name("memory", memory)?;
        Ok(py.detach(|| {
            let mlp = self.as_is()?;
            let whole = nn::Footprint::of(&mlp, batch_size, candidates, memory, moments);
            Ok::<_, Error>(Footprint::new(whole.storing(batch_size, stored), mlp.bytes()))
        })?)
    }
}
