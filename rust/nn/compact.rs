//! Compaction: neurons that cannot matter are removed, and the network computes the same.

use super::layer::Layer;
use super::mlp::Mlp;
use super::moments::Second;
use super::standardize::Standardizer;
use crate::csr::NONE;
use crate::error::{Error, Result};
use crate::memory::{collected, copied, filled, reserved};
use crate::parallel::Par;

const WHAT: &str = "compaction";

/// What a compaction took from one layer of neurons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Neurons.
    pub neurons: usize,
    /// Those among them without incoming connections, whose constant output went to biases.
    pub constant: usize,
    /// Incoming connections of the layer.
    pub connections: usize,
}

/// Where the neurons of a compacted network come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    sizes: Vec<usize>,
    ids: Vec<Vec<u32>>,
}

impl Origin {
    /// From the neurons of each layer before any compaction and, for a network of `now` neurons
    /// per layer, the original numbers of those that are left; none where all are.
    pub fn from_parts(now: &[usize], sizes: Vec<usize>, ids: Vec<Vec<u32>>) -> Result<Self> {
        let layers = [now.len(); 2];
        if [sizes.len(), ids.len()] != layers {
            let value = format!("{} sizes and {} lists", sizes.len(), ids.len());
            return Err(Error::invalid("units", value, format!("{} of each", layers[0])));
        }
        for (l, ((&now, &size), ids)) in now.iter().zip(&sizes).zip(&ids).enumerate() {
            let expected = if now == size { 0 } else { now };
            let last = ids.last().map_or(0, |&id| id as usize);
            if ids.len() != expected
                || ids.windows(2).any(|pair| pair[0] >= pair[1])
                || last >= size
            {
                let value = format!("{} numbers, the last of them {last}", ids.len());
                let expected = format!("{expected} ascending numbers below {size}");
                return Err(Error::invalid(format!("units.{l}"), value, expected));
            }
        }
        Ok(Origin { sizes, ids })
    }

    /// A copy.
    pub fn try_clone(&self) -> Result<Self> {
        let ids = self.ids.iter().map(|ids| copied(ids, WHAT)).collect::<Result<_>>()?;
        Ok(Origin { sizes: copied(&self.sizes, WHAT)?, ids })
    }

    /// What [`Origin::sizes`] and [`Origin::ids`] give.
    pub fn into_parts(self) -> (Vec<usize>, Vec<Vec<u32>>) {
        (self.sizes, self.ids)
    }

    /// Neurons of each layer before any compaction.
    pub fn sizes(&self) -> &[usize] {
        &self.sizes
    }

    /// For each layer the original numbers of its neurons, or none if it has all of them.
    pub fn ids(&self) -> &[Vec<u32>] {
        &self.ids
    }
}

/// What becomes of a neuron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    /// It has no incoming connections: its output goes into biases.
    Constant,
    /// It has no outgoing connections.
    Unheard,
}

struct Plan {
    /// One list per layer of neurons, inputs first and outputs last.
    fates: Vec<Vec<Fate>>,
    /// Biases of each layer with the constants that go into them.
    biases: Vec<Vec<f32>>,
}

impl Mlp {
    /// Where the neurons come from, once a compaction has removed some.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// Sets where the neurons come from.
    pub fn set_origin(&mut self, origin: Origin) {
        self.origin = Some(origin);
    }

    /// Removes the hidden neurons without incoming connections, adding what their constant output
    /// contributes to the next layer's biases; then the hidden neurons, and with `inputs` the
    /// inputs, without outgoing connections. A layer that would lose all keeps one, without
    /// connections. Outputs agree with those before to the rounding of the biases.
    ///
    /// Returns what went per layer, inputs first and outputs last. Time O(connections + neurons).
    /// If memory runs out nothing has changed.
    pub fn compact(&mut self, par: &Par, inputs: bool) -> Result<Vec<Removed>> {
        let Plan { fates, biases } = self.plan(inputs)?;
        let mut removed = Vec::new();
        let mut kept = Vec::new();
        for fates in &fates {
            let units = kept_units(fates)?;
            let constants = |fates: &mut dyn Iterator<Item = Fate>| {
                fates.filter(|&fate| fate == Fate::Constant).count()
            };
            let constant = constants(&mut fates.iter().copied())
                - constants(&mut units.iter().map(|&i| fates[i as usize]));
            removed.push(Removed { neurons: fates.len() - units.len(), constant, connections: 0 });
            kept.push(units);
        }
        let mut layers = Vec::new();
        for (l, layer) in self.layers.iter().enumerate() {
            let columns = new_numbers(&fates[l])?;
            // The neuron that a layer keeps so as not to be empty loses its connections.
            let loses = |r: u32| fates[l + 1][r as usize] != Fate::Stays;
            let rows = kept[l + 1].iter().map(|&r| if loses(r) { NONE } else { r });
            let rows = collected(rows, WHAT)?;
            let n_in = kept[l].len();
            let new = layer.restricted(par, &rows, &kept[l + 1], &columns, n_in, &biases[l])?;
            removed[l + 1].connections = layer.weights.nnz() - new.weights.nnz();
            layers.push(new);
        }
        if removed.iter().all(|r| *r == Removed::default()) {
            return Ok(removed);
        }
        let restricted = |s: &Standardizer| self.set_up(s.restricted(&kept[0])?);
        let standardizer = self.standardizer.as_ref().map(restricted).transpose()?;
        self.origin = self.origin_of(&kept)?;
        self.config.layer_sizes = kept.iter().map(Vec::len).collect();
        (self.layers, self.standardizer) = (layers, standardizer);
        Ok(removed)
    }

    fn plan(&self, inputs: bool) -> Result<Plan> {
        let sizes = &self.config.layer_sizes;
        let last = self.layers.len();
        let mut plan = Plan { fates: Vec::new(), biases: Vec::new() };
        for &n in sizes {
            plan.fates.push(filled(n, Fate::Stays, WHAT)?);
        }
        // Constants, from the inputs to the outputs: what goes from one layer can leave neurons of
        // the next without incoming connections, and no others.
        for (l, layer) in self.layers.iter().enumerate() {
            let mut outputs = Vec::new();
            if l > 0 {
                let map = self.config.activation.map(l);
                let output = |(i, &b): (usize, &f32)| match &self.layers[l - 1].srelu {
                    Some(srelu) => srelu.apply(i, b),
                    None => map.apply(b),
                };
                let constants = plan.biases[l - 1].iter().enumerate().map(output);
                outputs = collected(constants, WHAT)?;
            }
            let mut bias = copied(&layer.bias, WHAT)?;
            let (before, after) = plan.fates.split_at_mut(l + 1);
            let (before, after) = (&before[l], &mut after[0]);
            let pattern = layer.weights.pattern();
            for (r, bias) in bias.iter_mut().enumerate() {
                let range = pattern.indptr()[r]..pattern.indptr()[r + 1];
                let (mut sum, mut folded, mut connected) = (f64::from(*bias), false, false);
                for (&c, &w) in pattern.row(r).iter().zip(&layer.weights.data()[range]) {
                    if before[c as usize] == Fate::Stays {
                        connected = true;
                    } else {
                        sum += f64::from(w) * f64::from(outputs[c as usize]);
                        folded = true;
                    }
                }
                if folded {
                    *bias = sum as f32;
                }
                if !connected && l + 1 < last {
                    after[r] = Fate::Constant;
                }
            }
            plan.biases.push(bias);
        }
        // Neurons without outgoing connections, from the outputs to the inputs, for the same
        // reason.
        for (l, layer) in self.layers.iter().enumerate().rev().filter(|(l, _)| *l > 0 || inputs) {
            let mut heard = filled(sizes[l], false, WHAT)?;
            for (r, fate) in plan.fates[l + 1].iter().enumerate() {
                if *fate == Fate::Stays {
                    layer.weights.pattern().row(r).iter().for_each(|&c| heard[c as usize] = true);
                }
            }
            for (fate, heard) in plan.fates[l].iter_mut().zip(heard) {
                if *fate == Fate::Stays && !heard {
                    *fate = Fate::Unheard;
                }
            }
        }
        Ok(plan)
    }

    /// The origin of the units that `kept` lists by their present numbers.
    fn origin_of(&self, kept: &[Vec<u32>]) -> Result<Option<Origin>> {
        let sizes = match &self.origin {
            Some(origin) => copied(&origin.sizes, WHAT)?,
            None => copied(&self.config.layer_sizes, WHAT)?,
        };
        let mut ids = Vec::new();
        for (l, kept) in kept.iter().enumerate() {
            let before = self.origin.as_ref().map_or(&[][..], |origin| &origin.ids[l]);
            ids.push(match before {
                _ if kept.len() == sizes[l] => Vec::new(),
                [] => copied(kept, WHAT)?,
                before => collected(kept.iter().map(|&i| before[i as usize]), WHAT)?,
            });
        }
        let changed = ids.iter().any(|ids| !ids.is_empty());
        Ok(changed.then_some(Origin { sizes, ids }))
    }
}

/// The numbers of the neurons that stay; the first one if none does.
fn kept_units(fates: &[Fate]) -> Result<Vec<u32>> {
    let staying = || (0u32..).zip(fates).filter(|(_, fate)| **fate == Fate::Stays).map(|(i, _)| i);
    let mut kept = reserved(staying().count().max(1), WHAT)?;
    kept.extend(staying());
    if kept.is_empty() {
        kept.push(0);
    }
    Ok(kept)
}

/// For each neuron its number among those that stay, or [`NONE`].
fn new_numbers(fates: &[Fate]) -> Result<Vec<u32>> {
    let mut next = 0;
    let numbers = fates.iter().map(|&fate| match fate {
        Fate::Stays => {
            next += 1;
            next - 1
        }
        _ => NONE,
    });
    collected(numbers, WHAT)
}

impl Layer {
    /// The layer with the outputs `kept` and the inputs that have new numbers in `columns`; `rows`
    /// is `kept` with [`NONE`] for outputs that lose their connections, `bias` that of all outputs.
    fn restricted(
        &self,
        par: &Par,
        rows: &[u32],
        kept: &[u32],
        columns: &[u32],
        n_in: usize,
        bias: &[f32],
    ) -> Result<Layer> {
        let (weights, momentum, source) = self.part(par, rows, columns, n_in)?;
        let second_weights = self.second.carried(par, &source)?;
        let pick = |values: &[f32]| collected(kept.iter().map(|&i| values[i as usize]), WHAT);
        let srelu = self.srelu.as_ref().map(|srelu| srelu.restricted(kept)).transpose()?;
        let pruned = match &self.pruned[..] {
            [] => Vec::new(),
            flags => collected(kept.iter().map(|&i| flags[i as usize]), WHAT)?,
        };
        let second_bias =
            if self.second.bias.is_empty() { Vec::new() } else { pick(&self.second.bias)? };
        let second = Second { weights: second_weights, bias: second_bias };
        Layer::from_parts(weights, momentum, pick(bias)?, pick(&self.bias_momentum)?)
            .map(|layer| Layer { pruned, second, srelu, ..layer })
    }
}
