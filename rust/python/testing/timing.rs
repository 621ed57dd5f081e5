//! Times inside the core, for benches: of the products, and of the memory that they wait for.

use std::time::Instant;

use pyo3::prelude::*;

use crate::csr::{Csr, Transpose};
use crate::error::Result;
use crate::kernels::limits::gather_rate as rate_of_gathering;
use crate::kernels::{Batch, BatchMut, Linear, Transposed, sddmm, spmm, spmm_transpose, stride};
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
    let (x, dy) = (Batch { values: &x, stride }, Batch { values: &dy, stride });
    let linear = Linear { weights: (&w).into(), bias: &bias };
    let by_columns = Transposed { index: &index, data: w.data() };
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
            time(&mut || spmm(par, linear, x, BatchMut { values: &mut y, stride })),
            time(&mut || spmm_transpose(par, by_columns, dy, BatchMut { values: &mut dx, stride })),
            time(&mut || sddmm(par, w.pattern(), dy, x, &mut grad)),
        ]
    }))
}

/// Rows per second at which random rows of (rows, stride of the batch) come from memory: the best
/// of `repeats` runs over `count` of them.
#[pyfunction]
pub fn gather_rate(
    py: Python<'_>,
    rows: usize,
    batch: usize,
    count: usize,
    threads: usize,
    repeats: usize,
) -> PyResult<f64> {
    let par = Par::new(threads)?;
    Ok(py.detach(|| -> Result<f64> {
        let stride = stride(batch);
        let mut x = Lanes::zeros(area(rows, stride, "a bench")?, "a bench")?;
        x.fill(1.0);
        let stream = Stream::new(0, Purpose::Structure, 0, 0);
        let mut order = filled(count, 0u32, "a bench")?;
        let mut block = stream.block(0);
        order.iter_mut().for_each(|row| *row = block.below(rows as u64) as u32);
        let rates =
            (0..repeats).map(|_| rate_of_gathering(&par, Batch { values: &x, stride }, &order));
        Ok(rates.fold(0.0, f64::max))
    })?)
}
