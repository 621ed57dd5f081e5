//! Copies of the connections of a batch's features: taken, stepped and given back.

#![allow(clippy::needless_range_loop, clippy::manual_memcpy)] // an adapter might lose the features

use std::ops::Range;

use super::batch::{StoredBatch, resized};
use super::gradients::{by_sample, gradients_of};
use super::{FETCH, LOOK_UP};
use crate::csr::Transpose;
use crate::error::Result;
use crate::kernels::GRAIN;
use crate::kernels::idle::Idle;
use crate::kernels::operands::{Batch, Parameters, Split};
use crate::kernels::simd::rows::fetch_run;
use crate::kernels::simd::{Simd, multiversion};
use crate::kernels::step::Step;
use crate::parallel::Par;

/// Features whose connections are copied together.
const BLOCK: usize = 64;

/// The parameters of a layer, to be read; moments may be missing.
#[derive(Clone, Copy, Debug)]
pub struct ParametersOf<'a> {
    /// The values, (nnz,).
    pub values: &'a [f32],
    /// The first moments, (nnz,) or empty.
    pub momentum: &'a [f32],
    /// The second moments, (nnz,) or empty.
    pub second: &'a [f32],
}

/// Up to when the connections of each feature are.
#[derive(Clone, Copy, Debug)]
pub struct Behind<'a> {
    /// The steps that they may have missed.
    pub idle: &'a Idle,
    /// For each feature the number of the first step that its connections have missed.
    pub since: &'a [u32],
}

/// Copies of the connections of some features, feature after feature, 24 bytes each at most.
#[derive(Debug, Default)]
pub struct Touched {
    /// Where those of each feature begin, and the end of the last.
    pub(super) starts: Vec<usize>,
    pub(super) rows: Vec<u32>,
    /// Where each connection is in the matrix.
    positions: Vec<u32>,
    pub(super) values: Vec<f32>,
    momentum: Vec<f32>,
    second: Vec<f32>,
    gradients: Vec<f32>,
}

/// What is written while connections are copied.
struct Copies<'a> {
    rows: &'a mut [u32],
    positions: &'a mut [u32],
    parameters: Parameters<'a>,
}

impl Split for Copies<'_> {
    fn split(self, count: usize) -> (Self, Self) {
        let ((rows, positions), (rows_right, positions_right)) =
            (self.rows, self.positions).split(count);
        let (parameters, right) = self.parameters.split(count);
        (
            Copies { rows, positions, parameters },
            Copies { rows: rows_right, positions: positions_right, parameters: right },
        )
    }
}

impl Touched {
    /// Copies the connections of `features`, as they are or, if they are behind, as they would be
    /// after the steps that they have missed.
    pub fn copy(
        &mut self,
        par: &Par,
        index: &Transpose,
        features: &[u32],
        of: ParametersOf<'_>,
        behind: Option<Behind<'_>>,
    ) -> Result<()> {
        resized(&mut self.starts, features.len() + 1)?;
        let mut end = 0;
        self.starts[0] = 0;
        for (&f, start) in features.iter().zip(&mut self.starts[1..]) {
            end += index.indptr()[f as usize + 1] - index.indptr()[f as usize];
            *start = end;
        }
        resized(&mut self.rows, end)?;
        resized(&mut self.positions, end)?;
        resized(&mut self.values, end)?;
        resized(&mut self.momentum, if of.momentum.is_empty() { 0 } else { end })?;
        resized(&mut self.second, if of.second.is_empty() { 0 } else { end })?;
        resized(&mut self.gradients, end)?;
        let Touched { starts, rows, positions, values, momentum, second, .. } = self;
        let parameters = Parameters { values, momentum, second };
        par.for_rows(
            0..features.len(),
            GRAIN,
            Copies { rows, positions, parameters },
            |f| FETCH * (starts[f] + f),
            |copies, range, mid| copies.split(starts[mid] - starts[range.start]),
            |range, copies| copy_features(index, &features[range], of, behind, copies),
        );
        Ok(())
    }

    /// The number of connections.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.positions.is_empty()
    }

    /// Puts the copies where they were taken from. `parameters`: (nnz,).
    pub fn give_back(&self, par: &Par, parameters: &mut Parameters<'_>) {
        let Parameters { values, momentum, second } = parameters;
        let give = |from: &[f32], to: &mut [f32]| {
            for (&at, &value) in self.positions.iter().zip(from) {
                to[at as usize] = value;
            }
        };
        if par.threads() == 1 || FETCH * self.len() < GRAIN {
            give(&self.values, values);
            give(&self.momentum, momentum);
            give(&self.second, second);
            return;
        }
        // Each array is one thread's: their places are anywhere.
        let moments = || par.join(|| give(&self.momentum, momentum), || give(&self.second, second));
        par.join(|| give(&self.values, values), moments);
    }

    /// Writes the gradients to their places in `out`, (nnz,); the others stay.
    pub fn give_gradients(&self, out: &mut [f32]) {
        for (&at, &gradient) in self.positions.iter().zip(&self.gradients) {
            out[at as usize] = gradient;
        }
    }

    /// Multiply-adds of one pass of the batch.
    pub fn products(&self, batch: &StoredBatch) -> u64 {
        let lists = self.starts.windows(2).zip(batch.by_feature.starts.windows(2));
        lists.map(|(own, of)| ((own[1] - own[0]) * (of[1] - of[0])) as u64).sum()
    }
}

#[inline(always)]
fn copy_body<S: Simd>(
    simd: S,
    index: &Transpose,
    features: &[u32],
    of: ParametersOf<'_>,
    behind: Option<Behind<'_>>,
    copies: Copies<'_>,
) {
    let Copies { rows, positions, parameters: Parameters { values, momentum, second } } = copies;
    let (offsets, all_rows, all_positions) =
        (index.indptr(), index.rows().indices(), index.positions());
    let begin_of = |feature: u32| offsets[feature as usize];
    let mut start = 0;
    for (number, block) in features.chunks(BLOCK).enumerate() {
        // The processor cannot guess where lists begin and end, so what comes next is fetched first.
        let after = |blocks: usize| features.get((number + blocks) * BLOCK..).unwrap_or(&[]);
        for &feature in after(2).iter().take(BLOCK) {
            fetch_run(simd, offsets, feature as usize, 2);
        }
        for &feature in after(1).iter().take(BLOCK) {
            fetch_run(simd, all_rows, begin_of(feature), 1);
            fetch_run(simd, all_positions, begin_of(feature), 1);
        }
        let first = start;
        for &feature in block {
            let from = begin_of(feature);
            let n = begin_of(feature + 1) - from;
            // A loop, as a call to copy a few numbers takes longer.
            let (from_rows, from_positions) = (&all_rows[from..][..n], &all_positions[from..][..n]);
            let (to_rows, to_positions) = (&mut rows[start..][..n], &mut positions[start..][..n]);
            for k in 0..n {
                to_rows[k] = from_rows[k];
                to_positions[k] = from_positions[k];
            }
            start += n;
        }
        let own = &positions[first..start];
        gather(of.values, own, &mut values[first..]);
        gather(of.momentum, own, momentum.get_mut(first..).unwrap_or(&mut []));
        gather(of.second, own, second.get_mut(first..).unwrap_or(&mut []));
        if let Some(Behind { idle, since }) = behind {
            let mut at = first;
            for &feature in block {
                let n = begin_of(feature + 1) - begin_of(feature);
                let second = second.get_mut(at..).unwrap_or(&mut []);
                let (values, momentum) = (&mut values[at..], &mut momentum[at..]);
                let mut own = Parameters { values, momentum, second };
                idle.settle(simd, since[feature as usize], n, &mut own);
                at += n;
            }
        }
    }
}

/// Copies values from their places to the first of `to`, if these are there.
#[inline(always)]
fn gather(from: &[f32], places: &[u32], to: &mut [f32]) {
    if to.is_empty() {
        return;
    }
    let to = &mut to[..places.len()];
    for k in 0..places.len() {
        to[k] = from[places[k] as usize];
    }
}
multiversion! {
    fn copy_features(
        index: &Transpose, features: &[u32], of: ParametersOf<'_>, behind: Option<Behind<'_>>,
        copies: Copies<'_>,
    ) => copy_body
}

/// Where the connections of each feature begin, and their rows.
#[derive(Clone, Copy)]
struct Connections<'a> {
    starts: &'a [usize],
    rows: &'a [u32],
}

/// What is written while connections make a step, or their gradients are summed only.
struct Stepping<'a> {
    gradients: &'a mut [f32],
    parameters: Option<Parameters<'a>>,
}

impl Split for Stepping<'_> {
    fn split(self, count: usize) -> (Self, Self) {
        let ((gradients, parameters), (gradients_right, right)) =
            (self.gradients, self.parameters).split(count);
        (
            Stepping { gradients, parameters },
            Stepping { gradients: gradients_right, parameters: right },
        )
    }
}

#[inline(always)]
fn step_body<S: Simd>(
    _simd: S,
    batch: &StoredBatch,
    of: Connections<'_>,
    dy: &[f32],
    features: Range<usize>,
    step: Option<&Step>,
    stepping: Stepping<'_>,
) {
    let (Stepping { gradients, parameters }, Connections { starts, rows }) = (stepping, of);
    let (n, first) = (dy.len() / batch.samples(), starts[features.start]);
    for feature in features {
        let range = starts[feature]..starts[feature + 1];
        let own = &mut gradients[range.start - first..][..range.len()];
        gradients_of(batch.by_feature.list(feature), &rows[range], dy, n, own);
    }
    if let (Some(step), Some(mut parameters)) = (step, parameters) {
        step.spend(gradients, 0, &mut parameters);
    }
}
multiversion! {
    fn step_features(
        batch: &StoredBatch, of: Connections<'_>, dy: &[f32], features: Range<usize>,
        step: Option<&Step>, stepping: Stepping<'_>,
    ) => step_body
}

impl Touched {
    /// Computes the gradients of the connections from the deltas of their rows, (n_rows, stride);
    /// with a step the copies make it. `scratch` is overwritten.
    pub fn step(
        &mut self,
        par: &Par,
        batch: &StoredBatch,
        dy: Batch<'_>,
        step: Option<&Step>,
        scratch: &mut [f32],
    ) {
        by_sample(par, dy, batch.samples(), scratch);
        let len = self.len();
        let Touched { starts, rows, gradients, values, momentum, second, .. } = self;
        let parameters = Parameters { values, momentum, second };
        if let Some(step) = step {
            step.check(&parameters, len);
        }
        let parameters = step.is_some().then_some(parameters);
        let (dy, starts, rows, of) = (&*scratch, &starts[..], &rows[..], &batch.by_feature.starts);
        let features = starts.len() - 1;
        let each = values_per_feature(of, features);
        par.for_rows(
            0..features,
            GRAIN,
            Stepping { gradients: &mut gradients[..], parameters },
            |f| LOOK_UP * (starts[f] * each + of[f]),
            |stepping, range, mid| stepping.split(starts[mid] - starts[range.start]),
            |range, stepping| {
                step_features(batch, Connections { starts, rows }, dy, range, step, stepping)
            },
        );
    }
}

/// About how many samples have a feature; at least 4, as a step of its connections takes time too.
fn values_per_feature(starts: &[usize], features: usize) -> usize {
    (starts[features] / features.max(1)).max(4)
}
