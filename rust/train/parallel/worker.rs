//! One worker of phase 1: the gradients of batches of its share.

use super::DataView;
use super::share::Share;
use crate::error::Result;
use crate::memory::filled;
use crate::nn::{Draw, Memory, Mlp, Score, Standardizer, Workspace};
use crate::parallel::Par;

/// A worker's share, the order in which it goes through it, and its buffers. Whose network it
/// computes with, and what becomes of the gradients, is the caller's.
#[derive(Debug)]
pub struct GradientWorker {
    share: Share,
    /// The order of the current pass.
    order: Vec<u32>,
    workspace: Workspace,
    batch_size: usize,
}

/// Where a worker is that goes through its share again and again.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    /// The next place in the order of the pass.
    next: usize,
    /// Passes begun, under which the next one is shuffled.
    passes: u64,
    /// Gradients taken, by which its random numbers are keyed.
    steps: u64,
}

/// What batches are made of.
#[derive(Clone, Copy, Debug)]
pub struct BatchSource<'a> {
    /// The samples.
    pub data: &'a DataView<'a>,
    /// By which they are standardised.
    pub standardizer: Option<&'a Standardizer>,
    /// The network's seed.
    pub seed: u64,
}

impl GradientWorker {
    /// Takes the memory for batches of at most `batch_size` samples.
    pub fn new(model: &Mlp, share: Share, batch_size: usize) -> Result<Self> {
        let batch_size = batch_size.min(share.len());
        let workspace = Workspace::new(model, batch_size, Memory::Fast)?;
        let order = filled(share.len(), 0, "the order of samples")?;
        Ok(GradientWorker { share, order, workspace, batch_size })
    }

    /// Its number, from 0.
    pub fn index(&self) -> usize {
        self.share.worker
    }

    /// Where it begins to take gradients for a network that has been trained as far as this.
    pub fn cursor(&self, model: &Mlp) -> Cursor {
        let counters = model.counters;
        Cursor { next: self.share.len(), passes: counters.epochs, steps: counters.steps }
    }

    /// An error if its buffers do not fit the network.
    pub fn check(&self, model: &Mlp) -> Result<()> {
        self.workspace.check(model)
    }

    /// Begins pass `pass` through the share under the network's seed.
    pub fn shuffle(&mut self, seed: u64, pass: u64) -> Result<()> {
        self.order = self.share.order(seed, pass)?;
        Ok(())
    }

    /// Writes the gradient of the batch that starts at place `start` of the order to `out`, as
    /// [`Mlp::gradient`], with the random numbers of step `step`; nothing if the share ends before.
    pub fn gradient_at(
        &mut self,
        par: &Par,
        model: &Mlp,
        source: BatchSource<'_>,
        start: usize,
        step: u64,
        out: &mut [f32],
    ) -> Result<Option<Score>> {
        let end = self.order.len().min(start.saturating_add(self.batch_size));
        let samples = self.order.get(start..end).filter(|samples| !samples.is_empty());
        let Some(samples) = samples else { return Ok(None) };
        let standardizer = source.standardizer;
        let draw = Draw { seed: self.share.seed(source.seed), step };
        let workspace = &mut self.workspace;
        source.data.gather_for_step(par, model, standardizer, samples, draw, workspace)?;
        let answers = source.data.answers();
        Ok(Some(model.gradient(par, &mut self.workspace, samples, answers, draw, out)))
    }

    /// As [`GradientWorker::gradient_at`] of the next batch. A share that has run out starts again.
    pub fn next_gradient(
        &mut self,
        par: &Par,
        model: &Mlp,
        source: BatchSource<'_>,
        cursor: &mut Cursor,
        out: &mut [f32],
    ) -> Result<Score> {
        if cursor.next >= self.order.len() {
            self.shuffle(source.seed, cursor.passes)?;
            (cursor.next, cursor.passes) = (0, cursor.passes + 1);
        }
        let Cursor { next, steps, .. } = *cursor;
        let score = self.gradient_at(par, model, source, next, steps, out)?;
        let score = score.expect("internal: a share without samples");
        cursor.next += score.samples;
        cursor.steps += 1;
        Ok(score)
    }
}
