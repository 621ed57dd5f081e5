//! What layers consist of, as NumPy arrays.

use std::sync::Arc;

use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Network;
use crate::error::Result;
use crate::memory::{collected, copied, reserved};
use crate::nn::{Layer, Mlp, Origin, SRelu};
use crate::topology::{incoming_strength, outgoing_strength, path_strength};

/// An array, and the momentum of its values.
type WithMomentum<'py> = (Bound<'py, PyArray1<f32>>, Bound<'py, PyArray1<f32>>);

/// Neurons of each layer before any compaction, and the numbers that those had that are left.
type BeforeCompaction<'py> = (Vec<usize>, Vec<Bound<'py, PyArray1<u32>>>);

/// A layer's connections: a matrix in CSR with a row for each output neuron.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct LayerWeights {
    /// A copy.
    indptr: Py<PyArray1<i64>>,
    /// Shared.
    indices: Py<Snapshot>,
    /// Shared.
    values: Py<Snapshot>,
}

/// Memory of the network that a NumPy array can be made of without a copy, through NumPy's array
/// interface. The network copies its values before changing them while this is alive.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct Snapshot(Shared);

enum Shared {
    /// Column indices; shown as int32, SciPy's index type, if the flag says that all fit.
    Indices(Arc<Vec<u32>>, bool),
    Values(Arc<Vec<f32>>),
}

#[pymethods]
impl Network {
    /// A layer's offsets (copied), and its indices and values (shared).
    fn weights<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<LayerWeights> {
        let (indptr, indices, values) = self.layer(py, layer, |l| {
            let w = l.weights();
            let indptr = w.pattern().indptr().iter().map(|&p| p as i64);
            let indptr: Vec<i64> = collected(indptr, "row offsets")?;
            let narrow = w.n_cols() <= i32::MAX as usize;
            let indices = Snapshot(Shared::Indices(w.shared_indices(), narrow));
            Ok((indptr, indices, Snapshot(Shared::Values(w.shared_data()))))
        })?;
        Ok(LayerWeights {
            indptr: PyArray1::from_vec(py, indptr).unbind(),
            indices: Py::new(py, indices)?,
            values: Py::new(py, values)?,
        })
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
    fn bias<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<WithMomentum<'py>> {
        let (bias, momentum) = self.layer(py, layer, |l| {
            Ok((copied(l.bias(), "biases")?, copied(l.bias_momentum(), "momentum of biases")?))
        })?;
        Ok((PyArray1::from_vec(py, bias), PyArray1::from_vec(py, momentum)))
    }

    /// Second moments of a layer's weights and biases; empty if there are none.
    fn second_moments<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<WithMomentum<'py>> {
        let what = "second moments";
        let (weights, bias) = self.layer(py, layer, |l| {
            Ok((copied(l.second_moment(), what)?, copied(l.bias_second_moment(), what)?))
        })?;
        Ok((PyArray1::from_vec(py, weights), PyArray1::from_vec(py, bias)))
    }

    /// SReLU's parameters of a layer and their momentum, four for each neuron one after the other,
    /// if it has some.
    fn srelu<'py>(&self, py: Python<'py>, layer: usize) -> PyResult<Option<WithMomentum<'py>>> {
        let both = self.layer(py, layer, |l| {
            let copy = |values| copied(values, "parameters of SReLU");
            l.srelu().map(|s| Ok((copy(s.parameters())?, copy(s.momentum())?))).transpose()
        })?;
        Ok(both
            .map(|(own, momentum)| (PyArray1::from_vec(py, own), PyArray1::from_vec(py, momentum))))
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
    fn origin<'py>(&self, py: Python<'py>) -> PyResult<Option<BeforeCompaction<'py>>> {
        let origin = py
            .detach(|| -> Result<_> { self.read()?.origin().map(Origin::try_clone).transpose() })?;
        Ok(origin.map(|origin| {
            let (sizes, ids) = origin.into_parts();
            (sizes, ids.into_iter().map(|ids| PyArray1::from_vec(py, ids)).collect())
        }))
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
