//! Selection of the values closest to zero in O(n), without sorting and without a copy.

use crate::parallel::Par;

/// One of the two signs that SET treats separately.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Positive,
    Negative,
}

impl Sign {
    /// The magnitude's bits if `v` has this sign (zero and NaN have none); as integers they are
    /// ordered like the magnitudes.
    #[inline(always)]
    pub(super) fn magnitude(self, v: f32) -> Option<u32> {
        let matches = match self {
            Sign::Positive => v > 0.0,
            Sign::Negative => v < 0.0,
        };
        matches.then(|| v.to_bits() & 0x7FFF_FFFF)
    }
}

/// Where a selection cuts: magnitudes below `bits` are in, and of those equal to it the first
/// `ties` by position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) bits: u32,
    pub(super) ties: usize,
}

/// The bits looked at by each pass, from the highest: (shift, number of bits).
const PASSES: [(u32, u32); 3] = [(20, 11), (10, 10), (0, 10)];
/// Entries per histogram; sums of counts do not depend on how they are grouped.
const CHUNK: usize = 1 << 18;

/// The cut that selects the `fraction` (rounded down) of the values of one sign that are closest
/// to zero.
pub(super) fn smallest(par: &Par, data: &[f32], sign: Sign, fraction: f64) -> Cut {
    // Histograms over successive digits of the magnitude narrow its prefix down: a radix select.
    let mut prefix = 0u32;
    let mut rank = 0usize; // how many of those with this prefix are selected
    for (pass, (shift, width)) in PASSES.into_iter().enumerate() {
        let counts = histogram(par, data, sign, prefix, shift, width);
        if pass == 0 {
            let count: usize = counts.iter().sum();
            rank = (fraction * count as f64).floor() as usize;
            if rank == 0 {
                return Cut { bits: 0, ties: 0 };
            }
        }
        let mut digit = 0;
        while counts[digit] < rank {
            rank -= counts[digit];
            digit += 1;
        }
        prefix = prefix << width | digit as u32;
    }
    Cut { bits: prefix, ties: rank }
}

fn histogram(
    par: &Par,
    data: &[f32],
    sign: Sign,
    prefix: u32,
    shift: u32,
    width: u32,
) -> Vec<usize> {
    let bins = 1usize << width;
    let parts = par.map(data.len().div_ceil(CHUNK).max(1), |chunk| {
        let start = chunk * CHUNK;
        let mut counts = vec![0usize; bins];
        for &v in &data[start..data.len().min(start + CHUNK)] {
            if let Some(bits) = sign.magnitude(v)
                && bits >> (shift + width) == prefix
            {
                counts[(bits >> shift) as usize & (bins - 1)] += 1;
            }
        }
        counts
    });
    parts.into_iter().fold(vec![0; bins], |mut total, part| {
        total.iter_mut().zip(part).for_each(|(t, p)| *t += p);
        total
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sorting (magnitude, position): the definition that the selection must agree with.
    fn naive(data: &[f32], sign: Sign, fraction: f64) -> Vec<usize> {
        let mut order: Vec<_> = data
            .iter()
            .enumerate()
            .filter_map(|(i, &v)| sign.magnitude(v).map(|m| (m, i)))
            .collect();
        order.sort_unstable();
        let mut chosen: Vec<_> = order[..(fraction * order.len() as f64).floor() as usize]
            .iter()
            .map(|&(_, i)| i)
            .collect();
        chosen.sort_unstable();
        chosen
    }

    fn chosen(data: &[f32], sign: Sign, cut: Cut) -> Vec<usize> {
        let mut ties = cut.ties;
        let mut out = Vec::new();
        for (i, &v) in data.iter().enumerate() {
            if let Some(m) = sign.magnitude(v) {
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
            ], 0..300),
            fraction in prop_oneof![0.0..1.0, Just(0.0), Just(0.999)],
        ) {
            for sign in [Sign::Positive, Sign::Negative] {
                let cut = smallest(&Par::seq(), &data, sign, fraction);
                prop_assert_eq!(chosen(&data, sign, cut), naive(&data, sign, fraction));
            }
        }
    }
}
