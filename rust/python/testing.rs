//! Kernels and topology algorithms over plain arrays, for tests only.

use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::convert::offsets;
use crate::csr::{Csr, NONE, Transpose};
use crate::error::{Error, Result};
use crate::kernels::{Batch, BatchMut, Linear, Transposed, stride};
use crate::memory::{area, collected, copied, filled, reserved};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream, symmetric};
use crate::topology::{self, Buffers, Old, Thinned, merge, weakest};

mod timing;

type Vector<'py, T> = PyReadonlyArray1<'py, T>;
type Matrix<'py> = PyReadonlyArray2<'py, f32>;
/// Offsets and columns.
type Structure<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<u32>>);
/// Offsets, columns and values, and where each entry was before.
type Evolved<'py> = (
    Bound<'py, PyArray1<i64>>,
    Bound<'py, PyArray1<u32>>,
    Bound<'py, PyArray1<f32>>,
    Bound<'py, PyArray1<i64>>,
);

/// A matrix as Python has it: offsets, columns, values and the number of inputs.
#[derive(FromPyObject)]
struct GivenMatrix<'py> {
    #[pyo3(item(0))]
    indptr: Vector<'py, i64>,
    #[pyo3(item(1))]
    indices: Vector<'py, u32>,
    #[pyo3(item(2))]
    data: Vector<'py, f32>,
    #[pyo3(item(3))]
    n_in: usize,
}

impl GivenMatrix<'_> {
    fn csr(&self) -> PyResult<Csr> {
        let indices = copied(self.indices.as_slice()?, "connections")?;
        let data = copied(self.data.as_slice()?, "weights")?;
        Ok(Csr::new(self.n_in, offsets(&self.indptr)?, indices, data)?)
    }
}

/// A (n, batch) array with its rows padded to the stride.
fn padded(name: &str, array: &Matrix<'_>, rows: usize) -> PyResult<(Vec<f32>, usize, usize)> {
    let (n, batch) = (array.shape()[0], array.shape()[1]);
    if n != rows || batch == 0 || !array.is_c_contiguous() {
        let value = format!("an array of shape {:?}", array.shape());
        let expected = format!("({rows}, at least 1) in C order");
        return Err(Error::invalid(name, value, expected).into());
    }
    let stride = stride(batch);
    let mut out = zeros(n, stride)?;
    for (row, values) in out.chunks_exact_mut(stride).zip(array.as_slice()?.chunks_exact(batch)) {
        row[..batch].copy_from_slice(values);
    }
    Ok((out, stride, batch))
}

fn zeros(n: usize, stride: usize) -> Result<Vec<f32>> {
    filled(area(n, stride, "a batch")?, 0.0, "a batch")
}

fn unpadded<'py>(
    py: Python<'py>,
    rows: &[f32],
    stride: usize,
    batch: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let n = rows.len() / stride;
    let mut values = reserved(area(n, batch, "a batch")?, "a batch")?;
    rows.chunks_exact(stride).for_each(|row| values.extend_from_slice(&row[..batch]));
    PyArray1::from_vec(py, values).reshape([n, batch])
}

/// Kernels over arrays: `indptr` int64, `indices` uint32, `data` float32, a row an output neuron.
#[pymodule]
pub mod kernels {
    use super::*;

    #[pymodule_export]
    use super::timing::{gather_rate, time_products};
    #[pymodule_export]
    use crate::python::augment::motions;

    #[pyfunction]
    fn spmm<'py>(
        py: Python<'py>,
        w: GivenMatrix<'py>,
        x: Matrix<'py>,
        bias: Vector<'py, f32>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let w = w.csr()?;
        let (x, stride, batch) = padded("x", &x, w.n_cols())?;
        let bias = bias.as_slice()?;
        if bias.len() != w.n_rows() {
            return Err(Error::invalid("bias", format!("{} values", bias.len()), w.n_rows()).into());
        }
        let mut y = zeros(w.n_rows(), stride)?;
        let (par, linear) = (Par::new(threads)?, Linear { weights: (&w).into(), bias });
        let x = Batch { values: &x, stride };
        crate::kernels::spmm(&par, linear, x, BatchMut { values: &mut y, stride });
        unpadded(py, &y, stride, batch)
    }

    #[pyfunction]
    fn spmm_transpose<'py>(
        py: Python<'py>,
        w: GivenMatrix<'py>,
        dy: Matrix<'py>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray2<f32>>> {
        let w = w.csr()?;
        let (dy, stride, batch) = padded("dy", &dy, w.n_rows())?;
        let mut dx = zeros(w.n_cols(), stride)?;
        let index = Transpose::new(&Par::seq(), w.pattern())?;
        let (par, w) = (Par::new(threads)?, Transposed { index: &index, data: w.data() });
        let dy = Batch { values: &dy, stride };
        crate::kernels::spmm_transpose(&par, w, dy, BatchMut { values: &mut dx, stride });
        unpadded(py, &dx, stride, batch)
    }

    #[pyfunction]
    fn sddmm<'py>(
        py: Python<'py>,
        w: GivenMatrix<'py>,
        dy: Matrix<'py>,
        x: Matrix<'py>,
        threads: usize,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let w = w.csr()?;
        let (dy, stride, batch) = padded("dy", &dy, w.n_rows())?;
        let (x, _, x_batch) = padded("x", &x, w.n_cols())?;
        if x_batch != batch {
            return Err(Error::invalid("x", format!("{x_batch} samples"), batch).into());
        }
        let mut grad = zeros(w.nnz(), 1)?;
        let (dy, x) = (Batch { values: &dy, stride }, Batch { values: &x, stride });
        crate::kernels::sddmm(&Par::new(threads)?, w.pattern(), dy, x, &mut grad);
        Ok(PyArray1::from_vec(py, grad))
    }

    #[pyfunction]
    fn check_csr(w: GivenMatrix<'_>) -> PyResult<()> {
        w.csr().map(|_| ())
    }

    #[pyfunction]
    fn erdos_renyi<'py>(
        py: Python<'py>,
        n_in: usize,
        n_out: usize,
        probability: f64,
        seed: u64,
        threads: usize,
    ) -> PyResult<Structure<'py>> {
        let stream = Stream::new(seed, Purpose::Structure, 0, 0);
        let (indptr, indices) =
            topology::erdos_renyi(&Par::new(threads)?, n_in, n_out, probability, stream)?;
        let indptr = collected(indptr.into_iter().map(|p| p as i64), "row offsets")?;
        Ok((PyArray1::from_vec(py, indptr), PyArray1::from_vec(py, indices)))
    }

    /// The new matrix and, for each of its entries, the old position or -1.
    #[pyfunction]
    #[pyo3(signature = (w, zeta, seed, epoch, threads, closed=None))]
    fn evolve<'py>(
        py: Python<'py>,
        w: GivenMatrix<'py>,
        zeta: f64,
        seed: u64,
        epoch: u64,
        threads: usize,
        closed: Option<Vec<bool>>,
    ) -> PyResult<Evolved<'py>> {
        let w = w.csr()?;
        let places = Stream::new(seed, Purpose::GrowPlaces, 0, epoch);
        let values = Stream::new(seed, Purpose::GrowValues, 0, epoch);
        let value = |_| move |index| symmetric(values.at(index));
        let closed = closed.unwrap_or_default();
        let rows = closed.iter().enumerate().filter(|(_, closed)| **closed).map(|(r, _)| r);
        if !closed.is_empty()
            && (closed.len() != w.n_rows() || rows.clone().any(|r| !w.pattern().row(r).is_empty()))
        {
            return Err(Error::invalid("closed", "flags", "one per row, for empty rows").into());
        }
        let par = Par::new(threads)?;
        let old = Old { weights: &w, carried: &[], closed: &closed, track: true };
        let thinned = Thinned::new(&par, old, weakest(&par, w.data(), zeta)?)?;
        let places = thinned.draw(&par, thinned.dropped() as u64, places)?;
        let evolved = merge(&par, &thinned, places, value, &mut Buffers::default())?;
        let pattern = evolved.matrix.pattern();
        let source = evolved.source.iter().map(|&s| if s == NONE { -1 } else { i64::from(s) });
        let source = collected(source, "the map of evolved connections")?;
        let indptr = collected(pattern.indptr().iter().map(|&p| p as i64), "row offsets")?;
        Ok((
            PyArray1::from_vec(py, indptr),
            PyArray1::from_vec(py, copied(pattern.indices(), "connections")?),
            PyArray1::from_vec(py, copied(evolved.matrix.data(), "weights")?),
            PyArray1::from_vec(py, source),
        ))
    }

    /// As [`crate::nn::set_few`]: the share of values that sparse samples store up to which training goes by
    /// them; None for the usual one.
    #[pyfunction]
    fn set_few(share: Option<f64>) {
        crate::nn::set_few(share);
    }

    #[pyfunction]
    fn sample_distinct(
        py: Python<'_>,
        n: u64,
        k: u64,
        seed: u64,
    ) -> PyResult<Bound<'_, PyArray1<u64>>> {
        if k > n {
            return Err(Error::invalid("k", k, format!("at most n = {n}")).into());
        }
        let stream = Stream::new(seed, Purpose::GrowPlaces, 0, 0);
        let values: Result<Vec<u64>> = topology::sample_distinct(&Par::seq(), n, k, stream);
        Ok(PyArray1::from_vec(py, values?))
    }
}
