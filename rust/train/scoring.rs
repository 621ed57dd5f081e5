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
    samples: Vec<u32>,
    inference: Inference,
    score: Score,
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
        let score = Score::default();
        Ok(InferencePass { batch_size, next: 0, total, samples, inference, score })
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
                self.samples.extend(self.next as u32..end as u32);
                let batch = self.samples.len();
                let (first, standardizer) = (&model.layers()[0], model.standardizer());
                let buffers = self.inference.buffers();
                data.gather(par, first, standardizer, &self.samples, buffers)?;
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
