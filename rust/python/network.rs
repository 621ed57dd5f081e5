//! The network as a Python object.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use numpy::{PyArray1, PyReadonlyArray1, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyString};

use super::convert::{self, PruningArguments, offsets};
use super::data::Data;
use super::interrupt::{Tick, watched, watched_with_locks};
use super::results::{Counters, Scores};
use super::shared_network::SharedNetwork;
use super::until_tick;
use crate::checkpoint::{self, UserData};
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{available, collected, copied, reserved};
use crate::nn::{Config, Footprint, Layer, Mlp, Origin, SRelu, Set, Standardizer};
use crate::parallel::Par;
use crate::topology::{Grown, incoming_strength, outgoing_strength, path_strength};
use crate::train::{InferencePass, gradient_norms};
use crate::watch::Watch;

/// One matrix as Python hands it over: offsets, columns, values and biases.
type MatrixArrays<'py> = (
    PyReadonlyArray1<'py, i64>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, f32>,
    PyReadonlyArray1<'py, f32>,
);

/// A change of a layer as Python hands it over, and copies of its arrays.
type ChangeArrays<'py> = (
    PyReadonlyArray1<'py, bool>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, f32>,
);
type OwnedChange = (Vec<bool>, Vec<u32>, Vec<u32>, Vec<f32>);

/// A network and the threads that it uses.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Network {
    shared: SharedNetwork,
    /// The JSON text of the settings, which is never waited for; looked at with the interpreter's lock.
    config: Mutex<Py<PyString>>,
}

/// Memory of the network that a NumPy array can be made of without a copy, through NumPy's array
/// interface. The network copies its values before changing them while this is alive.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Snapshot(Shared);

impl Deref for Network {
    type Target = SharedNetwork;
    fn deref(&self) -> &SharedNetwork {
        &self.shared
    }
}

enum Shared {
    /// Column indices; shown as int32, SciPy's index type, if the flag says that all fit.
    Indices(Arc<Vec<u32>>, bool),
    Values(Arc<Vec<f32>>),
}

impl Network {
    pub(super) fn wrap(py: Python<'_>, mlp: Mlp, par: Par) -> Self {
        let config = PyString::new(py, &mlp.config().to_json()).unbind();
        Network { shared: SharedNetwork::new(mlp, par), config: Mutex::new(config) }
    }

    /// Reads the settings anew, after they may have changed.
    fn renew_config(&self, py: Python<'_>) -> PyResult<()> {
        let text = py.detach(|| self.read().map(|mlp| mlp.config().to_json()))?;
        *self.config_lock() = PyString::new(py, &text).unbind();
        Ok(())
    }

    fn config_lock(&self) -> MutexGuard<'_, Py<PyString>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn layer<R: Send>(
        &self,
        py: Python<'_>,
        index: usize,
        f: impl FnOnce(&Layer) -> Result<R> + Send,
    ) -> PyResult<R> {
        Ok(py.detach(|| {
            let mlp = self.read()?;
            let count = mlp.layers().len();
            match mlp.layers().get(index) {
                Some(layer) => f(layer),
                None => Err(Error::invalid("layer", index, format!("an index below {count}"))),
            }
        })?)
    }
}

/// Connections, neurons, bytes by what they are for, bytes taken already, bytes available.
type PlanParts = (f64, usize, Vec<(&'static str, f64)>, f64, Option<u64>);

fn plan_parts(footprint: &Footprint, taken: f64) -> PlanParts {
    let Footprint { connections, neurons, parts } = footprint.clone();
    (connections, neurons, parts, taken, available())
}

/// The bytes of memory that this process has now; None if the system does not say.
#[pyfunction]
pub fn resident_memory() -> Option<u64> {
    crate::memory::resident()
}

/// What a network that is yet to be made and its training on batches would take.
#[pyfunction]
pub fn plan(
    config: &str,
    batch_size: usize,
    evolves: Option<f64>,
    memory: &str,
    adam: bool,
) -> PyResult<PlanParts> {
    let memory = convert::memory(memory)?;
    let expected =
        Footprint::expected(&Config::from_json(config)?, batch_size, evolves, memory, adam)?;
    Ok(plan_parts(&expected, 0.0))
}

#[pymethods]
impl Network {
    #[new]
    #[pyo3(signature = (config, threads, tick=None))]
    fn new(py: Python<'_>, config: &str, threads: usize, tick: Tick) -> PyResult<Self> {
        let (config, par) = (Config::from_json(config)?, Par::new(threads)?);
        let mlp = watched(py, tick, |watch| Mlp::new_watched(&par, config, watch))?;
        Ok(Network::wrap(py, mlp, par))
    }

    /// A network with given connections, a matrix with one row per output neuron for each layer.
    #[staticmethod]
    fn from_matrices(
        py: Python<'_>,
        config: &str,
        threads: usize,
        matrices: Vec<MatrixArrays<'_>>,
    ) -> PyResult<Self> {
        let (config, par) = (Config::from_json(config)?, Par::new(threads)?);
        let mut layers = Vec::new();
        for ((indptr, indices, data, bias), n_in) in matrices.iter().zip(&config.layer_sizes) {
            let indptr = offsets(indptr)?;
            let indices = copied(indices.as_slice()?, "connections")?;
            let weights = Csr::new(*n_in, indptr, indices, copied(data.as_slice()?, "weights")?)?;
            let bias = copied(bias.as_slice()?, "biases")?;
            if let Some(b) = bias.iter().find(|b| !b.is_finite()) {
                return Err(Error::invalid("biases", b, "finite numbers").into());
            }
            layers.push(Layer::with_bias(weights, bias)?);
        }
        let mlp = py.detach(|| Mlp::from_layers(config, layers))?;
        Ok(Network::wrap(py, mlp, par))
    }

    /// The settings as the JSON text that the constructor takes.
    #[getter]
    fn config(&self, py: Python<'_>) -> Py<PyString> {
        self.config_lock().clone_ref(py)
    }

    /// What the network has been through.
    fn counters(&self, py: Python<'_>) -> PyResult<Counters> {
        Ok(py.detach(|| self.read().map(|mlp| mlp.counters))?.into())
    }

    #[getter]
    fn threads(&self) -> PyResult<usize> {
        Ok(self.par()?.threads())
    }

    fn set_threads(&self, threads: usize) -> PyResult<()> {
        Ok(self.set_par(Par::new(threads)?)?)
    }

    /// Connections of each layer.
    fn nnz(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        let nnz = |mlp: &Mlp| mlp.layers().iter().map(|l| l.weights().nnz()).collect();
        Ok(py.detach(|| self.read().map(|mlp| nnz(&mlp)))?)
    }

    /// A layer's offsets (copied), and its indices and values (shared).
    fn weights<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<(Bound<'py, PyArray1<i64>>, Snapshot, Snapshot)> {
        let (indptr, indices, values) = self.layer(py, layer, |l| {
            let w = l.weights();
            let indptr = w.pattern().indptr().iter().map(|&p| p as i64);
            let indptr: Vec<i64> = collected(indptr, "row offsets")?;
            let narrow = w.n_cols() <= i32::MAX as usize;
            let indices = Snapshot(Shared::Indices(w.shared_indices(), narrow));
            Ok((indptr, indices, Snapshot(Shared::Values(w.shared_data()))))
        })?;
        Ok((PyArray1::from_vec(py, indptr), indices, values))
    }

    /// As `plan` of this module, of the network as it is, and the bytes that it takes already.
    fn plan(
        &self,
        py: Python<'_>,
        batch_size: usize,
        evolves: Option<f64>,
        memory: &str,
        adam: bool,
    ) -> PyResult<PlanParts> {
        let memory = convert::memory(memory)?;
        Ok(py.detach(|| {
            let mlp = self.read()?;
            Ok::<_, Error>(plan_parts(
                &Footprint::of(&mlp, batch_size, evolves, memory, adam),
                mlp.bytes(),
            ))
        })?)
    }

    /// A layer's values (shared), and its biases with SReLU's parameters behind them (copied).
    fn values<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<(Snapshot, Bound<'py, PyArray1<f32>>)> {
        let (values, others) = self.layer(py, layer, |l| {
            let srelu = l.srelu().map_or(&[][..], SRelu::parameters);
            let mut others = reserved(l.bias().len() + srelu.len(), "biases")?;
            [l.bias(), srelu].iter().for_each(|part| others.extend_from_slice(part));
            Ok((Snapshot(Shared::Values(l.weights().shared_data())), others))
        })?;
        Ok((values, PyArray1::from_vec(py, others)))
    }

    /// Momentum of a layer's weights, aligned with its values.
    fn momentum<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyArray1<f32>>> {
        Ok(PyArray1::from_vec(py, self.layer(py, layer, |l| copied(l.momentum(), "momentum"))?))
    }

    /// A layer's biases and their momentum.
    #[allow(clippy::type_complexity)]
    fn bias<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>)> {
        let (bias, momentum) = self.layer(py, layer, |l| {
            Ok((copied(l.bias(), "biases")?, copied(l.bias_momentum(), "momentum of biases")?))
        })?;
        Ok((PyArray1::from_vec(py, bias), PyArray1::from_vec(py, momentum)))
    }

    /// Adam's second moments of a layer's weights and biases; empty if there are none.
    #[allow(clippy::type_complexity)]
    fn second_moments<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<(Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>)> {
        let what = "second moments";
        let (weights, bias) = self.layer(py, layer, |l| {
            Ok((copied(l.second_moment(), what)?, copied(l.bias_second_moment(), what)?))
        })?;
        Ok((PyArray1::from_vec(py, weights), PyArray1::from_vec(py, bias)))
    }

    /// SReLU's parameters of a layer and their momentum, four for each neuron one after the other,
    /// if it has some.
    #[allow(clippy::type_complexity)]
    fn srelu<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<Option<(Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>)>> {
        let both = self.layer(py, layer, |l| {
            let copy = |values| copied(values, "parameters of SReLU");
            l.srelu().map(|s| Ok((copy(s.parameters())?, copy(s.momentum())?))).transpose()
        })?;
        Ok(both
            .map(|(own, momentum)| (PyArray1::from_vec(py, own), PyArray1::from_vec(py, momentum))))
    }

    /// The norm of each layer's gradient over all samples, as one batch.
    fn gradient_norms(&self, py: Python<'_>, data: &Data) -> PyResult<Vec<f64>> {
        let par = self.par()?;
        data.with(py, |data| gradient_norms(&par, &*self.read()?, data))
    }

    /// Incoming strength of a layer's neurons.
    fn importance<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<Bound<'py, PyArray1<f32>>> {
        let par = self.par()?;
        Ok(PyArray1::from_vec(py, self.layer(py, layer, |l| incoming_strength(&par, l.weights()))?))
    }

    /// Outgoing strength of a layer's inputs.
    fn outgoing_strength<'py>(
        &self,
        py: Python<'py>,
        layer: usize,
    ) -> PyResult<Bound<'py, PyArray1<f64>>> {
        Ok(PyArray1::from_vec(py, self.layer(py, layer, |l| outgoing_strength(l.weights()))?))
    }

    /// Path strength of the network's inputs.
    fn path_strength<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let strength = |mlp: &Mlp| path_strength(mlp.layers().iter().map(Layer::weights));
        Ok(PyArray1::from_vec(py, py.detach(|| strength(&*self.read()?))?))
    }

    /// A layer's neurons that were pruned for good, or nothing if none was.
    fn pruned<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let flags = self.layer(py, layer, |l| copied(l.pruned(), "pruned neurons"))?;
        Ok(PyArray1::from_vec(py, flags))
    }

    /// Neurons of each layer with weights that have incoming connections.
    fn connected_neurons(&self, py: Python<'_>) -> PyResult<Vec<usize>> {
        Ok(py.detach(|| self.read().map(|mlp| mlp.connected_neurons()))?)
    }

    /// Neurons of each layer before any compaction, and the original numbers of those that are
    /// left, empty for layers that have all of them; None without a compaction.
    #[allow(clippy::type_complexity)]
    fn origin<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(Vec<usize>, Vec<Bound<'py, PyArray1<u32>>>)>> {
        let origin = py
            .detach(|| -> Result<_> { self.read()?.origin().map(Origin::try_clone).transpose() })?;
        Ok(origin.map(|origin| {
            let (sizes, ids) = origin.into_parts();
            (sizes, ids.into_iter().map(|ids| PyArray1::from_vec(py, ids)).collect())
        }))
    }

    /// Means and scales of the inputs, if there are statistics.
    #[allow(clippy::type_complexity)]
    fn standardizer<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<(Bound<'py, PyArray1<f64>>, Bound<'py, PyArray1<f64>>)>> {
        let statistics = py.detach(|| -> Result<_> {
            let mlp = self.read()?;
            let what = "statistics";
            mlp.standardizer()
                .map(|s| Ok((copied(s.mean(), what)?, copied(s.scale(), what)?)))
                .transpose()
        })?;
        Ok(statistics
            .map(|(mean, scale)| (PyArray1::from_vec(py, mean), PyArray1::from_vec(py, scale))))
    }

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

    /// Undoes [`Network::standardize_on`] where it took statistics.
    fn forget_standardizer(&self, py: Python<'_>) -> PyResult<()> {
        Ok(py.detach(|| -> Result<()> {
            self.write()?.forget_standardizer();
            Ok(())
        })?)
    }

    /// Evolves every layer but the last; returns the replaced connections per layer.
    fn evolve(&self, py: Python<'_>, zeta: f64, grow_init: f32) -> PyResult<Vec<usize>> {
        let par = self.par()?;
        let set = Set { zeta, grow_init };
        Ok(py.detach(|| {
            let mlp = &mut *self.write()?;
            par.awake(|| mlp.evolve(&par, &set))
        })?)
    }

    /// Changes each layer but the last as it is told, or not at all: flags of the connections that
    /// go; inputs, outputs and weights of those that grow. Returns (dropped, grown) per layer.
    fn rewire(
        &self,
        py: Python<'_>,
        changes: Vec<Option<ChangeArrays<'_>>>,
    ) -> PyResult<Vec<(usize, usize)>> {
        let par = self.par()?;
        let change = |arrays: &Option<ChangeArrays<'_>>| -> PyResult<Option<OwnedChange>> {
            let Some((drop, inputs, outputs, values)) = arrays else { return Ok(None) };
            // Copies, as another thread could write to the arrays between a check and a use.
            let what = "a change of the topology";
            Ok(Some((
                copied(drop.as_slice()?, what)?,
                copied(inputs.as_slice()?, what)?,
                copied(outputs.as_slice()?, what)?,
                copied(values.as_slice()?, what)?,
            )))
        };
        let changes = changes.iter().map(change).collect::<PyResult<Vec<_>>>()?;
        Ok(py.detach(|| {
            let mut views = Vec::new();
            for change in &changes {
                views.push(change.as_ref().map(|(drop, inputs, outputs, values)| {
                    (&drop[..], Grown { inputs, outputs, values })
                }));
            }
            self.write()?.rewire(&par, &views)
        })?)
    }

    /// Prunes hidden neurons. Returns for each hidden layer the neurons, their connections and, if
    /// the layer was left alone, why.
    fn prune(
        &self,
        py: Python<'_>,
        rule: PruningArguments,
    ) -> PyResult<Vec<(usize, usize, Option<&'static str>)>> {
        let (par, rule) = (self.par()?, rule.pruning()?);
        let reports = py.detach(|| self.write()?.prune(&par, &rule))?;
        Ok(convert::pruned(reports))
    }

    /// Removes neurons that cannot matter; returns for each layer from the inputs on the neurons,
    /// those of them that were constants, and the incoming connections.
    fn compact(&self, py: Python<'_>, inputs: bool) -> PyResult<Vec<(usize, usize, usize)>> {
        let par = self.par()?;
        let removed = py.detach(|| self.write()?.compact(&par, inputs))?;
        // Before Python code runs, so that a Ctrl-C cannot come in between.
        self.renew_config(py)?;
        Ok(removed.into_iter().map(|r| (r.neurons, r.constant, r.connections)).collect())
    }

    /// Takes over the average of networks that were made from this one.
    fn average(&self, py: Python<'_>, networks: Vec<Py<Network>>) -> PyResult<()> {
        let par = self.par()?;
        Ok(py.detach(|| {
            let mut own = self.write()?;
            let others = networks.iter().map(|n| n.get().read()).collect::<Result<Vec<_>>>()?;
            let others: Vec<&Mlp> = others.iter().map(|guard| &**guard).collect();
            let shape = |mlp: &Mlp| mlp.config().layer_sizes.clone();
            if others.is_empty() || others.iter().any(|mlp| shape(mlp) != shape(&own)) {
                let expected = "one or more of this network's layer sizes";
                return Err(Error::invalid("networks", others.len(), expected));
            }
            own.average(&par, &others)
        })?)
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

    /// Takes over the content of another network, which gets this one's. Threads stay.
    #[pyo3(name = "become")]
    fn become_(&self, py: Python<'_>, other: Bound<'_, Network>) -> PyResult<()> {
        let other = other.get();
        py.detach(|| self.exchange(other))?;
        if !std::ptr::eq(self, other) {
            std::mem::swap(&mut *self.config_lock(), &mut *other.config_lock());
        }
        Ok(())
    }

    /// A second network with the same content.
    fn copy(&self, py: Python<'_>) -> PyResult<Self> {
        let par = self.par()?;
        let mlp = py.detach(|| self.read()?.try_clone())?;
        Ok(Network::wrap(py, mlp, par))
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

    /// `tick(bytes done, all bytes)` is called about every 100 ms, here and in `load`.
    #[pyo3(signature = (path, user, tick=None))]
    fn save(&self, py: Python<'_>, path: PathBuf, user: UserData, tick: Tick) -> PyResult<()> {
        watched_with_locks(py, tick, |watch| checkpoint::save(&*self.read()?, &user, &path, watch))
    }

    #[staticmethod]
    #[pyo3(signature = (path, threads, tick=None))]
    fn load(
        py: Python<'_>,
        path: PathBuf,
        threads: usize,
        tick: Tick,
    ) -> PyResult<(Self, UserData)> {
        let par = Par::new(threads)?;
        let (mlp, user) = watched(py, tick, |watch| checkpoint::load(&path, watch))?;
        Ok((Network::wrap(py, mlp, par), user))
    }

    fn to_bytes<'py>(&self, py: Python<'py>, user: UserData) -> PyResult<Bound<'py, PyBytes>> {
        let bytes =
            py.detach(|| checkpoint::to_bytes(&*self.read()?, &user, &mut Watch::none()))?;
        Ok(PyBytes::new(py, &bytes))
    }

    #[staticmethod]
    fn from_bytes(py: Python<'_>, bytes: &[u8], threads: usize) -> PyResult<(Self, UserData)> {
        let par = Par::new(threads)?;
        let work = |watch: &mut Watch<'_>| checkpoint::from_bytes(bytes, "bytes", watch);
        let (mlp, user) = watched(py, None, work)?;
        Ok((Network::wrap(py, mlp, par), user))
    }
}

#[pymethods]
impl Snapshot {
    /// NumPy's array interface, version 3: a read-only vector over the shared memory.
    #[getter]
    fn __array_interface__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let order = if cfg!(target_endian = "little") { '<' } else { '>' };
        let (address, len, kind) = match &self.0 {
            Shared::Indices(v, true) => (v.as_ptr() as usize, v.len(), "i4"),
            Shared::Indices(v, false) => (v.as_ptr() as usize, v.len(), "u4"),
            Shared::Values(v) => (v.as_ptr() as usize, v.len(), "f4"),
        };
        let dict = PyDict::new(py);
        dict.set_item("version", 3)?;
        dict.set_item("shape", (len,))?;
        dict.set_item("typestr", format!("{order}{kind}"))?;
        dict.set_item("data", (address, true))?;
        Ok(dict)
    }
}
