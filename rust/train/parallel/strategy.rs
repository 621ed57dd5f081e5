//! What a parallel fit does to the learning rate, and with it to the velocity, from epoch to epoch.

use serde::Deserialize;

/// What phase 1 is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Strategy {
    /// Synchronous: the learning rate grows to `workers` times itself.
    Wassp(WarmUp),
    /// Asynchronous.
    Wasap {
        /// Gradients of a larger staleness are refused.
        max_staleness: Option<u64>,
    },
}

/// How the learning rate of a synchronous fit grows from 1 to `workers` times itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WarmUp {
    /// The epochs that it takes.
    #[serde(rename = "warmup_epochs")]
    pub epochs: usize,
    /// Whether the velocity is scaled with the rate: an old gradient then counts as one that was
    /// taken at the new rate.
    pub momentum_correction: bool,
    /// Whether phase 2 keeps the factor; otherwise it has the rate of one batch.
    pub scale_local_rate: bool,
}

/// What the learning rate and the velocity of an epoch are multiplied by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scaling {
    /// Factor of the learning rate.
    pub learning_rate: f64,
    /// Factor of the velocity, before the first step.
    pub velocity: f64,
}

impl Scaling {
    /// That of a sequential fit.
    pub const ONE: Scaling = Scaling { learning_rate: 1.0, velocity: 1.0 };
}

impl Strategy {
    /// The scaling of epoch `epoch`, counted from 0, of a fit whose epochs from `local_from` on are
    /// local. It depends on nothing else, so a fit that goes on at an epoch is the same fit.
    pub fn scaling(self, workers: usize, local_from: u64, epoch: u64) -> Scaling {
        let Strategy::Wassp(warmup) = self else { return Scaling::ONE };
        let factor = |epoch| warmup.factor(workers, local_from, epoch);
        let before = epoch.checked_sub(1).filter(|_| warmup.momentum_correction);
        let velocity = before.map_or(1.0, |before| factor(epoch) / factor(before));
        Scaling { learning_rate: factor(epoch), velocity }
    }
}

impl WarmUp {
    fn factor(self, workers: usize, local_from: u64, epoch: u64) -> f64 {
        if epoch >= local_from && !self.scale_local_rate {
            return 1.0;
        }
        warmup(workers, self.epochs, epoch as usize)
    }
}

/// The factor of the learning rate in epoch `epoch`, counted from 0, of a synchronous fit with
/// `workers` workers: it grows from 1 to `workers` over the first `warmup_epochs` epochs.
pub fn warmup(workers: usize, warmup_epochs: usize, epoch: usize) -> f64 {
    let done = if epoch >= warmup_epochs { 1.0 } else { epoch as f64 / warmup_epochs as f64 };
    (workers - 1) as f64 * done + 1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalings(momentum_correction: bool, scale_local_rate: bool) -> Vec<Scaling> {
        let warmup = WarmUp { epochs: 2, momentum_correction, scale_local_rate };
        (0..5).map(|epoch| Strategy::Wassp(warmup).scaling(3, 3, epoch)).collect()
    }

    fn assert_scalings(found: &[Scaling], factors: [f64; 5], corrections: [f64; 5]) {
        let all = found.iter().zip(factors.iter().zip(corrections));
        for (scaling, (factor, correction)) in all {
            let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
            assert!(
                near(scaling.learning_rate, *factor) && near(scaling.velocity, correction),
                "{found:?}"
            );
        }
    }

    #[test]
    fn the_velocity_follows_every_change_of_the_factor() {
        let (falls, stays) = ([1.0, 2.0, 3.0, 1.0, 1.0], [1.0, 2.0, 3.0, 3.0, 3.0]);
        assert_scalings(&scalings(false, false), falls, [1.0; 5]);
        assert_scalings(&scalings(false, true), stays, [1.0; 5]);
        assert_scalings(&scalings(true, false), falls, [1.0, 2.0, 1.5, 1.0 / 3.0, 1.0]);
        assert_scalings(&scalings(true, true), stays, [1.0, 2.0, 1.5, 1.0, 1.0]);
    }

    #[test]
    fn a_warm_up_goes_on_in_phase_2_if_that_keeps_it() {
        let warmup = WarmUp { epochs: 4, momentum_correction: true, scale_local_rate: true };
        let scaling = Strategy::Wassp(warmup).scaling(5, 2, 3);
        let near = |a: f64, b: f64| (a - b).abs() < 1e-12;
        assert!(near(scaling.learning_rate, 4.0) && near(scaling.velocity, 4.0 / 3.0));
    }

    #[test]
    fn asynchronous_fits_and_one_worker_have_the_pace_of_a_sequential_fit() {
        let warmup = WarmUp { epochs: 4, momentum_correction: true, scale_local_rate: true };
        for epoch in 0..9 {
            assert_eq!(
                Strategy::Wasap { max_staleness: Some(3) }.scaling(3, 5, epoch),
                Scaling::ONE
            );
            assert_eq!(Strategy::Wassp(warmup).scaling(1, 5, epoch), Scaling::ONE);
        }
    }
}
