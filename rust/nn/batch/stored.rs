//! Sparse batches by their stored values.

use super::super::layer::Layer;
use super::super::mlp::Mlp;
use super::super::owed::Owed;
use super::super::standardize::Standardizer;
use super::shift::Shift;
use super::{SparseRows, WHAT};
use crate::csr::Pattern;
use crate::error::Result;
use crate::kernels::{
    Batch, Forward, Given, Outputs, ParametersOf, Picked, Step, StoredBatch, Touched,
    stored_activate, stored_gradient_at, update_picked,
};
use crate::memory::{area, filled, zeros};
use crate::parallel::Par;

/// The stored values of a batch, and copies of the first layer's connections from its features.
#[derive(Debug)]
pub(in crate::nn) struct StoredInput {
    batch: StoredBatch,
    touched: Touched,
    shift: Shift,
    /// A number for each sample and output of the first layer.
    scratch: Vec<f32>,
    /// Zeros for the gradients of all connections, (nnz,); empty where only those touched make steps.
    gradients: Vec<f32>,
}

impl StoredInput {
    pub(super) fn new(features: usize) -> Result<Self> {
        Ok(StoredInput {
            batch: StoredBatch::new(features)?,
            touched: Touched::default(),
            shift: Shift::default(),
            scratch: Vec::new(),
            gradients: Vec::new(),
        })
    }

    /// Takes a batch as [`super::BatchBuffers::sparse`] does; connections that owe steps make them in the
    /// copies.
    pub(super) fn take(
        &mut self,
        par: &Par,
        model: &Mlp,
        standardizer: Option<&Standardizer>,
        rows: SparseRows<'_>,
        samples: &[u32],
        steps: bool,
    ) -> Result<()> {
        let dense = rows.dense().features();
        let far = standardizer.map_or(&[][..], |s| s.far_from(dense));
        let stored = samples.iter().map(|&s| rows.len(s) + far.len()).sum();
        self.batch.begin(samples.len(), stored)?;
        for &sample in samples {
            if far.is_empty() {
                rows.visit(sample, standardizer, |c, value| self.batch.push(c, value));
                self.batch.end_sample();
                continue;
            }
            let mut absent = far.iter().copied().peekable();
            let mut all_absent_before = |end: u32, batch: &mut StoredBatch| {
                while let Some(c) = absent.next_if(|&c| c < end) {
                    batch.push(c, standardizer.map_or(0.0, |s| s.scaled(c as usize, 0.0)));
                }
                absent.next_if(|&c| c == end);
            };
            rows.visit(sample, standardizer, |c, value| {
                all_absent_before(c, &mut self.batch);
                self.batch.push(c, value);
            });
            all_absent_before(u32::MAX, &mut self.batch);
            self.batch.end_sample();
        }
        self.batch.end();
        let layer = &model.layers[0];
        self.shift.take(par, layer, standardizer, dense)?;
        let values = layer.weights.data();
        let (of, behind) = match &model.owed {
            // They make their step in the copies.
            Some(owed) => (layer.parameters(), owed.behind()),
            None => (ParametersOf { values, momentum: &[], second: &[] }, None),
        };
        self.touched.copy(par, layer.transposed(par)?, self.batch.features(), of, behind)?;
        let len = area(samples.len(), layer.weights.n_rows(), WHAT)?;
        if self.scratch.len() != len {
            self.scratch = filled(len, 0.0, WHAT)?;
        }
        if steps && model.owed.is_none() && self.gradients.len() != values.len() {
            self.gradients = zeros(values.len(), WHAT)?;
        }
        Ok(())
    }

    /// Multiply-adds of one product with the batch.
    pub(super) fn products(&self) -> u64 {
        self.touched.products(&self.batch)
    }

    pub(super) fn activate(
        &mut self,
        par: &Par,
        layer: &Layer,
        forward: &Forward,
        outputs: Outputs<'_>,
    ) {
        let bias = self.shift.bias(layer);
        let StoredInput { batch, touched, scratch, .. } = self;
        stored_activate(par, batch, touched, bias, forward, scratch, outputs);
    }

    pub(super) fn update(
        &mut self,
        par: &Par,
        layer: &mut Layer,
        owed: Option<&mut Owed>,
        dy: Batch<'_>,
        step: &Step,
    ) {
        let Some(owed) = owed else { return self.update_all(par, layer, dy, step) };
        let StoredInput { batch, touched, scratch, .. } = self;
        touched.step(par, batch, dy, Some(step), scratch);
        touched.give_back(par, &mut layer.weights_mut().1);
        owed.note(step, batch.features());
    }

    /// A step of every connection.
    fn update_all(&mut self, par: &Par, layer: &mut Layer, dy: Batch<'_>, step: &Step) {
        let StoredInput { batch, touched, scratch, gradients, shift } = self;
        touched.step(par, batch, dy, None, scratch);
        touched.give_gradients(gradients);
        let picked = Picked { given: Given::All(gradients), centre: shift.centre(dy) };
        let (pattern, parameters) = layer.weights_mut();
        update_picked(par, pattern, &picked, step, parameters);
        gradients.fill(0.0);
    }

    pub(super) fn gradient_at(
        &self,
        par: &Par,
        places: Pattern<'_>,
        dy: Batch<'_>,
        out: &mut [f32],
    ) -> Result<()> {
        stored_gradient_at(par, &self.batch, places, dy, out);
        let mut sums = Vec::new();
        if let Some(centre) = self.shift.centre_in(dy, &mut sums)? {
            centre.add_to(places, out);
        }
        Ok(())
    }

    pub(super) fn gradient(&mut self, par: &Par, layer: &Layer, dy: Batch<'_>, out: &mut [f32]) {
        self.touched.step(par, &self.batch, dy, None, &mut self.scratch);
        out.fill(0.0);
        self.touched.give_gradients(out);
        if let Some(centre) = self.shift.centre(dy) {
            centre.add_to(layer.weights.pattern(), out);
        }
    }
}
