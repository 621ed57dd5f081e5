//! What inputs do to outputs, for Python.

use numpy::{
    IntoPyArray, PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadwriteArray3,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::until_tick;
use crate::error::Error;
use crate::nn::Quantity;
use crate::train::{self, Along, GradientPass, PathPass};

type Doubles = Py<PyArray2<f64>>;

/// Sums over samples, float64 of shape (outputs, features) each, of gradients g by the inputs x that the
/// network multiplies.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct GradientSums {
    /// Of g.
    gradient: Doubles,
    /// Of |g|.
    gradient_size: Doubles,
    /// Of g x.
    product: Doubles,
    /// Of |g x|.
    product_size: Doubles,
    samples: usize,
}

impl GradientSums {
    fn of(py: Python<'_>, sums: train::GradientSums, outputs: usize) -> PyResult<Self> {
        let array = |sums: Vec<f64>| {
            let shape = [outputs, sums.len() / outputs];
            Ok::<_, PyErr>(sums.into_pyarray(py).reshape(shape)?.unbind())
        };
        Ok(GradientSums {
            gradient: array(sums.gradient)?,
            gradient_size: array(sums.gradient_size)?,
            product: array(sums.product)?,
            product_size: array(sums.product_size)?,
            samples: sums.samples,
        })
    }
}

/// [`Network::gradient_sums`](Network).
pub fn gradient_sums(
    py: Python<'_>,
    network: &Network,
    data: &Data,
    outputs: &[u32],
    of: &str,
    batch_size: usize,
) -> PyResult<GradientSums> {
    let (par, quantity) = (network.par()?, Quantity::named(of)?);
    let mut pass = data.with(py, |data| {
        GradientPass::new(&par, &*network.read()?, data, outputs, quantity, batch_size)
    })?;
    while !pass.is_finished() {
        data.with(py, |data| pass.run(&par, data, until_tick()))?;
        py.check_signals()?;
    }
    GradientSums::of(py, pass.into_sums(), outputs.len())
}

/// How contributions are asked for.
#[derive(FromPyObject)]
pub struct GivenAlong {
    #[pyo3(item(0))]
    of: String,
    #[pyo3(item(1))]
    batch_size: usize,
    #[pyo3(item(2))]
    most: usize,
    #[pyo3(item(3))]
    tolerance: f64,
}

/// What is explained of a baseline, (outputs,), and of samples, (samples, outputs).
pub type Ends = (Py<PyArray1<f64>>, Doubles);

/// [`Network::contributions`](Network).
pub fn contributions(
    py: Python<'_>,
    network: &Network,
    data: &Data,
    baseline: &PyReadonlyArray1<'_, f64>,
    outputs: &[u32],
    along: &GivenAlong,
    mut out: PyReadwriteArray3<'_, f64>,
) -> PyResult<Ends> {
    let GivenAlong { of, batch_size, most, tolerance } = along;
    if *batch_size == 0 || *most == 0 {
        let found = format!("{batch_size} and {most}");
        return Err(Error::invalid("batch_size and most", found, "at least 1").into());
    }
    let (par, quantity) = (network.par()?, Quantity::named(of)?);
    let along = Along { quantity, batch_size: *batch_size, most: *most, tolerance: *tolerance };
    let baseline = baseline.as_slice()?;
    let expected = [data.samples(), outputs.len(), baseline.len()];
    if out.shape() != expected || !out.is_c_contiguous() {
        let found = format!("an array of shape {:?}", out.shape());
        return Err(Error::invalid("out", found, format!("{expected:?} in C order")).into());
    }
    let out = out.as_slice_mut()?;
    let mut pass = data
        .with(py, |data| PathPass::new(&par, &*network.read()?, data, baseline, outputs, along))?;
    while !pass.is_finished() {
        py.detach(|| pass.run(&par, out, until_tick()))?;
        py.check_signals()?;
    }
    let (base, ends) = pass.into_ends();
    let shape = [data.samples(), outputs.len()];
    Ok((base.into_pyarray(py).unbind(), ends.into_pyarray(py).reshape(shape)?.unbind()))
}
