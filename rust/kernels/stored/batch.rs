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
    /// The features of the batch, in the order in which the samples have them.
    features: Vec<u32>,
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
            by_sample: Lists::default(),
            by_feature: Lists::default(),
        })
    }

    /// Begins with a batch of `samples` samples that have `values` stored values together.
    pub fn begin(&mut self, samples: usize, values: usize) -> Result<()> {
        let StoredBatch { all, numbers, features, by_sample, by_feature } = self;
        if !numbers.is_empty() {
            features.iter().for_each(|&f| numbers[f as usize] = NONE);
        } else if samples > 1 {
            *numbers = filled(*all, NONE, WHAT)?;
        }
        let most = values.min(*all);
        emptied(features, most)?;
        for (lists, count) in [(by_sample, samples), (by_feature, most)] {
            emptied(&mut lists.starts, count + 1)?;
            emptied(&mut lists.numbers, values)?;
            emptied(&mut lists.values, values)?;
        }
        self.by_sample.starts.push(0);
        Ok(())
    }

    /// Adds a value of the sample that has not ended; its features ascend.
    pub fn push(&mut self, feature: u32, value: f32) {
        let mut number = self.features.len() as u32;
        match self.numbers.get_mut(feature as usize) {
            Some(known) if *known == NONE => {
                *known = number;
                self.features.push(feature);
            }
            Some(known) => number = *known,
            None => self.features.push(feature),
        }
        self.by_sample.numbers.push(number);
        self.by_sample.values.push(value);
    }

    /// Ends a sample.
    pub fn end_sample(&mut self) {
        self.by_sample.starts.push(self.by_sample.numbers.len());
    }

    /// Ends the batch: groups its values by features.
    pub fn end(&mut self) -> Result<()> {
        let StoredBatch { features, by_sample, by_feature, .. } = self;
        let (values, count) = (by_sample.values.len(), features.len());
        let Lists { starts, numbers, values: grouped } = by_feature;
        resized(starts, count + 1)?;
        resized(numbers, values)?;
        resized(grouped, values)?;
        starts.fill(0);
        by_sample.numbers.iter().for_each(|&n| starts[n as usize] += 1);
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
        Ok(())
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.by_sample.starts.len() - 1
    }

    /// The features that some sample has.
    pub fn features(&self) -> &[u32] {
        &self.features
    }

    /// Samples and values of a feature, none if no sample has it.
    #[inline(always)]
    pub(super) fn of_feature(&self, feature: u32) -> List<'_> {
        let number = match self.numbers.get(feature as usize) {
            Some(&number) => (number != NONE).then_some(number as usize),
            None => self.features.binary_search(&feature).ok(),
        };
        let none = List { numbers: &[], values: &[] };
        number.map_or(none, |number| self.by_feature.list(number))
    }
}
