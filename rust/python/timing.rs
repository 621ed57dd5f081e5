//! Times of the products inside the core, for a bench that compares them with other libraries'.

use std::time::Instant;

use pyo3::prelude::*;

use crate::csr::{Csr, Transpose};
use crate::error::Result;
use crate::kernels::{sddmm, spmm, spmm_transpose, stride};
use crate::memory::{Lanes, area, filled};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream, symmetric};
use crate::topology::erdos_renyi;

/// Seconds of `repeats` runs each of `Y = W X`, `dX = W^T dY` and `dW = dY X^T` at W's entries, of
/// a random layer; after one run that is not counted.
#[pyfunction]
pub fn time_products(
    py: Python<'_>,
    n_in: usize,
    n_out: usize,
    density: f64,
    batch: usize,
    threads: usize,
    repeats: usize,
) -> PyResult<[Vec<f64>; 3]> {
    let par = Par::new(threads)?;
    Ok(py.detach(|| run(&par, n_in, n_out, density, batch, repeats))?)
}

fn numbers(n: usize, stride: usize) -> Result<Lanes> {
    let stream = Stream::new(n as u64, Purpose::Weights, 0, 0);
    let mut lanes = Lanes::zeros(area(n, stride, "a bench")?, "a bench")?;
    lanes.iter_mut().enumerate().for_each(|(i, v)| *v = symmetric(stream.at(i as u64)));
    Ok(lanes)
}

fn run(
    par: &Par,
    n_in: usize,
    n_out: usize,
    density: f64,
    batch: usize,
    repeats: usize,
) -> Result<[Vec<f64>; 3]> {
    let structure = Stream::new(0, Purpose::Structure, 0, 0);
    let (indptr, indices) = erdos_renyi(par, n_in, n_out, density, structure)?;
    let data = numbers(indices.len(), 1)?.to_vec();
    let w = Csr::new(n_in, indptr, indices, data)?;
    let index = Transpose::new(par, w.pattern())?;
    let stride = stride(batch);
    let (x, dy) = (numbers(n_in, stride)?, numbers(n_out, stride)?);
    let (mut y, mut dx) = (numbers(n_out, stride)?, numbers(n_in, stride)?);
    let mut grad = filled(w.nnz(), 0.0f32, "a bench")?;
    let bias = filled(n_out, 0.0f32, "a bench")?;
    let time = |run: &mut (dyn FnMut() + Send)| {
        let mut seconds: Vec<f64> = (0..=repeats)
            .map(|_| {
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64()
            })
            .collect();
        seconds.remove(0);
        seconds
    };
    Ok(par.awake(|| {
        [
            time(&mut || spmm(par, w.pattern(), w.data(), &x, stride, &bias, &mut y)),
            time(&mut || spmm_transpose(par, &index, w.data(), &dy, stride, &mut dx)),
            time(&mut || sddmm(par, w.pattern(), &dy, &x, stride, &mut grad)),
        ]
    }))
}
