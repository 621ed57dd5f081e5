//! The transpose index: where the entries of each column are.

use std::ops::Range;

use super::{Bounded, Pattern};
use crate::error::Result;
use crate::memory::filled;
use crate::parallel::Par;

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

    /// Builds the index by counting: O(nnz + n_rows + n_cols). Each thread takes a range of columns
    /// and goes over the part of every row that lies in it.
    pub fn new(par: &Par, pattern: Pattern<'_>) -> Result<Self> {
        let what = "the transpose index";
        let n_cols = pattern.n_cols();
        let mut indptr = filled(n_cols + 1, 0usize, what)?;
        let mut rows = filled(pattern.nnz(), 0u32, what)?;
        let mut positions = filled(pattern.nnz(), 0u32, what)?;
        // Going over the rows has its price, so no more pieces than threads.
        let grain = n_cols / par.threads() + 1;
        par.for_rows(
            0..n_cols,
            grain,
            &mut indptr[1..],
            |c| c,
            |counts: &mut [usize], range, mid| counts.split_at_mut(mid - range.start),
            |range, counts| {
                for_entries(pattern, &range, |_, column, _| counts[column - range.start] += 1);
            },
        );
        for c in 0..n_cols {
            indptr[c + 1] += indptr[c];
        }
        par.for_rows(
            0..n_cols,
            grain,
            (&mut rows[..], &mut positions[..]),
            |c| c,
            |(rows, positions): (&mut [u32], &mut [u32]), range, mid| {
                let cut = indptr[mid] - indptr[range.start];
                let (rows, rows_right) = rows.split_at_mut(cut);
                let (positions, positions_right) = positions.split_at_mut(cut);
                ((rows, positions), (rows_right, positions_right))
            },
            |range, (rows, positions)| {
                let first = indptr[range.start];
                // The next free slot of each column.
                let mut slots: Vec<usize> =
                    indptr[range.clone()].iter().map(|p| p - first).collect();
                for_entries(pattern, &range, |row, column, position| {
                    let slot = &mut slots[column - range.start];
                    rows[*slot] = row as u32;
                    positions[*slot] = position as u32;
                    *slot += 1;
                });
            },
        );
        Ok(Transpose { n_rows: pattern.n_rows(), indptr, rows, positions })
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

/// Calls `visit(row, column, position)` for the entries in a range of columns, row by row.
fn for_entries(
    pattern: Pattern<'_>,
    columns: &Range<usize>,
    mut visit: impl FnMut(usize, usize, usize),
) {
    let whole = *columns == (0..pattern.n_cols());
    for row in 0..pattern.n_rows() {
        let mut first = pattern.indptr()[row];
        let mut entries = pattern.row(row);
        if !whole {
            let start = entries.partition_point(|&c| (c as usize) < columns.start);
            let end = entries.partition_point(|&c| (c as usize) < columns.end);
            (first, entries) = (first + start, &entries[start..end]);
        }
        for (k, &c) in entries.iter().enumerate() {
            visit(row, c as usize, first + k);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Csr;
    use super::*;

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
