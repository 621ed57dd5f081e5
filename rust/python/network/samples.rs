//! What a network makes of samples: statistics, gradients, scores and outputs.

use numpy::{PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::Network;
use crate::error::{Error, Result};
use crate::nn::Standardizer;
use crate::python::data::Data;
use crate::python::results::Scores;
use crate::python::until_tick;
use crate::train::{InferencePass, gradient_norms};

#[pymethods]
impl Network {
    /// Takes the statistics of these data if the network standardises and has none yet; whether it
    /// did.
    fn standardize_on(&self, py: Python<'_>, data: &Data) -> PyResult<bool> {
        let par = self.par()?;
        data.with(py, |data| {
            let mut mlp = self.write()?;
            let takes = mlp.config().standardize && mlp.standardizer().is_none();
            if takes {
                mlp.set_standardizer(data.statistics(&par)?)?;
            }
            Ok(takes)
        })
    }

    /// Statistics by which inputs are standardised from now on: means, one over the deviations, and
    /// the features that had one value other than 0.
    fn set_standardizer(
        &self,
        py: Python<'_>,
        mean: Vec<f64>,
        scale: Vec<f64>,
        constant: Vec<u32>,
    ) -> PyResult<()> {
        Ok(py.detach(|| {
            let statistics = Standardizer::from_parts(mean, scale, constant)?;
            self.write()?.set_standardizer(statistics)
        })?)
    }

    /// Undoes [`Network::standardize_on`] where it took statistics.
    fn forget_standardizer(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| -> Result<()> {
            self.write()?.forget_standardizer();
            Ok(())
        })?)
    }

    /// The norm of each layer's gradient over all samples, as one batch.
    fn gradient_norms(&self, py: Python<'_>, data: &Data) -> PyResult<Vec<f64>> {
        let par = self.par()?;
        data.with(py, |data| gradient_norms(&par, &*self.read()?, data))
    }

    /// The scores of all samples.
    fn evaluate(&self, py: Python<'_>, data: &Data, batch_size: usize) -> PyResult<Scores> {
        let par = self.par()?;
        let mut pass =
            data.with(py, |data| InferencePass::new(&*self.read()?, data, batch_size))?;
        while !pass.is_finished() {
            data.with(py, |data| pass.evaluate(&par, &*self.read()?, data, until_tick()))?;
            py.check_signals()?;
        }
        Ok(pass.progress().score.into())
    }

    /// Writes the outputs of all samples to `out`, (samples, outputs).
    fn predict(
        &self,
        py: Python<'_>,
        data: &Data,
        batch_size: usize,
        mut out: PyReadwriteArray2<'_, f32>,
    ) -> PyResult<()> {
        let par = self.par()?;
        let outputs = py.detach(|| self.read().map(|mlp| mlp.n_outputs()))?;
        let expected = [data.samples(), outputs];
        if out.shape() != expected || !out.is_c_contiguous() {
            let found = format!("an array of shape {:?}", out.shape());
            return Err(Error::invalid("out", found, format!("{expected:?} in C order")).into());
        }
        let out = out.as_slice_mut()?;
        let mut pass =
            data.with(py, |data| InferencePass::new(&*self.read()?, data, batch_size))?;
        while !pass.is_finished() {
            data.with(py, |data| pass.predict(&par, &*self.read()?, data, out, until_tick()))?;
            py.check_signals()?;
        }
        Ok(())
    }
}
