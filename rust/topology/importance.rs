//! Neuron and feature importance (importance pruning, arXiv 2102.01732).

use super::buffers::Buffers;
use super::drop::Survival;
use super::merge::{Evolved, merge};
use super::thinned::{Old, Thinned};
use crate::csr::Csr;
use crate::error::Result;
use crate::memory::filled;
use crate::parallel::Par;

/// The incoming strength of every output neuron: the sum of its weights' absolute values, taken
/// in f64; 0 without connections. Shape (n_rows,).
pub fn incoming_strength(par: &Par, w: &Csr) -> Result<Vec<f32>> {
    let indptr = w.pattern().indptr();
    let mut strength = filled(w.n_rows(), 0.0f32, "importance")?;
    par.for_rows(
        0..w.n_rows(),
        1 << 16,
        &mut strength[..],
        |r| indptr[r] + r,
        |out: &mut [f32], range, mid| out.split_at_mut(mid - range.start),
        |rows, out| {
            for (r, o) in rows.zip(out) {
                let row = &w.data()[indptr[r]..indptr[r + 1]];
                // A fold, as the empty sum of floats is -0.0.
                *o = row.iter().fold(0.0, |sum, v| sum + f64::from(v.abs())) as f32;
            }
        },
    );
    Ok(strength)
}

/// The outgoing strength of every input neuron: the sum over its column of the weights' absolute
/// values, 0 without connections. Shape (n_cols,).
pub fn outgoing_strength(w: &Csr) -> Result<Vec<f64>> {
    column_sums(w, |_| 1.0)
}

/// For every input of the first of a chain of matrices, the sum over all paths to the last one's
/// outputs of the product of the weights' absolute values; a chain of none has no inputs.
/// Shape (first n_cols,).
pub fn path_strength<'a>(matrices: impl DoubleEndedIterator<Item = &'a Csr>) -> Result<Vec<f64>> {
    let mut after: Option<Vec<f64>> = None;
    for w in matrices.rev() {
        after = Some(match &after {
            Some(strength) => column_sums(w, |r| strength[r])?,
            None => outgoing_strength(w)?,
        });
    }
    Ok(after.unwrap_or_default())
}

/// `sum_r |W_rc| v(r)` of every column, each in the order of the rows: one thread, as the sums of
/// different rows meet in the columns.
fn column_sums(w: &Csr, v: impl Fn(usize) -> f64) -> Result<Vec<f64>> {
    let pattern = w.pattern();
    let mut sums = filled(w.n_cols(), 0.0f64, "importance")?;
    for (r, range) in pattern.indptr().windows(2).enumerate() {
        let factor = v(r);
        let weights = &w.data()[range[0]..range[1]];
        for (&c, weight) in pattern.row(r).iter().zip(weights) {
            sums[c as usize] += f64::from(weight.abs()) * factor;
        }
    }
    Ok(sums)
}

/// The `p`-th percentile, `p` in [0, 100], by linear interpolation as NumPy's default has it, in
/// f64; reorders the values.
///
/// # Panics
/// Without values.
pub fn percentile(values: &mut [f32], p: f64) -> f64 {
    assert!(!values.is_empty(), "internal: a percentile of no values");
    let place = (values.len() - 1) as f64 * (p / 100.0);
    let below = (place.floor() as usize).min(values.len() - 1);
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let low = f64::from(low);
    let Some(high) = above.iter().copied().min_by(f32::total_cmp).map(f64::from) else {
        return low;
    };
    // NumPy interpolates from the nearer end.
    let (t, step) = (place - below as f64, high - low);
    if t < 0.5 { low + step * t } else { high - step * (1.0 - t) }
}

/// Drops all incoming connections of some neurons.
struct Neurons<'a> {
    goes: &'a [bool],
}

impl Survival for Neurons<'_> {
    #[inline(always)]
    fn survives(&self, _k: u32, row: u32, _v: f32) -> bool {
        !self.goes[row as usize]
    }
}

/// A matrix without the incoming connections of the neurons that go, (n_rows,); nothing grows.
pub fn without_neurons(par: &Par, old: Old<'_>, goes: &[bool]) -> Result<Evolved> {
    assert_eq!(goes.len(), old.weights.n_rows(), "internal: a flag a row");
    // `goes` counts all rows, but a survival only the open ones: nothing grows, so all may be open.
    let thinned = Thinned::new(par, Old { closed: &[], ..old }, Neurons { goes })?;
    merge(par, &thinned, Vec::new(), |_| |_| 0.0, &mut Buffers::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_magnitudes_and_is_positive_zero_without_connections() {
        let w = Csr::new(3, vec![0, 2, 2], vec![0, 2], vec![1.5, -2.0]).unwrap();
        let strength = incoming_strength(&Par::seq(), &w).unwrap();
        assert_eq!(
            strength.iter().map(|s| s.to_bits()).collect::<Vec<_>>(),
            [3.5f32.to_bits(), 0.0f32.to_bits()]
        );
        assert_eq!(outgoing_strength(&w).unwrap(), [1.5, 0.0, 2.0]);
    }

    #[test]
    fn paths_multiply_along_and_add_up() {
        // Input 0 reaches the output through both hidden neurons, input 1 through none.
        let first = Csr::new(2, vec![0, 1, 2], vec![0, 0], vec![2.0, -3.0]).unwrap();
        let second = Csr::new(2, vec![0, 2], vec![0, 1], vec![-5.0, 7.0]).unwrap();
        assert_eq!(path_strength([&first, &second].into_iter()).unwrap(), [31.0, 0.0]);
        assert_eq!(path_strength([&second].into_iter()).unwrap(), [5.0, 7.0]);
        assert!(path_strength(std::iter::empty()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn percentiles_interpolate_the_sorted_values(
            values in prop::collection::vec(prop_oneof![0.0f32..9.0, Just(1.0), Just(0.0)], 1..50),
            p in prop_oneof![0.0..100.0f64, Just(0.0), Just(50.0), Just(100.0)],
        ) {
            let mut sorted = values.clone();
            sorted.sort_unstable_by(f32::total_cmp);
            let place = (sorted.len() - 1) as f64 * (p / 100.0);
            let (low, high) = (place.floor() as usize, place.ceil() as usize);
            let (low, high, t) = (f64::from(sorted[low]), f64::from(sorted[high]), place.fract());
            let found = percentile(&mut values.clone(), p);
            prop_assert!((found - (low + (high - low) * t)).abs() < 1e-12);
            prop_assert!((low..=high).contains(&found));
        }
    }
}
