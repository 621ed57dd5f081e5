//! Lanes of a batch, from dense samples and from those of two blocks.

use crate::error::Result;
use crate::kernels::stride;
use crate::nn::{BatchBuffers, DenseRows, SparseRows, Standardizer, Values};
use crate::parallel::Par;

/// Features gathered together: a piece of a sample's row that is one cache line.
const FEATURES: usize = 16;

/// Makes `batch` rows of `x` the batch in `buffers`: lane `i` gets row `row(i)`.
pub(super) fn gather_rows(
    par: &Par,
    x: DenseRows<'_>,
    standardizer: Option<&Standardizer>,
    batch: usize,
    row: impl Fn(usize) -> usize + Sync,
    buffers: BatchBuffers<'_>,
) -> Result<()> {
    let out = buffers.dense(x.features(), batch)?;
    write_lanes(par, x, standardizer, batch, row, out);
    Ok(())
}

/// Makes samples of two blocks the batch in `buffers`, with lanes of all features.
pub(super) fn gather_blocks(
    par: &Par,
    rows: SparseRows<'_>,
    standardizer: Option<&Standardizer>,
    samples: &[u32],
    buffers: BatchBuffers<'_>,
) -> Result<()> {
    let (batch, first) = (samples.len(), rows.dense().features());
    let stride = stride(batch);
    let out = buffers.dense(rows.features(), batch)?;
    let (dense, sparse) = out.split_at_mut(first * stride);
    write_lanes(par, rows.dense(), standardizer, batch, |lane| samples[lane] as usize, dense);
    for (lanes, c) in sparse.chunks_exact_mut(stride).zip(first..) {
        lanes.fill(0.0);
        lanes[..batch].fill(standardizer.map_or(0.0, |s| s.apply(c, 0.0)));
    }
    let pattern = rows.matrix().pattern();
    for (lane, &sample) in samples.iter().enumerate() {
        let entries = pattern.indptr()[sample as usize]..pattern.indptr()[sample as usize + 1];
        for entry in entries {
            let (c, value) = (pattern.indices()[entry] as usize, rows.value(entry));
            let value = standardizer.map_or(value as f32, |s| s.apply(first + c, value));
            sparse[c * stride + lane] = value;
        }
    }
    Ok(())
}

/// Writes the lanes of all features of `x`: lane `i` is row `row(i)`.
fn write_lanes(
    par: &Par,
    x: DenseRows<'_>,
    standardizer: Option<&Standardizer>,
    batch: usize,
    row: impl Fn(usize) -> usize + Sync,
    out: &mut [f32],
) {
    let stride = stride(batch);
    par.for_rows(
        0..x.features().div_ceil(FEATURES),
        256,
        out,
        |block| block * batch,
        |out, range, mid| {
            let at = (mid - range.start) * FEATURES * stride;
            out.split_at_mut(at.min(out.len()))
        },
        |blocks, out| {
            for (block, out) in blocks.zip(out.chunks_mut(FEATURES * stride)) {
                gather_block(x, standardizer, batch, &row, block * FEATURES, out);
            }
        },
    );
}

/// The lanes of some features, those from `start` on.
fn gather_block(
    x: DenseRows<'_>,
    standardizer: Option<&Standardizer>,
    batch: usize,
    row: &impl Fn(usize) -> usize,
    start: usize,
    out: &mut [f32],
) {
    let stride = stride(batch);
    let width = out.len() / stride;
    let piece = |lane: usize| {
        let first = row(lane) * x.features() + start;
        first..first + width
    };
    let (mut wide, mut narrow) = ([0.0; FEATURES], [0.0; FEATURES]);
    for lane in 0..batch {
        let put = |(i, &v): (usize, &f32)| out[i * stride + lane] = v;
        match (x.values(), standardizer) {
            (Values::Narrow(x), Some(s)) if stride == 1 => {
                wide.iter_mut().zip(&x[piece(lane)]).for_each(|(to, &v)| *to = f64::from(v));
                s.apply_to_row(start, &wide[..width], out);
                return;
            }
            (Values::Narrow(x), _) => x[piece(lane)].iter().enumerate().for_each(put),
            (Values::Wide(x), None) => {
                narrow.iter_mut().zip(&x[piece(lane)]).for_each(|(to, &v)| *to = v as f32);
                narrow[..width].iter().enumerate().for_each(put);
            }
            (Values::Wide(x), Some(s)) => {
                s.apply_to_row(start, &x[piece(lane)], &mut narrow[..width]);
                narrow[..width].iter().enumerate().for_each(put);
            }
        }
    }
    let standardizer = standardizer.filter(|_| matches!(x.values(), Values::Narrow(_)));
    for (i, lanes) in out.chunks_exact_mut(stride).enumerate() {
        if let Some(s) = standardizer {
            // Some of the padding too, of any value: fewer values are beside vectors.
            s.apply_in_place(start + i, &mut lanes[..batch.next_multiple_of(8).min(stride)]);
        }
        lanes[batch..].fill(0.0);
    }
}
