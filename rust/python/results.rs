//! What the core gives back to Python: numbers with names.

use std::collections::BTreeMap;

use pyo3::prelude::*;

use crate::nn::{self, Score};
use crate::train;

/// The range of a setting.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct SettingRange {
    low: f64,
    high: f64,
    /// Whether the end is no part of it.
    low_open: bool,
    high_open: bool,
    /// In words.
    expected: &'static str,
}

/// The ranges of a network's settings by their names.
#[pyfunction]
pub fn setting_ranges() -> BTreeMap<&'static str, SettingRange> {
    let named = |(name, range): (_, nn::Range)| {
        let nn::Range { low, high, low_open, high_open, expected } = range;
        (name, SettingRange { low, high, low_open, high_open, expected })
    };
    nn::RANGES.into_iter().map(named).collect()
}

/// Means over samples.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Scores {
    loss: f64,
    /// The part of right answers.
    accuracy: f64,
    /// The number of samples, of which each counts with the part of its labels that is there.
    counted: f64,
}

#[pymethods]
impl Scores {
    #[new]
    #[pyo3(signature = (loss, accuracy, counted=0.0))]
    fn new(loss: f64, accuracy: f64, counted: f64) -> Self {
        Scores { loss, accuracy, counted }
    }
}

impl From<Score> for Scores {
    fn from(score: Score) -> Self {
        let counted = score.counted;
        Scores { loss: score.mean_loss(), accuracy: score.accuracy(), counted }
    }
}

/// Sums over samples, which can be added up.
#[pyclass(frozen, get_all, from_py_object, module = "trulysparse._core")]
#[derive(Clone, Copy)]
pub struct ScoreSums {
    loss: f64,
    /// Right answers.
    correct: f64,
    pub(super) samples: usize,
    /// Multiplications with additions.
    multiply_adds: u64,
    /// As [`Scores`] has it.
    counted: f64,
}

#[pymethods]
impl ScoreSums {
    #[new]
    fn new(loss: f64, correct: f64, samples: usize, multiply_adds: u64, counted: f64) -> Self {
        ScoreSums { loss, correct, samples, multiply_adds, counted }
    }
}

impl From<Score> for ScoreSums {
    fn from(score: Score) -> Self {
        let Score { loss, correct, samples, multiply_adds, counted, .. } = score;
        ScoreSums { loss, correct, samples, multiply_adds, counted }
    }
}

impl From<ScoreSums> for Score {
    fn from(sums: ScoreSums) -> Self {
        let ScoreSums { loss, correct, samples, multiply_adds, counted } = sums;
        Score { loss, correct, samples, multiply_adds, counted, limited: 0 }
    }
}

/// What a network has been through.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Counters {
    epochs: u64,
    steps: u64,
    evolutions: u64,
    /// Epochs before the last change of the connections; None if that is not known.
    changed_after: Option<u64>,
}

impl From<nn::Counters> for Counters {
    fn from(counters: nn::Counters) -> Self {
        let nn::Counters { epochs, steps, evolutions, changed_after } = counters;
        Counters { epochs, steps, evolutions, changed_after }
    }
}

/// What an asynchronous server has done since the fit began.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Tally {
    /// Gradients that were applied, wholly or in part.
    updates: u64,
    /// Gradients that were refused.
    refused: u64,
    /// Entries of gradients that were applied.
    applied: u64,
    /// Entries that were dropped.
    dropped: u64,
    /// The sum of all gradients' staleness.
    staleness: u64,
    /// Seconds that all workers together have waited for the server.
    idle: f64,
    /// How many gradients had which staleness.
    histogram: Vec<u64>,
}

impl Tally {
    /// `idle`: seconds that workers have waited.
    pub fn new(tally: &train::Tally, idle: f64) -> Self {
        let train::Tally { updates, refused, applied, dropped, staleness, .. } = *tally;
        let histogram = tally.histogram.clone();
        Tally { updates, refused, applied, dropped, staleness, idle, histogram }
    }
}
