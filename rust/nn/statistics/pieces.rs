//! Moments of samples that come in pieces, in their order and twice: the same bits as those of the whole.

use super::{Moments, Range, Stored, Table, WHAT, is_close, only_value};
use crate::error::Result;
use crate::memory::filled;
use crate::nn::batch::SparseRows;

/// How much the rows that came count.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    rows: usize,
    /// Of them, those of a weight above 0.
    weighted: usize,
    total: f64,
}

impl Count {
    fn take(&mut self, rows: usize, weights: Option<&[f32]>) {
        self.rows += rows;
        match weights {
            None => (self.weighted, self.total) = (self.weighted + rows, self.total + rows as f64),
            Some(weights) => {
                self.weighted += weights.iter().filter(|w| **w > 0.0).count();
                weights.iter().for_each(|w| self.total += f64::from(*w));
            }
        }
    }
}

/// Those of dense rows.
#[derive(Debug)]
pub struct DensePieces {
    count: Count,
    first: Vec<f64>,
    sums: Vec<f64>,
    ranges: Vec<Range>,
    /// Of the second time.
    squares: Vec<f64>,
}

impl DensePieces {
    /// Of no rows yet.
    pub fn new(columns: usize) -> Result<Self> {
        Ok(DensePieces {
            count: Count::default(),
            first: filled(columns, 0.0, WHAT)?,
            sums: filled(columns, 0.0, WHAT)?,
            ranges: filled(columns, Range::EMPTY, WHAT)?,
            squares: filled(columns, 0.0, WHAT)?,
        })
    }

    /// Takes rows for the first time.
    pub fn take<T: Copy + Into<f64>>(&mut self, table: Table<'_, T>) {
        let mut is_first = self.count.weighted == 0;
        for (weight, row) in weighted(table) {
            if is_first {
                self.first.iter_mut().zip(row).for_each(|(f, &v)| *f = v.into());
                is_first = false;
            }
            for (i, &v) in row.iter().enumerate() {
                let v = v.into();
                self.sums[i] += weight * (v - self.first[i]);
                self.ranges[i].take(v);
            }
        }
        self.count.take(table.values.len() / table.columns, table.weights);
    }

    /// Takes the same rows for the second time.
    pub fn take_again<T: Copy + Into<f64>>(&mut self, table: Table<'_, T>) {
        let total = self.count.total;
        for (weight, row) in weighted(table) {
            for (i, &v) in row.iter().enumerate() {
                let shift = self.sums[i] / total;
                self.squares[i] += weight * ((v.into() - self.first[i]) - shift).powi(2);
            }
        }
    }

    /// Those of all rows.
    pub fn moments(&self, name: &str) -> Result<Moments> {
        let (columns, total) = (self.first.len(), self.count.total);
        let mut mean = filled(columns, 0.0f64, WHAT)?;
        let mut deviations = filled(columns, 0.0f64, WHAT)?;
        for i in 0..columns {
            let (first, range) = (self.first[i], self.ranges[i]);
            let deviation = (self.squares[i] / total).sqrt();
            let mut varies = range.high > range.low;
            if varies && is_close(deviation, first) {
                varies = !range.is_one_value() && !range.is_beyond(deviation);
            }
            if varies {
                (mean[i], deviations[i]) = (first + self.sums[i] / total, self.squares[i]);
            } else {
                mean[i] = only_value(first);
            }
        }
        Moments { total, mean, deviations }.checked(name)
    }
}

/// Those of the sparse block of rows.
#[derive(Debug)]
pub struct SparsePieces {
    count: Count,
    sums: Vec<f64>,
    stored: Vec<Stored>,
    /// How many rows store something else than 0, and the squares of that.
    others: Vec<(usize, f64)>,
    deviations: Vec<f64>,
}

impl SparsePieces {
    /// Of no rows yet.
    pub fn new(columns: usize) -> Result<Self> {
        Ok(SparsePieces {
            count: Count::default(),
            sums: filled(columns, 0.0, WHAT)?,
            stored: filled(columns, Stored::NOTHING, WHAT)?,
            others: filled(columns, (0, 0.0), WHAT)?,
            deviations: filled(columns, 0.0, WHAT)?,
        })
    }

    /// Takes rows for the first time.
    pub fn take(&mut self, rows: SparseRows<'_>, weights: Option<&[f32]>) {
        let x = rows.matrix();
        for r in 0..x.n_rows() {
            let weight = weights.map_or(1.0, |w| f64::from(w[r]));
            for (c, v) in entries(rows, r) {
                if weight > 0.0 {
                    self.stored[c].take(v, weight);
                    self.sums[c] += weight * v;
                }
                if v != 0.0 {
                    let (count, squares) = &mut self.others[c];
                    (*count, *squares) = (*count + 1, *squares + v * v);
                }
            }
        }
        self.count.take(x.n_rows(), weights);
    }

    /// Takes the same rows for the second time.
    pub fn take_again(&mut self, rows: SparseRows<'_>, weights: Option<&[f32]>) {
        for r in 0..rows.matrix().n_rows() {
            let weight = weights.map_or(1.0, |w| f64::from(w[r]));
            if weight > 0.0 {
                for (c, v) in entries(rows, r) {
                    let (first, shift, _) = self.centre(c);
                    self.deviations[c] += weight * ((v - first) - shift).powi(2);
                }
            }
        }
    }

    /// What is subtracted from a column's values, first and then, and its mean.
    fn centre(&self, column: usize) -> (f64, f64, f64) {
        let (stored, total) = (&self.stored[column], self.count.total);
        if stored.rows < self.count.weighted {
            let mean = self.sums[column] / total;
            return (0.0, mean, mean);
        }
        let shift = stored.shift / total;
        (stored.first, shift, stored.first + shift)
    }

    /// Those of all rows; as they are where few rows store them, with `keeps`.
    pub fn moments(&self, name: &str, keeps: bool) -> Result<Moments> {
        let (columns, Count { rows, weighted, total }) = (self.sums.len(), self.count);
        let mut mean = filled(columns, 0.0f64, WHAT)?;
        let mut deviations = filled(columns, 0.0f64, WHAT)?;
        for c in 0..columns {
            let Stored { rows: stored, weight, mut range, .. } = self.stored[c];
            let (first, _, centre) = self.centre(c);
            (mean[c], deviations[c]) = (centre, self.deviations[c]);
            if stored < weighted {
                range.take(0.0);
                deviations[c] += (total - weight) * centre.powi(2);
            }
            let deviation = (deviations[c] / total).sqrt();
            if range.is_one_value() || (is_close(deviation, first) && range.is_beyond(deviation)) {
                (mean[c], deviations[c]) = (only_value(first), 0.0);
            }
        }
        let mut moments = Moments { total, mean, deviations }.checked(name)?;
        if keeps {
            for (c, &(stored, squares)) in self.others.iter().enumerate() {
                moments.keep_rare(c, stored, squares, rows);
            }
        }
        Ok(moments)
    }
}

fn entries(rows: SparseRows<'_>, r: usize) -> impl Iterator<Item = (usize, f64)> {
    let pattern = rows.matrix().pattern();
    let at = pattern.indptr()[r]..pattern.indptr()[r + 1];
    pattern.row(r).iter().zip(at).map(move |(&c, e)| (c as usize, rows.value(e)))
}

/// Rows of a weight above 0.
fn weighted<T: Copy>(table: Table<'_, T>) -> impl Iterator<Item = (f64, &[T])> {
    let rows = table.values.chunks_exact(table.columns).enumerate();
    let weight = move |i: usize| table.weights.map_or(1.0, |w| f64::from(w[i]));
    rows.map(move |(i, row)| (weight(i), row)).filter(|(weight, _)| *weight > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;
    use crate::parallel::Par;
    use crate::rng::{Purpose, Stream};

    const ROWS: usize = 60;
    const COLUMNS: usize = 4;

    /// Numbers with an offset, a constant, rounding errors around a number, and zeros.
    fn table() -> (Vec<f64>, Vec<f32>) {
        let mut draw = Stream::new(1, Purpose::Weights, 0, 0).block(0);
        let mut uniform = move || draw.below(1 << 20) as f64 / f64::from(1 << 20);
        let row = |i: usize, u: f64| {
            [1e9 + u, 12.0, if i.is_multiple_of(2) { 0.3 } else { 0.1 + 0.2 }, (i % 7) as f64 * u]
        };
        let values = (0..ROWS).flat_map(|i| row(i, uniform())).collect();
        let weights = (0..ROWS).map(|i| (i % 4) as f32 * 0.7).collect();
        (values, weights)
    }

    #[test]
    fn pieces_have_the_bits_of_the_whole() {
        let (values, weights) = table();
        for size in [1, 7, 59, ROWS] {
            for weights in [None, Some(&weights[..])] {
                let whole = Table { values: &values, columns: COLUMNS, weights };
                let whole = Moments::of(&Par::seq(), whole, "x").unwrap();
                let mut pieces = DensePieces::new(COLUMNS).unwrap();
                for again in [false, true] {
                    for (i, values) in values.chunks(size * COLUMNS).enumerate() {
                        let rows = i * size..(i * size + values.len() / COLUMNS);
                        let weights = weights.map(|w| &w[rows]);
                        let piece = Table { values, columns: COLUMNS, weights };
                        if again { pieces.take_again(piece) } else { pieces.take(piece) }
                    }
                }
                assert_eq!(pieces.moments("x").unwrap(), whole);
            }
        }
    }

    fn csr(values: &[f64]) -> Csr {
        let (mut indptr, mut indices, mut data) = (vec![0], vec![], vec![]);
        for row in values.chunks(COLUMNS) {
            for (c, &v) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                indices.push(c as u32);
                data.push(v as f32);
            }
            indptr.push(indices.len());
        }
        Csr::new(COLUMNS, indptr, indices, data).unwrap()
    }

    #[test]
    fn sparse_pieces_have_the_bits_of_the_whole() {
        let (values, weights) = table();
        let matrix = csr(&values);
        for (weights, keeps) in [(None, true), (Some(&weights[..]), false)] {
            let whole_rows = SparseRows::from(&matrix);
            let mut whole = Moments::of_sparse(whole_rows, weights, "x").unwrap();
            if keeps {
                whole.keep_sparse(whole_rows).unwrap();
            }
            let mut pieces = SparsePieces::new(COLUMNS).unwrap();
            for again in [false, true] {
                for (i, values) in values.chunks(11 * COLUMNS).enumerate() {
                    let weights = weights.map(|w| &w[i * 11..(i * 11 + values.len() / COLUMNS)]);
                    let piece = csr(values);
                    let rows = SparseRows::from(&piece);
                    if again {
                        pieces.take_again(rows, weights)
                    } else {
                        pieces.take(rows, weights)
                    }
                }
            }
            assert_eq!(pieces.moments("x", keeps).unwrap(), whole);
        }
    }
}
