//! Going over all entries of rows so short that a loop for each would spend its time on guessing
//! where they end.

use std::ops::Range;

use super::{NONE, check_sizes};
use crate::parallel::Par;

/// The most entries of a run.
pub(crate) const RUN: usize = 1024;
/// The entries that are marked at once; rows that are longer take more.
const LANES: usize = 8;
/// Rows and entries below which a pass stays on one thread.
const GRAIN: usize = 1 << 14;

/// Calls `visit(entries, rows)` for consecutive runs of the entries of the given rows: `rows` says
/// for each entry of the run which row it is in.
#[inline(always)]
pub(crate) fn row_runs(
    indptr: &[usize],
    rows: Range<usize>,
    mut visit: impl FnMut(Range<usize>, &[u32]),
) {
    let (mut run, end, mut r) = (indptr[rows.start], indptr[rows.end], rows.start);
    let mut numbers = [0u32; RUN + LANES];
    while run < end {
        let stop = end.min(run + RUN);
        loop {
            // Without a branch on the row's length: what is too much the next rows overwrite.
            let (from, to) = (indptr[r].max(run) - run, indptr[r + 1].min(stop).max(run) - run);
            numbers[from..from + LANES].fill(r as u32);
            if to > from + LANES {
                numbers[from + LANES..to].fill(r as u32);
            }
            if indptr[r + 1] >= stop {
                break;
            }
            r += 1;
        }
        visit(run..stop, &numbers[..stop - run]);
        run = stop;
    }
}

/// Whether arrays are a matrix's structure, as [`super::check`] has it.
pub(super) fn valid(par: &Par, n_cols: usize, indptr: &[usize], indices: &[u32]) -> bool {
    let Some(n_rows) = indptr.len().checked_sub(1) else { return false };
    let nnz = indices.len();
    if check_sizes(n_rows, n_cols, nnz).is_err() || indptr[0] != 0 || indptr[n_rows] != nnz {
        return false;
    }
    let pieces = |len: usize| len.div_ceil(GRAIN);
    let piece = |i: usize, len: usize| i * GRAIN..len.min((i + 1) * GRAIN + 1);
    let rises = par.map(pieces(n_rows), |i| {
        let offsets = &indptr[piece(i, indptr.len())];
        offsets.windows(2).fold(true, |rises, o| rises & (o[0] <= o[1]))
    });
    if rises.contains(&false) {
        return false;
    }
    // Columns may fall from entry to entry where a row begins, and nowhere else.
    let falls = par.map(pieces(nnz), |i| {
        let columns = &indices[piece(i, nnz)];
        let highest = columns.iter().fold(0, |highest, &c| c.max(highest));
        let falls = columns.windows(2).fold(0u32, |n, c| n + u32::from(c[0] >= c[1]));
        ((highest as usize) < n_cols).then_some(falls as usize)
    });
    let begins = par.map(pieces(n_rows), |i| {
        let offsets = &indptr[piece(i, indptr.len())];
        let falls_at = |start: usize| {
            let before = indices.get(start.wrapping_sub(1)).copied().unwrap_or(0);
            // The very first entry falls from nothing.
            before >= indices.get(start).copied().unwrap_or(NONE)
        };
        let begin = |o: &[usize]| usize::from((o[0] < o[1]) & (o[0] > 0) & falls_at(o[0]));
        offsets.windows(2).map(begin).sum::<usize>()
    });
    let falls: Option<usize> = falls.into_iter().sum();
    falls == Some(begins.into_iter().sum())
}

#[cfg(test)]
mod tests {
    use super::super::check_structure;
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn runs_name_the_row_of_every_entry(
            lengths in prop::collection::vec(prop_oneof![0usize..4, 0usize..40, Just(3000)], 1..40),
            first in 0usize..40, last in 0usize..40,
        ) {
            let mut indptr = vec![0];
            lengths.iter().for_each(|l| indptr.push(indptr[indptr.len() - 1] + l));
            let last = last.min(lengths.len());
            let rows = first.min(last)..last;
            let expected: Vec<_> = rows
                .clone()
                .flat_map(|r| (indptr[r]..indptr[r + 1]).map(move |k| (k, r as u32)))
                .collect();
            let mut found = Vec::new();
            row_runs(&indptr, rows, |entries, rows| {
                assert_eq!(entries.len(), rows.len());
                found.extend(entries.zip(rows.iter().copied()));
            });
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn what_is_valid_is_what_the_slow_check_lets_through(
            rows in prop::collection::vec(prop::collection::btree_set(0u32..6, 0..5), 0..6),
            break_offset in any::<Option<(usize, u8)>>(), break_column in any::<Option<(usize, u8)>>(),
        ) {
            let mut indptr = vec![0];
            rows.iter().for_each(|row| indptr.push(indptr[indptr.len() - 1] + row.len()));
            let mut indices: Vec<u32> = rows.iter().flatten().copied().collect();
            if let Some((at, offset)) = break_offset {
                let at = at % indptr.len();
                indptr[at] = usize::from(offset % 12);
            }
            if let (Some((at, column)), false) = (break_column, indices.is_empty()) {
                let at = at % indices.len();
                indices[at] = u32::from(column % 8);
            }
            let slow = check_structure(6, &indptr, &indices).is_ok();
            prop_assert_eq!(valid(&Par::seq(), 6, &indptr, &indices), slow);
        }
    }

    #[test]
    fn pieces_miss_nothing_where_they_meet() {
        let par = Par::new(2).unwrap();
        let n = 3 * GRAIN + 5;
        let one_a_row: Vec<_> = (0..=n).collect();
        let columns: Vec<_> = (0..n as u32).collect();
        assert!(valid(&par, n, &one_a_row, &columns) && valid(&par, n, &[0, n], &columns));
        for at in [1, GRAIN - 1, GRAIN, GRAIN + 1, 2 * GRAIN, n - 1] {
            let mut indptr = one_a_row.clone();
            indptr[at] = indptr[at + 1] + 1;
            assert!(!valid(&par, n, &indptr, &columns));
            let mut columns = columns.clone();
            columns[at] = at as u32 - 1;
            assert!(valid(&par, n, &one_a_row, &columns) && !valid(&par, n, &[0, n], &columns));
            columns[at] = n as u32;
            assert!(!valid(&par, n, &one_a_row, &columns));
        }
        assert!(!valid(&par, n, &[], &[]) && valid(&par, n, &[0], &[]));
    }
}
