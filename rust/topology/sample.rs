//! Sampling without replacement from ranges far too large to enumerate.

use std::ops::Range;

use crate::error::Result;
use crate::memory::{copied, filled, reserved, zeros};
use crate::parallel::{Par, by_groups};
use crate::rng::Stream;

const WHAT: &str = "sampled places";

/// Draws per block of the stream: fixed, so that the numbers do not depend on the threads.
const CHUNK: usize = 4096;
/// The fewest draws for each bucket, up to [`MOST_BUCKETS`] buckets. A bucket is sorted in a
/// first-level cache, but while buckets are filled each takes a cache line.
const BUCKET: usize = 1 << 10;
const MOST_BUCKETS: usize = 1 << 9;

/// `k` distinct values of `0..n`, every set of them equally likely, in ascending order.
/// Time O(k log k), memory O(k), also when `k` is close to `n`.
///
/// # Panics
/// If `k > n`.
pub fn sample_distinct(par: &Par, n: u64, k: u64, stream: Stream) -> Result<Vec<u64>> {
    assert!(k <= n, "internal: cannot draw {k} distinct values of {n}");
    if k <= n / 2 {
        return distinct_few(par, n, k as usize, stream);
    }
    // More than half is wanted: draw what is left out instead, so that few draws collide.
    let mut excluded = distinct_few(par, n, (n - k) as usize, stream)?.into_iter().peekable();
    let mut chosen = reserved(k as usize, WHAT)?;
    chosen.extend((0..n).filter(|value| excluded.next_if_eq(value).is_none()));
    Ok(chosen)
}

/// For `k <= n / 2`: draws with replacement, removes duplicates and draws the missing ones again.
/// A draw hits an earlier one with probability at most one half, so the missing number at least
/// halves on average each round. Which values survive does not depend on their order of
/// appearance, so every set stays equally likely.
fn distinct_few(par: &Par, n: u64, k: usize, stream: Stream) -> Result<Vec<u64>> {
    let bucket_bits = (k / BUCKET).clamp(1, MOST_BUCKETS).ilog2();
    let mut values = sorted_draws(par, &Draws { n, k, stream }, bucket_bits)?;
    values.dedup();
    let mut next_block = k.div_ceil(CHUNK) as u64;
    while values.len() < k {
        let (start, missing) = (values.len(), k - values.len());
        values.resize(k, 0);
        let chunks = missing.div_ceil(CHUNK);
        par.for_rows(
            0..chunks,
            16,
            &mut values[start..],
            |chunk| chunk,
            |v: &mut [u64], range, mid| v.split_at_mut((mid - range.start) * CHUNK),
            |range, v| {
                for (chunk, v) in range.zip(v.chunks_mut(CHUNK)) {
                    let mut block = stream.block(next_block + chunk as u64);
                    v.iter_mut().for_each(|value| *value = block.below(n));
                }
            },
        );
        next_block += chunks as u64;
        par.sort(&mut values[start..]);
        merge(&mut values, start)?;
        values.dedup();
    }
    Ok(values)
}

/// `k` draws from `0..n` with replacement, in chunks that each have a block of the stream.
struct Draws {
    n: u64,
    k: usize,
    stream: Stream,
}

impl Draws {
    fn visit(&self, chunks: Range<usize>, mut visit: impl FnMut(u64)) {
        for chunk in chunks {
            let mut block = self.stream.block(chunk as u64);
            let len = CHUNK.min(self.k - chunk * CHUNK);
            (0..len).for_each(|_| visit(block.below(self.n)));
        }
    }
}

/// All draws in ascending order, in time O(k) on average: into `1 << bucket_bits` buckets of
/// neighbouring values or fewer, then within them. They are drawn twice, to be counted and to be
/// put where they belong, which costs less than keeping them in another order.
fn sorted_draws(par: &Par, draws: &Draws, bucket_bits: u32) -> Result<Vec<u64>> {
    let (n, k) = (draws.n, draws.k);
    let mut sorted = zeros(k, WHAT)?;
    if k == 0 {
        return Ok(sorted);
    }
    let shift = (64 - n.leading_zeros()).saturating_sub(bucket_bits).min(63);
    let buckets = ((n - 1) >> shift) as usize + 1;
    let chunks = k.div_ceil(CHUNK);
    let groups = if par.threads() == 1 { 1 } else { chunks.min(4 * par.threads()) };
    let group = |g: usize| chunks * g / groups..chunks * (g + 1) / groups;
    let counts = par.map(groups, |g| {
        let mut counts = filled(buckets, 0usize, WHAT)?;
        draws.visit(group(g), |v| counts[(v >> shift) as usize] += 1);
        Ok(counts)
    });
    let counts = counts.into_iter().collect::<Result<Vec<_>>>()?;
    let mut tasks: Vec<_> = by_groups(&mut sorted, &counts).into_iter().enumerate().collect();
    par.for_each(&mut tasks, |(g, parts)| {
        draws.visit(group(*g), |v| {
            let slot = parts[(v >> shift) as usize].next();
            *slot.expect("internal: as many draws as were counted") = v;
        });
    });
    let mut parts = Vec::with_capacity(buckets);
    let mut rest = &mut sorted[..];
    for bucket in 0..buckets {
        let (part, right) = rest.split_at_mut(counts.iter().map(|counts| counts[bucket]).sum());
        parts.push((part, (bucket as u64) << shift));
        rest = right;
    }
    let done = par.for_each(&mut parts, |(part, first)| sort_uniform(part, *first, shift));
    done.into_iter().collect::<Result<()>>()?;
    Ok(sorted)
}

/// Sorts values that were drawn uniformly from `first..first + (1 << bits)`. Time O(len) on
/// average.
fn sort_uniform(values: &mut [u64], first: u64, bits: u32) -> Result<()> {
    let Some(slot_bits) = values.len().checked_ilog2() else { return Ok(()) };
    let shift = bits.saturating_sub(slot_bits).min(63);
    let slot = |v: u64| ((v - first) >> shift) as usize;
    let last = values.iter().copied().max().unwrap_or(first);
    let mut ends = filled(slot(last) + 1, 0u32, WHAT)?;
    values.iter().for_each(|&v| ends[slot(v)] += 1);
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    let unsorted = copied(values, WHAT)?;
    for v in unsorted {
        let end = &mut ends[slot(v)];
        values[*end as usize] = v;
        *end += 1;
    }
    insertion_sort(values);
    Ok(())
}

/// For values that are already near their places.
fn insertion_sort(values: &mut [u64]) {
    for i in 1..values.len() {
        let value = values[i];
        let mut at = i;
        while at > 0 && values[at - 1] > value {
            values[at] = values[at - 1];
            at -= 1;
        }
        values[at] = value;
    }
}

/// Merges the sorted halves `..mid` and `mid..`, from the end: O(len), and memory for the second.
fn merge(values: &mut [u64], mid: usize) -> Result<()> {
    if mid == 0 {
        return Ok(());
    }
    let tail = copied(&values[mid..], WHAT)?;
    let (mut head, mut at) = (mid, values.len());
    for &value in tail.iter().rev() {
        while head > 0 && values[head - 1] > value {
            (head, at) = (head - 1, at - 1);
            values[at] = values[head];
        }
        at -= 1;
        values[at] = value;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn draw(n: u64, k: u64, epoch: u64) -> Vec<u64> {
        sample_distinct(&Par::seq(), n, k, Stream::new(3, Purpose::GrowPlaces, 0, epoch)).unwrap()
    }

    #[test]
    fn every_size_of_a_small_range() {
        for n in 0..40 {
            for k in 0..=n {
                let values = draw(n, k, n * 64 + k);
                assert_eq!(values.len() as u64, k);
                assert!(values.windows(2).all(|w| w[0] < w[1]) && values.iter().all(|&v| v < n));
            }
        }
    }

    #[test]
    fn buckets_sort_as_sorting_does() {
        let stream = Stream::new(3, Purpose::GrowPlaces, 0, 0);
        for n in [1, 2, 7, 64, 65, 1000, 1 << 33, (1 << 33) + 1, 1 << 63, u64::MAX] {
            for k in [0, 1, 2, 3, 50, 5000, 70_000] {
                let draws = Draws { n, k, stream };
                let mut expected = Vec::new();
                draws.visit(0..k.div_ceil(CHUNK), |v| expected.push(v));
                expected.sort_unstable();
                for (threads, bucket_bits) in [(1, 0), (2, 1), (3, 7)] {
                    let par = Par::new(threads).unwrap();
                    assert_eq!(sorted_draws(&par, &draws, bucket_bits).unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn merging_is_sorting() {
        for (mut values, mid) in [
            (vec![1, 4, 4, 9, 0, 4, 5, 10, 11], 4),
            (vec![5, 6, 1, 2], 2),
            (vec![1, 2, 5, 6], 2),
            (vec![3, 1], 0),
            (vec![1, 3], 2),
        ] {
            let mut sorted = values.clone();
            sorted[mid..].sort_unstable();
            values[mid..].sort_unstable();
            merge(&mut values, mid).unwrap();
            sorted.sort_unstable();
            assert_eq!(values, sorted);
        }
    }

    #[test]
    fn every_pair_is_equally_likely() {
        // 2 of 5, both branches: 10 pairs, 20,000 draws each.
        for k in [2, 3] {
            let mut counts = std::collections::HashMap::new();
            for epoch in 0..20_000 {
                *counts.entry(draw(5, k, epoch)).or_insert(0u32) += 1;
            }
            assert_eq!(counts.len(), 10);
            assert!(counts.values().all(|&c| (f64::from(c) - 2000.0).abs() < 5.0 * 1800f64.sqrt()));
        }
    }

    #[test]
    fn beyond_32_bits_and_the_same_for_any_threads() {
        let n = u64::from(u32::MAX) * 5_000_000;
        let stream = Stream::new(1, Purpose::GrowPlaces, 1, 1);
        let one = sample_distinct(&Par::seq(), n, 200_000, stream).unwrap();
        assert!(one.last().unwrap() > &(n / 10 * 9));
        for threads in [2, 3, 7] {
            assert_eq!(
                one,
                sample_distinct(&Par::new(threads).unwrap(), n, 200_000, stream).unwrap()
            );
        }
    }
}
