//! Moments of data that come in pieces, twice each.

use super::{DataView, Samples};
use crate::error::Result;
use crate::memory::collected;
use crate::nn::{
    DensePieces, DenseRows, Moments, SparsePieces, Standardize, Standardizer, Table, Targets,
    Values,
};

/// Takes data piece by piece, in their order, and once more after [`Survey::turn`]; the moments are the
/// same bits as those of all of them at once.
#[derive(Debug)]
pub struct Survey {
    /// The most that a sample counts.
    most: f32,
    is_again: bool,
    dense: Option<DensePieces>,
    sparse: Option<SparsePieces>,
    targets: Option<DensePieces>,
}

impl Survey {
    /// Of data whose weights are at most `most`, as [`crate::nn::moderate`] finds it for all of them.
    pub fn new(most: f32) -> Self {
        Survey { most, is_again: false, dense: None, sparse: None, targets: None }
    }

    /// Begins the second time.
    pub fn turn(&mut self) {
        self.is_again = true;
    }

    /// Takes the next piece; its targets too, of a network with as many outputs that learns their units.
    pub fn take(
        &mut self,
        data: &DataView<'_>,
        inputs: bool,
        outputs: Option<usize>,
    ) -> Result<()> {
        let moderate = |w: &[f32]| collected(w.iter().map(|w| w.min(self.most)), "weights");
        let weights = data.weights.map(moderate).transpose()?;
        let (weights, again) = (weights.as_deref(), self.is_again);
        if inputs {
            match data.x {
                Samples::Dense(x, features) => {
                    rows(
                        &mut self.dense,
                        DenseRows::new(Values::Narrow(x), features),
                        weights,
                        again,
                    )?;
                }
                Samples::Wide(x, features) => {
                    rows(
                        &mut self.dense,
                        DenseRows::new(Values::Wide(x), features),
                        weights,
                        again,
                    )?;
                }
                Samples::Sparse(x) => {
                    if x.dense().features() > 0 {
                        rows(&mut self.dense, x.dense(), weights, again)?;
                    }
                    let columns = x.matrix().n_cols();
                    let sparse = found(&mut self.sparse, || SparsePieces::new(columns))?;
                    match again {
                        true => sparse.take_again(x, weights),
                        false => sparse.take(x, weights),
                    }
                }
            }
        }
        match (outputs, data.targets) {
            (Some(columns), Some(Targets::Dense(values))) => {
                table(&mut self.targets, Table { values, columns, weights }, again)
            }
            (Some(columns), Some(Targets::Wide(values))) => {
                table(&mut self.targets, Table { values, columns, weights }, again)
            }
            _ => Ok(()),
        }
    }

    /// Those of the samples, as [`DataView::moments`] has them; none if none were taken.
    pub fn inputs(
        &self,
        standardize: Standardize,
        known: Option<&Standardizer>,
    ) -> Result<Option<Moments>> {
        let is_auto = standardize == Standardize::Auto;
        let dense = self.dense.as_ref().map(|dense| dense.moments("x")).transpose()?;
        let sparse = self.sparse.as_ref().map(|sparse| sparse.moments("x", is_auto)).transpose()?;
        let mut moments = match (dense, sparse) {
            (Some(dense), Some(sparse)) => Some(dense.beside(&sparse)?),
            (dense, sparse) => dense.or(sparse),
        };
        if let (Some(moments), true, Some(known)) = (&mut moments, is_auto, known) {
            moments.keep_known(known.mean(), known.scale());
        }
        Ok(moments)
    }

    /// Those of the targets, if there were some that are numbers of any size.
    pub fn targets(&self) -> Result<Option<Moments>> {
        self.targets.as_ref().map(|targets| targets.moments("y")).transpose()
    }
}

fn rows(
    of: &mut Option<DensePieces>,
    rows: DenseRows<'_>,
    weights: Option<&[f32]>,
    again: bool,
) -> Result<()> {
    let columns = rows.features();
    match rows.values() {
        Values::Narrow(values) => table(of, Table { values, columns, weights }, again),
        Values::Wide(values) => table(of, Table { values, columns, weights }, again),
    }
}

fn table<T: Copy + Into<f64>>(
    of: &mut Option<DensePieces>,
    rows: Table<'_, T>,
    again: bool,
) -> Result<()> {
    let pieces = found(of, || DensePieces::new(rows.columns))?;
    match again {
        true => pieces.take_again(rows),
        false => pieces.take(rows),
    }
    Ok(())
}

fn found<P>(of: &mut Option<P>, make: impl FnOnce() -> Result<P>) -> Result<&mut P> {
    if of.is_none() {
        *of = Some(make()?);
    }
    Ok(of.as_mut().expect("internal: it was made"))
}
