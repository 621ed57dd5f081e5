//! Augmentation of images as Python gives it, and as it is looked at.

use numpy::{
    PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::convert::from_json;
use crate::error::{Error, Result};
use crate::memory::{area, collected, zeros};
use crate::nn::Draw;
use crate::parallel::Par;
use crate::train::Augmentation;

/// What the JSON text `text` says, checked for samples with `features` values.
pub fn augmentation(text: &str, features: usize) -> Result<Augmentation> {
    let augmentation: Augmentation = from_json("augment", text)?;
    augmentation.check(features)?;
    Ok(augmentation)
}

fn draw(seed: u64, step: u64) -> Draw {
    Draw { seed, step }
}

/// What step `step` makes of the samples `x`, (samples, features), for a network of seed `seed`.
#[pyfunction]
pub fn augmented<'py>(
    py: Python<'py>,
    x: PyReadonlyArray2<'py, f32>,
    augment: &str,
    seed: u64,
    step: u64,
    threads: usize,
) -> PyResult<Bound<'py, PyArray2<f32>>> {
    let (samples, features) = (x.shape()[0], x.shape()[1]);
    if !x.is_c_contiguous() {
        return Err(Error::invalid("x", "an array in another order", "C order").into());
    }
    let augmentation = augmentation(augment, features)?;
    let (values, par) = (x.as_slice()?, Par::new(threads)?);
    let out = py.detach(|| {
        let mut out = zeros(area(samples, features, "images")?, "images")?;
        let all = collected(0..samples as u32, "images")?;
        augmentation.apply(&par, values, &all, draw(seed, step), &mut out);
        Ok::<_, Error>(out)
    })?;
    PyArray1::from_vec(py, out).reshape([samples, features])
}

/// What is drawn for samples, for tests: a row each of the angle in degrees, the shifts of the sources
/// in rows and in columns, and 1 if the image is mirrored.
#[pyfunction]
pub fn motions<'py>(
    py: Python<'py>,
    augment: &str,
    seed: u64,
    step: u64,
    samples: PyReadonlyArray1<'py, u32>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let augmentation: Augmentation = from_json("augment", augment)?;
    augmentation.check(augmentation.frame.values().unwrap_or_default())?;
    let samples = samples.as_slice()?;
    let mut rows = zeros(area(samples.len(), 4, "motions")?, "motions")?;
    for (row, &sample) in rows.chunks_exact_mut(4).zip(samples) {
        let motion = augmentation.motion(draw(seed, step), sample);
        let [y, x] = motion.shift;
        row.copy_from_slice(&[motion.angle, y, x, f64::from(u8::from(motion.mirror))]);
    }
    PyArray1::from_vec(py, rows).reshape([samples.len(), 4])
}
