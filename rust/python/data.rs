//! Samples, targets and weights held for the core.

use std::marker::PhantomData;

use numpy::{
    Element, PyArray2, PyArrayMethods, PyReadonlyArray1, PyReadonlyArray2, PyUntypedArrayMethods,
};
use pyo3::prelude::*;

use super::augment::augmentation;
use super::mapped::Mapping;
use super::network::Network;
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{copied, reserved};
use crate::nn::{DenseRows, SparseRows, SparseTargets, Targets, Values};
use crate::train::{ArgumentNames, Augmentation, DataView, Samples};

/// Checked samples, targets and weights for one network. Dense ones stay where NumPy has them;
/// sparse ones, class labels and weights are copied, so that no other thread can put a label or a
/// column out of range.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Data {
    x: Inputs,
    targets: Option<HeldTargets>,
    weights: Option<Vec<f32>>,
    augmentation: Option<Augmentation>,
}

enum HeldTargets {
    Classes(Vec<u32>),
    Dense(Held<f32>),
    Wide(Held<f64>),
    Sparse(HeldRows),
}

enum Inputs {
    Dense(Held<f32>),
    Wide(Held<f64>),
    Sparse(HeldRows),
    Blocks(HeldBlock, HeldRows),
}

/// The dense block of samples of two.
enum HeldBlock {
    Narrow(Held<f32>),
    Wide(Held<f64>),
}

/// Sparse samples or targets, with the exact values of what is stored where float32 does not hold them.
struct HeldRows {
    x: Csr,
    exact: Option<Vec<f64>>,
}

/// Samples as Python has them: a matrix, a `CsrArrays`, or `BlockArrays` of both.
#[derive(FromPyObject)]
pub enum GivenInputs<'py> {
    #[pyo3(transparent)]
    Dense(PyReadonlyArray2<'py, f32>),
    #[pyo3(transparent)]
    Wide(PyReadonlyArray2<'py, f64>),
    Sparse {
        indptr: PyReadonlyArray1<'py, i64>,
        indices: PyReadonlyArray1<'py, u32>,
        data: PyReadonlyArray1<'py, f32>,
        exact: Option<PyReadonlyArray1<'py, f64>>,
        features: usize,
    },
    Blocks {
        dense: Bound<'py, PyAny>,
        sparse: Bound<'py, PyAny>,
    },
}

/// Targets as Python has them: class labels, or a row for each sample, of which `CsrArrays` store some.
#[derive(FromPyObject)]
pub enum GivenTargets<'py> {
    Classes(PyReadonlyArray1<'py, u32>),
    Dense(PyReadonlyArray2<'py, f32>),
    Wide(PyReadonlyArray2<'py, f64>),
    Sparse {
        indptr: PyReadonlyArray1<'py, i64>,
        indices: PyReadonlyArray1<'py, u32>,
        data: PyReadonlyArray1<'py, f32>,
        exact: Option<PyReadonlyArray1<'py, f64>>,
        features: usize,
    },
}

/// What samples and targets are called in errors: a pair.
#[derive(FromPyObject)]
pub struct GivenNames {
    #[pyo3(item(0))]
    x: String,
    #[pyo3(item(1))]
    y: String,
}

impl<'py> GivenInputs<'py> {
    /// To try the kinds in turn, as `extract` does, makes an error of each that it is not.
    fn of(x: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(x) = x.cast::<PyArray2<f32>>() {
            return Ok(GivenInputs::Dense(x.try_readonly()?));
        }
        if let Ok(x) = x.cast::<PyArray2<f64>>() {
            return Ok(GivenInputs::Wide(x.try_readonly()?));
        }
        x.extract()
    }
}

impl<'py> GivenTargets<'py> {
    /// As [`GivenInputs::of`].
    fn of(y: &Bound<'py, PyAny>) -> PyResult<Self> {
        if let Ok(y) = y.cast::<PyArray2<f32>>() {
            return Ok(GivenTargets::Dense(y.try_readonly()?));
        }
        if let Ok(y) = y.cast::<PyArray2<f64>>() {
            return Ok(GivenTargets::Wide(y.try_readonly()?));
        }
        y.extract()
    }
}

impl Default for GivenNames {
    fn default() -> Self {
        GivenNames { x: "x".into(), y: "y".into() }
    }
}

impl HeldTargets {
    fn new(given: &GivenTargets<'_>, name: &str) -> PyResult<Self> {
        Ok(match given {
            GivenTargets::Classes(y) => {
                HeldTargets::Classes(copied(y.as_slice()?, "class labels")?)
            }
            GivenTargets::Dense(y) => HeldTargets::Dense(Held::new(y, name)?),
            GivenTargets::Wide(y) => HeldTargets::Wide(Held::new(y, name)?),
            GivenTargets::Sparse { indptr, indices, data, exact, features } => {
                let csr = GivenCsr { indptr, indices, features: *features };
                let make = Csr::with_any_values;
                let x = csr.matrix(data, name, "sparse targets", make)?;
                let exact = exact.as_ref().map(|v| v.as_slice()).transpose()?;
                if let Some(values) = exact.filter(|values| values.len() != x.nnz()) {
                    let value = format!("{} values", values.len());
                    return Err(Error::invalid(name, value, x.nnz()).into());
                }
                let exact = exact.map(|values| copied(values, "sparse targets")).transpose()?;
                HeldTargets::Sparse(HeldRows { x, exact })
            }
        })
    }

    /// The numbers of a row.
    fn columns(&self) -> Option<usize> {
        match self {
            HeldTargets::Classes(_) => None,
            HeldTargets::Dense(held) => Some(held.shape[1]),
            HeldTargets::Wide(held) => Some(held.shape[1]),
            HeldTargets::Sparse(rows) => Some(rows.x.n_cols()),
        }
    }
}

impl Inputs {
    fn new(given: &GivenInputs<'_>, name: &str) -> PyResult<Self> {
        match given {
            GivenInputs::Dense(x) => Ok(Inputs::Dense(Held::new(x, name)?)),
            GivenInputs::Wide(x) => Ok(Inputs::Wide(Held::new(x, name)?)),
            GivenInputs::Sparse { .. } => Ok(Inputs::Sparse(HeldRows::new(given, name)?)),
            GivenInputs::Blocks { dense, sparse } => {
                let block = match GivenInputs::of(dense)? {
                    GivenInputs::Dense(x) => HeldBlock::Narrow(Held::new(&x, name)?),
                    GivenInputs::Wide(x) => HeldBlock::Wide(Held::new(&x, name)?),
                    GivenInputs::Sparse { .. } | GivenInputs::Blocks { .. } => {
                        return Err(Error::invalid(name, "two sparse blocks", "a dense one").into());
                    }
                };
                let rows = HeldRows::new(&GivenInputs::of(sparse)?, name)?;
                let [samples, features] = block.shape();
                if samples != rows.x.n_rows() || features == 0 {
                    let value = format!("blocks of {samples} and {} rows", rows.x.n_rows());
                    let expected = "as many in both, and a dense block with columns";
                    return Err(Error::invalid(name, value, expected).into());
                }
                Ok(Inputs::Blocks(block, rows))
            }
        }
    }

    fn shape(&self) -> [usize; 2] {
        match self {
            Inputs::Dense(held) => held.shape,
            Inputs::Wide(held) => held.shape,
            Inputs::Sparse(rows) => [rows.x.n_rows(), rows.x.n_cols()],
            Inputs::Blocks(block, rows) => {
                let [samples, features] = block.shape();
                [samples, features + rows.x.n_cols()]
            }
        }
    }
}

impl HeldBlock {
    fn shape(&self) -> [usize; 2] {
        match self {
            HeldBlock::Narrow(held) => held.shape,
            HeldBlock::Wide(held) => held.shape,
        }
    }
}

impl HeldRows {
    fn new(given: &GivenInputs<'_>, name: &str) -> PyResult<Self> {
        let GivenInputs::Sparse { indptr, indices, data, exact, features } = given else {
            return Err(Error::invalid(name, "two dense blocks", "a sparse one").into());
        };
        let csr = GivenCsr { indptr, indices, features: *features };
        let x = csr.matrix(data, name, "sparse samples", Csr::new)?;
        let exact = exact.as_ref().map(|v| exactly(&x, v.as_slice()?, name)).transpose()?;
        Ok(HeldRows { x, exact })
    }

    fn rows(&self) -> SparseRows<'_> {
        SparseRows::from(&self.x).exactly(self.exact.as_deref())
    }

    fn targets(&self) -> SparseTargets<'_> {
        let narrow = Values::Narrow(self.x.data());
        SparseTargets::new(self.x.pattern(), self.exact.as_deref().map_or(narrow, Values::Wide))
    }
}

/// Makes a matrix of its columns, indptr, indices and values, once they are checked.
type MakeCsr = fn(usize, Vec<usize>, Vec<u32>, Vec<f32>) -> Result<Csr>;

/// Where a matrix of Python stores values.
struct GivenCsr<'a, 'py> {
    indptr: &'a PyReadonlyArray1<'py, i64>,
    indices: &'a PyReadonlyArray1<'py, u32>,
    features: usize,
}

impl GivenCsr<'_, '_> {
    /// A copy with these values, checked as `make` does.
    fn matrix(
        &self,
        data: &PyReadonlyArray1<'_, f32>,
        name: &str,
        what: &'static str,
        make: MakeCsr,
    ) -> PyResult<Csr> {
        let negative = || Error::invalid(name, "an indptr with negative offsets", "none");
        let offset = |&o: &i64| usize::try_from(o).map_err(|_| negative());
        let given = self.indptr.as_slice()?;
        let mut indptr = reserved(given.len(), what)?;
        for o in given {
            indptr.push(offset(o)?);
        }
        let indices = copied(self.indices.as_slice()?, what)?;
        let data = copied(data.as_slice()?, what)?;
        let named = |e: Error| Error::invalid(name, e, "finite numbers in valid CSR arrays");
        Ok(make(self.features, indptr, indices, data).map_err(named)?)
    }
}

/// An array that is held, with what it must still be whenever it is looked at: its owner can
/// reshape or resize it in between.
struct Held<T> {
    array: Py<PyAny>,
    shape: [usize; 2],
    name: String,
    /// The file that it is mapped from, if it is.
    mapping: Option<Mapping>,
    of: PhantomData<fn() -> T>,
}

impl<T: Element> Held<T> {
    fn new(array: &PyReadonlyArray2<'_, T>, name: &str) -> PyResult<Self> {
        let shape = [array.shape()[0], array.shape()[1]];
        let held = Held {
            array: array.as_any().clone().unbind(),
            shape,
            name: name.to_string(),
            mapping: Mapping::of(array.as_any())?,
            of: PhantomData,
        };
        // NumPy's `as_slice` takes Fortran order as well.
        if array.is_c_contiguous() { Ok(held) } else { Err(held.changed("in another order")) }
    }

    fn changed(&self, what: &str) -> PyErr {
        let expected = format!("the array of shape {:?} in C order that it was", self.shape);
        Error::invalid(&self.name, format!("an array {what}"), expected).into()
    }

    fn borrow<'py>(&self, py: Python<'py>) -> PyResult<PyReadonlyArray2<'py, T>> {
        // Its type and number of dimensions may have been changed in place as well.
        let array = self.array.bind(py).cast::<PyArray2<T>>();
        let array = array.map_err(|_| self.changed("that was changed while it was in use"))?;
        if array.shape() != self.shape || !array.is_c_contiguous() {
            return Err(self.changed("that was changed while it was in use"));
        }
        if let Some(mapping) = &self.mapping {
            mapping.check(py, &self.name)?;
        }
        Ok(array.try_readonly()?)
    }
}

#[pymethods]
impl Data {
    /// Checks `x` (samples, features), targets, or none, and weights (samples,), or none, against the
    /// network; `augment`: JSON of how training changes samples that are images.
    #[new]
    #[pyo3(signature = (
        network, x, targets=None, weights=None, *, names=GivenNames::default(), augment=None
    ))]
    fn new(
        py: Python<'_>,
        network: &Network,
        x: &Bound<'_, PyAny>,
        targets: Option<&Bound<'_, PyAny>>,
        weights: Option<PyReadonlyArray1<'_, f32>>,
        names: GivenNames,
        augment: Option<&str>,
    ) -> PyResult<Self> {
        let names = ArgumentNames { x: &names.x, y: &names.y };
        let inputs = Inputs::new(&GivenInputs::of(x)?, names.x)?;
        let targets = targets.map(GivenTargets::of).transpose()?;
        let targets = targets.map(|targets| HeldTargets::new(&targets, names.y)).transpose()?;
        let width = targets.as_ref().and_then(HeldTargets::columns);
        let vector = |array: Option<&[f32]>| array.map(|a| copied(a, "weights")).transpose();
        let weights = vector(weights.as_ref().map(|w| w.as_slice()).transpose()?)?;
        let augmentation = match (&inputs, augment) {
            (_, None) => None,
            (Inputs::Dense(held), Some(text)) => Some(augmentation(text, held.shape[1])?),
            (_, Some(_)) => {
                let expected = format!("dense images, or None with sparse {}", names.x);
                return Err(Error::invalid("augment", "an ImageAugmentation", expected).into());
            }
        };
        let data = Data { x: inputs, targets, weights, augmentation };
        let par = network.par()?;
        data.checked(py, &mut |samples, targets, weights| {
            let network = network.as_is()?;
            let (expected, outputs) = (network.config().layer_sizes[0], network.n_outputs());
            let features = samples.features();
            if features != expected {
                let value = format!("{features} features");
                return Err(Error::invalid(names.x, value, format!("{expected}")));
            }
            if let Some(width) = width.filter(|&w| w != outputs) {
                let value = format!("{width} columns");
                return Err(Error::invalid(names.y, value, format!("{outputs}")));
            }
            if let Some(weights) = weights {
                check_weights(weights, samples.len())?;
            }
            let loss = network.config().loss;
            let data = DataView::new(&par, samples, targets, loss, outputs, names)?;
            data.check_range(&par, network.standardizer(), names.x)
        })?;
        Ok(data)
    }

    /// The number of samples.
    #[pyo3(name = "samples")]
    fn py_samples(&self) -> usize {
        self.samples()
    }
}

/// What looks at data.
type Look<'a> =
    &'a mut (dyn FnMut(Samples<'_>, Option<Targets<'_>>, Option<&[f32]>) -> Result<()> + Send);

impl Data {
    /// The number of samples.
    pub fn samples(&self) -> usize {
        self.x.shape()[0]
    }

    /// Runs `f` on the data, detached from the interpreter; an error if an array has been reshaped
    /// or resized since the data were checked.
    pub fn with<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&DataView<'_>) -> Result<R> + Send,
    ) -> PyResult<R> {
        let (mut f, mut result) = (Some(f), None);
        self.checked(py, &mut |samples, targets, weights| {
            let data = DataView::checked_before(samples, targets).weighted(weights);
            let data = data.augmented(self.augmentation);
            result = f.take().map(|f| f(&data)).transpose()?;
            Ok(())
        })?;
        Ok(result.expect("internal: data that were not looked at"))
    }

    /// Runs `f` once on what there is, as long as it is what it was. It is no generic function, as it
    /// would be compiled for each of its many uses.
    fn checked(&self, py: Python<'_>, f: Look<'_>) -> PyResult<()> {
        let (narrow, wide) = match &self.x {
            Inputs::Dense(held) | Inputs::Blocks(HeldBlock::Narrow(held), _) => {
                (Some(held.borrow(py)?), None)
            }
            Inputs::Wide(held) | Inputs::Blocks(HeldBlock::Wide(held), _) => {
                (None, Some(held.borrow(py)?))
            }
            Inputs::Sparse(_) => (None, None),
        };
        let narrow = narrow.as_ref().map(|x| x.as_slice()).transpose()?;
        let wide = wide.as_ref().map(|x| x.as_slice()).transpose()?;
        let features = self.x.shape()[1];
        let values = narrow.map(Values::Narrow).or(wide.map(Values::Wide));
        let samples = match (&self.x, values) {
            (Inputs::Sparse(rows), _) => Samples::Sparse(rows.rows()),
            (Inputs::Blocks(block, rows), Some(values)) => {
                let dense = DenseRows::new(values, block.shape()[1]);
                Samples::Sparse(rows.rows().behind(dense))
            }
            (_, Some(Values::Narrow(values))) => Samples::Dense(values, features),
            (_, Some(Values::Wide(values))) => Samples::Wide(values, features),
            (_, None) => unreachable!("internal: dense samples are borrowed"),
        };
        let (narrow, wide) = match &self.targets {
            Some(HeldTargets::Dense(held)) => (Some(held.borrow(py)?), None),
            Some(HeldTargets::Wide(held)) => (None, Some(held.borrow(py)?)),
            Some(HeldTargets::Classes(_) | HeldTargets::Sparse(_)) | None => (None, None),
        };
        let narrow = narrow.as_ref().map(|y| y.as_slice()).transpose()?.map(Targets::Dense);
        let wide = wide.as_ref().map(|y| y.as_slice()).transpose()?.map(Targets::Wide);
        let targets = match &self.targets {
            Some(HeldTargets::Classes(classes)) => Some(Targets::Classes(classes)),
            Some(HeldTargets::Sparse(rows)) => Some(Targets::Sparse(rows.targets())),
            _ => narrow.or(wide),
        };
        Ok(py.detach(|| f(samples, targets, self.weights.as_deref()))?)
    }
}

/// A copy of the values of what a matrix stores, in float64.
fn exactly(x: &Csr, values: &[f64], name: &str) -> PyResult<Vec<f64>> {
    if values.len() != x.nnz() || values.iter().any(|v| !v.is_finite()) {
        let expected = format!("{} finite numbers", x.nnz());
        return Err(Error::invalid(name, format!("{} values", values.len()), expected).into());
    }
    Ok(copied(values, "sparse samples")?)
}

fn check_weights(weights: &[f32], samples: usize) -> Result<()> {
    let name = "sample_weight";
    if weights.len() != samples {
        let expected = format!("{samples}, as many as x has samples");
        return Err(Error::invalid(name, format!("{} values", weights.len()), expected));
    }
    let bad = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0));
    bad.map_or(Ok(()), |i| {
        let value = format!("{} at {i}", weights[i]);
        Err(Error::invalid(name, value, "finite numbers of at least 0"))
    })
}
