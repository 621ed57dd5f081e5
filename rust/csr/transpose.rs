//! The transpose index: where the entries of each column are.

use super::{Bounded, Pattern};
use crate::error::Result;
use crate::memory::filled;

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
    /// Builds the index by counting: O(nnz + n_rows + n_cols).
    pub fn new(pattern: Pattern<'_>) -> Result<Self> {
        let what = "the transpose index";
        let mut indptr = filled(pattern.n_cols() + 1, 0usize, what)?;
        let mut rows = filled(pattern.nnz(), 0u32, what)?;
        let mut positions = filled(pattern.nnz(), 0u32, what)?;
        // indptr[c + 1] counts column c, then becomes its next free slot, then its end.
        for &c in pattern.indices() {
            indptr[c as usize + 1] += 1;
        }
        let mut start = 0;
        for slot in &mut indptr[1..] {
            start += std::mem::replace(slot, start);
        }
        for r in 0..pattern.n_rows() {
            let first = pattern.indptr()[r];
            for (k, &c) in pattern.row(r).iter().enumerate() {
                let slot = &mut indptr[c as usize + 1];
                rows[*slot] = r as u32;
                positions[*slot] = (first + k) as u32;
                *slot += 1;
            }
        }
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

#[cfg(test)]
mod tests {
    use super::super::Csr;
    use super::*;

    #[test]
    fn lists_every_entry_of_every_column_in_row_order() {
        let m = Csr::new(4, vec![0, 2, 2, 5], vec![0, 3, 0, 1, 3], vec![1.0; 5]).unwrap();
        let t = Transpose::new(m.pattern()).unwrap();
        assert_eq!(t.indptr(), [0, 2, 3, 3, 5]);
        assert_eq!(t.rows().indices(), [0, 2, 2, 0, 2]);
        assert_eq!(t.positions(), [0, 2, 3, 1, 4]);
    }
}
