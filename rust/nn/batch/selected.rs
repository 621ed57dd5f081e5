//! Sparse batches as lanes of the features that some sample has.

use super::super::layer::Layer;
use super::super::standardize::Standardizer;
use super::shift::Shift;
use super::{SparseRows, WHAT};
use crate::csr::Pattern;
use crate::error::Result;
use crate::kernels::{
    Batch, ColumnSet, Given, Linear, Picked, Selected, Step, Weights, gradient_picked, sddmm,
    stride, update_picked,
};
use crate::memory::{Lanes, area, filled, reserved};
use crate::parallel::Par;

/// The features that some sample has, and the first layer's connections from them. The lanes of these
/// features, (features of the batch, stride), are in the buffer in which a dense batch has all
/// features.
#[derive(Debug)]
pub(in crate::nn) struct SelectedInput {
    columns: ColumnSet,
    selected: Selected,
    shift: Shift,
    /// Gradients of the selected connections.
    gradients: Vec<f32>,
}

impl SelectedInput {
    pub(super) fn new(features: usize) -> Result<Self> {
        Ok(SelectedInput {
            columns: ColumnSet::new(features)?,
            selected: Selected::default(),
            shift: Shift::default(),
            gradients: Vec::new(),
        })
    }

    /// Takes a batch as [`super::BatchBuffers::sparse`] does.
    pub(super) fn take(
        &mut self,
        par: &Par,
        layer: &Layer,
        standardizer: Option<&Standardizer>,
        rows: SparseRows<'_>,
        samples: &[u32],
        buffer: &mut Lanes,
    ) -> Result<()> {
        let dense = rows.dense().features();
        let far = standardizer.map_or(&[][..], |s| s.far_from(dense));
        let stored = samples.iter().flat_map(|&s| rows.features_of(s));
        self.columns.fill(stored.chain(far.iter().copied()));
        let stride = stride(samples.len());
        let len = area(self.columns.len(), stride, "a batch")?;
        if buffer.len() < len {
            let most = area(rows.features(), stride, "a batch")?;
            *buffer = Lanes::default();
            *buffer = Lanes::zeros(most.min(len + len / 4), "a batch")?;
        }
        let lanes = &mut buffer[..len];
        lanes.fill(0.0);
        let number = |c: u32| self.columns.number(c).expect("internal: a feature of the batch");
        for &c in far {
            let absent = standardizer.map_or(0.0, |s| s.scaled(c as usize, 0.0));
            lanes[number(c) as usize * stride..][..samples.len()].fill(absent);
        }
        for (lane, &sample) in samples.iter().enumerate() {
            rows.visit(sample, standardizer, |c, value| {
                lanes[number(c) as usize * stride + lane] = value;
            });
        }
        let selected = std::mem::take(&mut self.selected);
        self.selected = selected.select(par, (&layer.weights).into(), &self.columns)?;
        let nnz = self.selected.matrix().nnz();
        if self.gradients.capacity() < nnz {
            self.gradients = reserved(nnz + nnz / 4, WHAT)?;
        }
        self.gradients.resize(nnz, 0.0);
        self.shift.take(par, layer, standardizer, dense)
    }

    /// The features of the batch: rows of its lanes.
    pub(super) fn features(&self) -> usize {
        self.columns.len()
    }

    /// The first layer's connections from the batch's features, and the biases to use with them.
    pub(super) fn linear<'a>(&'a self, layer: &'a Layer) -> Linear<'a> {
        Linear { weights: self.selected.matrix().into(), bias: self.shift.bias(layer) }
    }

    /// Gradients of all connections of the first layer from the deltas of its outputs and the lanes
    /// of the batch.
    fn picked(&mut self, par: &Par, dy: Batch<'_>, x: Batch<'_>) -> Picked<'_> {
        sddmm(par, self.selected.matrix().pattern(), dy, x, &mut self.gradients);
        let given = Given::Selected(&self.selected, &self.gradients);
        Picked { given, centre: self.shift.centre(dy) }
    }

    pub(super) fn update(
        &mut self,
        par: &Par,
        layer: &mut Layer,
        dy: Batch<'_>,
        x: Batch<'_>,
        step: &Step,
    ) {
        let picked = self.picked(par, dy, x);
        let (pattern, parameters) = layer.weights_mut();
        update_picked(par, pattern, &picked, step, parameters);
    }

    pub(super) fn gradient_at(
        &self,
        par: &Par,
        places: Pattern<'_>,
        dy: Batch<'_>,
        x: Batch<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        let zeros = filled(places.nnz(), 0.0, WHAT)?;
        let candidates = Weights { pattern: places, data: &zeros };
        let selected = Selected::default().select(par, candidates, &self.columns)?;
        let mut gradients = filled(selected.matrix().nnz(), 0.0, WHAT)?;
        sddmm(par, selected.matrix().pattern(), dy, x, &mut gradients);
        let mut sums = Vec::new();
        let centre = self.shift.centre_in(dy, &mut sums)?;
        let given = Given::Selected(&selected, &gradients);
        gradient_picked(places, &Picked { given, centre }, out);
        Ok(())
    }

    pub(super) fn gradient(
        &mut self,
        par: &Par,
        layer: &Layer,
        dy: Batch<'_>,
        x: Batch<'_>,
        out: &mut [f32],
    ) {
        let picked = self.picked(par, dy, x);
        gradient_picked(layer.weights.pattern(), &picked, out);
    }
}
