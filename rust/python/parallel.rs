//! A parallel fit as a Python object.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;

use super::convert::{self, from_json};
use super::data::Data;
use super::network::Network;
use super::results::{Scores, Tally};
use super::rules::{LayerTurnover, Pruned};
use super::until_tick;
use crate::error::Error;
use crate::nn::{Memory, Pruning};
use crate::parallel::Par;
use crate::topology::NamedRule;
use crate::train::{Event, ParallelFit, Progress};

/// The workers of one fit; the memory of its first phase is taken at construction.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct ParallelTrainer {
    network: Py<Network>,
    data: Py<Data>,
    fit: Mutex<ParallelFit>,
    multiply_adds: AtomicU64,
    limited: AtomicU64,
}

impl ParallelTrainer {
    fn lock(&self) -> MutexGuard<'_, ParallelFit> {
        self.fit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl ParallelTrainer {
    /// `settings`: JSON of `ParallelSettings`.
    #[new]
    fn new(py: Python<'_>, network: Py<Network>, data: Py<Data>, settings: &str) -> PyResult<Self> {
        let mut settings = convert::parallel(settings)?;
        settings.fit.batch_size = settings.fit.batch_size.min(data.get().samples());
        let par = network.get().par()?;
        let fit = data.get().with(py, |data| {
            let mut mlp = network.get().write()?;
            mlp.prepare_training(&par, Memory::Fast)?;
            ParallelFit::new(&mlp, data, settings)
        })?;
        let (multiply_adds, limited) = (AtomicU64::new(0), AtomicU64::new(0));
        Ok(ParallelTrainer { network, data, fit: Mutex::new(fit), multiply_adds, limited })
    }

    /// The learning rate of step `step` of the fit, which is in epoch `epoch`.
    fn learning_rate(&self, epoch: u64, step: u64) -> f64 {
        self.lock().learning_rate(epoch, step)
    }

    /// As `Trainer.epoch`; `replay`: twice the worker's number, plus one for a push, for each event.
    #[pyo3(signature = (epoch, first_step, tick=None, replay=None))]
    fn epoch(
        &self,
        py: Python<'_>,
        epoch: u64,
        first_step: u64,
        tick: Option<Bound<'_, PyAny>>,
        replay: Option<Vec<u32>>,
    ) -> PyResult<Scores> {
        let (network, data) = (self.network.get(), self.data.get());
        let par = network.par()?;
        let event = |code: &u32| Event { worker: code / 2, push: code % 2 == 1 };
        let replay: Option<Vec<_>> = replay.map(|codes| codes.iter().map(event).collect());
        let fit = || self.lock();
        data.with(py, |data| {
            let mut fit = fit();
            fit.start_epoch(&mut *network.write()?, data, epoch, first_step)
        })?;
        loop {
            let (finished, Progress { done, score, .. }) = data.with(py, |data| {
                let (mut fit, mut go_on) = (fit(), until_tick());
                loop {
                    let alone = || go_on() && !network.has_waiting_readers();
                    fit.run(&par, &mut *network.write()?, data, replay.as_deref(), alone)?;
                    network.let_readers_in();
                    if fit.is_finished() || !go_on() {
                        return Ok((fit.is_finished(), fit.progress()));
                    }
                }
            })?;
            py.check_signals()?;
            if let Some(tick) = &tick {
                tick.call1((done, score.mean_loss(), score.accuracy()))?;
            }
            if finished {
                self.multiply_adds.fetch_add(score.multiply_adds, Ordering::Relaxed);
                self.limited.fetch_add(score.limited, Ordering::Relaxed);
                return Ok(score.into());
            }
        }
    }

    /// Copies of the networks that workers train on their own; none before phase 2.
    fn workers(&self, py: Python<'_>) -> PyResult<Vec<Network>> {
        let models = py.detach(|| self.lock().workers())?;
        Ok(models.into_iter().map(|mlp| Network::wrap(py, mlp, Par::seq())).collect())
    }

    /// Goes on in phase 2 with networks that `workers` gave.
    fn resume(&self, py: Python<'_>, networks: Vec<Py<Network>>) -> PyResult<()> {
        self.data.get().with(py, |data| {
            let own = |network: &Py<Network>| network.get().read()?.try_clone();
            let models = networks.iter().map(own).collect::<Result<_, Error>>()?;
            self.lock().resume(&*self.network.get().read()?, data, models)
        })
    }

    /// Multiplications with additions of all complete epochs so far, those for gradients that the
    /// server refused included.
    #[getter]
    fn multiply_adds(&self) -> u64 {
        self.multiply_adds.load(Ordering::Relaxed)
    }

    /// Gradients of all complete epochs so far in which the weights of samples were limited.
    #[getter]
    fn limited(&self) -> u64 {
        self.limited.load(Ordering::Relaxed)
    }

    /// What the server did in this epoch, in the code that `epoch` takes.
    fn events(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| {
            let fit = self.lock();
            fit.events().iter().map(|e| 2 * e.worker + u32::from(e.push)).collect()
        })
    }

    /// Of an asynchronous server since the fit began.
    fn tally(&self, py: Python<'_>) -> Tally {
        py.detach(|| {
            let fit = self.lock();
            Tally::new(fit.tally(), fit.idle().as_secs_f64())
        })
    }

    /// As `Network.evolve`, between two epochs.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<LayerTurnover>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, from_json::<NamedRule>("rule", rule)?);
        let layers: Result<_, Error> = py.detach(|| {
            let mut fit = self.lock();
            let mlp = &mut *network.write()?;
            let fit = &mut *fit;
            par.awake(|| fit.evolve(&par, mlp, &rule))
        });
        Ok(LayerTurnover::all(layers?))
    }

    /// As `Network.prune`, between two epochs.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, from_json::<Pruning>("rule", rule)?);
        let reports: Result<_, Error> = py.detach(|| {
            let mut fit = self.lock();
            fit.prune(&par, &mut *network.write()?, &rule)
        });
        Ok(Pruned::all(reports?))
    }
}
