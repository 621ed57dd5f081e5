//! A part of a matrix: rows emptied or left out, columns left out.

use crate::csr::{Csr, NONE};
use crate::error::Result;
use crate::memory::reserved;

/// What is left of a matrix.
#[derive(Debug)]
pub struct Restricted {
    /// The new matrix.
    pub matrix: Csr,
    /// For each of its entries the position in the old matrix.
    pub source: Vec<u32>,
}

/// The part of a matrix in some of its rows and columns. `rows`: for each new row the old one, or
/// [`NONE`] for one without entries; `columns`: for each old column the new one below `n_cols`, in
/// ascending order, or [`NONE`] if its entries go. Time O(nnz + rows).
pub fn restrict(w: &Csr, rows: &[u32], columns: &[u32], n_cols: usize) -> Result<Restricted> {
    let pattern = w.pattern();
    let entries = |row: u32| {
        let range = match row {
            NONE => 0..0,
            row => pattern.indptr()[row as usize]..pattern.indptr()[row as usize + 1],
        };
        let renamed = range.map(|k| (k, columns[pattern.indices()[k] as usize]));
        renamed.filter(|&(_, column)| column != NONE)
    };
    let mut indptr = reserved(rows.len() + 1, "row offsets")?;
    let mut nnz = 0;
    indptr.push(nnz);
    for &row in rows {
        nnz += entries(row).count();
        indptr.push(nnz);
    }
    let mut indices = reserved(nnz, "connections")?;
    let mut data = reserved(nnz, "weights")?;
    let mut source = reserved(nnz, "the map of connections")?;
    for (k, column) in rows.iter().flat_map(|&row| entries(row)) {
        indices.push(column);
        data.push(w.data()[k]);
        source.push(k as u32);
    }
    Ok(Restricted { matrix: Csr::from_parts(n_cols, indptr, indices, data), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empties_and_leaves_out() {
        let w = Csr::new(3, vec![0, 2, 3, 5], vec![0, 2, 1, 1, 2], vec![1., 2., 3., 4., 5.]);
        let part = restrict(&w.unwrap(), &[0, NONE, 2], &[0, NONE, 1], 2).unwrap();
        let pattern = part.matrix.pattern();
        assert_eq!((pattern.indptr(), pattern.n_cols()), (&[0, 2, 2, 3][..], 2));
        assert_eq!((pattern.indices(), part.matrix.data()), (&[0, 1, 1][..], &[1., 2., 5.][..]));
        assert_eq!(part.source, [0, 1, 4]);
    }
}
