//! Importance pruning: neurons of little importance lose their incoming connections
//! (arXiv 2102.01732, "Importance pruning").

use serde::{Deserialize, Serialize};

use super::evolve::Sources;
use super::layer::Layer;
use super::mlp::Mlp;
use super::per_layer::PerLayer;
use crate::error::{Error, Result};
use crate::memory::{collected, copied, filled, reserved};
use crate::parallel::Par;
use crate::topology::{Old, incoming_strength, percentile, without_neurons};

const WHAT: &str = "pruning";

/// Which neurons are pruned, and for how long.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pruning {
    /// The importance at or below which neurons are pruned.
    pub cut: Cut,
    /// Whether no rule grows connections to them again.
    pub close: bool,
}

/// The importance at or below which a layer's neurons are pruned.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// A percentile, in [0, 100), of the importances of all neurons of the layer, interpolated
    /// linearly. Those without connections count with importance 0, so the more there are, the
    /// fewer go. 0 leaves the layer alone.
    Percentile(PerLayer<f64>),
    /// The percentile of the layer's connected neurons only: every pruning takes the same share of
    /// them.
    ConnectedPercentile(PerLayer<f64>),
    /// The importance itself, at least 0.
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
    /// Fewer than [`least_left`] neurons with connections would be left.
    TooFewLeft,
    /// An output that depends on inputs would no longer do so.
    CutsOutput,
    /// An importance is not finite: training has diverged.
    NotFinite,
}

impl Refusal {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Refusal::TooFewLeft => {
                "too few of its neurons would keep connections: fewer than two, or than both the \
                 outputs and a tenth of the layer"
            }
            Refusal::CutsOutput => "an output would no longer depend on any input",
            Refusal::NotFinite => "an importance is not finite",
        }
    }
}

/// How many connected neurons pruning leaves to a hidden layer of `neurons` at least: as many as
/// the network has outputs or a tenth of the layer, whichever is less, and two.
pub fn least_left(neurons: usize, outputs: usize) -> usize {
    outputs.min(neurons.div_ceil(10)).max(2)
}

impl Cut {
    /// Checks the values for a network with `hidden` hidden layers; the message names the argument.
    fn check(&self, hidden: usize) -> Result<()> {
        match self {
            Cut::Threshold(t) if !(t.is_finite() && *t >= 0.0) => {
                Err(Error::invalid("threshold", t, "a finite number of at least 0"))
            }
            Cut::Threshold(_) => Ok(()),
            Cut::Percentile(values) | Cut::ConnectedPercentile(values) => {
                values.check("percentile", hidden, "hidden layer")?;
                match values.values().iter().find(|p| !(0.0..100.0).contains(*p)) {
                    Some(p) => Err(Error::invalid("percentile", p, "a number from 0 to below 100")),
                    None => Ok(()),
                }
            }
        }
    }

    /// The threshold of hidden layer `layer`, with the importances of its neurons (all of them;
    /// only the connected ones). None leaves the layer alone. Reorders them.
    fn threshold(&self, layer: usize, all: &mut [f32], connected: &mut [f32]) -> Option<f64> {
        let (values, among) = match self {
            Cut::Threshold(threshold) => return Some(*threshold),
            Cut::Percentile(values) => (values, all),
            Cut::ConnectedPercentile(values) => (values, connected),
        };
        let p = values.of(layer);
        (p > 0.0).then(|| percentile(among, p))
    }
}

/// Which neurons of hidden layer `index` are pruned by `cut`, with the counts; None if the layer
/// stays.
fn chosen(
    par: &Par,
    layer: &Layer,
    index: usize,
    outputs: usize,
    cut: &Cut,
) -> Result<(Option<Vec<bool>>, Pruned)> {
    let w = &layer.weights;
    let strengths = incoming_strength(par, w)?;
    let connected = |r: usize| !w.pattern().row(r).is_empty();
    let mut among = reserved(w.n_rows(), WHAT)?;
    among.extend((0..w.n_rows()).filter(|&r| connected(r)).map(|r| strengths[r]));
    let left_alone = |refused| Ok((None, Pruned { refused, ..Pruned::default() }));
    if among.iter().any(|v| !v.is_finite()) {
        return left_alone(Some(Refusal::NotFinite));
    }
    if among.is_empty() {
        return left_alone(None);
    }
    let Some(threshold) = cut.threshold(index, &mut copied(&strengths, WHAT)?, &mut among) else {
        return left_alone(None);
    };
    let goes = collected(
        (0..w.n_rows()).map(|r| connected(r) && f64::from(strengths[r]) <= threshold),
        WHAT,
    )?;
    let neurons = goes.iter().filter(|&&goes| goes).count();
    if neurons == 0 {
        return left_alone(None);
    }
    if among.len() - neurons < least_left(w.n_rows(), outputs) {
        return left_alone(Some(Refusal::TooFewLeft));
    }
    let lost = |(r, &goes): (usize, &bool)| if goes { w.pattern().row(r).len() } else { 0 };
    let connections = goes.iter().enumerate().map(lost).sum();
    Ok((Some(goes), Pruned { neurons, connections, refused: None }))
}

/// Which outputs some path leads to from an input, without the neurons that go.
fn reached(layers: &[Layer], goes: &[Option<Vec<bool>>]) -> Result<Vec<bool>> {
    let mut before = filled(layers[0].weights.n_cols(), true, WHAT)?;
    for (index, layer) in layers.iter().enumerate() {
        let pattern = layer.weights.pattern();
        let gone = |r: usize| goes.get(index).and_then(Option::as_ref).is_some_and(|g| g[r]);
        let hears = |r: usize| pattern.row(r).iter().any(|&c| before[c as usize]);
        let now = (0..pattern.n_rows()).map(|r| !gone(r) && hears(r));
        before = collected(now, WHAT)?;
    }
    Ok(before)
}

/// Leaves those layers alone whose pruning, after that of the layers before, would cut an output
/// off from all inputs.
fn keep_outputs(
    layers: &[Layer],
    goes: &mut [Option<Vec<bool>>],
    reports: &mut [Pruned],
) -> Result<()> {
    let whole = reached(layers, &[])?;
    let lost = |goes: &[Option<Vec<bool>>]| -> Result<bool> {
        Ok(reached(layers, goes)?.iter().zip(&whole).any(|(now, before)| *before && !now))
    };
    if !lost(goes)? {
        return Ok(());
    }
    let mut kept = reserved(goes.len(), WHAT)?;
    for (goes, report) in goes.iter_mut().zip(reports) {
        kept.push(goes.take());
        if kept.last().is_some_and(Option::is_some) && lost(&kept)? {
            *kept.last_mut().expect("internal: pushed above") = None;
            *report = Pruned { refused: Some(Refusal::CutsOutput), ..Pruned::default() };
        }
    }
    goes.iter_mut().zip(kept).for_each(|(goes, kept)| *goes = kept);
    Ok(())
}

impl Mlp {
    /// Removes all incoming connections of the hidden neurons that the rule finds in each layer;
    /// their biases stay. A layer is left as it is if too few connected neurons would be left to it
    /// ([`least_left`]), if an output would no longer depend on any input, or if an importance is
    /// not finite. Returns what was done to each hidden layer.
    ///
    /// If memory runs out nothing has changed.
    pub fn prune(&mut self, par: &Par, rule: &Pruning) -> Result<Vec<Pruned>> {
        self.prune_tracked(par, rule, false).map(|(reports, _)| reports)
    }

    /// [`Mlp::prune`] that, with `track`, also says where the connections of each layer come from.
    pub fn prune_tracked(
        &mut self,
        par: &Par,
        rule: &Pruning,
        track: bool,
    ) -> Result<(Vec<Pruned>, Sources)> {
        let (hidden, outputs) = (self.layers.len() - 1, self.n_outputs());
        rule.cut.check(hidden)?;
        let (mut reports, mut goes) = (reserved(hidden, WHAT)?, reserved(hidden, WHAT)?);
        for (index, layer) in self.layers[..hidden].iter().enumerate() {
            let (layer_goes, report) = chosen(par, layer, index, outputs, &rule.cut)?;
            goes.push(layer_goes);
            reports.push(report);
        }
        keep_outputs(&self.layers, &mut goes, &mut reports)?;
        let mut parts = reserved(hidden, WHAT)?;
        for (layer, goes) in self.layers.iter().zip(&goes) {
            let Some(goes) = goes else {
                parts.push(None);
                continue;
            };
            let mut pruned = match &layer.pruned[..] {
                [] if rule.close => filled(goes.len(), false, WHAT)?,
                flags => copied(flags, WHAT)?,
            };
            if rule.close {
                pruned.iter_mut().zip(goes).for_each(|(flag, &goes)| *flag |= goes);
            }
            let old = Old {
                weights: &layer.weights,
                carried: &layer.momentum,
                closed: &layer.pruned,
                track: track || layer.second.exist(),
            };
            let left = without_neurons(par, old, goes)?;
            let second = layer.second.carried(par, &left.source)?;
            parts.push(Some((left, second, pruned)));
        }
        let mut sources = Sources::new();
        for (layer, part) in self.layers.iter_mut().zip(parts) {
            let mut from = None;
            if let Some((left, second, pruned)) = part {
                layer.second.weights = second;
                (layer.weights, layer.momentum, layer.pruned) = (left.matrix, left.carried, pruned);
                layer.transpose.take();
                from = track.then_some(left.source);
            }
            sources.push(from);
        }
        sources.push(None);
        self.counters.changed();
        Ok((reports, sources))
    }
}
