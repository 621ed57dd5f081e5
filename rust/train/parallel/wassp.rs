//! Synchronous parallel training, phase 1 of WASSP-SGD: in every step each worker takes the
//! gradient of a batch of its share, and the server makes one step from all of them (arXiv
//! 2102.01732).

use super::share::shares;
use super::sync_server::SyncServer;
use super::worker::{BatchSource, GradientWorker};
use super::{DataView, FitSettings, Progress};
use crate::error::Result;
use crate::nn::{Gradient, Memory, Mlp, Score};
use crate::parallel::Par;

/// The workers of a synchronous fit. All read the same network, so none has a copy of its values.
///
/// *What the paper leaves open.* The gradient of a step is the mean over all of its samples, also
/// where batches differ in size: gradients are summed in the order of the workers and divided by the
/// number of samples, so the bits depend on the seed and the number of workers only. An epoch has as
/// many steps as the largest share has batches; a worker whose share has run out is left out.
/// One worker gives the bits of a sequential fit.
#[derive(Debug)]
pub struct Wassp {
    server: SyncServer,
    workers: Vec<SyncWorker>,
}

#[derive(Debug)]
struct SyncWorker {
    batches: GradientWorker,
    gradient: Gradient,
    score: Option<Score>,
}

impl Wassp {
    /// Takes all memory for `workers` workers, with batches of `settings.batch_size` samples each.
    pub fn new(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        workers: usize,
    ) -> Result<Self> {
        data.check(model)?;
        let server = SyncServer::new(settings, data.samples())?;
        let worker = |share| {
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            let batches = GradientWorker::new(model, share, settings.batch_size)?;
            Ok(SyncWorker { batches, gradient, score: None })
        };
        let workers = shares(data.samples(), workers)?.map(worker).collect::<Result<_>>()?;
        Ok(Wassp { server, workers })
    }

    /// Begins an epoch at step `first_step` of the fit.
    pub fn start_epoch(&mut self, model: &Mlp, first_step: u64) -> Result<()> {
        let (seed, epoch) = (model.config().seed, model.counters.epochs);
        self.workers.iter_mut().try_for_each(|worker| worker.batches.shuffle(seed, epoch))?;
        self.server.start_epoch(first_step);
        Ok(())
    }

    /// Whether every sample has been used.
    pub fn is_finished(&self) -> bool {
        self.server.is_finished()
    }

    /// As [`super::Epoch::progress`].
    pub fn progress(&self) -> Progress {
        self.server.progress()
    }

    /// Trains with the learning rate times `factor` until the epoch is finished or `go_on` says no;
    /// it is asked after every step. Finishing counts the epoch.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        data: &DataView<'_>,
        factor: f64,
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        // Several workers keep the threads busy; a single one uses them all in its kernels.
        let inner = if self.workers.len() == 1 { par.clone() } else { Par::seq() };
        for worker in &mut self.workers {
            worker.batches.check(model)?;
            worker.gradient.fit(model)?;
        }
        let Wassp { server, workers } = self;
        par.awake(|| {
            model.prepare_training(par, Memory::Fast)?;
            while !server.is_finished() {
                let network = &*model;
                let source = BatchSource {
                    data,
                    standardizer: network.standardizer(),
                    seed: network.config().seed,
                };
                let (start, step) = (server.next_start(), network.counters.steps);
                let done = par.for_each(workers, |SyncWorker { batches, gradient, score }| {
                    let out = gradient.values_mut();
                    *score = batches.gradient_at(&inner, network, source, start, step, out)?;
                    gradient.set_samples(score.map_or(0, |score| score.samples));
                    Ok(())
                });
                done.into_iter().collect::<Result<()>>()?;
                let active = || workers.iter().filter(|worker| worker.score.is_some());
                let gradients: Vec<_> = active().map(|worker| worker.gradient.view()).collect();
                let scores = workers.iter().filter_map(|worker| worker.score);
                server.apply(par, model, &gradients, scores, factor);
                if !server.is_finished() && !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }
}
