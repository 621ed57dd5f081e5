//! Samples and targets held for the core.

use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use super::network::Network;
use crate::error::{Error, Result};
use crate::memory::copied;
use crate::nn::Targets;
use crate::train;

/// Checked samples and targets for one network. The samples stay where NumPy has them; class
/// labels are copied, so that no other thread can put a label out of range.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Data {
    x: Held,
    classes: Option<Vec<u32>>,
    dense: Option<Held>,
}

/// An array that is held, with what it must still be whenever it is looked at: its owner can
/// reshape or resize it in between.
struct Held {
    array: Py<PyAny>,
    shape: [usize; 2],
    name: String,
}

impl Held {
    fn new(array: &PyReadonlyArray2<'_, f32>, name: &str) -> PyResult<Self> {
        let shape = [array.shape()[0], array.shape()[1]];
        let held = Held { array: array.as_any().clone().unbind(), shape, name: name.to_string() };
        // NumPy's `as_slice` takes Fortran order as well.
        if array.is_c_contiguous() { Ok(held) } else { Err(held.changed("in another order")) }
    }

    fn changed(&self, what: &str) -> PyErr {
        let expected = format!("a float32 array of shape {:?} in C order", self.shape);
        Error::invalid(&self.name, format!("an array {what}"), expected).into()
    }

    fn borrow<'py>(&self, py: Python<'py>) -> PyResult<PyReadonlyArray2<'py, f32>> {
        // Its type and number of dimensions may have been changed in place as well.
        let array = self.array.bind(py).cast::<PyArray2<f32>>();
        let array = array.map_err(|_| self.changed("that was changed while it was in use"))?;
        if array.shape() != self.shape || !array.is_c_contiguous() {
            return Err(self.changed("that was changed while it was in use"));
        }
        Ok(array.try_readonly()?)
    }
}

fn targets<'a>(classes: Option<&'a [u32]>, dense: Option<&'a [f32]>) -> Option<Targets<'a>> {
    classes.map(Targets::Classes).or(dense.map(Targets::Dense))
}

#[pymethods]
impl Data {
    /// Checks `x` (samples, features) and one kind of targets, or none, against the network.
    #[new]
    #[pyo3(signature = (network, x, classes=None, dense=None, names=("x", "y")))]
    fn new(
        py: Python<'_>,
        network: &Network,
        x: PyReadonlyArray2<'_, f32>,
        classes: Option<PyReadonlyArray1<'_, u32>>,
        dense: Option<PyReadonlyArray2<'_, f32>>,
        names: (&str, &str),
    ) -> PyResult<Self> {
        let par = network.par()?;
        let held = Held::new(&x, names.0)?;
        let held_dense = dense.as_ref().map(|d| Held::new(d, names.1)).transpose()?;
        let values = x.as_slice()?;
        let features = x.shape()[1];
        let labels = match classes {
            Some(classes) => Some(copied(classes.as_slice()?, "class labels")?),
            None => None,
        };
        let rows = dense.as_ref().map(|d| d.as_slice()).transpose()?;
        let width = dense.as_ref().map(|d| d.shape()[1]);
        py.detach(|| -> Result<()> {
            let network = network.read()?;
            let (expected, outputs) = (network.config().layer_sizes[0], network.n_outputs());
            if features != expected {
                return Err(Error::invalid(
                    names.0,
                    format!("{features} features"),
                    format!("{expected}"),
                ));
            }
            if let Some(width) = width.filter(|&w| w != outputs) {
                return Err(Error::invalid(
                    names.1,
                    format!("{width} columns"),
                    format!("{outputs}"),
                ));
            }
            let targets = targets(labels.as_deref(), rows);
            let loss = network.config().loss;
            train::Data::new(&par, values, features, targets, loss, outputs, names).map(|_| ())
        })?;
        Ok(Data { x: held, classes: labels, dense: held_dense })
    }

    /// The number of samples.
    #[pyo3(name = "samples")]
    fn py_samples(&self) -> usize {
        self.samples()
    }
}

impl Data {
    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.x.shape[0]
    }

    /// Runs `f` on the data, detached from the interpreter; an error if an array has been reshaped
    /// or resized since the data were checked.
    pub fn with<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&train::Data<'_>) -> Result<R> + Send,
    ) -> PyResult<R> {
        let x = self.x.borrow(py)?;
        let dense = self.dense.as_ref().map(|d| d.borrow(py)).transpose()?;
        let rows = dense.as_ref().map(|d| d.as_slice()).transpose()?;
        let targets = targets(self.classes.as_deref(), rows);
        let data = train::Data::checked_before(x.as_slice()?, self.x.shape[1], targets);
        Ok(py.detach(|| f(&data))?)
    }
}
