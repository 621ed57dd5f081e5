//! Changes of the topology.

use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use super::Network;
use crate::memory::copied;
use crate::nn::{Removed, Set};
use crate::python::convert::{self, PruningArguments};
use crate::topology::Grown;

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
