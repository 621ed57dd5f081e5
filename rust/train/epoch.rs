//! Sequential training: one epoch that can be paused between steps.

use super::{DataView, FitSettings, Progress};
use crate::error::Result;
use crate::memory::reserved;
use crate::nn::{Draw, Mlp, Optimizer, Score, Workspace};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};

/// One pass over all samples in a random order, the last short batch included.
///
/// Between two calls of [`Epoch::run`] the network is at a completed step, and others may look
/// at it; its structure must not change.
#[derive(Debug)]
pub struct Epoch {
    settings: FitSettings,
    order: Vec<u32>,
    next: usize,
    /// The step of the fit that comes next.
    step: u64,
    score: Score,
    /// Whether the epoch counts when it is finished.
    counts: bool,
}

/// Which part of the samples of an epoch is in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 0.
    pub number: u64,
    /// Whether the epoch ends with it.
    pub is_last: bool,
}

impl Part {
    /// All samples.
    pub const WHOLE: Part = Part { number: 0, is_last: true };
}

/// The order of `count` blocks of rows in an epoch.
pub fn block_order(seed: u64, epoch: u64, count: u32) -> Result<Vec<u32>> {
    let mut order = reserved(count as usize, "the order of blocks")?;
    order.extend(0..count);
    Stream::new(seed, Purpose::Blocks, 0, epoch).block(0).shuffle(&mut order);
    Ok(order)
}

impl Epoch {
    /// An epoch over `data` that starts at step `first_step` of the fit. The order of samples is
    /// a function of the seed and the number of epochs that the network has been through.
    pub fn new(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        first_step: u64,
    ) -> Result<Self> {
        Self::of_part(model, data, settings, first_step, Part::WHOLE)
    }

    /// As [`Epoch::new`], of which `data` are a part; the epoch counts with the last of them.
    pub fn of_part(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        first_step: u64,
        part: Part,
    ) -> Result<Self> {
        let mut order = reserved(data.samples(), "the order of samples")?;
        order.extend(0..data.samples() as u32);
        let (seed, epochs) = (model.config().seed, model.counters.epochs);
        Stream::new(seed, Purpose::Shuffle, part.number, epochs).block(0).shuffle(&mut order);
        let epoch = Self::over(model, data, settings, first_step, order)?;
        Ok(Epoch { counts: part.is_last, ..epoch })
    }

    /// An epoch over some of the samples of `data`, in the given order.
    pub(super) fn over(
        model: &Mlp,
        data: &DataView<'_>,
        settings: FitSettings,
        first_step: u64,
        order: Vec<u32>,
    ) -> Result<Self> {
        settings.check()?;
        data.check(model)?;
        let score = Score::default();
        Ok(Epoch { settings, order, next: 0, step: first_step, score, counts: true })
    }

    /// Whether every sample has been used.
    pub fn is_finished(&self) -> bool {
        self.next == self.order.len()
    }

    /// The scores so far: every sample's as it was when its batch was used.
    pub fn progress(&self) -> Progress {
        Progress { done: self.next, total: self.order.len(), score: self.score }
    }

    /// Trains until the epoch is finished or `go_on` says no; it is asked after every step.
    /// Finishing counts the epoch.
    pub fn run(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        workspace: &mut Workspace,
        data: &DataView<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        self.run_together(par, &mut [model], workspace, data, go_on)
    }

    /// As [`Epoch::run`], for several networks that take the same batches ([`shares_batches`]): each is
    /// gathered once, and every network makes its step on it. The scores are those of all of them.
    ///
    /// # Panics
    /// Without networks, or if several cannot share a batch.
    pub fn run_together(
        &mut self,
        par: &Par,
        models: &mut [&mut Mlp],
        workspace: &mut Workspace,
        data: &DataView<'_>,
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let (first, others) = models.split_first().expect("internal: no networks to train");
        let alike = others.iter().all(|other| shares_batches(data, first, other));
        assert!(alike, "internal: networks that cannot share a batch");
        models.iter().try_for_each(|model| workspace.check(model))?;
        // Inside the pool once, so that the kernels of a step neither hand work over nor wake threads.
        par.awake(|| {
            for model in models.iter_mut() {
                if self.next == 0 {
                    model.settle(par)?;
                }
                model.prepare_training(par, workspace.memory())?;
                model.prepare_optimizer(par, &self.settings.optimizer)?;
            }
            let mut ahead = Ahead::new(data, workspace)?;
            while !self.is_finished() {
                self.step(par, models, workspace, data, &mut ahead)?;
                if self.is_finished() {
                    for model in models.iter_mut() {
                        model.settle(par)?;
                        model.counters.epochs += u64::from(self.counts);
                    }
                } else if !go_on() {
                    break;
                }
            }
            workspace.take_back_rows(ahead.rows);
            Ok(())
        })
    }

    /// The batch that starts at a place of the order; empty at its end.
    fn batch(&self, start: usize) -> &[u32] {
        let rest = &self.order[start..];
        &rest[..rest.len().min(self.settings.batch_size)]
    }

    /// One step of each network. Images of the next batch are changed meanwhile, by threads that have nothing else
    /// to do.
    fn step(
        &mut self,
        par: &Par,
        models: &mut [&mut Mlp],
        workspace: &mut Workspace,
        data: &DataView<'_>,
        ahead: &mut Ahead,
    ) -> Result<()> {
        let samples = self.batch(self.next);
        let end = self.next + samples.len();
        let features = data.few_features(self.settings.batch_size);
        for model in models.iter_mut() {
            model.prepare_step(par, &self.settings.optimizer, features)?;
        }
        let model: &Mlp = models[0];
        let (standardizer, draw) = (model.standardizer(), model.next_draw());
        if data.changes() {
            if !ahead.is_ready {
                data.change(par, samples, draw, &mut ahead.rows);
            }
            data.gather_changed(par, standardizer, samples.len(), &ahead.rows, workspace)?;
        } else {
            data.gather(par, model, standardizer, samples, workspace.buffers())?;
        }
        let at = (self.step, self.settings.total_steps);
        let (answers, optimizer) = (data.answers(), &self.settings.optimizer);
        let mut compute = || {
            let mut score = Score::default();
            for model in models.iter_mut() {
                score.add(model.train_step(par, workspace, samples, answers, optimizer, at));
            }
            score
        };
        let next = self.batch(end);
        let score = if data.changes() && !next.is_empty() {
            let draw = Draw { step: draw.step + 1, ..draw };
            ahead.is_ready = true;
            par.join(compute, || data.change(par, next, draw, &mut ahead.rows)).0
        } else {
            ahead.is_ready = false;
            compute()
        };
        self.score.add(score);
        self.next = end;
        self.step += 1;
        Ok(())
    }
}

/// Whether two networks can make their steps on one batch of these data, which does then not depend on
/// the network.
pub fn shares_batches(data: &DataView<'_>, one: &Mlp, other: &Mlp) -> bool {
    data.has_lanes() && !data.changes() && one.takes_batches_of(other)
}

/// Images of the batch that comes next.
struct Ahead {
    /// (largest batch, features), row-major; empty if images are not changed.
    rows: Vec<f32>,
    /// Whether they are there.
    is_ready: bool,
}

impl Ahead {
    fn new(data: &DataView<'_>, workspace: &mut Workspace) -> Result<Self> {
        let rows = if data.changes() { workspace.lend_rows()? } else { Vec::new() };
        Ok(Ahead { rows, is_ready: false })
    }
}

/// One step over all samples of `data` in their order, at the schedule's start; counts no epoch.
///
/// # Panics
/// If the workspace is too small for all samples.
pub fn single_step(
    par: &Par,
    model: &mut Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    optimizer: &Optimizer,
) -> Result<Score> {
    optimizer.check()?;
    workspace.check(model)?;
    data.check(model)?;
    model.prepare_training(par, workspace.memory())?;
    model.prepare_optimizer(par, optimizer)?;
    let mut samples = reserved(data.samples(), "the order of samples")?;
    samples.extend(0..data.samples() as u32);
    par.install(|| {
        model.prepare_step(par, optimizer, data.few_features(samples.len()))?;
        let (standardizer, draw) = (model.standardizer(), model.next_draw());
        data.gather_for_step(par, model, standardizer, &samples, draw, workspace)?;
        Ok(model.train_step(par, workspace, &samples, data.answers(), optimizer, (0, 1)))
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::nn::{
        Config, Fall, LayerRates, Memory, Sparsity, Standardize, Standardizer, Targets,
        UpdateSettings,
    };
    use crate::train::Samples;

    const FEATURES: usize = 40;
    const SAMPLES: usize = 50;

    fn numbers() -> Vec<f64> {
        let draws = Stream::new(3, Purpose::Weights, 9, 9);
        let count = (SAMPLES * FEATURES) as u64;
        (0..count).map(|i| f64::from(crate::rng::symmetric(draws.at(i)))).collect()
    }

    fn settings() -> FitSettings {
        let optimizer = Optimizer {
            rule: UpdateSettings::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-8 },
            learning_rate: 0.01,
            weight_decay: 0.1,
            l1: 0.0,
            schedule: Fall::Constant.into(),
            layer_rates: LayerRates::Equal,
        };
        FitSettings { batch_size: 16, optimizer, total_steps: 12 }
    }

    fn network(seed: u64, hidden: usize, data: &DataView<'_>) -> Mlp {
        let config = Config {
            sparsity: Sparsity::Epsilon(6.0.into()),
            dropout: 0.3.into(),
            standardize: Standardize::All,
            clip: Some(3.0),
            seed,
            ..Config::plain(vec![FEATURES, hidden, 20, 3])
        };
        let par = Par::seq();
        let mut model = Mlp::new(&par, config).unwrap();
        let moments = data.moments(&par, Standardize::All, None).unwrap();
        model.set_standardizer(Standardizer::from_moments(&moments).unwrap()).unwrap();
        model
    }

    fn weights(model: &Mlp) -> Vec<u32> {
        let layers = model.layers().iter();
        let values = layers.flat_map(|l| l.weights().data().iter().chain(l.bias()));
        values.map(|v| v.to_bits()).collect()
    }

    #[test]
    fn together_each_network_is_what_it_is_alone_in_the_same_order() {
        let x = numbers();
        let y: Vec<u32> = (0..SAMPLES as u32).map(|i| i % 3).collect();
        let data =
            DataView::checked_before(Samples::Wide(&x, FEATURES), Some(Targets::Classes(&y)));
        let seeds = [5, 9, 12];
        for threads in [1, 3] {
            let par = Par::new(threads).unwrap();
            let mut alone: Vec<Mlp> = seeds.map(|seed| network(seed, 30, &data)).into();
            let mut together: Vec<Mlp> = seeds.map(|seed| network(seed, 30, &data)).into();
            let mut workspace = Workspace::new(&together[0], 16, Memory::Fast).unwrap();
            for first_step in [0, 4] {
                let mut epoch = Epoch::new(&together[0], &data, settings(), first_step).unwrap();
                let order = epoch.order.clone();
                let mut all: Vec<&mut Mlp> = together.iter_mut().collect();
                // It can be paused.
                while !epoch.is_finished() {
                    epoch.run_together(&par, &mut all, &mut workspace, &data, || false).unwrap();
                }
                let mut sum = Score::default();
                for model in &mut alone {
                    let order = order.clone();
                    let mut one = Epoch::over(model, &data, settings(), first_step, order).unwrap();
                    one.run(&Par::seq(), model, &mut workspace, &data, || true).unwrap();
                    sum.add(one.score);
                }
                assert_eq!(epoch.score.multiply_adds, sum.multiply_adds);
                assert!((epoch.score.mean_loss() - sum.mean_loss()).abs() < 1e-12);
            }
            for (one, other) in alone.iter().zip(&together) {
                assert_eq!(weights(one), weights(other));
                assert_eq!(one.counters, other.counters);
            }
            assert_ne!(weights(&together[0]), weights(&together[1]));
        }
    }

    #[test]
    fn networks_that_need_other_batches_share_none() {
        let x = numbers();
        let y: Vec<u32> = (0..SAMPLES as u32).map(|i| i % 3).collect();
        let data =
            DataView::checked_before(Samples::Wide(&x, FEATURES), Some(Targets::Classes(&y)));
        let one = network(1, 30, &data);
        assert!(shares_batches(&data, &one, &network(2, 30, &data)));
        assert!(!shares_batches(&data, &one, &network(2, 31, &data)));
        let bare = Config { standardize: Standardize::None, clip: None, ..one.config().clone() };
        assert!(!shares_batches(&data, &one, &Mlp::new(&Par::seq(), bare).unwrap()));
        let noisy = Config { input_noise: 0.1, ..one.config().clone() };
        assert!(!shares_batches(&data, &one, &Mlp::new(&Par::seq(), noisy).unwrap()));
    }
}
