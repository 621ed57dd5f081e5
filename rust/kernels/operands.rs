//! What kernels work on: batches, a matrix with its values, parameters with their moments. Each
//! can cut itself in two between rows, so that every thread gets a part.

use std::ops::Range;

use super::tiles::words;
use crate::csr::{Csr, Pattern, Transpose};

/// An operand with a part for each row, or for each entry, in order.
pub(super) trait Split: Sized {
    /// The parts of the first `count` rows, and the rest.
    fn split(self, count: usize) -> (Self, Self);
}

impl<T> Split for &[T] {
    fn split(self, count: usize) -> (Self, Self) {
        self.split_at(count)
    }
}

impl<T> Split for &mut [T] {
    fn split(self, count: usize) -> (Self, Self) {
        self.split_at_mut(count)
    }
}

impl<A: Split, B: Split> Split for (A, B) {
    fn split(self, count: usize) -> (Self, Self) {
        let ((a, a_right), (b, b_right)) = (self.0.split(count), self.1.split(count));
        ((a, b), (a_right, b_right))
    }
}

impl<A: Split> Split for Option<A> {
    fn split(self, count: usize) -> (Self, Self) {
        self.map(|a| a.split(count)).unzip()
    }
}

/// Cuts an array that is either empty or has a part for each row.
fn split_optional<T>(array: &mut [T], at: usize) -> (&mut [T], &mut [T]) {
    let at = at.min(array.len());
    array.split_at_mut(at)
}

/// A feature-major batch: a row a feature, a lane a sample.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The values, (n, stride).
    pub values: &'a [f32],
    /// Lanes of a row, padding included: [`super::stride`] of the samples.
    pub stride: usize,
}

impl<'a> Batch<'a> {
    /// The first `rows` rows of an array that may be larger.
    pub fn new(values: &'a [f32], rows: usize, stride: usize) -> Self {
        Batch { values: &values[..rows * stride], stride }
    }

    /// Whether there are `n` rows.
    #[inline(always)]
    pub(super) fn has_rows(&self, n: usize) -> bool {
        self.values.len() == n * self.stride
    }

    /// One row.
    #[inline(always)]
    pub(super) fn row(&self, row: usize) -> &'a [f32] {
        &self.values[row * self.stride..][..self.stride]
    }

    /// Some of the rows.
    #[inline(always)]
    pub(super) fn rows(&self, rows: Range<usize>) -> &'a [f32] {
        &self.values[rows.start * self.stride..][..rows.len() * self.stride]
    }
}

/// A [`Batch`] that is written.
#[derive(Debug)]
pub struct BatchMut<'a> {
    /// The values, (n, stride).
    pub values: &'a mut [f32],
    /// As in [`Batch`].
    pub stride: usize,
}

impl<'a> BatchMut<'a> {
    /// The first `rows` rows of an array that may be larger.
    pub fn new(values: &'a mut [f32], rows: usize, stride: usize) -> Self {
        BatchMut { values: &mut values[..rows * stride], stride }
    }

    /// How many rows there are.
    pub fn n_rows(&self) -> usize {
        self.values.len() / self.stride
    }

    /// The same batch, to be read.
    pub fn as_batch(&self) -> Batch<'_> {
        Batch { values: self.values, stride: self.stride }
    }

    /// The same batch, borrowed for a shorter time.
    pub fn reborrow(&mut self) -> BatchMut<'_> {
        BatchMut { values: self.values, stride: self.stride }
    }
}

impl Split for BatchMut<'_> {
    fn split(self, rows: usize) -> (Self, Self) {
        let stride = self.stride;
        let (left, right) = self.values.split_at_mut(rows * stride);
        (BatchMut { values: left, stride }, BatchMut { values: right, stride })
    }
}

/// A sparse matrix: where its entries are, and their values.
#[derive(Clone, Copy, Debug)]
pub struct Weights<'a> {
    /// Where the entries are.
    pub pattern: Pattern<'a>,
    /// The values, (nnz,).
    pub data: &'a [f32],
}

impl Weights<'_> {
    pub(super) fn check(&self) {
        assert_eq!(self.data.len(), self.pattern.nnz(), "internal: data is (nnz,)");
    }
}

impl<'a> From<&'a Csr> for Weights<'a> {
    fn from(w: &'a Csr) -> Self {
        Weights { pattern: w.pattern(), data: w.data() }
    }
}

/// The linear part of a layer: `W X + bias`.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// The weights, W.
    pub weights: Weights<'a>,
    /// The biases, (n_rows,).
    pub bias: &'a [f32],
}

/// A sparse matrix by columns: an index of its transpose, and the values in the matrix's order.
#[derive(Clone, Copy, Debug)]
pub struct Transposed<'a> {
    /// Where the entries of each column are.
    pub index: &'a Transpose,
    /// The values, (nnz,).
    pub data: &'a [f32],
}

/// What the forward pass keeps for the backward pass. Each array has a part for each row, or is
/// empty if the backward pass does not need it.
#[derive(Debug, Default)]
pub struct Record<'a> {
    /// One bit a unit, (n, [`words`]): the pre-activation was positive.
    pub signs: &'a mut [u16],
    /// One bit a unit, (n, [`words`]): dropout kept it.
    pub kept: &'a mut [u16],
    /// The pre-activations, (n, stride).
    pub z: &'a mut [f32],
}

impl Record<'_> {
    /// The part of a row of `stride` lanes, [`words`] of bits.
    #[inline(always)]
    pub(super) fn row(&mut self, row: usize, stride: usize, words: usize) -> Record<'_> {
        let Record { signs, kept, z } = self;
        let signs = if signs.is_empty() { &mut [] } else { &mut signs[row * words..][..words] };
        let kept = if kept.is_empty() { &mut [] } else { &mut kept[row * words..][..words] };
        let z = if z.is_empty() { &mut [] } else { &mut z[row * stride..][..stride] };
        Record { signs, kept, z }
    }
}

/// What a forward pass writes.
#[derive(Debug)]
pub struct Outputs<'a> {
    /// The activations, (n, stride).
    pub y: BatchMut<'a>,
    /// What is kept for the backward pass.
    pub record: Record<'a>,
}

impl<'a> Outputs<'a> {
    /// Activations without a record.
    pub fn alone(y: BatchMut<'a>) -> Self {
        Outputs { y, record: Record::default() }
    }

    /// Panics unless there are `rows` rows.
    pub(super) fn check(&self, rows: usize) {
        let (record, stride) = (&self.record, self.y.stride);
        assert!(self.y.as_batch().has_rows(rows), "internal: y is (n_rows, stride)");
        for bits in [&*record.signs, &*record.kept] {
            let fits = bits.is_empty() || bits.len() == rows * words(stride);
            assert!(fits, "internal: bits are (n_rows, words)");
        }
        let fits = record.z.is_empty() || record.z.len() == self.y.values.len();
        assert!(fits, "internal: z is (n_rows, stride)");
    }
}

impl Split for Outputs<'_> {
    fn split(self, rows: usize) -> (Self, Self) {
        let (stride, Record { signs, kept, z }) = (self.y.stride, self.record);
        let (y, y_right) = self.y.split(rows);
        let (signs, signs_right) = split_optional(signs, rows * words(stride));
        let (kept, kept_right) = split_optional(kept, rows * words(stride));
        let (z, z_right) = split_optional(z, rows * stride);
        let right = Record { signs: signs_right, kept: kept_right, z: z_right };
        (Outputs { y, record: Record { signs, kept, z } }, Outputs { y: y_right, record: right })
    }
}

/// Parameters that an optimiser changes, and what it keeps for each.
#[derive(Debug)]
pub struct Parameters<'a> {
    /// The values, (n,).
    pub values: &'a mut [f32],
    /// The first moments, (n,), or empty where they are not asked for.
    pub momentum: &'a mut [f32],
    /// The second moments, (n,), or empty if the update rule keeps none.
    pub second: &'a mut [f32],
}

impl Split for Parameters<'_> {
    fn split(self, count: usize) -> (Self, Self) {
        let (values, values_right) = self.values.split_at_mut(count);
        let (momentum, momentum_right) = split_optional(self.momentum, count);
        let (second, second_right) = split_optional(self.second, count);
        (
            Parameters { values, momentum, second },
            Parameters { values: values_right, momentum: momentum_right, second: second_right },
        )
    }
}
