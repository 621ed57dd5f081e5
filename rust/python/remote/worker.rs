//! A worker of phase 1 whose server is another process.

use std::sync::Mutex;

use numpy::{PyReadonlyArray1, PyReadwriteArray1};
use pyo3::prelude::*;

use super::{lock, share};
use crate::error::Result;
use crate::memory::collected;
use crate::nn::{GradientView, Layout, Mlp, Replica, Standardizer};
use crate::python::data::Data;
use crate::python::network::Network;
use crate::python::results::ScoreSums;
use crate::train::{BatchSource, Cursor, DataView, GradientWorker};

/// A structure as Python has it: offsets and columns of a layer.
type LayerStructure<'py> = (PyReadonlyArray1<'py, i64>, PyReadonlyArray1<'py, u32>);

/// Takes gradients of batches of its share, on a copy of the network that is elsewhere.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct RemoteGradientWorker {
    network: Py<Network>,
    data: Py<Data>,
    state: Mutex<State>,
}

struct State {
    batches: GradientWorker,
    cursor: Cursor,
    replica: Replica,
    standardizer: Option<Standardizer>,
    seed: u64,
}

/// What a gradient is taken by and of.
struct Parts<'a> {
    batches: &'a mut GradientWorker,
    cursor: &'a mut Cursor,
    model: &'a Mlp,
    source: BatchSource<'a>,
}

#[pymethods]
impl RemoteGradientWorker {
    /// `workers`: None if the data are this worker's own. Begins where the network is.
    #[new]
    fn new(
        py: Python<'_>,
        network: Py<Network>,
        data: Py<Data>,
        batch_size: usize,
        worker: usize,
        workers: Option<usize>,
    ) -> PyResult<Self> {
        let state = data.get().with(py, |data| {
            let share = share(worker, workers, data.samples())?;
            let mlp = network.get().read()?;
            data.check(&mlp)?;
            let batches = GradientWorker::new(&mlp, share, batch_size)?;
            Ok(State {
                cursor: batches.cursor(&mlp),
                batches,
                replica: Replica::new(&mlp)?,
                standardizer: mlp.standardizer().map(Standardizer::try_clone).transpose()?,
                seed: mlp.config().seed,
            })
        })?;
        Ok(RemoteGradientWorker { network, data, state: Mutex::new(state) })
    }

    /// The number of parameters of the structure that it has.
    fn parameters(&self, py: Python<'_>) -> usize {
        py.detach(|| Layout::of(lock(&self.state).replica.model()).parameters())
    }

    /// Takes over a structure: offsets and columns of each layer.
    fn set_structure(&self, py: Python<'_>, layers: Vec<LayerStructure<'_>>) -> PyResult<()> {
        let slices = layers.iter().map(|(p, i)| Ok((p.as_slice()?, i.as_slice()?)));
        let slices: Vec<(&[i64], &[u32])> = slices.collect::<PyResult<_>>()?;
        let par = self.network.get().par()?;
        Ok(py.detach(|| {
            // A negative offset is beyond every number of connections.
            let offset = |p: &i64| usize::try_from(*p).unwrap_or(usize::MAX);
            let own = |(p, i): &(&[i64], &[u32])| {
                let indptr = collected(p.iter().map(offset), "row offsets")?;
                Ok((indptr, collected(i.iter().copied(), "columns")?))
            };
            let layers = slices.iter().map(own).collect::<Result<_>>()?;
            lock(&self.state).replica.set_structure(&par, layers)
        })?)
    }

    /// Takes over values, (parameters,).
    fn set_values(&self, py: Python<'_>, values: PyReadonlyArray1<'_, f32>) -> PyResult<()> {
        let values = values.as_slice()?;
        Ok(py.detach(|| lock(&self.state).replica.set_values(values))?)
    }

    /// Writes the gradient of the next batch to `out`, (parameters,).
    fn next_gradient(
        &self,
        py: Python<'_>,
        out: PyReadwriteArray1<'_, f32>,
    ) -> PyResult<ScoreSums> {
        let (par, mut out) = (self.network.get().par()?, out);
        let out = out.as_slice_mut()?;
        let score = self.data.get().with(py, |data| {
            let mut state = lock(&self.state);
            let Parts { batches, cursor, model, source } = state.parts(data, out)?;
            par.awake(|| batches.next_gradient(&par, model, source, cursor, out))
        })?;
        Ok(score.into())
    }

    /// Begins the pass of an epoch.
    fn shuffle(&self, py: Python<'_>, epoch: u64) -> PyResult<()> {
        Ok(py.detach(|| {
            let state = &mut *lock(&self.state);
            state.batches.shuffle(state.seed, epoch)
        })?)
    }

    /// Writes the gradient of the batch that starts at place `start` of the pass to `out`,
    /// (parameters,); None if the share ends before.
    fn gradient_at(
        &self,
        py: Python<'_>,
        start: usize,
        step: u64,
        out: PyReadwriteArray1<'_, f32>,
    ) -> PyResult<Option<ScoreSums>> {
        let (par, mut out) = (self.network.get().par()?, out);
        let out = out.as_slice_mut()?;
        let score = self.data.get().with(py, |data| {
            let mut state = lock(&self.state);
            let Parts { batches, model, source, .. } = state.parts(data, out)?;
            par.awake(|| batches.gradient_at(&par, model, source, start, step, out))
        })?;
        Ok(score.map(Into::into))
    }
}

impl State {
    /// Its parts, if `out` is as long as a gradient.
    fn parts<'a>(&'a mut self, data: &'a DataView<'_>, out: &[f32]) -> Result<Parts<'a>> {
        let (model, standardizer) = (self.replica.model(), self.standardizer.as_ref());
        GradientView::new(out, &Layout::of(model), 0)?;
        let source = BatchSource { data, standardizer, seed: self.seed };
        Ok(Parts { batches: &mut self.batches, cursor: &mut self.cursor, model, source })
    }
}
