//! Statistics of targets that are sparse, or of which some are missing.

use super::super::loss::{Answers, Labels};
use super::super::standardize::Units;
use super::{Moments, Range, WHAT, is_close, only_value};
use crate::error::Result;
use crate::memory::filled;

/// What the labels of an output are.
#[derive(Clone, Copy)]
struct Seen {
    /// The sum of their weights.
    weight: f64,
    /// What is subtracted first from the labels, and then: an offset costs no precision.
    first: f64,
    shift: f64,
    squares: f64,
    range: Range,
}

impl Moments {
    /// Those of the labels that are there; the deviations are as if none were missing. An output without
    /// labels keeps its `known` unit, so that a merge leaves it as it is.
    pub fn of_labels(
        answers: Answers<'_>,
        samples: usize,
        outputs: usize,
        known: Option<&Units>,
    ) -> Result<Self> {
        let labels: Labels<'_> = answers.labels(samples, outputs)?;
        let weight = |s: usize| answers.weights.map_or(1.0, |w| f64::from(w[s]));
        let total: f64 = (0..samples).map(weight).sum();
        let nothing =
            Seen { weight: 0.0, first: 0.0, shift: 0.0, squares: 0.0, range: Range::EMPTY };
        let mut seen = filled(outputs, nothing, WHAT)?;
        labels.visit(|k, weight, y| {
            let seen = &mut seen[k];
            if seen.weight == 0.0 {
                seen.first = y;
            }
            seen.weight += weight;
            seen.shift += weight * (y - seen.first);
            seen.range.take(y);
        });
        seen.iter_mut().filter(|s| s.weight > 0.0).for_each(|s| s.shift /= s.weight);
        labels.visit(|k, weight, y| {
            let seen = &mut seen[k];
            seen.squares += weight * ((y - seen.first) - seen.shift).powi(2);
        });
        let (mut mean, mut deviations) =
            (filled(outputs, 0.0f64, WHAT)?, filled(outputs, 0.0f64, WHAT)?);
        for (k, s) in seen.iter().enumerate() {
            let deviation = (s.squares / s.weight).sqrt();
            (mean[k], deviations[k]) = if s.weight == 0.0 {
                let scale = known.map_or(0.0, |units| units.stored_scale()[k]);
                let kept = if scale > 0.0 { total / (scale * scale) } else { 0.0 };
                (known.map_or(0.0, |units| units.mean()[k]), kept)
            } else if s.range.is_one_value()
                || (is_close(deviation, s.first) && s.range.is_beyond(deviation))
            {
                (only_value(s.first), 0.0)
            } else {
                (s.first + s.shift, s.squares * (total / s.weight))
            };
        }
        Moments { total, mean, deviations }.checked("y")
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::batch::Values;
    use super::super::super::loss::{SparseTargets, Targets};
    use super::super::Table;
    use super::*;
    use crate::csr::Csr;
    use crate::parallel::Par;

    fn of(targets: Targets<'_>, weights: Option<&[f32]>, known: Option<&Units>) -> Moments {
        Moments::of_labels(Answers { targets, weights }, 6, 2, known).unwrap()
    }

    #[test]
    fn they_are_those_of_the_rows_that_are_there() {
        let nan = f64::NAN;
        let y = [1e9, nan, nan, 5.0, 1e9 + 3.0, 5.0, nan, 5.0, 1e9 - 1.0, nan, nan, 5.0];
        let weights = [1.0f32, 1.0, 2.0, 1.0, 0.5, 1.0];
        let moments = of(Targets::Wide(&y), Some(&weights), None);
        let (values, there) = ([1e9, 1e9 + 3.0, 1e9 - 1.0], [1.0f32, 2.0, 0.5]);
        let table = Table { values: &values[..], columns: 1, weights: Some(&there) };
        let expected = Moments::of(&Par::seq(), table, "y").unwrap();
        assert_eq!(moments.mean(), [expected.mean()[0], 5.0]);
        assert!((moments.scale(0) / expected.scale(0) - 1.0).abs() < 1e-12);
        assert_eq!((moments.scale(1), moments.total()), (0.0, 6.5));
    }

    #[test]
    fn sparse_targets_have_those_of_dense_ones() {
        let y = [0.0f64, 2.0, 0.0, 2.0, 7.0, 2.0, 0.0, 2.0, -1.0, 2.0, 0.0, 2.0];
        let (columns, stored) =
            ([1, 1, 0, 1, 1, 0, 1, 1], [2.0, 2.0, 7.0, 2.0, 2.0, -1.0, 2.0, 2.0]);
        let matrix = Csr::new(2, vec![0, 1, 2, 4, 5, 7, 8], columns.into(), stored.into()).unwrap();
        let sparse = SparseTargets::new(matrix.pattern(), Values::Narrow(matrix.data()));
        for weights in [None, Some(&[1.0f32, 2.0, 0.5, 0.0, 1.0, 3.0][..])] {
            let (of_dense, of_sparse) =
                (of(Targets::Wide(&y), weights, None), of(Targets::Sparse(sparse), weights, None));
            let table = Table { values: &y[..], columns: 2, weights };
            let expected = Moments::of(&Par::seq(), table, "y").unwrap();
            for found in [of_dense, of_sparse] {
                assert_eq!(found.total(), expected.total());
                assert_eq!((found.mean()[1], found.scale(1)), (2.0, 0.0));
                assert!((found.mean()[0] - expected.mean()[0]).abs() < 1e-12);
                assert!((found.scale(0) / expected.scale(0) - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn an_output_without_labels_keeps_its_unit() {
        let y = [
            f64::NAN,
            1.0,
            f64::NAN,
            3.0,
            f64::NAN,
            1.0,
            f64::NAN,
            1.0,
            f64::NAN,
            1.0,
            f64::NAN,
            1.0,
        ];
        let known = Units::counted(vec![40.0, 0.0], vec![0.25, 1.0], 10.0).unwrap();
        let mut merged = known.moments().unwrap();
        merged.merge(&of(Targets::Wide(&y), None, Some(&known)));
        assert_eq!((merged.mean()[0], merged.scale(0)), (40.0, 0.25));
        assert_eq!(of(Targets::Wide(&y), None, None).scale(0), 0.0);
    }
}
