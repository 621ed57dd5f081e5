//! A worker of phase 2 whose server is another process.

use std::iter::once;
use std::sync::Mutex;

use pyo3::prelude::*;

use super::server::Scaling;
use super::{lock, share};
use crate::nn::Pruning;
use crate::python::convert::from_json;
use crate::python::data::Data;
use crate::python::network::Network;
use crate::python::results::ScoreSums;
use crate::python::rules::{LayerTurnover, Pruned};
use crate::python::until_tick;
use crate::topology::NamedRule;
use crate::train::{self, FitSettings, LocalPhase};

/// Trains its own network on its share.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteLocalWorker {
    network: Py<Network>,
    data: Py<Data>,
    local: Mutex<LocalPhase>,
}

#[pymethods]
impl RemoteLocalWorker {
    /// Begins with a copy of the network, or with the one that it had when the fit was broken off,
    /// `own`. `settings`: JSON of `FitSettings`; `workers`: None if the data are this worker's own.
    #[new]
    #[pyo3(signature = (network, data, settings, worker, workers, own=None))]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        settings: &str,
        worker: usize,
        workers: Option<usize>,
        own: Option<Py<Network>>,
    ) -> PyResult<Self> {
        let settings: FitSettings = from_json("settings", settings)?;
        settings.check_parallel()?;
        let local = data.get().with(py, |data| {
            let share = share(worker, workers, data.samples())?;
            match own {
                Some(own) => {
                    let own = own.get().read()?.try_clone()?;
                    LocalPhase::resumed(settings, vec![(share, own)])
                }
                None => LocalPhase::of(&*network.get().read()?, settings, once(share)),
            }
        })?;
        Ok(RemoteLocalWorker { network, data, local: Mutex::new(local) })
    }

    /// Trains an epoch that starts at step `first_step`, with the factors that `RemoteServer.scaling`
    /// gives; `tick(samples, loss, correct)`, sums so far, is called every tenth of a second.
    fn epoch(
        &self,
        py: Python<'_>,
        first_step: u64,
        scaling: &Scaling,
        tick: Bound<'_, PyAny>,
    ) -> PyResult<ScoreSums> {
        let &Scaling { learning_rate, velocity } = scaling;
        let scaling = train::Scaling { learning_rate, velocity };
        let (par, data) = (self.network.get().par()?, self.data.get());
        data.with(py, |data| {
            let seed = self.network.get().read()?.config().seed;
            lock(&self.local).start_epoch(seed, data, first_step, scaling)
        })?;
        loop {
            let (finished, score) = data.with(py, |data| {
                let mut local = lock(&self.local);
                local.run(&par, data, until_tick())?;
                Ok((local.is_finished(), local.progress().score))
            })?;
            py.check_signals()?;
            // As if no label were missing.
            let factor = score.samples as f64 / score.counted;
            tick.call1((score.samples, score.loss * factor, score.correct * factor))?;
            if finished {
                return Ok(score.into());
            }
        }
    }

    /// Its network as it is now, a copy.
    fn network(&self, py: Python<'_>) -> PyResult<Network> {
        let par = self.network.get().par()?;
        let copy = py.detach(|| {
            let local = lock(&self.local);
            local.models().next().expect("internal: one worker").try_clone()
        })?;
        Ok(Network::wrap(py, copy, par))
    }

    /// As `Network.evolve`, for the worker's network.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<LayerTurnover>> {
        let (par, rule) = (self.network.get().par()?, from_json::<NamedRule>("rule", rule)?);
        Ok(LayerTurnover::all(py.detach(|| lock(&self.local).evolve(&par, &rule))?))
    }

    /// As `Network.prune`, for the worker's network.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let (par, rule) = (self.network.get().par()?, from_json::<Pruning>("rule", rule)?);
        Ok(Pruned::all(py.detach(|| lock(&self.local).prune(&par, &rule))?))
    }
}
