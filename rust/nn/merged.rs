//! Several networks on the same inputs as one, whose output is the mean of theirs.
//!
//! Hidden layers lie beside each other, without connections between neurons of two networks: the
//! merged weights are block diagonal. The last layer has the weights of all of them divided by their
//! number, so that what the softmax or the sigmoid gets is the mean of what theirs get.

use super::config::Config;
use super::layer::Layer;
use super::mlp::Mlp;
use super::sparsity::Sparsity;
use super::srelu::SRelu;
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::kernels::{LEAST, flush};
use crate::memory::{filled, reserved};

const WHAT: &str = "a merged network";

impl Mlp {
    /// The network whose output before the softmax or the sigmoid is the mean of the networks'.
    ///
    /// They have the same settings, apart from seeds, how their connections were drawn and the sizes
    /// of hidden layers, and the same statistics. Seed and counters are those of the first; the
    /// optimiser's state is left out. One network stays as it is.
    ///
    /// # Panics
    /// If connections owe steps, or without networks.
    pub fn merged(models: &[&Mlp]) -> Result<Mlp> {
        let (&first, others) = models.split_first().expect("internal: no networks to merge");
        if others.is_empty() {
            return first.try_clone();
        }
        for (number, model) in (1..).zip(others) {
            first.refuse_unlike(model, number)?;
        }
        if let Some(number) = models.iter().position(|model| model.origin.is_some()) {
            let expected = "networks that are not compacted";
            return Err(Error::invalid(format!("networks[{number}]"), "compacted", expected));
        }
        let last = first.layers.len() - 1;
        let mut sizes = reserved(last + 2, WHAT)?;
        sizes.extend(first.config.layer_sizes.iter().copied());
        for (l, size) in sizes.iter_mut().enumerate().take(last + 1).skip(1) {
            *size = models.iter().map(|model| model.config.layer_sizes[l]).sum();
        }
        let config =
            Config { layer_sizes: sizes, sparsity: Sparsity::Given, ..first.config.clone() };
        config.check()?;
        let mut layers = reserved(last + 1, WHAT)?;
        for l in 0..=last {
            let of: Vec<&Layer> = models.iter().map(|model| &model.layers()[l]).collect();
            let n_in = config.layer_sizes[l];
            layers.push(if l < last {
                beside(&of, n_in, l == 0)?
            } else {
                mean(&of, n_in, l == 0)?
            });
        }
        let mut merged = Mlp::from_layers(config, layers)?;
        merged.standardizer = first.standardizer.as_ref().map(|s| s.try_clone()).transpose()?;
        merged.units = first.units.as_ref().map(|units| units.try_clone()).transpose()?;
        merged.counters = first.counters;
        Ok(merged)
    }

    /// An error unless another network differs by seed, connections and hidden neurons only.
    fn refuse_unlike(&self, other: &Mlp, number: usize) -> Result<()> {
        let [own, others] = [&self.config, &other.config];
        let ends = |config: &Config| {
            let sizes = &config.layer_sizes;
            (sizes.len(), sizes[0], sizes[sizes.len() - 1])
        };
        let settings = |config: &Config| Config {
            layer_sizes: Vec::new(),
            sparsity: Sparsity::Given,
            seed: 0,
            ..config.clone()
        };
        let what = if ends(own) != ends(others) {
            "other inputs, outputs or layers"
        } else if settings(own) != settings(others) {
            "other settings"
        } else if self.standardizer != other.standardizer || self.units != other.units {
            "other statistics"
        } else {
            return Ok(());
        };
        Err(Error::invalid(format!("networks[{number}]"), what, "those of networks[0]"))
    }

    /// Whether another network takes the same batches and has buffers of the same sizes, and neither
    /// adds noise to them.
    pub fn takes_batches_of(&self, other: &Mlp) -> bool {
        let [own, others] = [&self.config, &other.config];
        own.input_noise == 0.0
            && others.input_noise == 0.0
            && own.layer_sizes == others.layer_sizes
            && own.activation == others.activation
            && own.dropout == others.dropout
            && self.standardizer == other.standardizer
    }
}

/// Layers whose neurons lie beside each other; their inputs are the same, or lie beside each other too.
fn beside(layers: &[&Layer], n_in: usize, shares_inputs: bool) -> Result<Layer> {
    let rows: usize = layers.iter().map(|layer| layer.weights.n_rows()).sum();
    let nnz = layers.iter().map(|layer| layer.weights.nnz()).sum();
    let mut indptr = reserved(rows + 1, WHAT)?;
    let (mut indices, mut data) = (reserved(nnz, WHAT)?, reserved(nnz, WHAT)?);
    let mut bias = reserved(rows, WHAT)?;
    indptr.push(0);
    let mut offset = 0;
    for layer in layers {
        let (pattern, entries) = (layer.weights.pattern(), indices.len());
        indptr.extend(pattern.indptr()[1..].iter().map(|end| entries + end));
        indices.extend(pattern.indices().iter().map(|column| offset + column));
        data.extend_from_slice(layer.weights.data());
        bias.extend_from_slice(&layer.bias);
        offset += if shares_inputs { 0 } else { layer.weights.n_cols() as u32 };
    }
    let weights = Csr::with_any_values(n_in, indptr, indices, data)?;
    let mut merged = Layer::with_bias(weights, bias)?;
    if layers.iter().any(|layer| !layer.pruned.is_empty()) {
        merged.pruned = reserved(rows, WHAT)?;
        for layer in layers {
            let none = filled(layer.weights.n_rows(), false, WHAT)?;
            let own = if layer.pruned.is_empty() { &none } else { &layer.pruned };
            merged.pruned.extend_from_slice(own);
        }
    }
    let srelus: Vec<&SRelu> = layers.iter().filter_map(|layer| layer.srelu()).collect();
    if !srelus.is_empty() {
        let parameters = srelus.iter().map(|srelu| srelu.parameters());
        let mut all = reserved(parameters.clone().map(<[f32]>::len).sum(), WHAT)?;
        parameters.for_each(|own| all.extend_from_slice(own));
        let momentum = filled(all.len(), 0.0, WHAT)?;
        merged.set_srelu(SRelu::from_parts(rows, all, momentum)?)?;
    }
    Ok(merged)
}

/// Layers with the same neurons, whose inputs lie beside each other or are the same: the mean of what
/// they give.
fn mean(layers: &[&Layer], n_in: usize, shares_inputs: bool) -> Result<Layer> {
    let (rows, count) = (layers[0].weights.n_rows(), layers.len() as f64);
    let nnz = layers.iter().map(|layer| layer.weights.nnz()).sum();
    let mut indptr = reserved(rows + 1, WHAT)?;
    let (mut indices, mut sums) = (reserved(nnz, WHAT)?, reserved(nnz, WHAT)?);
    indptr.push(0);
    let mut row: Vec<(u32, f32)> = Vec::new();
    for r in 0..rows {
        row.clear();
        let mut offset = 0;
        for layer in layers {
            let pattern = layer.weights.pattern();
            let values = &layer.weights.data()[pattern.indptr()[r]..pattern.indptr()[r + 1]];
            row.extend(
                pattern.row(r).iter().map(|column| offset + column).zip(values.iter().copied()),
            );
            offset += if shares_inputs { 0 } else { layer.weights.n_cols() as u32 };
        }
        // Stable: what several layers have at one place is added up in their order.
        row.sort_by_key(|&(column, _)| column);
        for of_place in row.chunk_by(|a, b| a.0 == b.0) {
            let sum: f64 = of_place.iter().map(|&(_, value)| f64::from(value)).sum();
            indices.push(of_place[0].0);
            sums.push((sum / count) as f32);
        }
        indptr.push(indices.len());
    }
    flush(&mut sums, LEAST);
    let mut bias = reserved(rows, WHAT)?;
    bias.extend((0..rows).map(|r| {
        let sum: f64 = layers.iter().map(|layer| f64::from(layer.bias[r])).sum();
        (sum / count) as f32
    }));
    flush(&mut bias, LEAST);
    Layer::with_bias(Csr::with_any_values(n_in, indptr, indices, sums)?, bias)
}
