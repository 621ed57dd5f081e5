//! Changes of the topology.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use super::Network;
use crate::memory::copied;
use crate::nn::{Change, Pruning, Removed};
use crate::python::convert::from_json;
use crate::python::rules::{LayerTurnover, Pruned};
use crate::topology::{Grown, NamedRule};

/// What a compaction removed of a layer.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct RemovedNeurons {
    neurons: usize,
    /// Those of them that were constants.
    constant: usize,
    /// Their incoming connections.
    connections: usize,
}

/// A change of a layer as Python hands it over, and copies of its arrays.
type ChangeArrays<'py> = (
    PyReadonlyArray1<'py, bool>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, u32>,
    PyReadonlyArray1<'py, f32>,
);
type OwnedChange = (Vec<bool>, Vec<u32>, Vec<u32>, Vec<f32>);

#[pymethods]
impl Network {
    /// Evolves every layer but the last by a rule that needs no samples, given in JSON.
    fn evolve(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<LayerTurnover>> {
        let (par, rule) = (self.par()?, from_json::<NamedRule>("rule", rule)?);
        let layers = py.detach(|| {
            let mlp = &mut *self.write()?;
            par.awake(|| mlp.evolve(&par, &rule))
        })?;
        Ok(LayerTurnover::all(layers))
    }

    /// Changes each layer but the last as it is told, or not at all: flags of the connections that
    /// go; inputs, outputs and weights of those that grow.
    fn rewire(
        &self,
        py: Python<'_>,
        changes: Vec<Option<ChangeArrays<'_>>>,
    ) -> PyResult<Vec<LayerTurnover>> {
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
        let layers = py.detach(|| {
            let mut views = Vec::new();
            for change in &changes {
                views.push(change.as_ref().map(|(drop, inputs, outputs, values)| Change {
                    drop,
                    grow: Grown { inputs, outputs, values },
                }));
            }
            self.write()?.rewire(&par, &views)
        })?;
        Ok(LayerTurnover::all(layers))
    }

    /// Prunes hidden neurons by a rule in JSON; tells what became of each hidden layer.
    fn prune(&self, py: Python<'_>, rule: &str) -> PyResult<Vec<Pruned>> {
        let (par, rule) = (self.par()?, from_json::<Pruning>("rule", rule)?);
        Ok(Pruned::all(py.detach(|| self.write()?.prune(&par, &rule))?))
    }

    /// Removes neurons that cannot matter; returns what went of each layer from the inputs on.
    fn compact(&self, py: Python<'_>, inputs: bool) -> PyResult<Vec<RemovedNeurons>> {
        let par = self.par()?;
        let removed = py.detach(|| self.write()?.compact(&par, inputs))?;
        // Before Python code runs, so that a Ctrl-C cannot come in between.
        self.renew_config(py)?;
        let named = |r: Removed| RemovedNeurons {
            neurons: r.neurons,
            constant: r.constant,
            connections: r.connections,
        };
        Ok(removed.into_iter().map(named).collect())
    }
}
