//! How strongly the layers of a network are pulled: the norms of their gradients.

use super::DataView;
use crate::error::Result;
use crate::memory::reserved;
use crate::nn::{Draw, Gradient, Memory, Mlp, Workspace};
use crate::parallel::Par;

/// The Euclidean norm, for each layer, of the gradient of the mean loss over all samples by its
/// weights, without dropout and noise. All samples are one batch.
pub fn gradient_norms(par: &Par, model: &Mlp, data: &DataView<'_>) -> Result<Vec<f64>> {
    data.check(model)?;
    let mut samples = reserved(data.samples(), "the order of samples")?;
    samples.extend(0..data.samples() as u32);
    let at_rest = model.at_rest()?;
    let mut workspace = Workspace::new(&at_rest, samples.len(), Memory::Fast)?;
    let mut gradient = Gradient::default();
    gradient.fit(&at_rest)?;
    gradient.set_samples(samples.len());
    data.gather(par, &at_rest, model.standardizer(), &samples, workspace.buffers())?;
    let (answers, draw) = (data.answers(), Draw { seed: 0, step: 0 });
    at_rest.gradient(par, &mut workspace, &samples, answers, draw, gradient.values_mut());
    Ok(gradient.view().norms())
}
