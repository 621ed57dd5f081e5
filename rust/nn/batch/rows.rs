//! Samples as rows: dense ones, and sparse ones, which may have a dense block before what they store.

use super::super::standardize::Standardizer;
use super::few;
use crate::csr::Csr;

/// Share of features that a sample of two blocks has, from which on all of them become lanes.
const MOST: f64 = 0.5;

/// Numbers of a row that are standardised at a time.
const PIECE: usize = 16;

/// Dense samples, borrowed: (samples, features), row-major.
#[derive(Clone, Copy, Debug)]
pub struct DenseRows<'a> {
    values: Values<'a>,
    features: usize,
}

/// Numbers of dense samples: float64 for a network that standardises them.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// As the network takes them.
    Narrow(&'a [f32]),
    /// Rounded once they are standardised.
    Wide(&'a [f64]),
}

impl<'a> DenseRows<'a> {
    /// Rows of `features` numbers.
    pub fn new(values: Values<'a>, features: usize) -> Self {
        DenseRows { values, features }
    }

    /// Rows of no features.
    pub fn none() -> Self {
        DenseRows { values: Values::Narrow(&[]), features: 0 }
    }

    /// All numbers, row-major.
    pub fn values(self) -> Values<'a> {
        self.values
    }

    /// The numbers of a row.
    pub fn features(self) -> usize {
        self.features
    }

    /// How many rows, if they have features.
    pub fn samples(self) -> usize {
        let values = match self.values {
            Values::Narrow(x) => x.len(),
            Values::Wide(x) => x.len(),
        };
        values.checked_div(self.features).unwrap_or(0)
    }

    /// Calls `take(feature, value)` for the numbers of one sample, standardised.
    fn visit(
        self,
        sample: u32,
        standardizer: Option<&Standardizer>,
        mut take: impl FnMut(u32, f32),
    ) {
        let first = sample as usize * self.features;
        let (mut from, mut to) = ([0.0; PIECE], [0.0; PIECE]);
        for start in (0..self.features).step_by(PIECE) {
            let width = PIECE.min(self.features - start);
            let piece = first + start..first + start + width;
            let (from, to) = (&mut from[..width], &mut to[..width]);
            match self.values {
                Values::Narrow(x) => {
                    from.iter_mut().zip(&x[piece]).for_each(|(to, &v)| *to = f64::from(v));
                }
                Values::Wide(x) => from.copy_from_slice(&x[piece]),
            }
            match standardizer {
                Some(s) => s.apply_to_row(start, from, to),
                None => to.iter_mut().zip(from).for_each(|(to, v)| *to = *v as f32),
            }
            (start as u32..).zip(to).for_each(|(c, v)| take(c, *v));
        }
    }
}

/// Sparse samples, borrowed: a sample a row. They may have a dense block as well, whose features come
/// before those of the matrix.
#[derive(Clone, Copy, Debug)]
pub struct SparseRows<'a> {
    matrix: &'a Csr,
    /// The stored values where float32 does not hold them, for a network that standardises.
    exact: Option<&'a [f64]>,
    dense: DenseRows<'a>,
}

impl<'a> From<&'a Csr> for SparseRows<'a> {
    fn from(matrix: &'a Csr) -> Self {
        SparseRows { matrix, exact: None, dense: DenseRows::none() }
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

    /// With a dense block before the matrix.
    ///
    /// # Panics
    /// If it has other rows.
    pub fn behind(self, dense: DenseRows<'a>) -> Self {
        let fit = dense.features() == 0 || dense.samples() == self.matrix.n_rows();
        assert!(fit, "internal: as many rows in both blocks");
        SparseRows { dense, ..self }
    }

    /// Where the values of the sparse block are, and what they are in float32.
    pub fn matrix(self) -> &'a Csr {
        self.matrix
    }

    /// The dense block; of no features without one.
    pub fn dense(self) -> DenseRows<'a> {
        self.dense
    }

    /// How many.
    pub fn samples(self) -> usize {
        self.matrix.n_rows()
    }

    /// The number of features of both blocks.
    pub fn features(self) -> usize {
        self.dense.features() + self.matrix.n_cols()
    }

    /// How many values a sample has.
    pub(super) fn len(self, sample: u32) -> usize {
        self.dense.features() + self.matrix.pattern().row(sample as usize).len()
    }

    /// The features of which a sample has values, ascending.
    pub(super) fn features_of(self, sample: u32) -> impl Iterator<Item = u32> + 'a {
        let first = self.dense.features() as u32;
        let stored = self.matrix.pattern().row(sample as usize).iter().map(move |&c| first + c);
        (0..first).chain(stored)
    }

    /// The share of all values that the samples have.
    fn share(self) -> f64 {
        let (rows, dense) = (self.samples() as f64, self.dense.features() as f64);
        (rows * dense + self.matrix.nnz() as f64) / (rows * self.features() as f64)
    }

    /// Whether there are so few values that work goes by them.
    pub fn are_few(self) -> bool {
        self.share() <= few()
    }

    /// Whether most features are dense, so that a batch has lanes of all of them.
    pub fn are_many(self) -> bool {
        self.dense.features() > 0 && !self.are_few() && self.share() > MOST
    }

    /// The value of a stored entry.
    #[inline]
    pub fn value(self, entry: usize) -> f64 {
        self.exact.map_or_else(|| f64::from(self.matrix.data()[entry]), |exact| exact[entry])
    }

    /// Calls `take(feature, value)` for what one sample has, in ascending order of the features: the
    /// dense block standardised, the other standardised but not shifted.
    pub(super) fn visit(
        self,
        sample: u32,
        standardizer: Option<&Standardizer>,
        mut take: impl FnMut(u32, f32),
    ) {
        self.dense.visit(sample, standardizer, &mut take);
        let (pattern, first) = (self.matrix.pattern(), self.dense.features() as u32);
        let entries = pattern.indptr()[sample as usize]..pattern.indptr()[sample as usize + 1];
        for (&c, entry) in pattern.indices()[entries.clone()].iter().zip(entries) {
            let (c, value) = (first + c, self.value(entry));
            take(c, standardizer.map_or(value as f32, |s| s.scaled(c as usize, value)));
        }
    }
}
