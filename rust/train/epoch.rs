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
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        workspace.check(model)?;
        // Inside the pool once, so that the kernels of a step neither hand work over nor wake threads.
        par.awake(|| {
            if self.next == 0 {
                model.settle(par)?;
            }
            model.prepare_training(par, workspace.memory())?;
            model.prepare_optimizer(par, &self.settings.optimizer)?;
            let mut ahead = Ahead::new(data, workspace)?;
            while !self.is_finished() {
                self.step(par, model, workspace, data, &mut ahead)?;
                if self.is_finished() {
                    model.settle(par)?;
                    model.counters.epochs += u64::from(self.counts);
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

    /// One step. Images of the next batch are changed meanwhile, by threads that have nothing else
    /// to do.
    fn step(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        workspace: &mut Workspace,
        data: &DataView<'_>,
        ahead: &mut Ahead,
    ) -> Result<()> {
        let samples = self.batch(self.next);
        let end = self.next + samples.len();
        let features = data.few_features(self.settings.batch_size);
        model.prepare_step(par, &self.settings.optimizer, features)?;
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
        let mut compute = || {
            model.train_step(par, workspace, samples, data.answers(), &self.settings.optimizer, at)
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
