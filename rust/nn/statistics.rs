//! Means and deviations of columns of numbers, in float64, whole or batch by batch.

mod labels;
mod pieces;

pub use pieces::{DensePieces, SparsePieces};

use super::batch::SparseRows;
use crate::error::{Error, Result};
use crate::memory::{collected, filled, reserved};
use crate::parallel::Par;

const WHAT: &str = "statistics";

/// Columns whose sums one task takes together: a row's piece is a cache line or two.
const COLUMNS: usize = 16;

/// The steps of float64 within which values are the same but for rounding, as 0.1 + 0.2 and 0.3 are.
const ROUNDING: f64 = 4.0;

/// The sizes of stored values, as root mean squares, that are near enough to 1.
const SIZES: std::ops::RangeInclusive<f64> = 1e-3..=8.0;

/// The deviations beyond which only samples of next to no weight lie.
const UNWEIGHED: f64 = 1e8;

/// Whole numbers up to here are exact: neighbours are not the same.
const WHOLE: f64 = (1u64 << 53) as f64;

/// Count, means and sums of squared deviations of columns, from which more can follow by
/// [`Moments::merge`].
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// The number of rows, or the sum of their weights.
    total: f64,
    /// (columns,); the value itself of a column that has one value.
    mean: Vec<f64>,
    /// (columns,); exactly 0 of a column that has one value, but for rounding, and above 0 of others.
    deviations: Vec<f64>,
}

/// Rows of numbers, borrowed: (rows, columns), row-major.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, T> {
    /// The numbers.
    pub values: &'a [T],
    /// How many a row has.
    pub columns: usize,
    /// (rows,), by which rows count; 1 each if None.
    pub weights: Option<&'a [f32]>,
}

impl Moments {
    /// From parts: total, means and sums of squared deviations.
    pub fn from_parts(total: f64, mean: Vec<f64>, deviations: Vec<f64>) -> Result<Self> {
        let fits = mean.len() == deviations.len();
        let finite = mean.iter().chain(&deviations).all(|v| v.is_finite());
        if !fits || !finite || total.is_nan() || total <= 0.0 || deviations.iter().any(|d| *d < 0.0)
        {
            let expected = "a total above 0, finite means and deviations of at least 0";
            return Err(Error::invalid("statistics", format!("a total of {total}"), expected));
        }
        Ok(Moments { total, mean, deviations })
    }

    /// Those of dense rows, summed in their order. `name` is what errors call them.
    pub fn of<T>(par: &Par, table: Table<'_, T>, name: &str) -> Result<Self>
    where
        T: Copy + Into<f64> + Sync,
    {
        let columns = table.columns;
        let rows = table.values.len() / columns;
        let total = table.weights.map_or(rows as f64, |w| w.iter().copied().map(f64::from).sum());
        let mut mean = filled(columns, 0.0f64, WHAT)?;
        let mut deviations = filled(columns, 0.0f64, WHAT)?;
        par.for_rows(
            0..columns.div_ceil(COLUMNS),
            256,
            (&mut mean[..], &mut deviations[..]),
            |block| block * rows,
            |(m, d): (&mut [f64], &mut [f64]), range, mid| {
                let at = ((mid - range.start) * COLUMNS).min(m.len());
                let ((m, m_right), (d, d_right)) = (m.split_at_mut(at), d.split_at_mut(at));
                ((m, d), (m_right, d_right))
            },
            |blocks, (m, d)| {
                let pieces = m.chunks_mut(COLUMNS).zip(d.chunks_mut(COLUMNS));
                for (block, (m, d)) in blocks.zip(pieces) {
                    block_moments(table, total, block * COLUMNS, m, d);
                }
            },
        );
        Moments { total, mean, deviations }.checked(name)
    }

    /// Those of the sparse block of rows.
    pub fn of_sparse(rows: SparseRows<'_>, weights: Option<&[f32]>, name: &str) -> Result<Self> {
        let x = rows.matrix();
        let columns = x.n_cols();
        let weight = |r: usize| weights.map_or(1.0, |w| f64::from(w[r]));
        let total: f64 = (0..x.n_rows()).map(weight).sum();
        let mut mean = filled(columns, 0.0f64, WHAT)?;
        let mut deviations = filled(columns, 0.0f64, WHAT)?;
        let mut stored = filled(columns, Stored::NOTHING, WHAT)?;
        let counted = (0..x.n_rows()).filter(|&r| weight(r) > 0.0).count();
        let entries = || {
            let row = |r: usize| {
                let entries = x.pattern().indptr()[r]..x.pattern().indptr()[r + 1];
                x.pattern().row(r).iter().zip(entries).map(move |(&c, e)| (r, c, rows.value(e)))
            };
            (0..x.n_rows()).filter(|&r| weight(r) > 0.0).flat_map(row)
        };
        for (r, c, v) in entries() {
            let stored = &mut stored[c as usize];
            stored.take(v, weight(r));
            mean[c as usize] += weight(r) * v;
        }
        for (mean, stored) in mean.iter_mut().zip(&mut stored) {
            *mean /= total;
            if stored.rows < counted {
                stored.range.take(0.0);
                (stored.first, stored.shift) = (0.0, *mean);
            } else {
                stored.shift /= total;
                *mean = stored.first + stored.shift;
            }
        }
        for (r, c, v) in entries() {
            let Stored { first, shift, .. } = stored[c as usize];
            deviations[c as usize] += weight(r) * ((v - first) - shift).powi(2);
        }
        for (c, &Stored { rows, weight, first, range, .. }) in stored.iter().enumerate() {
            if rows < counted {
                deviations[c] += (total - weight) * mean[c].powi(2);
            }
            let deviation = (deviations[c] / total).sqrt();
            if range.is_one_value() || (is_close(deviation, first) && range.is_beyond(deviation)) {
                (mean[c], deviations[c]) = (only_value(first), 0.0);
            }
        }
        Moments { total, mean, deviations }.checked(name)
    }

    /// Takes columns of sparse rows, whose moments these are, as they are where less than half of the rows
    /// store them: with the mean 0, and the scale 1 or, where the stored values are typically of another
    /// size, that which makes it 1.
    pub fn keep_sparse(&mut self, rows: SparseRows<'_>) -> Result<()> {
        let (x, columns) = (rows.matrix(), self.mean.len());
        let mut stored = filled(columns, 0usize, WHAT)?;
        let mut squares = filled(columns, 0.0f64, WHAT)?;
        for (entry, &c) in x.pattern().indices().iter().enumerate() {
            let value = rows.value(entry);
            if value != 0.0 {
                stored[c as usize] += 1;
                squares[c as usize] += value * value;
            }
        }
        for (c, (&stored, &square)) in stored.iter().zip(&squares).enumerate() {
            self.keep_rare(c, stored, square, x.n_rows());
        }
        Ok(())
    }

    /// As [`Moments::keep_sparse`] with a column of which some of the rows store values with this sum of
    /// squares.
    fn keep_rare(&mut self, column: usize, stored: usize, squares: f64, rows: usize) {
        if 2 * stored < rows {
            let size = (squares / stored.max(1) as f64).sqrt();
            let is_usual = size == 0.0 || SIZES.contains(&size);
            self.keep(column, if is_usual { 1.0 } else { 1.0 / size });
        }
    }

    /// Lets columns that are scaled only, as their mean is 0, stay as they are: (columns,) each.
    pub fn keep_known(&mut self, mean: &[f64], scale: &[f64]) {
        for (c, (&mean, &scale)) in mean.iter().zip(scale).enumerate() {
            if mean == 0.0 && scale != 0.0 {
                self.keep(c, scale);
            }
        }
    }

    fn keep(&mut self, column: usize, scale: f64) {
        (self.mean[column], self.deviations[column]) = (0.0, self.total / (scale * scale));
    }

    /// Those of the columns of both, of the same rows.
    pub fn beside(&self, other: &Moments) -> Result<Self> {
        let chained = |of: fn(&Moments) -> &[f64]| {
            let (left, right) = (of(self), of(other));
            let mut all = reserved(left.len() + right.len(), WHAT)?;
            all.extend_from_slice(left);
            all.extend_from_slice(right);
            Ok::<_, Error>(all)
        };
        let (mean, deviations) = (chained(Moments::mean)?, chained(Moments::deviations)?);
        Ok(Moments { total: self.total, mean, deviations })
    }

    fn checked(self, name: &str) -> Result<Self> {
        let bad = |v: &f64| !v.is_finite();
        match self.mean.iter().zip(&self.deviations).position(|(m, d)| bad(m) || bad(d)) {
            None => Ok(self),
            Some(column) => Err(Error::invalid(
                name,
                format!("numbers in column {column} whose squares are beyond float64"),
                "smaller numbers",
            )),
        }
    }

    /// Takes more rows in (Chan, Golub and LeVeque, 1979).
    ///
    /// # Panics
    /// If they have other columns.
    pub fn merge(&mut self, more: &Moments) {
        assert_eq!(self.mean.len(), more.mean.len(), "internal: the same columns");
        let total = self.total + more.total;
        for (c, (mean, deviations)) in self.mean.iter_mut().zip(&mut self.deviations).enumerate() {
            let shift = more.mean[c] - *mean;
            let constant = *deviations == 0.0 && more.deviations[c] == 0.0;
            if shift != 0.0 && !(constant && Range::of(*mean, more.mean[c]).is_one_value()) {
                *deviations += shift * shift * (self.total * (more.total / total));
                *mean += shift * (more.total / total);
            }
            *deviations += more.deviations[c];
        }
        self.total = total;
    }

    /// The number of rows, or the sum of their weights.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// (columns,).
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Sums of squares, (columns,); 0 of a column that has one value, but for rounding.
    pub fn deviations(&self) -> &[f64] {
        &self.deviations
    }

    /// One over a column's standard deviation; 0 if it has one value, but for rounding.
    pub fn scale(&self, column: usize) -> f64 {
        let scale = 1.0 / (self.deviations[column] / self.total).sqrt();
        if scale.is_finite() { scale } else { 0.0 }
    }
}

/// Between which numbers a column lies.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: f64,
    high: f64,
    /// Whether all are whole numbers, and exact.
    whole: bool,
}

impl Range {
    const EMPTY: Range = Range { low: f64::INFINITY, high: f64::NEG_INFINITY, whole: true };

    fn of(one: f64, other: f64) -> Self {
        let mut range = Range::EMPTY;
        range.take(one);
        range.take(other);
        range
    }

    fn take(&mut self, value: f64) {
        (self.low, self.high) = (self.low.min(value), self.high.max(value));
        self.whole &= value.trunc() == value && value.abs() <= WHOLE;
    }

    /// Whether that is so wide that a few samples of next to no weight must be the cause.
    fn is_beyond(self, deviation: f64) -> bool {
        self.high - self.low > UNWEIGHED * deviation
    }

    /// Whether that is one value, but for what rounding makes.
    fn is_one_value(self) -> bool {
        let largest = self.low.abs().max(self.high.abs());
        let rounding = if self.whole { 0.0 } else { ROUNDING * (largest - largest.next_down()) };
        self.high - self.low <= rounding
    }
}

/// What a sparse column stores.
#[derive(Clone, Copy, Debug)]
struct Stored {
    rows: usize,
    weight: f64,
    range: Range,
    /// What is subtracted first from the values, and then: an offset costs no precision.
    first: f64,
    shift: f64,
}

impl Stored {
    const NOTHING: Stored =
        Stored { rows: 0, weight: 0.0, range: Range::EMPTY, first: 0.0, shift: 0.0 };

    fn take(&mut self, value: f64, weight: f64) {
        if self.rows == 0 {
            self.first = value;
        }
        self.rows += 1;
        self.weight += weight;
        self.range.take(value);
        self.shift += weight * (value - self.first);
    }
}

/// Weights by which samples count in statistics: no sample outweighs four of the mean weight, so
/// that extreme ones leave the others apart.
pub fn moderate(weights: &[f32]) -> Result<Vec<f32>> {
    let sum: f64 = weights.iter().copied().map(f64::from).sum();
    let most = (4.0 * sum / weights.len() as f64) as f32;
    collected(weights.iter().map(|w| w.min(most)), WHAT)
}

/// Whether a column deviates from its first value by no more than rounding can make.
fn is_close(deviation: f64, first: f64) -> bool {
    deviation <= 4.0 * ROUNDING * f64::EPSILON * first.abs()
}

/// The mean of a column whose values are all this one; 0 if there are none, and not -0.
fn only_value(value: f64) -> f64 {
    if value.is_finite() { value + 0.0 } else { 0.0 }
}

/// The moments of the columns `start..`, as many as `mean` has room for. Sums are of differences to
/// the first row, so that a large offset costs no precision.
fn block_moments<T: Copy + Into<f64>>(
    table: Table<'_, T>,
    total: f64,
    start: usize,
    mean: &mut [f64],
    deviations: &mut [f64],
) {
    let (columns, width) = (table.columns, mean.len());
    let rows = || {
        let rows = table.values.chunks_exact(columns).map(|row| &row[start..start + width]);
        let weight = |i: usize| table.weights.map_or(1.0, |w| f64::from(w[i]));
        rows.enumerate().map(move |(i, row)| (weight(i), row)).filter(|(weight, _)| *weight > 0.0)
    };
    let mut first = [0.0f64; COLUMNS];
    if let Some((_, row)) = rows().next() {
        first.iter_mut().zip(row).for_each(|(f, &v)| *f = v.into());
    }
    let (mut sums, mut varies) = ([0.0f64; COLUMNS], [false; COLUMNS]);
    for (weight, row) in rows() {
        for (i, &v) in row.iter().enumerate() {
            let difference = v.into() - first[i];
            sums[i] += weight * difference;
            varies[i] |= difference != 0.0;
        }
    }
    let shifts = sums.map(|sum| sum / total);
    let mut squares = [0.0f64; COLUMNS];
    for (weight, row) in rows() {
        for (i, &v) in row.iter().enumerate() {
            squares[i] += weight * ((v.into() - first[i]) - shifts[i]).powi(2);
        }
    }
    for i in 0..width {
        let deviation = (squares[i] / total).sqrt();
        if varies[i] && is_close(deviation, first[i]) {
            let mut range = Range::EMPTY;
            rows().for_each(|(_, row)| range.take(row[i].into()));
            varies[i] = !range.is_one_value() && !range.is_beyond(deviation);
        }
        if varies[i] {
            (mean[i], deviations[i]) = (first[i] + shifts[i], squares[i]);
        } else {
            mean[i] = only_value(first[i]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::csr::Csr;

    fn of<T: Copy + Into<f64> + Sync>(values: &[T], columns: usize) -> Moments {
        Moments::of(&Par::seq(), Table { values, columns, weights: None }, "x").unwrap()
    }

    #[test]
    fn a_large_offset_costs_no_precision() {
        for offset in [0.0, 1e8, 1.7e9, 1.7e12, 1e15] {
            let x: Vec<f64> = (0..1000).map(|i| offset + f64::from(i % 2)).collect();
            let moments = of(&x, 1);
            assert!((moments.mean()[0] - (offset + 0.5)).abs() <= offset * 1e-16);
            assert!((moments.deviations()[0] - 250.0).abs() < 1e-9, "{offset}");
        }
    }

    #[test]
    fn columns_of_one_value_have_it_as_their_mean() {
        let constants = [0.1f64, -3.0, 2024.0, 1e300, 5e-324, 0.0, -0.0];
        let x: Vec<f64> = (0..1001).flat_map(|_| constants).collect();
        let moments = of(&x, 7);
        assert_eq!(moments.mean(), constants.map(|v| v + 0.0));
        assert!(moments.mean().iter().all(|m| m.to_bits() != (-0.0f64).to_bits()));
        assert!((0..7).all(|c| moments.deviations()[c] == 0.0 && moments.scale(c) == 0.0));
        assert_eq!(of(&[] as &[f64], 1).mean(), [0.0]);
    }

    fn of_full_sparse(values: &[f64], columns: usize) -> Moments {
        let rows = values.len() / columns;
        let indptr = (0..=rows).map(|r| r * columns).collect();
        let indices = (0..values.len()).map(|i| (i % columns) as u32).collect();
        let narrow = values.iter().map(|v| *v as f32).collect();
        let matrix = Csr::new(columns, indptr, indices, narrow).unwrap();
        Moments::of_sparse(SparseRows::from(&matrix).exactly(Some(values)), None, "x").unwrap()
    }

    #[test]
    fn rounding_is_no_spread() {
        let few_steps = [0.7f64, 0.7f64.next_up(), 0.7f64.next_up().next_up(), 0.7f64.next_down()];
        for values in [&[0.1 + 0.2, 0.3], &few_steps[..]] {
            let x: Vec<f64> = values.iter().copied().cycle().take(100).collect();
            for moments in [of(&x, 1), of_full_sparse(&x, 1)] {
                assert_eq!((moments.mean()[0], moments.scale(0)), (values[0], 0.0));
            }
            let mut batches = of(&x[..1], 1);
            x.iter().for_each(|v| batches.merge(&of(&[*v], 1)));
            assert_eq!((batches.mean()[0], batches.scale(0)), (values[0], 0.0));
        }
    }

    #[test]
    fn what_rounding_does_not_explain_is_a_spread() {
        let columns = [(2f64.powi(49), 1.0), (2f64.powi(52), 1.0), (1.7e15, 2.0), (3e-7, 1e-21)];
        for (offset, step) in columns {
            let x: Vec<f64> = (0..300).map(|i| offset + step * f64::from(i % 2)).collect();
            let mut batches = of(&x[..1], 1);
            x[1..].iter().for_each(|v| batches.merge(&of(&[*v], 1)));
            for moments in [of(&x, 1), of_full_sparse(&x, 1)] {
                assert!((moments.scale(0) * (x[1] - x[0]) - 2.0).abs() < 1e-9, "{offset}");
            }
            assert!(batches.scale(0) > 0.0, "{offset}");
        }
    }

    #[test]
    fn sparse_rows_have_the_moments_of_dense_ones() {
        let dense = [0.0f32, 2.0, 7.0, 1.0, 0.0, 7.0, 0.0, 4.0, 7.0];
        let sparse = Csr::new(
            3,
            vec![0, 2, 4, 6],
            vec![1, 2, 0, 2, 1, 2],
            vec![2.0, 7.0, 1.0, 7.0, 4.0, 7.0],
        );
        let (sparse, dense) =
            (Moments::of_sparse((&sparse.unwrap()).into(), None, "x").unwrap(), of(&dense, 3));
        for c in 0..3 {
            assert!((sparse.mean()[c] - dense.mean()[c]).abs() < 1e-15);
            assert!((sparse.deviations()[c] - dense.deviations()[c]).abs() < 1e-14);
        }
        assert_eq!((sparse.mean()[2], sparse.scale(2)), (7.0, 0.0));
    }

    #[test]
    fn batches_have_the_moments_of_the_whole() {
        let value = |i: i32| 1e9 + f64::from(i * 7919 % 1009);
        let x: Vec<f64> = (0..600).flat_map(|i| [value(i), 5.0, f64::from(i / 300)]).collect();
        let whole = of(&x, 3);
        let mut merged = of(&x[..3 * 7], 3);
        assert_eq!(merged.scale(2), 0.0);
        for batch in x[3 * 7..].chunks(3 * 64) {
            merged.merge(&of(batch, 3));
        }
        assert_eq!((merged.total(), merged.scale(1)), (600.0, 0.0));
        for c in [0, 2] {
            assert!((merged.mean()[c] - whole.mean()[c]).abs() < 1e-6);
            assert!((merged.scale(c) / whole.scale(c) - 1.0).abs() < 1e-12);
        }
        assert_eq!(merged.mean()[1], 5.0);
    }

    #[test]
    fn a_row_of_next_to_no_weight_makes_no_feature() {
        let (values, weights) = ([1.0f64, 1.0, 2.0, 1.0], [1.0f32, 1.0, 1e-30, 1.0]);
        let table = Table { values: &values, columns: 1, weights: Some(&weights) };
        let dense = Moments::of(&Par::seq(), table, "x").unwrap();
        let matrix = Csr::new(1, (0..=4).collect(), vec![0; 4], values.map(|v| v as f32).into());
        let sparse = Moments::of_sparse((&matrix.unwrap()).into(), Some(&weights), "x").unwrap();
        for moments in [dense, sparse] {
            assert_eq!((moments.mean()[0], moments.scale(0)), (1.0, 0.0));
        }
    }

    #[test]
    fn weights_count_rows_as_often() {
        let table =
            Table { values: &[1.0f64, 5.0, 9.0], columns: 1, weights: Some(&[1.0, 0.0, 3.0]) };
        let weighted = Moments::of(&Par::seq(), table, "y").unwrap();
        assert_eq!(weighted, of(&[1.0f64, 9.0, 9.0, 9.0], 1));
    }

    #[test]
    fn the_same_for_any_number_of_threads() {
        let values: Vec<f32> = (0..100 * 131).map(|i| ((i * 7919) % 1009) as f32).collect();
        let table = Table { values: &values[..], columns: 131, weights: None };
        let one = Moments::of(&Par::seq(), table, "x").unwrap();
        for threads in [2, 3, 7] {
            assert_eq!(one, Moments::of(&Par::new(threads).unwrap(), table, "x").unwrap());
        }
    }

    #[test]
    fn squares_beyond_float64_are_refused() {
        let table = Table { values: &[0.0f64, 1.0, 0.0, 1e200], columns: 2, weights: None };
        let error = Moments::of(&Par::seq(), table, "x").unwrap_err().to_string();
        assert!(error.contains("column 1"), "{error}");
    }
}
