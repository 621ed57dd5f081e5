//! A change of the topology that the caller decides on: checked, then done.

use crate::csr::{Csr, NONE};
use crate::error::{Error, Result};
use crate::memory::{collected, filled, reserved};

const WHAT: &str = "a change of the topology";

/// Connections that grow, in any order.
#[derive(Clone, Copy, Debug)]
pub struct Grown<'a> {
    /// Their columns: the input neurons.
    pub inputs: &'a [u32],
    /// Their rows: the output neurons.
    pub outputs: &'a [u32],
    /// Their weights.
    pub values: &'a [f32],
}

/// What a matrix has become.
#[derive(Debug)]
pub struct Rewired {
    /// The new matrix.
    pub matrix: Csr,
    /// For each of its entries the position in the old matrix, or [`NONE`] if it was grown.
    pub source: Vec<u32>,
    /// How many connections were dropped.
    pub dropped: usize,
}

/// Drops the entries for which `drop`, (nnz,), is true, then grows connections at places that hold
/// none; rows for which `closed`, (n_rows,) or empty, is true grow nothing. Errors name the mistake
/// by the number of the grown connection or by neurons. Time O(nnz + n_rows + g log g), memory 12
/// bytes a new entry and 16 a grown one.
pub fn rewire(w: &Csr, drop: &[bool], grown: &Grown<'_>, closed: &[bool]) -> Result<Rewired> {
    if drop.len() != w.nnz() {
        let expected = format!("{}, one for each connection", w.nnz());
        return Err(Error::invalid("drop", format!("{} flags", drop.len()), expected));
    }
    let order = checked(w, grown, closed)?;
    let dropped = drop.iter().filter(|drop| **drop).count();
    let nnz = w.nnz() - dropped + order.len();
    if nnz >= NONE as usize {
        let expected = format!("a layer of fewer than {NONE} connections");
        return Err(Error::invalid("grown connections", order.len(), expected));
    }
    let (n_rows, pattern) = (w.n_rows(), w.pattern());
    let mut indptr = filled(n_rows + 1, 0usize, WHAT)?;
    let mut indices = reserved(nnz, WHAT)?;
    let mut data = reserved(nnz, WHAT)?;
    let mut source = reserved(nnz, WHAT)?;
    let mut next = order.iter().peekable();
    for row in 0..n_rows {
        let entries = pattern.indptr()[row]..pattern.indptr()[row + 1];
        let mut survivors = entries.filter(|&k| !drop[k]).peekable();
        loop {
            let old = survivors.peek().map(|&k| pattern.indices()[k]);
            let new = next.peek().filter(|at| at.0 >> 32 == row as u64).map(|at| at.0 as u32);
            match (old, new) {
                (None, None) => break,
                (Some(old), Some(new)) if old == new => {
                    let value = format!("from {new} to {row}");
                    return Err(Error::invalid(
                        "grown connection",
                        value,
                        "a place without a connection that stays",
                    ));
                }
                (old, Some(new)) if old.is_none_or(|old| new < old) => {
                    let at = next.next().map_or(0, |at| at.1 as usize);
                    indices.push(new);
                    data.push(grown.values[at]);
                    source.push(NONE);
                }
                _ => {
                    let k = survivors.next().unwrap_or(0);
                    indices.push(pattern.indices()[k]);
                    data.push(w.data()[k]);
                    source.push(k as u32);
                }
            }
        }
        indptr[row + 1] = indices.len();
    }
    Ok(Rewired { matrix: Csr::from_parts(w.n_cols(), indptr, indices, data), source, dropped })
}

/// Places, row before column, and numbers of grown connections, in the order of places.
fn checked(w: &Csr, grown: &Grown<'_>, closed: &[bool]) -> Result<Vec<(u64, u32)>> {
    let Grown { inputs, outputs, values } = *grown;
    let count = inputs.len();
    if outputs.len() != count || values.len() != count || count >= NONE as usize {
        let found = format!("{count} inputs, {} outputs, {} values", outputs.len(), values.len());
        return Err(Error::invalid("grown connections", found, "as many of each"));
    }
    for (i, ((&input, &output), &value)) in inputs.iter().zip(outputs).zip(values).enumerate() {
        let wrong = |expected| {
            let found = format!("from {input} to {output} with weight {value}");
            Err(Error::invalid(format!("grown connection number {i}"), found, expected))
        };
        if input as usize >= w.n_cols() {
            return wrong(format!("an input below {}", w.n_cols()));
        }
        if output as usize >= w.n_rows() {
            return wrong(format!("an output below {}", w.n_rows()));
        }
        if closed.get(output as usize).is_some_and(|closed| *closed) {
            return wrong("an output that was not pruned".to_string());
        }
        if !value.is_finite() {
            return wrong("a finite weight".to_string());
        }
    }
    let places = inputs.iter().zip(outputs).map(|(&i, &o)| u64::from(o) << 32 | u64::from(i));
    let mut order = collected(places.zip(0u32..count as u32), WHAT)?;
    order.sort_unstable();
    if let Some(pair) = order.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (place, first, second) = (pair[0].0, pair[0].1, pair[1].1);
        let name = format!("grown connections number {first} and {second}");
        let found = format!("both from {} to {}", place as u32, place >> 32);
        return Err(Error::invalid(name, found, "each connection once"));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn matrix(places: &BTreeMap<(u32, u32), f32>, n_rows: u32, n_cols: usize) -> Csr {
        let before = |r: u32| places.range(..(r, 0)).count();
        let indptr = (0..=n_rows).map(before).collect();
        let columns = places.keys().map(|place| place.1).collect();
        Csr::new(n_cols, indptr, columns, places.values().copied().collect()).unwrap()
    }

    proptest! {
        #[test]
        fn is_dropping_then_growing(
            old in prop::collection::btree_map((0u32..6, 0u32..9), -1.0f32..1.0, 0..40),
            new in prop::collection::btree_map((0u32..6, 0u32..9), -1.0f32..1.0, 0..40),
            flags in prop::collection::vec(any::<bool>(), 40), reverse: bool,
        ) {
            let w = matrix(&old, 6, 9);
            let drop = &flags[..old.len()];
            let mut left = old.clone();
            let mut position = 0;
            left.retain(|_, _| { position += 1; !drop[position - 1] });
            let mut new: Vec<_> = new.into_iter().filter(|(place, _)| !left.contains_key(place)).collect();
            if reverse { new.reverse(); }
            let part = |f: fn(&((u32, u32), f32)) -> u32| new.iter().map(f).collect::<Vec<_>>();
            let (outputs, inputs) = (part(|e| e.0.0), part(|e| e.0.1));
            let values: Vec<_> = new.iter().map(|e| e.1).collect();
            let grown = Grown { inputs: &inputs, outputs: &outputs, values: &values };
            let rewired = rewire(&w, drop, &grown, &[]).unwrap();
            let positions: BTreeMap<_, _> = old.keys().zip(0u32..).collect();
            let source: Vec<_> = {
                let mut all: Vec<_> = left.keys().map(|place| (*place, positions[place])).collect();
                all.extend(new.iter().map(|(place, _)| (*place, NONE)));
                all.sort_unstable();
                all.into_iter().map(|(_, source)| source).collect()
            };
            left.extend(new.iter().copied());
            let expected = matrix(&left, 6, 9);
            prop_assert_eq!(rewired.matrix.pattern().indptr(), expected.pattern().indptr());
            prop_assert_eq!(rewired.matrix.pattern().indices(), expected.pattern().indices());
            prop_assert_eq!(rewired.matrix.data(), expected.data());
            prop_assert_eq!(rewired.source, source);
            prop_assert_eq!(rewired.dropped, drop.iter().filter(|d| **d).count());
        }
    }

    #[test]
    fn every_mistake_is_named() {
        let w = Csr::new(3, vec![0, 1, 2], vec![0, 1], vec![1.0, 2.0]).unwrap();
        let refused = |drop: &[bool], inputs: &[u32], outputs: &[u32], values: &[f32]| {
            let grown = Grown { inputs, outputs, values };
            rewire(&w, drop, &grown, &[false, true]).unwrap_err().to_string()
        };
        let keep = [false; 2];
        assert!(refused(&[true], &[], &[], &[]).contains("drop = 1 flags: expected 2"));
        assert!(refused(&keep, &[1, 3], &[0, 0], &[0.0; 2]).contains("number 1 = from 3 to 0"));
        assert!(refused(&keep, &[1], &[2], &[0.0]).contains("an output below 2"));
        assert!(refused(&keep, &[0], &[1], &[0.0]).contains("not pruned"));
        assert!(refused(&keep, &[1], &[0], &[f32::NAN]).contains("finite"));
        assert!(refused(&keep, &[1, 2, 1], &[0; 3], &[0.0; 3]).contains("number 0 and 2"));
        assert!(refused(&keep, &[0], &[0], &[0.0]).contains("from 0 to 0"));
        assert!(refused(&keep, &[0], &[0, 0], &[0.0]).contains("1 inputs, 2 outputs"));
    }
}
