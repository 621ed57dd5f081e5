//! The best constant prediction of a data set, by which a fit is judged.

use super::DataView;
use crate::error::Result;
use crate::nn::{Constant, Mlp};
use crate::parallel::Par;

/// The best constant prediction of these data's targets by a network like this one.
pub fn constant(par: &Par, model: &Mlp, data: &DataView<'_>) -> Result<Constant> {
    par.install(|| Constant::of(model, data.answers(), data.samples()))
}
