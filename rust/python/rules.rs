//! Rules of the topology from Python, and what they have done.

use pyo3::prelude::*;

use crate::nn::Pruned as Report;
use crate::topology::Turnover;

/// How many connections of a layer were dropped and grown.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct LayerTurnover {
    dropped: usize,
    grown: usize,
}

/// How many neurons of a hidden layer were pruned, with how many connections; or why none was.
#[pyclass(frozen, get_all, module = "trulysparse._core")]
pub struct Pruned {
    neurons: usize,
    connections: usize,
    refusal: Option<String>,
}

#[pymethods]
impl LayerTurnover {
    #[new]
    fn new(dropped: usize, grown: usize) -> Self {
        LayerTurnover { dropped, grown }
    }
}

#[pymethods]
impl Pruned {
    #[new]
    fn new(neurons: usize, connections: usize, refusal: Option<String>) -> Self {
        Pruned { neurons, connections, refusal }
    }
}

impl LayerTurnover {
    pub fn all(layers: Vec<Turnover>) -> Vec<Self> {
        layers
            .into_iter()
            .map(|Turnover { dropped, grown }| LayerTurnover { dropped, grown })
            .collect()
    }
}

impl Pruned {
    pub fn all(layers: Vec<Report>) -> Vec<Self> {
        let plain = |Report { neurons, connections, refused }| Pruned {
            neurons,
            connections,
            refusal: refused.map(|refused| refused.reason().to_owned()),
        };
        layers.into_iter().map(plain).collect()
    }
}
