//! What a network makes of samples: statistics, gradients, scores and outputs.

use numpy::{PyReadonlyArray1, PyReadwriteArray2, PyReadwriteArray3, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::Network;
use crate::error::{Error, Result};
use crate::nn::{self, Mlp, Standardizer, Units};
use crate::parallel::Par;
use crate::python::attribution::{self, Ends, GivenAlong, GradientSums};
use crate::python::data::Data;
use crate::python::results::Scores;
use crate::python::statistics::{Moments, Statistics};
use crate::python::until_tick;
use crate::train::{DataView, InferencePass, gradient_norms};

#[pymethods]
impl Network {
    /// Takes the statistics of these data if the network standardises and has none yet; whether it
    /// did.
    fn standardize_on(&self, py: Python<'_>, data: &Data) -> PyResult<bool> {
        let par = self.par()?;
        data.with(py, |data| self.take_statistics(&par, data, None))
    }

    /// The optimiser whose moments there are, unless it is SGD or none.
    fn moments_of(&self, py: Python<'_>) -> PyResult<Option<&'static str>> {
        Ok(py
            .detach(|| -> Result<_> { Ok(self.as_is()?.state().map(|state| state.rule.name())) })?)
    }

    /// Whether dense samples may be float64: the network standardises them, and not by the statistics
    /// of the first models.
    fn takes_float64(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(py.detach(|| -> Result<_> {
            let mlp = self.as_is()?;
            let counted = mlp.standardizer().is_none_or(|s| s.count().is_some());
            Ok(mlp.config().standardize.is_any() && counted)
        })?)
    }

    /// As [`Network::standardize_on`], and merges those of these data into what it has; `rate` is that of
    /// the step which comes next.
    fn follow(&self, py: Python<'_>, data: &Data, rate: f64) -> PyResult<bool> {
        let par = self.par()?;
        data.with(py, |data| self.take_statistics(&par, data, Some(rate)))
    }

    /// Multiplies the outputs before the output function.
    fn sharpen(&self, py: Python<'_>, factor: f64) -> PyResult<()> {
        let par = self.par()?;
        if !(factor.is_finite() && factor > 0.0) {
            return Err(Error::invalid("factor", factor, "a positive finite number").into());
        }
        py.detach(|| Ok(self.write()?.sharpen(&par, factor)?))
    }

    /// Lets features that had one value until now count from now on, if they vary in these data.
    fn take_up_constants(&self, py: Python<'_>, data: &Data) -> PyResult<()> {
        let par = self.par()?;
        data.with(py, |data| {
            let waits = |s: &Standardizer| s.scale().contains(&0.0);
            if !self.as_is()?.standardizer().is_some_and(waits) {
                return Ok(());
            }
            let moments = {
                let mlp = self.as_is()?;
                data.moments(&par, mlp.config().standardize, mlp.standardizer())?
            };
            match moments.total() > 0.0 {
                true => self.write()?.take_up_constants(&par, &moments),
                false => Ok(()),
            }
        })
    }

    /// The moments of samples, of a network that standardises them, and of targets, likewise.
    fn moments(&self, py: Python<'_>, data: &Data) -> PyResult<(Option<Moments>, Option<Moments>)> {
        let par = self.par()?;
        let (inputs, targets) = data.with(py, |data| {
            let mlp = self.as_is()?;
            let how = mlp.config().standardize;
            let inputs =
                how.is_any().then(|| data.moments(&par, how, mlp.standardizer())).transpose()?;
            let targets = match mlp.config().standardize_targets {
                true => data.target_moments(&par, mlp.n_outputs(), mlp.units())?,
                false => None,
            };
            Ok((inputs, targets))
        })?;
        let of = |moments: Option<nn::Moments>| moments.map(|m| Moments::of(py, &m)).transpose();
        Ok((of(inputs)?, of(targets)?))
    }

    /// Begins with the statistics that moments say, where there are none yet; features that had one
    /// value until now count from now on, if they vary.
    #[pyo3(signature = (inputs, targets))]
    fn standardize_by(
        &self,
        py: Python<'_>,
        inputs: Option<PyRef<'_, Moments>>,
        targets: Option<PyRef<'_, Moments>>,
    ) -> PyResult<()> {
        let inputs = inputs.map(|m| m.checked(py)).transpose()?;
        let targets = targets.map(|m| m.checked(py)).transpose()?;
        let par = self.par()?;
        Ok(py.detach(|| -> Result<()> {
            let mut mlp = self.write()?;
            match (&inputs, mlp.standardizer()) {
                (Some(moments), None) => {
                    mlp.set_standardizer(Standardizer::from_moments(moments)?)?;
                }
                (Some(moments), Some(_)) => mlp.take_up_constants(&par, moments)?,
                (None, _) => {}
            }
            if let (Some(moments), None) = (&targets, mlp.units()) {
                mlp.set_units(Units::from_moments(moments)?)?;
            }
            Ok(())
        })?)
    }

    /// What standardises inputs, if there is something.
    fn input_statistics(&self, py: Python<'_>) -> PyResult<Option<Statistics>> {
        let of = py.detach(|| self.as_is()?.standardizer().map(|s| s.try_clone()).transpose())?;
        of.map(|s| Statistics::of_inputs(py, &s)).transpose()
    }

    /// The units of targets, if there are some.
    fn target_statistics(&self, py: Python<'_>) -> PyResult<Option<Statistics>> {
        let of = py.detach(|| self.as_is()?.units().map(|u| u.try_clone()).transpose())?;
        of.map(|u| Statistics::of_targets(py, &u)).transpose()
    }

    /// Statistics by which inputs and targets are standardised from now on.
    #[pyo3(signature = (inputs, targets))]
    fn set_statistics(
        &self,
        py: Python<'_>,
        inputs: Option<Statistics>,
        targets: Option<Statistics>,
    ) -> PyResult<()> {
        let inputs = inputs.map(|s| s.inputs(py)).transpose()?;
        let targets = targets.map(|s| s.targets(py)).transpose()?;
        Ok(py.detach(|| -> Result<()> {
            let mut mlp = self.write()?;
            inputs.map_or(Ok(()), |inputs| mlp.set_standardizer(inputs))?;
            targets.map_or(Ok(()), |targets| mlp.set_units(targets))
        })?)
    }

    /// Undoes [`Network::standardize_on`] where it took statistics.
    fn forget_statistics(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| -> Result<()> {
            self.write()?.forget_statistics();
            Ok(())
        })?)
    }

    /// The norm of each layer's gradient over all samples, as one batch.
    fn gradient_norms(&self, py: Python<'_>, data: &Data) -> PyResult<Vec<f64>> {
        let par = self.par()?;
        data.with(py, |data| gradient_norms(&par, &*self.read()?, data))
    }

    /// Sums over all samples of the gradients of some outputs by the inputs, as the network multiplies
    /// them. `outputs`: ascending numbers; `of`: a name of a `Quantity`.
    fn gradient_sums(
        &self,
        py: Python<'_>,
        data: &Data,
        outputs: Vec<u32>,
        of: &str,
        batch_size: usize,
    ) -> PyResult<GradientSums> {
        attribution::gradient_sums(py, self, data, &outputs, of, batch_size)
    }

    /// Writes the contributions of inputs to some outputs, along paths from `baseline`, (features,), to
    /// the samples, to `out`, zeros of (samples, outputs, features). `along`: what is explained, points in
    /// a batch, the most points of a sample, and what part of the difference contributions may miss. The
    /// result: what is explained of the baseline, and of the samples.
    fn contributions(
        &self,
        py: Python<'_>,
        data: &Data,
        baseline: PyReadonlyArray1<'_, f64>,
        outputs: Vec<u32>,
        along: GivenAlong,
        out: PyReadwriteArray3<'_, f64>,
    ) -> PyResult<Ends> {
        attribution::contributions(py, self, data, &baseline, &outputs, &along, out)
    }

    /// The scores of all samples.
    fn evaluate(&self, py: Python<'_>, data: &Data, batch_size: usize) -> PyResult<Scores> {
        let par = self.par()?;
        let mut pass =
            data.with(py, |data| InferencePass::new(&*self.as_is()?, data, batch_size))?;
        while !pass.is_finished() {
            data.with(py, |data| pass.evaluate(&par, &*self.read_for(data)?, data, until_tick()))?;
            py.check_signals()?;
        }
        Ok(pass.progress().score.into())
    }

    /// Writes the outputs of all samples to `out`, (samples, outputs); the units of the targets that
    /// belong to the last of them.
    fn predict(
        &self,
        py: Python<'_>,
        data: &Data,
        batch_size: usize,
        mut out: PyReadwriteArray2<'_, f32>,
    ) -> PyResult<Option<Statistics>> {
        let par = self.par()?;
        let outputs = py.detach(|| self.as_is().map(|mlp| mlp.n_outputs()))?;
        let expected = [data.samples(), outputs];
        if out.shape() != expected || !out.is_c_contiguous() {
            let found = format!("an array of shape {:?}", out.shape());
            return Err(Error::invalid("out", found, format!("{expected:?} in C order")).into());
        }
        let out = out.as_slice_mut()?;
        let mut pass =
            data.with(py, |data| InferencePass::new(&*self.as_is()?, data, batch_size))?;
        let mut units = None;
        while !pass.is_finished() {
            units = data.with(py, |data| {
                let mlp = self.read_for(data)?;
                pass.predict(&par, &mlp, data, out, until_tick())?;
                mlp.units().map(Units::try_clone).transpose()
            })?;
            py.check_signals()?;
        }
        units.map(|units| Statistics::of_targets(py, &units)).transpose()
    }
}

impl Network {
    /// [`take_statistics`], if the network standardises something.
    fn take_statistics(&self, par: &Par, data: &DataView<'_>, rate: Option<f64>) -> Result<bool> {
        let of = |mlp: &Mlp| mlp.config().standardize.is_any() || mlp.config().standardize_targets;
        if !of(&*self.as_is()?) {
            return Ok(false);
        }
        take_statistics(par, &mut *self.write()?, data, rate)
    }
}

/// Takes the statistics of these data as far as the network standardises; whether it did. With the `rate`
/// of the step that comes next, statistics that there are take the data in. Moments of inputs and targets
/// are there before anything changes.
fn take_statistics(
    par: &Par,
    mlp: &mut Mlp,
    data: &DataView<'_>,
    rate: Option<f64>,
) -> Result<bool> {
    let (config, again) = (mlp.config(), rate.is_some());
    let how = config.standardize;
    let inputs = how.is_any() && (again || mlp.standardizer().is_none());
    let targets = config.standardize_targets && (again || mlp.units().is_none());
    let outputs = mlp.n_outputs();
    let inputs = inputs.then(|| data.moments(par, how, mlp.standardizer())).transpose()?;
    let targets =
        targets.then(|| data.target_moments(par, outputs, mlp.units())).transpose()?.flatten();
    // Samples without a weight say nothing.
    let (inputs, targets) =
        (inputs.filter(|m| m.total() > 0.0), targets.filter(|m| m.total() > 0.0));
    if let Some(moments) = &inputs {
        mlp.follow_inputs(par, moments, rate.unwrap_or(0.0))?;
    }
    if let Some(moments) = &targets {
        mlp.follow_targets(par, moments)?;
    }
    Ok(inputs.is_some() || targets.is_some())
}
