//! Saving and loading.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Network;
use crate::checkpoint::{self, UserData};
use crate::parallel::Par;
use crate::python::interrupt::{Tick, watched, watched_with_locks};
use crate::watch::Watch;

/// What was read from a model file.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct ModelFile {
    network: Py<Network>,
    /// The caller's strings.
    user: UserData,
    /// The version of the format.
    version: u32,
    /// The version of the package that wrote it; not in the first version of the format.
    package: Option<String>,
    /// The arrays with numbers that are NaN or infinite.
    diverged: Vec<String>,
}

#[pymethods]
impl Network {
    /// `tick(bytes done, all bytes)` is called about every 100 ms, here and in `load`.
    #[pyo3(signature = (path, user, tick=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, user: UserData, tick: Tick) -> PyResult<()> {
        watched_with_locks(py, tick, |watch| checkpoint::save(&*self.read()?, &user, &path, watch))
    }

    #[staticmethod]
    #[pyo3(signature = (path, threads, tick=None))]
    fn load(py: Python<'_>, path: PathBuf, threads: usize, tick: Tick) -> PyResult<ModelFile> {
        let par = Par::new(threads)?;
        let loaded = watched(py, tick, |watch| checkpoint::load(&path, watch))?;
        let checkpoint::Loaded { model, user, version, package, diverged } = loaded;
        let network = Py::new(py, Network::wrap(py, model, par))?;
        Ok(ModelFile { network, user, version, package, diverged })
    }

    fn to_bytes<'py>(&self, py: Python<'py>, user: UserData) -> PyResult<Bound<'py, PyBytes>> {
        let bytes =
            py.detach(|| checkpoint::to_bytes(&*self.read()?, &user, &mut Watch::none()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8], threads: usize) -> PyResult<(Self, UserData)> {
        let par = Par::new(threads)?;
        let work = |watch: &mut Watch<'_>| checkpoint::from_bytes(bytes, "bytes", watch);
        let loaded = watched(py, None, work)?;
        Ok((Network::wrap(py, loaded.model, par), loaded.user))
    }
}
