//! Neuron importance (PAPER section 4).

use crate::csr::Csr;
use crate::parallel::Par;

/// The incoming strength of every output neuron: the sum of its weights' absolute values, taken
/// in f64. Shape (n_rows,).
pub fn incoming_strength(par: &Par, w: &Csr) -> Vec<f32> {
    let indptr = w.pattern().indptr();
    let mut strength = vec![0.0f32; w.n_rows()];
    par.for_rows(
        0..w.n_rows(),
        1 << 16,
        &mut strength[..],
        |r| indptr[r] + r,
        |out: &mut [f32], range, mid| out.split_at_mut(mid - range.start),
        |rows, out| {
            for (r, o) in rows.zip(out) {
                *o = w.data()[indptr[r]..indptr[r + 1]]
                    .iter()
                    .map(|v| f64::from(v.abs()))
                    .sum::<f64>() as f32;
            }
        },
    );
    strength
}
