//! Samples and targets as the caller holds them, and how a batch is gathered from them.

use crate::error::{Error, Result};
use crate::kernels::stride;
use crate::nn::{Loss, Mlp, Standardizer, Targets};
use crate::parallel::Par;

/// Features gathered together: a piece of a sample's row that is one cache line.
const FEATURES: usize = 16;

/// A data set, borrowed: (samples, features) row-major, and targets unless it is to be predicted.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    x: &'a [f32],
    features: usize,
    targets: Option<Targets<'a>>,
}

impl<'a> Data<'a> {
    /// Checks shapes and values against a network with `features` inputs and `outputs` outputs;
    /// errors use the names.
    pub fn new(
        par: &Par,
        x: &'a [f32],
        features: usize,
        targets: Option<Targets<'a>>,
        loss: Loss,
        outputs: usize,
        (x_name, y_name): (&str, &str),
    ) -> Result<Self> {
        if features == 0 || !x.len().is_multiple_of(features) {
            let expected = format!("rows of {features} features, at least one");
            return Err(Error::invalid(x_name, format!("{} values", x.len()), expected));
        }
        let samples = x.len() / features;
        if samples == 0 || samples >= u32::MAX as usize {
            return Err(Error::invalid(
                x_name,
                format!("{samples} samples"),
                format!("1 to {}", u32::MAX - 1),
            ));
        }
        if let Some(i) = first_bad(par, x, |v| v.is_finite()) {
            let (row, column) = (i / features, i % features);
            let value = format!("{} in row {row}, column {column}", x[i]);
            return Err(Error::invalid(x_name, value, "finite numbers"));
        }
        match targets {
            Some(Targets::Classes(y)) => {
                check_samples(y_name, y.len(), samples)?;
                if let Some(i) = y.iter().position(|&class| class as usize >= outputs) {
                    let expected = format!("class labels from 0 to {}", outputs - 1);
                    return Err(Error::invalid(y_name, format!("{} in row {i}", y[i]), expected));
                }
            }
            Some(Targets::Dense(y)) => {
                if outputs == 0 || !y.len().is_multiple_of(outputs) {
                    let expected = format!("rows of {outputs} outputs, at least one");
                    return Err(Error::invalid(y_name, format!("{} values", y.len()), expected));
                }
                check_samples(y_name, y.len() / outputs, samples)?;
                check_dense(par, y_name, y, loss, outputs)?;
            }
            None => {}
        }
        Ok(Data { x, features, targets })
    }

    /// The same data again, after [`Data::new`] has checked them.
    pub fn checked_before(x: &'a [f32], features: usize, targets: Option<Targets<'a>>) -> Self {
        Data { x, features, targets }
    }

    /// An error if these data, once checked against the network, no longer fit it.
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.features == model.config().layer_sizes[0] { Ok(()) } else { Err(Error::Compacted) }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.x.len() / self.features
    }

    /// All values, (samples, features) row-major.
    pub fn x(&self) -> &'a [f32] {
        self.x
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        self.features
    }

    /// The targets.
    ///
    /// # Panics
    /// If there are none.
    pub fn targets(&self) -> Targets<'a> {
        self.targets.expect("internal: these data have no targets")
    }

    /// Writes the given samples, standardised, to `out`: (features, `stride(samples.len())`),
    /// feature-major, padding lanes zero.
    pub fn gather(
        &self,
        par: &Par,
        standardizer: Option<&Standardizer>,
        samples: &[u32],
        out: &mut [f32],
    ) {
        let (features, stride) = (self.features, stride(samples.len()));
        assert_eq!(out.len(), features * stride, "internal: out is (features, stride)");
        par.for_rows(
            0..features.div_ceil(FEATURES),
            256,
            out,
            |block| block * samples.len(),
            |out, range, mid| {
                let at = (mid - range.start) * FEATURES * stride;
                out.split_at_mut(at.min(out.len()))
            },
            |blocks, out| {
                for (block, out) in blocks.zip(out.chunks_mut(FEATURES * stride)) {
                    self.gather_block(standardizer, samples, block * FEATURES, stride, out);
                }
            },
        );
    }

    fn gather_block(
        &self,
        standardizer: Option<&Standardizer>,
        samples: &[u32],
        start: usize,
        stride: usize,
        out: &mut [f32],
    ) {
        let width = out.len() / stride;
        for (lane, &sample) in samples.iter().enumerate() {
            let row = &self.x[sample as usize * self.features + start..][..width];
            for (i, &v) in row.iter().enumerate() {
                out[i * stride + lane] = v;
            }
        }
        for (i, lanes) in out.chunks_exact_mut(stride).enumerate() {
            let (lanes, padding) = lanes.split_at_mut(samples.len());
            if let Some(s) = standardizer {
                lanes.iter_mut().for_each(|v| *v = s.apply(start + i, *v));
            }
            padding.fill(0.0);
        }
    }
}

fn check_samples(name: &str, y: usize, x: usize) -> Result<()> {
    let expected = format!("{x}, as many as x has");
    if y == x { Ok(()) } else { Err(Error::invalid(name, format!("{y} samples"), expected)) }
}

/// How far a row of class probabilities may be from a sum of 1.
const SUM_TOLERANCE: f64 = 1e-4;

fn check_dense(par: &Par, name: &str, y: &[f32], loss: Loss, outputs: usize) -> Result<()> {
    let bad = |i: usize, expected: &str| {
        let value = format!("{} in row {}, column {}", y[i], i / outputs, i % outputs);
        Err(Error::invalid(name, value, expected))
    };
    if loss == Loss::SquaredError {
        return first_bad(par, y, |v| v.is_finite()).map_or(Ok(()), |i| bad(i, "finite numbers"));
    }
    if let Some(i) = first_bad(par, y, |v| (0.0..=1.0).contains(&v)) {
        return bad(i, "numbers in [0, 1]");
    }
    if loss == Loss::CrossEntropy {
        let sum = |row: &[f32]| row.iter().map(|&v| f64::from(v)).sum::<f64>();
        let wrong = |row: &[f32]| (sum(row) - 1.0).abs() > SUM_TOLERANCE;
        if let Some(i) = y.chunks_exact(outputs).position(wrong) {
            let value = format!("row {i} with sum {}", sum(&y[i * outputs..][..outputs]));
            return Err(Error::invalid(name, value, "rows of class probabilities with sum 1"));
        }
    }
    Ok(())
}

/// The position of the first value that is not good.
fn first_bad(par: &Par, values: &[f32], good: impl Fn(f32) -> bool + Sync + Send) -> Option<usize> {
    const CHUNK: usize = 1 << 20;
    let chunk = |i: usize| &values[i * CHUNK..values.len().min((i + 1) * CHUNK)];
    par.map(values.len().div_ceil(CHUNK), |i| {
        // Counting vectorises where an early exit does not; the rare bad chunk is searched again.
        let bad = chunk(i).iter().filter(|v| !good(**v)).count();
        (bad > 0)
            .then(|| chunk(i).iter().position(|v| !good(*v)).map(|at| i * CHUNK + at))
            .flatten()
    })
    .into_iter()
    .flatten()
    .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(x: &[f32], features: usize, y: Option<&[f32]>, outputs: usize) -> String {
        let targets = y.map(Targets::Dense);
        let loss = Loss::CrossEntropy;
        Data::new(&Par::seq(), x, features, targets, loss, outputs, ("x", "y"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn shapes_that_do_not_come_out_even_are_refused() {
        assert!(refused(&[], 0, None, 1).contains("at least one"));
        assert!(refused(&[1.0; 5], 2, None, 1).contains("x = 5 values"));
        assert!(refused(&[], 2, None, 1).contains("x = 0 samples"));
        assert!(refused(&[1.0; 4], 2, Some(&[0.5; 5]), 2).contains("y = 5 values"));
        assert!(refused(&[1.0; 4], 2, Some(&[]), 0).contains("y = 0 values"));
        assert!(refused(&[1.0; 4], 2, Some(&[0.5; 2]), 2).contains("y = 1 samples"));
    }

    #[test]
    fn rows_of_probabilities_sum_to_one() {
        let off = [0.5, 0.5, 0.5, 0.5 + 1.0 / 2048.0];
        assert!(refused(&[1.0; 2], 1, Some(&off), 2).contains("y = row 1 with sum 1.00048828125"));
        // What rounding to f32 does to many classes is accepted.
        let y = vec![1.0 / 4099.0; 4099];
        let targets = Some(Targets::Dense(&y));
        let (par, loss) = (Par::seq(), Loss::CrossEntropy);
        Data::new(&par, &[1.0], 1, targets, loss, y.len(), ("x", "y")).unwrap();
    }
}
