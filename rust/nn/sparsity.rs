//! How many connections a network gets, and how they are spread over its layers.

use serde::{Deserialize, Serialize};

use super::per_layer::PerLayer;
use super::ranges;
use crate::error::Result;

/// How many connections each layer gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sparsity {
    /// The Erdos-Renyi control parameter: probability `epsilon * (n_in + n_out) / (n_in * n_out)`.
    Epsilon(PerLayer<f64>),
    /// The probability itself.
    Density(PerLayer<f64>),
    /// A density of the whole network, spread over its layers.
    Allocated {
        /// Connections as a fraction of all possible ones.
        density: f64,
        /// By which rule.
        allocation: Allocation,
    },
    /// The connections were given.
    Given,
}

/// How the density of a network is spread over its layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Allocation {
    /// A layer's density is proportional to `(n_in + n_out) / (n_in * n_out)`, and at most 1; what
    /// is beyond goes to the other layers.
    Er,
    /// All layers have the same density.
    Uniform,
}

/// Places of a layer, and neurons on both of its sides.
fn extent(pair: &[usize]) -> (f64, f64) {
    let (n_in, n_out) = (pair[0] as f64, pair[1] as f64);
    (n_in * n_out, n_in + n_out)
}

impl Sparsity {
    /// The probability of a connection in each layer of a network of these sizes.
    pub fn probabilities(&self, sizes: &[usize]) -> Vec<f64> {
        let layers = || sizes.windows(2).enumerate();
        match self {
            Sparsity::Epsilon(epsilon) => {
                // A sum of quotients: the product of two sizes may be beyond 2^53.
                let inverse = |pair: &[usize]| 1.0 / pair[1] as f64 + 1.0 / pair[0] as f64;
                layers().map(|(l, pair)| (epsilon.of(l) * inverse(pair)).min(1.0)).collect()
            }
            Sparsity::Density(density) => layers().map(|(l, _)| density.of(l)).collect(),
            &Sparsity::Allocated { density, allocation: Allocation::Uniform } => {
                layers().map(|_| density).collect()
            }
            &Sparsity::Allocated { density, allocation: Allocation::Er } => {
                erdos_renyi(density, sizes)
            }
            Sparsity::Given => layers().map(|_| 0.0).collect(),
        }
    }

    /// Checks every value; the message names the argument as users know it.
    pub(super) fn check(&self, layers: usize) -> Result<()> {
        match self {
            Sparsity::Epsilon(epsilon) => {
                epsilon.check("epsilon", layers, "layer of weights")?;
                ranges::EPSILON.check("epsilon", epsilon.values())
            }
            Sparsity::Density(density) => {
                density.check("density", layers, "layer of weights")?;
                ranges::DENSITY.check("density", density.values())
            }
            Sparsity::Allocated { density, .. } => ranges::DENSITY.check("density", &[*density]),
            Sparsity::Given => Ok(()),
        }
    }
}

/// Densities proportional to `(n_in + n_out) / (n_in * n_out)`, capped at 1, that together give the
/// network the density `density`.
fn erdos_renyi(density: f64, sizes: &[usize]) -> Vec<f64> {
    let extents: Vec<_> = sizes.windows(2).map(extent).collect();
    let target = density * extents.iter().map(|(places, _)| places).sum::<f64>();
    let mut full = vec![false; extents.len()];
    loop {
        // What the full layers leave is shared by the others.
        let (mut left, mut neurons) = (target, 0.0);
        for (&(places, sides), &full) in extents.iter().zip(&full) {
            if full { left -= places } else { neurons += sides }
        }
        let epsilon = if neurons > 0.0 { (left / neurons).max(0.0) } else { 0.0 };
        let filled = |&(places, sides): &(f64, f64)| epsilon * sides >= places;
        let more = extents.iter().zip(&full).any(|(e, &full)| !full && filled(e));
        if !more {
            let share = |(&(places, sides), &full): (&(f64, f64), &bool)| {
                if full { 1.0 } else { epsilon * sides / places }
            };
            return extents.iter().zip(&full).map(share).collect();
        }
        full.iter_mut().zip(&extents).for_each(|(full, e)| *full |= filled(e));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(sizes: &[usize], densities: &[f64]) -> f64 {
        sizes.windows(2).zip(densities).map(|(pair, d)| extent(pair).0 * d).sum()
    }

    #[test]
    fn a_networks_density_comes_out_right() {
        for sizes in [vec![784, 1000, 1000, 10], vec![2, 3], vec![500, 400, 100, 400, 2]] {
            for density in [1e-4, 0.01, 0.05, 0.3, 0.9, 0.999, 1.0] {
                let all = total(&sizes, &vec![1.0; sizes.len() - 1]);
                for allocation in [Allocation::Er, Allocation::Uniform] {
                    let sparsity = Sparsity::Allocated { density, allocation };
                    let densities = sparsity.probabilities(&sizes);
                    assert!(densities.iter().all(|&d| d > 0.0 && d <= 1.0), "{densities:?}");
                    let found = total(&sizes, &densities) / all;
                    assert!((found - density).abs() < 1e-12 * sizes.len() as f64, "{found}");
                }
            }
        }
    }

    #[test]
    fn layers_that_are_not_full_share_one_epsilon() {
        let sizes = [784, 1000, 1000, 10];
        let sparsity = Sparsity::Allocated { density: 0.05, allocation: Allocation::Er };
        let densities = sparsity.probabilities(&sizes);
        assert_eq!(densities[2], 1.0);
        let epsilon = |l: usize| {
            let (places, sides) = extent(&sizes[l..l + 2]);
            densities[l] * places / sides
        };
        assert!((epsilon(0) / epsilon(1) - 1.0).abs() < 1e-12);
        let same = Sparsity::Epsilon(epsilon(0).into()).probabilities(&sizes);
        assert!((same[1] / densities[1] - 1.0).abs() < 1e-12);
    }

    #[test]
    fn each_layer_has_its_own() {
        let sizes = [10, 20, 5];
        let each = Sparsity::Density(PerLayer::Each(vec![0.5, 0.25]));
        assert_eq!(each.probabilities(&sizes), [0.5, 0.25]);
        let each = Sparsity::Epsilon(PerLayer::Each(vec![1.0, 100.0]));
        assert_eq!(each.probabilities(&sizes), [1.0 * (1.0 / 20.0 + 1.0 / 10.0), 1.0]);
        assert!(each.check(2).is_ok());
        let error = each.check(3).unwrap_err().to_string();
        assert!(error.starts_with("epsilon = 2 values: expected one value, or 3"), "{error}");
        let bad = Sparsity::Density(PerLayer::Each(vec![0.5, 1.5]));
        assert!(bad.check(2).unwrap_err().to_string().starts_with("density = 1.5"));
        let bad = Sparsity::Allocated { density: 0.0, allocation: Allocation::Er };
        assert!(bad.check(2).unwrap_err().to_string().starts_with("density = 0"));
    }
}
