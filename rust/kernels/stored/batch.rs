//! The stored values of a batch, by sample and by feature.

use super::WHAT;
use crate::csr::NONE;
use crate::error::Result;
use crate::memory::{filled, reserved};

/// The stored values of a batch, by sample and by feature.
#[derive(Debug)]
pub struct StoredBatch {
    /// The number of all features.
    all: usize,
    /// For each feature its number among those of the batch, or [`NONE`]; empty as long as there was one
    /// sample only, whose features ascend and come once.
    numbers: Vec<u32>,
    /// The features of the batch, in the order in which the samples have them: the first `count`.
    features: Vec<u32>,
    count: usize,
    /// Values that are there.
    filled: usize,
    pub(super) by_sample: Lists,
    pub(super) by_feature: Lists,
}

/// Lists of (number, value) one behind the other.
#[derive(Debug, Default)]
pub(super) struct Lists {
    /// Where each list begins, and the end of the last.
    pub(super) starts: Vec<usize>,
    numbers: Vec<u32>,
    values: Vec<f32>,
}

/// One of them.
#[derive(Clone, Copy)]
pub(super) struct List<'a> {
    pub(super) numbers: &'a [u32],
    pub(super) values: &'a [f32],
}

impl Lists {
    #[inline(always)]
    pub(super) fn list(&self, i: usize) -> List<'_> {
        let range = self.starts[i]..self.starts[i + 1];
        List { numbers: &self.numbers[range.clone()], values: &self.values[range] }
    }
}

/// Empties a vector and makes room.
fn emptied<T>(vec: &mut Vec<T>, room: usize) -> Result<()> {
    vec.clear();
    if vec.capacity() < room {
        *vec = reserved(room + room / 4, WHAT)?;
    }
    Ok(())
}

/// Resizes a vector whose values will be overwritten.
pub(super) fn resized<T: Copy + Default>(vec: &mut Vec<T>, len: usize) -> Result<()> {
    if vec.capacity() < len {
        emptied(vec, len)?;
    }
    vec.resize(len, T::default());
    Ok(())
}

impl StoredBatch {
    /// An empty batch of samples of `n` features.
    pub fn new(n: usize) -> Result<Self> {
        Ok(StoredBatch {
            all: n,
            numbers: Vec::new(),
            features: Vec::new(),
            count: 0,
            filled: 0,
            by_sample: Lists::default(),
            by_feature: Lists::default(),
        })
    }

    /// Begins with a batch of `samples` samples that have at most `values` stored values together.
    pub fn begin(&mut self, samples: usize, values: usize) -> Result<()> {
        if !self.numbers.is_empty() {
            self.features[..self.count].iter().for_each(|&f| self.numbers[f as usize] = NONE);
        } else if samples > 1 {
            self.numbers = filled(self.all, NONE, WHAT)?;
        }
        self.count = 0;
        // A place more, as every value writes its feature behind those that are there.
        let most = values.min(self.all) + 1;
        resized(&mut self.features, most)?;
        emptied(&mut self.by_sample.starts, samples + 1)?;
        self.by_sample.starts.push(0);
        resized(&mut self.by_feature.starts, most)?;
        self.by_feature.starts.fill(0);
        for lists in [&mut self.by_sample, &mut self.by_feature] {
            resized(&mut lists.numbers, values)?;
            resized(&mut lists.values, values)?;
        }
        self.filled = 0;
        Ok(())
    }

    /// Adds a value of the sample that has not ended; its features ascend.
    #[inline(always)]
    pub fn push(&mut self, feature: u32, value: f32) {
        let mut number = self.count as u32;
        self.features[self.count] = feature;
        // Without a branch, as no one could guess which features are new.
        if let Some(known) = self.numbers.get_mut(feature as usize) {
            number = if *known == NONE { number } else { *known };
            *known = number;
        }
        self.count += usize::from(number as usize == self.count);
        self.by_feature.starts[number as usize] += 1;
        self.by_sample.numbers[self.filled] = number;
        self.by_sample.values[self.filled] = value;
        self.filled += 1;
    }

    /// Ends a sample.
    pub fn end_sample(&mut self) {
        self.by_sample.starts.push(self.filled);
    }

    /// Ends the batch: groups its values by features.
    pub fn end(&mut self) {
        let StoredBatch { count, filled, by_sample, by_feature, .. } = self;
        for lists in [&mut *by_sample, &mut *by_feature] {
            lists.numbers.truncate(*filled);
            lists.values.truncate(*filled);
        }
        let Lists { starts, numbers, values: grouped } = by_feature;
        starts.truncate(*count + 1);
        // From counts to starts; going over the values makes them ends, which are the next starts.
        let mut start = 0;
        for at in starts.iter_mut() {
            (*at, start) = (start, start + *at);
        }
        for sample in 0..by_sample.starts.len() - 1 {
            let List { numbers: own, values } = by_sample.list(sample);
            for (&number, &value) in own.iter().zip(values) {
                let at = &mut starts[number as usize];
                (numbers[*at], grouped[*at]) = (sample as u32, value);
                *at += 1;
            }
        }
        starts.rotate_right(1);
        starts[0] = 0;
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.by_sample.starts.len() - 1
    }

    /// The features that some sample has.
    pub fn features(&self) -> &[u32] {
        &self.features[..self.count]
    }

    /// Samples and values of a feature, none if no sample has it.
    #[inline(always)]
    pub(super) fn of_feature(&self, feature: u32) -> List<'_> {
        let number = match self.numbers.get(feature as usize) {
            Some(&number) => (number != NONE).then_some(number as usize),
            None => self.features().binary_search(&feature).ok(),
        };
        let none = List { numbers: &[], values: &[] };
        number.map_or(none, |number| self.by_feature.list(number))
    }
}
