//! A step of the optimiser from gradients that are stored, of one worker or of several.

use std::ops::Range;

use super::simd::{Simd, multiversion};
use super::step::Step;
use crate::parallel::Par;

/// Values whose gradients are summed before they are spent: a few cache lines.
const RUN: usize = 64;

#[inline(always)]
fn update_body<S: Simd>(
    _simd: S,
    gradients: &[&[f32]],
    step: &Step,
    range: Range<usize>,
    data: &mut [f32],
    momentum: &mut [f32],
) {
    let (first, rest) = gradients.split_first().expect("internal: no gradient");
    let mut sums = [0.0f32; RUN];
    let runs = data.chunks_mut(RUN).zip(momentum.chunks_mut(RUN));
    for (start, (w, v)) in range.step_by(RUN).zip(runs) {
        let sums = &mut sums[..w.len()];
        sums.copy_from_slice(&first[start..][..w.len()]);
        for gradient in rest {
            sums.iter_mut().zip(&gradient[start..]).for_each(|(sum, g)| *sum += g);
        }
        for ((sum, w), v) in sums.iter().zip(w).zip(v) {
            step.apply(*sum, w, v);
        }
    }
}
multiversion! {
    fn update_range(
        gradients: &[&[f32]], step: &Step, range: Range<usize>, data: &mut [f32],
        momentum: &mut [f32],
    ) => update_body
}

/// One [`Step`] of momentum SGD of every value from the sum of its gradients, added up in their order. With one
/// gradient from [`super::sddmm`] the bits are those of [`super::sddmm_update`].
///
/// `gradients`: at least one, (n,) each; `data`, `momentum`: (n,).
pub fn update(
    par: &Par,
    gradients: &[&[f32]],
    step: &Step,
    data: &mut [f32],
    momentum: &mut [f32],
) {
    let len = data.len();
    assert!(!gradients.is_empty(), "internal: no gradient");
    assert!(step.adam.is_none(), "internal: Adam takes its step with the gradients");
    assert!(gradients.iter().all(|g| g.len() == len), "internal: gradients are (n,)");
    assert_eq!(momentum.len(), len, "internal: data and momentum are (n,)");
    par.for_rows(
        0..len,
        super::GRAIN,
        (data, momentum),
        |k| k * gradients.len(),
        |(data, momentum), range, mid| {
            let (data, data_right) = data.split_at_mut(mid - range.start);
            let (momentum, momentum_right) = momentum.split_at_mut(mid - range.start);
            ((data, momentum), (data_right, momentum_right))
        },
        |range, (data, momentum)| update_range(gradients, step, range, data, momentum),
    );
}
