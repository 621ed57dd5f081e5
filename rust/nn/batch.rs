//! The inputs of a batch: every feature, or only those that some sample of the batch has.

use super::layer::Layer;
use super::standardize::Standardizer;
use crate::csr::{Csr, Pattern};
use crate::error::Result;
use crate::kernels::{
    Batch, Centre, ColumnSet, Linear, Picked, Selected, Step, Weights, bias_gradient,
    gradient_picked, sddmm, shifted_bias, stride, update_picked,
};
use crate::memory::{Lanes, area, filled, reserved};
use crate::parallel::Par;

const WHAT: &str = "sparse inputs";

/// Sparse samples, borrowed: a sample a row.
#[derive(Clone, Copy, Debug)]
pub struct SparseRows<'a> {
    matrix: &'a Csr,
    /// The stored values where float32 does not hold them, for a network that standardises.
    exact: Option<&'a [f64]>,
}

impl<'a> From<&'a Csr> for SparseRows<'a> {
    fn from(matrix: &'a Csr) -> Self {
        SparseRows { matrix, exact: None }
    }
}

impl<'a> SparseRows<'a> {
    /// With the exact values of what `matrix` stores.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn exactly(self, exact: Option<&'a [f64]>) -> Self {
        let fit = exact.is_none_or(|exact| exact.len() == self.matrix.nnz());
        assert!(fit, "internal: a value for each entry");
        SparseRows { exact, ..self }
    }

    /// Where the values are, and what they are in float32.
    pub fn matrix(self) -> &'a Csr {
        self.matrix
    }

    /// The value of a stored entry.
    #[inline]
    pub fn value(self, entry: usize) -> f64 {
        self.exact.map_or_else(|| f64::from(self.matrix.data()[entry]), |exact| exact[entry])
    }
}

/// A sparse batch: the features that some sample has, and the first layer's connections from them.
/// The lanes of these features, (features of the batch, stride), are in the buffer in which a dense
/// batch has all features.
#[derive(Debug)]
pub struct SparseInput {
    columns: ColumnSet,
    selected: Selected,
    /// What standardisation subtracts from each feature, (features,); empty without.
    shift: Vec<f32>,
    /// The layer's biases less its weights times that shift, (n_out,); empty without.
    bias: Vec<f32>,
    /// Gradients of the selected connections.
    gradients: Vec<f32>,
    /// Sums of the deltas' rows, (n_out,); empty without standardisation.
    sums: Vec<f32>,
}

/// The buffers that a batch is put in before a pass through the network.
#[derive(Debug)]
pub struct BatchBuffers<'a> {
    pub(super) lanes: &'a mut Lanes,
    pub(super) sparse: &'a mut Option<Box<SparseInput>>,
    pub(super) max_batch: usize,
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

    /// Takes some of the rows, (samples, features), as the batch, and selects the connections of
    /// `layer`, the first one, that they need. Standardisation scales features here and shifts them
    /// in the layer's biases; features that are far from 0 are shifted here.
    pub fn sparse(
        self,
        par: &Par,
        layer: &Layer,
        standardizer: Option<&Standardizer>,
        rows: SparseRows<'_>,
        samples: &[u32],
    ) -> Result<()> {
        check_batch(samples.len(), self.max_batch);
        let x = rows.matrix();
        let input = match self.sparse {
            Some(input) => input,
            None => self.sparse.insert(Box::new(SparseInput::new(x.n_cols())?)),
        };
        let pattern = x.pattern();
        let far = standardizer.map_or(&[][..], Standardizer::far);
        let stored = samples.iter().flat_map(|&s| pattern.row(s as usize));
        input.columns.fill(stored.chain(far).copied());
        let stride = stride(samples.len());
        let len = area(input.columns.len(), stride, "a batch")?;
        if self.lanes.len() < len {
            let most = area(x.n_cols(), stride, "a batch")?;
            *self.lanes = Lanes::default();
            *self.lanes = Lanes::zeros(most.min(len + len / 4), "a batch")?;
        }
        let lanes = &mut self.lanes[..len];
        lanes.fill(0.0);
        for &c in far {
            let number = input.columns.number(c).expect("internal: a feature of the batch");
            let absent = standardizer.map_or(0.0, |s| s.scaled(c as usize, 0.0));
            lanes[number as usize * stride..][..samples.len()].fill(absent);
        }
        for (lane, &sample) in samples.iter().enumerate() {
            let entries = pattern.indptr()[sample as usize]..pattern.indptr()[sample as usize + 1];
            for (&c, entry) in pattern.indices()[entries.clone()].iter().zip(entries) {
                let number = input.columns.number(c).expect("internal: a feature of the batch");
                let value = rows.value(entry);
                let scaled = standardizer.map_or(value as f32, |s| s.scaled(c as usize, value));
                lanes[number as usize * stride + lane] = scaled;
            }
        }
        input.take_layer(par, layer, standardizer)
    }
}

pub(super) fn check_batch(batch: usize, most: usize) {
    assert!(batch <= most, "internal: a batch of {batch} in buffers for {most}");
}

impl SparseInput {
    fn new(features: usize) -> Result<Self> {
        Ok(SparseInput {
            columns: ColumnSet::new(features)?,
            selected: Selected::default(),
            shift: Vec::new(),
            bias: Vec::new(),
            gradients: Vec::new(),
            sums: Vec::new(),
        })
    }

    fn take_layer(
        &mut self,
        par: &Par,
        layer: &Layer,
        standardizer: Option<&Standardizer>,
    ) -> Result<()> {
        let w = layer.weights.pattern();
        self.selected = std::mem::take(&mut self.selected).select(
            par,
            (&layer.weights).into(),
            &self.columns,
        )?;
        let nnz = self.selected.matrix().nnz();
        if self.gradients.capacity() < nnz {
            self.gradients = reserved(nnz + nnz / 4, WHAT)?;
        }
        self.gradients.resize(nnz, 0.0);
        if let Some(standardizer) = standardizer.filter(|s| s.shifts()) {
            if self.shift.is_empty() {
                self.shift = reserved(w.n_cols(), WHAT)?;
                self.shift.extend((0..w.n_cols()).map(|c| standardizer.shift(c)));
            }
            if self.bias.len() != w.n_rows() {
                self.bias = filled(w.n_rows(), 0.0, WHAT)?;
                self.sums = filled(w.n_rows(), 0.0, WHAT)?;
            }
            shifted_bias(par, layer.linear(), &self.shift, &mut self.bias);
        }
        Ok(())
    }

    /// The features of the batch: rows of its lanes.
    pub(super) fn features(&self) -> usize {
        self.columns.len()
    }

    /// The first layer's connections from the batch's features, and the biases to use with them.
    pub(super) fn linear<'a>(&'a self, layer: &'a Layer) -> Linear<'a> {
        let bias = if self.bias.is_empty() { &layer.bias } else { &self.bias };
        Linear { weights: self.selected.matrix().into(), bias }
    }

    /// Gradients of all connections of the first layer from the deltas of its outputs and the lanes
    /// of the batch.
    fn picked(&mut self, par: &Par, dy: Batch<'_>, x: Batch<'_>) -> Picked<'_> {
        sddmm(par, self.selected.matrix().pattern(), dy, x, &mut self.gradients);
        let centre = (!self.shift.is_empty()).then(|| {
            bias_gradient(dy, &mut self.sums);
            Centre { shift: &self.shift, sums: &self.sums }
        });
        Picked { selected: &self.selected, gradients: &self.gradients, centre }
    }

    /// A step of the first layer's weights.
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
        let zeros = filled(places.nnz(), 0.0, WHAT)?;
        let candidates = Weights { pattern: places, data: &zeros };
        let selected = Selected::default().select(par, candidates, &self.columns)?;
        let mut gradients = filled(selected.matrix().nnz(), 0.0, WHAT)?;
        sddmm(par, selected.matrix().pattern(), dy, x, &mut gradients);
        let mut sums = filled(self.sums.len(), 0.0, WHAT)?;
        let centre = (!self.shift.is_empty()).then(|| {
            bias_gradient(dy, &mut sums);
            Centre { shift: &self.shift, sums: &sums }
        });
        gradient_picked(
            places,
            &Picked { selected: &selected, gradients: &gradients, centre },
            out,
        );
        Ok(())
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
        let picked = self.picked(par, dy, x);
        gradient_picked(layer.weights.pattern(), &picked, out);
    }
}
