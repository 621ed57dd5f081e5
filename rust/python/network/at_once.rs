//! What `predict` makes of a few plain samples, in one call: to convert an array, to look at it and to
//! hand it over from Python takes longer than a small network does.

use numpy::{Element, PyArray1, PyArray2, PyArrayMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::exceptions::PyException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::Network;
use crate::csr::Csr;
use crate::error::Result;
use crate::kernels::{stride, words};
use crate::memory::{collected, filled};
use crate::nn::{Mlp, SparseRows, Standardizer};
use crate::parallel::Par;
use crate::python::mapped::Mapping;
use crate::train::{DataView, InferencePass, Samples};

/// Samples at most.
const MOST: usize = 128;

/// Connections times vectors of samples, below which waking a thread takes longer than it saves.
const ALONE: usize = 1 << 18;

/// By what that is divided for sparse samples.
const SELECTING: usize = 16;

/// The same, from which on a call may take so long that a Ctrl-C has to be seen meanwhile.
const LONG: usize = 1 << 24;

/// From these on, sums may overflow where an activation hides it: `scoring.py`.
const HUGE: f64 = 1e30;

/// What float64 may lose as float32 in sparse samples, in deviations, and from where on it is said
/// without standardisation: `data/precision.py`.
const LOST: f64 = 1e-5;
const CLOSE: f64 = 8000.0;

/// Outputs, row-major.
enum Outputs {
    Plain(Vec<f32>),
    /// In the units of targets.
    InUnits(Vec<f64>),
}

/// Sparse samples, and the values that were float64.
struct Sparse {
    rows: Csr,
    wide: Option<Vec<f64>>,
}

type Answer<'py> = PyResult<Option<Bound<'py, PyAny>>>;

#[pymethods]
impl Network {
    /// The outputs for a few samples, in the units of the targets, if there is nothing to convert
    /// and nothing to say. None for anything but arrays of NumPy in C order and CSR matrices of
    /// SciPy, of float32 or float64, of which all numbers, as they are, standardised and as outputs,
    /// are finite.
    fn predict_at_once<'py>(&self, x: &Bound<'py, PyAny>) -> Answer<'py> {
        // A subclass may be another thing: a masked array, or one mapped from a file.
        if x.cast_exact::<PyUntypedArray>().is_err() {
            let (py, Some(x)) = (x.py(), csr(x)?) else { return Ok(None) };
            return self.of_sparse(py, &x);
        }
        if let Ok(dense) = x.cast::<PyArray2<f32>>() {
            return self.of_dense(dense, |x, features| Samples::Dense(x, features));
        }
        if let Ok(dense) = x.cast::<PyArray2<f64>>() {
            return self.of_dense(dense, |x, features| Samples::Wide(x, features));
        }
        Ok(None)
    }
}

impl Network {
    fn of_dense<'py, T: Element + Copy + Into<f64>>(
        &self,
        x: &Bound<'py, PyArray2<T>>,
        samples: impl for<'a> Fn(&'a [T], usize) -> Samples<'a> + Sync,
    ) -> Answer<'py> {
        let (py, rows, features) = (x.py(), x.shape()[0], x.shape()[1]);
        if rows == 0 || rows > MOST || !x.is_c_contiguous() || Mapping::of(x)?.is_some() {
            return Ok(None);
        }
        let Ok(x) = x.try_readonly() else { return Ok(None) };
        let Ok(values) = x.as_slice() else { return Ok(None) };
        let found = py.detach(|| -> Result<_> {
            let mlp = self.read()?;
            let is_ready = is_ready(&mlp, size_of::<T>() == 4);
            if features != mlp.config().layer_sizes[0] || !is_ready {
                return Ok(None);
            }
            let most = mlp.standardizer().map_or(HUGE, |s| s.reach().min(HUGE));
            // Counting vectorises where an early exit does not.
            if values.iter().filter(|&&v| v.into().abs() < most).count() < values.len() {
                return Ok(None);
            }
            self.outputs(&mlp, samples(values, features))
        })?;
        given(py, rows, found)
    }

    fn of_sparse<'py>(&self, py: Python<'py>, x: &Sparse) -> Answer<'py> {
        let found = py.detach(|| -> Result<_> {
            let samples = Samples::Sparse(SparseRows::from(&x.rows));
            let mlp = self.read_for(&DataView::checked_before(samples, None))?;
            let is_ready = is_ready(&mlp, x.wide.is_none());
            if x.rows.n_cols() != mlp.config().layer_sizes[0] || !is_ready {
                return Ok(None);
            }
            let is_small = x.rows.data().iter().all(|v| f64::from(v.abs()) < HUGE);
            if !is_small || !is_kept(x, mlp.standardizer()) {
                return Ok(None);
            }
            self.outputs(&mlp, samples)
        })?;
        given(py, x.rows.n_rows(), found)
    }

    /// The outputs, if they are finite and soon there.
    fn outputs(&self, mlp: &Mlp, samples: Samples<'_>) -> Result<Option<Outputs>> {
        let (rows, n) = (samples.len(), mlp.n_outputs());
        let data = DataView::checked_before(samples, None);
        // Few stored values have little to do with the first layer.
        let first = if data.are_few() { mlp.connections()[0] } else { 0 };
        let work = (mlp.nnz() - first) * words(stride(rows));
        if work > LONG {
            return Ok(None);
        }
        // To select the connections of a sparse batch takes longer than to compute with them.
        let selects = matches!(samples, Samples::Sparse(_)) && !data.are_few();
        let alone = if selects { ALONE / SELECTING } else { ALONE };
        let par = if work < alone { Par::seq() } else { self.par()? };
        let mut values = filled(rows * n, 0.0f32, "outputs")?;
        InferencePass::new(mlp, &data, rows)?.predict(&par, mlp, &data, &mut values, || true)?;
        if !values.iter().all(|v| v.is_finite()) {
            return Ok(None);
        }
        let Some(units) = mlp.units() else { return Ok(Some(Outputs::Plain(values))) };
        let of = |(i, &v): (usize, &f32)| f64::from(v) / units.scale(i % n) + units.mean()[i % n];
        Ok(Some(Outputs::InUnits(collected(values.iter().enumerate().map(of), "outputs")?)))
    }
}

/// Whether the network has the statistics that it should have, and nothing is to be said of samples
/// beside them that are float32, if `are_narrow`. The first models round all samples to float32.
fn is_ready(mlp: &Mlp, are_narrow: bool) -> bool {
    let config = mlp.config();
    let takes = |s: &Standardizer| s.count().is_some() && (s.suits_float32() || !are_narrow);
    mlp.standardizer().map_or(!config.standardize.is_any(), takes)
        && (mlp.units().is_some() || !config.standardize_targets)
}

/// Whether float32 holds what a network makes of float64, so that nothing is kept beside it or said.
fn is_kept(x: &Sparse, standardizer: Option<&Standardizer>) -> bool {
    let Some(wide) = &x.wide else { return true };
    let Some(standardizer) = standardizer else { return wide.iter().all(|v| v.abs() < CLOSE) };
    let scale = standardizer.scale();
    wide.iter().zip(x.rows.pattern().indices()).all(|(&value, &column)| {
        let (lost, scale) = ((value - f64::from(value as f32)).abs(), scale[column as usize]);
        lost == 0.0 || (scale > 0.0 && lost * scale <= LOST)
    })
}

/// Few rows of one of SciPy's CSR matrices, if all of it is as it should be.
fn csr(x: &Bound<'_, PyAny>) -> PyResult<Option<Sparse>> {
    let (kind, py) = (x.get_type(), x.py());
    let is_csr = |name: Bound<'_, PyString>| name == "csr_array" || name == "csr_matrix";
    let is_scipy = |name: Bound<'_, PyString>| name.to_str().is_ok_and(|n| n.starts_with("scipy."));
    if !kind.qualname().is_ok_and(is_csr) || !kind.module().is_ok_and(is_scipy) {
        return Ok(None);
    }
    let Some(shape) = attribute(x, intern!(py, "shape"))? else { return Ok(None) };
    let Ok((rows, columns)) = shape.extract::<(usize, usize)>() else { return Ok(None) };
    if rows == 0 || rows > MOST {
        return Ok(None);
    }
    let Some(indptr) = array_of(x, intern!(py, "indptr"))? else { return Ok(None) };
    let Some(indices) = array_of(x, intern!(py, "indices"))? else { return Ok(None) };
    let Some(data) = array_of(x, intern!(py, "data"))? else { return Ok(None) };
    let indptr = values::<i32, usize>(&indptr).or_else(|| values::<i64, usize>(&indptr));
    let indices = values::<i32, u32>(&indices).or_else(|| values::<i64, u32>(&indices));
    let (Some(indptr), Some(indices)) = (indptr, indices) else { return Ok(None) };
    let wide = values::<f64, f64>(&data);
    let narrow = match &wide {
        Some(wide) => Some(wide.iter().map(|&v| v as f32).collect()),
        None => values::<f32, f32>(&data),
    };
    let Some(narrow) = narrow.filter(|_| indptr.len() == rows + 1) else { return Ok(None) };
    Ok(Csr::new(columns, indptr, indices, narrow).ok().map(|rows| Sparse { rows, wide }))
}

/// An attribute; None if there is none that can be read.
fn attribute<'py>(x: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> Answer<'py> {
    match x.getattr(name) {
        Ok(found) => Ok(Some(found)),
        // A Ctrl-C must not be lost.
        Err(error) if error.is_instance_of::<PyException>(x.py()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// An attribute that is an array of NumPy's in this process's memory.
fn array_of<'py>(x: &Bound<'py, PyAny>, name: &Bound<'py, PyString>) -> Answer<'py> {
    let found = attribute(x, name)?.filter(|a| a.cast_exact::<PyUntypedArray>().is_ok());
    let Some(array) = found else { return Ok(None) };
    Ok(if Mapping::of(&array)?.is_none() { Some(array) } else { None })
}

/// A copy of an array of one dimension and of this type, if all of it is in range.
fn values<T: Element + Copy, U: TryFrom<T>>(array: &Bound<'_, PyAny>) -> Option<Vec<U>> {
    let array = array.cast::<PyArray1<T>>().ok()?.try_readonly().ok()?;
    array.as_slice().ok()?.iter().map(|&v| U::try_from(v).ok()).collect()
}

/// Outputs as an array that owns its memory.
fn given(py: Python<'_>, rows: usize, found: Option<Outputs>) -> Answer<'_> {
    Ok(match found {
        None => None,
        Some(Outputs::Plain(values)) => Some(array(py, rows, &values)?),
        Some(Outputs::InUnits(values)) => Some(array(py, rows, &values)?),
    })
}

fn array<'py, T: Element + Copy>(
    py: Python<'py>,
    rows: usize,
    values: &[T],
) -> PyResult<Bound<'py, PyAny>> {
    let array = PyArray2::<T>::zeros(py, [rows, values.len() / rows], false);
    array.try_readwrite()?.as_slice_mut()?.copy_from_slice(values);
    Ok(array.into_any())
}
