//! The first of some parameters, in arrays.

use crate::kernels::operands::Parameters;
use crate::kernels::simd::{Simd, Vector};

/// Parameters that are worked on together.
pub(super) const ARRAY: usize = 8;

/// The first of some parameters.
pub(super) struct Few<'a, 'b> {
    pub(super) count: usize,
    pub(super) parameters: &'a mut Parameters<'b>,
}

impl Few<'_, '_> {
    /// Calls `work(values, momentum, second, n)` for arrays of the parameters, of which the first n count:
    /// the last array may have others behind them. Second moments that there are not are 0.
    #[inline(always)]
    pub(super) fn each_array<S: Simd>(
        &mut self,
        simd: S,
        mut work: impl FnMut(&mut [f32; ARRAY], &mut [f32; ARRAY], &mut [f32; ARRAY], usize),
    ) {
        let Parameters { values, momentum, second } = &mut self.parameters;
        let mut start = 0;
        while start < self.count {
            let (n, mut none) = (ARRAY.min(self.count - start), [0.0; ARRAY]);
            let whole = (values[start..].first_chunk_mut(), momentum[start..].first_chunk_mut());
            // Whole arrays take no loop whose end the processor would have to guess.
            if let (Some(w), Some(v)) = whole {
                let s = match second.is_empty() {
                    true => &mut none,
                    false => second[start..].first_chunk_mut().unwrap_or(&mut none),
                };
                let (mut new_w, mut new_v, mut new_s) = (*w, *v, *s);
                work(&mut new_w, &mut new_v, &mut new_s, n);
                for (new, old) in [(new_w, w), (new_v, v), (new_s, s)] {
                    let own = S::V8::load(simd, &new);
                    own.select((1 << n) - 1, S::V8::load(simd, &*old)).store(old);
                }
            } else {
                let (mut w, mut v, mut s) = (none, none, none);
                w[..n].copy_from_slice(&values[start..][..n]);
                v[..n].copy_from_slice(&momentum[start..][..n]);
                if !second.is_empty() {
                    s[..n].copy_from_slice(&second[start..][..n]);
                }
                work(&mut w, &mut v, &mut s, n);
                values[start..][..n].copy_from_slice(&w[..n]);
                momentum[start..][..n].copy_from_slice(&v[..n]);
                if !second.is_empty() {
                    second[start..][..n].copy_from_slice(&s[..n]);
                }
            }
            start += ARRAY;
        }
    }
}
