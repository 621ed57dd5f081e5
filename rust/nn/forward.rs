//! Passes from inputs to outputs, in training and in predictions.

use std::ops::Range;

use super::batch::{activate, products};
use super::loss::{Answers, Score};
use super::mlp::{Draw, Mlp};
use super::srelu::SRelu;
use super::workspace::{Inference, Workspace};
use crate::kernels::{Batch, BatchMut, Forward, Map, Outputs, add_noise, srelu, stride};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};

impl Mlp {
    /// Forward in training; leaves the deltas of the outputs in the last activation buffer.
    pub(super) fn score_batch(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        samples: &[u32],
        answers: Answers<'_>,
        draw: Draw,
    ) -> Score {
        let batch = samples.len();
        (workspace.stride, workspace.draw, workspace.products) = (stride(batch), draw, 0);
        workspace.samples = batch;
        if self.config.input_noise > 0.0 {
            let deviation = self.config.input_noise as f32;
            let stream = Stream::new(draw.seed, Purpose::InputNoise, 0, draw.step);
            add_noise(par, &stream, deviation, batch, workspace.dense(batch));
        }
        self.forward_training(par, workspace, 0..self.layers.len());
        let last = workspace.slots.of(self.layers.len());
        let outputs = &mut workspace.activations[last];
        let outputs = BatchMut::new(outputs, self.n_outputs(), workspace.stride);
        self.score_in_training(outputs, samples, answers, &mut workspace.scratch)
    }

    /// Computes the activations of some layers, from those before them.
    pub(super) fn forward_training(
        &self,
        par: &Par,
        workspace: &mut Workspace,
        layers: Range<usize>,
    ) {
        let draw = workspace.draw;
        // The shared buffers hold what is computed last; the outputs have one of their own.
        let last = layers.end.min(self.layers.len() - 1);
        workspace.live = workspace.slots.owner(last.saturating_sub(1));
        for l in layers {
            let layer = &self.layers[l];
            let hidden = l + 1 < self.layers.len();
            let map = if hidden { self.config.activation.map(l + 1) } else { Map::Identity };
            let mask = if hidden { self.config.mask(l + 1, draw) } else { None };
            let srelus = layer.srelu.is_some();
            // What comes after SReLU waits for it.
            let after = Forward { map, mask, flush: hidden };
            let forward =
                if srelus { Forward { mask: None, flush: false, ..after } } else { after };
            let mut sparse = workspace.sparse.take();
            let of = sparse.as_mut().filter(|_| l == 0);
            let n_in = of.as_ref().map_or(layer.weights.n_cols(), |of| of.lanes());
            workspace.products += products(layer, of.as_deref(), workspace.samples);
            let (x, outputs) = workspace.pass(l, n_in);
            activate(par, layer, of, x, &forward, outputs);
            if let Some(SRelu { parameters, .. }) = &layer.srelu {
                srelu(par, parameters, &after, workspace.pass(l, n_in).1);
            }
            workspace.sparse = sparse;
        }
    }

    /// Computes the activations before layer `l` once more, if they are not there.
    pub(super) fn recall(&self, par: &Par, workspace: &mut Workspace, l: usize) {
        let owner = workspace.slots.owner(l);
        if owner != l && owner != workspace.live {
            self.forward_training(par, workspace, owner..l);
        }
    }

    /// The outputs' pre-activations of the batch in `inference`, a row an output, beside a scratch
    /// of (stride,).
    pub fn forward<'a>(
        &self,
        par: &Par,
        inference: &'a mut Inference,
        batch: usize,
    ) -> (BatchMut<'a>, &'a mut [f32]) {
        let stride = stride(batch);
        for (l, layer) in self.layers.iter().enumerate() {
            let n_out = layer.weights.n_rows();
            let [first, second] = &mut inference.layers;
            let (x, y) = match l {
                0 => (&inference.input, first),
                l if l % 2 == 1 => (&*first, second),
                _ => (&*second, first),
            };
            let hidden = l + 1 < self.layers.len();
            let map = if hidden { self.config.activation.map(l + 1) } else { Map::Identity };
            let of = inference.sparse.as_mut().filter(|_| l == 0);
            let n_in = of.as_ref().map_or(layer.weights.n_cols(), |of| of.lanes());
            let x = Batch::new(x, n_in, stride);
            let mut y = BatchMut::new(y, n_out, stride);
            let forward = Forward { map, mask: None, flush: false };
            activate(par, layer, of, x, &forward, Outputs::alone(y.reborrow()));
            if let Some(SRelu { parameters, .. }) = &layer.srelu {
                srelu(par, parameters, &forward, Outputs::alone(y));
            }
        }
        let outputs = &mut inference.layers[(self.layers.len() - 1) % 2];
        let outputs = BatchMut::new(outputs, self.n_outputs(), stride);
        (outputs, &mut inference.scratch[..stride])
    }
}
