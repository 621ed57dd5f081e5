//! The second moments of Adam stay with their connections when these change.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trulysparse::nn::{
    Activation, ActivationKind, Config, Cut, Layer, Mlp, Pruning, Sparsity, State, UpdateKind,
};
use trulysparse::parallel::Par;
use trulysparse::topology::Set;

const STATE: State = State { rule: UpdateKind::Adam, since: 0 };

fn network(sizes: &[usize], density: f64, seed: u64) -> Mlp {
    let config = Config {
        sparsity: Sparsity::Density(density.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        seed,
        ..Config::plain(sizes.to_vec())
    };
    let plain = Mlp::new(&Par::seq(), config.clone()).unwrap();
    // Momentum and second moment of a parameter are the same number, and differ between parameters.
    let mut next = 0;
    let mut numbers = |count: usize| -> Vec<f32> {
        next += count;
        (next - count + 1..=next).map(|n| n as f32).collect()
    };
    let layers = plain.layers().iter().map(|layer| {
        let (weights, bias) = (numbers(layer.weights().nnz()), numbers(layer.bias().len()));
        let (w, b) = (layer.weights().clone(), layer.bias().to_vec());
        let mut layer = Layer::from_parts(w, weights.clone(), b, bias.clone()).unwrap();
        layer.set_second_moments(weights, bias).unwrap();
        layer
    });
    let mut model = Mlp::from_layers(config, layers.collect()).unwrap();
    model.set_state(STATE).unwrap();
    model
}

/// Checks that second moments are where momentum is; other tests follow momentum.
fn aligned(model: &Mlp) {
    for layer in model.layers() {
        assert_eq!(layer.second_moment(), layer.momentum());
        assert_eq!(layer.bias_second_moment(), layer.bias_momentum());
        assert_eq!(layer.momentum().len(), layer.weights().nnz());
    }
}

#[derive(Clone, Debug)]
enum Change {
    Evolve(f64),
    Prune(f64, bool),
    Compact(bool),
    Copy,
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (0.0..0.9f64).prop_map(Change::Evolve),
        2 => (1.0..40.0f64, any::<bool>()).prop_map(|(p, close)| Change::Prune(p, close)),
        1 => any::<bool>().prop_map(Change::Compact),
        1 => Just(Change::Copy),
    ]
}

proptest! {
    #[test]
    fn they_follow_every_change(
        changes in prop::collection::vec(change(), 1..8), seed: u64, density in 0.1..1.0f64,
        threads in 1usize..3,
    ) {
        let par = Par::new(threads).unwrap();
        let mut model = network(&[7, 9, 8, 3], density, seed);
        for change in changes {
            match change {
                Change::Evolve(zeta) => {
                    let before: Vec<_> = model.layers().iter().map(|l| l.momentum().to_vec()).collect();
                    let turnover = model.evolve(&par, &Set { zeta, grow_init: 1.0 }).unwrap();
                    for ((layer, before), turnover) in model.layers().iter().zip(before).zip(turnover) {
                        let old = before.iter().filter(|v| **v == 0.0).count();
                        let zeros = layer.second_moment().iter().filter(|v| **v == 0.0).count();
                        // Grown ones start from 0, and some of those may have been dropped.
                        prop_assert!((turnover.grown..=turnover.grown + old).contains(&zeros));
                    }
                }
                Change::Prune(p, close) => {
                    model.prune(&par, &Pruning { cut: Cut::Percentile(p.into()), close }).unwrap();
                }
                Change::Compact(inputs) => {
                    model.compact(&par, inputs).unwrap();
                }
                Change::Copy => model = model.try_clone().unwrap(),
            }
            aligned(&model);
            prop_assert_eq!(model.state(), Some(STATE));
        }
    }
}

#[test]
fn they_follow_the_evolution_of_a_network_that_evolves_layer_by_layer() {
    let par = Par::new(2).unwrap();
    let mut model = network(&[900, 1000, 900, 3], 0.4, 1);
    assert!(model.nnz() > 1 << 19);
    // Numbers beyond 2^24 would not be told apart.
    assert!(model.nnz() < 1 << 24);
    let mut sequential = model.try_clone().unwrap();
    for _ in 0..2 {
        model.evolve(&par, &Set { zeta: 0.3, grow_init: 1.0 }).unwrap();
        sequential.evolve(&Par::seq(), &Set { zeta: 0.3, grow_init: 1.0 }).unwrap();
        aligned(&model);
    }
    for (one, other) in model.layers().iter().zip(sequential.layers()) {
        assert_eq!(one.second_moment(), other.second_moment());
    }
}

#[test]
fn an_average_has_none() {
    let mut model = network(&[7, 9, 3], 0.5, 1);
    let copy = model.try_clone().unwrap();
    model.average(&Par::seq(), &[&copy]).unwrap();
    assert!(model.state().is_none());
    assert!(model.layers().iter().all(|l| l.second_moment().is_empty()));
}
