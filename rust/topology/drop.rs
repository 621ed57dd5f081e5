//! Which connections go. The built-in rules drop by magnitude: the values closest to zero, selected
//! in O(n) without sorting.

use std::hint::select_unpredictable;

use crate::error::Result;
use crate::memory::filled;
use crate::parallel::Par;

const SIGN: u32 = 1 << 31;

/// Which entries of a matrix survive a drop. It is asked for every entry in each of several passes,
/// so it is a type and not a trait object.
pub trait Survival: Sync {
    /// Whether [`Survival::survives`] looks at the row; counting is faster if it does not.
    const BY_ROW: bool = true;

    /// Whether the entry at position `k` stays, in row `row`, with value `v`. Rows are counted
    /// along the open ones.
    fn survives(&self, k: u32, row: u32, v: f32) -> bool;
}

/// Of each sign the magnitudes that go: those whose bits are below `last`, and of those equal to
/// it the ones at positions before `until`. As integers the bits are ordered like the magnitudes.
/// A rule and not a list, so that it takes no memory.
#[derive(Clone, Copy, Debug)]
pub struct Cuts {
    last: [u32; 2],
    until: [u32; 2],
}

impl Survival for Cuts {
    const BY_ROW: bool = false;

    /// Zeros never stay, NaN always does.
    #[inline(always)]
    fn survives(&self, k: u32, _row: u32, v: f32) -> bool {
        let bits = v.to_bits();
        // Each test lets values of the other sign pass: the sign bit puts them above every
        // magnitude. There is no branch, as it cannot be predicted which weights survive.
        let stays =
            |bits: u32, sign: usize| bits > self.last[sign] - u32::from(k >= self.until[sign]);
        stays(bits, 0) & stays(bits ^ SIGN, 1)
    }
}

/// The highest bits of a value: sign, exponent and three of the magnitude's further bits.
const SHIFT: u32 = 2 * LOW;
/// The rest is looked at in two digits of this many bits.
const LOW: u32 = 10;
const BINS: usize = 1 << (32 - SHIFT);
/// Bins of the magnitudes of one sign.
const HALF: usize = BINS / 2;
/// The first bin of infinity and NaN.
const INFINITE: usize = 0x7F8;
/// The fewest entries per task.
const CHUNK: usize = 1 << 13;

/// The cuts that select, of the positive and of the negative values, the `fraction` (rounded
/// down) closest to zero. Zeros and NaN belong to neither sign; zeros go in any case.
pub fn weakest(par: &Par, data: &[f32], fraction: f64) -> Result<Cuts> {
    // A few chunks for each thread, as each has a table; of one size, so that none is waited for.
    let most = if par.threads() == 1 { 1 } else { 4 * par.threads() };
    let chunks = (data.len() / CHUNK).clamp(1, most);
    weakest_by(par, data, fraction, data.len().div_ceil(chunks).max(1))
}

fn weakest_by(par: &Par, data: &[f32], fraction: f64, chunk: usize) -> Result<Cuts> {
    let tables = par.map(data.len().div_ceil(chunk), |i| histogram(part(data, chunk, i)));
    let mut counts = filled(BINS, 0usize, "evolution")?;
    for table in &tables {
        counts.iter_mut().zip(table).for_each(|(count, &c)| *count += c as usize);
    }

    // The bin that each sign's cut lies in, and how many of that bin's values go.
    let mut bins = [None; 2];
    let mut ranks = [0usize; 2];
    for (sign, counts) in counts.chunks(HALF).enumerate() {
        let zero = (sign as u32) << 31;
        let count = |is: &(dyn Fn(f32) -> bool + Sync)| {
            let counted = |i| part(data, chunk, i).iter().filter(|v| is(**v)).count();
            par.map(tables.len(), counted).iter().sum()
        };
        let zeros: usize = if counts[0] > 0 { count(&|v| v.to_bits() == zero) } else { 0 };
        let nans = if counts[INFINITE..].iter().any(|&c| c > 0) {
            count(&|v| v.is_nan() && v.to_bits() & SIGN == zero)
        } else {
            0
        };
        let numbers = counts.iter().sum::<usize>() - zeros - nans;
        let mut rank = (fraction * numbers as f64).floor() as usize;
        if rank > 0 {
            // Zeros are smaller than all that are selected.
            rank += zeros;
            let mut bin = 0;
            while counts[bin] < rank {
                rank -= counts[bin];
                bin += 1;
            }
            (bins[sign], ranks[sign]) = (Some((sign * HALF + bin) as u32), rank);
        }
    }

    let bits = candidates(par, data, chunk, &tables, bins)?;
    let chunks = tables.len();
    drop(tables);
    let mut cuts = Cuts { last: [0; 2], until: [u32::MAX; 2] };
    let found = par.map(2, |sign| bins[sign].map(|bin| cut(&bits, bin, ranks[sign])));
    for (sign, found) in found.into_iter().enumerate() {
        let Some((value, rank, equal)) = found else { continue };
        cuts.last[sign] = value & !SIGN;
        if rank < equal {
            cuts.until[sign] = nth(par, data, chunk, chunks, value, rank - 1) as u32 + 1;
        }
    }
    Ok(cuts)
}

/// The bits of the value of the given rank, counted from 1, among the candidates of a bin; its rank
/// among those equal to it, and how many these are.
fn cut(candidates: &[u32], bin: u32, mut rank: usize) -> (u32, usize, usize) {
    let (mut prefix, mut equal) = (bin, 0);
    for shift in [LOW, 0] {
        // The bin's number is an index, not a branch: values that do not match have an extra bin.
        let mut counts = [0u32; (1 << LOW) + 1];
        for bits in candidates {
            let digit = bits >> shift & ((1 << LOW) - 1);
            let matches = bits >> (shift + LOW) == prefix;
            counts[select_unpredictable(matches, digit, 1 << LOW) as usize] += 1;
        }
        let mut digit = 0;
        while (counts[digit] as usize) < rank {
            rank -= counts[digit] as usize;
            digit += 1;
        }
        (prefix, equal) = (prefix << LOW | digit as u32, counts[digit] as usize);
    }
    (prefix, rank, equal)
}

/// The position of number `n`, counted from 0, of the entries with these bits.
fn nth(par: &Par, data: &[f32], chunk: usize, chunks: usize, bits: u32, mut n: usize) -> usize {
    let is = |v: &f32| v.to_bits() == bits;
    let counts = par.map(chunks, |i| part(data, chunk, i).iter().filter(|v| is(v)).count());
    for (i, count) in counts.into_iter().enumerate() {
        if n < count {
            let mut here = part(data, chunk, i).iter().enumerate().filter(|(_, v)| is(v));
            let (k, _) = here.nth(n).expect("internal: as many as were counted");
            return i * chunk + k;
        }
        n -= count;
    }
    unreachable!("internal: the cut is a value")
}

fn part(data: &[f32], chunk: usize, i: usize) -> &[f32] {
    &data[i * chunk..data.len().min((i + 1) * chunk)]
}

/// How many values lie in each bin.
fn histogram(data: &[f32]) -> [u32; BINS] {
    let mut counts = [0u32; BINS];
    for v in data {
        counts[(v.to_bits() >> SHIFT) as usize] += 1;
    }
    counts
}

/// The bits of the values in the given bins.
fn candidates(
    par: &Par,
    data: &[f32],
    chunk: usize,
    tables: &[[u32; BINS]],
    bins: [Option<u32>; 2],
) -> Result<Vec<u32>> {
    let mut starts = filled(tables.len() + 1, 0usize, "evolution")?;
    for (i, table) in tables.iter().enumerate() {
        let here = bins.into_iter().flatten().map(|bin| table[bin as usize] as usize);
        starts[i + 1] = starts[i] + here.sum::<usize>();
    }
    let mut found = filled(starts[tables.len()], 0u32, "evolution")?;
    // No bin has the number `BINS`.
    let [one, other] = bins.map(|bin| bin.unwrap_or(BINS as u32));
    par.for_rows(
        0..tables.len(),
        1,
        &mut found[..],
        |i| i,
        |found: &mut [u32], range, mid| found.split_at_mut(starts[mid] - starts[range.start]),
        |range, found| {
            let mut values = data[range.start * chunk..data.len().min(range.end * chunk)].iter();
            let mut at = 0;
            // No branch, as it could not be predicted: the next value overwrites one that does not
            // count.
            while at < found.len() {
                let Some(v) = values.next() else { break };
                let bits = v.to_bits();
                found[at] = bits;
                at += usize::from((bits >> SHIFT == one) | (bits >> SHIFT == other));
            }
        },
    );
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn magnitude(v: f32, sign: usize) -> Option<u32> {
        let matches = if sign == 0 { v > 0.0 } else { v < 0.0 };
        matches.then(|| v.abs().to_bits())
    }

    /// Sorting (magnitude, position): the definition that the selection must agree with.
    fn naive(data: &[f32], sign: usize, fraction: f64) -> Vec<usize> {
        let mut order: Vec<_> = data
            .iter()
            .enumerate()
            .filter_map(|(i, &v)| magnitude(v, sign).map(|m| (m, i)))
            .collect();
        order.sort_unstable();
        let rank = (fraction * order.len() as f64).floor() as usize;
        let mut chosen: Vec<_> = order[..rank].iter().map(|&(_, i)| i).collect();
        chosen.sort_unstable();
        chosen
    }

    fn chosen(data: &[f32], sign: usize, cuts: Cuts) -> Vec<usize> {
        let goes = |&(i, &v): &(usize, &f32)| {
            magnitude(v, sign).is_some() && !cuts.survives(i as u32, 0, v)
        };
        data.iter().enumerate().filter(goes).map(|(i, _)| i).collect()
    }

    proptest! {
        #[test]
        fn selects_what_sorting_selects(
            data in prop::collection::vec(prop_oneof![
                any::<f32>(), -1.0f32..1.0, Just(0.0), Just(-0.0), Just(0.5), Just(-0.5), Just(1e-45),
                Just(f32::NAN), Just(-f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY),
            ], 0..300),
            fraction in prop_oneof![0.0..1.0, Just(0.0), Just(0.999)],
            chunk in prop_oneof![1usize..50, Just(CHUNK)], threads in 1usize..4,
        ) {
            let par = Par::new(threads).unwrap();
            let cuts = weakest_by(&par, &data, fraction, chunk).unwrap();
            for sign in 0..2 {
                prop_assert_eq!(chosen(&data, sign, cuts), naive(&data, sign, fraction));
            }
            for (k, &v) in data.iter().enumerate() {
                prop_assert!(v != 0.0 || !cuts.survives(k as u32, 0, v));
                prop_assert!(!v.is_nan() || cuts.survives(k as u32, 0, v));
            }
        }
    }
}
