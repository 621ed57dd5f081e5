//! The inputs of a batch: every feature, or only what sparse samples store. Of these there are two
//! kinds: where many values are stored the features that some sample has become lanes like those of
//! dense samples (`selected.rs`); where they are few, work goes by the values themselves (`stored.rs`).

mod rows;
mod selected;
mod shift;
mod stored;

use std::sync::atomic::{AtomicU32, Ordering};

use super::layer::Layer;
use super::mlp::Mlp;
use super::owed::Owed;
use super::standardize::Standardizer;
use crate::csr::Pattern;
use crate::error::Result;
use crate::kernels::{Batch, Forward, Outputs, Step, spmm_activate, stride};
use crate::memory::{Lanes, area};
use crate::parallel::Par;
pub use rows::{DenseRows, SparseRows, Values};
use selected::SelectedInput;
use stored::StoredInput;

const WHAT: &str = "sparse inputs";

/// The share of values that are stored up to which work goes by them. Measured (docs/speed.md).
const FEW: f64 = 0.03;

/// Another share instead, in parts per million, for tests and benches that compare both ways.
static OTHER: AtomicU32 = AtomicU32::new(u32::MAX);

/// Sets the share of values that are stored up to which work goes by them, for this process; None for
/// the usual one. Training by both ways agrees, but not in every bit.
pub fn set_few(share: Option<f64>) {
    let millionths = share.map_or(u32::MAX, |share| (share * 1e6).clamp(0.0, 1e9) as u32);
    OTHER.store(millionths, Ordering::Relaxed);
}

pub(super) fn few() -> f64 {
    match OTHER.load(Ordering::Relaxed) {
        u32::MAX => FEW,
        millionths => f64::from(millionths) / 1e6,
    }
}

/// A sparse batch.
#[derive(Debug)]
pub(super) enum SparseInput {
    /// The features that some sample has, as lanes.
    Selected(Box<SelectedInput>),
    /// The stored values.
    Stored(Box<StoredInput>),
}

/// The buffers that a batch is put in before a pass through the network.
#[derive(Debug)]
pub struct BatchBuffers<'a> {
    pub(super) lanes: &'a mut Lanes,
    pub(super) sparse: &'a mut Option<SparseInput>,
    pub(super) max_batch: usize,
    /// Whether connections may make a step with the batch.
    pub(super) steps: bool,
}

impl<'a> BatchBuffers<'a> {
    /// For `batch` samples of all features: (features, `stride(batch)`), feature-major.
    pub fn dense(self, features: usize, batch: usize) -> Result<&'a mut [f32]> {
        check_batch(batch, self.max_batch);
        let len = area(features, stride(self.max_batch), "a batch")?;
        if self.lanes.len() != len {
            *self.lanes = Lanes::default();
            *self.lanes = Lanes::zeros(len, "a batch")?;
        }
        *self.sparse = None;
        Ok(&mut self.lanes[..features * stride(batch)])
    }

    /// Takes some of the rows, (samples, features), as the batch, and gets the connections of the first
    /// layer of `model` that they need. Standardisation scales features here and shifts them in the
    /// layer's biases; features that are far from 0 are shifted here.
    pub fn sparse(
        self,
        par: &Par,
        model: &Mlp,
        standardizer: Option<&Standardizer>,
        rows: SparseRows<'_>,
        samples: &[u32],
    ) -> Result<()> {
        check_batch(samples.len(), self.max_batch);
        let features = rows.features();
        if rows.are_few() {
            let mut input = match self.sparse.take() {
                Some(SparseInput::Stored(input)) => input,
                _ => Box::new(StoredInput::new(features)?),
            };
            let taken = input.take(par, model, standardizer, rows, samples, self.steps);
            *self.sparse = Some(SparseInput::Stored(input));
            return taken;
        }
        let mut input = match self.sparse.take() {
            Some(SparseInput::Selected(input)) => input,
            _ => Box::new(SelectedInput::new(features)?),
        };
        let layer = &model.layers[0];
        let taken = input.take(par, layer, standardizer, rows, samples, self.lanes);
        *self.sparse = Some(SparseInput::Selected(input));
        taken
    }
}

pub(super) fn check_batch(batch: usize, most: usize) {
    assert!(batch <= most, "internal: a batch of {batch} in buffers for {most}");
}

impl SparseInput {
    /// Rows of the batch's lanes: its features, or none.
    pub(super) fn lanes(&self) -> usize {
        match self {
            SparseInput::Selected(input) => input.features(),
            SparseInput::Stored(_) => 0,
        }
    }

    /// A step of the first layer's weights.
    pub(super) fn update(
        &mut self,
        par: &Par,
        layer: &mut Layer,
        owed: Option<&mut Owed>,
        [dy, x]: [Batch<'_>; 2],
        step: &Step,
    ) {
        match self {
            SparseInput::Selected(input) => input.update(par, layer, dy, x, step),
            SparseInput::Stored(input) => input.update(par, layer, owed, dy, step),
        }
    }

    /// The gradients that connections of the first layer at other places would have,
    /// (places.nnz(),).
    pub(super) fn gradient_at(
        &self,
        par: &Par,
        places: Pattern<'_>,
        dy: Batch<'_>,
        x: Batch<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        match self {
            SparseInput::Selected(input) => input.gradient_at(par, places, dy, x, out),
            SparseInput::Stored(input) => input.gradient_at(par, places, dy, out),
        }
    }

    /// The gradients of the first layer's weights, (nnz,).
    pub(super) fn gradient(
        &mut self,
        par: &Par,
        layer: &Layer,
        dy: Batch<'_>,
        x: Batch<'_>,
        out: &mut [f32],
    ) {
        match self {
            SparseInput::Selected(input) => input.gradient(par, layer, dy, x, out),
            SparseInput::Stored(input) => input.gradient(par, layer, dy, out),
        }
    }
}

/// The activations of layer `l`, which multiplies `x`, or what the batch stores if it is the first.
pub(super) fn activate(
    par: &Par,
    layer: &Layer,
    sparse: Option<&mut SparseInput>,
    x: Batch<'_>,
    forward: &Forward,
    outputs: Outputs<'_>,
) {
    match sparse {
        None => spmm_activate(par, layer.linear(), x, forward, outputs),
        Some(SparseInput::Selected(input)) => {
            spmm_activate(par, input.linear(layer), x, forward, outputs);
        }
        Some(SparseInput::Stored(input)) => input.activate(par, layer, forward, outputs),
    }
}

/// Multiply-adds of one product of layer `l` with a batch of `batch` samples.
pub(super) fn products(layer: &Layer, sparse: Option<&SparseInput>, batch: usize) -> u64 {
    let each = match sparse {
        None => layer.weights.nnz(),
        Some(SparseInput::Selected(input)) => input.linear(layer).weights.pattern.nnz(),
        Some(SparseInput::Stored(input)) => return input.products(),
    };
    (each * batch) as u64
}
