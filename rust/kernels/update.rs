//! A step of the optimiser from gradients that are stored, of one worker or of several.

use std::ops::Range;

use super::operands::{Parameters, Split};
use super::simd::{Simd, multiversion};
use super::step::Step;
use crate::parallel::Par;

/// Values whose gradients are summed before they are spent: a few cache lines.
const RUN: usize = 128;

#[inline(always)]
fn update_body<S: Simd>(
    _simd: S,
    gradients: &[&[f32]],
    step: &Step,
    range: Range<usize>,
    mut parameters: Parameters<'_>,
) {
    let (first, rest) = gradients.split_first().expect("internal: no gradient");
    let mut sums = [0.0f32; RUN];
    for start in range.clone().step_by(RUN) {
        let run = start..range.end.min(start + RUN);
        let sums = &mut sums[..run.len()];
        sums.copy_from_slice(&first[run.clone()]);
        for gradient in rest {
            sums.iter_mut().zip(&gradient[start..]).for_each(|(sum, g)| *sum += g);
        }
        step.spend(sums, start - range.start, &mut parameters);
    }
}
multiversion! {
    fn update_range(
        gradients: &[&[f32]], step: &Step, range: Range<usize>, parameters: Parameters<'_>,
    ) => update_body
}

/// One [`Step`] of every parameter from the sum of its gradients, added up in their order. With one
/// gradient from [`super::sddmm`] the bits are those of [`super::sddmm_update`].
///
/// `gradients`: at least one, (n,) each; `parameters`: (n,).
pub fn update(par: &Par, gradients: &[&[f32]], step: &Step, parameters: Parameters<'_>) {
    let len = parameters.values.len();
    assert!(!gradients.is_empty(), "internal: no gradient");
    assert!(gradients.iter().all(|g| g.len() == len), "internal: gradients are (n,)");
    step.check(&parameters, len);
    par.for_rows(
        0..len,
        super::GRAIN,
        parameters,
        |k| k * gradients.len(),
        |parameters, range, mid| parameters.split(mid - range.start),
        |range, parameters| update_range(gradients, step, range, parameters),
    );
}
