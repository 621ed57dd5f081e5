//! Growth by gradients on training data: the batch that an evolution looks at.

use super::DataView;
use crate::csr::Csr;
use crate::error::{Error, Result};
use crate::memory::{collected, filled};
use crate::nn::{GradientGrowth, Mlp, Workspace};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};
use crate::topology::sample_distinct;

/// Evolves the topology by the gradients on `batch_size` samples of `data`, all if there are
/// fewer, drawn anew for each evolution; returns the replaced connections per layer.
///
/// # Panics
/// If the workspace is too small for them.
pub fn evolve_by_gradient(
    par: &Par,
    model: &mut Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    batch_size: usize,
    growth: &GradientGrowth,
) -> Result<Vec<usize>> {
    growth.check()?;
    par.awake(|| {
        let samples = gather(par, model, workspace, data, batch_size)?;
        model.prepare_training(par, workspace.memory())?;
        model.evolve_by_gradient(par, workspace, &samples, data.answers(), growth)
    })
}

/// The gradients of the mean loss at places of layer `layer`, on the batch of the next evolution.
pub fn gradient_at(
    par: &Par,
    model: &Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    batch_size: usize,
    (layer, places): (usize, &Csr),
) -> Result<Vec<f32>> {
    let layers = model.layers();
    let Some(weights) = layers.get(layer).map(|layer| layer.weights()) else {
        let expected = format!("an index below {}", layers.len());
        return Err(Error::invalid("layer", layer, expected));
    };
    if (places.n_rows(), places.n_cols()) != (weights.n_rows(), weights.n_cols()) {
        let found = format!("{} x {}", places.n_cols(), places.n_rows());
        let expected = format!("{} x {}", weights.n_cols(), weights.n_rows());
        return Err(Error::invalid("places", found, expected));
    }
    let mut gradients = filled(places.nnz(), 0.0, "gradients")?;
    par.awake(|| {
        let samples = gather(par, model, workspace, data, batch_size)?;
        let at = (layer, places.pattern());
        model.gradient_at(par, workspace, &samples, data.answers(), at, &mut gradients)
    })?;
    Ok(gradients)
}

/// Puts the batch of the next evolution into the workspace: samples drawn without replacement, a
/// function of the seed and the number of evolutions.
fn gather(
    par: &Par,
    model: &Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    batch_size: usize,
) -> Result<Vec<u32>> {
    workspace.check(model)?;
    data.check(model)?;
    let (all, count) = (data.samples(), batch_size.min(data.samples()));
    let seed = model.config().seed;
    let stream = Stream::new(seed, Purpose::GrowBatch, 0, model.counters.evolutions);
    let samples = sample_distinct(par, all as u64, count as u64, stream)?;
    let samples: Vec<u32> = collected(samples.into_iter().map(|s| s as u32), "a batch")?;
    let (first, standardizer) = (&model.layers()[0], model.standardizer());
    data.gather_for_step(par, first, standardizer, &samples, model.next_draw(), workspace)?;
    Ok(samples)
}
