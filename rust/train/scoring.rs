//! Evaluation and prediction. A sample's bits do not depend on the batch size.

use super::{DataView, Progress};
use crate::error::{Error, Result};
use crate::kernels::{Batch, BatchMut};
use crate::memory::reserved;
use crate::nn::{Inference, Mlp, Score};
use crate::parallel::Par;

/// A pass over all samples, in order and without training, that can be paused between batches.
#[derive(Debug)]
pub struct InferencePass {
    batch_size: usize,
    next: usize,
    total: usize,
    /// From one sample to the next.
    every: usize,
    samples: Vec<u32>,
    inference: Inference,
    score: Score,
    /// The outputs of the first sample that was measured.
    first: Vec<f32>,
    /// Whether another one had others.
    varies: bool,
}

impl InferencePass {
    /// A pass over `data` in batches of `batch_size`; a sample's bits do not depend on it.
    pub fn new(model: &Mlp, data: &DataView<'_>, batch_size: usize) -> Result<Self> {
        if batch_size == 0 {
            return Err(Error::invalid("batch_size", 0, "at least 1"));
        }
        data.check(model)?;
        let inference = Inference::new(model, batch_size.min(data.samples()))?;
        Self::within(inference, model, data, batch_size)
    }

    /// The same in buffers that fit it.
    pub fn within(
        inference: Inference,
        model: &Mlp,
        data: &DataView<'_>,
        batch_size: usize,
    ) -> Result<Self> {
        data.check(model)?;
        let total = data.samples();
        let batch_size = batch_size.min(total);
        let samples = reserved(batch_size, "a batch")?;
        Ok(InferencePass {
            batch_size,
            next: 0,
            total,
            every: 1,
            samples,
            inference,
            score: Score::default(),
            first: reserved(model.n_outputs(), "outputs")?,
            varies: false,
        })
    }

    /// The same over at most `samples` of the samples, evenly spread.
    pub fn at_most(self, samples: usize) -> Self {
        let total = self.total.min(samples.max(1));
        InferencePass { every: self.total / total, total, ..self }
    }

    /// The buffers.
    pub fn into_inference(self) -> Inference {
        self.inference
    }

    /// Whether every sample has been seen.
    pub fn is_finished(&self) -> bool {
        self.next == self.total
    }

    /// How far the pass is, with the scores so far.
    pub fn progress(&self) -> Progress {
        Progress { done: self.next, total: self.total, score: self.score }
    }

    /// Scores samples against their targets until all are scored or `go_on` says no; it is asked
    /// after every batch.
    pub fn evaluate(
        &mut self,
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let mut score = self.score;
        self.run(par, model, data, go_on, |samples, z, scratch| {
            score.add(model.score(z, samples, data.answers(), scratch));
        })?;
        self.score = score;
        Ok(())
    }

    /// Scores samples as training does, with smoothed targets, but without dropout, noise and changed
    /// images; else as [`InferencePass::evaluate`].
    pub fn measure(
        &mut self,
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let (mut score, mut varies) = (self.score, self.varies);
        let mut first = std::mem::take(&mut self.first);
        self.run(par, model, data, go_on, |samples, z, scratch| {
            let lanes = || z.values.chunks_exact(z.stride).map(|row| &row[..samples.len()]);
            if first.is_empty() {
                first.extend(lanes().map(|row| row[0]));
            }
            let differs = |(row, &first): (&[f32], &f32)| row.iter().any(|&v| v != first);
            varies |= lanes().zip(&first).any(differs);
            score.add(model.score_in_training(z, samples, data.answers(), scratch));
        })?;
        (self.score, self.varies, self.first) = (score, varies, first);
        Ok(())
    }

    /// Whether two samples that were measured have different outputs.
    pub fn varies(&self) -> bool {
        self.varies
    }

    /// Writes samples' outputs until all are written or `go_on` says no; it is asked after every
    /// batch. `out`: (samples, outputs) row-major.
    pub fn predict(
        &mut self,
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        out: &mut [f32],
        go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let outputs = model.n_outputs();
        assert_eq!(out.len(), data.samples() * outputs, "internal: out is (samples, outputs)");
        self.run(par, model, data, go_on, |samples, mut z, scratch| {
            model.config().loss.outputs(z.reborrow(), scratch);
            let Batch { values: z, stride } = z.as_batch();
            for (lane, &sample) in samples.iter().enumerate() {
                let row = &mut out[sample as usize * outputs..][..outputs];
                row.iter_mut().enumerate().for_each(|(k, o)| *o = z[k * stride + lane]);
            }
        })
    }

    fn run(
        &mut self,
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        mut go_on: impl FnMut() -> bool + Send,
        mut each: impl FnMut(&[u32], BatchMut<'_>, &mut [f32]) + Send,
    ) -> Result<()> {
        self.inference.check(model)?;
        // Inside the pool once, so that the kernels neither hand work over nor wake threads; for a
        // single batch waking them first would take longer than it saves.
        let single = self.total - self.next <= self.batch_size;
        let work = || {
            while !self.is_finished() {
                let end = self.total.min(self.next + self.batch_size);
                self.samples.clear();
                self.samples.extend((self.next..end).map(|i| (i * self.every) as u32));
                let batch = self.samples.len();
                let buffers = self.inference.buffers();
                data.gather(par, model, model.standardizer(), &self.samples, buffers)?;
                let (z, scratch) = model.forward(par, &mut self.inference, batch);
                each(&self.samples, z, scratch);
                self.next = end;
                if !self.is_finished() && !go_on() {
                    break;
                }
            }
            Ok(())
        };
        if single { par.install(work) } else { par.awake(work) }
    }
}
