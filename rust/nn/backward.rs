//! What a pass through a layer reads and writes, and the pass back.

use super::config::Config;
use super::input::SparseInput;
use super::layer::Layer;
use super::mlp::Draw;
use super::srelu::SRelu;
use super::workspace::Workspace;
use crate::csr::Csr;
use crate::kernels::{Backward, Biases, spmm_transpose_derive, spmm_transpose_scatter};
use crate::parallel::Par;

/// The weights and biases of layer `l` that the batch needs.
pub(super) fn needed_of<'a>(
    layer: &'a Layer,
    l: usize,
    sparse: Option<&'a SparseInput>,
) -> (&'a Csr, &'a [f32]) {
    match sparse {
        Some(input) if l == 0 => (input.weights(), input.bias().unwrap_or(&layer.bias)),
        _ => (&layer.weights, &layer.bias),
    }
}

/// From the deltas of a layer, number `l` and not the first, to those of the layer before, whose
/// biases step on the way if they are given, and whose SReLU's gradients go to the workspace.
pub(super) fn pass_back(
    par: &Par,
    config: &Config,
    (layer, srelu): (&Layer, Option<&SRelu>),
    l: usize,
    workspace: &mut Workspace,
    stride: usize,
    biases: Option<Biases<'_>>,
) {
    let (n_in, n_out) = (layer.weights.n_cols(), layer.weights.n_rows());
    workspace.passed += layer.weights.nnz() as u64;
    let Workspace { activations, slots, pre_activations, signs, kept, gradients, deltas, .. } =
        workspace;
    let [first, second] = deltas;
    // As in [`Workspace::products`].
    let depth = config.layer_sizes.len() - 2 - l;
    let (incoming, outgoing) =
        if depth.is_multiple_of(2) { (first, second) } else { (second, first) };
    let incoming = if depth == 0 { &activations[slots.of(l + 1)] } else { &*incoming };
    let dy = &incoming[..n_out * stride];
    let mask_scale = config.mask(l, Draw { seed: 0, step: 0 }).map(|mask| mask.scale());
    let backward = Backward {
        map: config.activation.map(l),
        mask_scale: mask_scale.filter(|_| srelu.is_none()),
        signs: &signs[l],
        kept: &kept[l],
        output: &activations[slots.of(l)][..n_in * stride],
    };
    let (w, data) = (layer.weights.pattern(), layer.weights.data());
    let dx = &mut outgoing[..n_in * stride];
    match &layer.transpose {
        Some(index) => spmm_transpose_derive(par, index, data, dy, stride, &backward, dx, biases),
        None => spmm_transpose_scatter(par, w, data, dy, stride, &backward, dx, biases),
    }
    if let Some(srelu) = srelu {
        let z = &pre_activations[slots.of(l)];
        srelu.derive(par, z, (mask_scale, &kept[l]), stride, dx, gradients);
    }
}
