//! Samples and targets as the caller holds them; how lanes are gathered from them is in `data/gather.rs`.

mod gather;
mod survey;
mod targets;

pub use survey::Survey;

use gather::{gather_blocks, gather_rows};

use super::Augmentation;
use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::nn::{
    Answers, BatchBuffers, DenseRows, Draw, FewFeatures, Footprint, Loss, Mlp, Moments, SparseRows,
    Standardize, Standardizer, Table, Targets, Units, Values, Workspace, moderate,
};
use crate::parallel::Par;

/// Samples, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Samples<'a> {
    /// (samples, features) row-major.
    Dense(&'a [f32], usize),
    /// The same in f64, for a network that standardises them.
    Wide(&'a [f64], usize),
    /// A sample a row, of which most features are zero; a dense block may come before these.
    Sparse(SparseRows<'a>),
}

/// A data set, borrowed: samples, and targets unless it is to be predicted.
#[derive(Clone, Copy, Debug)]
pub struct DataView<'a> {
    x: Samples<'a>,
    targets: Option<Targets<'a>>,
    weights: Option<&'a [f32]>,
    augmentation: Option<Augmentation>,
}

/// What the caller's samples and targets are called in errors.
#[derive(Clone, Copy, Debug)]
pub struct ArgumentNames<'a> {
    /// The samples.
    pub x: &'a str,
    /// The targets.
    pub y: &'a str,
}

impl Samples<'_> {
    /// How many.
    pub fn len(&self) -> usize {
        match self {
            Samples::Dense(x, features) => x.len() / features,
            Samples::Wide(x, features) => x.len() / features,
            Samples::Sparse(x) => x.samples(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of features.
    pub fn features(&self) -> usize {
        match self {
            Samples::Dense(_, features) | Samples::Wide(_, features) => *features,
            Samples::Sparse(x) => x.features(),
        }
    }

    fn check(&self, par: &Par, name: &str) -> Result<()> {
        match *self {
            Samples::Dense(x, features) => check_rows(par, name, x, features)?,
            Samples::Wide(x, features) => check_rows(par, name, x, features)?,
            Samples::Sparse(rows) => match (rows.dense().values(), rows.dense().features()) {
                (_, 0) => {}
                (Values::Narrow(x), features) => check_rows(par, name, x, features)?,
                (Values::Wide(x), features) => check_rows(par, name, x, features)?,
            },
        }
        let samples = self.len();
        if samples == 0 || samples >= u32::MAX as usize {
            let expected = format!("1 to {}", u32::MAX - 1);
            return Err(Error::invalid(name, format!("{samples} samples"), expected));
        }
        Ok(())
    }
}

impl<'a> DataView<'a> {
    /// Checks shapes and values against a network with `outputs` outputs; errors use the names.
    pub fn new(
        par: &Par,
        x: Samples<'a>,
        targets: Option<Targets<'a>>,
        loss: Loss,
        outputs: usize,
        names: ArgumentNames<'_>,
    ) -> Result<Self> {
        x.check(par, names.x)?;
        let samples = x.len();
        if let Some(y) = targets {
            targets::check(par, names.y, y, samples, loss, outputs)?;
        }
        Ok(DataView { x, targets, weights: None, augmentation: None })
    }

    /// The same data again, after [`DataView::new`] has checked them.
    pub fn checked_before(x: Samples<'a>, targets: Option<Targets<'a>>) -> Self {
        DataView { x, targets, weights: None, augmentation: None }
    }

    /// The same data with a weight for each sample, by which its loss and gradient are multiplied.
    ///
    /// # Panics
    /// If there are not as many as samples.
    pub fn weighted(self, weights: Option<&'a [f32]>) -> Self {
        let fit = weights.is_none_or(|weights| weights.len() == self.samples());
        assert!(fit, "internal: weights are (samples,)");
        DataView { weights, ..self }
    }

    /// The same data as images, which are changed whenever training takes them.
    ///
    /// # Panics
    /// If they are sparse, or the augmentation has not been checked against their features.
    pub fn augmented(self, augmentation: Option<Augmentation>) -> Self {
        let fits = |a: &Augmentation| a.check(self.x.features()).is_ok();
        let fit =
            augmentation.as_ref().is_none_or(|a| matches!(self.x, Samples::Dense(..)) && fits(a));
        assert!(fit, "internal: images are dense and of the shape that is checked");
        DataView { augmentation, ..self }
    }

    /// An error if these data, once checked against the network, no longer fit it.
    pub fn check(&self, model: &Mlp) -> Result<()> {
        if self.x.features() == model.config().layer_sizes[0] {
            Ok(())
        } else {
            Err(Error::Compacted)
        }
    }

    /// An error if a sample, standardised, is beyond float32.
    pub fn check_range(
        &self,
        par: &Par,
        standardizer: Option<&Standardizer>,
        name: &str,
    ) -> Result<()> {
        match self.x {
            Samples::Dense(x, features) => check_range(par, standardizer, name, x, features),
            Samples::Wide(x, features) => check_range(par, standardizer, name, x, features),
            Samples::Sparse(rows) => match (rows.dense().values(), rows.dense().features()) {
                (_, 0) => Ok(()),
                (Values::Narrow(x), features) => check_range(par, standardizer, name, x, features),
                (Values::Wide(x), features) => check_range(par, standardizer, name, x, features),
            },
        }
    }

    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.x.len()
    }

    /// Means and deviations of the samples, by their weights, as `standardize` has them; `known` are those
    /// that the network has.
    pub fn moments(
        &self,
        par: &Par,
        standardize: Standardize,
        known: Option<&Standardizer>,
    ) -> Result<Moments> {
        let weights = self.weights.map(moderate).transpose()?;
        let weights = weights.as_deref();
        let dense = |x: DenseRows<'_>| {
            let columns = x.features();
            match x.values() {
                Values::Narrow(values) => Moments::of(par, Table { values, columns, weights }, "x"),
                Values::Wide(values) => Moments::of(par, Table { values, columns, weights }, "x"),
            }
        };
        let mut moments = match self.x {
            Samples::Dense(x, features) => dense(DenseRows::new(Values::Narrow(x), features)),
            Samples::Wide(x, features) => dense(DenseRows::new(Values::Wide(x), features)),
            Samples::Sparse(x) => {
                let mut sparse = Moments::of_sparse(x, weights, "x")?;
                if standardize == Standardize::Auto {
                    sparse.keep_sparse(x)?;
                }
                match x.dense().features() {
                    0 => Ok(sparse),
                    _ => dense(x.dense())?.beside(&sparse),
                }
            }
        }?;
        if let (Standardize::Auto, Some(known)) = (standardize, known) {
            moments.keep_known(known.mean(), known.scale());
        }
        Ok(moments)
    }

    /// Those of the targets, which count as their weights do, of a network with `columns` outputs; none
    /// of targets that are not numbers of any size. `known` are the units that there are.
    pub fn target_moments(
        &self,
        par: &Par,
        columns: usize,
        known: Option<&Units>,
    ) -> Result<Option<Moments>> {
        let weights = self.weights.map(moderate).transpose()?;
        let weights = weights.as_deref();
        let moments = match self.targets {
            Some(Targets::Wide(values)) if !targets::any_is_missing(values) => {
                Moments::of(par, Table { values, columns, weights }, "y")
            }
            Some(Targets::Dense(values)) if !targets::any_is_missing(values) => {
                Moments::of(par, Table { values, columns, weights }, "y")
            }
            Some(Targets::Classes(_)) | None => return Ok(None),
            Some(targets) => {
                let answers = Answers { targets, weights };
                Moments::of_labels(answers, self.samples(), columns, known)
            }
        };
        moments.map(Some)
    }

    /// What training on these data takes in memory, where `footprint` is for dense ones.
    pub fn adjust(&self, footprint: Footprint, model: &Mlp, batch: usize) -> Result<Footprint> {
        match self.x {
            Samples::Dense(..) if self.augmentation.is_some() => {
                Ok(footprint.changed_inputs(model, batch))
            }
            Samples::Dense(..) | Samples::Wide(..) => Ok(footprint),
            Samples::Sparse(rows) if rows.are_many() => Ok(footprint),
            Samples::Sparse(rows) => {
                let values = most_values(rows, batch)?;
                let features = values.min(self.x.features());
                let most = [features as f64, values as f64];
                Ok(footprint.sparse_inputs(batch, most, rows.are_few()))
            }
        }
    }

    /// The targets and the weights of samples.
    ///
    /// # Panics
    /// If there are none.
    pub fn answers(&self) -> Answers<'a> {
        let targets = self.targets.expect("internal: these data have no targets");
        Answers { targets, weights: self.weights }
    }

    /// As [`DataView::gather`] for a step that draws `draw`: images are changed first.
    pub fn gather_for_step(
        &self,
        par: &Par,
        model: &Mlp,
        standardizer: Option<&Standardizer>,
        samples: &[u32],
        draw: Draw,
        workspace: &mut Workspace,
    ) -> Result<()> {
        if self.augmentation.is_none() {
            return self.gather(par, model, standardizer, samples, workspace.buffers());
        }
        let mut rows = workspace.lend_rows()?;
        self.change(par, samples, draw, &mut rows);
        let gathered = self.gather_changed(par, standardizer, samples.len(), &rows, workspace);
        workspace.take_back_rows(rows);
        gathered
    }

    /// Whether images are changed before they are gathered.
    pub(super) fn changes(&self) -> bool {
        self.augmentation.is_some()
    }

    /// Writes the images of a batch, changed as `draw` draws, to `rows`, row-major; what is behind
    /// them stays as it is.
    ///
    /// # Panics
    /// If images are not changed.
    pub(super) fn change(&self, par: &Par, samples: &[u32], draw: Draw, rows: &mut [f32]) {
        let (Some(augmentation), Samples::Dense(x, features)) = (&self.augmentation, self.x) else {
            panic!("internal: these samples are not changed");
        };
        augmentation.apply(par, x, samples, draw, &mut rows[..samples.len() * features]);
    }

    /// As [`DataView::gather`] of the `batch` samples that [`DataView::change`] has written to
    /// `rows`.
    pub(super) fn gather_changed(
        &self,
        par: &Par,
        standardizer: Option<&Standardizer>,
        batch: usize,
        rows: &[f32],
        workspace: &mut Workspace,
    ) -> Result<()> {
        let x = DenseRows::new(Values::Narrow(rows), self.x.features());
        gather_rows(par, x, standardizer, batch, |lane| lane, workspace.buffers())
    }

    /// The features of which a batch of `samples` has values, if work goes by these.
    pub(super) fn few_features(&self, samples: usize) -> Option<FewFeatures> {
        match self.x {
            Samples::Sparse(rows) if rows.are_few() => {
                let (x, dense) = (rows.matrix(), rows.dense().features());
                let stored = samples as f64 * x.nnz() as f64 / x.n_rows() as f64;
                Some(FewFeatures { count: dense as f64 + stored, dense })
            }
            _ => None,
        }
    }

    /// Whether batches have lanes of all features.
    pub(super) fn has_lanes(&self) -> bool {
        !matches!(self.x, Samples::Sparse(x) if !x.are_many())
    }

    /// Whether samples store so few values that work goes by these.
    pub fn are_few(&self) -> bool {
        matches!(self.x, Samples::Sparse(rows) if rows.are_few())
    }

    /// Makes the given samples, standardised, the batch in `buffers`, for a network whose first layer
    /// stays as it is until the batch is done with. Of dense data: lanes
    /// (features, `stride(samples.len())`), feature-major, padding zero.
    pub fn gather(
        &self,
        par: &Par,
        model: &Mlp,
        standardizer: Option<&Standardizer>,
        samples: &[u32],
        buffers: BatchBuffers<'_>,
    ) -> Result<()> {
        match self.x {
            Samples::Sparse(x) if !x.are_many() => {
                buffers.sparse(par, model, standardizer, x, samples)
            }
            _ => self.gather_lanes(par, standardizer, samples, buffers),
        }
    }

    /// As [`DataView::gather`], with lanes of all features also of sparse data.
    pub(super) fn gather_lanes(
        &self,
        par: &Par,
        standardizer: Option<&Standardizer>,
        samples: &[u32],
        buffers: BatchBuffers<'_>,
    ) -> Result<()> {
        let x = match self.x {
            Samples::Sparse(x) => return gather_blocks(par, x, standardizer, samples, buffers),
            Samples::Dense(x, features) => DenseRows::new(Values::Narrow(x), features),
            Samples::Wide(x, features) => DenseRows::new(Values::Wide(x), features),
        };
        let row = |lane: usize| samples[lane] as usize;
        gather_rows(par, x, standardizer, samples.len(), row, buffers)
    }
}

/// The most values that `batch` samples store together.
fn most_values(rows: SparseRows<'_>, batch: usize) -> Result<usize> {
    let x = rows.matrix();
    let mut lengths = reserved(x.n_rows(), "sparse samples")?;
    lengths.extend(x.pattern().indptr().windows(2).map(|o| o[1] - o[0]));
    lengths.sort_unstable_by_key(|&len| std::cmp::Reverse(len));
    let dense = rows.dense().features() * batch.min(x.n_rows());
    Ok(dense + lengths.iter().take(batch).sum::<usize>())
}

fn check_range<T>(
    par: &Par,
    standardizer: Option<&Standardizer>,
    name: &str,
    values: &[T],
    features: usize,
) -> Result<()>
where
    T: Copy + Into<f64> + std::fmt::Display + Sync,
{
    // The features one by one only if one number for all of them does not do.
    let limit = standardizer.map_or(f64::from(f32::MAX), Standardizer::reach);
    let Some(i) = first_bad(par, values, |v| v.into().abs() <= limit) else { return Ok(()) };
    let standardised = |i: usize| {
        let value = values[i].into();
        standardizer.map_or(value as f32, |s| s.apply(i % features, value))
    };
    let bad = (i..values.len()).find(|&i| !standardised(i).is_finite());
    bad.map_or(Ok(()), |i| {
        let value: f64 = values[i].into();
        let value = format!("{value:?} in row {}, column {}", i / features, i % features);
        let expected = match standardizer {
            Some(_) => "finite numbers, in float32's range once they are standardised",
            None => "finite numbers in float32's range",
        };
        Err(Error::invalid(name, value, expected))
    })
}

/// Checks (rows, columns) of finite numbers.
fn check_rows<T>(par: &Par, name: &str, values: &[T], columns: usize) -> Result<()>
where
    T: Copy + Into<f64> + std::fmt::Display + Sync,
{
    if columns == 0 || !values.len().is_multiple_of(columns) {
        let expected = format!("rows of {columns} columns, at least one");
        return Err(Error::invalid(name, format!("{} values", values.len()), expected));
    }
    let bad = first_bad(par, values, |v| v.into().is_finite());
    bad.map_or(Ok(()), |i| {
        let value = format!("{} in row {}, column {}", values[i], i / columns, i % columns);
        Err(Error::invalid(name, value, "finite numbers"))
    })
}

fn check_samples(name: &str, y: usize, x: usize) -> Result<()> {
    let expected = format!("{x}, as many as x has");
    if y == x { Ok(()) } else { Err(Error::invalid(name, format!("{y} samples"), expected)) }
}

/// The position of the first value that is not good.
fn first_bad<T: Copy + Sync>(
    par: &Par,
    values: &[T],
    good: impl Fn(T) -> bool + Sync + Send,
) -> Option<usize> {
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

    const NAMES: ArgumentNames<'_> = ArgumentNames { x: "x", y: "y" };

    fn refused(x: &[f32], features: usize, y: Option<&[f32]>, outputs: usize) -> String {
        let targets = y.map(Targets::Dense);
        let loss = Loss::CrossEntropy;
        DataView::new(&Par::seq(), Samples::Dense(x, features), targets, loss, outputs, NAMES)
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
        DataView::new(&par, Samples::Dense(&[1.0], 1), targets, loss, y.len(), NAMES).unwrap();
    }
}
