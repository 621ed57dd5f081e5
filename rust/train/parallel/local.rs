//! Phase 2 of parallel training: every worker trains its own network on its share, and the average of
//! all is what the fit has learned (WASAP-SGD, arXiv 2102.01732).

use std::sync::{Mutex, PoisonError};

use super::share::{Share, shares};
use super::{DataView, Epoch, FitSettings, Progress, Scaling};
use crate::error::Result;
use crate::nn::{Memory, Mlp, Pruned, Pruning, Score, Workspace};
use crate::parallel::Par;
use crate::topology::{Rule, Turnover};

/// The workers of the local phase.
///
/// *What the paper leaves open.* Every worker starts with the server's weights and momentum and goes
/// on along the schedule of the fit, with the [scaling](Scaling) that the caller gives for each
/// epoch. It evolves and prunes its own topology with its own random numbers. After every epoch the
/// average can be looked at ([`LocalPhase::publish`]), while each worker goes on with its own
/// network; the last average is the result.
#[derive(Debug)]
pub struct LocalPhase {
    settings: FitSettings,
    workers: Vec<LocalWorker>,
}

#[derive(Debug)]
struct LocalWorker {
    share: Share,
    model: Mlp,
    workspace: Workspace,
    epoch: Option<Epoch>,
}

impl LocalPhase {
    /// Takes all memory: a network and buffers for each of `workers` workers.
    pub fn new(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        workers: usize,
    ) -> Result<Self> {
        Self::of(model, settings, shares(data.samples(), workers)?)
    }

    /// The workers of these shares only; the others are on other machines.
    pub fn of(
        model: &Mlp,
        settings: FitSettings,
        shares: impl Iterator<Item = Share>,
    ) -> Result<Self> {
        let seed = model.config().seed;
        let own = |share: Share| Ok((share, model.clone_with_seed(share.seed(seed))?));
        Self::resumed(settings, shares.map(own).collect::<Result<_>>()?)
    }

    /// Workers that have trained their networks before, as [`LocalPhase::models`] gave them.
    pub fn resumed(settings: FitSettings, workers: Vec<(Share, Mlp)>) -> Result<Self> {
        let worker = |(share, model): (Share, Mlp)| {
            let workspace =
                Workspace::new(&model, settings.batch_size.min(share.len()), Memory::Fast)?;
            Ok(LocalWorker { share, model, workspace, epoch: None })
        };
        let workers = workers.into_iter().map(worker).collect::<Result<_>>()?;
        Ok(LocalPhase { settings, workers })
    }

    /// The networks of all workers, in their order.
    pub fn models(&self) -> impl Iterator<Item = &Mlp> {
        self.workers.iter().map(|worker| &worker.model)
    }

    /// Begins an epoch at step `first_step` of the fit, on every worker.
    pub fn start_epoch(
        &mut self,
        seed: u64,
        data: &DataView<'_>,
        first_step: u64,
        scaling: Scaling,
    ) -> Result<()> {
        let mut settings = self.settings;
        settings.optimizer.learning_rate *= scaling.learning_rate;
        for worker in &mut self.workers {
            let order = worker.share.order(seed, worker.model.counters.epochs)?;
            worker.epoch = Some(Epoch::over(&worker.model, data, settings, first_step, order)?);
            worker.model.scale_momentum(scaling.velocity);
        }
        Ok(())
    }

    fn epochs(&self) -> impl Iterator<Item = &Epoch> {
        self.workers.iter().filter_map(|worker| worker.epoch.as_ref())
    }

    /// Whether every worker has used its samples.
    pub fn is_finished(&self) -> bool {
        self.epochs().all(Epoch::is_finished)
    }

    /// The progress of all workers together.
    pub fn progress(&self) -> Progress {
        let mut all = Progress { done: 0, total: 0, score: Score::default() };
        for epoch in self.epochs() {
            let Progress { done, total, score } = epoch.progress();
            (all.done, all.total) = (all.done + done, all.total + total);
            all.score.add(score);
        }
        all
    }

    /// Trains until the epoch is finished or `go_on` says no; it is asked after every step of every
    /// worker.
    pub fn run(
        &mut self,
        par: &Par,
        data: &DataView<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let inner = if self.workers.len() == 1 { par.clone() } else { Par::seq() };
        let go_on = Mutex::new(go_on);
        let ask = || go_on.lock().unwrap_or_else(PoisonError::into_inner)();
        let results = par.for_each(&mut self.workers, |worker| match &mut worker.epoch {
            Some(epoch) if !epoch.is_finished() => {
                epoch.run(&inner, &mut worker.model, &mut worker.workspace, data, ask)
            }
            _ => Ok(()),
        });
        results.into_iter().collect()
    }

    /// Gives the network the average of the workers' networks.
    pub fn publish(&self, par: &Par, model: &mut Mlp) -> Result<()> {
        model.average(par, &self.models().collect::<Vec<_>>())
    }

    /// Evolves the topology of every worker on its own; the turnover of each layer is that of all
    /// workers together.
    pub fn evolve(&mut self, par: &Par, rule: &dyn Rule) -> Result<Vec<Turnover>> {
        let results = par.for_each(&mut self.workers, |worker| worker.model.evolve(par, rule));
        let mut sums = Vec::new();
        for layers in results {
            let layers = layers?;
            sums.resize(layers.len(), Turnover::default());
            for (sum, layer) in sums.iter_mut().zip(layers) {
                sum.dropped += layer.dropped;
                sum.grown += layer.grown;
            }
        }
        Ok(sums)
    }

    /// Prunes neurons of every worker on its own; neurons and connections of each layer are those of
    /// all workers together, and a refusal is the first worker's that has one.
    pub fn prune(&mut self, par: &Par, rule: &Pruning) -> Result<Vec<Pruned>> {
        let mut sums: Vec<Pruned> = Vec::new();
        for worker in &mut self.workers {
            let reports = worker.model.prune(par, rule)?;
            sums.resize(reports.len(), Pruned::default());
            for (sum, report) in sums.iter_mut().zip(reports) {
                sum.neurons += report.neurons;
                sum.connections += report.connections;
                sum.refused = sum.refused.or(report.refused);
            }
        }
        Ok(sums)
    }
}
