//! Sampling without replacement from ranges far too large to enumerate.

use crate::error::Result;
use crate::memory::{copied, filled, reserved};
use crate::parallel::Par;
use crate::rng::Stream;

/// Draws per block of the stream: fixed, so that the numbers do not depend on the threads.
const CHUNK: usize = 4096;

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
    let mut chosen = reserved(k as usize, "sampled places")?;
    chosen.extend((0..n).filter(|value| excluded.next_if_eq(value).is_none()));
    Ok(chosen)
}

/// For `k <= n / 2`: draws with replacement, removes duplicates and draws the missing ones again.
/// A draw hits an earlier one with probability at most one half, so the missing number at least
/// halves on average each round. Which values survive does not depend on their order of
/// appearance, so every set stays equally likely.
fn distinct_few(par: &Par, n: u64, k: usize, stream: Stream) -> Result<Vec<u64>> {
    let mut values: Vec<u64> = reserved(k, "sampled places")?;
    let mut next_block = 0u64;
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
        if start == 0 {
            values = sorted(par, &values, n)?;
        } else {
            par.sort(&mut values[start..]);
            merge(&mut values, start)?;
        }
        values.dedup();
    }
    Ok(values)
}

/// Sorts values that were drawn uniformly from `0..n`: into buckets, then within them. Time O(len)
/// on average.
fn sorted(par: &Par, values: &[u64], n: u64) -> Result<Vec<u64>> {
    let what = "sampled places";
    // No more buckets than values: an evolution then needs less memory here than later on.
    let bucket_bits = values.len().ilog2();
    let shift = (64 - n.leading_zeros()).saturating_sub(bucket_bits).min(63);
    let mut ends = filled(((n - 1) >> shift) as usize + 1, 0u32, what)?;
    values.iter().for_each(|v| ends[(v >> shift) as usize] += 1);
    let mut sum = 0;
    for end in &mut ends {
        (*end, sum) = (sum, sum + *end);
    }
    let mut sorted = filled(values.len(), 0u64, what)?;
    for &v in values {
        let end = &mut ends[(v >> shift) as usize];
        sorted[*end as usize] = v;
        *end += 1;
    }
    let starts = |bucket: usize| if bucket == 0 { 0 } else { ends[bucket - 1] as usize };
    par.for_rows(
        0..ends.len(),
        1 << 14,
        &mut sorted[..],
        starts,
        |v: &mut [u64], range, mid| v.split_at_mut(starts(mid) - starts(range.start)),
        |_, v| insertion_sort(v),
    );
    Ok(sorted)
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
    let tail = copied(&values[mid..], "sampled places")?;
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
        for n in [1, 2, 7, 64, 65, 1000, 1 << 33, (1 << 33) + 1, u64::MAX] {
            for len in [1, 2, 3, 50, 70_000] {
                let mut block = stream.block(0);
                let mut values: Vec<u64> = (0..len).map(|_| block.below(n)).collect();
                let by_buckets = sorted(&Par::new(2).unwrap(), &values, n).unwrap();
                values.sort_unstable();
                assert_eq!(by_buckets, values);
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
