//! Growth where a score is largest among places that are drawn first: the guided stochastic
//! exploration of Heddes et al. (2024), a RigL that never looks at all places.

use std::fmt;

use super::sample::sample_distinct;
use super::set::{Old, spread};
use crate::csr::{Csr, NONE, Pattern};
use crate::error::Result;
use crate::memory::{filled, reserved, zeros};
use crate::parallel::Par;
use crate::rng::Stream;

const WHAT: &str = "candidates for growth";

/// Which of the empty places grow.
#[derive(Clone, Copy)]
pub struct Guide<'a> {
    /// Candidates for each connection that grows, at least 1.
    pub samples: f64,
    /// Writes the score of each candidate, in the order of the pattern; the largest magnitudes
    /// grow, and of equal ones the first.
    pub score: &'a (dyn Fn(Pattern<'_>, &mut [f32]) + Sync),
}

impl fmt::Debug for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guide").field("samples", &self.samples).finish_non_exhaustive()
    }
}

/// The bytes that the choice among `candidates` takes: the rank of each, its column and its score,
/// and offsets of rows.
pub fn candidate_bytes(n_rows: f64, candidates: f64) -> f64 {
    8.0 * (n_rows + 1.0) + 16.0 * candidates
}

impl Guide<'_> {
    /// The ranks, among the empty places, of `count` that grow. `kept`: the survivors before each
    /// of the blocks of rows that begin at `blocks`.
    pub(super) fn choose(
        &self,
        par: &Par,
        old: &Old<'_>,
        (blocks, kept): (&[usize], &[usize]),
        closed: &[bool],
        (count, places): (usize, Stream),
    ) -> Result<Vec<u64>> {
        let last = blocks.len() - 1;
        let empty = |b: usize| old.empty(blocks[b], kept[b]);
        let most = empty(last).min(u64::from(NONE) - 1);
        let drawn = ((self.samples * count as f64) as u64).clamp(count as u64, most);
        let mut ranks = sample_distinct(par, empty(last), drawn, places)?;
        if ranks.len() == count {
            return Ok(ranks);
        }
        let mut candidates = pattern(par, old, (blocks, kept), closed, &ranks)?;
        let (pattern, scores) = candidates.pattern_and_data_mut();
        (self.score)(pattern, scores);
        keep_largest(&mut ranks, scores, count);
        Ok(ranks)
    }
}

/// The empty places with these ranks as a matrix of zeros.
fn pattern(
    par: &Par,
    old: &Old<'_>,
    (blocks, kept): (&[usize], &[usize]),
    closed: &[bool],
    ranks: &[u64],
) -> Result<Csr> {
    let mut indptr = filled(old.w.n_rows() + 1, 0usize, WHAT)?;
    let mut indices = zeros(ranks.len(), WHAT)?;
    let scores = zeros(ranks.len(), WHAT)?;
    let mut tasks = reserved(blocks.len() - 1, WHAT)?;
    let (mut ends, mut columns, mut first) = (&mut indptr[1..], &mut indices[..], 0);
    for (rows, kept) in blocks.windows(2).zip(kept.windows(2)) {
        let last = ranks.partition_point(|&rank| rank < old.empty(rows[1], kept[1]));
        let (own_ends, other_ends) = ends.split_at_mut(rows[1] - rows[0]);
        let (own, other) = columns.split_at_mut(last - first);
        tasks.push((rows[0]..rows[1], kept[0], first..last, own_ends, own));
        (ends, columns, first) = (other_ends, other, last);
    }
    par.for_each(&mut tasks, |(rows, kept, range, ends, columns)| {
        let ranks = &ranks[range.clone()];
        let n_cols = old.w.n_cols() as u64;
        let (mut passed, mut at) = (*kept as u64, 0);
        for (row, end) in rows.clone().zip(ends.iter_mut()) {
            let start = row as u64 * n_cols;
            // The places before one that `passed` survivors precede.
            let mut until = |place: u64, passed: u64| {
                while at < ranks.len() && ranks[at] + passed < place {
                    columns[at] = (ranks[at] + passed - start) as u32;
                    at += 1;
                }
            };
            old.visit_survivors(row, |column| {
                until(start + u64::from(column), passed);
                passed += 1;
            });
            until(start + n_cols, passed);
            *end = range.start + at;
        }
    });
    spread(&mut indptr, closed);
    Ok(Csr::from_parts_by(par, old.w.n_cols(), indptr, indices, scores))
}

/// Keeps the ranks whose scores are the `count` largest in magnitude, of equal ones the first.
fn keep_largest(ranks: &mut Vec<u64>, scores: &[f32], count: usize) {
    let (cut, mut equal) = cut(scores, count);
    let mut bits = scores.iter().map(magnitude);
    ranks.retain(|_| match bits.next() {
        Some(bits) if bits == cut => {
            let stays = equal > 0;
            equal -= usize::from(stays);
            stays
        }
        bits => bits > Some(cut),
    });
}

/// A magnitude's bits, which as integers are ordered like it. NaN, of which there are many, is none.
fn magnitude(score: &f32) -> u32 {
    if score.is_nan() { 0 } else { score.abs().to_bits() }
}

/// The `count`-th largest magnitude, counted from 1, and how many of those equal to it are among
/// the `count` largest. A digit at a time, so in O(n) and without more memory.
fn cut(scores: &[f32], mut count: usize) -> (u32, usize) {
    let mut prefix = 0;
    for shift in [24, 16, 8, 0] {
        let mut counts = [0usize; 256];
        for bits in scores.iter().map(magnitude) {
            counts[(bits >> shift & 0xFF) as usize] +=
                usize::from((bits ^ prefix) >> shift >> 8 == 0);
        }
        let mut digit = 255;
        while counts[digit] < count {
            count -= counts[digit];
            digit -= 1;
        }
        prefix |= (digit as u32) << shift;
    }
    (prefix, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keeps_what_sorting_keeps(
            scores in prop::collection::vec(prop_oneof![
                -1.0f32..1.0, any::<f32>(), Just(0.0), Just(-0.0), Just(0.5), Just(-0.5),
                Just(f32::NAN), Just(f32::NEG_INFINITY), Just(f32::INFINITY),
            ], 1..200),
            part in 0.0..1.0f64,
        ) {
            let count = 1 + (part * (scores.len() - 1) as f64) as usize;
            let mut order: Vec<_> = (0..scores.len()).collect();
            order.sort_by_key(|&i| (std::cmp::Reverse(magnitude(&scores[i])), i));
            let mut expected: Vec<_> = order[..count].iter().map(|&i| 3 * i as u64).collect();
            expected.sort_unstable();
            let mut ranks: Vec<_> = (0..scores.len() as u64).map(|i| 3 * i).collect();
            keep_largest(&mut ranks, &scores, count);
            prop_assert_eq!(ranks, expected);
        }
    }
}
