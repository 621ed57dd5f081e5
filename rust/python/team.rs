//! A parallel fit as a Python object.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::parse::{self, WarmUpArguments};
use super::rules::{Evolved, Pruned, told};
use super::until_tick;
use crate::error::Error;
use crate::nn::{Memory, Pruning};
use crate::topology::NamedRule;
use crate::train::{Event, Plan, Progress, Strategy, Tally, Team};

/// The workers of one fit; the memory of its first phase is taken at construction.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct ParallelTrainer {
    network: Py<Network>,
    data: Py<Data>,
    team: Mutex<Team>,
    multiply_adds: AtomicU64,
}

#[pymethods]
impl ParallelTrainer {
    /// `warmup` for a synchronous fit, None for an asynchronous one.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        batch_size: usize,
        optimizer: &str,
        total_steps: u64,
        workers: usize,
        local_from: u64,
        warmup: Option<WarmUpArguments>,
        max_staleness: Option<u64>,
    ) -> PyResult<Self> {
        let batch_size = batch_size.min(data.get().samples());
        let plan = Plan { batch_size, optimizer: parse::shared_optimizer(optimizer)?, total_steps };
        let strategy = Strategy::new(warmup.map(Into::into), max_staleness);
        let par = network.get().par()?;
        let team = data.get().with(py, |data| {
            let mut mlp = network.get().write()?;
            mlp.prepare_training(&par, Memory::Fast)?;
            Team::new(&mlp, data, plan, strategy, workers, local_from)
        })?;
        let (team, multiply_adds) = (Mutex::new(team), AtomicU64::new(0));
        Ok(ParallelTrainer { network, data, team, multiply_adds })
    }

    /// The learning rate of step `step` of the fit, which is in epoch `epoch`.
    fn learning_rate(&self, epoch: u64, step: u64) -> f64 {
        self.team.lock().unwrap_or_else(PoisonError::into_inner).learning_rate(epoch, step)
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
    ) -> PyResult<(f64, f64)> {
        let (network, data) = (self.network.get(), self.data.get());
        let par = network.par()?;
        let event = |code: &u32| Event { worker: code / 2, push: code % 2 == 1 };
        let replay: Option<Vec<_>> = replay.map(|codes| codes.iter().map(event).collect());
        let team = || self.team.lock().unwrap_or_else(PoisonError::into_inner);
        data.with(py, |data| {
            let mut team = team();
            team.start_epoch(&mut *network.write()?, data, epoch, first_step)
        })?;
        loop {
            let (finished, Progress { done, score, .. }) = data.with(py, |data| {
                let (mut team, mut go_on) = (team(), until_tick());
                loop {
                    let alone = || go_on() && !network.has_waiting_readers();
                    team.run(&par, &mut *network.write()?, data, replay.as_deref(), alone)?;
                    network.let_readers_in();
                    if team.is_finished() || !go_on() {
                        return Ok((team.is_finished(), team.progress()));
                    }
                }
            })?;
            py.check_signals()?;
            if let Some(tick) = &tick {
                tick.call1((done, score.mean_loss(), score.accuracy()))?;
            }
            if finished {
                self.multiply_adds.fetch_add(score.multiply_adds, Ordering::Relaxed);
                return Ok((score.mean_loss(), score.accuracy()));
            }
        }
    }

    /// Multiplications with additions of all complete epochs so far, those for gradients that the
    /// server refused included.
    #[getter]
    fn multiply_adds(&self) -> u64 {
        self.multiply_adds.load(Ordering::Relaxed)
    }

    /// What the server did in this epoch, in the code that `epoch` takes.
    fn events(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| {
            let team = self.team.lock().unwrap_or_else(PoisonError::into_inner);
            team.events().iter().map(|e| 2 * e.worker + u32::from(e.push)).collect()
        })
    }

    /// Of an asynchronous server since the fit began: updates, refused gradients, applied entries,
    /// dropped entries, the sum of staleness, seconds that workers waited, and how many gradients
    /// had which staleness.
    #[allow(clippy::type_complexity)]
    fn tally(&self, py: Python<'_>) -> (u64, u64, u64, u64, u64, f64, Vec<u64>) {
        py.detach(|| {
            let team = self.team.lock().unwrap_or_else(PoisonError::into_inner);
            let Tally { updates, refused, applied, dropped, staleness, histogram, .. } =
                team.tally().clone();
            let idle = team.idle().as_secs_f64();
            (updates, refused, applied, dropped, staleness, idle, histogram)
        })
    }

    /// As `Network.evolve`, between two epochs.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Evolved>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, told::<NamedRule>("rule", rule)?);
        let layers: Result<_, Error> = py.detach(|| {
            let mut team = self.team.lock().unwrap_or_else(PoisonError::into_inner);
            let mlp = &mut *network.write()?;
            let team = &mut *team;
            par.awake(|| team.evolve(&par, mlp, &rule))
        });
        Ok(Evolved::all(layers?))
    }

    /// As `Network.prune`, between two epochs.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, told::<Pruning>("rule", rule)?);
        let reports: Result<_, Error> = py.detach(|| {
            let mut team = self.team.lock().unwrap_or_else(PoisonError::into_inner);
            team.prune(&par, &mut *network.write()?, &rule)
        });
        Ok(Pruned::all(reports?))
    }
}
