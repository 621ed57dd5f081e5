//! Evolutions on training data: the batch that a rule's gradients are taken on.

use super::DataView;
use crate::error::{Error, Result};
use crate::memory::{collected, filled};
use crate::nn::{Mlp, Places, Workspace};
use crate::parallel::Par;
use crate::rng::{Purpose, Stream};
use crate::topology::{Rule, Turnover, sample_distinct};

/// Evolves the topology by a rule, with the gradients on `batch_size` samples of `data` if it needs
/// them: all if there are fewer, drawn anew for each evolution. Returns how many connections of each
/// layer went and came.
///
/// # Panics
/// If the workspace is too small for them.
pub fn evolve(
    par: &Par,
    model: &mut Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    batch_size: usize,
    rule: &dyn Rule,
) -> Result<Vec<Turnover>> {
    rule.check()?;
    par.awake(|| {
        if !rule.needs_gradients() {
            return model.evolve(par, rule);
        }
        let samples = gather(par, model, workspace, data, batch_size)?;
        model.prepare_training(par, workspace.memory())?;
        model.evolve_on_batch(par, workspace, &samples, data.answers(), rule)
    })
}

/// The gradients of the mean loss at some places, on the batch of the next evolution.
pub fn gradient_at(
    par: &Par,
    model: &Mlp,
    workspace: &mut Workspace,
    data: &DataView<'_>,
    batch_size: usize,
    places: Places<'_>,
) -> Result<Vec<f32>> {
    let (layers, Places { layer, pattern }) = (model.layers(), places);
    let Some(weights) = layers.get(layer).map(|layer| layer.weights()) else {
        let expected = format!("an index below {}", layers.len());
        return Err(Error::invalid("layer", layer, expected));
    };
    if (pattern.n_rows(), pattern.n_cols()) != (weights.n_rows(), weights.n_cols()) {
        let found = format!("{} x {}", pattern.n_cols(), pattern.n_rows());
        let expected = format!("{} x {}", weights.n_cols(), weights.n_rows());
        return Err(Error::invalid("places", found, expected));
    }
    let mut gradients = filled(pattern.nnz(), 0.0, "gradients")?;
    par.awake(|| {
        let samples = gather(par, model, workspace, data, batch_size)?;
        model.gradient_at(par, workspace, &samples, data.answers(), places, &mut gradients)
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
    let (standardizer, draw) = (model.standardizer(), model.next_draw());
    data.gather_for_step(par, model, standardizer, &samples, draw, workspace)?;
    Ok(samples)
}
