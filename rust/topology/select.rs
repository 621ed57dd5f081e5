//! Selection of the values closest to zero in O(n), without sorting and without a copy.

use crate::error::Result;
use crate::memory::filled;
use crate::parallel::Par;

/// Magnitudes closest to zero, of one sign: those whose bits are below `bits`, and of those equal
/// to it the first `ties` by position. As integers the bits are ordered like the magnitudes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) bits: u32,
    pub(super) ties: usize,
}

/// The digits of a magnitude's 31 bits that are looked at in turn, from the highest:
/// (shift, number of bits).
const DIGITS: [(u32, u32); 3] = [(20, 11), (10, 10), (0, 10)];
const BINS: usize = 1 << 11;
/// Entries per task; sums of counts do not depend on how they are grouped.
const CHUNK: usize = 1 << 18;

/// The cuts that select, of the positive and of the negative values, the `fraction` (rounded
/// down) closest to zero. Zeros and NaN belong to neither sign.
pub(super) fn smallest(par: &Par, data: &[f32], fraction: f64) -> Result<[Cut; 2]> {
    // A radix select of both signs at once: histograms over successive digits of the magnitudes
    // that share the prefix found so far.
    let mut prefix = [0u32; 2];
    let mut rank = [0usize; 2]; // how many of those with the prefix are selected
    // Zeros share the bins of the smallest magnitudes; no rank reaches as far as NaN.
    let zeros = [0, 1 << 31].map(|zero| count(par, data, move |v| v.to_bits() == zero));
    let nans = [false, true]
        .map(|sign| count(par, data, move |v| v.is_nan() && v.is_sign_negative() == sign));
    for (pass, (shift, width)) in DIGITS.into_iter().enumerate() {
        let mut counts = histogram(par, data, pass, prefix, shift, width)?;
        for sign in 0..2 {
            if prefix[sign] == 0 {
                counts[sign][0] -= zeros[sign];
            }
            if pass == 0 {
                let numbers = counts[sign].iter().sum::<usize>() - nans[sign];
                rank[sign] = (fraction * numbers as f64).floor() as usize;
            }
        }
        for sign in 0..2 {
            let mut digit = 0;
            while rank[sign] > 0 && counts[sign][digit] < rank[sign] {
                rank[sign] -= counts[sign][digit];
                digit += 1;
            }
            prefix[sign] = prefix[sign] << width | digit as u32;
        }
    }
    let cut = |sign: usize| match rank[sign] {
        0 => Cut::default(),
        ties => Cut { bits: prefix[sign], ties },
    };
    Ok([cut(0), cut(1)])
}

fn count(par: &Par, data: &[f32], is: impl Fn(f32) -> bool + Sync + Send) -> usize {
    let chunks = data.len().div_ceil(CHUNK);
    let chunk = |i: usize| &data[i * CHUNK..data.len().min((i + 1) * CHUNK)];
    par.map(chunks, |i| chunk(i).iter().filter(|v| is(**v)).count()).into_iter().sum()
}

type Counts = [Vec<usize>; 2];

/// How often each digit occurs among the magnitudes that start with the sign's prefix.
fn histogram(
    par: &Par,
    data: &[f32],
    pass: usize,
    prefix: [u32; 2],
    shift: u32,
    width: u32,
) -> Result<Counts> {
    let mask = (1u32 << width) - 1;
    let parts = par.map(data.len().div_ceil(CHUNK).max(1), |chunk| {
        let start = chunk * CHUNK;
        let data = &data[start..data.len().min(start + CHUNK)];
        // One table for both signs, so that the sign is a digit and not a branch.
        let mut counts = [0u32; 2 * BINS];
        for v in data {
            let bits = v.to_bits();
            let (sign, magnitude) = ((bits >> 31) as usize, bits & 0x7FFF_FFFF);
            if pass == 0 || magnitude >> (shift + width) == prefix[sign] {
                counts[sign * BINS + (magnitude >> shift & mask) as usize] += 1;
            }
        }
        counts
    });
    let mut total = [filled(BINS, 0, "evolution")?, filled(BINS, 0, "evolution")?];
    for part in parts {
        for (sign, total) in total.iter_mut().enumerate() {
            total.iter_mut().zip(&part[sign * BINS..]).for_each(|(t, &p)| *t += p as usize);
        }
    }
    Ok(total)
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

    fn chosen(data: &[f32], sign: usize, cut: Cut) -> Vec<usize> {
        let mut ties = cut.ties;
        let mut out = Vec::new();
        for (i, &v) in data.iter().enumerate() {
            if let Some(m) = magnitude(v, sign) {
                let tie = m == cut.bits && ties > 0;
                ties -= usize::from(tie);
                if m < cut.bits || tie {
                    out.push(i);
                }
            }
        }
        out
    }

    proptest! {
        #[test]
        fn selects_what_sorting_selects(
            data in prop::collection::vec(prop_oneof![
                any::<f32>(), -1.0f32..1.0, Just(0.0), Just(-0.0), Just(0.5), Just(-0.5), Just(1e-45),
                Just(f32::NAN), Just(-f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY),
            ], 0..300),
            fraction in prop_oneof![0.0..1.0, Just(0.0), Just(0.999)],
        ) {
            let cuts = smallest(&Par::seq(), &data, fraction).unwrap();
            for (sign, cut) in cuts.into_iter().enumerate() {
                prop_assert_eq!(chosen(&data, sign, cut), naive(&data, sign, fraction));
            }
        }
    }
}
