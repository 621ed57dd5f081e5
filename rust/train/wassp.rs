//! Synchronous parallel training, phase 1 of WASSP-SGD: in every step each worker takes the
//! gradient of a batch of its share, and the server makes one step from all of them (arXiv
//! 2102.01732).

use super::rounds::Rounds;
use super::share::shares;
use super::worker::{Source, Worker};
use super::{Data, Plan, Progress};
use crate::error::Result;
use crate::nn::{Gradient, Memory, Mlp, Score};
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
    rounds: Rounds,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    worker: Worker,
    gradient: Gradient,
    score: Option<Score>,
}

impl Wassp {
    /// Takes all memory for `workers` workers, with batches of `plan.batch_size` samples each.
    pub fn new(model: &Mlp, data: &Data<'_>, plan: Plan, workers: usize) -> Result<Self> {
        data.check(model)?;
        let rounds = Rounds::new(plan, data.samples())?;
        let member = |share| {
            let mut gradient = Gradient::default();
            gradient.fit(model)?;
            let worker = Worker::new(model, share, plan.batch_size)?;
            Ok(Member { worker, gradient, score: None })
        };
        let members = shares(data.samples(), workers)?.map(member).collect::<Result<_>>()?;
        Ok(Wassp { rounds, members })
    }

    /// Begins an epoch at step `first_step` of the fit.
    pub fn start_epoch(&mut self, model: &Mlp, first_step: u64) -> Result<()> {
        let (seed, epoch) = (model.config().seed, model.counters.epochs);
        self.members.iter_mut().try_for_each(|member| member.worker.shuffle(seed, epoch))?;
        self.rounds.start_epoch(first_step);
        Ok(())
    }

    /// Whether every sample has been used.
    pub fn is_finished(&self) -> bool {
        self.rounds.is_finished()
    }

    /// As [`super::Epoch::progress`].
    pub fn progress(&self) -> Progress {
        self.rounds.progress()
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
        // Several workers keep the threads busy; a single one uses them all in its kernels.
        let inner = if self.members.len() == 1 { par.clone() } else { Par::seq() };
        for member in &mut self.members {
            member.worker.check(model)?;
            member.gradient.fit(model)?;
        }
        let Wassp { rounds, members } = self;
        par.awake(|| {
            model.prepare_training(par, Memory::Fast)?;
            while !rounds.is_finished() {
                let network = &*model;
                let source = Source {
                    data,
                    standardizer: network.standardizer(),
                    seed: network.config().seed,
                };
                let at = (rounds.next(), network.counters.steps);
                let done = par.for_each(members, |Member { worker, gradient, score }| {
                    let out = gradient.values_mut();
                    *score = worker.gradient_at(&inner, network, source, at, out)?;
                    gradient.set_samples(score.map_or(0, |score| score.samples));
                    Ok(())
                });
                done.into_iter().collect::<Result<()>>()?;
                let active = || members.iter().filter(|member| member.score.is_some());
                let gradients: Vec<_> = active().map(|member| member.gradient.view()).collect();
                let scores = members.iter().filter_map(|member| member.score);
                rounds.apply(par, model, &gradients, scores, factor);
                if !rounds.is_finished() && !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }
}
