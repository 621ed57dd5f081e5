//! The server of a synchronous fit and the epoch that it is in. Its workers may be threads of this
//! process or other machines.

use super::{FitSettings, Progress};
use crate::error::Result;
use crate::nn::{GradientView, Mlp, Score};
use crate::parallel::Par;

/// The server of a network and its epochs, which consist of rounds: every worker takes the gradient
/// of the batch that starts at the same place of its share, if the share has one there, and one step
/// is made of all gradients.
#[derive(Debug)]
pub struct SyncServer {
    settings: FitSettings,
    /// Samples of all shares.
    samples: usize,
    /// The place in every share at which the next batches start.
    next: usize,
    /// The step of the schedule that comes next.
    step: u64,
    done: usize,
    score: Score,
}

impl SyncServer {
    /// A server of workers whose shares have this number of samples together.
    pub fn new(settings: FitSettings, samples: usize) -> Result<Self> {
        settings.check()?;
        Ok(SyncServer { settings, samples, next: 0, step: 0, done: 0, score: Score::default() })
    }

    /// Begins an epoch at step `first_step` of the schedule.
    pub fn start_epoch(&mut self, first_step: u64) {
        (self.next, self.step, self.done) = (0, first_step, 0);
        self.score = Score::default();
    }

    /// The place in every share at which the batches of the next round start.
    pub fn next_start(&self) -> usize {
        self.next
    }

    /// Whether every sample has been used.
    pub fn is_finished(&self) -> bool {
        self.done == self.samples
    }

    /// As [`super::Epoch::progress`].
    pub fn progress(&self) -> Progress {
        Progress { done: self.done, total: self.samples, score: self.score }
    }

    /// Makes one step of the gradients of a round and their scores, in the order of the workers,
    /// with the learning rate times `factor`. The last one counts the epoch.
    pub fn apply(
        &mut self,
        par: &Par,
        model: &mut Mlp,
        gradients: &[GradientView<'_>],
        scores: impl Iterator<Item = Score>,
        factor: f64,
    ) {
        let mut optimizer = self.settings.optimizer;
        optimizer.learning_rate *= factor;
        let samples = gradients.iter().map(GradientView::samples).sum();
        let step = optimizer.step((self.step, self.settings.total_steps), 0, samples);
        model.apply(par, gradients, &step);
        model.counters.steps += 1;
        scores.for_each(|score| self.score.add(score));
        self.next += self.settings.batch_size;
        self.step += 1;
        self.done += samples;
        model.counters.epochs += u64::from(self.is_finished());
    }
}
