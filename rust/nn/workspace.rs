//! Buffers of a training step and of a prediction, allocated once and reused.

use super::mlp::Mlp;
use crate::error::{Error, Result};
use crate::kernels::{Map, stride, words};
use crate::memory::{Lanes, area, copied, filled};

/// Buffers for training steps with up to a given number of samples.
#[derive(Debug)]
pub struct Workspace {
    /// The largest batch that fits.
    pub(super) max_batch: usize,
    /// Neurons of each layer that the buffers are for.
    sizes: Vec<usize>,
    /// `activations[l]`: (n_l, stride); 0 is the gathered batch, the last the outputs.
    pub(super) activations: Vec<Lanes>,
    /// `signs[l]`: (n_l, words), one bit a unit, for hidden layers whose derivative needs it.
    pub(super) signs: Vec<Vec<u16>>,
    /// `kept[l]`: (n_l, words), one bit a unit, for hidden layers with dropout.
    pub(super) kept: Vec<Vec<u16>>,
    /// Two buffers of (largest hidden layer, stride): the deltas that come in and go out.
    pub(super) deltas: [Lanes; 2],
    /// (stride,).
    pub(super) scratch: Lanes,
}

impl Workspace {
    /// Buffers for batches of up to `max_batch` samples of `model`.
    pub fn new(model: &Mlp, max_batch: usize) -> Result<Self> {
        let (stride, words) = (stride(max_batch), words(stride(max_batch)));
        let sizes = &model.config().layer_sizes;
        let last = sizes.len() - 1;
        let floats = |n: usize, what| Lanes::zeros(area(n, stride, what)?, what);
        let bits = |n: usize, needed: bool| {
            let what = "activation signs";
            filled(if needed { area(n, words, what)? } else { 0 }, 0u16, what)
        };
        let mut workspace = Workspace {
            max_batch,
            sizes: copied(sizes, "a batch")?,
            activations: Vec::new(),
            signs: Vec::new(),
            kept: Vec::new(),
            deltas: Default::default(),
            scratch: floats(1, "a batch")?,
        };
        for (l, &n) in sizes.iter().enumerate() {
            let hidden = l > 0 && l < last;
            let slope = hidden && matches!(model.config().activation.map(l), Map::Slope(_));
            workspace.activations.push(floats(n, "activations")?);
            workspace.signs.push(bits(n, slope)?);
            workspace.kept.push(bits(n, hidden && model.config().dropout > 0.0)?);
        }
        let largest = sizes[1..last].iter().copied().max().unwrap_or(0);
        // The first pass writes to the second buffer; the other one is needed from the next on.
        workspace.deltas =
            [floats(if last > 2 { largest } else { 0 }, "deltas")?, floats(largest, "deltas")?];
        Ok(workspace)
    }

    /// An error if the network has been compacted since the buffers were taken.
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.sizes == model.config().layer_sizes { Ok(()) } else { Err(Error::Compacted) }
    }

    /// The inputs of layer `l` and the deltas of its outputs while they are passed back:
    /// (n_in, stride) and (n_out, stride).
    pub(super) fn products(&self, model: &Mlp, stride: usize, l: usize) -> (&[f32], &[f32]) {
        let sizes = &model.config().layer_sizes;
        // The last layer's pass writes to the second buffer, the next one to the first, and so on.
        let depth = sizes.len() - 2 - l;
        let deltas = if depth == 0 { &self.activations[l + 1] } else { &self.deltas[depth % 2] };
        (&self.activations[l][..sizes[l] * stride], &deltas[..sizes[l + 1] * stride])
    }

    /// Where a batch of `batch` samples goes before a step: (n_0, `stride(batch)`), feature-major.
    pub fn input(&mut self, batch: usize) -> &mut [f32] {
        input(&mut self.activations[0], self.max_batch, batch)
    }
}

/// Buffers for predictions: no training state, two layers at a time.
#[derive(Debug)]
pub struct Inference {
    pub(super) max_batch: usize,
    sizes: Vec<usize>,
    pub(super) input: Lanes,
    /// The layer that is read and the one that is written, (largest, stride) each.
    pub(super) layers: [Lanes; 2],
    pub(super) scratch: Lanes,
}

impl Inference {
    /// Buffers for batches of up to `max_batch` samples of `model`.
    pub fn new(model: &Mlp, max_batch: usize) -> Result<Self> {
        let stride = stride(max_batch);
        let sizes = &model.config().layer_sizes;
        let floats = |n: usize| Lanes::zeros(area(n, stride, "activations")?, "activations");
        let largest = |from: usize| sizes[from..].iter().step_by(2).copied().max().unwrap_or(0);
        Ok(Inference {
            max_batch,
            sizes: copied(sizes, "a batch")?,
            input: floats(sizes[0])?,
            layers: [floats(largest(1))?, floats(if sizes.len() > 2 { largest(2) } else { 0 })?],
            scratch: floats(1)?,
        })
    }

    /// As [`Workspace::check`].
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.sizes == model.config().layer_sizes { Ok(()) } else { Err(Error::Compacted) }
    }

    /// Where a batch of `batch` samples goes: (n_0, `stride(batch)`), feature-major.
    pub fn input(&mut self, batch: usize) -> &mut [f32] {
        input(&mut self.input, self.max_batch, batch)
    }
}

fn input(buffer: &mut [f32], max_batch: usize, batch: usize) -> &mut [f32] {
    assert!(batch <= max_batch, "internal: a batch of {batch} in buffers for {max_batch}");
    let features = buffer.len() / stride(max_batch);
    &mut buffer[..features * stride(batch)]
}
