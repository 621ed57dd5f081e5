//! Phase 1's server, of workers that are other processes.

use std::sync::Mutex;

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use super::lock;
use crate::error::{Error, Result};
use crate::nn::{GradientView, Layout, Memory, Pruning};
use crate::python::convert::{self, from_json};
use crate::python::network::Network;
use crate::python::results::{ScoreSums, Tally};
use crate::python::rules::{LayerTurnover, Pruned};
use crate::topology::NamedRule;
use crate::train::{self, AsyncServer, ParallelSettings, Strategy, SyncServer};

/// The server of one network in phase 1, for workers that are elsewhere.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteServer {
    network: Py<Network>,
    settings: ParallelSettings,
    state: Mutex<State>,
}

struct State {
    asynchronous: AsyncServer,
    synchronous: SyncServer,
    /// Factor of the learning rate in this epoch.
    factor: f64,
    /// What each worker's network looked like when it was given.
    layouts: Vec<Layout>,
}

/// How far an epoch is.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct EpochProgress {
    finished: bool,
    /// Samples done.
    samples: usize,
    /// Means over them.
    loss: f64,
    accuracy: f64,
    /// Multiplications with additions so far.
    multiply_adds: u64,
}

/// What the workers need to know for the next step of a synchronous epoch.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Round {
    /// The place in every share at which the batches start.
    start: usize,
    /// Epochs of the network before.
    epoch: u64,
    /// Steps of the network before.
    step: u64,
}

/// What the learning rate and the velocity of an epoch are multiplied by.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Scaling {
    pub(super) learning_rate: f64,
    pub(super) velocity: f64,
}

#[pymethods]
impl Scaling {
    #[new]
    fn new(learning_rate: f64, velocity: f64) -> Self {
        Scaling { learning_rate, velocity }
    }
}

#[pymethods]
impl RemoteServer {
    /// `shares`: the samples of each worker; `settings`: those of `ParallelTrainer`.
    #[new]
    fn new(network: Py<Network>, shares: Vec<usize>, settings: &str) -> PyResult<Self> {
        let settings = convert::parallel(settings)?;
        if settings.workers != shares.len() {
            let expected = format!("{}, one for each share", shares.len());
            return Err(Error::invalid("workers", settings.workers, expected).into());
        }
        let max_staleness = match settings.strategy {
            Strategy::Wasap { max_staleness } => max_staleness,
            Strategy::Wassp(_) => None,
        };
        let state = State {
            asynchronous: AsyncServer::new(settings.fit, &shares, max_staleness)?,
            synchronous: SyncServer::new(settings.fit, shares.iter().sum())?,
            factor: 1.0,
            layouts: vec![Layout::default(); shares.len()],
        };
        Ok(RemoteServer { network, settings, state: Mutex::new(state) })
    }

    /// As `ParallelTrainer.learning_rate`.
    fn learning_rate(&self, epoch: u64, step: u64) -> f64 {
        self.settings.learning_rate(epoch, step)
    }

    /// The factors of epoch `epoch` of the fit.
    fn scaling(&self, epoch: u64) -> Scaling {
        let train::Scaling { learning_rate, velocity } = self.settings.scaling(epoch);
        Scaling { learning_rate, velocity }
    }

    /// Begins epoch `epoch` of the fit, one of phase 1, counted from 0, at step `first_step` of the
    /// schedule.
    fn start_epoch(&self, py: Python<'_>, epoch: u64, first_step: u64) -> PyResult<()> {
        let scaling = self.settings.scaling(epoch);
        Ok(py.detach(|| {
            let mut mlp = self.network.get().write()?;
            let mut state = lock(&self.state);
            state.factor = scaling.learning_rate;
            state.asynchronous.start_epoch(first_step);
            state.synchronous.start_epoch(first_step);
            mlp.scale_momentum(scaling.velocity);
            Ok::<_, Error>(())
        })?)
    }

    /// How far the epoch is.
    fn progress(&self, py: Python<'_>) -> EpochProgress {
        py.detach(|| {
            let state = lock(&self.state);
            let (finished, progress) = if matches!(self.settings.strategy, Strategy::Wassp(_)) {
                (state.synchronous.is_finished(), state.synchronous.progress())
            } else {
                (state.asynchronous.is_finished(), state.asynchronous.progress())
            };
            let score = progress.score;
            EpochProgress {
                finished,
                samples: progress.done,
                loss: score.mean_loss(),
                accuracy: score.accuracy(),
                multiply_adds: score.multiply_adds,
            }
        })
    }

    /// Notes that a worker is being sent the network as it is; the number of changes of the topology
    /// so far.
    fn note_pull(&self, py: Python<'_>, worker: usize) -> PyResult<u64> {
        Ok(py.detach(|| {
            let network = self.network.get().read()?;
            let mut state = lock(&self.state);
            let count = state.layouts.len();
            let expected = || Error::invalid("worker", worker, format!("below {count}"));
            *state.layouts.get_mut(worker).ok_or_else(expected)? = Layout::of(&network);
            Ok::<_, Error>(state.asynchronous.note_pull(worker).topology)
        })?)
    }

    /// Applies what is valid of a worker's gradient on what it was given last, (parameters,).
    fn push(
        &self,
        py: Python<'_>,
        worker: usize,
        values: PyReadonlyArray1<'_, f32>,
        sums: &ScoreSums,
    ) -> PyResult<()> {
        let (network, values) = (self.network.get(), values.as_slice()?);
        let par = network.par()?;
        Ok(py.detach(|| {
            let mut mlp = network.write()?;
            let mut state = lock(&self.state);
            let State { asynchronous, layouts, .. } = &mut *state;
            let unasked = || Error::invalid("worker", worker, "one that was given the network");
            let made_on = asynchronous.last_pull(worker).ok_or_else(unasked)?;
            let gradient = GradientView::new(values, &layouts[worker], sums.samples)?;
            let mlp = &mut *mlp;
            mlp.prepare_training(&par, Memory::Fast)?;
            par.awake(|| asynchronous.push(&par, mlp, worker, gradient, made_on, (*sums).into()))
        })?)
    }

    /// The number of changes of the topology so far.
    fn topology(&self, py: Python<'_>) -> u64 {
        py.detach(|| lock(&self.state).asynchronous.topology())
    }

    /// The next round of a synchronous epoch.
    fn round(&self, py: Python<'_>) -> PyResult<Round> {
        Ok(py.detach(|| {
            let counters = self.network.get().read()?.counters;
            let start = lock(&self.state).synchronous.next_start();
            Ok::<_, Error>(Round { start, epoch: counters.epochs, step: counters.steps })
        })?)
    }

    /// One step of the gradients of a round, in the order of the workers.
    fn apply(
        &self,
        py: Python<'_>,
        gradients: Vec<(PyReadonlyArray1<'_, f32>, ScoreSums)>,
    ) -> PyResult<()> {
        let network = self.network.get();
        let par = network.par()?;
        let parts = gradients.iter().map(|(values, sums)| Ok((values.as_slice()?, *sums)));
        let parts: Vec<(&[f32], ScoreSums)> = parts.collect::<PyResult<_>>()?;
        Ok(py.detach(|| {
            let mut mlp = network.write()?;
            let layout = Layout::of(&mlp);
            let views: Vec<_> = parts
                .iter()
                .map(|(values, sums)| GradientView::new(values, &layout, sums.samples))
                .collect::<Result<_>>()?;
            mlp.prepare_training(&par, Memory::Fast)?;
            let scores = parts.iter().map(|(_, sums)| (*sums).into());
            let state = &mut *lock(&self.state);
            state.synchronous.apply(&par, &mut mlp, &views, scores, state.factor);
            Ok::<_, Error>(())
        })?)
    }

    /// As `ParallelTrainer.events`.
    fn events(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| {
            let state = lock(&self.state);
            state.asynchronous.events().iter().map(|e| 2 * e.worker + u32::from(e.push)).collect()
        })
    }

    /// As `ParallelTrainer.tally`; `idle`: the seconds that workers have waited, which only the
    /// caller knows.
    fn tally(&self, py: Python<'_>, idle: f64) -> Tally {
        py.detach(|| Tally::new(lock(&self.state).asynchronous.tally(), idle))
    }

    /// As `Network.evolve`, between two epochs.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<LayerTurnover>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, from_json::<NamedRule>("rule", rule)?);
        Ok(LayerTurnover::all(py.detach(|| {
            let mut mlp = network.write()?;
            let (mlp, state) = (&mut *mlp, &mut *lock(&self.state));
            par.awake(|| state.asynchronous.evolve(&par, mlp, &rule))
        })?))
    }

    /// As `Network.prune`, between two epochs.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, from_json::<Pruning>("rule", rule)?);
        Ok(Pruned::all(py.detach(|| {
            let mut mlp = network.write()?;
            lock(&self.state).asynchronous.prune(&par, &mut mlp, &rule)
        })?))
    }
}
