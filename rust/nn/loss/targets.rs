//! What a network should have answered. NaN is a label that is missing: it does not count.

use super::super::batch::Values;
use super::super::standardize::Units;
use crate::csr::Pattern;
use crate::error::Result;
use crate::memory::filled;

const WHAT: &str = "sparse targets";

/// What a network should have answered.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// A class per sample, below the number of outputs; cross-entropy only.
    Classes(&'a [u32]),
    /// (samples, outputs), row-major.
    Dense(&'a [f32]),
    /// The same in f64, for losses whose targets may be any finite numbers.
    Wide(&'a [f64]),
    /// A sample a row, of which what is not stored is 0.
    Sparse(SparseTargets<'a>),
}

/// Sparse targets, borrowed: (samples, outputs).
#[derive(Clone, Copy, Debug)]
pub struct SparseTargets<'a> {
    pattern: Pattern<'a>,
    values: Values<'a>,
}

impl<'a> SparseTargets<'a> {
    /// Targets that store `values` where `pattern` says.
    ///
    /// # Panics
    /// If there are not as many.
    pub fn new(pattern: Pattern<'a>, values: Values<'a>) -> Self {
        let stored = match values {
            Values::Narrow(values) => values.len(),
            Values::Wide(values) => values.len(),
        };
        assert_eq!(stored, pattern.nnz(), "internal: a value for each entry");
        SparseTargets { pattern, values }
    }

    /// Where the stored ones are.
    pub fn pattern(self) -> Pattern<'a> {
        self.pattern
    }

    /// The stored ones.
    pub fn values(self) -> Values<'a> {
        self.values
    }

    fn value(self, entry: usize) -> f64 {
        match self.values {
            Values::Narrow(values) => f64::from(values[entry]),
            Values::Wide(values) => values[entry],
        }
    }

    fn row(self, sample: usize) -> std::ops::Range<usize> {
        self.pattern.indptr()[sample]..self.pattern.indptr()[sample + 1]
    }
}

/// Targets, and how much each sample counts.
#[derive(Clone, Copy, Debug)]
pub struct Answers<'a> {
    /// The targets.
    pub targets: Targets<'a>,
    /// (samples,), by which losses are multiplied, and gradients as far as `pull` lets them; 1 each
    /// if None.
    pub weights: Option<&'a [f32]>,
}

impl<'a> From<Targets<'a>> for Answers<'a> {
    fn from(targets: Targets<'a>) -> Self {
        Answers { targets, weights: None }
    }
}

impl<'a> Answers<'a> {
    pub(in crate::nn) fn weight(&self, sample: u32) -> f32 {
        self.weights.map_or(1.0, |weights| weights[sample as usize])
    }

    /// Those samples that count, with their weights.
    fn counting(&self, samples: usize) -> impl Iterator<Item = (usize, f64)> {
        let weighted = |s: u32| (s as usize, f64::from(self.weight(s)));
        (0..samples as u32).map(weighted).filter(|(_, weight)| *weight > 0.0)
    }

    /// The number of samples, of which each counts with the part of its labels that is there.
    pub(in crate::nn) fn counted(&self, samples: usize, outputs: usize) -> f64 {
        let missing = match self.targets {
            Targets::Classes(_) => 0,
            Targets::Dense(y) => y.iter().filter(|y| y.is_nan()).count(),
            Targets::Wide(y) => y.iter().filter(|y| y.is_nan()).count(),
            Targets::Sparse(rows) => match rows.values {
                Values::Narrow(y) => y.iter().filter(|y| y.is_nan()).count(),
                Values::Wide(y) => y.iter().filter(|y| y.is_nan()).count(),
            },
        };
        samples as f64 - missing as f64 / outputs as f64
    }

    /// Prepares [`Labels::visit`] of targets of `outputs` numbers each.
    pub(in crate::nn) fn labels(self, samples: usize, outputs: usize) -> Result<Labels<'a>> {
        let mut labels = Labels { answers: self, samples, outputs, zeros: Vec::new() };
        if let Targets::Sparse(rows) = self.targets {
            let mut left = filled(outputs, (0usize, 0.0f64), WHAT)?;
            let (mut counting, mut total) = (0, 0.0);
            for (s, weight) in self.counting(samples) {
                (counting, total) = (counting + 1, total + weight);
                for &k in rows.pattern.row(s) {
                    let (entries, stored) = left[k as usize];
                    left[k as usize] = (entries + 1, stored + weight);
                }
            }
            labels.zeros = filled(outputs, 0.0, WHAT)?;
            for (zeros, (entries, stored)) in labels.zeros.iter_mut().zip(left) {
                *zeros = if entries == counting { 0.0 } else { (total - stored).max(0.0) };
            }
        }
        Ok(labels)
    }
}

/// The labels that are there, of samples that count.
pub(in crate::nn) struct Labels<'a> {
    answers: Answers<'a>,
    samples: usize,
    outputs: usize,
    /// The weight of the samples that store nothing for an output; none of dense targets.
    zeros: Vec<f64>,
}

impl Labels<'_> {
    /// Calls `each(output, weight, target)`, sample by sample. The zeros of an output that are not stored
    /// come at the end as one, with their whole weight.
    pub(in crate::nn) fn visit(&self, mut each: impl FnMut(usize, f64, f64)) {
        let mut there = |k: usize, weight: f64, y: f64| {
            if !y.is_nan() {
                each(k, weight, y);
            }
        };
        for (s, weight) in self.answers.counting(self.samples) {
            let row = s * self.outputs..(s + 1) * self.outputs;
            match self.answers.targets {
                Targets::Dense(y) => {
                    y[row].iter().enumerate().for_each(|(k, &y)| there(k, weight, f64::from(y)));
                }
                Targets::Wide(y) => {
                    y[row].iter().enumerate().for_each(|(k, &y)| there(k, weight, y));
                }
                Targets::Sparse(rows) => {
                    for (&k, entry) in rows.pattern.row(s).iter().zip(rows.row(s)) {
                        there(k as usize, weight, rows.value(entry));
                    }
                }
                Targets::Classes(_) => panic!("internal: classes are counted"),
            }
        }
        for (k, &weight) in self.zeros.iter().enumerate().filter(|(_, weight)| **weight > 0.0) {
            there(k, weight, 0.0);
        }
    }
}

/// The targets of a sample, output by output, in the units of the network; NaN are missing.
#[derive(Clone)]
pub(super) struct TargetRow<'a> {
    of: Numbers<'a>,
    next: usize,
    outputs: usize,
    units: Option<&'a Units>,
}

#[derive(Clone)]
enum Numbers<'a> {
    Dense(&'a [f32]),
    Wide(&'a [f64]),
    /// Columns, and the entry of the first of them.
    Sparse(SparseTargets<'a>, &'a [u32], usize),
}

impl<'a> TargetRow<'a> {
    /// Those of one sample.
    ///
    /// # Panics
    /// If the targets are classes.
    pub(super) fn new(
        targets: Targets<'a>,
        sample: u32,
        outputs: usize,
        units: Option<&'a Units>,
    ) -> Self {
        let (sample, row) = (sample as usize, sample as usize * outputs);
        let of = match targets {
            Targets::Dense(y) => Numbers::Dense(&y[row..row + outputs]),
            Targets::Wide(y) => Numbers::Wide(&y[row..row + outputs]),
            Targets::Sparse(rows) => {
                Numbers::Sparse(rows, rows.pattern.row(sample), rows.row(sample).start)
            }
            Targets::Classes(_) => panic!("internal: class targets belong to cross-entropy"),
        };
        TargetRow { of, next: 0, outputs, units }
    }
}

impl Iterator for TargetRow<'_> {
    type Item = f32;

    #[inline]
    fn next(&mut self) -> Option<f32> {
        let k = self.next;
        if k == self.outputs {
            return None;
        }
        self.next += 1;
        let y = match &mut self.of {
            Numbers::Dense(y) if self.units.is_none() => return Some(y[k]),
            Numbers::Dense(y) => f64::from(y[k]),
            Numbers::Wide(y) => y[k],
            Numbers::Sparse(rows, columns, entry) => match columns.split_first() {
                Some((&column, rest)) if column as usize == k => {
                    *entry += 1;
                    *columns = rest;
                    rows.value(*entry - 1)
                }
                _ => 0.0,
            },
        };
        Some(self.units.map_or(y as f32, |units| units.apply(k, y)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;

    const NAN: f32 = f32::NAN;

    /// Four samples of three outputs, and the same as rows that store what is not 0.
    fn both() -> ([f32; 12], Csr) {
        let dense = [0.0, 2.0, NAN, 1.0, 0.0, 0.0, NAN, NAN, NAN, 0.0, -3.0, 0.5];
        let columns = [1, 2, 0, 0, 1, 2, 1, 2];
        let stored = [2.0, NAN, 1.0, NAN, NAN, NAN, -3.0, 0.5];
        let sparse = Csr::with_any_values(3, vec![0, 2, 3, 6, 8], columns.into(), stored.into());
        (dense, sparse.unwrap())
    }

    #[test]
    fn rows_of_sparse_targets_are_those_of_dense_ones() {
        let (dense, sparse) = both();
        let wide = sparse.data().iter().map(|&v| f64::from(v)).collect::<Vec<_>>();
        let units = Units::counted(vec![0.5, -1.0, 0.0], vec![2.0, 0.5, 0.0], 4.0).unwrap();
        let kinds = [Values::Narrow(sparse.data()), Values::Wide(&wide)];
        for values in kinds {
            let targets = Targets::Sparse(SparseTargets::new(sparse.pattern(), values));
            for units in [None, Some(&units)] {
                for sample in 0..4 {
                    let row = |of| {
                        TargetRow::new(of, sample, 3, units)
                            .map(|y| (!y.is_nan()).then_some(y))
                            .collect::<Vec<_>>()
                    };
                    assert_eq!(row(targets), row(Targets::Dense(&dense)));
                }
            }
        }
    }

    #[test]
    fn sums_over_sparse_targets_are_those_over_dense_ones() {
        let (dense, sparse) = both();
        let values = Values::Narrow(sparse.data());
        let rows = Targets::Sparse(SparseTargets::new(sparse.pattern(), values));
        for weights in [None, Some(&[1.0f32, 0.0, 2.5, 4.0][..])] {
            let sums = |targets| {
                let mut sums = [[0.0; 3]; 3];
                let labels = Answers { targets, weights }.labels(4, 3).unwrap();
                labels.visit(|k, weight, y| {
                    for (power, sum) in sums[k].iter_mut().enumerate() {
                        *sum += weight * y.powi(power as i32);
                    }
                });
                sums
            };
            assert_eq!(sums(rows), sums(Targets::Dense(&dense)));
        }
    }
}
