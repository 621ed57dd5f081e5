//! The memory that evolutions take, used again from layer to layer.

use std::mem::take;

use crate::csr::Csr;
use crate::error::Result;
use crate::memory::zeros;

const WHAT: &str = "an evolution";

/// The bytes that an evolution takes beside what it evolves: the new offsets, columns, values and
/// carried values, and a place for each of `dropped` connections. A map of entries to the old ones
/// is 4 bytes an entry more.
pub fn evolution_bytes(n_rows: f64, nnz: f64, dropped: f64) -> f64 {
    8.0 * (n_rows + 1.0) + 12.0 * nnz + 8.0 * dropped
}

/// Arrays for the matrix that an evolution makes. With the arrays of a matrix that is no longer
/// needed, the next evolution of that size takes no memory from the system, and no time to clear
/// it.
#[derive(Debug, Default)]
pub struct Buffers {
    pub(super) indptr: Vec<usize>,
    pub(super) indices: Vec<u32>,
    pub(super) data: Vec<f32>,
    pub(super) carried: Vec<f32>,
}

impl Buffers {
    /// Makes arrays for a matrix of this size; their content is undefined.
    pub fn fit(&mut self, n_rows: usize, nnz: usize, carries: bool) -> Result<()> {
        // What does not fit is freed before anything is allocated.
        let offsets = keep(&mut self.indptr, n_rows + 1);
        let columns = keep(&mut self.indices, nnz);
        let values = keep(&mut self.data, nnz);
        let carried = keep(&mut self.carried, if carries { nnz } else { 0 });
        self.indptr = offsets.get()?;
        self.indices = columns.get()?;
        self.data = values.get()?;
        self.carried = carried.get()?;
        Ok(())
    }

    /// Takes the arrays of a matrix that is no longer needed, but for those that a snapshot shares.
    pub fn recycle(&mut self, matrix: Csr, carried: Vec<f32>) {
        (self.indptr, self.indices, self.data) = matrix.into_parts();
        self.carried = carried;
    }
}

/// An array of a wanted length: one that was there, or none yet.
struct Wanted<T>(Vec<T>, usize);

/// An array that is too long by more than a sixty-fourth does not fit: a network must not hold more
/// than it needs.
fn keep<T>(array: &mut Vec<T>, len: usize) -> Wanted<T> {
    let fits = (len..=len + len / 64).contains(&array.capacity());
    let array = take(array);
    Wanted(if fits { array } else { Vec::new() }, len)
}

impl<T: bytemuck::Zeroable + Clone> Wanted<T> {
    fn get(self) -> Result<Vec<T>> {
        let Wanted(mut array, len) = self;
        if array.capacity() < len {
            return zeros(len, WHAT);
        }
        array.resize(len, T::zeroed());
        Ok(array)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_used_again_and_nothing_else() {
        let mut buffers = Buffers::default();
        buffers.fit(100, 1000, true).unwrap();
        let first = buffers.indices.as_ptr();
        buffers.fit(99, 990, true).unwrap();
        assert_eq!((buffers.indices.as_ptr(), buffers.indices.len()), (first, 990));
        buffers.fit(99, 1000, false).unwrap();
        assert_eq!((buffers.indices.as_ptr(), buffers.indices.len()), (first, 1000));
        assert_eq!(
            (buffers.indptr.len(), buffers.data.len(), buffers.carried.capacity()),
            (100, 1000, 0)
        );
        for nnz in [500, 1001] {
            buffers.fit(10, nnz, true).unwrap();
            assert_eq!((buffers.indices.len(), buffers.indices.capacity()), (nnz, nnz));
        }
        let refused = buffers.fit(1, 1 << 60, true).unwrap_err().to_string();
        assert!(refused.contains("for an evolution"), "{refused}");
    }

    #[test]
    fn snapshots_keep_what_they_share() {
        let matrix = Csr::new(2, vec![0, 1], vec![1], vec![1.0]).unwrap();
        let (columns, values) = (matrix.pattern().indices().as_ptr(), matrix.shared_data());
        let mut buffers = Buffers::default();
        buffers.recycle(matrix, vec![0.0]);
        assert_eq!((buffers.indices.as_ptr(), buffers.data.len(), values[0]), (columns, 0, 1.0));
    }
}
