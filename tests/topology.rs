//! The rules of the topology and their parts: SET's invariants over drawn matrices, its bits for
//! any threads, and rules made of other parts, against naive twins.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use trulysparse::csr::{Csr, NONE, Pattern};
use trulysparse::error::Result;
use trulysparse::parallel::Par;
use trulysparse::rng::{Purpose, Stream, symmetric};
use trulysparse::topology::{
    Buffers, Evolved, Evolving, Fan, GradientGrowth, Init, Old, Rule, Scheme, Shape, Survival,
    Thinned, Turnover, erdos_renyi, largest, merge, sample_distinct, weakest,
};

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
    let old = Old { weights: w, carried: &[], closed, track: true };
    let thinned = Thinned::new(par, old, weakest(par, w.data(), zeta).unwrap()).unwrap();
    let places = thinned.draw(par, thinned.dropped() as u64, places).unwrap();
    merge(par, &thinned, places, value, &mut Buffers::default()).unwrap()
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
        prop_assert_eq!(evolved.turnover.dropped, zeros + weak(1.0) + weak(-1.0));
        prop_assert_eq!(evolved.source.iter().filter(|&&s| s == NONE).count(), evolved.turnover.grown);

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
        prop_assert_eq!((found.source, found.turnover), (expected.source, expected.turnover));
    }
}

proptest! {
    /// Growth by gradients by its definition: of the drawn empty places those with the largest.
    #[test]
    fn gradients_choose_the_best_of_the_candidates(
        n_in in 1usize..40, closed in prop::collection::vec(any::<bool>(), 1..30), seed: u64,
        zeta in 0.0..1.0f64, density in prop_oneof![Just(1.0), 0.0..1.0f64], threads in 1usize..4,
        samples in prop_oneof![Just(1.0), Just(1e9), 1.0..6.0f64], levels in 1u64..50,
    ) {
        let par = Par::new(threads).unwrap();
        let open = closed.iter().filter(|closed| !**closed).count();
        let w = with_empty_rows(&random(&par, n_in, open, density, seed), &closed);
        let gradients = |places: Pattern<'_>, out: &mut [f32]| scores(levels, places, out);
        let layer = evolving(Old { weights: &w, carried: &[], closed: &closed, track: true }, seed);
        let layer = Evolving { gradients: Some(&gradients), ..layer };
        let rule = GradientGrowth { zeta, grow_init: 1.0, samples };
        let found = rule.evolve(&par, &layer, &mut Buffers::default()).unwrap();

        let random = evolve(&par, &w, zeta, &closed, layer.places, |_| |_| 1.0);
        let (kept, _) = entries(&random);
        let count = random.turnover.dropped;
        let expected = best(&kept, &closed, n_in, (samples, count), layer.places, levels);
        prop_assert_eq!(found.turnover, Turnover { dropped: count, grown: count });
        prop_assert_eq!(entries(&found), (kept, expected));
    }
}

/// A rule of other parts. Which connections go depends on their place; half as many come, where
/// gradients are largest among twice as many candidates.
#[derive(Debug)]
struct Thinning {
    every: u32,
}

/// Drops the entries that [`hits`] names.
struct Hits<'a> {
    columns: &'a [u32],
    every: u32,
}

fn hits(row: u32, column: u32, every: u32) -> bool {
    row == 0 || (row + column).is_multiple_of(every)
}

impl Survival for Hits<'_> {
    fn survives(&self, k: u32, row: u32, _v: f32) -> bool {
        !hits(row, self.columns[k as usize], self.every)
    }
}

impl Rule for Thinning {
    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn needs_gradients(&self) -> bool {
        true
    }

    fn evolve(&self, par: &Par, layer: &Evolving<'_>, buffers: &mut Buffers) -> Result<Evolved> {
        let hits = Hits { columns: layer.old.weights.pattern().indices(), every: self.every };
        let thinned = Thinned::new(par, layer.old, hits)?;
        let count = thinned.dropped() / 2;
        let candidates = thinned.draw(par, 2 * count as u64, layer.places)?;
        let places = largest(par, &thinned, candidates, count, layer.gradients.unwrap())?;
        layer.merge(par, &thinned, places, 0.5, buffers)
    }
}

proptest! {
    #[test]
    fn a_rule_of_other_parts_does_what_they_say(
        n_in in 1usize..40, closed in prop::collection::vec(any::<bool>(), 1..30), seed: u64,
        density in prop_oneof![Just(1.0), 0.0..1.0f64], threads in 1usize..4, every in 1u32..6,
        levels in 1u64..50, by_row: bool,
    ) {
        let par = Par::new(threads).unwrap();
        let open = closed.iter().filter(|closed| !**closed).count();
        let w = with_empty_rows(&random(&par, n_in, open, density, seed), &closed);
        let carried: Vec<_> = (1..=w.nnz()).map(|k| k as f32).collect();
        let gradients = |places: Pattern<'_>, out: &mut [f32]| scores(levels, places, out);
        let old = Old { weights: &w, carried: &carried, closed: &closed, track: true };
        let fan = if by_row { Fan::Real } else { Fan::Layer };
        let init = Init { scheme: Scheme::HeUniform, fan };
        let layer = Evolving { gradients: Some(&gradients), init, ..evolving(old, seed) };
        let found = Thinning { every }.evolve(&par, &layer, &mut Buffers::default()).unwrap();

        // Rows are counted along the open ones.
        let numbers = closed.iter().scan(0, |next, closed| {
            let number = *next;
            *next += u32::from(!closed);
            Some(number)
        });
        let numbers: Vec<u32> = numbers.collect();
        let mut kept = Vec::new();
        let mut sources = Vec::new();
        let rows = (0..closed.len()).flat_map(|row| w.pattern().row(row).iter().map(move |&c| (row, c)));
        for (k, (row, column)) in rows.enumerate() {
            if !hits(numbers[row], column, every) {
                kept.push((row, column));
                sources.push(k as u32);
            }
        }
        let dropped = w.nnz() - kept.len();
        let grown = best(&kept, &closed, n_in, (2.0, dropped / 2), layer.places, levels);
        prop_assert_eq!(found.turnover, Turnover { dropped, grown: dropped / 2 });
        prop_assert_eq!(entries(&found), (kept, grown));
        let survivors = found.source.iter().filter(|&&s| s != NONE);
        prop_assert_eq!(survivors.copied().collect::<Vec<_>>(), sources);

        let (new, shape) = (&found.matrix, Shape { n_in, n_out: closed.len(), nnz: w.nnz() });
        let mut number = 0;
        for row in 0..new.n_rows() {
            let entries = new.pattern().indptr()[row]..new.pattern().indptr()[row + 1];
            for k in entries.clone() {
                let (weight, value) = if found.source[k] == NONE {
                    let scale = 0.5 * init.scale(shape, entries.len());
                    number += 1;
                    (scale * init.unit(layer.values, number - 1), 0.0)
                } else {
                    let source = found.source[k] as usize;
                    (w.data()[source], carried[source])
                };
                prop_assert_eq!(new.data()[k].to_bits(), weight.to_bits());
                prop_assert_eq!(found.carried[k], value);
            }
        }
    }
}

fn evolving(old: Old<'_>, seed: u64) -> Evolving<'_> {
    Evolving {
        old,
        init: Init { scheme: Scheme::HeUniform, fan: Fan::Layer },
        places: stream(Purpose::GrowPlaces, seed),
        values: stream(Purpose::GrowValues, seed),
        gradients: None,
    }
}

/// A few levels of both signs, so that there are ties.
fn score(levels: u64, row: usize, column: u32) -> f32 {
    let word = stream(Purpose::Weights, row as u64).at(u64::from(column));
    (word % levels) as f32 * if word >> 63 == 0 { 1.0 } else { -1.0 }
}

fn scores(levels: u64, places: Pattern<'_>, out: &mut [f32]) -> Result<()> {
    let mut out = out.iter_mut();
    for row in 0..places.n_rows() {
        for (&column, out) in places.row(row).iter().zip(&mut out) {
            *out = score(levels, row, column);
        }
    }
    Ok(())
}

/// Of drawn empty places of open rows, `samples` for each of `count`, the `count` with the largest
/// scores.
fn best(
    kept: &Places,
    closed: &[bool],
    n_in: usize,
    (samples, count): (f64, usize),
    places: Stream,
    levels: u64,
) -> Places {
    let empty: Vec<_> = (0..closed.len())
        .filter(|&row| !closed[row])
        .flat_map(|row| (0..n_in as u32).map(move |column| (row, column)))
        .filter(|place| kept.binary_search(place).is_err())
        .collect();
    let drawn = ((samples * count as f64) as u64).min(empty.len() as u64);
    let ranks = sample_distinct(&Par::seq(), empty.len() as u64, drawn, places).unwrap();
    let mut best: Vec<_> = ranks.iter().map(|&rank| empty[rank as usize]).collect();
    best.sort_by_key(|&(row, column)| {
        (std::cmp::Reverse(score(levels, row, column).abs() as u64), row, column)
    });
    best.truncate(count);
    best.sort_unstable();
    best
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
    // Also one row, rows of one entry, all places taken, and ties at the cut.
    let tied = |mut w: Csr| {
        w.pattern_and_data_mut().1.iter_mut().for_each(|v| *v = v.signum());
        w
    };
    let empty: Vec<_> = (0..3000).map(|r| r % 3 == 0).collect();
    for w in [
        random(&Par::seq(), 2000, 1500, 0.05, 3),
        random(&Par::seq(), 60_000, 1, 0.9, 3),
        random(&Par::seq(), 1, 60_000, 0.9, 3),
        random(&Par::seq(), 300, 200, 1.0, 3),
        tied(random(&Par::seq(), 1000, 1000, 0.04, 3)),
        with_empty_rows(&random(&Par::seq(), 900, 2000, 0.03, 3), &empty),
        random(&Par::seq(), 400, 400, 0.0, 3),
        random(&Par::seq(), 1, 1, 1.0, 3),
    ] {
        bits_are_the_same(&w);
    }
}

fn bits_are_the_same(w: &Csr) {
    let run = |par: &Par| {
        let e = evolve(par, w, 0.3, &[], stream(Purpose::GrowPlaces, 0), |_| |index| index as f32);
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
