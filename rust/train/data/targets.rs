//! What targets may be, by the loss.

use super::{check_rows, check_samples, first_bad};
use crate::error::{Error, Result};
use crate::nn::{Loss, SparseTargets, TargetRange, Targets, Values};
use crate::parallel::Par;

/// The largest target whose squares float64 can sum.
const SQUARED: f64 = 1e150;

/// How far a row of class probabilities may be from a sum of 1.
const SUM_TOLERANCE: f64 = 1e-4;

/// Checks targets for a network with this loss and number of outputs; `name` is what
/// errors call them.
pub(super) fn check(
    par: &Par,
    name: &str,
    targets: Targets<'_>,
    samples: usize,
    loss: Loss,
    outputs: usize,
) -> Result<()> {
    let allowed = Allowed { range: loss.target_range(), outputs };
    match targets {
        Targets::Classes(y) => {
            check_samples(name, y.len(), samples)?;
            let bad = y.iter().position(|&class| class as usize >= outputs);
            bad.map_or(Ok(()), |i| {
                let expected = format!("class labels from 0 to {}", outputs - 1);
                Err(Error::invalid(name, format!("{} in row {i}", y[i]), expected))
            })
        }
        Targets::Dense(y) => {
            check_shape(par, name, y, samples, outputs)?;
            allowed.check_narrow(par, name, y, |i| [i / outputs, i % outputs])?;
            refuse_nothing(name, y)?;
            let row = |s: usize| y[s * outputs..][..outputs].iter().map(|&v| f64::from(v)).sum();
            allowed.check_sums(name, samples, row)
        }
        Targets::Wide(y) => {
            check_shape(par, name, y, samples, outputs)?;
            allowed.check_wide(loss, name)?;
            allowed.check(par, name, y, is_summable, |i| [i / outputs, i % outputs])?;
            refuse_nothing(name, y)
        }
        Targets::Sparse(y) => check_sparse(par, name, y, samples, loss, allowed),
    }
}

/// Whether one of them is missing.
pub(super) fn any_is_missing<T: Copy + Into<f64>>(values: &[T]) -> bool {
    values.iter().any(|&v| v.into().is_nan())
}

/// Whether float64 can sum the squares of such numbers.
fn is_summable(v: f64) -> bool {
    v.abs() <= SQUARED
}

/// Refuses targets of which all are missing.
fn refuse_nothing<T: Copy + Into<f64>>(name: &str, y: &[T]) -> Result<()> {
    if y.iter().all(|&v| v.into().is_nan()) {
        return Err(Error::invalid(name, "missing labels only", "one or more that are there"));
    }
    Ok(())
}

fn check_shape<T: Copy + Into<f64> + std::fmt::Display + Sync>(
    par: &Par,
    name: &str,
    y: &[T],
    samples: usize,
    outputs: usize,
) -> Result<()> {
    if outputs == 0 || !y.len().is_multiple_of(outputs) {
        return check_rows(par, name, y, outputs);
    }
    check_samples(name, y.len() / outputs, samples)
}

fn check_sparse(
    par: &Par,
    name: &str,
    y: SparseTargets<'_>,
    samples: usize,
    loss: Loss,
    allowed: Allowed,
) -> Result<()> {
    let (pattern, outputs) = (y.pattern(), allowed.outputs);
    check_samples(name, pattern.n_rows(), samples)?;
    if pattern.n_cols() != outputs {
        return Err(Error::invalid(name, format!("{} columns", pattern.n_cols()), outputs));
    }
    let place = |entry: usize| {
        let row = pattern.indptr().partition_point(|&end| end <= entry) - 1;
        [row, pattern.indices()[entry] as usize]
    };
    match y.values() {
        Values::Narrow(values) => {
            allowed.check_narrow(par, name, values, place)?;
            let stored = |s: usize| &values[pattern.indptr()[s]..pattern.indptr()[s + 1]];
            let row = |s: usize| stored(s).iter().map(|&v| f64::from(v)).sum();
            allowed.check_sums(name, samples, row)?;
        }
        Values::Wide(values) => {
            allowed.check_wide(loss, name)?;
            allowed.check(par, name, values, is_summable, place)?;
        }
    }
    Ok(())
}

/// The values that targets may have.
#[derive(Clone, Copy)]
struct Allowed {
    range: TargetRange,
    outputs: usize,
}

impl Allowed {
    /// Whether some of a sample's targets may be missing: of a class, or of the only one, none is left.
    fn missing(self) -> bool {
        self.outputs > 1 && self.range != TargetRange::Probabilities
    }

    /// As [`Allowed::check`] of values in float32, by the range.
    fn check_narrow(
        self,
        par: &Par,
        name: &str,
        values: &[f32],
        place: impl Fn(usize) -> [usize; 2],
    ) -> Result<()> {
        match self.range {
            TargetRange::Finite => self.check(par, name, values, |v: f32| v.is_finite(), place),
            _ => self.check(par, name, values, |v: f32| (0.0..=1.0).contains(&v), place),
        }
    }

    /// Checks each of some values by what is `good`; `place` gives row and column of one.
    fn check<T: Copy + Into<f64> + std::fmt::Display + Sync>(
        self,
        par: &Par,
        name: &str,
        values: &[T],
        good: impl Fn(T) -> bool + Sync + Send,
        place: impl Fn(usize) -> [usize; 2],
    ) -> Result<()> {
        let mut bad = first_bad(par, values, &good);
        if bad.is_some() && self.missing() {
            bad = first_bad(par, values, |v: T| good(v) || v.into().is_nan());
        }
        let Some(i) = bad else { return Ok(()) };
        let ([row, column], number) = (place(i), values[i].into());
        if number.is_nan() {
            let value = format!("a missing label in row {row}, column {column}");
            return Err(Error::invalid(name, value, "one for each sample"));
        }
        let expected = match self.range {
            TargetRange::Finite if number.is_finite() => "numbers up to 1e150",
            TargetRange::Finite => "finite numbers",
            _ => "numbers in [0, 1]",
        };
        Err(Error::invalid(name, format!("{} in row {row}, column {column}", values[i]), expected))
    }

    fn check_wide(self, loss: Loss, name: &str) -> Result<()> {
        if self.range == TargetRange::Finite {
            return Ok(());
        }
        Err(Error::invalid(name, format!("float64 with loss = {loss:?}"), "float32"))
    }

    /// Checks the sums of class probabilities; `sum` gives that of a row.
    fn check_sums(self, name: &str, samples: usize, sum: impl Fn(usize) -> f64) -> Result<()> {
        if self.range != TargetRange::Probabilities {
            return Ok(());
        }
        let wrong = |&s: &usize| (sum(s) - 1.0).abs() > SUM_TOLERANCE;
        (0..samples).find(wrong).map_or(Ok(()), |s| {
            let value = format!("row {s} with sum {}", sum(s));
            Err(Error::invalid(name, value, "rows of class probabilities with sum 1"))
        })
    }
}
