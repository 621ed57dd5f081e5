//! Learning-rate schedules: factors of the learning rate over the steps of a fit.

use serde::Deserialize;

use crate::error::{Error, Result};

/// How the learning rate changes over a fit: a warm-up, and what comes after it. All lengths are
/// fractions of steps, so that a schedule means the same for any number of epochs.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The fraction of the fit's steps, rounded to whole ones, over which the rate rises in equal
    /// steps to the full one; in [0, 1).
    pub warmup: f64,
    /// How it falls over the other steps.
    pub fall: Fall,
}

/// How the learning rate falls from the full one.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fall {
    /// The rate stays at its full value.
    Constant,
    /// It is multiplied by `factor` after every fraction `every` of the steps.
    Step {
        /// In (0, 1].
        every: f64,
        /// In (0, 1].
        factor: f64,
    },
    /// It is multiplied by the same number after each step, which makes `factor` over all steps.
    Exponential {
        /// In (0, 1].
        factor: f64,
    },
    /// Half a cosine down to the fraction `last` at the end.
    Cosine {
        /// In [0, 1].
        #[serde(rename = "final")]
        last: f64,
    },
    /// It stays at its full value for the fraction `first` of the steps; the others are `count` halves of
    /// a cosine, as long as each other, each from the full rate down to 0.
    Cycles {
        /// In [0, 1).
        first: f64,
        /// At least 1.
        count: u32,
    },
}

impl From<Fall> for Schedule {
    fn from(fall: Fall) -> Self {
        Schedule { warmup: 0.0, fall }
    }
}

impl Schedule {
    /// Checks every value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        if !(0.0..1.0).contains(&self.warmup) {
            return Err(Error::invalid("warmup", self.warmup, "a number in [0, 1)"));
        }
        let positive = |name, value: f64| match value {
            v if v > 0.0 && v <= 1.0 => Ok(()),
            v => Err(Error::invalid(name, v, "a number above 0 and at most 1")),
        };
        match self.fall {
            Fall::Constant => Ok(()),
            Fall::Step { every, factor } => {
                positive("every", every).and_then(|()| positive("factor", factor))
            }
            Fall::Exponential { factor } => positive("factor", factor),
            Fall::Cosine { last } if (0.0..=1.0).contains(&last) => Ok(()),
            Fall::Cosine { last } => Err(Error::invalid("final", last, "a number in [0, 1]")),
            Fall::Cycles { first, .. } if !(0.0..1.0).contains(&first) => {
                Err(Error::invalid("first", first, "a number in [0, 1)"))
            }
            Fall::Cycles { count: 0, .. } => Err(Error::invalid("count", 0, "at least 1")),
            Fall::Cycles { .. } => Ok(()),
        }
    }

    /// The factor of the learning rate in step `step` of `total`, counted from 0.
    pub fn factor(&self, step: u64, total: u64) -> f64 {
        let total = total.max(1);
        // One step at least has the full rate.
        let warm = ((self.warmup * total as f64).round() as u64).min(total - 1);
        if step < warm {
            return (step + 1) as f64 / (warm + 1) as f64;
        }
        let (past, rest) = ((step.min(total) - warm) as f64, (total - warm) as f64);
        let done = past / rest;
        match self.fall {
            Fall::Constant => 1.0,
            Fall::Step { every, factor } => {
                // A quotient just below a whole number is that number, but for rounding.
                libm::pow(factor, (past / (every * rest) + 1e-9).floor())
            }
            Fall::Exponential { factor } => libm::pow(factor, done),
            Fall::Cosine { last } => last + (1.0 - last) * half_cosine(done),
            Fall::Cycles { first, .. } if done < first - 1e-9 => 1.0,
            Fall::Cycles { first, count } => {
                let cycles = (done - first) / (1.0 - first) * f64::from(count);
                // A cycle begins at the step that rounding may put just before it.
                half_cosine((cycles - (cycles + 1e-9).floor()).max(0.0))
            }
        }
    }
}

/// From 1 at 0 down to 0 at 1.
fn half_cosine(done: f64) -> f64 {
    0.5 * (1.0 + libm::cos(std::f64::consts::PI * done))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors(fall: Fall, warmup: f64, total: u64) -> Vec<f64> {
        (0..total).map(|step| Schedule { warmup, fall }.factor(step, total)).collect()
    }

    fn close(found: &[f64], expected: &[f64]) {
        let same = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12);
        assert!(found.len() == expected.len() && same, "{found:?}, not {expected:?}");
    }

    #[test]
    fn falls() {
        close(&factors(Fall::Constant, 0.0, 3), &[1.0; 3]);
        for every in [0.3, 1.0 / 3.0] {
            let steps = Fall::Step { every, factor: 0.1 };
            let low = if every < 0.31 { 0.001 } else { 0.01 };
            close(&factors(steps, 0.0, 10)[8..], &[0.01, low]);
        }
        let thirds = Fall::Step { every: 1.0 / 3.0, factor: 0.5 };
        close(&factors(thirds, 0.0, 6), &[1.0, 1.0, 0.5, 0.5, 0.25, 0.25]);
        close(&factors(Fall::Exponential { factor: 0.01 }, 0.0, 2), &[1.0, 0.1]);
        close(&factors(Fall::Cosine { last: 0.2 }, 0.0, 2), &[1.0, 0.6]);
        assert!((Schedule::from(Fall::Cosine { last: 0.2 }).factor(9, 9) - 0.2).abs() < 1e-12);
    }

    #[test]
    fn a_warm_up_rises_to_the_full_rate_and_the_fall_begins_there() {
        close(&factors(Fall::Constant, 0.5, 6), &[0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
        let cosine = Fall::Cosine { last: 0.0 };
        close(&factors(cosine, 0.5, 4), &[1.0 / 3.0, 2.0 / 3.0, 1.0, 0.5]);
        // A fit of one step has the full rate: it may have a single batch.
        close(&factors(Fall::Constant, 0.99, 1), &[1.0]);
    }

    #[test]
    fn cycles_begin_with_the_full_rate() {
        let half = 0.5_f64.sqrt() / 2.0;
        let cycle = [1.0, 0.5 + half, 0.5, 0.5 - half];
        let cycles = factors(Fall::Cycles { first: 1.0 / 3.0, count: 2 }, 0.0, 12);
        close(&cycles, &[[1.0; 4], cycle, cycle].concat());
        for (total, count) in [(7 * 13, 6), (3 * 11, 2), (100, 9)] {
            let first = 1.0 / f64::from(count + 1);
            let length = total as usize / (count as usize + 1);
            let found = factors(Fall::Cycles { first, count }, 0.0, total);
            found.chunks(length).for_each(|cycle| assert!((cycle[0] - 1.0).abs() < 1e-9));
        }
    }

    #[test]
    fn every_value_is_checked() {
        let refused = |warmup, fall| Schedule { warmup, fall }.check().unwrap_err().to_string();
        for bad in [-0.1, 1.5, f64::NAN, f64::INFINITY] {
            assert!(refused(bad, Fall::Constant).starts_with("warmup = "));
            let steps = |every, factor| Fall::Step { every, factor };
            assert!(refused(0.0, steps(bad, 0.5)).starts_with("every = "));
            assert!(refused(0.0, steps(0.5, bad)).starts_with("factor = "));
            assert!(refused(0.0, Fall::Exponential { factor: bad }).starts_with("factor = "));
            assert!(refused(0.0, Fall::Cosine { last: bad }).starts_with("final = "));
        }
        assert!(refused(1.0, Fall::Constant).starts_with("warmup = "));
        assert!(refused(0.0, Fall::Cycles { first: 1.0, count: 1 }).starts_with("first = "));
        assert!(refused(0.0, Fall::Cycles { first: 0.5, count: 0 }).starts_with("count = "));
        assert!(refused(0.0, Fall::Exponential { factor: 0.0 }).starts_with("factor = "));
    }
}
