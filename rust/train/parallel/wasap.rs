//! Asynchronous parallel training, phase 1 of WASAP-SGD: every worker pulls the network, takes the
//! gradient of a batch of its share and pushes it; no worker waits for another (arXiv 2102.01732).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::async_server::{AsyncServer, Event};
use super::share::{Share, shares};
use super::updates::{Tally, Version};
use super::worker::{BatchSource, Cursor, GradientWorker};
use super::{DataView, FitSettings, Progress};
use crate::error::{Error, Result};
use crate::nn::{Gradient, Memory, Mlp, Pruned, Pruning, Replica, Score, Standardizer};
use crate::parallel::Par;
use crate::topology::{Rule, Turnover};

/// The workers of an asynchronous fit, one thread each.
///
/// An epoch has as many updates as all shares together have batches. Each worker goes through its own
/// share again and again, in a new order each time, so in an epoch a fast one uses more batches than
/// a slow one. A gradient that was being computed when the epoch ended is kept and pushed in the next
/// one, after the topology has evolved: what is no longer valid of it is dropped. Those left when the
/// fit's asynchronous phase ends, less than one a worker, are thrown away.
///
/// What the server does is determined by the order of its [events](Event): [`Wasap::events`] has those
/// of the current epoch, and [`Wasap::replay`] repeats them with the same bits. One worker gives the
/// bits of a sequential fit.
#[derive(Debug)]
pub struct Wasap {
    server: AsyncServer,
    workers: Vec<AsyncWorker>,
    idle: Duration,
    /// The network's, to be read without its lock.
    standardizer: Option<Standardizer>,
}

#[derive(Debug)]
struct AsyncWorker {
    batches: GradientWorker,
    cursor: Cursor,
    replica: Option<Replica>,
    version: Version,
    gradient: Gradient,
    /// The score of the gradient that is yet to be pushed.
    pending: Option<Score>,
}

/// What the workers share, behind one lock.
struct Shared<'a> {
    server: &'a mut AsyncServer,
    model: &'a mut Mlp,
    idle: Duration,
}

impl Wasap {
    /// Takes the memory for `workers` workers with batches of `settings.batch_size` samples each.
    /// `max_staleness`: a gradient is refused if more updates were made since its pull.
    pub fn new(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        workers: usize,
        max_staleness: Option<u64>,
    ) -> Result<Self> {
        data.check(model)?;
        let shares: Vec<_> = shares(data.samples(), workers)?.collect();
        let sizes: Vec<_> = shares.iter().map(Share::len).collect();
        let server = AsyncServer::new(settings, &sizes, max_staleness)?;
        let worker = |share| {
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            let batches = GradientWorker::new(model, share, settings.batch_size)?;
            let cursor = batches.cursor(model);
            let version = Version::default();
            Ok(AsyncWorker { batches, cursor, replica: None, version, gradient, pending: None })
        };
        let workers = shares.into_iter().map(worker).collect::<Result<_>>()?;
        Ok(Wasap { server, workers, idle: Duration::ZERO, standardizer: None })
    }

    /// What the server has done so far.
    pub fn tally(&self) -> &Tally {
        self.server.tally()
    }

    /// The time that all workers together have spent waiting for the server's lock.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// What the server did in this epoch, in order.
    pub fn events(&self) -> &[Event] {
        self.server.events()
    }

    /// Begins an epoch at step `first_step` of the schedule.
    pub fn start_epoch(&mut self, first_step: u64) {
        self.server.start_epoch(first_step);
    }

    /// Whether the epoch has had all of its updates.
    pub fn is_finished(&self) -> bool {
        self.server.is_finished()
    }

    /// The progress in samples; an epoch may use some more or fewer than there are.
    pub fn progress(&self) -> Progress {
        self.server.progress()
    }

    /// Evolves the topology between two epochs.
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        self.server.evolve(par, model, rule)
    }

    /// Prunes neurons between two epochs.
    pub fn prune(&mut self, par: &Par, model: &mut Mlp, rule: &Pruning) -> Result<Vec<Pruned>> {
        self.server.prune(par, model, rule)
    }

    /// Trains on a thread for each worker until the epoch is finished or `go_on` says no, which is
    /// asked after every update. Finishing counts the epoch.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &DataView<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        let (source, shared, workers) = self.parts(par, model, data)?;
        let (shared, stop) = (Mutex::new(shared), AtomicBool::new(false));
        let go_on = Mutex::new(go_on);
        let ask = || go_on.lock().unwrap_or_else(PoisonError::into_inner)();
        let results = if workers.len() == 1 {
            // A single worker has all threads for its kernels, on the caller's thread.
            vec![par.awake(|| workers[0].work(par, source, &shared, &stop, &ask))]
        } else {
            on_threads(workers, |worker| {
                let result = worker.work(&Par::seq(), source, &shared, &stop, &ask);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result
            })?
        };
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        let idle = shared.idle;
        self.idle += idle;
        results.into_iter().collect()
    }

    /// Repeats the events of an epoch one after the other, and so its bits.
    pub fn replay(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &DataView<'_>,
        events: &[Event],
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let (source, mut shared, workers) = self.parts(par, model, data)?;
        let unfit = |what: &str| Error::invalid("replay", what, "the record of this very fit");
        par.awake(|| {
            while !shared.server.is_finished() {
                let done = shared.server.events().len();
                let event =
                    events.get(done).ok_or_else(|| unfit("a record that ends too early"))?;
                let worker = workers
                    .get_mut(event.worker as usize)
                    .ok_or_else(|| unfit("a record with more workers"))?;
                if event.push {
                    if worker.replica.is_none() {
                        return Err(unfit("a push without a pull"));
                    }
                    if worker.pending.is_none() {
                        worker.compute(par, source)?;
                    }
                    shared.push(par, worker)?;
                } else {
                    // What it had begun when the epoch ended has been computed by now.
                    if worker.pending.is_some() {
                        return Err(unfit("a pull without a push"));
                    }
                    shared.pull(worker)?;
                }
                if !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// What all workers read without a lock, what they share behind one, and themselves.
    fn parts<'a>(
        &'a mut self,
        par: &Par,
        model: &'a mut Mlp,
        data: &'a DataView<'_>,
    ) -> Result<(BatchSource<'a>, Shared<'a>, &'a mut [AsyncWorker])> {
        // A fit's first epoch comes after its statistics.
        if let (None, Some(statistics)) = (&self.standardizer, model.standardizer()) {
            self.standardizer = Some(statistics.try_clone()?);
        }
        self.workers.iter().try_for_each(|worker| worker.batches.check(model))?;
        model.prepare_training(par, Memory::Fast)?;
        let seed = model.config().seed;
        let source = BatchSource { data, standardizer: self.standardizer.as_ref(), seed };
        let shared = Shared { server: &mut self.server, model, idle: Duration::ZERO };
        Ok((source, shared, &mut self.workers))
    }
}

/// Runs `f` on each worker, each on another thread.
fn on_threads<R: Send>(
    workers: &mut [AsyncWorker],
    f: impl Fn(&mut AsyncWorker) -> R + Sync,
) -> Result<Vec<R>> {
    std::thread::scope(|scope| {
        let start = |worker| {
            let body = || f(worker);
            std::thread::Builder::new().name("trulysparse-worker".into()).spawn_scoped(scope, body)
        };
        let threads: Vec<_> = workers.iter_mut().map(start).collect();
        let mut results = Vec::new();
        for thread in threads {
            let thread = thread.map_err(|e| {
                let expected = format!("a number the system can start ({e})");
                Error::invalid("workers", "too many threads", expected)
            })?;
            match thread.join() {
                Ok(result) => results.push(result),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(results)
    })
}

impl Shared<'_> {
    fn pull(&mut self, worker: &mut AsyncWorker) -> Result<()> {
        let AsyncWorker { batches, replica, version, .. } = worker;
        *version = self.server.pull(self.model, batches.index(), replica, *version)?;
        Ok(())
    }

    /// Pushes the worker's gradient.
    fn push(&mut self, par: &Par, worker: &mut AsyncWorker) -> Result<()> {
        let Some(score) = worker.pending.take() else { return Ok(()) };
        let (index, gradient) = (worker.batches.index(), worker.gradient.view());
        self.server.push(par, self.model, index, gradient, worker.version, score)
    }
}

impl AsyncWorker {
    /// Pushes and pulls in turn until the epoch is over or `stop` is set.
    fn work(
        &mut self,
        par: &Par,
        source: BatchSource<'_>,
        shared: &Mutex<Shared<'_>>,
        stop: &AtomicBool,
        go_on: &(dyn Fn() -> bool + Sync),
    ) -> Result<()> {
        loop {
            {
                let start = Instant::now();
                let mut shared: MutexGuard<'_, Shared<'_>> =
                    shared.lock().unwrap_or_else(PoisonError::into_inner);
                shared.idle += start.elapsed();
                if shared.server.is_finished() || stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if self.pending.is_some() {
                    shared.push(par, self)?;
                    if shared.server.is_finished() {
                        return Ok(());
                    }
                    if !go_on() {
                        stop.store(true, Ordering::Relaxed);
                        return Ok(());
                    }
                }
                shared.pull(self)?;
            }
            self.compute(par, source)?;
        }
    }

    /// The gradient of its next batch, on what it has pulled.
    fn compute(&mut self, par: &Par, source: BatchSource<'_>) -> Result<()> {
        let AsyncWorker { batches, cursor, replica, gradient, pending, .. } = self;
        let model = replica.as_ref().expect("internal: a gradient before a pull").model();
        gradient.fit(model)?;
        let score = batches.next_gradient(par, model, source, cursor, gradient.values_mut())?;
        gradient.set_samples(score.samples);
        *pending = Some(score);
        Ok(())
    }
}
