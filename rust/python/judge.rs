//! By what a fit is judged: the best constant prediction, and the loss that there is at the end.

use pyo3::prelude::*;

use super::data::Data;
use super::network::Network;
use super::until_tick;
use crate::error::{Error, Result};
use crate::nn::{self, Mlp};
use crate::train::{DataView, InferencePass, constant};

/// The best constant prediction of some targets.
#[pyclass(frozen, module = "trulysparse._core")]
#[derive(Clone)]
pub struct Constant(nn::Constant);

#[pymethods]
impl Constant {
    /// As `numbers` gave it, for a network with the same settings.
    #[new]
    fn new(network: &Network, samples: usize, numbers: Vec<f64>, py: Python<'_>) -> PyResult<Self> {
        let made = py.detach(|| {
            let mlp = network.as_is()?;
            nn::Constant::from_numbers(mlp.config(), samples, &numbers).ok_or_else(|| {
                Error::invalid("numbers", numbers.len(), "those of a constant prediction")
            })
        });
        Ok(Constant(made?))
    }

    /// The mean loss of the prediction on the targets.
    #[getter]
    fn loss(&self) -> f64 {
        self.0.loss()
    }

    /// About the most that an untrained network has.
    #[getter]
    fn start(&self) -> f64 {
        self.0.start()
    }

    /// By how much a network may be above the loss without being worse.
    #[getter]
    fn slack(&self) -> f64 {
        self.0.slack()
    }

    #[getter]
    fn samples(&self) -> usize {
        self.0.samples()
    }

    #[getter]
    fn numbers(&self) -> Vec<f64> {
        self.0.numbers()
    }

    /// That of these targets and others together.
    fn join(&self, other: &Constant) -> Constant {
        let mut joint = self.0.clone();
        joint.join(&other.0);
        Constant(joint)
    }
}

/// What a network makes of the samples that it was trained on.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Measured {
    /// The mean of their losses, as in training, but without dropout, noise and changed images.
    loss: f64,
    samples: usize,
    /// Whether two of them have different outputs.
    varies: bool,
}

#[pymethods]
impl Measured {
    #[new]
    fn new(loss: f64, samples: usize, varies: bool) -> Self {
        Measured { loss, samples, varies }
    }
}

/// Measures on at most `most` samples, evenly spread, all without a number.
pub(super) fn measured(
    py: Python<'_>,
    network: &Network,
    data: &Data,
    most: Option<usize>,
    begin: impl FnOnce(&Mlp, &DataView<'_>) -> Result<InferencePass> + Send,
) -> (PyResult<Measured>, Option<InferencePass>) {
    let begun = network.par().map_err(PyErr::from).and_then(|par| {
        let pass = data.with(py, |data| begin(&*network.as_is()?, data))?;
        Ok((par, pass.at_most(most.unwrap_or(usize::MAX))))
    });
    let (par, mut pass) = match begun {
        Ok(begun) => begun,
        Err(error) => return (Err(error), None),
    };
    let mut run = || -> PyResult<()> {
        while !pass.is_finished() {
            data.with(py, |data| {
                pass.measure(&par, &*network.read_for(data)?, data, until_tick())
            })?;
            py.check_signals()?;
        }
        Ok(())
    };
    let done = run();
    let score = pass.progress().score;
    let (loss, samples, varies) = (score.mean_loss(), score.samples, pass.varies());
    (done.map(|()| Measured { loss, samples, varies }), Some(pass))
}

#[pymethods]
impl Network {
    /// The best constant prediction of the targets of these data.
    fn constant(&self, py: Python<'_>, data: &Data) -> PyResult<Constant> {
        let par = self.par()?;
        data.with(py, |data| constant(&par, &*self.as_is()?, data).map(Constant))
    }

    /// The loss of these data, or of at most `most` of them, as training computes it.
    #[pyo3(signature = (data, batch_size, most=None))]
    fn measure(
        &self,
        py: Python<'_>,
        data: &Data,
        batch_size: usize,
        most: Option<usize>,
    ) -> PyResult<Measured> {
        let begin = |mlp: &Mlp, data: &DataView<'_>| InferencePass::new(mlp, data, batch_size);
        measured(py, self, data, most, begin).0
    }

    /// Whether all parameters and moments are finite.
    fn is_finite(&self, py: Python<'_>) -> PyResult<bool> {
        let par = self.par()?;
        Ok(py.detach(|| self.as_is().map(|mlp| mlp.is_finite(&par)))?)
    }
}
