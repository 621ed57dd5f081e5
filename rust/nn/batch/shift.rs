//! What standardisation subtracts from features that stay as they are stored: the biases take it.

use super::super::layer::Layer;
use super::super::standardize::Standardizer;
use super::WHAT;
use crate::error::Result;
use crate::kernels::{Batch, Centre, bias_gradient, shifted_bias};
use crate::memory::{filled, reserved};
use crate::parallel::Par;

/// The shift of features; empty arrays without.
#[derive(Debug, Default)]
pub(super) struct Shift {
    /// What is subtracted from each feature, (features,).
    values: Vec<f32>,
    /// The layer's biases less its weights times that, (n_out,).
    bias: Vec<f32>,
    /// Sums of the deltas' rows, (n_out,).
    sums: Vec<f32>,
}

impl Shift {
    /// Takes the shift for a batch, and the biases of the layer as it is. The `dense` first features
    /// come shifted.
    pub(super) fn take(
        &mut self,
        par: &Par,
        layer: &Layer,
        standardizer: Option<&Standardizer>,
        dense: usize,
    ) -> Result<()> {
        let Some(standardizer) = standardizer.filter(|s| s.shifts_behind(dense)) else {
            return Ok(());
        };
        let w = layer.weights.pattern();
        if self.values.is_empty() {
            self.values = reserved(w.n_cols(), WHAT)?;
            let shift = |c: usize| if c < dense { -0.0 } else { standardizer.shift(c) };
            self.values.extend((0..w.n_cols()).map(shift));
        }
        if self.bias.len() != w.n_rows() {
            self.bias = filled(w.n_rows(), 0.0, WHAT)?;
            self.sums = filled(w.n_rows(), 0.0, WHAT)?;
        }
        shifted_bias(par, layer.linear(), &self.values, &mut self.bias);
        Ok(())
    }

    /// Whether some feature is shifted.
    pub(super) fn exists(&self) -> bool {
        !self.values.is_empty()
    }

    /// The biases to use with features that are not shifted.
    pub(super) fn bias<'a>(&'a self, layer: &'a Layer) -> &'a [f32] {
        if self.bias.is_empty() { &layer.bias } else { &self.bias }
    }

    /// What the shift adds to gradients from the deltas of the layer's outputs.
    pub(super) fn centre(&mut self, dy: Batch<'_>) -> Option<Centre<'_>> {
        self.exists().then(|| {
            bias_gradient(dy, &mut self.sums);
            Centre { shift: &self.values, sums: &self.sums }
        })
    }

    /// The same with other memory for the sums of the deltas' rows.
    pub(super) fn centre_in<'a>(
        &'a self,
        dy: Batch<'_>,
        sums: &'a mut Vec<f32>,
    ) -> Result<Option<Centre<'a>>> {
        if !self.exists() {
            return Ok(None);
        }
        *sums = filled(self.sums.len(), 0.0, WHAT)?;
        bias_gradient(dy, sums);
        Ok(Some(Centre { shift: &self.values, sums }))
    }
}
