//! The ranges of a network's settings, each once: [`super::Config::check`] holds them, also for files,
//! and Python's `config.py` reads them.

use crate::error::{Error, Result};

/// An interval of numbers, and what users are told of it.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Whether the lower end is no part of it.
    pub low_open: bool,
    /// Whether the upper end is no part of it.
    pub high_open: bool,
    /// In words, after "expected".
    pub expected: &'static str,
}

/// The largest number that the kernels compute with.
const LARGEST: f64 = f32::MAX as f64;

const fn closed(low: f64, high: f64, expected: &'static str) -> Range {
    Range { low, high, low_open: false, high_open: false, expected }
}

const SHARE: Range = Range { high_open: true, ..closed(0.0, 1.0, "a number in [0, 1)") };

pub(super) const SLOPE: Range = closed(-LARGEST, LARGEST, "a finite number");
pub(super) const LABEL_SMOOTHING: Range = SHARE;
pub(super) const DROPOUT: Range = SHARE;
pub(super) const INPUT_NOISE: Range = closed(0.0, LARGEST, "a finite number of at least 0");
pub(super) const INPUT_GAIN: Range =
    Range { low_open: true, ..closed(0.0, 1e6, "a number above 0 and up to 1e6") };
pub(super) const CLIP: Range =
    Range { low_open: true, ..closed(0.0, 1e6, "a number above 0 and up to 1e6") };
pub(super) const EPSILON: Range =
    Range { low_open: true, ..closed(0.0, LARGEST, "a positive finite number") };
pub(super) const DENSITY: Range =
    Range { low_open: true, ..closed(0.0, 1.0, "a number in (0, 1]") };

/// Every range with the name of its setting.
pub const RANGES: [(&str, Range); 8] = [
    ("slope", SLOPE),
    ("label_smoothing", LABEL_SMOOTHING),
    ("dropout", DROPOUT),
    ("input_noise", INPUT_NOISE),
    ("input_gain", INPUT_GAIN),
    ("clip", CLIP),
    ("epsilon", EPSILON),
    ("density", DENSITY),
];

impl Range {
    /// An error that names the setting unless each of its values is in the range.
    pub(super) fn check(&self, name: &str, values: &[f64]) -> Result<()> {
        let inside = |v: f64| {
            (if self.low_open { v > self.low } else { v >= self.low })
                && (if self.high_open { v < self.high } else { v <= self.high })
        };
        match values.iter().find(|&&v| !inside(v)) {
            Some(value) => Err(Error::invalid(name, value, self.expected)),
            None => Ok(()),
        }
    }
}
