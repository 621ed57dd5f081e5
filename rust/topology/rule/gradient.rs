//! Growth where gradients are largest among places that are drawn first: the guided stochastic
//! exploration of Heddes et al. (2024), a RigL that never looks at all places.

use serde::{Deserialize, Serialize};

use super::{Evolving, Gradients, Rule, Set};
use crate::csr::NONE;
use crate::error::{Error, Result};
use crate::parallel::Par;
use crate::topology::{Buffers, Evolved, Survival, Thinned, weakest};

/// The parameters of growth by gradients.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GradientGrowth {
    /// The fraction of each sign that is dropped, in [0, 1).
    pub zeta: f64,
    /// The scale of grown weights in units of the initial distribution.
    pub grow_init: f32,
    /// Candidates for each connection that grows, at least 1.
    pub samples: f64,
}

/// The bytes that the choice among `candidates` takes: the number of each, its column and its
/// score, and offsets of rows.
pub fn candidate_bytes(n_rows: f64, candidates: f64) -> f64 {
    8.0 * (n_rows + 1.0) + 16.0 * candidates
}

impl Rule for GradientGrowth {
    fn check(&self) -> Result<()> {
        if !(self.samples.is_finite() && self.samples >= 1.0) {
            return Err(Error::invalid("samples", self.samples, "a finite number of at least 1"));
        }
        Set { zeta: self.zeta, grow_init: self.grow_init }.check()
    }

    fn needs_gradients(&self) -> bool {
        true
    }

    /// Drops as [`Set`]; grows at the best of `samples` times as many empty places.
    fn evolve(&self, par: &Par, layer: &Evolving<'_>, buffers: &mut Buffers) -> Result<Evolved> {
        let gradients = layer.gradients.expect("internal: gradients, as the rule needs them");
        let dropped = weakest(par, layer.old.weights.data(), self.zeta)?;
        let thinned = Thinned::new(par, layer.old, dropped)?;
        let count = thinned.dropped();
        let most = thinned.empty().min(u64::from(NONE) - 1);
        let drawn = ((self.samples * count as f64) as u64).clamp(count as u64, most);
        let candidates = thinned.draw(par, drawn, layer.places)?;
        let places = largest(par, &thinned, candidates, count, gradients)?;
        layer.merge(par, &thinned, places, self.grow_init, buffers)
    }
}

/// The `count` candidates where gradients have the largest magnitudes, of equal ones the first.
/// Candidates are empty places in ascending order.
pub fn largest<S: Survival>(
    par: &Par,
    thinned: &Thinned<'_, S>,
    mut candidates: Vec<u64>,
    count: usize,
    gradients: Gradients<'_>,
) -> Result<Vec<u64>> {
    if candidates.len() > count {
        let mut matrix = thinned.matrix_of(par, &candidates)?;
        let (pattern, scores) = matrix.pattern_and_data_mut();
        gradients(pattern, scores)?;
        keep_largest(&mut candidates, scores, count);
    }
    Ok(candidates)
}

/// Keeps the places whose scores are the `count` largest in magnitude, of equal ones the first.
fn keep_largest(places: &mut Vec<u64>, scores: &[f32], count: usize) {
    let (cut, mut equal) = cut(scores, count);
    let mut bits = scores.iter().map(magnitude);
    places.retain(|_| match bits.next() {
        Some(bits) if bits == cut => {
            let stays = equal > 0;
            equal -= usize::from(stays);
            stays
        }
        bits => bits > Some(cut),
    });
}

/// The bits of a magnitude, which as integers are ordered like the magnitudes. NaN counts as 0.
fn magnitude(score: &f32) -> u32 {
    if score.is_nan() { 0 } else { score.abs().to_bits() }
}

/// The `count`-th largest magnitude, counted from 1, and how many of those equal to it are among
/// the `count` largest. A digit at a time, so in O(n) and without more memory.
fn cut(scores: &[f32], mut count: usize) -> (u32, usize) {
    let mut prefix = 0;
    for shift in [24, 16, 8, 0] {
        let mut counts = [0usize; 256];
        for bits in scores.iter().map(magnitude) {
            counts[(bits >> shift & 0xFF) as usize] +=
                usize::from((bits ^ prefix) >> shift >> 8 == 0);
        }
        let mut digit = 255;
        while counts[digit] < count {
            count -= counts[digit];
            digit -= 1;
        }
        prefix |= (digit as u32) << shift;
    }
    (prefix, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_keeps(
            scores in prop::collection::vec(prop_oneof![
                -1.0f32..1.0, any::<f32>(), Just(0.0), Just(-0.0), Just(0.5), Just(-0.5),
                Just(f32::NAN), Just(f32::NEG_INFINITY), Just(f32::INFINITY),
            ], 1..200),
            part in 0.0..1.0f64,
        ) {
            let count = 1 + (part * (scores.len() - 1) as f64) as usize;
            let mut order: Vec<_> = (0..scores.len()).collect();
            order.sort_by_key(|&i| (std::cmp::Reverse(magnitude(&scores[i])), i));
            let mut expected: Vec<_> = order[..count].iter().map(|&i| 3 * i as u64).collect();
            expected.sort_unstable();
            let mut places: Vec<_> = (0..scores.len() as u64).map(|i| 3 * i).collect();
            keep_largest(&mut places, &scores, count);
            prop_assert_eq!(places, expected);
        }
    }
}
