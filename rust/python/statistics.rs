//! Statistics of inputs and targets, as Python has them.

use numpy::{PyArray1, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::error::Result;
use crate::memory::copied;
use crate::nn::{self, Standardizer, Units};

const WHAT: &str = "statistics";

type Doubles = Py<PyArray1<f64>>;

/// By what columns are standardised.
#[pyclass(frozen, get_all, from_py_object, module = "trulysparse._core")]
pub struct Statistics {
    mean: Doubles,
    /// One over the standard deviation; 0 of a column with one value.
    scale: Doubles,
    /// The number of samples that they are of, or the sum of their weights; None of the first
    /// models, which round inputs to float32 first.
    total: Option<f64>,
    /// Of the first models: the features with one value other than 0, whose scale is 1.
    constant: Vec<u32>,
}

impl Clone for Statistics {
    fn clone(&self) -> Self {
        Python::attach(|py| Statistics {
            mean: self.mean.clone_ref(py),
            scale: self.scale.clone_ref(py),
            total: self.total,
            constant: self.constant.clone(),
        })
    }
}

#[pymethods]
impl Statistics {
    #[new]
    #[pyo3(signature = (mean, scale, total, constant=Vec::new()))]
    fn new(mean: Doubles, scale: Doubles, total: Option<f64>, constant: Vec<u32>) -> Self {
        Statistics { mean, scale, total, constant }
    }
}

impl Statistics {
    /// Those of a network's inputs.
    pub fn of_inputs(py: Python<'_>, of: &Standardizer) -> PyResult<Self> {
        Ok(Statistics {
            mean: array(py, of.mean())?,
            scale: array(py, of.scale())?,
            total: of.count(),
            constant: copied(of.constant(), WHAT)?,
        })
    }

    /// Those of a network's targets.
    pub fn of_targets(py: Python<'_>, of: &Units) -> PyResult<Self> {
        let (mean, scale) = (array(py, of.mean())?, array(py, of.stored_scale())?);
        Ok(Statistics { mean, scale, total: Some(of.total()), constant: Vec::new() })
    }

    /// As what standardises inputs.
    pub fn inputs(&self, py: Python<'_>) -> PyResult<Standardizer> {
        let (mean, scale) = (values(py, &self.mean)?, values(py, &self.scale)?);
        Ok(match self.total {
            Some(count) => Standardizer::counted(mean, scale, count)?,
            None => Standardizer::of_first_models(mean, scale, copied(&self.constant, WHAT)?)?,
        })
    }

    /// As the units of targets.
    pub fn targets(&self, py: Python<'_>) -> PyResult<Units> {
        let (mean, scale) = (values(py, &self.mean)?, values(py, &self.scale)?);
        Ok(Units::counted(mean, scale, self.total.unwrap_or(1.0))?)
    }
}

/// Means and deviations of the columns of some samples.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Moments {
    total: f64,
    mean: Doubles,
    /// Sums of squares.
    deviations: Doubles,
}

#[pymethods]
impl Moments {
    #[new]
    fn new(total: f64, mean: Doubles, deviations: Doubles) -> Self {
        Moments { total, mean, deviations }
    }

    /// Those of these samples and more.
    fn merged(&self, py: Python<'_>, more: &Moments) -> PyResult<Self> {
        let (mut own, more) = (self.checked(py)?, more.checked(py)?);
        if own.mean().len() != more.mean().len() {
            let value = format!("{} columns", more.mean().len());
            return Err(crate::error::Error::invalid("moments", value, own.mean().len()).into());
        }
        own.merge(&more);
        Self::of(py, &own)
    }
}

impl Moments {
    /// As Python has them.
    pub fn of(py: Python<'_>, moments: &nn::Moments) -> PyResult<Self> {
        Ok(Moments {
            total: moments.total(),
            mean: array(py, moments.mean())?,
            deviations: array(py, moments.deviations())?,
        })
    }

    /// As the core has them.
    pub fn checked(&self, py: Python<'_>) -> PyResult<nn::Moments> {
        let (mean, deviations) = (values(py, &self.mean)?, values(py, &self.deviations)?);
        Ok(nn::Moments::from_parts(self.total, mean, deviations)?)
    }
}

fn array(py: Python<'_>, values: &[f64]) -> Result<Doubles> {
    Ok(PyArray1::from_vec(py, copied(values, WHAT)?).unbind())
}

fn values(py: Python<'_>, array: &Doubles) -> PyResult<Vec<f64>> {
    let array: PyReadonlyArray1<'_, f64> = array.bind(py).try_readonly()?;
    let mut values = crate::memory::reserved(array.len()?, WHAT)?;
    values.extend(array.as_array().iter());
    Ok(values)
}
