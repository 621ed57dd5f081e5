//! Asynchronous parallel training, phase 1 of WASAP-SGD: every worker pulls the network, takes the
//! gradient of a batch of its share and pushes it; nobody waits for anybody (arXiv
//! 2102.01732).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::hub::{Event, Hub};
use super::server::{Tally, Version};
use super::share::{Share, shares};
use super::worker::{Place, Source, Worker};
use super::{Data, Plan, Progress};
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
    hub: Hub,
    members: Vec<Member>,
    idle: Duration,
    /// The network's, to be read without its lock.
    standardizer: Option<Standardizer>,
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    place: Place,
    replica: Option<Replica>,
    version: Version,
    gradient: Gradient,
    /// The score of the gradient that is yet to be pushed.
    pending: Option<Score>,
}

/// What the workers share, behind one lock.
struct Shared<'a> {
    hub: &'a mut Hub,
    model: &'a mut Mlp,
    idle: Duration,
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
        data.check(model)?;
        let shares: Vec<_> = shares(data.samples(), workers)?.collect();
        let sizes: Vec<_> = shares.iter().map(Share::len).collect();
        let hub = Hub::new(plan, &sizes, max_staleness)?;
        let member = |share| {
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            let worker = Worker::new(model, share, plan.batch_size)?;
            let place = worker.place(model);
            let version = Version::default();
            Ok(Member { worker, place, replica: None, version, gradient, pending: None })
        };
        let members = shares.into_iter().map(member).collect::<Result<_>>()?;
        Ok(Wasap { hub, members, idle: Duration::ZERO, standardizer: None })
    }

    /// What the server has done so far.
    pub fn tally(&self) -> &Tally {
        self.hub.tally()
    }

    /// The time that all workers together have spent waiting for the server's lock.
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// What the server did in this epoch, in order.
    pub fn events(&self) -> &[Event] {
        self.hub.events()
    }

    /// Begins an epoch at step `first_step` of the schedule.
    pub fn start_epoch(&mut self, first_step: u64) {
        self.hub.start_epoch(first_step);
    }

    /// Whether the epoch has had all of its updates.
    pub fn is_finished(&self) -> bool {
        self.hub.is_finished()
    }

    /// The progress in samples; an epoch may use some more or fewer than there are.
    pub fn progress(&self) -> Progress {
        self.hub.progress()
    }

    /// Evolves the topology between two epochs.
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        self.hub.evolve(par, model, rule)
    }

    /// Prunes neurons between two epochs.
    pub fn prune(&mut self, par: &Par, model: &mut Mlp, rule: &Pruning) -> Result<Vec<Pruned>> {
        self.hub.prune(par, model, rule)
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
        let (source, shared, members) = self.parts(par, model, data)?;
        let (shared, stop) = (Mutex::new(shared), AtomicBool::new(false));
        let go_on = Mutex::new(go_on);
        let ask = || go_on.lock().unwrap_or_else(PoisonError::into_inner)();
        let results = if members.len() == 1 {
            // A single worker has all threads for its kernels, on the caller's thread.
            vec![par.awake(|| members[0].work(par, source, &shared, &stop, &ask))]
        } else {
            on_threads(members, |member| {
                let result = member.work(&Par::seq(), source, &shared, &stop, &ask);
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
        data: &Data<'_>,
        events: &[Event],
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let (source, mut shared, members) = self.parts(par, model, data)?;
        let unfit = |what: &str| Error::invalid("replay", what, "the record of this very fit");
        par.awake(|| {
            while !shared.hub.is_finished() {
                let done = shared.hub.events().len();
                let event =
                    events.get(done).ok_or_else(|| unfit("a record that ends too early"))?;
                let member = members
                    .get_mut(event.worker as usize)
                    .ok_or_else(|| unfit("a record with more workers"))?;
                if event.push {
                    if member.replica.is_none() {
                        return Err(unfit("a push without a pull"));
                    }
                    if member.pending.is_none() {
                        member.compute(par, source)?;
                    }
                    shared.push(par, member)?;
                } else {
                    // What it had begun when the epoch ended has been computed by now.
                    if member.pending.is_some() {
                        return Err(unfit("a pull without a push"));
                    }
                    shared.pull(member)?;
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
        data: &'a Data<'_>,
    ) -> Result<(Source<'a>, Shared<'a>, &'a mut [Member])> {
        // A fit's first epoch comes after its statistics.
        if let (None, Some(statistics)) = (&self.standardizer, model.standardizer()) {
            self.standardizer = Some(statistics.try_clone()?);
        }
        self.members.iter().try_for_each(|member| member.worker.check(model))?;
        model.prepare_training(par, Memory::Fast)?;
        let seed = model.config().seed;
        let source = Source { data, standardizer: self.standardizer.as_ref(), seed };
        let shared = Shared { hub: &mut self.hub, model, idle: Duration::ZERO };
        Ok((source, shared, &mut self.members))
    }
}

/// Runs `f` on each worker on a thread of its own.
fn on_threads<R: Send>(
    members: &mut [Member],
    f: impl Fn(&mut Member) -> R + Sync,
) -> Result<Vec<R>> {
    std::thread::scope(|scope| {
        let start = |member| {
            let body = || f(member);
            std::thread::Builder::new().name("trulysparse-worker".into()).spawn_scoped(scope, body)
        };
        let threads: Vec<_> = members.iter_mut().map(start).collect();
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
    fn pull(&mut self, member: &mut Member) -> Result<()> {
        let Member { worker, replica, version, .. } = member;
        *version = self.hub.pull(self.model, worker.index(), replica, *version)?;
        Ok(())
    }

    /// Pushes the worker's gradient.
    fn push(&mut self, par: &Par, member: &mut Member) -> Result<()> {
        let Some(score) = member.pending.take() else { return Ok(()) };
        let (index, gradient) = (member.worker.index(), member.gradient.view());
        self.hub.push(par, self.model, index, gradient, member.version, score)
    }
}

impl Member {
    /// Pushes and pulls in turn until the epoch is over or somebody says stop.
    fn work(
        &mut self,
        par: &Par,
        source: Source<'_>,
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
                if shared.hub.is_finished() || stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
                if self.pending.is_some() {
                    shared.push(par, self)?;
                    if shared.hub.is_finished() {
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
    fn compute(&mut self, par: &Par, source: Source<'_>) -> Result<()> {
        let Member { worker, place, replica, gradient, pending, .. } = self;
        let model = replica.as_ref().expect("internal: a gradient before a pull").model();
        gradient.fit(model)?;
        let score = worker.next_gradient(par, model, source, place, gradient.values_mut())?;
        gradient.set_samples(score.samples);
        *pending = Some(score);
        Ok(())
    }
}
