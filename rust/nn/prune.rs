//! Importance pruning: neurons of little importance lose their incoming connections
//! (arXiv 2102.01732).

use super::mlp::{Mlp, Sources};
use crate::csr::NONE;
use crate::error::{Error, Result};
use crate::memory::{collected, copied, filled, reserved};
use crate::parallel::Par;
use crate::topology::{incoming_strength, percentile};

const WHAT: &str = "pruning";

/// Which neurons of a layer are pruned: those whose importance is at or below a threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pruning {
    /// The threshold is this percentile, in (0, 100), of the importances of the layer's neurons
    /// that have connections, interpolated linearly.
    Percentile(f64),
    /// The threshold itself, at least 0.
    Threshold(f64),
}

/// What pruning did to a hidden layer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Neurons that lost their connections.
    pub neurons: usize,
    /// The connections that they lost.
    pub connections: usize,
    /// Why the layer was left alone, if it was.
    pub refused: Option<Refusal>,
}

/// Why a layer is not pruned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No neuron with connections would be left.
    NoneLeft,
    /// An importance is not finite: training has diverged.
    NotFinite,
}

impl Refusal {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::NoneLeft => "all of its connected neurons are at or below the threshold",
            Refusal::NotFinite => "an importance is not finite",
        }
    }
}

impl Pruning {
    /// Checks the value; the message names the argument.
    pub fn check(&self) -> Result<()> {
        match *self {
            Pruning::Percentile(p) if !(p > 0.0 && p < 100.0) => {
                Err(Error::invalid("percentile", p, "a number above 0 and below 100"))
            }
            Pruning::Threshold(t) if !(t.is_finite() && t >= 0.0) => {
                Err(Error::invalid("threshold", t, "a finite number of at least 0"))
            }
            _ => Ok(()),
        }
    }

    /// The threshold for the importances of connected neurons, at least one; reorders them.
    fn threshold(&self, importances: &mut [f32]) -> f64 {
        match *self {
            Pruning::Percentile(p) => percentile(importances, p),
            Pruning::Threshold(threshold) => threshold,
        }
    }
}

impl Mlp {
    /// Removes all incoming connections of the hidden neurons that the rule finds in each layer;
    /// their biases stay. With `close` SET grows none for them again. A layer is never emptied:
    /// one whose connected neurons would all go is left as it is, and so is one with an importance
    /// that is not finite. Returns what was done to each hidden layer.
    ///
    /// If memory runs out nothing has changed.
    pub fn prune(&mut self, par: &Par, rule: Pruning, close: bool) -> Result<Vec<Pruned>> {
        self.prune_tracked(par, rule, close, false).map(|(reports, _)| reports)
    }

    /// [`Mlp::prune`] that, with `track`, also says where the connections of each layer come from.
    pub fn prune_tracked(
        &mut self,
        par: &Par,
        rule: Pruning,
        close: bool,
        track: bool,
    ) -> Result<(Vec<Pruned>, Sources)> {
        rule.check()?;
        let hidden = self.layers.len() - 1;
        let mut reports = reserved(hidden, WHAT)?;
        let mut parts = reserved(hidden, WHAT)?;
        for layer in &self.layers[..hidden] {
            let w = &layer.weights;
            let connected = |r: usize| !w.pattern().row(r).is_empty();
            let strengths = incoming_strength(par, w)?;
            let mut importances = reserved(w.n_rows(), WHAT)?;
            importances.extend((0..w.n_rows()).filter(|&r| connected(r)).map(|r| strengths[r]));
            parts.push(None);
            let mut report = Pruned::default();
            if importances.iter().any(|v| !v.is_finite()) {
                report.refused = Some(Refusal::NotFinite);
            } else if !importances.is_empty() {
                let threshold = rule.threshold(&mut importances);
                let goes = |r: usize| connected(r) && f64::from(strengths[r]) <= threshold;
                report.neurons = (0..w.n_rows()).filter(|&r| goes(r)).count();
                if report.neurons == importances.len() {
                    report = Pruned { refused: Some(Refusal::NoneLeft), ..Pruned::default() };
                } else if report.neurons > 0 {
                    let rows = (0..w.n_rows()).map(|r| if goes(r) { NONE } else { r as u32 });
                    let rows = collected(rows, WHAT)?;
                    let columns = collected((0..w.n_cols()).map(|c| c as u32), WHAT)?;
                    let mut flags = match &layer.pruned[..] {
                        [] if close => filled(w.n_rows(), false, WHAT)?,
                        flags => copied(flags, WHAT)?,
                    };
                    if close {
                        flags.iter_mut().zip(&rows).for_each(|(flag, &r)| *flag |= r == NONE);
                    }
                    let (weights, momentum, source) =
                        layer.part(par, &rows, &columns, w.n_cols())?;
                    let second = layer.second.carried(par, &source)?;
                    report.connections = w.nnz() - weights.nnz();
                    *parts.last_mut().expect("internal: pushed above") =
                        Some((weights, (momentum, second), flags, track.then_some(source)));
                }
            }
            reports.push(report);
        }
        let mut sources = Sources::new();
        for (layer, part) in self.layers.iter_mut().zip(parts) {
            let mut from = None;
            if let Some((weights, (momentum, second), pruned, source)) = part {
                layer.second.weights = second;
                (layer.weights, layer.momentum, layer.pruned) = (weights, momentum, pruned);
                layer.transpose = None;
                from = source;
            }
            sources.push(from);
        }
        sources.push(None);
        Ok((reports, sources))
    }
}
