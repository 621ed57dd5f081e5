//! Counts beyond 32 bits, met in milliseconds: places of wide layers with few connections, and
//! columns as far as they go.

#![allow(clippy::unwrap_used)]

use trulysparse::csr::Csr;
use trulysparse::nn::{Activation, ActivationKind, Config, Footprint, Memory, Mlp, Sparsity};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream};
use trulysparse::topology::{self, Buffers, Old, Thinned, merge, weakest};

const WIDE: usize = 4_000_000_000;

fn stream(purpose: Purpose) -> Stream {
    Stream::new(5, purpose, 1, 1)
}

/// 3,000 rows of 4 billion columns: 1.2e13 places.
fn wide() -> Csr {
    let places = 3000.0 * WIDE as f64;
    let (indptr, indices) =
        topology::erdos_renyi(&Par::seq(), WIDE, 3000, 6000.0 / places, stream(Purpose::Structure))
            .unwrap();
    let data = (0..indices.len()).map(|k| (k as f32 - 2999.5) / 1e3).collect();
    Csr::new(WIDE, indptr, indices, data).unwrap()
}

/// The number of values in each quarter of a range.
fn quarters(values: impl Iterator<Item = u64>, range: u64) -> [usize; 4] {
    let mut counts = [0; 4];
    values.for_each(|v| counts[(u128::from(v) * 4 / u128::from(range)) as usize] += 1);
    counts
}

#[test]
fn random_structures_reach_every_place() {
    let w = wide();
    assert!((5600..6400).contains(&w.nnz()), "{}", w.nnz());
    let columns = w.pattern().indices().iter().map(|&c| u64::from(c));
    assert!(quarters(columns, WIDE as u64).iter().all(|&n| (1300..1700).contains(&n)));
}

#[test]
fn growth_reaches_every_place() {
    let w = wide();
    let grown = |threads| {
        let par = Par::new(threads).unwrap();
        let old = Old { weights: &w, carried: &[], closed: &[], track: false };
        let thinned = Thinned::new(&par, old, weakest(&par, w.data(), 0.9).unwrap()).unwrap();
        let count = thinned.dropped() as u64;
        let places = thinned.draw(&par, count, stream(Purpose::GrowPlaces)).unwrap();
        merge(&par, &thinned, places, |_| |_| 7.0, &mut Buffers::default()).unwrap().matrix
    };
    let evolved = grown(1);
    assert_eq!(evolved.nnz(), w.nnz());
    let pattern = evolved.pattern();
    let places = (0..3000u64)
        .flat_map(|r| pattern.row(r as usize).iter().map(move |&c| r * WIDE as u64 + u64::from(c)));
    assert!(quarters(places, 3000 * WIDE as u64).iter().all(|&n| (1300..1700).contains(&n)));
    let columns = pattern.indices().iter().map(|&c| u64::from(c));
    assert!(quarters(columns, WIDE as u64).iter().all(|&n| (1300..1700).contains(&n)));
    for threads in [2, 5] {
        assert_eq!(grown(threads).pattern().indices(), pattern.indices());
    }
}

fn config(layer_sizes: Vec<usize>, epsilon: f64) -> Config {
    Config {
        sparsity: Sparsity::Epsilon(epsilon.into()),
        activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
        ..Config::plain(layer_sizes)
    }
}

#[test]
fn what_does_not_fit_32_bits_is_refused_and_what_does_is_planned() {
    let plan = |sizes: &[usize], epsilon| {
        let (config, set) = (config(sizes.to_vec(), epsilon), Some(0.0));
        Footprint::expected(&config, 256, set, Memory::Fast, 1)
    };
    // Bytes beyond 2^40, connections beyond 2^32 in all layers together.
    let planned = plan(&[2_000_000_000; 5], 1.0).unwrap();
    assert!((planned.connections - 16e9).abs() < 1.0 && planned.total() > 10e12);
    let refused = |sizes: &[usize], epsilon| plan(sizes, epsilon).unwrap_err().to_string();
    assert!(refused(&[2_200_000_000; 3], 1.0).contains("fewer than 4294967295 connections"));
    assert!(refused(&[10, 1 << 32], 1e-9).contains("layer_sizes = 4294967296"));
    let error = Mlp::new(&Par::seq(), config(vec![2_000_000_000; 5], 1.0)).unwrap_err();
    assert!(error.to_string().contains("memory"), "{error}");
}
