//! A parallel fit from its first to its last epoch: which phase an epoch belongs to.

use std::time::Duration;

use serde::Deserialize;

use super::share::shares;
use super::{
    DataView, Event, FitSettings, LocalPhase, Progress, Scaling, Strategy, Tally, Wasap, Wassp,
};
use crate::error::{Error, Result};
use crate::nn::{Mlp, Pruned, Pruning};
use crate::parallel::Par;
use crate::topology::{Rule, Turnover};

/// How several workers share a fit.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParallelSettings {
    /// Of each worker's steps.
    pub fit: FitSettings,
    /// What phase 1 is.
    pub strategy: Strategy,
    /// The number of workers.
    pub workers: usize,
    /// The first epoch of phase 2, counted from 0.
    pub local_from: u64,
}

impl ParallelSettings {
    /// The scaling of epoch `epoch` of the fit, counted from 0.
    pub fn scaling(&self, epoch: u64) -> Scaling {
        self.strategy.scaling(self.workers, self.local_from, epoch)
    }

    /// The learning rate of step `step` of the fit, which is in epoch `epoch`.
    pub fn learning_rate(&self, epoch: u64, step: u64) -> f64 {
        self.fit.learning_rate(self.scaling(epoch).learning_rate, step)
    }
}

/// The workers of a fit and the phase that they are in.
#[derive(Debug)]
pub struct ParallelFit {
    settings: ParallelSettings,
    phase: Phase,
    /// The current epoch of the fit.
    epoch: u64,
    /// What the asynchronous phase did, once it is over.
    past: (Tally, Duration),
}

#[derive(Debug)]
enum Phase {
    Sync(Wassp),
    Async(Box<Wasap>),
    Local(LocalPhase),
}

impl ParallelFit {
    /// Takes the memory of phase 1; that of phase 2 is taken when it begins.
    pub fn new(model: &Mlp, data: &DataView<'_>, settings: ParallelSettings) -> Result<Self> {
        let ParallelSettings { fit, workers, .. } = settings;
        let phase = match settings.strategy {
            Strategy::Wassp(_) => Phase::Sync(Wassp::new(model, data, fit, workers)?),
            Strategy::Wasap { max_staleness } => {
                Phase::Async(Box::new(Wasap::new(model, data, fit, workers, max_staleness)?))
            }
        };
        let past = (Tally::default(), Duration::ZERO);
        Ok(ParallelFit { settings, phase, epoch: 0, past })
    }

    /// As [`ParallelSettings::learning_rate`].
    pub fn learning_rate(&self, epoch: u64, step: u64) -> f64 {
        self.settings.learning_rate(epoch, step)
    }

    /// Begins epoch `epoch` of the fit, counted from 0, at step `first_step` of the schedule.
    pub fn start_epoch(
        &mut self,
        model: &mut Mlp,
        data: &DataView<'_>,
        epoch: u64,
        first_step: u64,
    ) -> Result<()> {
        self.epoch = epoch;
        let scaling = self.settings.scaling(epoch);
        if epoch >= self.settings.local_from && !matches!(self.phase, Phase::Local(_)) {
            let local = LocalPhase::new(model, data, self.settings.fit, self.settings.workers)?;
            self.past = (self.tally().clone(), self.idle());
            self.phase = Phase::Local(local);
        }
        match &mut self.phase {
            Phase::Sync(wassp) => {
                wassp.start_epoch(model, first_step)?;
                model.scale_momentum(scaling.velocity);
                Ok(())
            }
            Phase::Async(wasap) => {
                wasap.start_epoch(first_step);
                Ok(())
            }
            Phase::Local(local) => {
                local.start_epoch(model.config().seed, data, first_step, scaling)
            }
        }
    }

    /// Copies of the networks that workers train on their own; none in phase 1.
    pub fn workers(&self) -> Result<Vec<Mlp>> {
        let Phase::Local(local) = &self.phase else { return Ok(Vec::new()) };
        local.models().map(Mlp::try_clone).collect()
    }

    /// Goes on in phase 2 with the networks that workers had, as [`ParallelFit::workers`] gave them.
    pub fn resume(&mut self, model: &Mlp, data: &DataView<'_>, models: Vec<Mlp>) -> Result<()> {
        let ParallelSettings { fit, workers, .. } = self.settings;
        let sizes = |mlp: &Mlp| mlp.config().layer_sizes.clone();
        if models.len() != workers || models.iter().any(|m| sizes(m) != sizes(model)) {
            let expected = format!("{workers} of this network's layer sizes");
            return Err(Error::invalid("networks", models.len(), expected));
        }
        let workers = shares(data.samples(), workers)?.zip(models).collect();
        self.phase = Phase::Local(LocalPhase::resumed(fit, workers)?);
        Ok(())
    }

    /// Whether the epoch is finished.
    pub fn is_finished(&self) -> bool {
        match &self.phase {
            Phase::Sync(wassp) => wassp.is_finished(),
            Phase::Async(wasap) => wasap.is_finished(),
            Phase::Local(local) => local.is_finished(),
        }
    }

    /// The progress of all workers together.
    pub fn progress(&self) -> Progress {
        match &self.phase {
            Phase::Sync(wassp) => wassp.progress(),
            Phase::Async(wasap) => wasap.progress(),
            Phase::Local(local) => local.progress(),
        }
    }

    /// Trains until the epoch is finished or `go_on` says no. In phase 2 the network is the average
    /// of the workers' own from the end of each epoch on. With `replay` an asynchronous epoch
    /// repeats what the server did.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &DataView<'_>,
        replay: Option<&[Event]>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let factor = self.settings.scaling(self.epoch).learning_rate;
        match (&mut self.phase, replay) {
            (Phase::Sync(wassp), None) => wassp.run(par, model, data, factor, go_on),
            (Phase::Async(wasap), None) => wasap.run(par, model, data, go_on),
            (Phase::Async(wasap), Some(events)) => wasap.replay(par, model, data, events, go_on),
            (Phase::Local(local), None) => {
                local.run(par, data, go_on)?;
                if local.is_finished() { local.publish(par, model) } else { Ok(()) }
            }
            (_, Some(_)) => {
                Err(Error::invalid("replay", "an epoch too many", "the record of this very fit"))
            }
        }
    }

    /// What an asynchronous server did in this epoch; nothing otherwise.
    pub fn events(&self) -> &[Event] {
        if let Phase::Async(wasap) = &self.phase { wasap.events() } else { &[] }
    }

    /// What an asynchronous server has done; nothing for a synchronous one.
    pub fn tally(&self) -> &Tally {
        if let Phase::Async(wasap) = &self.phase { wasap.tally() } else { &self.past.0 }
    }

    /// The time that the workers together have waited for an asynchronous server.
    pub fn idle(&self) -> Duration {
        if let Phase::Async(wasap) = &self.phase { wasap.idle() } else { self.past.1 }
    }

    /// Evolves the topology after an epoch: the network's, or in phase 2 each worker's own, so that
    /// the network stays the average until the next epoch has been trained.
    pub fn evolve(&mut self, par: &Par, model: &mut Mlp, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        match &mut self.phase {
            Phase::Sync(_) => model.evolve(par, rule),
            Phase::Async(wasap) => wasap.evolve(par, model, rule),
            Phase::Local(local) => local.evolve(par, rule),
        }
    }

    /// Prunes neurons after an epoch, as [`ParallelFit::evolve`] evolves.
    pub fn prune(&mut self, par: &Par, model: &mut Mlp, rule: &Pruning) -> Result<Vec<Pruned>> {
        match &mut self.phase {
            Phase::Sync(_) => model.prune(par, rule),
            Phase::Async(wasap) => wasap.prune(par, model, rule),
            Phase::Local(local) => local.prune(par, rule),
        }
    }
}
