//! Synchronous parallel training, phase 1 of WASSP-SGD: in every step each worker takes the
//! gradient of a batch of its share, and the server makes one step from all of them (PAPER section
//! 5; arXiv 2102.01732, the section on parallel training).

use super::share::{Share, shares};
use super::{Data, Plan, Progress};
use crate::error::Result;
use crate::nn::{Draw, Gradient, Mlp, Score, Workspace};
use crate::parallel::Par;

/// The workers of a synchronous fit. All read the same network, so none has a copy of its values.
///
/// *What the paper leaves open.* The gradient of a step is the mean over all of its samples, whatever
/// the sizes of the batches: gradients are summed in the order of the workers and divided by the
/// number of samples, so the bits depend on the seed and the number of workers only. An epoch has as
/// many steps as the largest share has batches; a worker whose share has run out is left out.
/// One worker gives the bits of a sequential fit.
#[derive(Debug)]
pub struct Wassp {
    plan: Plan,
    workers: Vec<Worker>,
    /// Samples of each share that have been used in this epoch, at most.
    next: usize,
    step: u64,
    done: usize,
    samples: usize,
    score: Score,
}

#[derive(Debug)]
struct Worker {
    share: Share,
    order: Vec<u32>,
    workspace: Workspace,
    gradient: Gradient,
    score: Option<Score>,
}

/// The factor of the learning rate in epoch `epoch`, counted from 0, of a synchronous fit with
/// `workers` workers: it grows from 1 to `workers` over the first `warmup_epochs` epochs.
pub fn warmup(workers: usize, warmup_epochs: usize, epoch: usize) -> f64 {
    let done = if epoch >= warmup_epochs { 1.0 } else { epoch as f64 / warmup_epochs as f64 };
    (workers - 1) as f64 * done + 1.0
}

impl Wassp {
    /// Takes all memory for `workers` workers, with batches of `plan.batch_size` samples each.
    pub fn new(model: &Mlp, data: &Data<'_>, plan: Plan, workers: usize) -> Result<Self> {
        plan.check()?;
        data.check(model)?;
        let worker = |share: Share| {
            let workspace = Workspace::new(model, plan.batch_size.min(share.len()))?;
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            Ok(Worker { share, order: Vec::new(), workspace, gradient, score: None })
        };
        let workers = shares(data.samples(), workers)?.map(worker).collect::<Result<_>>()?;
        let samples = data.samples();
        Ok(Wassp { plan, workers, next: 0, step: 0, done: 0, samples, score: Score::default() })
    }

    /// Begins an epoch at step `first_step` of the fit.
    pub fn start_epoch(&mut self, model: &Mlp, first_step: u64) -> Result<()> {
        let (seed, epoch) = (model.config().seed, model.counters.epochs);
        for worker in &mut self.workers {
            worker.order = worker.share.order(seed, epoch)?;
        }
        (self.next, self.step, self.done) = (0, first_step, 0);
        self.score = Score::default();
        Ok(())
    }

    /// Whether every sample has been used.
    pub fn is_finished(&self) -> bool {
        self.done == self.samples
    }

    /// As [`super::Epoch::progress`].
    pub fn progress(&self) -> Progress {
        Progress { done: self.done, total: self.samples, score: self.score }
    }

    /// Trains with the learning rate times `factor` until the epoch is finished or `go_on` says no;
    /// it is asked after every step. Finishing counts the epoch.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &Data<'_>,
        factor: f64,
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let mut optimizer = self.plan.optimizer;
        optimizer.learning_rate *= factor;
        // Several workers keep the threads busy; a single one uses them all in its kernels.
        let inner = if self.workers.len() == 1 { par.clone() } else { Par::seq() };
        for worker in &mut self.workers {
            worker.workspace.check(model)?;
            worker.gradient.fit(model)?;
        }
        par.awake(|| {
            model.prepare_training(par)?;
            while !self.is_finished() {
                let (start, end) = (self.next, self.next + self.plan.batch_size);
                let network = &*model;
                par.for_each(&mut self.workers, |worker| {
                    worker.compute(&inner, network, data, start, end);
                });
                let active = || self.workers.iter().filter(|worker| worker.score.is_some());
                let gradients: Vec<_> = active().map(|worker| &worker.gradient).collect();
                let samples = gradients.iter().map(|gradient| gradient.samples()).sum();
                let step = optimizer.step(self.step, self.plan.total_steps, samples);
                model.apply(par, &gradients, &step);
                model.counters.steps += 1;
                for score in self.workers.iter().filter_map(|worker| worker.score) {
                    self.score.add(score);
                }
                self.next = end;
                self.step += 1;
                self.done += samples;
                if self.is_finished() {
                    model.counters.epochs += 1;
                } else if !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }
}

impl Worker {
    /// The gradient of the samples `start..end` of its order, if there are any.
    fn compute(&mut self, par: &Par, model: &Mlp, data: &Data<'_>, start: usize, end: usize) {
        let end = end.min(self.order.len());
        self.score = (start < end).then(|| {
            let samples = &self.order[start..end];
            let draw =
                Draw { seed: self.share.seed(model.config().seed), step: model.counters.steps };
            let input = self.workspace.input(samples.len());
            data.gather(par, model.standardizer(), samples, input);
            let targets = data.targets();
            model.gradient(par, &mut self.workspace, samples, targets, draw, &mut self.gradient)
        });
    }
}
