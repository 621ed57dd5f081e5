//! Updates on a topology that changes, against a dictionary that knows every connection by its birth.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::slice::from_mut;

use proptest::prelude::*;
use trulysparse::kernels::{Parameters, Sgd, Step, UpdateRule};
use trulysparse::nn::{Config, Cut, Gradient, Memory, Mlp, Pruning, Replica, Sparsity};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{Fan, Init, Scheme, Set};
use trulysparse::train::{Tally, ValidUpdates, Version};

fn network(sizes: &[usize], density: f64, seed: u64) -> Mlp {
    let config = Config {
        sparsity: Sparsity::Density(density.into()),
        init: Init { scheme: Scheme::Xavier, fan: Fan::Layer },
        seed,
        ..Config::plain(sizes.to_vec())
    };
    let mut mlp = Mlp::new(&Par::seq(), config).unwrap();
    mlp.prepare_training(&Par::seq(), Memory::Fast).unwrap();
    mlp
}

/// Layer, row and column.
type Place = (usize, usize, u32);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Connection {
    birth: u64,
    weight: f32,
    momentum: f32,
}

/// Connections and biases as a dictionary; slow and plain.
#[derive(Clone, Debug, Default)]
struct Twin {
    connections: BTreeMap<Place, Connection>,
    biases: Vec<Vec<(f32, f32)>>,
    born: u64,
    tally: Tally,
}

/// What a worker pulled: the births in the order of storage.
#[derive(Clone, Debug)]
struct Held {
    version: Version,
    connections: Vec<(Place, u64)>,
}

fn places(mlp: &Mlp) -> Vec<(Place, f32)> {
    let mut all = Vec::new();
    for (l, layer) in mlp.layers().iter().enumerate() {
        let w = layer.weights();
        for r in 0..w.n_rows() {
            let range = w.pattern().indptr()[r]..w.pattern().indptr()[r + 1];
            all.extend(range.map(|k| ((l, r, w.pattern().indices()[k]), w.data()[k])));
        }
    }
    all
}

impl Twin {
    fn new(mlp: &Mlp) -> Self {
        let biases = mlp.layers().iter().map(|l| vec![(0.0, 0.0); l.bias().len()]).collect();
        let mut twin = Twin { biases, ..Twin::default() };
        twin.grow(mlp);
        twin
    }

    /// Connections that are new, with the weights that the network drew for them.
    fn grow(&mut self, mlp: &Mlp) {
        for (place, weight) in places(mlp) {
            self.connections.entry(place).or_insert_with(|| {
                self.born += 1;
                Connection { birth: self.born, weight, momentum: 0.0 }
            });
        }
    }

    /// SET's rule on one layer, by sorting.
    fn drop_weakest(&mut self, layer: usize, zeta: f64) {
        let here =
            |(place, c): (&Place, &Connection)| (place.0 == layer).then_some((*place, c.weight));
        let all: Vec<_> = self.connections.iter().filter_map(here).collect();
        let mut gone: Vec<_> = all.iter().filter(|(_, w)| *w == 0.0).map(|(p, _)| *p).collect();
        for sign in [1.0, -1.0] {
            let mut side: Vec<_> = all.iter().filter(|(_, w)| w * sign > 0.0).collect();
            side.sort_by(|a, b| a.1.abs().total_cmp(&b.1.abs())); // stable: ties by position
            let count = (zeta * side.len() as f64).floor() as usize;
            gone.extend(side[..count].iter().map(|(place, _)| *place));
        }
        self.connections.retain(|place, _| !gone.contains(place));
    }

    fn push(
        &mut self,
        held: &Held,
        grads: &[Vec<f32>],
        biases: &[Vec<f32>],
        step: &Step,
        most: Option<u64>,
    ) {
        let staleness = self.tally.updates - held.version.updates;
        let bin = staleness as usize;
        if self.tally.histogram.len() <= bin {
            self.tally.histogram.resize(bin + 1, 0);
        }
        self.tally.histogram[bin] += 1;
        self.tally.staleness += staleness;
        self.tally.most_stale = self.tally.most_stale.max(staleness);
        if most.is_some_and(|most| staleness > most) {
            self.tally.refused += 1;
            self.tally.dropped += held.connections.len() as u64;
            return;
        }
        self.tally.updates += 1;
        let gradients = grads.iter().flatten();
        for ((place, birth), g) in held.connections.iter().zip(gradients) {
            match self.connections.get_mut(place) {
                Some(c) if c.birth == *birth => {
                    spend(step, *g, &mut c.weight, &mut c.momentum);
                    self.tally.applied += 1;
                }
                _ => self.tally.dropped += 1,
            }
        }
        let step = Step { shrink: 0.0, ..*step }; // an L1 penalty is one on connections
        for ((w, v), g) in self.biases.iter_mut().flatten().zip(biases.iter().flatten()) {
            spend(&step, *g, w, v);
        }
    }

    fn check(&self, mlp: &Mlp) {
        let momentum = mlp.layers().iter().flat_map(|l| l.momentum());
        let found: Vec<_> = places(mlp)
            .into_iter()
            .zip(momentum)
            .map(|((p, w), v)| (p, w.to_bits(), v.to_bits()))
            .collect();
        let own = self.connections.iter();
        let expected: Vec<_> =
            own.map(|(p, c)| (*p, c.weight.to_bits(), c.momentum.to_bits())).collect();
        assert_eq!(found, expected);
        for (layer, biases) in mlp.layers().iter().zip(&self.biases) {
            let found: Vec<_> =
                layer.bias().iter().copied().zip(layer.bias_momentum().iter().copied()).collect();
            assert_eq!(&found, biases);
        }
    }
}

#[derive(Clone, Debug)]
enum Action {
    Pull(usize),
    Push(usize),
    Evolve(f64),
    Prune(f64),
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => (0usize..3).prop_map(Action::Pull),
        4 => (0usize..3).prop_map(Action::Push),
        2 => (0.0..0.9f64).prop_map(Action::Evolve),
        1 => (1.0..40.0f64).prop_map(Action::Prune),
    ]
}

proptest! {
    #[test]
    fn any_interleaving_gives_what_the_dictionary_says(
        actions in prop::collection::vec(action(), 1..60), seed: u64, nesterov: bool,
        shrink in prop_oneof![Just(0.0f32), 0.0..0.05f32],
        density in prop_oneof![Just(1.0), 0.2..1.0f64],
        most in prop_oneof![Just(None), (0u64..4).prop_map(Some)],
    ) {
        let par = Par::seq();
        let mut mlp = network(&[4, 5, 6, 3], density, seed);
        let mut twin = Twin::new(&mlp);
        let mut updates = ValidUpdates::new(3, most);
        let mut replicas: [Option<Replica>; 3] = [None, None, None];
        let mut known = [Version::default(); 3];
        let mut held: [Option<Held>; 3] = [None, None, None];
        let rule = UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov });
        let step = Step { rule, rate: 0.1, decay: 0.01, inverse_batch: 0.25, shrink };
        let (mut changes, mut pushed) = (0, 0);
        for (time, action) in actions.into_iter().enumerate() {
            match action {
                Action::Pull(worker) => {
                    let version = updates.pull(&mlp, worker, &mut replicas[worker], known[worker]).unwrap();
                    prop_assert_eq!(version, Version { topology: changes, updates: twin.tally.updates });
                    known[worker] = version;
                    let replica = replicas[worker].as_ref().unwrap().model();
                    prop_assert_eq!(places(replica), places(&mlp));
                    for (a, b) in replica.layers().iter().zip(mlp.layers()) {
                        prop_assert_eq!(a.bias(), b.bias());
                    }
                    let births = twin.connections.iter().map(|(p, c)| (*p, c.birth)).collect();
                    held[worker] = Some(Held { version, connections: births });
                }
                Action::Push(worker) => {
                    let remembered = |h: &mut Held| changes - h.version.topology <= 8;
                    let Some(held) = held[worker].take_if(remembered) else { continue };
                    let draws = Stream::new(seed, Purpose::Weights, 77, time as u64);
                    let replica = replicas[worker].as_ref().unwrap().model();
                    let mut next = 0;
                    let mut draw = |n: usize| -> Vec<f32> {
                        next += n as u64;
                        (next - n as u64..next).map(|i| symmetric(draws.at(i))).collect()
                    };
                    let layers: Vec<_> = replica
                        .layers()
                        .iter()
                        .map(|l| (draw(l.weights().nnz()), draw(l.bias().len())))
                        .collect();
                    let (weights, biases): (Vec<_>, Vec<_>) = layers.iter().cloned().unzip();
                    let gradient = Gradient::from_parts(layers, 4);
                    pushed += gradient.view().entries() as u64;
                    let before = twin.tally.clone();
                    twin.push(&held, &weights, &biases, &step, most);
                    let outcome =
                        updates.push(&par, &mut mlp, worker, gradient.view(), held.version, &step.into()).unwrap();
                    prop_assert_eq!(outcome.applied as u64, twin.tally.applied - before.applied);
                    prop_assert_eq!(outcome.dropped as u64, twin.tally.dropped - before.dropped);
                    prop_assert_eq!(outcome.refused, twin.tally.refused > before.refused);
                }
                Action::Evolve(zeta) => {
                    (0..2).for_each(|layer| twin.drop_weakest(layer, zeta));
                    updates.evolve(&par, &mut mlp, &Set { zeta, grow_init: 1.0 }).unwrap();
                    mlp.prepare_training(&par, Memory::Fast).unwrap();
                    twin.grow(&mlp);
                    changes += 1;
                }
                Action::Prune(percentile) => {
                    let rule = Pruning { cut: Cut::Percentile(percentile.into()), close: true };
                    updates.prune(&par, &mut mlp, &rule).unwrap();
                    mlp.prepare_training(&par, Memory::Fast).unwrap();
                    let left: std::collections::BTreeSet<_> =
                        places(&mlp).into_iter().map(|(place, _)| place).collect();
                    twin.connections.retain(|place, _| left.contains(place));
                    changes += 1;
                }
            }
            twin.check(&mlp);
            prop_assert_eq!(updates.tally(), &twin.tally);
            prop_assert_eq!(updates.tally().applied + updates.tally().dropped, pushed);
            let oldest = held.iter().flatten().map(|h| h.version.topology).min();
            prop_assert!(updates.remembered() as u64 <= oldest.map_or(0, |oldest| changes - oldest));
        }
    }
}

fn spend(step: &Step, gradient: f32, weight: &mut f32, momentum: &mut f32) {
    let (values, momentum) = (from_mut(weight), from_mut(momentum));
    step.spend_at(gradient, 0, &mut Parameters { values, momentum, second: &mut [] });
}

fn constant(replica: &Replica, value: f32) -> Gradient {
    let layers = replica.model().layers().iter();
    let layer = layers.map(|l| (vec![value; l.weights().nnz()], vec![value; l.bias().len()]));
    Gradient::from_parts(layer.collect(), 1)
}

#[test]
fn a_connection_grown_again_takes_no_stale_gradient() {
    let par = Par::seq();
    // In a full layer everything that is dropped grows again at its place.
    let mut mlp = network(&[3, 4, 2], 1.0, 1);
    let mut updates = ValidUpdates::new(1, None);
    let mut replica = None;
    let version = updates.pull(&mlp, 0, &mut replica, Version::default()).unwrap();
    let turnover = updates.evolve(&par, &mut mlp, &Set { zeta: 0.5, grow_init: 1.0 }).unwrap();
    let replaced = turnover[0].dropped;
    assert!(replaced > 0);
    let gradient = constant(&replica.unwrap(), 1.0);
    let before: Vec<f32> = mlp.layers()[0].weights().data().to_vec();
    let step = Step {
        rule: UpdateRule::Sgd(Sgd { momentum: 0.0, nesterov: false }),
        rate: 1.0,
        decay: 0.0,
        inverse_batch: 1.0,
        shrink: 0.0,
    };
    let outcome = updates.push(&par, &mut mlp, 0, gradient.view(), version, &step.into()).unwrap();
    assert_eq!((outcome.applied, outcome.dropped), (20 - replaced, replaced));
    let same = before.iter().zip(mlp.layers()[0].weights().data()).filter(|(a, b)| a == b).count();
    assert_eq!(same, replaced);
}

#[test]
fn gradients_older_than_what_is_remembered_are_refused() {
    let par = Par::seq();
    let mut mlp = network(&[3, 4, 2], 0.7, 1);
    let mut updates = ValidUpdates::new(2, None);
    let mut replica = None;
    let version = updates.pull(&mlp, 0, &mut replica, Version::default()).unwrap();
    for change in 1..20 {
        updates.evolve(&par, &mut mlp, &Set { zeta: 0.5, grow_init: 1.0 }).unwrap();
        assert_eq!(updates.remembered(), change.min(8));
    }
    let gradient = constant(&replica.unwrap(), 0.0);
    let step = Step {
        rule: UpdateRule::Sgd(Sgd { momentum: 0.0, nesterov: false }),
        rate: 1.0,
        decay: 0.0,
        inverse_batch: 1.0,
        shrink: 0.0,
    };
    let outcome = updates.push(&par, &mut mlp, 0, gradient.view(), version, &step.into()).unwrap();
    assert!(outcome.refused);
    assert_eq!((outcome.applied, outcome.dropped), (0, gradient.view().entries()));
    assert_eq!((updates.remembered(), updates.tally().refused, updates.tally().updates), (0, 1, 0));
}
