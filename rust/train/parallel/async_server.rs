//! The server of an asynchronous fit and the epoch that it is in. Its workers may be threads of this
//! process or other machines.

use super::updates::{Tally, ValidUpdates, Version};
use super::{FitSettings, Progress};
use crate::error::Result;
use crate::nn::{GradientView, Mlp, Pruned, Pruning, Replica, Score};
use crate::parallel::Par;
use crate::topology::{Rule, Turnover};

/// One thing that the server did: its worker, and whether it pushed (or else pulled).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The worker, counted from 0.
    pub worker: u32,
    /// Whether it pushed a gradient; otherwise it pulled the network.
    pub push: bool,
}

/// The server of a network and its epochs: an epoch has as many updates as all shares together have
/// batches, and its steps of the schedule are those of a synchronous fit.
#[derive(Debug)]
pub struct AsyncServer {
    settings: FitSettings,
    updates: ValidUpdates,
    /// Samples of all shares.
    samples: usize,
    /// Updates of an epoch.
    per_epoch: u64,
    /// Steps of the schedule in an epoch.
    steps: u64,
    epoch: EpochState,
}

/// How far the current epoch is.
#[derive(Debug, Default)]
struct EpochState {
    first_step: u64,
    updates: u64,
    samples: usize,
    score: Score,
    events: Vec<Event>,
}

impl AsyncServer {
    /// A server of workers whose shares have these numbers of samples. `max_staleness`: a gradient
    /// is refused if more updates were made since its pull.
    pub fn new(
        settings: FitSettings,
        shares: &[usize],
        max_staleness: Option<u64>,
    ) -> Result<Self> {
        settings.check()?;
        let batches = || shares.iter().map(|len| len.div_ceil(settings.batch_size) as u64);
        Ok(AsyncServer {
            settings,
            updates: ValidUpdates::new(shares.len(), max_staleness),
            samples: shares.iter().sum(),
            per_epoch: batches().sum(),
            steps: batches().max().unwrap_or(0),
            epoch: EpochState::default(),
        })
    }

    /// What the server has done so far.
    pub fn tally(&self) -> &Tally {
        self.updates.tally()
    }

    /// The number of changes of the topology so far.
    pub fn topology(&self) -> u64 {
        self.updates.version().topology
    }

    /// What the server did in this epoch, in order.
    pub fn events(&self) -> &[Event] {
        &self.epoch.events
    }

    /// Begins an epoch at step `first_step` of the schedule.
    pub fn start_epoch(&mut self, first_step: u64) {
        self.epoch = EpochState { first_step, ..EpochState::default() };
    }

    /// Whether the epoch has had all of its updates.
    pub fn is_finished(&self) -> bool {
        self.epoch.updates == self.per_epoch
    }

    /// The progress in samples; an epoch may use some more or fewer than there are.
    pub fn progress(&self) -> Progress {
        let total = self.samples;
        Progress { done: self.epoch.samples.min(total), total, score: self.epoch.score }
    }

    /// As [`ValidUpdates::pull`].
    pub fn pull(
        &mut self,
        model: &Mlp,
        worker: usize,
        replica: &mut Option<Replica>,
        known: Version,
    ) -> Result<Version> {
        let version = self.updates.pull(model, worker, replica, known)?;
        self.epoch.events.push(Event { worker: worker as u32, push: false });
        Ok(version)
    }

    /// As [`ValidUpdates::note_pull`].
    pub fn note_pull(&mut self, worker: usize) -> Version {
        self.epoch.events.push(Event { worker: worker as u32, push: false });
        self.updates.note_pull(worker)
    }

    /// As [`ValidUpdates::last_pull`].
    pub fn last_pull(&self, worker: usize) -> Option<Version> {
        self.updates.last_pull(worker)
    }

    /// Takes a worker's gradient, made on `made_on`, and the score of its batch. The last update
    /// of an epoch counts it.
    pub fn push(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        worker: usize,
        gradient: GradientView<'_>,
        made_on: Version,
        score: Score,
    ) -> Result<()> {
        // The schedule's steps are the larger ones of a synchronous fit.
        let within = u128::from(self.epoch.updates) * u128::from(self.steps);
        let at = self.epoch.first_step + (within / u128::from(self.per_epoch)) as u64;
        let step =
            self.settings.optimizer.step((at, self.settings.total_steps), 0, gradient.samples());
        let outcome = self.updates.push(par, model, worker, gradient, made_on, &step)?;
        self.epoch.events.push(Event { worker: worker as u32, push: true });
        model.counters.steps += 1;
        self.epoch.score.add(score);
        if !outcome.refused {
            self.epoch.samples += gradient.samples();
            self.epoch.updates += 1;
            model.counters.epochs += u64::from(self.is_finished());
        }
        Ok(())
    }

    /// Evolves the topology between two epochs.
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        self.updates.evolve(par, model, rule)
    }

    /// Prunes neurons between two epochs.
    pub fn prune(&mut self, par: &Par, model: &mut Mlp, rule: &Pruning) -> Result<Vec<Pruned>> {
        self.updates.prune(par, model, rule)
    }
}
