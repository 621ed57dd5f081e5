//! The halves of a parallel fit for workers that are other processes. How arrays get from one to
//! the other is the caller's.

use std::sync::{Mutex, MutexGuard, PoisonError};

use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::parse::{self, WarmUpArguments};
use super::rules::{Evolved, Pruned, told};
use super::until_tick;
use crate::error::{Error, Result};
use crate::memory::collected;
use crate::nn::{GradientView, Layout, Memory, Mlp, Pruning, Replica, Score, Standardizer};
use crate::topology::NamedRule;
use crate::train::{Hub, Local, Pace, Place, Plan, Rounds, Share, Source, Strategy, Tally, Worker};

/// The sums of a batch: loss, correct samples, samples, multiplications with additions.
type Sums = (f64, f64, usize, u64);

fn sums(score: Score) -> Sums {
    (score.loss, score.correct, score.samples, score.multiply_adds)
}

fn score((loss, correct, samples, multiply_adds): Sums) -> Score {
    Score { loss, correct, samples, multiply_adds }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `workers`: None if the data are this worker's own.
fn share(worker: usize, workers: Option<usize>, samples: usize) -> Result<Share> {
    match workers {
        Some(workers) => Share::of(worker, workers, samples),
        None => Ok(Share::apart(worker, samples)),
    }
}

/// The server of phase 1: of one network, for workers that are elsewhere.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteServer {
    network: Py<Network>,
    plan: Plan,
    strategy: Strategy,
    local_from: u64,
    state: Mutex<State>,
}

struct State {
    hub: Hub,
    rounds: Rounds,
    /// That of the learning rate in this epoch.
    factor: f64,
    /// What each worker's network looked like when it was given.
    layouts: Vec<Layout>,
}

#[pymethods]
impl RemoteServer {
    /// `shares`: the samples of each worker; the others as of `ParallelTrainer`.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        network: Py<Network>,
        shares: Vec<usize>,
        batch_size: usize,
        optimizer: &str,
        total_steps: u64,
        local_from: u64,
        warmup: Option<WarmUpArguments>,
        max_staleness: Option<u64>,
    ) -> PyResult<Self> {
        let strategy = Strategy::new(warmup.map(Into::into), max_staleness);
        let plan = Plan { batch_size, optimizer: parse::shared_optimizer(optimizer)?, total_steps };
        let state = State {
            hub: Hub::new(plan, &shares, max_staleness)?,
            rounds: Rounds::new(plan, shares.iter().sum())?,
            factor: 1.0,
            layouts: vec![Layout::default(); shares.len()],
        };
        Ok(RemoteServer { network, plan, strategy, local_from, state: Mutex::new(state) })
    }

    /// As `ParallelTrainer.learning_rate`.
    fn learning_rate(&self, py: Python<'_>, epoch: u64, step: u64) -> f64 {
        self.plan.learning_rate(self.pace(py, epoch).0, step)
    }

    /// Of epoch `epoch` of the fit: the factors of the learning rate and, before its first step, of
    /// the velocity.
    fn pace(&self, py: Python<'_>, epoch: u64) -> (f64, f64) {
        let workers = py.detach(|| lock(&self.state).layouts.len());
        let Pace { factor, correction } = self.strategy.pace(workers, self.local_from, epoch);
        (factor, correction)
    }

    /// Begins epoch `epoch` of the fit, one of phase 1, counted from 0, at step `first_step` of the
    /// schedule.
    fn start_epoch(&self, py: Python<'_>, epoch: u64, first_step: u64) -> PyResult<()> {
        let (factor, correction) = self.pace(py, epoch);
        Ok(py.detach(|| {
            let mut mlp = self.network.get().write()?;
            let mut state = lock(&self.state);
            state.factor = factor;
            state.hub.start_epoch(first_step);
            state.rounds.start_epoch(first_step);
            mlp.scale_momentum(correction);
            Ok::<_, Error>(())
        })?)
    }

    /// Whether the epoch is finished, and as a tick: samples done, mean loss, accuracy; then its
    /// multiplications with additions so far.
    fn progress(&self, py: Python<'_>) -> (bool, usize, f64, f64, u64) {
        py.detach(|| {
            let state = lock(&self.state);
            let (finished, progress) = if matches!(self.strategy, Strategy::Wassp(_)) {
                (state.rounds.is_finished(), state.rounds.progress())
            } else {
                (state.hub.is_finished(), state.hub.progress())
            };
            let (done, score) = (progress.done, progress.score);
            (finished, done, score.mean_loss(), score.accuracy(), score.multiply_adds)
        })
    }

    /// Notes that a worker is being given the network as it is; the number of changes of the
    /// topology so far.
    fn give(&self, py: Python<'_>, worker: usize) -> PyResult<u64> {
        Ok(py.detach(|| {
            let network = self.network.get().read()?;
            let mut state = lock(&self.state);
            let count = state.layouts.len();
            let expected = || Error::invalid("worker", worker, format!("below {count}"));
            *state.layouts.get_mut(worker).ok_or_else(expected)? = Layout::of(&network);
            Ok::<_, Error>(state.hub.give(worker).topology)
        })?)
    }

    /// Applies what is valid of a worker's gradient on what it was given last, (parameters,).
    fn push(
        &self,
        py: Python<'_>,
        worker: usize,
        values: PyReadonlyArray1<'_, f32>,
        sums: Sums,
    ) -> PyResult<()> {
        let (network, values) = (self.network.get(), values.as_slice()?);
        let par = network.par()?;
        Ok(py.detach(|| {
            let mut mlp = network.write()?;
            let mut state = lock(&self.state);
            let State { hub, layouts, .. } = &mut *state;
            let unasked = || Error::invalid("worker", worker, "one that was given the network");
            let made_on = hub.given(worker).ok_or_else(unasked)?;
            let gradient = GradientView::new(values, &layouts[worker], sums.2)?;
            let mlp = &mut *mlp;
            mlp.prepare_training(&par, Memory::Fast)?;
            par.awake(|| hub.push(&par, mlp, worker, gradient, made_on, score(sums)))
        })?)
    }

    /// The number of changes of the topology so far.
    fn topology(&self, py: Python<'_>) -> u64 {
        py.detach(|| lock(&self.state).hub.topology())
    }

    /// Of a synchronous epoch: the place of the next round, and epochs and steps of the network.
    fn round(&self, py: Python<'_>) -> PyResult<(usize, u64, u64)> {
        Ok(py.detach(|| {
            let counters = self.network.get().read()?.counters;
            Ok::<_, Error>((lock(&self.state).rounds.next(), counters.epochs, counters.steps))
        })?)
    }

    /// One step of the gradients of a round, in the order of the workers.
    fn apply(
        &self,
        py: Python<'_>,
        gradients: Vec<(PyReadonlyArray1<'_, f32>, Sums)>,
    ) -> PyResult<()> {
        let network = self.network.get();
        let par = network.par()?;
        let parts = gradients.iter().map(|(values, sums)| Ok((values.as_slice()?, *sums)));
        let parts: Vec<(&[f32], Sums)> = parts.collect::<PyResult<_>>()?;
        Ok(py.detach(|| {
            let mut mlp = network.write()?;
            let layout = Layout::of(&mlp);
            let views: Vec<_> = parts
                .iter()
                .map(|&(values, (_, _, samples, _))| GradientView::new(values, &layout, samples))
                .collect::<Result<_>>()?;
            mlp.prepare_training(&par, Memory::Fast)?;
            let scores = parts.iter().map(|(_, sums)| score(*sums));
            let state = &mut *lock(&self.state);
            state.rounds.apply(&par, &mut mlp, &views, scores, state.factor);
            Ok::<_, Error>(())
        })?)
    }

    /// As `ParallelTrainer.events`.
    fn events(&self, py: Python<'_>) -> Vec<u32> {
        py.detach(|| {
            let state = lock(&self.state);
            state.hub.events().iter().map(|e| 2 * e.worker + u32::from(e.push)).collect()
        })
    }

    /// As `ParallelTrainer.tally`, without the time.
    #[allow(clippy::type_complexity)]
    fn tally(&self, py: Python<'_>) -> (u64, u64, u64, u64, u64, Vec<u64>) {
        py.detach(|| {
            let Tally { updates, refused, applied, dropped, staleness, histogram, .. } =
                lock(&self.state).hub.tally().clone();
            (updates, refused, applied, dropped, staleness, histogram)
        })
    }

    /// As `Network.evolve`, between two epochs.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Evolved>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, told::<NamedRule>("rule", rule)?);
        Ok(Evolved::all(py.detach(|| {
            let mut mlp = network.write()?;
            let (mlp, state) = (&mut *mlp, &mut *lock(&self.state));
            par.awake(|| state.hub.evolve(&par, mlp, &rule))
        })?))
    }

    /// As `Network.prune`, between two epochs.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let network = self.network.get();
        let (par, rule) = (network.par()?, told::<Pruning>("rule", rule)?);
        Ok(Pruned::all(py.detach(|| {
            let mut mlp = network.write()?;
            lock(&self.state).hub.prune(&par, &mut mlp, &rule)
        })?))
    }
}

/// A worker of phase 1 whose server is elsewhere.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteWorker {
    network: Py<Network>,
    data: Py<Data>,
    desk: Mutex<Desk>,
}

struct Desk {
    worker: Worker,
    place: Place,
    replica: Replica,
    standardizer: Option<Standardizer>,
    seed: u64,
}

#[pymethods]
impl RemoteWorker {
    /// `workers`: None if the data are this worker's own. Begins where the network is.
    #[new]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        batch_size: usize,
        worker: usize,
        workers: Option<usize>,
    ) -> PyResult<Self> {
        let desk = data.get().with(py, |data| {
            let share = share(worker, workers, data.samples())?;
            let mlp = network.get().read()?;
            data.check(&mlp)?;
            let worker = Worker::new(&mlp, share, batch_size)?;
            Ok(Desk {
                place: worker.place(&mlp),
                worker,
                replica: Replica::new(&mlp)?,
                standardizer: mlp.standardizer().map(Standardizer::try_clone).transpose()?,
                seed: mlp.config().seed,
            })
        })?;
        Ok(RemoteWorker { network, data, desk: Mutex::new(desk) })
    }

    /// The number of parameters of the structure that it has.
    fn parameters(&self, py: Python<'_>) -> usize {
        py.detach(|| Layout::of(lock(&self.desk).replica.model()).parameters())
    }

    /// Takes over a structure: offsets and columns of each layer.
    #[allow(clippy::type_complexity)]
    fn set_structure(
        &self,
        py: Python<'_>,
        layers: Vec<(PyReadonlyArray1<'_, i64>, PyReadonlyArray1<'_, u32>)>,
    ) -> PyResult<()> {
        let slices = layers.iter().map(|(p, i)| Ok((p.as_slice()?, i.as_slice()?)));
        let slices: Vec<(&[i64], &[u32])> = slices.collect::<PyResult<_>>()?;
        let par = self.network.get().par()?;
        Ok(py.detach(|| {
            // A negative offset is beyond every number of connections.
            let offset = |p: &i64| usize::try_from(*p).unwrap_or(usize::MAX);
            let own = |(p, i): &(&[i64], &[u32])| {
                let indptr = collected(p.iter().map(offset), "row offsets")?;
                Ok((indptr, collected(i.iter().copied(), "columns")?))
            };
            let layers = slices.iter().map(own).collect::<Result<_>>()?;
            lock(&self.desk).replica.set_structure(&par, layers)
        })?)
    }

    /// Takes over values, (parameters,).
    fn set_values(&self, py: Python<'_>, values: PyReadonlyArray1<'_, f32>) -> PyResult<()> {
        let values = values.as_slice()?;
        Ok(py.detach(|| lock(&self.desk).replica.set_values(values))?)
    }

    /// Writes the gradient of the next batch to `out`, (parameters,).
    fn next_gradient(&self, py: Python<'_>, out: PyReadwriteArray1<'_, f32>) -> PyResult<Sums> {
        let (par, mut out) = (self.network.get().par()?, out);
        let out = out.as_slice_mut()?;
        let score = self.data.get().with(py, |data| {
            let mut desk = lock(&self.desk);
            let (worker, place, model, source) = desk.parts(data, out)?;
            par.awake(|| worker.next_gradient(&par, model, source, place, out))
        })?;
        Ok(sums(score))
    }

    /// Begins the pass of an epoch.
    fn shuffle(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        Ok(py.detach(|| {
            let desk = &mut *lock(&self.desk);
            desk.worker.shuffle(desk.seed, epoch)
        })?)
    }

    /// Writes the gradient of the batch at a place of the pass to `out`, (parameters,); None if the
    /// share ends before.
    fn gradient_at(
        &self,
        py: Python<'_>,
        place: usize,
        step: u64,
        out: PyReadwriteArray1<'_, f32>,
    ) -> PyResult<Option<Sums>> {
        let (par, mut out) = (self.network.get().par()?, out);
        let out = out.as_slice_mut()?;
        let score = self.data.get().with(py, |data| {
            let mut desk = lock(&self.desk);
            let (worker, _, model, source) = desk.parts(data, out)?;
            par.awake(|| worker.gradient_at(&par, model, source, (place, step), out))
        })?;
        Ok(score.map(sums))
    }
}

impl Desk {
    /// Its parts, if `out` is as long as a gradient.
    fn parts<'a>(
        &'a mut self,
        data: &'a crate::train::Data<'_>,
        out: &[f32],
    ) -> Result<(&'a mut Worker, &'a mut Place, &'a Mlp, Source<'a>)> {
        let (model, standardizer) = (self.replica.model(), self.standardizer.as_ref());
        GradientView::new(out, &Layout::of(model), 0)?;
        let source = Source { data, standardizer, seed: self.seed };
        Ok((&mut self.worker, &mut self.place, model, source))
    }
}

/// A worker of phase 2: a network of its own, which it trains on its share.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteLocal {
    network: Py<Network>,
    data: Py<Data>,
    local: Mutex<Local>,
}

#[pymethods]
impl RemoteLocal {
    /// Begins with a copy of the network. `workers`: None if the data are this worker's own.
    #[new]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        batch_size: usize,
        optimizer: &str,
        total_steps: u64,
        worker: usize,
        workers: Option<usize>,
    ) -> PyResult<Self> {
        let plan = Plan { batch_size, optimizer: parse::shared_optimizer(optimizer)?, total_steps };
        let local = data.get().with(py, |data| {
            let share = share(worker, workers, data.samples())?;
            Local::of(&*network.get().read()?, plan, std::iter::once(share))
        })?;
        Ok(RemoteLocal { network, data, local: Mutex::new(local) })
    }

    /// Trains an epoch that starts at step `first_step`, at the `pace` that `RemoteServer.pace` gives;
    /// `tick(samples, loss, correct)`, sums so far, is called every tenth of a second.
    fn epoch(
        &self,
        py: Python<'_>,
        first_step: u64,
        pace: (f64, f64),
        tick: Bound<'_, PyAny>,
    ) -> PyResult<Sums> {
        let pace = Pace { factor: pace.0, correction: pace.1 };
        let (par, data) = (self.network.get().par()?, self.data.get());
        data.with(py, |data| {
            let seed = self.network.get().read()?.config().seed;
            lock(&self.local).start_epoch(seed, data, first_step, pace)
        })?;
        loop {
            let (finished, score) = data.with(py, |data| {
                let mut local = lock(&self.local);
                local.run(&par, data, until_tick())?;
                Ok((local.is_finished(), local.progress().score))
            })?;
            py.check_signals()?;
            tick.call1((score.samples, score.loss, score.correct))?;
            if finished {
                return Ok(sums(score));
            }
        }
    }

    /// Its network as it is now, a copy.
    fn network(&self, py: Python<'_>) -> PyResult<Network> {
        let par = self.network.get().par()?;
        let copy = py.detach(|| lock(&self.local).first().try_clone())?;
        Ok(Network::wrap(py, copy, par))
    }

    /// As `Network.evolve`, of its own network.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Evolved>> {
        let (par, rule) = (self.network.get().par()?, told::<NamedRule>("rule", rule)?);
        Ok(Evolved::all(py.detach(|| lock(&self.local).evolve(&par, &rule))?))
    }

    /// As `Network.prune`, of its own network.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let (par, rule) = (self.network.get().par()?, told::<Pruning>("rule", rule)?);
        Ok(Pruned::all(py.detach(|| lock(&self.local).prune(&par, &rule))?))
    }
}
