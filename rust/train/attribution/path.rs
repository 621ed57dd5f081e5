//! Integrated gradients (Sundararajan, Taly and Yan, 2017): contributions of inputs to the difference
//! between the outputs of a sample and those of a baseline.
//!
//! The path is straight in the user's units. Standardisation keeps it straight, clipping bends it: so
//! gradients by standardised inputs u, before they are clipped, are integrated. A lane of a batch is a
//! point of a sample's path; a sample is done again with more points until its contributions sum to
//! the difference.

use super::{DataView, GRAIN, WHAT, checked};
use crate::error::{Error, Result};
use crate::kernels::{clipped, stride};
use crate::memory::{area, filled, reserved, zeros};
use crate::nn::{InputGradients, Mlp, Quantity, Standardizer};
use crate::parallel::Par;

/// Points of a path at first, and by how much they are multiplied where they do not do.
const POINTS: usize = 64;
const MORE: usize = 4;

/// What contributions that cancel each other may miss, beside the sum of their sizes, and of float32's
/// numbers beside outputs: further points are not worth it.
const SMALL: [f64; 2] = [5e-4, 2e-6];

/// How a path is gone.
#[derive(Clone, Copy, Debug)]
pub struct Along {
    /// What is explained of an output.
    pub quantity: Quantity,
    /// Points in a batch.
    pub batch_size: usize,
    /// The most points of a sample.
    pub most: usize,
    /// The part of the difference that contributions may miss before there are more points.
    pub tolerance: f64,
}

/// A point of a sample's path.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// The sample's place in the data.
    sample: usize,
    /// How far it is from the baseline to the sample.
    alpha: f64,
    /// Its part of the integral.
    weight: f64,
}

/// Contributions of the inputs of some samples. It can be paused between two outputs of a batch.
#[derive(Debug)]
pub struct PathPass {
    gradients: InputGradients,
    along: Along,
    outputs: Vec<u32>,
    /// What inputs are clipped at, (features,); empty if none is.
    limits: Vec<f64>,
    /// The baseline, standardised but not clipped, (features,).
    baseline: Vec<f32>,
    /// The samples likewise, (samples, features).
    samples: Vec<f32>,
    /// The derivatives of clipping at the points of a batch, (features, lanes); empty if none is clipped.
    slopes: Vec<f32>,
    /// The quantities of the baseline, (outputs,), and of the samples, (samples, outputs).
    base: Vec<f64>,
    ends: Vec<f64>,
    /// Samples to do with `points` each, and those among them that need more.
    pending: Vec<usize>,
    again: Vec<usize>,
    points: usize,
    /// The next point: a place in `pending`, and a number.
    at: (usize, usize),
    /// The points of the batch, and how many of its outputs are done.
    batch: Vec<Point>,
    done: usize,
}

impl PathPass {
    /// Paths from `baseline`, (features,), as a user has it, to all samples of `data`.
    pub fn new(
        par: &Par,
        model: &Mlp,
        data: &DataView<'_>,
        baseline: &[f64],
        outputs: &[u32],
        along: Along,
    ) -> Result<Self> {
        let features = model.config().layer_sizes[0];
        if baseline.len() != features {
            let found = format!("{} numbers", baseline.len());
            return Err(Error::invalid("baseline", found, features));
        }
        data.check(model)?;
        let (n, outputs) = (data.samples(), checked(model, outputs)?);
        let mut gradients = InputGradients::new(par, model, along.quantity, along.batch_size)?;
        let plain = gradients.standardizer().map(Standardizer::unclipped).transpose()?;
        let apply = |(j, &v): (usize, &f64)| plain.as_ref().map_or(v as f32, |s| s.apply(j, v));
        let mut base = reserved(features, WHAT)?;
        base.extend(baseline.iter().enumerate().map(apply));
        let mut samples = zeros(area(n, features, WHAT)?, WHAT)?;
        for (sample, row) in samples.chunks_exact_mut(features).enumerate() {
            let (buffers, _) = gradients.buffers();
            data.gather_lanes(par, plain.as_ref(), &[sample as u32], buffers)?;
            // Lanes of one sample are its row.
            row.copy_from_slice(gradients.buffers().0.dense(features, 1)?);
        }
        let mut limits = Vec::new();
        if let Some(s) =
            gradients.standardizer().filter(|s| (0..features).any(|j| s.limit(j).is_some()))
        {
            limits = reserved(features, WHAT)?;
            limits.extend((0..features).map(|j| s.limit(j).unwrap_or(f64::INFINITY)));
        }
        let lanes = if limits.is_empty() { 0 } else { stride(along.batch_size) };
        let mut pass = PathPass {
            gradients,
            slopes: zeros(area(features, lanes, WHAT)?, WHAT)?,
            base: filled(outputs.len(), 0.0, WHAT)?,
            ends: filled(area(n, outputs.len(), WHAT)?, 0.0, WHAT)?,
            baseline: base,
            along,
            outputs,
            limits,
            samples,
            pending: (0..n).collect(),
            again: Vec::new(),
            points: POINTS.min(along.most),
            at: (0, 0),
            batch: reserved(along.batch_size, WHAT)?,
            done: 0,
        };
        pass.see_ends(par, n)?;
        Ok(pass)
    }

    /// Whether all contributions are there.
    pub fn is_finished(&self) -> bool {
        self.batch.is_empty() && self.at.0 == self.pending.len() && self.again.is_empty()
    }

    /// The quantities of the baseline, (outputs,), and of the samples, (samples, outputs).
    pub fn into_ends(self) -> (Vec<f64>, Vec<f64>) {
        (self.base, self.ends)
    }

    /// Goes on until all is done or `go_on` says no. `values`: (samples, outputs, features), zeros at
    /// first.
    pub fn run(
        &mut self,
        par: &Par,
        values: &mut [f64],
        mut go_on: impl FnMut() -> bool + Send,
    ) -> Result<()> {
        let numbers = self.ends.len() * self.baseline.len();
        assert_eq!(values.len(), numbers, "internal: values are (samples, outputs, features)");
        par.install(|| {
            while !self.is_finished() {
                self.one(par, values)?;
                if !go_on() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Computes the quantities at both ends of all paths.
    fn see_ends(&mut self, par: &Par, n: usize) -> Result<()> {
        let outputs = self.outputs.len();
        for start in (0..=n).step_by(self.along.batch_size) {
            // The one after the last sample is the baseline.
            let ends = start..(start + self.along.batch_size).min(n + 1);
            self.batch.clear();
            self.batch.extend(ends.clone().map(|end| Point {
                sample: end.min(n - 1),
                alpha: if end < n { 1.0 } else { 0.0 },
                weight: 0.0,
            }));
            self.fill(par)?;
            let found = self.gradients.forward(par, ends.len());
            for (lane, end) in ends.enumerate() {
                let to = if end < n { &mut self.ends[end * outputs..] } else { &mut self.base[..] };
                for (to, &k) in to.iter_mut().zip(&self.outputs) {
                    *to = f64::from(found.values[k as usize * found.stride + lane]);
                }
            }
        }
        self.batch.clear();
        Ok(())
    }

    /// One output of a batch of points.
    fn one(&mut self, par: &Par, values: &mut [f64]) -> Result<()> {
        if self.batch.is_empty() {
            self.next_points(values);
            self.fill(par)?;
            self.gradients.forward(par, self.batch.len());
        }
        self.gradients.backward(par, self.outputs[self.done] as usize);
        self.add(par, values);
        self.done += 1;
        if self.done == self.outputs.len() {
            self.done = 0;
            let batch = std::mem::take(&mut self.batch);
            let own = || batch.chunk_by(|a, b| a.sample == b.sample).map(|own| own[0].sample);
            // The last one may have more points in the next batch.
            let complete = own().count() - usize::from(self.at.1 > 0);
            own().take(complete).for_each(|sample| self.finish(sample, values));
            self.batch = batch;
            self.batch.clear();
        }
        Ok(())
    }

    /// Takes the next points of the paths that are to be gone.
    fn next_points(&mut self, values: &mut [f64]) {
        if self.at.0 == self.pending.len() {
            self.pending = std::mem::take(&mut self.again);
            (self.at, self.points) = ((0, 0), (self.points * MORE).min(self.along.most));
        }
        let each = self.outputs.len() * self.baseline.len();
        let mut bend = None;
        while self.batch.len() < self.along.batch_size && self.at.0 < self.pending.len() {
            let sample = self.pending[self.at.0];
            if self.at.1 == 0 {
                values[sample * each..(sample + 1) * each].fill(0.0);
                bend = None;
            }
            let bend = *bend.get_or_insert_with(|| self.bend(sample));
            let (alpha, weight) = bend.point(self.at.1, self.points);
            self.batch.push(Point { sample, alpha, weight });
            self.at.1 += 1;
            if self.at.1 == self.points {
                self.at = (self.at.0 + 1, 0);
            }
        }
    }

    /// How the points of a sample's path are spread.
    fn bend(&self, sample: usize) -> Bend {
        let furthest = |row: &[f32]| {
            let far = row.iter().zip(&self.limits).map(|(&u, limit)| f64::from(u).abs() / limit);
            far.fold(0.0, f64::max)
        };
        let (x, base) = (furthest(self.row(sample)), furthest(&self.baseline));
        Bend { steepness: (x.max(base)).ln_1p(), is_mirrored: base > x }
    }

    fn row(&self, sample: usize) -> &[f32] {
        &self.samples[sample * self.baseline.len()..][..self.baseline.len()]
    }

    /// Writes the inputs of the network at the points of the batch, and the slopes of clipping there.
    fn fill(&mut self, par: &Par) -> Result<()> {
        let (features, batch) = (self.baseline.len(), self.batch.len());
        let (baseline, samples, limits) = (&self.baseline, &self.samples, &self.limits);
        let points = &self.batch;
        let inputs = self.gradients.buffers().0.dense(features, batch)?;
        let stride = inputs.len() / features;
        let slopes = &mut self.slopes[..if limits.is_empty() { 0 } else { features * stride }];
        par.for_rows(
            0..features,
            GRAIN,
            (inputs, slopes),
            |feature| feature * stride,
            |(inputs, slopes), range, mid| {
                let at = (mid - range.start) * stride;
                let (inputs, right) = inputs.split_at_mut(at);
                let (slopes, slopes_right) = slopes.split_at_mut(at.min(slopes.len()));
                ((inputs, slopes), (right, slopes_right))
            },
            |range, (inputs, slopes)| {
                for (i, j) in range.enumerate() {
                    for (lane, point) in points.iter().enumerate() {
                        let end = f64::from(samples[point.sample * features + j]);
                        let start = f64::from(baseline[j]);
                        let u = (1.0 - point.alpha) * start + point.alpha * end;
                        let at = i * stride + lane;
                        match limits.get(j).filter(|limit| limit.is_finite()) {
                            Some(&limit) => {
                                let part = u / limit;
                                inputs[at] = clipped(u, limit) as f32;
                                slopes[at] = (1.0 + part * part).powf(-1.5) as f32;
                            }
                            None => {
                                inputs[at] = u as f32;
                                slopes.get_mut(at).into_iter().for_each(|slope| *slope = 1.0);
                            }
                        }
                    }
                    inputs[i * stride + batch..(i + 1) * stride].fill(0.0);
                }
            },
        );
        Ok(())
    }

    /// Adds the gradients of an output at the points of the batch to the values, point by point.
    fn add(&self, par: &Par, values: &mut [f64]) {
        let (features, outputs, slopes) = (self.baseline.len(), self.outputs.len(), &self.slopes);
        let g = self.gradients.gradient();
        let mut first = 0;
        for own in self.batch.chunk_by(|a, b| a.sample == b.sample) {
            let row = (own[0].sample * outputs + self.done) * features;
            par.for_rows(
                0..features,
                GRAIN,
                &mut values[row..row + features],
                |feature| feature * own.len(),
                |values, range, mid| values.split_at_mut(mid - range.start),
                |range, values| {
                    for (j, value) in range.zip(values) {
                        for (lane, point) in (j * g.stride + first..).zip(own) {
                            let slope = slopes.get(lane).map_or(1.0, |&slope| f64::from(slope));
                            *value += point.weight * slope * f64::from(g.values[lane]);
                        }
                    }
                },
            );
            first += own.len();
        }
    }

    /// Makes contributions of the mean gradients of a sample, and notes it if they do not sum up.
    fn finish(&mut self, sample: usize, values: &mut [f64]) {
        let (features, outputs) = (self.baseline.len(), self.outputs.len());
        let mut is_off = false;
        for k in 0..outputs {
            let row = &mut values[(sample * outputs + k) * features..][..features];
            let (mut sum, mut size) = (0.0, 0.0);
            for ((value, &end), &start) in row.iter_mut().zip(self.row(sample)).zip(&self.baseline)
            {
                *value *= f64::from(end) - f64::from(start);
                sum += *value;
                size += value.abs();
            }
            let (end, start) = (self.ends[sample * outputs + k], self.base[k]);
            let allowed = (self.along.tolerance * (end - start).abs())
                .max(SMALL[0] * size + SMALL[1] * (end.abs() + start.abs()));
            is_off |= (sum - (end - start)).abs() > allowed;
        }
        if is_off && self.points < self.along.most {
            self.again.push(sample);
        }
    }
}

/// How the points of a path are spread: more of them where clipped inputs change, which outliers do in a
/// small part of it.
#[derive(Clone, Copy, Debug)]
struct Bend {
    /// 0 spreads them evenly.
    steepness: f64,
    /// Whether it is the baseline that is far out.
    is_mirrored: bool,
}

impl Bend {
    /// Point `i` of `count`: where it is on the path, from 0 to 1, and the part that it stands for, in the
    /// middle of which it is.
    fn point(self, i: usize, count: usize) -> (f64, f64) {
        let i = if self.is_mirrored { count - 1 - i } else { i };
        let cut = |i: usize| match (i as f64 / count as f64, self.steepness) {
            (t, s) if s > 0.0 => (s * t).exp_m1() / s.exp_m1(),
            (t, _) => t,
        };
        let (low, high) = (cut(i), cut(i + 1));
        let alpha = 0.5 * (low + high);
        (if self.is_mirrored { 1.0 - alpha } else { alpha }, high - low)
    }
}
