//! Neuron importance (PAPER section 4).

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_magnitudes_and_is_positive_zero_without_connections() {
        let w = Csr::new(3, vec![0, 2, 2], vec![0, 2], vec![1.5, -2.0]).unwrap();
        let strength = incoming_strength(&Par::seq(), &w).unwrap();
        assert_eq!(
            strength.iter().map(|s| s.to_bits()).collect::<Vec<_>>(),
            [3.5f32.to_bits(), 0.0f32.to_bits()]
        );
    }
}
