//! How far the weight of a sample reaches in one step.
//!
//! A sample that outweighs its batch makes the batch one of a single sample, at a learning rate that
//! was chosen for many; training explodes on such steps. So a weight pulls as it is up to
//! [`ALWAYS`], and beyond only until the sample's gradient by the outputs is [`SHARE`] of the
//! batch. A sample that is learnt has a small gradient, and so its whole weight. Then all samples of
//! the batch together pull no more than without weights, or with a gradient of 1 each; where no
//! single one was limited, no more than [`ALWAYS`] times that. So weights of at most [`ALWAYS`] are
//! never limited.

use super::{Answers, BatchMut, lane, lane_mut};

/// Weights up to this one are never limited.
pub(super) const ALWAYS: f32 = 4.0;
/// The most that one sample's gradient is of the batch.
const SHARE: f32 = 0.25;

/// Multiplies the gradients by the outputs, a lane a sample, by the samples' weights as far as these
/// reach; whether a limit was met. The same bits as with the weights themselves if none was.
pub(super) fn weigh(z: &mut BatchMut<'_>, samples: &[u32], answers: Answers<'_>) -> bool {
    let batch = samples.len() as f32;
    let size = |z: &BatchMut<'_>, b: usize| lane(z, b).fold(0.0f32, |most, d| most.max(d.abs()));
    let reach = |weight: f32, size: f32| weight.min((SHARE * batch / size).max(ALWAYS));
    let (mut pull, mut plain, mut met) = (0.0f32, 0.0f32, false);
    for (b, &s) in samples.iter().enumerate() {
        let (weight, size) = (answers.weight(s), size(z, b));
        let within = reach(weight, size);
        met |= within < weight;
        pull += within * size;
        plain += weight.min(1.0) * size;
    }
    // With room for rounding; a gradient that is no number stays so.
    let most = plain.max(batch) * if met { 1.0 } else { 1.001 * ALWAYS };
    let strongly = pull > most;
    let together = if strongly { plain.max(batch) / pull } else { 1.0 };
    for (b, &s) in samples.iter().enumerate() {
        let factor = reach(answers.weight(s), size(z, b)) * together;
        lane_mut(z, b).for_each(|d| *d *= factor);
    }
    met || strongly
}

#[cfg(test)]
mod tests {
    use super::super::Targets;
    use super::*;

    /// Gradients of one output in a batch of these, after the weights.
    fn weighed(gradients: &[f32], weights: &[f32]) -> (Vec<f32>, bool) {
        let mut values = gradients.to_vec();
        let samples: Vec<u32> = (0..gradients.len() as u32).collect();
        let answers = Answers { targets: Targets::Dense(&[]), weights: Some(weights) };
        let mut z = BatchMut { values: &mut values, stride: gradients.len() };
        let met = weigh(&mut z, &samples, answers);
        (values, met)
    }

    #[test]
    fn moderate_weights_are_factors() {
        let gradients: Vec<f32> = (0..16).map(|i| (i as f32 - 8.0) / 9.0).collect();
        let weights: Vec<f32> = (0..16).map(|i| 0.25 * (i % 9) as f32).collect();
        let expected: Vec<f32> = gradients.iter().zip(&weights).map(|(g, w)| g * w).collect();
        assert_eq!(weighed(&gradients, &weights), (expected, false));
    }

    #[test]
    fn one_sample_is_a_quarter_of_its_batch_at_most() {
        let (mut gradients, mut weights) = ([0.1; 32], [0.5; 32]);
        (gradients[3], weights[3]) = (-1.0, 1e5);
        let (values, met) = weighed(&gradients, &weights);
        assert!(met);
        assert_eq!(values[3], -8.0);
        assert_eq!(values[4], 0.05);
        // What is nearly learnt keeps its weight.
        gradients[3] = 1e-6;
        let (values, met) = weighed(&gradients, &weights);
        assert!(!met);
        assert_eq!(values[3], 1e-6 * 1e5);
    }

    #[test]
    fn a_batch_of_heavy_samples_pulls_as_one_without_weights() {
        let (values, met) = weighed(&[-1.0; 32], &[1e5; 32]);
        assert!(met);
        assert_eq!(values, [-1.0; 32]);
        // Large gradients are no reason, and neither are weights of 4.
        assert_eq!(weighed(&[50.0; 8], &[1.5; 8]), (vec![75.0; 8], false));
        assert_eq!(weighed(&[-0.7; 8], &[4.0; 8]), (vec![-2.8; 8], false));
        assert_eq!(weighed(&[1e3; 8], &[4.0; 8]), (vec![4e3; 8], false));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let (values, _) = weighed(&[f32::NAN, f32::INFINITY, 0.0], &[2.0, 9.0, 1e30]);
        assert!(values[0].is_nan());
        assert!(!values[1].is_finite());
        assert_eq!(values[2], 0.0);
    }
}
