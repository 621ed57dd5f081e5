//! A layer's connections and weights at the start (SET, Mocanu et al., 2018).

use serde::{Deserialize, Serialize};

use crate::csr::{NONE, Pattern};
use crate::error::{Error, Result};
use crate::memory::{filled, reserved};
use crate::parallel::Par;
use crate::rng::{Stream, normal, open_unit, symmetric};
use crate::watch::Watch;

/// Expected entries of the pieces that rows are drawn in.
const PIECE: f64 = 65_536.0;

/// How many connections `n_in * n_out` places hold on average, or an error if they would not fit
/// the 32-bit indices and positions of a layer.
pub fn expected_connections(n_in: usize, n_out: usize, probability: f64) -> Result<f64> {
    if let Some(n) = [n_in, n_out].into_iter().find(|&n| n >= NONE as usize) {
        return Err(Error::invalid("layer_sizes", n, format!("sizes below {NONE}")));
    }
    if !probability.is_finite() {
        return Err(Error::invalid("density", probability, "a finite number"));
    }
    let expected = n_in as f64 * n_out as f64 * probability.clamp(0.0, 1.0);
    // Eight standard deviations of room, so that the random number itself fits too.
    if expected + 8.0 * expected.sqrt() >= f64::from(NONE) {
        return Err(Error::invalid(
            "layer_sizes",
            format!("a layer of {n_in} x {n_out} with about {expected:.3e} connections"),
            format!("fewer than {NONE} connections in each layer (lower epsilon or density)"),
        ));
    }
    Ok(expected)
}

/// The structure of an Erdos-Renyi graph: each of the `n_out * n_in` places holds a connection
/// with the given probability, independently. Returns `indptr` and `indices`, a row an output.
///
/// The gaps between connections are drawn (geometric distribution), so time and memory are
/// O(connections + n_out). Every row has its own random numbers.
pub fn erdos_renyi(
    par: &Par,
    n_in: usize,
    n_out: usize,
    probability: f64,
    stream: Stream,
) -> Result<(Vec<usize>, Vec<u32>)> {
    erdos_renyi_watched(par, n_in, n_out, probability, stream, &mut Watch::none())
}

/// [`erdos_renyi`] under a watch, which counts the connections.
pub fn erdos_renyi_watched(
    par: &Par,
    n_in: usize,
    n_out: usize,
    probability: f64,
    stream: Stream,
    watch: &mut Watch<'_>,
) -> Result<(Vec<usize>, Vec<u32>)> {
    let expected = expected_connections(n_in, n_out, probability)?;
    let what = "connections";
    let room = |expected: f64| (expected + 8.0 * expected.sqrt()) as usize + 1;
    let mut indptr = filled(n_out + 1, 0usize, "row offsets")?;
    let mut indices = reserved(room(expected), what)?;
    if probability <= 0.0 {
        return Ok((indptr, indices));
    }
    let log_miss = libm::log1p(-probability.min(1.0)); // -inf at probability 1: every gap is 0
    let rows_per_piece = ((PIECE / (expected / n_out as f64 + 1.0)) as usize).max(1);
    let pieces = n_out.div_ceil(rows_per_piece);
    let per_piece = expected / n_out as f64 * rows_per_piece as f64;
    let wave = pieces_at_once(par.threads(), per_piece, expected);
    for first_piece in (0..pieces).step_by(wave) {
        let drawn = par.map(wave.min(pieces - first_piece), |i| -> Result<_> {
            let start = (first_piece + i) * rows_per_piece;
            let rows = start..n_out.min(start + rows_per_piece);
            let mut ends: Vec<usize> = reserved(rows.len(), "row offsets")?;
            let mut columns = reserved(room(per_piece), what)?;
            for row in rows {
                draw_row(n_in as u64, log_miss, row as u64, stream, &mut columns)?;
                ends.push(columns.len());
            }
            Ok((start, ends, columns))
        });
        for piece in drawn {
            let (start, ends, columns) = piece?;
            watch.advance(columns.len() as u64)?;
            let base = indices.len();
            for (i, end) in ends.into_iter().enumerate() {
                indptr[start + i + 1] = base + end;
            }
            indices.try_reserve(columns.len()).map_err(|_| Error::OutOfMemory {
                bytes: 4 * (indices.len() + columns.len()) as u128,
                what: what.into(),
            })?;
            indices.extend_from_slice(&columns);
        }
    }
    Ok((indptr, indices))
}

/// How many pieces are drawn at a time: few, so that the layer does not exist twice as a whole.
/// They are an eighth of it at most, unless a single piece, which has at least a row, is more.
fn pieces_at_once(threads: usize, per_piece: f64, expected: f64) -> usize {
    let most = (PIECE * 4.0 * threads as f64).max(expected / 8.0);
    ((most / per_piece.max(1.0)) as usize).clamp(1, threads * 4)
}

fn draw_row(
    n_in: u64,
    log_miss: f64,
    row: u64,
    stream: Stream,
    columns: &mut Vec<u32>,
) -> Result<()> {
    let mut block = stream.block(row);
    let mut column = 0u64;
    loop {
        // The number of misses before the next hit; the cast saturates.
        let gap = (libm::log(open_unit(block.next_u64())) / log_miss) as u64;
        column = column.saturating_add(gap);
        if column >= n_in {
            return Ok(());
        }
        if columns.len() == columns.capacity() {
            columns.try_reserve(1).map_err(|_| Error::OutOfMemory {
                bytes: 8 * columns.len() as u128,
                what: "connections".into(),
            })?;
        }
        columns.push(column as u32);
        column += 1;
    }
}

/// A distribution of initial weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// U(-+ sqrt(6 / fan_in)).
    HeUniform,
    /// U(-+ sqrt(6 / (fan_in + fan_out))).
    Xavier,
    /// U(-+ sqrt(3 / fan_in)).
    LecunUniform,
    /// N(0, 1) / 10.
    Normal,
}

/// How a neuron's fan is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fan {
    /// The layer's size, as in arXiv 2102.01732.
    Layer,
    /// The connections that a neuron really has. For the fan-out the layer's mean is taken.
    Real,
}

/// A layer's size, by which weights are scaled.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Input neurons.
    pub n_in: usize,
    /// Output neurons.
    pub n_out: usize,
    /// Connections.
    pub nnz: usize,
}

/// How weights are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Init {
    /// The distribution.
    pub scheme: Scheme,
    /// Its scale.
    pub fan: Fan,
}

impl Init {
    /// The factor by which a draw from the scheme's unit distribution is scaled for a neuron with
    /// `row_nnz` incoming connections.
    #[inline]
    pub fn scale(&self, shape: Shape, row_nnz: usize) -> f32 {
        let (fan_in, fan_out) = match self.fan {
            Fan::Layer => (shape.n_in as f64, shape.n_out as f64),
            Fan::Real => (row_nnz.max(1) as f64, shape.nnz as f64 / shape.n_in as f64),
        };
        let scale = match self.scheme {
            Scheme::HeUniform => (6.0 / fan_in).sqrt(),
            Scheme::Xavier => (6.0 / (fan_in + fan_out)).sqrt(),
            Scheme::LecunUniform => (3.0 / fan_in).sqrt(),
            Scheme::Normal => 0.1,
        };
        scale as f32
    }

    /// Draw number `index` of a stream, unscaled.
    #[inline]
    pub fn unit(&self, stream: Stream, index: u64) -> f32 {
        match self.scheme {
            Scheme::Normal => normal(stream.at(index), stream.at(index ^ (1 << 63))),
            _ => symmetric(stream.at(index)),
        }
    }
}

/// Draws the weight of every entry of a structure. `data`: (nnz,), overwritten.
pub fn initial_weights(
    par: &Par,
    pattern: Pattern<'_>,
    init: Init,
    stream: Stream,
    data: &mut [f32],
) {
    assert_eq!(data.len(), pattern.nnz(), "internal: data is (nnz,)");
    let shape = Shape { n_in: pattern.n_cols(), n_out: pattern.n_rows(), nnz: pattern.nnz() };
    let indptr = pattern.indptr();
    par.for_rows(
        0..pattern.n_rows(),
        1 << 14,
        data,
        |r| indptr[r] + r,
        |d, range, mid| d.split_at_mut(indptr[mid] - indptr[range.start]),
        |rows, mut d| {
            for r in rows {
                let (row, rest) = d.split_at_mut(indptr[r + 1] - indptr[r]);
                let scale = init.scale(shape, row.len());
                for (k, v) in row.iter_mut().enumerate() {
                    *v = scale * init.unit(stream, (r as u64) << 32 | k as u64);
                }
                d = rest;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use crate::rng::Purpose;

    fn stream(epoch: u64) -> Stream {
        Stream::new(11, Purpose::Structure, 1, epoch)
    }

    #[test]
    fn extremes_of_probability() {
        let (indptr, indices) = erdos_renyi(&Par::seq(), 5, 3, 0.0, stream(0)).unwrap();
        assert_eq!((indptr, indices.len()), (vec![0; 4], 0));
        let (indptr, indices) = erdos_renyi(&Par::seq(), 5, 3, 1.0, stream(0)).unwrap();
        assert_eq!(indptr, [0, 5, 10, 15]);
        assert_eq!(indices, [0, 1, 2, 3, 4].repeat(3));
        assert!(erdos_renyi(&Par::seq(), 1 << 31, 1 << 31, 1e-3, stream(0)).is_err());
    }

    #[test]
    fn nonsense_is_refused() {
        let refused = |n_in, n_out, p| {
            erdos_renyi(&Par::seq(), n_in, n_out, p, stream(0)).unwrap_err().to_string()
        };
        for p in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(refused(5, 3, p).contains("density = "));
        }
        assert!(refused(NONE as usize, 1, 0.0).contains("layer_sizes = 4294967295"));
        assert!(refused(1, NONE as usize, 0.0).contains("layer_sizes = 4294967295"));
    }

    #[test]
    fn what_is_drawn_is_never_far_from_stored() {
        for threads in [1, 2, 64] {
            for (rows, per_row) in [(10.0, 1e8), (100.0, 1e6), (1e6, 10.0), (1.0, 1e9)] {
                let rows_per_piece = (PIECE / (per_row + 1.0)).floor().max(1.0);
                let per_piece = per_row * rows_per_piece;
                let wave = pieces_at_once(threads, per_piece, rows * per_row);
                let most = (rows * per_row / 8.0).max(PIECE * 4.0 * threads as f64).max(per_piece);
                assert!(wave >= 1 && wave as f64 * per_piece <= most);
            }
        }
    }

    #[test]
    fn number_and_places_follow_the_probability() {
        let (n_in, n_out, p) = (400, 600, 0.05);
        let mut per_column = vec![0.0; n_in];
        let mut total = 0.0;
        for epoch in 0..20 {
            let (_, indices) = erdos_renyi(&Par::seq(), n_in, n_out, p, stream(epoch)).unwrap();
            total += indices.len() as f64;
            indices.iter().for_each(|&c| per_column[c as usize] += 1.0);
        }
        let mean = 20.0 * (n_in * n_out) as f64 * p;
        assert!((total - mean).abs() < 5.0 * (mean * (1.0 - p)).sqrt());
        let column = 20.0 * n_out as f64 * p;
        let chi: f64 = per_column.iter().map(|c| (c - column).powi(2) / (column * (1.0 - p))).sum();
        // Chi-square with 400 degrees of freedom: mean 400, standard deviation 28.
        assert!((chi - 400.0).abs() < 5.0 * 28.3, "{chi}");
    }

    #[test]
    fn the_same_for_any_number_of_threads() {
        let one = erdos_renyi(&Par::seq(), 3000, 2000, 0.02, stream(0)).unwrap();
        let init = Init { scheme: Scheme::HeUniform, fan: Fan::Real };
        let matrix = Csr::new(3000, one.0.clone(), one.1.clone(), vec![0.0; one.1.len()]).unwrap();
        let draw = |par: &Par| {
            let mut data = vec![0.0; one.1.len()];
            initial_weights(par, matrix.pattern(), init, stream(1), &mut data);
            data
        };
        let weights = draw(&Par::seq());
        for threads in [2, 3, 7] {
            let par = Par::new(threads).unwrap();
            assert_eq!(one, erdos_renyi(&par, 3000, 2000, 0.02, stream(0)).unwrap());
            assert_eq!(weights, draw(&par));
        }
    }
}
