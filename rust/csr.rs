//! Compressed sparse rows, and the only place that can break or check their invariants.
//!
//! # Definition
//! A matrix of `n_rows` x `n_cols` with `nnz` stored entries is three arrays:
//! - `indptr` (`n_rows + 1`): the entries of row `r` are those at positions
//!   `indptr[r]..indptr[r + 1]`; it starts at 0, never decreases and ends at `nnz`;
//! - `indices` (`nnz`): the column of each entry, below `n_cols`, strictly increasing in a row
//!   (so sorted and without duplicates);
//! - `data` (`nnz`): the value of each entry, finite when it comes from a user. A stored zero is
//!   an entry.
//!
//! In this crate a row is an *output* neuron and a column an *input* neuron of a layer. `n_rows`,
//! `n_cols` and `nnz` stay below 2^32 - 1, so rows, columns and positions fit `u32`; offsets are
//! 64-bit.
//!
//! # Contracts
//! [`Csr::new`] checks everything and returns an error; `Csr::from_parts` is for this crate's own
//! algorithms, which build valid structures, and panics if one does not. Values may change
//! through [`Csr::data_mut`], the structure never: topology code makes a new matrix.

mod rows;
mod transpose;

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::memory::copied;
use crate::parallel::Par;
pub(crate) use rows::{RUN, row_runs};
pub use transpose::Transpose;

/// No position: stands for "grown just now" in maps from new entries to old ones.
pub const NONE: u32 = u32::MAX;

/// A sparse matrix; see the module's definition. Clones share memory until values are changed.
#[derive(Clone, Debug)]
pub struct Csr {
    n_cols: usize,
    indptr: Arc<Vec<usize>>,
    indices: Arc<Vec<u32>>,
    data: Arc<Vec<f32>>,
}

/// The structure of a matrix without its values. Only a [`Csr`] hands one out, so its holder may
/// rely on the invariants.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'a> {
    n_cols: usize,
    indptr: &'a [usize],
    indices: &'a [u32],
}

/// A run of indices that are all below a bound: what unchecked kernels rely on. Only a [`Pattern`]
/// and a [`Transpose`] hand one out.
#[derive(Clone, Copy, Debug)]
pub struct Bounded<'a> {
    indices: &'a [u32],
    below: usize,
}

impl<'a> Bounded<'a> {
    /// The indices.
    #[inline(always)]
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }
    /// What every index is below.
    #[inline(always)]
    pub fn below(&self) -> usize {
        self.below
    }
}

impl<'a> Pattern<'a> {
    /// All columns, as indices that are known to be below `n_cols`.
    #[inline(always)]
    pub fn bounded(&self) -> Bounded<'a> {
        Bounded { indices: self.indices, below: self.n_cols }
    }
    /// The number of rows (output neurons).
    #[inline(always)]
    pub fn n_rows(&self) -> usize {
        self.indptr.len() - 1
    }
    /// The number of columns (input neurons).
    #[inline(always)]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }
    /// The number of stored entries.
    #[inline(always)]
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }
    /// Offsets of the rows, `n_rows + 1`.
    #[inline(always)]
    pub fn indptr(&self) -> &'a [usize] {
        self.indptr
    }
    /// Columns of the entries, `nnz`.
    #[inline(always)]
    pub fn indices(&self) -> &'a [u32] {
        self.indices
    }
    /// Columns of one row.
    #[inline(always)]
    pub fn row(&self, r: usize) -> &'a [u32] {
        &self.indices[self.indptr[r]..self.indptr[r + 1]]
    }
}

impl Csr {
    /// Checks every invariant and that all values are finite.
    pub fn new(
        n_cols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        data: Vec<f32>,
    ) -> Result<Self> {
        check(n_cols, &indptr, &indices, &data)?;
        Ok(Self::checked(n_cols, indptr, indices, data))
    }

    /// Checks the structure and lets the values be anything: for files of networks whose training
    /// diverged.
    pub fn with_any_values(
        n_cols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        data: Vec<f32>,
    ) -> Result<Self> {
        check_structure(n_cols, &indptr, &indices)?;
        check_length(&indices, &data)?;
        Ok(Self::checked(n_cols, indptr, indices, data))
    }

    /// For this crate's own algorithms, which guarantee the invariants. They are checked
    /// nevertheless, in release builds too: kernels read memory by them without further checks.
    ///
    /// # Panics
    /// If the structure is invalid.
    pub(crate) fn from_parts(
        n_cols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        data: Vec<f32>,
    ) -> Self {
        Self::from_parts_by(&Par::seq(), n_cols, indptr, indices, data)
    }

    /// [`Csr::from_parts`] on several threads.
    pub(crate) fn from_parts_by(
        par: &Par,
        n_cols: usize,
        indptr: Vec<usize>,
        indices: Vec<u32>,
        data: Vec<f32>,
    ) -> Self {
        // Only the slow check can say what is wrong.
        let checked = match rows::valid(par, n_cols, &indptr, &indices) {
            true => Ok(()),
            false => check_structure(n_cols, &indptr, &indices),
        };
        if let Err(e) = checked.and_then(|()| check_length(&indices, &data)) {
            panic!("internal: an algorithm built an {e}");
        }
        Self::checked(n_cols, indptr, indices, data)
    }

    fn checked(n_cols: usize, indptr: Vec<usize>, indices: Vec<u32>, data: Vec<f32>) -> Self {
        Csr { n_cols, indptr: Arc::new(indptr), indices: Arc::new(indices), data: Arc::new(data) }
    }

    /// The number of rows (output neurons).
    pub fn n_rows(&self) -> usize {
        self.indptr.len() - 1
    }
    /// The number of columns (input neurons).
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }
    /// The number of stored entries (connections).
    pub fn nnz(&self) -> usize {
        self.indices.len()
    }
    /// The structure.
    pub fn pattern(&self) -> Pattern<'_> {
        Pattern { n_cols: self.n_cols, indptr: &self.indptr, indices: &self.indices }
    }
    /// The values, `nnz`.
    pub fn data(&self) -> &[f32] {
        &self.data
    }
    /// Makes the values this matrix's own: a copy now if a snapshot is alive, so that changing
    /// them afterwards copies nothing and cannot run out of memory.
    pub fn unshare(&mut self) -> Result<()> {
        if Arc::get_mut(&mut self.data).is_none() {
            self.data = Arc::new(copied(&self.data, "weights")?);
        }
        Ok(())
    }
    /// The structure beside the values to change; copies the values once if a snapshot is alive
    /// (see [`Csr::unshare`], which can fail where this would abort).
    pub fn pattern_and_data_mut(&mut self) -> (Pattern<'_>, &mut [f32]) {
        let pattern = Pattern { n_cols: self.n_cols, indptr: &self.indptr, indices: &self.indices };
        (pattern, Arc::make_mut(&mut self.data).as_mut_slice())
    }
    /// The values to change; copies them once if a snapshot is alive.
    pub fn data_mut(&mut self) -> &mut [f32] {
        self.pattern_and_data_mut().1
    }
    /// Offsets, columns and values, to be used again; what somebody shares stays theirs, and comes
    /// back empty.
    pub(crate) fn into_parts(self) -> (Vec<usize>, Vec<u32>, Vec<f32>) {
        fn own<T>(shared: Arc<Vec<T>>) -> Vec<T> {
            Arc::into_inner(shared).unwrap_or_default()
        }
        (own(self.indptr), own(self.indices), own(self.data))
    }
    /// The shared columns, for views that outlive this borrow.
    pub fn shared_indices(&self) -> Arc<Vec<u32>> {
        self.indices.clone()
    }
    /// The shared values, for views that outlive this borrow.
    pub fn shared_data(&self) -> Arc<Vec<f32>> {
        self.data.clone()
    }
}

/// Checks the definition's invariants over borrowed arrays.
pub fn check(n_cols: usize, indptr: &[usize], indices: &[u32], data: &[f32]) -> Result<()> {
    check_structure(n_cols, indptr, indices)?;
    check_length(indices, data)?;
    match data.iter().position(|v| !v.is_finite()) {
        Some(k) => Err(Error::InvalidStructure(format!(
            "data[{k}] = {}: expected a finite number",
            data[k]
        ))),
        None => Ok(()),
    }
}

fn check_length(indices: &[u32], data: &[f32]) -> Result<()> {
    let (d, i) = (data.len(), indices.len());
    if d == i {
        return Ok(());
    }
    Err(Error::InvalidStructure(format!("data has length {d}: expected {i}, that of indices")))
}

fn check_sizes(n_rows: usize, n_cols: usize, nnz: usize) -> Result<()> {
    for (count, what) in [(n_rows, "rows"), (n_cols, "columns"), (nnz, "entries")] {
        if count >= NONE as usize {
            let reason = format!("{count} {what}: expected fewer than {NONE}");
            return Err(Error::InvalidStructure(reason));
        }
    }
    Ok(())
}

fn check_structure(n_cols: usize, indptr: &[usize], indices: &[u32]) -> Result<()> {
    let fail = |reason: String| Err(Error::InvalidStructure(reason));
    check_sizes(indptr.len().saturating_sub(1), n_cols, indices.len())?;
    let (Some(&first), Some(&last)) = (indptr.first(), indptr.last()) else {
        return fail("indptr is empty: expected one offset more than rows".into());
    };
    if first != 0 || last != indices.len() {
        return fail(format!(
            "indptr runs from {first} to {last}: expected 0 to {}, the length of indices",
            indices.len()
        ));
    }
    if let Some(r) = indptr.windows(2).position(|w| w[0] > w[1]) {
        return fail(format!("indptr decreases after row {r}: expected it never to decrease"));
    }
    // Offsets are in range now: they start at 0, never decrease and end at the length of indices.
    for (r, w) in indptr.windows(2).enumerate() {
        let row = &indices[w[0]..w[1]];
        // Looks at all pairs, without a way out: several at a time.
        if row.windows(2).fold(false, |bad, c| bad | (c[0] >= c[1])) {
            return fail(format!("row {r}: expected strictly increasing column indices"));
        }
        if row.last().is_some_and(|&c| c as usize >= n_cols) {
            return fail(format!("row {r}: expected column indices below {n_cols}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_is_named() {
        let bad = |indptr: &[usize], indices: &[u32], data: &[f32]| {
            Csr::new(3, indptr.to_vec(), indices.to_vec(), data.to_vec()).unwrap_err().to_string()
        };
        assert!(bad(&[], &[], &[]).contains("indptr is empty"));
        assert!(bad(&[1, 1], &[0], &[1.0]).contains("from 1 to 1"));
        assert!(bad(&[0, 2], &[0], &[1.0]).contains("from 0 to 2"));
        assert!(bad(&[0, 2, 1, 2], &[0, 1], &[1.0; 2]).contains("decreases"));
        assert!(bad(&[0, 2], &[1, 0], &[1.0; 2]).contains("increasing"));
        assert!(bad(&[0, 2], &[1, 1], &[1.0; 2]).contains("increasing"));
        assert!(bad(&[0, 1], &[3], &[1.0]).contains("below 3"));
        assert!(bad(&[0, 1], &[2], &[]).contains("length 0"));
        assert!(bad(&[0, 1], &[2], &[f32::NAN]).contains("finite"));
    }

    #[test]
    fn positions_of_every_kind_fit_32_bits() {
        let most = NONE as usize - 1;
        check_sizes(most, most, most).unwrap();
        let refused = |r, c, n| check_sizes(r, c, n).unwrap_err().to_string();
        assert!(refused(most + 1, 0, 0).contains("4294967295 rows"));
        assert!(refused(0, most + 1, 0).contains("4294967295 columns"));
        assert!(refused(0, 0, most + 1).contains("4294967295 entries"));
    }

    #[test]
    #[should_panic(expected = "internal: an algorithm built an invalid sparse matrix: row 0")]
    fn an_algorithms_mistake_is_found_in_release_builds_too() {
        Csr::from_parts(3, vec![0, 2], vec![1, 3], vec![0.0; 2]);
    }

    #[test]
    fn snapshots_keep_their_values() {
        let mut m = Csr::new(2, vec![0, 1], vec![1], vec![1.0]).unwrap();
        let before = m.shared_data();
        m.data_mut()[0] = 2.0;
        assert_eq!((before[0], m.data()[0]), (1.0, 2.0));
    }

    #[test]
    fn unshared_values_stay_where_they_are() {
        let mut m = Csr::new(2, vec![0, 1], vec![1], vec![1.0]).unwrap();
        let own = m.data().as_ptr();
        m.unshare().unwrap();
        assert_eq!(m.data().as_ptr(), own);
        let before = m.shared_data();
        m.unshare().unwrap();
        let own = m.data().as_ptr();
        assert_ne!(own, before.as_ptr());
        m.data_mut()[0] = 2.0;
        assert_eq!((m.data().as_ptr(), before[0]), (own, 1.0));
    }
}
