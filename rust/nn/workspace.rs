//! Buffers of a training step and of a prediction, allocated once and reused.

use serde::Deserialize;

use super::batch::{BatchBuffers, SparseInput, check_batch};
use super::mlp::{Draw, Mlp};
use crate::error::{Error, Result};
use crate::kernels::{Batch, BatchMut, Needs, Outputs, Record, SRELU_PARAMETERS, stride, words};
use crate::memory::{Lanes, area, copied, filled, zeros};

/// How much memory training may take beside the network; the bits are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// A transpose index for every layer but the first, and all activations.
    #[default]
    Fast,
    /// No transpose index: 12 bytes a connection instead of 20, and 16 a neuron instead of 24.
    Lean,
    /// As `Lean`, and the activations of some layers only: the others are computed once more when
    /// they are needed again.
    Least,
}

/// Which buffer holds the activations of each layer. Some layers have one of their own; those
/// between two of them share buffers with the layers of other such runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slots {
    /// Layers whose number is a multiple of this have a buffer for them alone.
    every: usize,
    /// The layers, the inputs and the outputs included.
    layers: usize,
}

impl Slots {
    /// The slots that take the least memory, if that is wanted, or a buffer for each layer.
    pub(super) fn new(sizes: &[usize], memory: Memory) -> Self {
        let layers = sizes.len();
        let with = |every| Slots { every, layers };
        let rows = |slots: &Slots| slots.rows(sizes).iter().map(|&n| n as u128).sum::<u128>();
        match memory {
            Memory::Least => (1..layers).map(with).min_by_key(rows).unwrap_or(with(1)),
            _ => with(1),
        }
    }

    /// The buffer of a layer.
    pub(super) fn of(&self, layer: usize) -> usize {
        let owners = (self.layers - 2) / self.every + 1;
        match layer % self.every {
            _ if layer == self.layers - 1 => owners,
            0 => layer / self.every,
            shared => owners + shared,
        }
    }

    /// The neurons that each buffer must hold.
    pub(super) fn rows(&self, sizes: &[usize]) -> Vec<usize> {
        let mut rows = Vec::new();
        for (layer, &n) in sizes.iter().enumerate() {
            let slot = self.of(layer);
            rows.resize(rows.len().max(slot + 1), 0);
            rows[slot] = n.max(rows[slot]);
        }
        rows
    }

    /// The nearest layer at or before this one that shares no buffer.
    pub(super) fn owner(&self, layer: usize) -> usize {
        layer / self.every * self.every
    }
}

/// Buffers for training steps with up to a given number of samples.
#[derive(Debug)]
pub struct Workspace {
    /// The largest batch that fits.
    pub(super) max_batch: usize,
    /// Multiply-adds of the products of this batch so far.
    pub(super) products: u64,
    /// Samples of the batch that is there.
    pub(super) samples: usize,
    /// Lanes of a row of it.
    pub(super) stride: usize,
    /// The random numbers of its step.
    pub(super) draw: Draw,
    memory: Memory,
    pub(super) slots: Slots,
    /// The shared buffers hold the activations of the layers between this one and the next that
    /// shares none.
    pub(super) live: usize,
    /// Neurons of each layer that the buffers are for.
    pub(super) sizes: Vec<usize>,
    /// Which layers' pre-activations the backward pass needs.
    keeps_z: Vec<bool>,
    /// `activations[slots.of(l)]`: (n_l, stride). Those of layer 0 are the gathered batch, once
    /// there was one; those of the last are the outputs.
    pub(super) activations: Vec<Lanes>,
    /// The features of a sparse batch, and the connections from them.
    pub(super) sparse: Option<SparseInput>,
    /// `pre_activations[slots.of(l)]`: (n_l, stride), for hidden layers whose derivative
    /// needs it.
    pub(super) pre_activations: Vec<Lanes>,
    /// Gradients of SReLU, (largest hidden layer with SReLU, [`SRELU_PARAMETERS`]).
    pub(super) gradients: Vec<f32>,
    /// `signs[l]`: (n_l, words), one bit a unit, for hidden layers whose derivative needs it.
    pub(super) signs: Vec<Vec<u16>>,
    /// `kept[l]`: (n_l, words), one bit a unit, for hidden layers with dropout.
    pub(super) kept: Vec<Vec<u16>>,
    /// Two buffers of (largest hidden layer, stride): the deltas that come in and go out.
    pub(super) deltas: [Lanes; 2],
    /// Scratch memory, (stride,).
    pub(super) scratch: Lanes,
    /// Samples that are changed before they become a batch, (max_batch, n_0); empty before the
    /// first.
    rows: Vec<f32>,
}

impl Workspace {
    /// Buffers for batches of up to `max_batch` samples of `model`.
    pub fn new(model: &Mlp, max_batch: usize, memory: Memory) -> Result<Self> {
        let (stride, words) = (stride(max_batch), words(stride(max_batch)));
        let sizes = &model.config().layer_sizes;
        let last = sizes.len() - 1;
        let floats = |n: usize, what| Lanes::zeros(area(n, stride, what)?, what);
        let bits = |n: usize, needed: bool| {
            let what = "activation signs";
            filled(if needed { area(n, words, what)? } else { 0 }, 0u16, what)
        };
        let slots = Slots::new(sizes, memory);
        // The buffer of the inputs comes with the first batch: its size depends on the data.
        let rows = slots.rows(sizes).into_iter().enumerate();
        let activations = rows.map(|(i, n)| floats(if i == 0 { 0 } else { n }, "activations"));
        let mut workspace = Workspace {
            max_batch,
            products: 0,
            samples: 0,
            stride,
            draw: Draw { seed: 0, step: 0 },
            memory,
            activations: activations.collect::<Result<_>>()?,
            sparse: None,
            slots,
            live: 0,
            keeps_z: Vec::new(),
            pre_activations: Vec::new(),
            gradients: Vec::new(),
            sizes: copied(sizes, "a batch")?,
            signs: Vec::new(),
            kept: Vec::new(),
            deltas: Default::default(),
            scratch: floats(1, "a batch")?,
            rows: Vec::new(),
        };
        for (l, &n) in sizes.iter().enumerate() {
            let hidden = l > 0 && l < last;
            let signs = hidden && model.config().activation.needs(l) == Needs::Signs;
            workspace.signs.push(bits(n, signs)?);
            workspace.kept.push(bits(n, hidden && model.config().dropout.of(l - 1) > 0.0)?);
        }
        let kept = model.config().sizes_needing(Needs::PreActivations);
        workspace.keeps_z = kept.iter().map(|&n| n > 0).collect();
        for n in workspace.slots.rows(&kept) {
            workspace.pre_activations.push(floats(n, "pre-activations")?);
        }
        let curved = model.config().srelu_sizes();
        let most = curved.iter().copied().max().unwrap_or(0) * SRELU_PARAMETERS;
        workspace.gradients = filled(most, 0.0, "gradients of SReLU")?;
        let largest = sizes[1..last].iter().copied().max().unwrap_or(0);
        // The first pass writes to the second buffer; the other one is needed from the next on.
        workspace.deltas =
            [floats(if last > 2 { largest } else { 0 }, "deltas")?, floats(largest, "deltas")?];
        Ok(workspace)
    }

    /// Lends buffers for predictions in batches of up to `batch` samples, between two steps. They
    /// are those of this workspace if large enough, and new ones otherwise.
    /// [`Workspace::take_back`] must follow.
    pub fn lend(&mut self, model: &Mlp, batch: usize) -> Result<Inference> {
        let [first, second] = [1, 2].map(|from| Inference::largest(&self.sizes, from));
        let stride = stride(self.max_batch);
        let [a, b] = [first, second].map(|n| n * stride);
        if batch != self.max_batch || self.deltas[1].len() < a || self.deltas[0].len() < b {
            return Inference::new(model, batch);
        }
        let sizes = copied(&self.sizes, "a batch")?;
        let [layers_1, layers_0] = std::mem::take(&mut self.deltas);
        Ok(Inference {
            max_batch: batch,
            sizes,
            input: std::mem::take(&mut self.activations[0]),
            sparse: self.sparse.take(),
            layers: [layers_0, layers_1],
            scratch: std::mem::take(&mut self.scratch),
        })
    }

    /// Takes back what [`Workspace::lend`] gave.
    pub fn take_back(&mut self, inference: Inference) {
        if self.scratch.is_empty() {
            let [layers_0, layers_1] = inference.layers;
            self.deltas = [layers_1, layers_0];
            self.activations[0] = inference.input;
            self.sparse = inference.sparse;
            self.scratch = inference.scratch;
        }
    }

    /// How much memory steps in these buffers may take.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// An error if the network has been compacted since the buffers were taken.
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.sizes == model.config().layer_sizes { Ok(()) } else { Err(Error::Compacted) }
    }

    /// The inputs of layer `l`; the first layer's are those of `sparse`, if there is one.
    pub(super) fn inputs(&self, l: usize, sparse: Option<&SparseInput>) -> Batch<'_> {
        let n_in = sparse.filter(|_| l == 0).map_or(self.sizes[l], SparseInput::lanes);
        Batch::new(&self.activations[self.slots.of(l)], n_in, self.stride)
    }

    /// The deltas of layer `l`'s outputs while they are passed back.
    pub(super) fn deltas(&self, l: usize) -> Batch<'_> {
        // The last layer's pass writes to the second buffer, the next one to the first, and so on.
        let depth = self.sizes.len() - 2 - l;
        let outputs = &self.activations[self.slots.of(l + 1)];
        let deltas = if depth == 0 { outputs } else { &self.deltas[depth % 2] };
        Batch::new(deltas, self.sizes[l + 1], self.stride)
    }

    /// The outputs, and the deltas where passes back begin.
    pub(super) fn outputs(&mut self) -> BatchMut<'_> {
        let last = self.sizes.len() - 1;
        BatchMut::new(&mut self.activations[self.slots.of(last)], self.sizes[last], self.stride)
    }

    /// Where layer `l` reads and writes in a forward pass: `n_in` rows, and the rows of the layer
    /// behind it with what they are recorded in.
    pub(super) fn pass(&mut self, l: usize, n_in: usize) -> (Batch<'_>, Outputs<'_>) {
        let (n_out, stride, words) = (self.sizes[l + 1], self.stride, words(self.stride));
        let slots = [self.slots.of(l), self.slots.of(l + 1)];
        let [x, y] = self.activations.get_disjoint_mut(slots).expect("internal: two slots");
        let bits = |bits: &'_ [u16]| if bits.is_empty() { 0 } else { n_out * words };
        let (signs, kept) = (&mut self.signs[l + 1], &mut self.kept[l + 1]);
        let (signs_len, kept_len) = (bits(signs), bits(kept));
        let z: &mut [f32] = match self.keeps_z[l + 1] {
            true => &mut self.pre_activations[slots[1]][..n_out * stride],
            false => &mut [],
        };
        let record = Record { signs: &mut signs[..signs_len], kept: &mut kept[..kept_len], z };
        (Batch::new(x, n_in, stride), Outputs { y: BatchMut::new(y, n_out, stride), record })
    }

    /// Where a batch goes before a step.
    pub fn buffers(&mut self) -> BatchBuffers<'_> {
        BatchBuffers {
            lanes: &mut self.activations[0],
            sparse: &mut self.sparse,
            max_batch: self.max_batch,
            steps: true,
        }
    }

    /// Lends a place for the samples of a batch, (max_batch, n_0) row-major, in which they can be
    /// changed before they go to [`Workspace::buffers`]. [`Workspace::take_back_rows`] should
    /// follow.
    pub fn lend_rows(&mut self) -> Result<Vec<f32>> {
        if self.rows.is_empty() {
            return zeros(area(self.max_batch, self.sizes[0], "a batch")?, "a batch");
        }
        Ok(std::mem::take(&mut self.rows))
    }

    /// Takes back what [`Workspace::lend_rows`] gave, for the next time.
    pub fn take_back_rows(&mut self, rows: Vec<f32>) {
        self.rows = rows;
    }

    /// The batch of `samples` samples that [`Workspace::buffers`] took.
    pub(super) fn dense(&mut self, samples: usize) -> BatchMut<'_> {
        assert!(self.sparse.is_none(), "internal: noise for a batch of few features");
        check_batch(samples, self.max_batch);
        BatchMut::new(&mut self.activations[0], self.sizes[0], stride(samples))
    }
}

/// Buffers for predictions: no training state, two layers at a time.
#[derive(Debug)]
pub struct Inference {
    pub(super) max_batch: usize,
    sizes: Vec<usize>,
    pub(super) input: Lanes,
    /// As in [`Workspace`].
    pub(super) sparse: Option<SparseInput>,
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
        Ok(Inference {
            max_batch,
            sizes: copied(sizes, "a batch")?,
            input: Lanes::default(),
            sparse: None,
            layers: [floats(Self::largest(sizes, 1))?, floats(Self::largest(sizes, 2))?],
            scratch: floats(1)?,
        })
    }

    /// The size of the largest of every second layer, `from` being the first.
    fn largest(sizes: &[usize], from: usize) -> usize {
        sizes.iter().skip(from).step_by(2).copied().max().unwrap_or(0)
    }

    /// As [`Workspace::check`].
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.sizes == model.config().layer_sizes { Ok(()) } else { Err(Error::Compacted) }
    }

    /// Where a batch goes.
    pub fn buffers(&mut self) -> BatchBuffers<'_> {
        let Inference { input: lanes, sparse, max_batch, .. } = self;
        BatchBuffers { lanes, sparse, max_batch: *max_batch, steps: false }
    }
}
