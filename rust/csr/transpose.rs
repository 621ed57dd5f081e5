//! The transpose index: where the entries of each column are.

use std::sync::{Mutex, PoisonError};

use super::{Bounded, Pattern, row_runs};
use crate::error::Result;
use crate::memory::{filled, reserved, zeros};
use crate::parallel::{Par, by_groups};

const WHAT: &str = "the transpose index";
/// The entries of a bucket, about: they and their columns fit a second-level cache.
const BUCKET: usize = 1 << 16;
/// The fewest entries of a bucket of which several threads get some each.
const LEAST: usize = 1 << 13;

/// For every column of a matrix its entries in ascending row order, as (row, position in the
/// matrix). The values stay where they are, so the index is valid until the structure changes.
/// 8 bytes a connection and 8 a column.
#[derive(Clone, Debug)]
pub struct Transpose {
    n_rows: usize,
    indptr: Vec<usize>,
    rows: Vec<u32>,
    positions: Vec<u32>,
}

impl Transpose {
    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        8 * self.indptr.len() + 4 * (self.rows.len() + self.positions.len())
    }

    /// The bytes that building an index of `nnz` entries takes beside the index: 2 an entry. Each
    /// thread also copies a bucket, 8 bytes an entry, which is little unless most entries are in a
    /// few columns.
    pub fn scratch_bytes(nnz: f64) -> f64 {
        2.0 * nnz
    }

    /// Builds the index in O(nnz + n_rows + n_cols): entries go to buckets of neighbouring columns,
    /// then within each bucket, in the caches, to their columns.
    ///
    /// For a moment that takes [`Transpose::scratch_bytes`] more.
    pub fn new(par: &Par, pattern: Pattern<'_>) -> Result<Self> {
        let (nnz, threads) = (pattern.nnz(), par.threads());
        // What fits the cache takes two threads as long in buckets as it takes one without.
        let least = if threads > 2 { LEAST } else { BUCKET };
        if nnz < 2 * least && pattern.n_cols() <= 1 << u16::BITS {
            return Self::without_buckets(pattern);
        }
        let groups = if threads == 1 { 1 } else { 4 * threads };
        let bucket = (nnz / (4 * threads)).clamp(least, BUCKET);
        Self::with_buckets(par, pattern, column_bits(pattern, bucket), groups)
    }

    /// In the order of the entries, which go to their columns at once.
    fn without_buckets(pattern: Pattern<'_>) -> Result<Self> {
        let (n_rows, n_cols, nnz) = (pattern.n_rows(), pattern.n_cols(), pattern.nnz());
        let columns = pattern.indices();
        let mut indptr = zeros(n_cols + 1, WHAT)?;
        let mut rows = zeros(nnz, WHAT)?;
        let mut positions = zeros(nnz, WHAT)?;
        let ends: &mut [usize] = &mut indptr[1..];
        columns.iter().for_each(|&c| ends[c as usize] += 1);
        starts(ends);
        row_runs(pattern.indptr(), 0..n_rows, |entries, numbers| {
            let first = entries.start as u32;
            for ((&c, &row), k) in columns[entries].iter().zip(numbers).zip(first..) {
                let slot = &mut ends[c as usize];
                (rows[*slot], positions[*slot]) = (row, k);
                *slot += 1;
            }
        });
        Ok(Transpose { n_rows, indptr, rows, positions })
    }

    /// With buckets of `1 << bits` columns, `bits` up to 16, and the rows in `groups` groups.
    fn with_buckets(par: &Par, pattern: Pattern<'_>, bits: u32, groups: usize) -> Result<Self> {
        let (n_rows, n_cols, nnz) = (pattern.n_rows(), pattern.n_cols(), pattern.nnz());
        let (offsets, columns) = (pattern.indptr(), pattern.indices());
        let mut indptr = zeros(n_cols + 1, WHAT)?;
        let mut rows = zeros(nnz, WHAT)?;
        let mut positions = zeros(nnz, WHAT)?;
        let mut lows: Vec<u16> = zeros(nnz, WHAT)?;

        let groups: Vec<_> = (0..groups)
            .map(|g| {
                let first = |g: usize| offsets.partition_point(|&o| o < nnz / groups * g);
                first(g).min(n_rows)..if g + 1 < groups { first(g + 1).min(n_rows) } else { n_rows }
            })
            .collect();
        let buckets = n_cols.div_ceil(1 << bits);
        let counts = par.map(groups.len(), |g| {
            let mut counts = filled(buckets, 0usize, WHAT)?;
            let entries = offsets[groups[g].start]..offsets[groups[g].end];
            columns[entries].iter().for_each(|&c| counts[(c >> bits) as usize] += 1);
            Ok(counts)
        });
        let counts = counts.into_iter().collect::<Result<Vec<_>>>()?;
        let mut starts = filled(buckets + 1, 0usize, WHAT)?;
        for bucket in 0..buckets {
            let here: usize = counts.iter().map(|counts| counts[bucket]).sum();
            starts[bucket + 1] = starts[bucket] + here;
        }

        let parts = by_groups(&mut rows, &counts).into_iter();
        let parts = parts.zip(by_groups(&mut positions, &counts));
        let parts = parts.zip(by_groups(&mut lows, &counts));
        let mut tasks: Vec<_> = groups.into_iter().zip(parts).collect();
        par.for_each(&mut tasks, |(range, ((rows, positions), lows))| {
            row_runs(offsets, range.clone(), |entries, numbers| {
                let first = entries.start as u32;
                for ((&c, &row), k) in columns[entries].iter().zip(numbers).zip(first..) {
                    let bucket = (c >> bits) as usize;
                    *next(&mut rows[bucket]) = row;
                    *next(&mut positions[bucket]) = k;
                    *next(&mut lows[bucket]) = (c & ((1 << bits) - 1)) as u16;
                }
            });
        });
        drop(tasks);

        let first_column = |bucket: usize| n_cols.min(bucket << bits);
        let failed = Mutex::new(Ok(()));
        par.for_rows(
            0..buckets,
            LEAST,
            (&mut indptr[1..], (&mut rows[..], &mut positions[..])),
            |bucket| starts[bucket] + first_column(bucket),
            |(ends, entries): (&mut [usize], Entries<'_>), range, mid| {
                let cut = first_column(mid) - first_column(range.start);
                let (ends, ends_right) = ends.split_at_mut(cut);
                let (entries, right) = cut_entries(entries, starts[mid] - starts[range.start]);
                ((ends, entries), (ends_right, right))
            },
            |range, (mut ends, mut entries)| {
                let mut scratch = Scratch::default();
                for bucket in range {
                    let width = first_column(bucket + 1) - first_column(bucket);
                    let (own_ends, rest) = ends.split_at_mut(width);
                    let entries_range = starts[bucket]..starts[bucket + 1];
                    let (own, right) = cut_entries(entries, entries_range.len());
                    (ends, entries) = (rest, right);
                    let first = entries_range.start;
                    if let Err(e) = scratch.sort(first, &lows[entries_range], own_ends, own) {
                        *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(e);
                        return;
                    }
                }
            },
        );
        failed.into_inner().unwrap_or_else(PoisonError::into_inner)?;
        Ok(Transpose { n_rows, indptr, rows, positions })
    }

    /// The number of columns of the matrix, which are the rows of this index.
    #[inline(always)]
    pub fn n_cols(&self) -> usize {
        self.indptr.len() - 1
    }

    /// Offsets of the columns, `n_cols + 1`.
    #[inline(always)]
    pub fn indptr(&self) -> &[usize] {
        &self.indptr
    }

    /// The number of rows of the matrix.
    #[inline(always)]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// Rows of all entries, column after column, known to be below `n_rows`.
    #[inline(always)]
    pub fn rows(&self) -> Bounded<'_> {
        Bounded { indices: &self.rows, below: self.n_rows }
    }

    /// Positions in the matrix of all entries, column after column.
    #[inline(always)]
    pub fn positions(&self) -> &[u32] {
        &self.positions
    }
}

/// Rows and positions of the same entries.
type Entries<'a> = (&'a mut [u32], &'a mut [u32]);

fn cut_entries((rows, positions): Entries<'_>, at: usize) -> (Entries<'_>, Entries<'_>) {
    let (rows, rows_right) = rows.split_at_mut(at);
    let (positions, positions_right) = positions.split_at_mut(at);
    ((rows, positions), (rows_right, positions_right))
}

fn next<'a, T>(part: &mut std::slice::IterMut<'a, T>) -> &'a mut T {
    part.next().expect("internal: as many entries as were counted")
}

/// How many low bits of its number tell a column from the others of its bucket of about `bucket`
/// entries.
fn column_bits(pattern: Pattern<'_>, bucket: usize) -> u32 {
    // Each bucket has a cache line that is being written to, so they must not be too many.
    let buckets = (pattern.nnz() / bucket).clamp(1, 256);
    (pattern.n_cols() / buckets).max(1).ilog2().min(u16::BITS)
}

/// From the counts of columns to where they start; going over the entries makes that their ends.
fn starts(counts: &mut [usize]) {
    let mut start = 0;
    for count in counts {
        (*count, start) = (start, start + *count);
    }
}

/// What sorting a bucket needs, used again for the next one.
#[derive(Default)]
struct Scratch {
    entries: Vec<(u32, u32)>,
}

impl Scratch {
    /// Sorts entries by their columns, of which `lows` has the low bits, and writes the `ends` of
    /// the columns, the first of which begins at `first`.
    fn sort(
        &mut self,
        first: usize,
        lows: &[u16],
        ends: &mut [usize],
        (rows, positions): Entries<'_>,
    ) -> Result<()> {
        self.entries.clear();
        if self.entries.capacity() < lows.len() {
            self.entries = reserved(lows.len(), WHAT)?;
        }
        self.entries.extend(rows.iter().copied().zip(positions.iter().copied()));
        lows.iter().for_each(|&low| ends[usize::from(low)] += 1);
        starts(ends);
        for (&low, &(row, position)) in lows.iter().zip(&self.entries) {
            let slot = &mut ends[usize::from(low)];
            (rows[*slot], positions[*slot]) = (row, position);
            *slot += 1;
        }
        ends.iter_mut().for_each(|end| *end += first);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Csr;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// For any buckets and groups; one bucket of all columns is the naive way.
        #[test]
        fn buckets_change_nothing(
            rows in prop::collection::vec(prop::collection::btree_set(0u32..70, 0..9), 0..50),
            bits in 0u32..8, groups in 1usize..5, threads in 1usize..4,
        ) {
            let mut indptr = vec![0];
            rows.iter().for_each(|row| indptr.push(indptr[indptr.len() - 1] + row.len()));
            let indices: Vec<u32> = rows.iter().flatten().copied().collect();
            let data = vec![0.0; indices.len()];
            let m = Csr::new(70, indptr, indices.clone(), data).unwrap();
            let par = Par::new(threads).unwrap();
            let indices_built = [
                Transpose::with_buckets(&par, m.pattern(), bits, groups).unwrap(),
                Transpose::without_buckets(m.pattern()).unwrap(),
            ];
            let mut expected: Vec<_> = rows
                .iter()
                .zip(0u32..)
                .flat_map(|(row, r)| row.iter().map(move |&c| (c, r)))
                .zip(0u32..)
                .collect();
            expected.sort_unstable();
            for t in indices_built {
                let found: Vec<_> = (0..70)
                    .flat_map(|c| (t.indptr()[c]..t.indptr()[c + 1]).map(move |k| (c as u32, k)))
                    .map(|(c, k)| ((c, t.rows().indices()[k]), t.positions()[k]))
                    .collect();
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    /// Of layers around the sizes where the way changes, one of a single row or column each.
    #[test]
    fn the_same_for_any_number_of_threads() {
        for (n_rows, n_cols) in [(1, 40_000), (40_000, 1), (300, 70), (600, 300), (4, 70_000)] {
            let columns = (0..n_rows).flat_map(|r| (0..n_cols).filter(move |c| (r + c) % 11 != 3));
            let columns: Vec<u32> = columns.map(|c| c as u32).collect();
            let mut indptr = vec![0];
            for r in 0..n_rows {
                let here = (0..n_cols).filter(|c| (r + c) % 11 != 3).count();
                indptr.push(indptr[r] + here);
            }
            let data = vec![0.0; columns.len()];
            let m = Csr::new(n_cols, indptr, columns, data).unwrap();
            let expected = Transpose::without_buckets(m.pattern()).unwrap();
            for threads in [1, 2, 3, 5] {
                let t = Transpose::new(&Par::new(threads).unwrap(), m.pattern()).unwrap();
                assert_eq!(t.indptr(), expected.indptr());
                assert_eq!(t.rows().indices(), expected.rows().indices());
                assert_eq!(t.positions(), expected.positions());
            }
        }
    }

    #[test]
    fn lists_every_entry_of_every_column_in_row_order() {
        let m = Csr::new(4, vec![0, 2, 2, 5], vec![0, 3, 0, 1, 3], vec![1.0; 5]).unwrap();
        for threads in [1, 2, 3] {
            let t = Transpose::new(&Par::new(threads).unwrap(), m.pattern()).unwrap();
            assert_eq!(t.indptr(), [0, 2, 3, 3, 5]);
            assert_eq!(t.rows().indices(), [0, 2, 2, 0, 2]);
            assert_eq!(t.positions(), [0, 2, 3, 1, 4]);
        }
    }
}
