//! SET's invariants over matrices that nobody would think of, and its bits for any threads.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trulysparse::csr::{Csr, NONE, Pattern};
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{self, Evolution, Evolved, Guide, Spare, erdos_renyi, sample_distinct};

fn stream(purpose: Purpose, epoch: u64) -> Stream {
    Stream::new(9, purpose, 1, epoch)
}

fn evolve<V: Fn(u64) -> f32>(
    par: &Par,
    w: &Csr,
    zeta: f64,
    closed: &[bool],
    places: Stream,
    value: impl Fn(usize) -> V + Sync,
) -> Evolved {
    let how = Evolution { zeta, closed, places, guide: None, track: true };
    topology::evolve(par, w, &[], &how, value, &mut Spare::default()).unwrap()
}

fn random(par: &Par, n_in: usize, n_out: usize, density: f64, seed: u64) -> Csr {
    let (indptr, indices) =
        erdos_renyi(par, n_in, n_out, density, stream(Purpose::Structure, seed)).unwrap();
    let values = stream(Purpose::Weights, seed);
    // A quarter of the weights is one of four values, so that there are zeros and ties.
    let data = (0..indices.len() as u64).map(|k| match values.at(k) % 16 {
        0 => 0.0,
        1 => 0.25,
        2 => -0.25,
        3 => 1e-42,
        _ => symmetric(values.at(k)),
    });
    Csr::new(n_in, indptr, indices.clone(), data.collect()).unwrap()
}

proptest! {
    #[test]
    fn set_conserves_connections_and_keeps_what_it_says(
        n_in in prop_oneof![1usize..30, 100usize..200], n_out in 1usize..30, seed: u64, zeta in 0.0..1.0f64,
        density in prop_oneof![Just(0.0), Just(1.0), 0.0..1.0f64],
    ) {
        let w = random(&Par::seq(), n_in, n_out, density, seed);
        let evolved = evolve(&Par::seq(), &w, zeta, &[], stream(Purpose::GrowPlaces, seed), |_| |index| 2.0 + index as f32);
        let new = &evolved.matrix;
        // Csr::new checks the structure from scratch.
        let p = new.pattern();
        Csr::new(n_in, p.indptr().to_vec(), p.indices().to_vec(), new.data().to_vec()).unwrap();
        prop_assert_eq!(new.nnz(), w.nnz());
        prop_assert_eq!(evolved.source.len(), w.nnz());

        let count = |sign: f32| w.data().iter().filter(|v| **v * sign > 0.0).count();
        let zeros = w.data().iter().filter(|v| **v == 0.0).count();
        let weak = |sign: f32| (zeta * count(sign) as f64).floor() as usize;
        prop_assert_eq!(evolved.dropped, zeros + weak(1.0) + weak(-1.0));
        prop_assert_eq!(evolved.source.iter().filter(|&&s| s == NONE).count(), evolved.dropped);

        let mut grown = 0;
        for row in 0..n_out {
            for k in p.indptr()[row]..p.indptr()[row + 1] {
                let source = evolved.source[k] as usize;
                if evolved.source[k] == NONE {
                    prop_assert_eq!(new.data()[k], 2.0 + grown as f32);
                    grown += 1;
                } else {
                    let old = w.pattern();
                    prop_assert!((old.indptr()[row]..old.indptr()[row + 1]).contains(&source));
                    prop_assert_eq!(old.indices()[source], p.indices()[k]);
                    prop_assert_eq!(w.data()[source].to_bits(), new.data()[k].to_bits());
                }
            }
        }
    }
}

proptest! {
    /// Closed rows are as if they were not there: the others evolve as a matrix of their own.
    #[test]
    fn closed_rows_stay_empty_and_change_nothing_else(
        n_in in 1usize..20, closed in prop::collection::vec(any::<bool>(), 1..30), seed: u64,
        zeta in 0.0..1.0f64, density in prop_oneof![Just(1.0), 0.0..1.0f64], threads in 1usize..4,
    ) {
        let par = Par::new(threads).unwrap();
        let open = closed.iter().filter(|closed| !**closed).count();
        let part = random(&par, n_in, open, density, seed);
        let whole = with_empty_rows(&part, &closed);
        let places = stream(Purpose::GrowPlaces, seed);
        let value = |nnz: usize| move |index| nnz as f32 + index as f32;
        let expected = evolve(&par, &part, zeta, &[], places, value);
        let found = evolve(&par, &whole, zeta, &closed, places, value);
        let matrix = with_empty_rows(&expected.matrix, &closed);
        prop_assert_eq!(found.matrix.pattern().indptr(), matrix.pattern().indptr());
        prop_assert_eq!(found.matrix.pattern().indices(), matrix.pattern().indices());
        prop_assert_eq!(found.matrix.data(), matrix.data());
        prop_assert_eq!((found.source, found.dropped), (expected.source, expected.dropped));
    }
}

proptest! {
    /// Guided growth by its definition: of the sampled empty places those with the largest scores.
    #[test]
    fn a_guide_chooses_the_best_of_its_candidates(
        n_in in 1usize..40, closed in prop::collection::vec(any::<bool>(), 1..30), seed: u64,
        zeta in 0.0..1.0f64, density in prop_oneof![Just(1.0), 0.0..1.0f64], threads in 1usize..4,
        samples in prop_oneof![Just(1.0), Just(1e9), 1.0..6.0f64], levels in 1u64..50,
    ) {
        let par = Par::new(threads).unwrap();
        let open = closed.iter().filter(|closed| !**closed).count();
        let w = with_empty_rows(&random(&par, n_in, open, density, seed), &closed);
        let places = stream(Purpose::GrowPlaces, seed);
        // A few levels of both signs, so that there are ties.
        let score_of = |row: usize, column: u32| {
            let word = stream(Purpose::Weights, row as u64).at(u64::from(column));
            (word % levels) as f32 * if word >> 63 == 0 { 1.0 } else { -1.0 }
        };
        let score = |candidates: Pattern<'_>, scores: &mut [f32]| {
            let mut scores = scores.iter_mut();
            for row in 0..candidates.n_rows() {
                for (&column, score) in candidates.row(row).iter().zip(&mut scores) {
                    *score = score_of(row, column);
                }
            }
        };
        let how = Evolution {
            zeta, closed: &closed, places, guide: Some(Guide { samples, score: &score }), track: true,
        };
        let value = |_| |index| 2.0 + index as f32;
        let found = topology::evolve(&par, &w, &[], &how, value, &mut Spare::default()).unwrap();

        let random = evolve(&par, &w, zeta, &closed, places, value);
        let (kept, _) = entries(&random);
        let empty: Vec<_> = (0..closed.len())
            .filter(|&row| !closed[row])
            .flat_map(|row| (0..n_in as u32).map(move |column| (row, column)))
            .filter(|place| kept.binary_search(place).is_err())
            .collect();
        let drawn = ((samples * random.dropped as f64) as u64).min(empty.len() as u64);
        let ranks = sample_distinct(&par, empty.len() as u64, drawn, places).unwrap();
        let mut expected: Vec<_> = ranks.iter().map(|&rank| empty[rank as usize]).collect();
        expected.sort_by_key(|&(row, column)| {
            (std::cmp::Reverse(score_of(row, column).abs() as u64), row, column)
        });
        expected.truncate(random.dropped);
        expected.sort_unstable();
        prop_assert_eq!(found.dropped, random.dropped);
        prop_assert_eq!(entries(&found), (kept, expected));
    }
}

/// The places of survivors and of grown connections, in order.
type Places = Vec<(usize, u32)>;

fn entries(evolved: &Evolved) -> (Places, Places) {
    let pattern = evolved.matrix.pattern();
    let places = (0..pattern.n_rows()).flat_map(|r| pattern.row(r).iter().map(move |&c| (r, c)));
    let (kept, grown): (Vec<_>, Vec<_>) =
        places.zip(&evolved.source).partition(|(_, source)| **source != NONE);
    let places = |all: Vec<((usize, u32), &u32)>| all.into_iter().map(|(place, _)| place).collect();
    (places(kept), places(grown))
}

/// The rows of a matrix in those places where `empty` is false.
fn with_empty_rows(w: &Csr, empty: &[bool]) -> Csr {
    let p = w.pattern();
    let mut rows = p.indptr()[1..].iter();
    let mut indptr = vec![0];
    for &empty in empty {
        let last = *indptr.last().unwrap();
        indptr.push(if empty { last } else { *rows.next().unwrap() });
    }
    Csr::new(w.n_cols(), indptr, p.indices().to_vec(), w.data().to_vec()).unwrap()
}

#[test]
fn evolution_has_the_same_bits_for_any_number_of_threads() {
    let w = random(&Par::seq(), 2000, 1500, 0.05, 3);
    let run = |par: &Par| {
        let e = evolve(par, &w, 0.3, &[], stream(Purpose::GrowPlaces, 0), |_| |index| index as f32);
        (
            e.matrix.pattern().indptr().to_vec(),
            e.matrix.pattern().indices().to_vec(),
            e.matrix.data().to_vec(),
            e.source,
        )
    };
    let one = run(&Par::seq());
    for threads in [2, 3, 7] {
        assert_eq!(one, run(&Par::new(threads).unwrap()));
    }
}
