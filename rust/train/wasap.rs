//! Asynchronous parallel training, phase 1 of WASAP-SGD: every worker pulls the network, takes the
//! gradient of a batch of its share and pushes it; nobody waits for anybody (PAPER section 5;
//! arXiv 2102.01732, the section on parallel training).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::server::{Server, Tally, Version};
use super::share::{Share, shares};
use super::{Data, Plan, Progress};
use crate::error::{Error, Result};
use crate::memory::filled;
use crate::nn::{
    Draw, Gradient, Mlp, Pruned, Pruning, Replica, Score, Set, Standardizer, Workspace,
};
use crate::parallel::Par;

/// One thing that the server did: its worker, and whether it pushed (or else pulled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The worker, counted from 0.
    pub worker: u32,
    /// Whether it pushed a gradient; otherwise it pulled the network.
    pub push: bool,
}

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
    plan: Plan,
    server: Server,
    workers: Vec<Worker>,
    /// Updates of an epoch.
    per_epoch: u64,
    /// Steps of the schedule in an epoch.
    steps: u64,
    epoch: Epoch,
    idle: Duration,
    /// The network's, to be read without its lock.
    standardizer: Option<Standardizer>,
}

/// How far the current epoch is.
#[derive(Debug, Default)]
struct Epoch {
    first_step: u64,
    updates: u64,
    samples: usize,
    score: Score,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Worker {
    share: Share,
    /// The order of its current pass and its next place in it.
    order: Vec<u32>,
    next: usize,
    passes: u64,
    /// Gradients that it has taken, by which its random numbers are keyed.
    steps: u64,
    replica: Option<Replica>,
    version: Version,
    workspace: Workspace,
    gradient: Gradient,
    /// The score of the gradient that is yet to be pushed.
    pending: Option<Score>,
}

/// What the workers share, behind one lock.
struct Shared<'a> {
    server: &'a mut Server,
    model: &'a mut Mlp,
    epoch: &'a mut Epoch,
    idle: Duration,
}

/// What all workers may read without a lock.
#[derive(Clone, Copy)]
struct Rules<'a> {
    plan: &'a Plan,
    data: &'a Data<'a>,
    standardizer: Option<&'a Standardizer>,
    seed: u64,
    per_epoch: u64,
    steps: u64,
}

impl Wasap {
    /// Takes the memory for `workers` workers with batches of `plan.batch_size` samples each.
    /// `max_staleness`: a gradient is refused if more updates were made since its pull.
    pub fn new(
        model: &Mlp,
        data: &Data<'_>,
        plan: Plan,
        workers: usize,
        max_staleness: Option<u64>,
    ) -> Result<Self> {
        plan.check()?;
        data.check(model)?;
        let batches = |share: &Share| share.len().div_ceil(plan.batch_size) as u64;
        let shares: Vec<_> = shares(data.samples(), workers)?.collect();
        let per_epoch = shares.iter().map(batches).sum();
        let steps = shares.iter().map(batches).max().unwrap_or(0);
        let worker = |share: Share| {
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            Ok(Worker {
                share,
                order: filled(share.len(), 0, "the order of samples")?,
                next: share.len(),
                passes: model.counters.epochs,
                steps: model.counters.steps,
                replica: None,
                version: Version::default(),
                workspace: Workspace::new(model, plan.batch_size.min(share.len()))?,
                gradient,
                pending: None,
            })
        };
        Ok(Wasap {
            plan,
            server: Server::new(workers, max_staleness),
            workers: shares.into_iter().map(worker).collect::<Result<_>>()?,
            per_epoch,
            steps,
            epoch: Epoch::default(),
            idle: Duration::ZERO,
            standardizer: None,
        })
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
        &self.epoch.events
    }

    /// Begins an epoch at step `first_step` of the schedule.
    pub fn start_epoch(&mut self, first_step: u64) {
        self.epoch = Epoch { first_step, ..Epoch::default() };
    }

    /// Whether the epoch has had all of its updates.
    pub fn is_finished(&self) -> bool {
        self.epoch.updates == self.per_epoch
    }

    /// The progress in samples; an epoch may use some more or fewer than there are.
    pub fn progress(&self) -> Progress {
        let total = self.workers[0].share.samples;
        Progress { done: self.epoch.samples.min(total), total, score: self.epoch.score }
    }

    /// Evolves the topology between two epochs.
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, set: &Set) -> Result<Vec<usize>> {
        self.server.evolve(par, model, set)
    }

    /// Prunes neurons between two epochs.
    pub fn prune(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        rule: Pruning,
        close: bool,
    ) -> Result<Vec<Pruned>> {
        self.server.prune(par, model, rule, close)
    }

    /// Trains on a thread for each worker until the epoch is finished or `go_on` says no, which is
    /// asked after every update. Finishing counts the epoch.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &Data<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        self.prepare(par, model)?;
        let rules = Rules {
            plan: &self.plan,
            data,
            standardizer: self.standardizer.as_ref(),
            seed: model.config().seed,
            per_epoch: self.per_epoch,
            steps: self.steps,
        };
        let shared = Shared {
            server: &mut self.server,
            model,
            epoch: &mut self.epoch,
            idle: Duration::ZERO,
        };
        let (shared, stop) = (Mutex::new(shared), AtomicBool::new(false));
        let go_on = Mutex::new(go_on);
        let ask = || go_on.lock().unwrap_or_else(PoisonError::into_inner)();
        let results = if self.workers.len() == 1 {
            // A single worker has all threads for its kernels, on the caller's thread.
            vec![par.awake(|| self.workers[0].work(par, rules, &shared, &stop, &ask))]
        } else {
            on_threads(&mut self.workers, |worker| {
                let result = worker.work(&Par::seq(), rules, &shared, &stop, &ask);
                if result.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                result
            })?
        };
        let shared = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
        self.idle += shared.idle;
        results.into_iter().collect()
    }

    /// Repeats the events of an epoch one after the other, and so its bits.
    pub fn replay(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &Data<'_>,
        events: &[Event],
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        self.prepare(par, model)?;
        let rules = Rules {
            plan: &self.plan,
            data,
            standardizer: self.standardizer.as_ref(),
            seed: model.config().seed,
            per_epoch: self.per_epoch,
            steps: self.steps,
        };
        let unfit = |what: &str| Error::invalid("replay", what, "the record of this very fit");
        let mut shared = Shared {
            server: &mut self.server,
            model,
            epoch: &mut self.epoch,
            idle: Duration::ZERO,
        };
        par.awake(|| {
            while shared.epoch.updates < self.per_epoch {
                let done = shared.epoch.events.len();
                let event =
                    events.get(done).ok_or_else(|| unfit("a record that ends too early"))?;
                let worker = self
                    .workers
                    .get_mut(event.worker as usize)
                    .ok_or_else(|| unfit("a record with more workers"))?;
                if event.push {
                    if worker.replica.is_none() {
                        return Err(unfit("a push without a pull"));
                    }
                    if worker.pending.is_none() {
                        worker.compute(par, rules)?;
                    }
                    shared.push(par, worker, rules)?;
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

    fn prepare(&mut self, par: &Par, model: &mut Mlp) -> Result<()> {
        // A fit's first epoch comes after its statistics.
        if let (None, Some(statistics)) = (&self.standardizer, model.standardizer()) {
            self.standardizer = Some(statistics.try_clone()?);
        }
        self.workers.iter().try_for_each(|worker| worker.workspace.check(model))?;
        model.prepare_training(par)
    }
}

/// Runs `f` on each worker on a thread of its own.
fn on_threads<R: Send>(
    workers: &mut [Worker],
    f: impl Fn(&mut Worker) -> R + Sync,
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
    fn pull(&mut self, worker: &mut Worker) -> Result<()> {
        let index = worker.share.worker;
        worker.version =
            self.server.pull(self.model, index, &mut worker.replica, worker.version)?;
        self.epoch.events.push(Event { worker: index as u32, push: false });
        Ok(())
    }

    /// Pushes the worker's gradient.
    fn push(&mut self, par: &Par, worker: &mut Worker, rules: Rules<'_>) -> Result<()> {
        let Some(score) = worker.pending.take() else { return Ok(()) };
        // The schedule's steps are the larger ones of a synchronous fit.
        let within = u128::from(self.epoch.updates) * u128::from(rules.steps);
        let at = self.epoch.first_step + (within / u128::from(rules.per_epoch)) as u64;
        let samples = worker.gradient.samples();
        let step = rules.plan.optimizer.step(at, rules.plan.total_steps, samples);
        let index = worker.share.worker;
        let (server, gradient) = (&mut self.server, &worker.gradient);
        let outcome = server.push(par, self.model, index, gradient, worker.version, &step)?;
        self.epoch.events.push(Event { worker: index as u32, push: true });
        self.model.counters.steps += 1;
        self.epoch.score.add(score);
        if !outcome.refused {
            self.epoch.samples += samples;
            self.epoch.updates += 1;
            self.model.counters.epochs += u64::from(self.epoch.updates == rules.per_epoch);
        }
        Ok(())
    }
}

impl Worker {
    /// Pushes and pulls in turn until the epoch is over or somebody says stop.
    fn work(
        &mut self,
        par: &Par,
        rules: Rules<'_>,
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
                if shared.epoch.updates == rules.per_epoch || stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if self.pending.is_some() {
                    shared.push(par, self, rules)?;
                    if shared.epoch.updates == rules.per_epoch {
                        return Ok(());
                    }
                    if !go_on() {
                        stop.store(true, Ordering::Relaxed);
                        return Ok(());
                    }
                }
                shared.pull(self)?;
            }
            self.compute(par, rules)?;
        }
    }

    /// The gradient of its next batch, on what it has pulled.
    fn compute(&mut self, par: &Par, rules: Rules<'_>) -> Result<()> {
        if self.next == self.order.len() {
            self.order = self.share.order(rules.seed, self.passes)?;
            (self.next, self.passes) = (0, self.passes + 1);
        }
        let end = self.order.len().min(self.next + rules.plan.batch_size);
        let samples = &self.order[self.next..end];
        let model = self.replica.as_ref().expect("internal: a gradient before a pull").model();
        self.gradient.fit(model)?;
        let input = self.workspace.input(samples.len());
        rules.data.gather(par, rules.standardizer, samples, input);
        let draw = Draw { seed: self.share.seed(rules.seed), step: self.steps };
        let (workspace, targets) = (&mut self.workspace, rules.data.targets());
        let score = model.gradient(par, workspace, samples, targets, draw, &mut self.gradient);
        self.pending = Some(score);
        (self.next, self.steps) = (end, self.steps + 1);
        Ok(())
    }
}
