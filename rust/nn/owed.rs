//! What connections of the first layer owe: steps in which no sample of the batch had their feature.
//! They make them when a sample has it again, or when someone looks.
//!
//! A network that owes is looked at through a copy that owes nothing ([`Mlp::settled`]): whoever looks
//! changes no bit of what training makes of it.

use std::sync::Arc;

use super::layer::Layer;
use super::mlp::Mlp;
use super::optimizer::Optimizer;
use crate::csr::Transpose;
use crate::error::Result;
use crate::kernels::{Behind, Idle, ParametersOf, Step, Touched};
use crate::memory::{copied, filled};
use crate::parallel::Par;

const WHAT: &str = "sparse inputs";
/// Connections that are settled at a time: what they are copied to stays near.
const BLOCK: usize = 1 << 16;

/// Where a batch touches one in this number of connections, it pays to update all in a row. Measured
/// (docs/speed.md).
const MANY: f64 = 4.0;

/// The features of which a batch has values, where these are few.
#[derive(Clone, Copy, Debug)]
pub struct FewFeatures {
    /// About how many.
    pub count: f64,
    /// Those that every sample has, in its dense block.
    pub dense: usize,
}

/// The steps that have been made, and which of them the connections of each feature have missed.
#[derive(Clone, Debug)]
pub(super) struct Owed {
    index: Arc<Transpose>,
    /// None before the first step.
    idle: Option<Idle>,
    /// For each feature the number of the first step that its connections have missed.
    since: Vec<u32>,
}

impl Owed {
    fn new(index: Arc<Transpose>) -> Result<Self> {
        let since = filled(index.n_cols(), 0, WHAT)?;
        Ok(Owed { index, idle: None, since })
    }

    /// What connections must make up for, if there is something.
    pub(super) fn behind(&self) -> Option<Behind<'_>> {
        let idle = self.idle.as_ref()?;
        Some(Behind { idle, since: &self.since })
    }

    /// Notes a step which the connections of these features have made.
    pub(super) fn note(&mut self, step: &Step, features: &[u32]) {
        let idle = self.idle.get_or_insert_with(|| Idle::new(step));
        idle.push(step);
        features.iter().for_each(|&f| self.since[f as usize] = idle.steps());
    }

    /// A copy.
    pub(super) fn try_clone(&self) -> Result<Self> {
        let since = copied(&self.since, WHAT)?;
        Ok(Owed { index: Arc::clone(&self.index), idle: self.idle.clone(), since })
    }

    fn takes(&self, step: &Step) -> bool {
        self.idle.as_ref().is_none_or(|idle| idle.takes(step))
    }

    fn bytes(&self) -> usize {
        size_of_val(&self.since[..]) + self.idle.as_ref().map_or(0, Idle::bytes)
    }

    /// Makes all steps that connections of `layer` owe.
    fn settle(&mut self, par: &Par, layer: &mut Layer) -> Result<()> {
        let Some(idle) = &self.idle else { return Ok(()) };
        layer.weights.unshare()?;
        let (index, now) = (&self.index, idle.steps());
        let mut touched = Touched::default();
        let mut features = Vec::new();
        let mut next = 0;
        while next < index.n_cols() {
            features.clear();
            let mut entries = 0;
            while next < index.n_cols() && entries < BLOCK {
                let own = index.indptr()[next + 1] - index.indptr()[next];
                if own > 0 && self.since[next] < now {
                    features.push(next as u32);
                    entries += own;
                }
                next += 1;
            }
            let behind = Behind { idle, since: &self.since };
            touched.copy(par, index, &features, layer.parameters(), Some(behind))?;
            touched.give_back(par, &mut layer.weights_mut().1);
            features.iter().for_each(|&f| self.since[f as usize] = now);
        }
        Ok(())
    }
}

impl Layer {
    /// The weights with their moments, to be read.
    pub(super) fn parameters(&self) -> ParametersOf<'_> {
        ParametersOf {
            values: self.weights.data(),
            momentum: &self.momentum,
            second: &self.second.weights,
        }
    }
}

impl Mlp {
    /// Whether connections owe steps.
    pub fn owes(&self) -> bool {
        self.owed.is_some()
    }

    /// The bytes that it takes to know what connections owe.
    pub(super) fn owed_bytes(&self) -> usize {
        self.owed.as_ref().map_or(0, |owed| owed.bytes())
    }

    /// Makes all steps that connections owe. If memory runs out some owe still.
    pub fn settle(&mut self, par: &Par) -> Result<()> {
        if let Some(owed) = &mut self.owed {
            owed.settle(par, &mut self.layers[0])?;
            self.owed = None;
        }
        Ok(())
    }

    /// A copy that owes nothing, with the bits that [`Mlp::settle`] would give.
    pub fn settled(&self, par: &Par) -> Result<Self> {
        let mut copy = self.try_clone()?;
        copy.settle(par)?;
        Ok(copy)
    }

    /// Makes ready for a step of `optimizer` on a batch that has values of `features`, if work goes by
    /// these. If they touch many connections, or none are given, every connection makes its step.
    pub fn prepare_step(
        &mut self,
        par: &Par,
        optimizer: &Optimizer,
        features: Option<FewFeatures>,
    ) -> Result<()> {
        let weights = &self.layers[0].weights;
        let few = |of: FewFeatures| MANY * of.count <= weights.n_cols() as f64;
        // The shift of features that are centred gives every connection a gradient.
        let standardizer = self.standardizer.as_ref();
        let shifts = |of: FewFeatures| standardizer.is_some_and(|s| s.shifts_behind(of.dense));
        let lazy = features.is_some_and(|of| few(of) && !shifts(of));
        if let Some(owed) = &self.owed {
            let step = optimizer.step((0, 1), 0, 1).of_weights(&self.layers, 0);
            if !lazy || !owed.takes(&step) {
                self.settle(par)?;
            }
        }
        if lazy && self.owed.is_none() {
            let index = Arc::clone(self.layers[0].transposed(par)?);
            self.owed = Some(Box::new(Owed::new(index)?));
        }
        Ok(())
    }
}
