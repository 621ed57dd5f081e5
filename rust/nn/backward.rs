//! The pass back, from the deltas of the outputs to a step of every parameter.

use super::batch::products;
use super::config::Config;
use super::layer::Layer;
use super::mlp::Mlp;
use super::optimizer::Update;
use super::srelu::SRelu;
use super::workspace::Workspace;
use crate::kernels::{
    Backward, Batch, BatchMut, Biases, Parameters, Transposed, bias_update, sddmm_update,
    spmm_transpose_derive, spmm_transpose_scatter, srelu_backward,
};
use crate::parallel::Par;

/// Passes the deltas of layer `l`, which is not the first, back to the layer before. The biases of
/// that layer make a step on the way if they are given; the gradients of its SReLU go to the
/// workspace.
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
    workspace.products += products(layer, None, workspace.samples);
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
        flush: true,
    };
    // Dropout comes after SReLU, whose derivative takes a separate pass.
    let first = match srelu {
        Some(_) => Backward { mask_scale: None, flush: false, ..backward },
        None => backward,
    };
    match layer.transpose.get() {
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

impl Mlp {
    /// Updates the parameters of every layer, from the deltas in the last activation buffer.
    pub(super) fn backward(&mut self, par: &Par, workspace: &mut Workspace, update: &Update) {
        assert_eq!(update.kind(), self.rule(), "internal: another's moments");
        let last = self.layers.len() - 1;
        let of_biases = update.of_biases();
        for l in (0..=last).rev() {
            self.recall(par, workspace, l);
            let (before, layers) = self.layers.split_at_mut(l);
            // Before the update: the gradient of the inputs belongs to the old weights.
            if let Some(before) = before.last_mut() {
                let Layer { bias: values, bias_momentum: momentum, second, srelu, .. } = before;
                let parameters = Parameters { values, momentum, second: &mut second.bias };
                // The biases step while their deltas are in the cache. With SReLU they step
                // later, as its pass has yet to make those deltas.
                let biases = Biases { step: of_biases, parameters };
                let biases = Some(biases).filter(|_| srelu.is_none());
                pass_back(par, &self.config, &layers[0], srelu.as_ref(), l, workspace, biases);
                if let Some(srelu) = srelu {
                    let gradients = &workspace.gradients[..srelu.parameters.len()];
                    srelu.step(par, &[gradients], update);
                }
            }
            let mut sparse = workspace.sparse.take();
            let (x, dy) = (workspace.inputs(l, sparse.as_ref()), workspace.deltas(l));
            let step = update.of_weights(&self.layers, l);
            let layer = &mut self.layers[l];
            let own = products(layer, sparse.as_ref().filter(|_| l == 0), workspace.samples);
            match &mut sparse {
                Some(input) if l == 0 => {
                    let owed = self.owed.as_deref_mut();
                    input.update(par, layer, owed, [dy, x], &step);
                }
                _ => {
                    let (pattern, parameters) = layer.weights_mut();
                    sddmm_update(par, pattern, dy, x, &step, parameters);
                }
            }
            if l == last || layer.srelu.is_some() {
                let biases = Biases { step: of_biases, parameters: layer.biases_mut() };
                bias_update(par, dy, biases);
            }
            workspace.sparse = sparse;
            workspace.products += own;
        }
    }
}
