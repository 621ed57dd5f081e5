//! Fuzzing of what reads untrusted arrays: the check of a sparse matrix, and the reader of files.
//!
//! `cargo test` draws few cases. For millions, with the time that they took:
//! `PROPTEST_CASES=2000000 cargo test --release --test fuzz -- --nocapture`

#![allow(clippy::unwrap_used)]

use std::cell::Cell;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config as Cases, TestCaseResult, TestRunner};
use serde_json::{Value, json};
use trulysparse::checkpoint::{Loaded, from_bytes, to_bytes};
use trulysparse::csr::{Csr, Transpose, check};
use trulysparse::error::{Error, Result};
use trulysparse::kernels::{self, Batch, BatchMut, Linear, stride};
use trulysparse::nn::{Config, Cut, Mlp, Pruning};
use trulysparse::parallel::Par;
use trulysparse::topology::Set;
use trulysparse::watch::Watch;

/// Runs as many cases as proptest is told to, and says how many and how long.
fn fuzz<S: Strategy>(name: &str, cases: S, test: impl Fn(S::Value) -> TestCaseResult) {
    let config = Cases { failure_persistence: None, ..Cases::default() };
    let (count, start) = (config.cases, Instant::now());
    TestRunner::new(config).run(&cases, test).unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{name}: {count} cases in {:.1} s", start.elapsed().as_secs_f64());
}

// --- sparse matrices --------------------------------------------------------------------------

#[derive(Clone, Debug)]
struct Arrays {
    columns: usize,
    indptr: Vec<usize>,
    indices: Vec<u32>,
    data: Vec<f32>,
}

/// A whole matrix, of which some numbers are then replaced: most cases are nearly right.
fn arrays() -> impl Strategy<Value = Arrays> {
    let row = prop::collection::btree_set(0u32..7, 0..5);
    let change = (0usize..3, any::<prop::sample::Index>(), 0usize..3, odd());
    (prop::collection::vec(row, 0..5), prop::collection::vec(change, 0..3)).prop_map(
        |(rows, changes)| {
            let indices: Vec<u32> = rows.iter().flatten().copied().collect();
            let ends = rows.iter().scan(0, |end, row| {
                *end += row.len();
                Some(*end)
            });
            let indptr = std::iter::once(0).chain(ends).collect();
            let data = vec![0.5; indices.len()];
            let mut arrays = Arrays { columns: 7, indptr, indices, data };
            for (array, at, verb, value) in changes {
                let Arrays { indptr, indices, data, .. } = &mut arrays;
                match array {
                    0 => change_one(indptr, at, verb, value as usize),
                    1 => change_one(indices, at, verb, value as u32),
                    _ => change_one(data, at, verb, f32::from_bits(value as u32)),
                }
            }
            arrays
        },
    )
}

/// Numbers near the limits of what an index, an offset or a float may be.
fn odd() -> impl Strategy<Value = u64> {
    let edges = [31, 32, 63].map(|bits| 1u64 << bits);
    let mut some = vec![0, 6, 7, 8, u64::MAX, u64::from(f32::NAN.to_bits())];
    some.extend(edges.iter().flat_map(|&e| [e - 1, e, e + 1]));
    prop_oneof![0u64..12, prop::sample::select(some), any::<u64>()]
}

fn change_one<T: Copy>(array: &mut Vec<T>, at: prop::sample::Index, verb: usize, value: T) {
    match verb {
        0 if !array.is_empty() => {
            let at = at.index(array.len());
            array[at] = value;
        }
        1 if !array.is_empty() => {
            array.remove(at.index(array.len()));
        }
        _ => array.insert(at.index(array.len() + 1), value),
    }
}

/// The definition of a matrix, as the module's text has it.
fn is_matrix(a: &Arrays) -> bool {
    let Some(rows) = a.indptr.len().checked_sub(1) else { return false };
    a.data.len() == a.indices.len()
        && a.indptr[0] == 0
        && a.indptr[rows] == a.indices.len()
        && (0..rows).all(|r| {
            let (start, end) = (a.indptr[r], a.indptr[r + 1]);
            start <= end
                && a.indices.get(start..end).is_some_and(|row| row.is_sorted_by(|a, b| a < b))
        })
        && a.indices.iter().all(|&c| (c as usize) < a.columns)
        && a.data.iter().all(|v| v.is_finite())
}

#[test]
fn a_matrix_is_taken_exactly_if_it_is_one_and_then_kernels_stay_in_it() {
    fuzz("the check of a matrix", arrays(), |a| {
        prop_assert_eq!(check(a.columns, &a.indptr, &a.indices, &a.data).is_ok(), is_matrix(&a));
        let Ok(w) = Csr::new(a.columns, a.indptr, a.indices, a.data) else { return Ok(()) };
        let par = Par::seq();
        let index = Transpose::new(&par, w.pattern()).unwrap();
        prop_assert_eq!((index.n_rows(), index.n_cols()), (w.n_rows(), w.n_cols()));
        let s = stride(3);
        let (x, bias) = (vec![1.0; w.n_cols() * s], vec![0.0; w.n_rows()]);
        let mut y = vec![0.0; w.n_rows() * s];
        let (x, out) = (Batch { values: &x, stride: s }, BatchMut { values: &mut y, stride: s });
        kernels::spmm(&par, Linear { weights: (&w).into(), bias: &bias }, x, out);
        for r in 0..w.n_rows() {
            let offsets = w.pattern().indptr();
            let naive: f64 = w.data()[offsets[r]..offsets[r + 1]].iter().map(|&v| v as f64).sum();
            let room = 1e-6 * w.data().iter().map(|&v| f64::from(v.abs())).sum::<f64>();
            prop_assert!(!y[r * s].is_finite() || (f64::from(y[r * s]) - naive).abs() <= room);
        }
        Ok(())
    });
}

// --- files ------------------------------------------------------------------------------------

/// Files of an earlier version, which has no checksums: nothing but the reader's checks is between
/// a change and the network.
const OLD: [&[u8]; 3] = [
    include_bytes!("compatibility/sgd.safetensors"),
    include_bytes!("compatibility/adam.safetensors"),
    include_bytes!("compatibility/srelu.safetensors"),
];

#[derive(Clone, Debug)]
enum Change {
    /// A byte, anywhere, becomes another.
    Byte(prop::sample::Index, u8),
    /// Bytes go, or come twice.
    Cut(prop::sample::Index, usize),
    Twice(prop::sample::Index, usize),
    End(prop::sample::Index),
    /// Eight aligned bytes of a tensor become this number.
    Number(prop::sample::Index, u64),
    /// A value somewhere in the header's JSON, or in the settings within, becomes another.
    Header(prop::sample::Index, usize),
    Settings(prop::sample::Index, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        1 => (at(), any::<u8>()).prop_map(|(i, b)| Change::Byte(i, b)),
        1 => (at(), 1usize..40).prop_map(|(i, n)| Change::Cut(i, n)),
        1 => (at(), 1usize..40).prop_map(|(i, n)| Change::Twice(i, n)),
        1 => at().prop_map(Change::End),
        4 => (at(), odd()).prop_map(|(i, v)| Change::Number(i, v)),
        2 => (at(), any::<usize>()).prop_map(|(i, v)| Change::Header(i, v)),
        4 => (at(), any::<usize>()).prop_map(|(i, v)| Change::Settings(i, v)),
    ]
}

/// Values that some key or other does not expect.
fn strange(which: usize) -> Value {
    let some = [
        json!(null),
        json!(true),
        json!(0),
        json!(1),
        json!(2),
        json!(-1),
        json!(0.5),
        json!(1e308),
        json!(u32::MAX),
        json!(1u64 << 40),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(""),
        json!("relu"),
        json!("F64"),
        json!([]),
        json!([0]),
        json!([12, 30, 20, 4]),
        json!([4, 4]),
        json!([4_000_000_000u32, 4]),
        json!({}),
        json!({"density": 0.5}),
        json!([[0]]),
    ];
    some[which % some.len()].clone()
}

/// All places of values in a JSON text.
fn places(value: &Value, place: &str, found: &mut Vec<String>) {
    found.push(place.to_string());
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => map
            .iter()
            .for_each(|(key, item)| places(item, &format!("{place}/{}", escaped(key)), found)),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| places(item, &format!("{place}/{i}"), found)),
        _ => {}
    }
}

fn changed_json(mut value: Value, at: prop::sample::Index, which: usize) -> Value {
    let mut found = Vec::new();
    places(&value, "", &mut found);
    let place = &found[at.index(found.len())];
    match place.rsplit_once('/').filter(|_| which.is_multiple_of(5)) {
        // Every fifth time the key goes.
        Some((parent, key)) => {
            if let Some(Value::Object(map)) = value.pointer_mut(parent) {
                map.remove(&key.replace("~1", "/").replace("~0", "~"));
            }
        }
        None => *value.pointer_mut(place).unwrap() = strange(which),
    }
    value
}

/// The header's length, if the file still says it.
fn header_end(file: &[u8]) -> Option<usize> {
    let size = u64::from_le_bytes(file.get(..8)?.try_into().ok()?);
    Some(8 + usize::try_from(size).ok()?).filter(|&end| end <= file.len())
}

fn with_header(file: &mut Vec<u8>, end: usize, change: impl FnOnce(Value) -> Option<Value>) {
    let parsed = serde_json::from_slice(&file[8..end]).ok();
    if let Some(new) = parsed.and_then(change) {
        let text = new.to_string().into_bytes();
        let size = (text.len() as u64).to_le_bytes();
        file.splice(..end, size.into_iter().chain(text));
    }
}

fn apply(file: &mut Vec<u8>, change: Change) {
    let (len, end) = (file.len().max(1), header_end(file));
    match (change, end) {
        (Change::Byte(at, byte), _) if !file.is_empty() => file[at.index(len)] = byte,
        (Change::Cut(at, n), _) if !file.is_empty() => {
            let at = at.index(len);
            file.drain(at..(at + n).min(len));
        }
        (Change::Twice(at, n), _) if !file.is_empty() => {
            let at = at.index(len);
            let again = file[at..(at + n).min(len)].to_vec();
            file.splice(at..at, again);
        }
        (Change::End(at), _) => file.truncate(at.index(len)),
        (Change::Number(at, value), Some(end)) if len >= end + 8 => {
            let at = end + at.index((len - end) / 8) * 8;
            file[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        (Change::Header(at, which), Some(end)) => {
            with_header(file, end, |header| Some(changed_json(header, at, which)));
        }
        (Change::Settings(at, which), Some(end)) => with_header(file, end, |mut header| {
            let place = header.pointer_mut("/__metadata__/trulysparse")?;
            let settings = serde_json::from_str(place.as_str()?).ok()?;
            *place = changed_json(settings, at, which).to_string().into();
            Some(header)
        }),
        _ => {}
    }
}

/// What a network that was read is used for without samples. Errors are fine, panics are not.
fn use_it(mut model: Mlp) -> Result<()> {
    let par = Par::seq();
    model.prepare_training(&par, trulysparse::nn::Memory::Fast)?;
    model.evolve(&par, &Set { zeta: 0.3, grow_init: 1.0 })?;
    model.prune(&par, &Pruning { cut: Cut::Percentile(40.0.into()), close: true })?;
    model.compact(&par, true)?;
    to_bytes(&model, &Default::default(), &mut Watch::none()).map(|_| ())
}

#[test]
fn a_file_is_refused_or_is_a_model() {
    let cases = (prop::sample::select(&OLD[..]), prop::collection::vec(change(), 1..4));
    let taken = Cell::new(0);
    fuzz("the reader of files", cases, |(old, changes)| {
        let mut file = old.to_vec();
        changes.into_iter().for_each(|change| apply(&mut file, change));
        let Loaded { model, user, .. } = match from_bytes(&file, "it", &mut Watch::none()) {
            Ok(found) => found,
            Err(error) => {
                // No damage is the fault of memory: nothing is allocated that is not in the file.
                prop_assert!(!matches!(error, Error::OutOfMemory { .. }), "{}", error);
                prop_assert!(error.to_string().starts_with("it: "), "{}", error);
                return Ok(());
            }
        };
        taken.set(taken.get() + 1);
        let bytes = to_bytes(&model, &user, &mut Watch::none()).unwrap();
        let again = from_bytes(&bytes, "again", &mut Watch::none()).unwrap();
        prop_assert_eq!(to_bytes(&again.model, &user, &mut Watch::none()).unwrap(), bytes);
        let _ = use_it(model);
        Ok(())
    });
    println!("of these files {} were models", taken.get());
    assert!(taken.get() > 0, "no change was small enough");
}

#[test]
fn settings_are_refused_or_can_be_told() {
    let whole = Config::plain(vec![4, 3, 2]).to_json();
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<usize>()), 1..4);
    fuzz("the reader of settings", changes, |changes| {
        let settings = changes
            .into_iter()
            .fold(serde_json::from_str(&whole).unwrap(), |settings, (at, which)| {
                changed_json(settings, at, which)
            });
        if let Ok(config) = Config::from_json(&settings.to_string()) {
            prop_assert_eq!(Config::from_json(&config.to_json()).unwrap(), config);
        }
        Ok(())
    });
}
