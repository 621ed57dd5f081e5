//! Parallel training: one worker is the sequential fit, several have the same bits on any threads,
//! and the average of networks is what a naive twin says.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use trulysparse::checkpoint;
use trulysparse::csr::Csr;
use trulysparse::nn::{
    Activation, ActivationKind, Config, Cut, Fall, LayerRates, Memory, Mlp, Optimizer, Pruning,
    Sparsity, Targets, UpdateSettings, Workspace,
};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{Fan, Init, Scheme, Set, average};
use trulysparse::train::{
    DataView, Epoch, Event, FitSettings, LocalPhase, Samples, Scaling, Tally, Wasap, Wassp, warmup,
};

const FEATURES: usize = 6;
const SET: Set = Set { zeta: 0.3, grow_init: 0.5 };

fn network(sizes: &[usize]) -> Mlp {
    let config = Config {
        sparsity: Sparsity::Epsilon(4.0.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        init: Init { scheme: Scheme::HeUniform, fan: Fan::Real },
        dropout: 0.2.into(),
        input_noise: 0.1,
        seed: 5,
        ..Config::plain(sizes.to_vec())
    };
    Mlp::new(&Par::seq(), config).unwrap()
}

fn samples(count: usize) -> (Vec<f32>, Vec<u32>) {
    let draws = Stream::new(3, Purpose::Weights, 9, 9);
    let x: Vec<_> = (0..(count * FEATURES) as u64).map(|i| symmetric(draws.at(i))).collect();
    let y = x.chunks(FEATURES).map(|row| u32::from(row[0] * row[1] > 0.0)).collect();
    (x, y)
}

fn settings(epochs: u64, steps: u64) -> FitSettings {
    let optimizer = Optimizer {
        rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: true, schedule_decay: false },
        learning_rate: 0.05,
        weight_decay: 1e-4,
        l1: 0.0,
        schedule: Fall::Cosine { last: 0.0 }.into(),
        layer_rates: LayerRates::Equal,
    };
    FitSettings { batch_size: 16, optimizer, total_steps: epochs * steps }
}

fn bytes(mlp: &Mlp) -> Vec<u8> {
    checkpoint::to_bytes(mlp, &Default::default(), &mut Default::default()).unwrap()
}

/// The sequential fit of four epochs, and its losses.
fn sequential(sizes: &[usize], data: &DataView<'_>, steps: u64) -> (Vec<u8>, Vec<f64>) {
    let par = Par::seq();
    let mut mlp = network(sizes);
    let settings = settings(4, steps);
    let mut workspace = Workspace::new(&mlp, settings.batch_size, Memory::Fast).unwrap();
    let mut losses = Vec::new();
    for e in 0..4 {
        let mut epoch = Epoch::new(&mlp, data, settings, e * steps).unwrap();
        while !epoch.is_finished() {
            epoch.run(&par, &mut mlp, &mut workspace, data, || true).unwrap();
        }
        losses.push(epoch.progress().score.mean_loss());
        if e < 3 {
            mlp.evolve(&par, &SET).unwrap();
        }
    }
    (bytes(&mlp), losses)
}

/// Two synchronous epochs and two local ones; interrupted after every `pause` steps.
fn synchronous(
    sizes: &[usize],
    data: &DataView<'_>,
    steps: u64,
    workers: usize,
    par: &Par,
    pause: usize,
) -> (Vec<u8>, Vec<f64>) {
    let mut mlp = network(sizes);
    let settings = settings(4, steps);
    let mut losses = Vec::new();
    let mut wassp = Wassp::new(&mlp, data, settings, workers).unwrap();
    let mut left = pause;
    let mut go_on = || {
        left -= 1;
        let go_on = left > 0;
        left = if go_on { left } else { pause };
        go_on
    };
    for e in 0..2u64 {
        wassp.start_epoch(&mlp, e * steps).unwrap();
        while !wassp.is_finished() {
            wassp.run(par, &mut mlp, data, warmup(workers, 5, e as usize), &mut go_on).unwrap();
        }
        assert_eq!(wassp.progress().done, data.samples());
        losses.push(wassp.progress().score.mean_loss());
        mlp.evolve(par, &SET).unwrap();
    }
    let nnz = mlp.nnz();
    let mut local = LocalPhase::new(&mlp, data, settings, workers).unwrap();
    for e in 2..4 {
        local.start_epoch(mlp.config().seed, data, e * steps, Scaling::ONE).unwrap();
        while !local.is_finished() {
            local.run(par, data, &mut go_on).unwrap();
        }
        assert_eq!(local.progress().done, data.samples());
        losses.push(local.progress().score.mean_loss());
        local.publish(par, &mut mlp).unwrap();
        assert_eq!(mlp.nnz(), nnz);
        if e < 3 {
            local.evolve(par, &SET).unwrap();
        }
    }
    (bytes(&mlp), losses)
}

#[test]
fn one_worker_is_the_sequential_fit() {
    let (x, y) = samples(150);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    for sizes in [&[FEATURES, 30, 20, 2][..], &[FEATURES, 2], &[FEATURES, 30, 2]] {
        let expected = sequential(sizes, &data, 10);
        for threads in [1, 2] {
            let par = Par::new(threads).unwrap();
            assert_eq!(synchronous(sizes, &data, 10, 1, &par, 3), expected);
        }
    }
}

#[test]
fn several_workers_have_the_same_bits_on_any_threads() {
    // Shares of 51 and 50 samples: the last batches have 3 and 2.
    let (x, y) = samples(151);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let sizes = [FEATURES, 30, 20, 2];
    let expected = synchronous(&sizes, &data, 4, 3, &Par::seq(), 1000);
    for (threads, pause) in [(2, 1000), (3, 1), (5, 2)] {
        let par = Par::new(threads).unwrap();
        assert_eq!(synchronous(&sizes, &data, 4, 3, &par, pause), expected);
    }
    assert_ne!(synchronous(&sizes, &data, 6, 2, &Par::seq(), 1000), expected);
}

#[test]
fn a_worker_without_samples_left_is_left_out() {
    // 33 samples: the first of two workers has 17, so a second step of one sample on its own.
    let (x, y) = samples(33);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let mut mlp = network(&[FEATURES, 20, 2]);
    let mut wassp = Wassp::new(&mlp, &data, settings(1, 2), 2).unwrap();
    wassp.start_epoch(&mlp, 0).unwrap();
    wassp.run(&Par::seq(), &mut mlp, &data, 1.0, || true).unwrap();
    assert!(wassp.is_finished());
    assert_eq!((mlp.counters.steps, mlp.counters.epochs), (2, 1));
}

/// Three asynchronous epochs with evolution between them; replayed if there are records.
fn asynchronous(
    data: &DataView<'_>,
    workers: usize,
    max_staleness: Option<u64>,
    replay: Option<&[Vec<Event>]>,
) -> (Vec<u8>, Vec<Vec<Event>>, Tally) {
    let par = Par::new(2).unwrap();
    let mut mlp = network(&[FEATURES, 30, 20, 2]);
    let settings = settings(3, 10u64.div_ceil(workers as u64));
    let mut wasap = Wasap::new(&mlp, data, settings, workers, max_staleness).unwrap();
    let mut asked = 0;
    let mut go_on = || {
        asked += 1;
        asked % 4 != 0
    };
    let mut records = Vec::new();
    for e in 0..3 {
        wasap.start_epoch(e as u64 * settings.total_steps / 3);
        while !wasap.is_finished() {
            match replay {
                None => wasap.run(&par, &mut mlp, data, &mut go_on).unwrap(),
                Some(old) => wasap.replay(&par, &mut mlp, data, &old[e], &mut go_on).unwrap(),
            }
        }
        records.push(wasap.events().to_vec());
        if e == 0 {
            wasap
                .prune(&par, &mut mlp, &Pruning { cut: Cut::Percentile(10.0.into()), close: true })
                .unwrap();
        }
        if e < 2 {
            wasap.evolve(&par, &mut mlp, &SET).unwrap();
        }
    }
    (bytes(&mlp), records, wasap.tally().clone())
}

#[test]
fn an_asynchronous_fit_is_replayed_bit_for_bit() {
    let (x, y) = samples(150);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    for (workers, most) in [(3, None), (4, Some(1)), (2, Some(0))] {
        let (model, records, tally) = asynchronous(&data, workers, most, None);
        assert_eq!(tally.histogram.iter().sum::<u64>(), tally.updates + tally.refused);
        assert!(tally.updates >= 30 && most.is_none_or(|_| tally.updates <= 3 * 12));
        assert!(most.is_some() || tally.refused == 0);
        for _ in 0..2 {
            let again = asynchronous(&data, workers, most, Some(&records));
            assert_eq!(again, (model.clone(), records.clone(), tally.clone()));
        }
    }
}

#[test]
fn one_asynchronous_worker_is_the_sequential_fit() {
    let (x, y) = samples(150);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let par = Par::new(2).unwrap();
    let sizes = [FEATURES, 30, 20, 2];
    let mut mlp = network(&sizes);
    let mut wasap = Wasap::new(&mlp, &data, settings(4, 10), 1, Some(0)).unwrap();
    let mut losses = Vec::new();
    for e in 0..4 {
        wasap.start_epoch(e * 10);
        while !wasap.is_finished() {
            wasap.run(&par, &mut mlp, &data, || false).unwrap();
        }
        losses.push(wasap.progress().score.mean_loss());
        if e < 3 {
            wasap.evolve(&par, &mut mlp, &SET).unwrap();
        }
    }
    assert_eq!((bytes(&mlp), losses), sequential(&sizes, &data, 10));
    assert_eq!(
        (wasap.tally().updates, wasap.tally().dropped, wasap.tally().most_stale),
        (40, 0, 0)
    );
}

#[test]
fn a_record_of_another_fit_is_refused() {
    let (x, y) = samples(50);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let event = |worker, push| Event { worker, push };
    for events in [
        &[][..],
        &[event(0, true)],
        &[event(7, false)],
        &[event(0, false), event(0, true), event(0, false)],
    ] {
        let mut mlp = network(&[FEATURES, 2]);
        let mut wasap = Wasap::new(&mlp, &data, settings(1, 2), 2, None).unwrap();
        wasap.start_epoch(0);
        let refused = wasap.replay(&Par::seq(), &mut mlp, &data, events, || true).unwrap_err();
        assert!(refused.to_string().starts_with("replay = "), "{refused}");
    }
}

#[test]
fn the_learning_rate_warms_up() {
    let rates: Vec<_> = (0..7).map(|epoch| warmup(4, 5, epoch)).collect();
    let expected = [1.0, 1.6, 2.2, 2.8, 3.4, 4.0, 4.0];
    assert!(rates.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{rates:?}");
    assert_eq!((warmup(4, 0, 0), warmup(1, 5, 3)), (4.0, 1.0));
}

#[test]
fn more_workers_than_samples_are_refused() {
    let (x, y) = samples(3);
    let data = DataView::checked_before(Samples::Dense(&x, FEATURES), Some(Targets::Classes(&y)));
    let mlp = network(&[FEATURES, 2]);
    let refused = Wassp::new(&mlp, &data, settings(1, 1), 4).unwrap_err().to_string();
    assert!(refused.starts_with("workers = 4: expected"), "{refused}");
}

fn sparse(n_cols: usize, n_rows: usize, values: &[u8]) -> Csr {
    let (mut indptr, mut indices, mut data) = (vec![0], Vec::new(), Vec::new());
    for r in 0..n_rows {
        for c in 0..n_cols {
            let v = values[(r * n_cols + c) % values.len()];
            if !v.is_multiple_of(3) {
                indices.push(c as u32);
                // Few values, so that there are ties, opposites that add up to zero, and zeros.
                data.push(f32::from(v % 7) - 3.0);
            }
        }
        indptr.push(indices.len());
    }
    Csr::new(n_cols, indptr, indices, data).unwrap()
}

proptest! {
    #[test]
    fn the_average_is_what_a_dictionary_says(
        n_cols in 1usize..8, n_rows in 1usize..8, target in 0usize..60,
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 1..5),
    ) {
        let parts: Vec<_> = values.iter().map(|v| sparse(n_cols, n_rows, v)).collect();
        let beside: Vec<Vec<f32>> =
            parts.iter().map(|w| (0..w.nnz()).map(|k| k as f32).collect()).collect();
        let pairs: Vec<_> = parts.iter().zip(&beside).map(|(w, b)| (w, &b[..])).collect();
        let mut sums: BTreeMap<(usize, u32), (f64, f64)> = BTreeMap::new();
        for (w, beside) in &pairs {
            for r in 0..n_rows {
                for k in w.pattern().indptr()[r]..w.pattern().indptr()[r + 1] {
                    let sum = sums.entry((r, w.pattern().indices()[k])).or_default();
                    *sum = (sum.0 + f64::from(w.data()[k]), sum.1 + f64::from(beside[k]));
                }
            }
        }
        let count = parts.len() as f64;
        let mean = |(a, b): (f64, f64)| ((a / count) as f32, (b / count) as f32);
        let mut all: BTreeMap<_, _> = sums.into_iter().map(|(at, sum)| (at, mean(sum))).collect();
        let surplus = all.len().saturating_sub(target);
        let mut gone: Vec<_> = all.iter().filter(|(_, v)| v.0 == 0.0).map(|(at, _)| *at).collect();
        gone.truncate(surplus);
        let surplus = surplus - gone.len();
        let side = |sign: f32| {
            let mut side: Vec<_> = all.iter().filter(|(_, v)| v.0 * sign > 0.0).collect();
            side.sort_by(|a, b| a.1.0.abs().total_cmp(&b.1.0.abs()));
            side.into_iter().map(|(at, _)| *at).collect::<Vec<_>>()
        };
        let (positive, negative) = (side(1.0), side(-1.0));
        let share = surplus * positive.len() / (positive.len() + negative.len()).max(1);
        gone.extend(&positive[..share]);
        gone.extend(&negative[..surplus - share]);
        let gone: BTreeSet<_> = gone.into_iter().collect();
        all.retain(|at, _| !gone.contains(at));

        let (w, beside) = average(&pairs, target).unwrap();
        let rows = (0..n_rows).flat_map(|r| w.pattern().row(r).iter().map(move |c| (r, *c)));
        let values = w.data().iter().copied().zip(beside.iter().copied());
        let found: Vec<_> = rows.zip(values).collect();
        prop_assert_eq!(found, all.into_iter().collect::<Vec<_>>());
        if parts.len() == 1 && target >= parts[0].nnz() {
            prop_assert_eq!(w.data(), parts[0].data());
        }
    }
}
