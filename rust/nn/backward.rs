//! What a pass through a layer reads and writes, and the pass back.

use super::config::Config;
use super::input::SparseInput;
use super::layer::Layer;
use super::srelu::SRelu;
use super::workspace::Workspace;
use crate::kernels::{
    Backward, Batch, BatchMut, Biases, Linear, Transposed, spmm_transpose_derive,
    spmm_transpose_scatter, srelu_backward,
};
use crate::parallel::Par;

/// The weights and biases of layer `l` that the batch needs.
pub(super) fn needed_of<'a>(
    layer: &'a Layer,
    l: usize,
    sparse: Option<&'a SparseInput>,
) -> Linear<'a> {
    match sparse {
        Some(input) if l == 0 => input.linear(layer),
        _ => layer.linear(),
    }
}

/// From the deltas of a layer, number `l` and not the first, to those of the layer before, whose
/// biases step on the way if they are given, and whose SReLU's gradients go to the workspace.
pub(super) fn pass_back(
    par: &Par,
    config: &Config,
    layer: &Layer,
    srelu: Option<&SRelu>,
    l: usize,
    workspace: &mut Workspace,
    biases: Option<Biases<'_>>,
) {
    let (n_in, n_out) = (layer.weights.n_cols(), layer.weights.n_rows());
    workspace.passed += layer.weights.nnz() as u64;
    let Workspace { activations, slots, pre_activations, signs, kept, gradients, deltas, .. } =
        workspace;
    let stride = workspace.stride;
    let [first, second] = deltas;
    // As in [`Workspace::deltas`].
    let depth = config.layer_sizes.len() - 2 - l;
    let (incoming, outgoing) =
        if depth.is_multiple_of(2) { (first, second) } else { (second, first) };
    let incoming = if depth == 0 { &activations[slots.of(l + 1)] } else { &*incoming };
    let dy = Batch::new(incoming, n_out, stride);
    let mut dx = BatchMut::new(outgoing, n_in, stride);
    let z = &pre_activations[slots.of(l)];
    let backward = Backward {
        map: config.activation.map(l),
        mask_scale: config.mask(l, workspace.draw).map(|mask| mask.scale()),
        signs: &signs[l],
        kept: &kept[l],
        output: &activations[slots.of(l)][..n_in * stride],
        z: &z[..z.len().min(n_in * stride)],
    };
    // Dropout comes behind SReLU, whose derivative is a pass of its own.
    let first =
        Backward { mask_scale: backward.mask_scale.filter(|_| srelu.is_none()), ..backward };
    match &layer.transpose {
        Some(index) => {
            let w = Transposed { index, data: layer.weights.data() };
            spmm_transpose_derive(par, w, dy, &first, dx.reborrow(), biases);
        }
        None => {
            let w = (&layer.weights).into();
            spmm_transpose_scatter(par, w, dy, &first, dx.reborrow(), biases);
        }
    }
    if let Some(srelu) = srelu {
        let parameters = srelu.parameters();
        let gradients = &mut gradients[..parameters.len()];
        srelu_backward(par, parameters, &backward, dx, gradients);
    }
}
