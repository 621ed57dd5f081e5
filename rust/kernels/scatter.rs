//! The product with the transpose of a matrix that has no transpose index: a third less memory per
//! connection, and slower, as every entry reads and writes a row of the result.

use std::ops::Range;

use super::epilogue::{Backward, Biases};
use super::operands::{Batch, BatchMut, Split, Weights};
use super::simd::rows::fetch_run;
use super::simd::{Simd, Vector, multiversion};
use super::spmm::{Columns, Derive, Finish};
use super::tiles::for_tiles;
use super::traversal::blocks::{Block, Blocks, ENTRIES};
use crate::parallel::Par;

#[inline(always)]
fn scatter_body<S: Simd>(
    simd: S,
    w: Weights<'_>,
    dy: Batch<'_>,
    backward: &Backward<'_>,
    columns: Range<usize>,
    results: Columns<'_>,
) {
    let (Weights { pattern: w, data }, stride) = (w, dy.stride);
    let Columns { dx: BatchMut { values: dx, .. }, biases } = results;
    if columns.is_empty() {
        return;
    }
    dx.fill(0.0);
    let (indptr, indices) = (w.indptr(), w.indices());
    let all = columns == (0..w.n_cols());
    let (first, count) = (columns.start as u32, columns.len() as u32);
    let mut blocks = Blocks::new(indptr, 0..w.n_rows(), stride);
    let mut own = [(0u32, 0u16); ENTRIES + 1];
    while let Some(block) = blocks.next() {
        let Block { rows, entries } = &block;
        let dy = dy.rows(rows.clone());
        if block.is_long() {
            let row = &indices[entries.clone()];
            let start = if all { 0 } else { row.partition_point(|&c| c < first) };
            for (&c, &value) in row[start..].iter().zip(&data[entries.start + start..entries.end]) {
                let Some(at) = c.checked_sub(first).filter(|&at| at < count) else { break };
                add_row(simd, value, dy, &mut dx[at as usize * stride..][..stride]);
            }
            continue;
        }
        // Finds the entries in the range of columns without a branch, and prefetches their rows.
        let mut found = 0;
        for ((k, &c), &number) in
            (0u32..).zip(&indices[entries.clone()]).zip(blocks.numbers(&block))
        {
            let at = c.wrapping_sub(first);
            own[found] = (k, number);
            found += usize::from(at < count);
            fetch_run(simd, dx, (at.min(count - 1)) as usize * stride, stride);
        }
        for &(k, number) in &own[..found] {
            let k = entries.start + k as usize;
            let at = (indices[k] - first) as usize;
            let dy = &dy[usize::from(number) * stride..][..stride];
            add_row(simd, data[k], dy, &mut dx[at * stride..][..stride]);
        }
    }
    let mut derive = Derive { first: columns.start, backward, biases };
    for (column, dx) in columns.zip(dx.chunks_exact_mut(stride)) {
        derive.row(simd, column, dx);
    }
}
multiversion! {
    fn scatter_columns(
        w: Weights<'_>, dy: Batch<'_>, backward: &Backward<'_>, columns: Range<usize>,
        results: Columns<'_>,
    ) => scatter_body
}

/// `to += value * from`, rows of lanes.
#[inline(always)]
fn add_row<S: Simd>(simd: S, value: f32, from: &[f32], to: &mut [f32]) {
    for_tiles!(S, from.len(), |offset, V, T| for t in 0..T {
        let at = offset + t * <V<S> as Vector<S>>::N;
        let sum = V::<S>::load(simd, &to[at..]);
        let product = V::<S>::splat(simd, value);
        product.mul_add(V::<S>::load(simd, &from[at..]), sum).store(&mut to[at..]);
    });
}

/// [`super::spmm_transpose_derive`] without an index, with the same bits. Every thread goes through
/// all rows and adds to its share of the columns.
///
/// `dy`: n_rows rows; `dx`: n_cols rows, overwritten; `biases`: (n_cols,).
pub fn spmm_transpose_scatter(
    par: &Par,
    w: Weights<'_>,
    dy: Batch<'_>,
    backward: &Backward<'_>,
    dx: BatchMut<'_>,
    biases: Option<Biases<'_>>,
) {
    let (n_rows, n_cols) = (w.pattern.n_rows(), w.pattern.n_cols());
    let results = Columns { dx, biases };
    w.check();
    assert!(dy.has_rows(n_rows), "internal: dy is (n_rows, stride)");
    results.check(n_cols, dy.stride);
    // Each piece goes through all rows, so there are no more pieces than threads.
    let grain = (n_cols / par.threads() + 1).max(super::GRAIN / dy.stride);
    par.for_rows(
        0..n_cols,
        grain,
        results,
        |c| c,
        |results, range, mid| results.split(mid - range.start),
        |columns, results| scatter_columns(w, dy, backward, columns, results),
    );
}
