//! One step of an optimiser on some parameters, by an update rule.

use std::ops::Range;

use super::flush::{LEAST, flushed};
use super::operands::{Parameters, Split};
use super::simd::{Simd, Vector, multiversion};
use crate::parallel::Par;

/// A step as plain numbers. With the mean gradient `g` the update rule says by how much a parameter
/// moves, `w <- w + move - decay * w`. Then `shrink` takes of the magnitude of `w` what there is: the
/// proximal step of an L1 penalty, which leaves exact zeros. What is stored is [`flushed`]: no
/// parameter or moment is denormal.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The update rule.
    pub rule: UpdateRule,
    /// The learning rate.
    pub rate: f32,
    /// The decay per step, not multiplied by the learning rate.
    pub decay: f32,
    /// One over the number of samples whose gradients were summed.
    pub inverse_batch: f32,
    /// What every magnitude loses at the end, down to 0.
    pub shrink: f32,
}

/// By how much a step moves a parameter, and what is kept of gradients for the steps to come.
#[derive(Clone, Copy, Debug)]
pub enum UpdateRule {
    /// Momentum SGD.
    Sgd(Sgd),
    /// Adam.
    Adam(Adam),
    /// Lion.
    Lion(Lion),
}

/// Momentum SGD (arXiv 2102.01732): `v <- momentum * v - rate * g`, and the move is `v`.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// The momentum coefficient.
    pub momentum: f32,
    /// Nesterov's variant: the move is `momentum * v - rate * g`.
    pub nesterov: bool,
}

/// Adam: `v <- beta_1 * v + (1 - beta_1) * g` and `s <- beta_2 * s + (1 - beta_2) * g^2`; the move is
/// `-rate * v / (sqrt(s) * inverse_root + epsilon)`. Root and quotient are IEEE's, so the bits are
/// those of every processor.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// The coefficient of the mean of gradients.
    pub beta_1: f32,
    /// The coefficient of the mean of squares.
    pub beta_2: f32,
    /// Keeps the root from 0.
    pub epsilon: f32,
    /// One over the root of the weight that the mean of squares has so far: the correction of its
    /// bias. That of the mean of gradients is in the rate.
    pub inverse_root: f32,
}

/// Lion: with `c = beta_1 * v + (1 - beta_1) * g` the move is `-rate * sign(c)`, and
/// `v <- beta_2 * v + (1 - beta_2) * g`. The sign of 0 is 0, and so is that of a denormal `c`; that
/// of NaN is NaN.
#[derive(Clone, Copy, Debug)]
pub struct Lion {
    /// The coefficient of the mean of gradients in the move.
    pub beta_1: f32,
    /// The coefficient of the mean of gradients that is kept.
    pub beta_2: f32,
}

/// What differs between update rules. `v` and `s` are a parameter's moments.
trait Advance {
    /// Whether there are second moments.
    const SECOND: bool;
    /// By how much a parameter moves with the mean gradient `g`.
    fn advance(&self, rate: f32, g: f32, v: &mut f32, s: &mut f32) -> f32;
}

impl Advance for Sgd {
    const SECOND: bool = false;
    #[inline(always)]
    fn advance(&self, rate: f32, g: f32, v: &mut f32, _: &mut f32) -> f32 {
        let push = -rate * g;
        *v = flushed(self.momentum.mul_add(*v, push));
        if self.nesterov { self.momentum.mul_add(*v, push) } else { *v }
    }
}

impl Advance for Adam {
    const SECOND: bool = true;
    #[inline(always)]
    fn advance(&self, rate: f32, g: f32, v: &mut f32, s: &mut f32) -> f32 {
        *v = flushed(self.beta_1.mul_add(*v, (1.0 - self.beta_1) * g));
        // The square is not 0 or denormal then: from denormal numbers it is not even made.
        let g = if g.abs() < ROOT_OF_LEAST { 0.0 } else { g };
        *s = flushed(self.beta_2.mul_add(*s, (1.0 - self.beta_2) * (g * g)));
        let root = s.sqrt().mul_add(self.inverse_root, self.epsilon);
        -rate * *v / root
    }
}

impl Advance for Lion {
    const SECOND: bool = false;
    #[inline(always)]
    fn advance(&self, rate: f32, g: f32, v: &mut f32, _: &mut f32) -> f32 {
        let c = flushed(self.beta_1.mul_add(*v, (1.0 - self.beta_1) * g));
        *v = flushed(self.beta_2.mul_add(*v, (1.0 - self.beta_2) * g));
        // Not `signum`, which has no 0.
        -rate * if c == 0.0 || c.is_nan() { c } else { 1.0f32.copysign(c) }
    }
}

/// Momentum SGD without an L1 penalty, the common case, as plain numbers.
#[derive(Clone, Copy)]
pub(super) struct PlainSgd {
    numbers: [f32; 4],
    nesterov: bool,
}

impl PlainSgd {
    /// The step, if it is one.
    pub fn of(step: &Step) -> Option<Self> {
        match step.rule {
            // Without a penalty a parameter keeps every bit of what the step made of it.
            UpdateRule::Sgd(Sgd { momentum, nesterov }) if step.shrink == 0.0 => {
                let numbers = [step.inverse_batch, -step.rate, momentum, -step.decay];
                Some(PlainSgd { numbers, nesterov })
            }
            _ => None,
        }
    }

    /// [`Step::spend`] of eight sums. Written with vectors, as compilers make some of the loop scalar
    /// with AVX-512.
    #[inline(always)]
    pub fn spend_eight<S: Simd>(&self, simd: S, sums: S::V8, w: &mut [f32], v: &mut [f32]) {
        let [inverse, rate, momentum, decay] = self.numbers.map(|n| S::V8::splat(simd, n));
        let push = sums.mul(inverse).mul(rate);
        let velocity = S::V8::load(simd, v).mul_add(momentum, push).flushed(simd);
        velocity.store(v);
        let ahead = if self.nesterov { velocity.mul_add(momentum, push) } else { velocity };
        let old = S::V8::load(simd, w);
        old.mul_add(decay, old.add(ahead)).flushed(simd).store(w);
    }

    /// The same of one sum.
    #[inline(always)]
    pub fn spend_one(&self, sum: f32, w: &mut f32, v: &mut f32) {
        let [inverse, rate, momentum, decay] = self.numbers;
        let push = rate * (sum * inverse);
        *v = flushed(momentum.mul_add(*v, push));
        let ahead = if self.nesterov { momentum.mul_add(*v, push) } else { *v };
        *w = flushed(decay.mul_add(*w, *w + ahead));
    }
}

#[inline(always)]
fn second_of<R: Advance>(_: &R) -> bool {
    R::SECOND
}

/// Evaluates an expression with the rule as its own type.
macro_rules! with_rule {
    ($of:expr, |$rule:ident| $body:expr) => {
        match $of {
            UpdateRule::Sgd($rule) => $body,
            UpdateRule::Adam($rule) => $body,
            UpdateRule::Lion($rule) => $body,
        }
    };
}

impl Step {
    /// Spends the sums of gradients over the batch on the parameters from number `at` on.
    #[inline(always)]
    pub fn spend(&self, gradients: &[f32], at: usize, parameters: &mut Parameters<'_>) {
        with_rule!(&self.rule, |rule| self.spend_by(rule, gradients, at, parameters));
    }

    #[inline(always)]
    fn spend_by<R: Advance>(
        &self,
        rule: &R,
        gradients: &[f32],
        at: usize,
        parameters: &mut Parameters<'_>,
    ) {
        let n = gradients.len();
        let Parameters { values, momentum, second } = parameters;
        let (w, v) = (&mut values[at..][..n], &mut momentum[at..][..n]);
        let s = if R::SECOND { &mut second[at..][..n] } else { &mut [][..] };
        self.spend_arrays::<R, 16>(rule, gradients, w, v, s);
        let rest = n / 16 * 16;
        let s = if R::SECOND { &mut s[rest..] } else { &mut [][..] };
        let (g, w, v) = (&gradients[rest..], &mut w[rest..], &mut v[rest..]);
        self.spend_arrays::<R, 8>(rule, g, w, v, s);
        for i in g.len() / 8 * 8..g.len() {
            let s = if R::SECOND { &mut s[i] } else { &mut 0.0 };
            self.apply(rule, g[i], &mut w[i], &mut v[i], s);
        }
    }

    /// Spends whole arrays of N; what is left stays. They are copied, so that they become vector
    /// instructions: nothing that is stored can be what is loaded next.
    #[inline(always)]
    fn spend_arrays<R: Advance, const N: usize>(
        &self,
        rule: &R,
        gradients: &[f32],
        w: &mut [f32],
        v: &mut [f32],
        s: &mut [f32],
    ) {
        let (gradients, arrays) = (gradients.as_chunks::<N>().0, w.as_chunks_mut::<N>().0);
        let (momentum, second) = (v.as_chunks_mut::<N>().0, s.as_chunks_mut::<N>().0);
        for i in 0..gradients.len() {
            let (g, mut w, mut v) = (gradients[i], arrays[i], momentum[i]);
            let mut s = if R::SECOND { second[i] } else { [0.0; N] };
            for k in 0..N {
                self.apply(rule, g[k], &mut w[k], &mut v[k], &mut s[k]);
            }
            (arrays[i], momentum[i]) = (w, v);
            if R::SECOND {
                second[i] = s;
            }
        }
    }

    /// [`Step::spend`] of a single sum.
    #[inline(always)]
    pub fn spend_at(&self, gradient: f32, at: usize, parameters: &mut Parameters<'_>) {
        with_rule!(&self.rule, |rule| self.spend_one(rule, gradient, at, parameters));
    }

    #[inline(always)]
    fn spend_one<R: Advance>(
        &self,
        rule: &R,
        gradient: f32,
        at: usize,
        parameters: &mut Parameters<'_>,
    ) {
        let (w, v) = (&mut parameters.values[at], &mut parameters.momentum[at]);
        let mut none = 0.0;
        let s = if R::SECOND { &mut parameters.second[at] } else { &mut none };
        self.apply(rule, gradient, w, v, s);
    }

    #[inline(always)]
    fn apply(&self, rule: &impl Advance, sum: f32, w: &mut f32, v: &mut f32, s: &mut f32) {
        let ahead = rule.advance(self.rate, sum * self.inverse_batch, v, s);
        self.settle(ahead, w);
    }

    #[inline(always)]
    fn settle(&self, ahead: f32, w: &mut f32) {
        let new = (-self.decay).mul_add(*w, *w + ahead);
        // Without a branch; nothing to lose leaves every bit of a normal number, and NaN.
        let left = new.abs() - self.shrink;
        *w = if left < LEAST { 0.0 } else { left.copysign(new) };
    }

    /// Second moments that the rule keeps of `n` parameters.
    pub(super) fn seconds(&self, n: usize) -> usize {
        if with_rule!(&self.rule, |rule| second_of(rule)) { n } else { 0 }
    }

    /// Panics unless there are `n` parameters with the moments that the rule keeps.
    pub(super) fn check(&self, parameters: &Parameters<'_>, n: usize) {
        let second = self.seconds(n);
        assert_eq!(parameters.values.len(), n, "internal: values are (n,)");
        assert_eq!(parameters.momentum.len(), n, "internal: momentum is (n,)");
        assert_eq!(parameters.second.len(), second, "internal: second moments are (n,) or none");
    }
}

/// Gradients of smaller magnitude have squares below [`LEAST`].
const ROOT_OF_LEAST: f32 = 1.084_202_2e-19; // 2^-63

/// Values whose gradients are summed before they are spent: a few cache lines.
const RUN: usize = 128;

#[inline(always)]
fn spend_body<S: Simd>(
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
    fn spend_range(
        gradients: &[&[f32]], step: &Step, range: Range<usize>, parameters: Parameters<'_>,
    ) => spend_body
}

/// One [`Step`] of every parameter from the sum of its gradients, added up in their order. With one
/// gradient from [`super::sddmm()`] the bits are those of [`super::sddmm_update`].
///
/// `gradients`: at least one, (n,) each; `parameters`: (n,).
pub fn spend_stored(par: &Par, gradients: &[&[f32]], step: &Step, parameters: Parameters<'_>) {
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
        |range, parameters| spend_range(gradients, step, range, parameters),
    );
}

/// One of each update rule, for tests of kernels that make steps.
#[cfg(test)]
pub(super) const RULES: [UpdateRule; 3] = [
    UpdateRule::Sgd(Sgd { momentum: 0.9, nesterov: true }),
    UpdateRule::Adam(Adam { beta_1: 0.9, beta_2: 0.99, epsilon: 1e-8, inverse_root: 2.0 }),
    UpdateRule::Lion(Lion { beta_1: 0.9, beta_2: 0.99 }),
];

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Step = Step {
        rule: UpdateRule::Sgd(Sgd { momentum: 0.0, nesterov: false }),
        rate: 0.0,
        decay: 0.0,
        inverse_batch: 1.0,
        shrink: 0.0,
    };

    fn settled(shrink: f32, w: f32) -> f32 {
        let mut new = w;
        Step { shrink, ..STILL }.settle(0.0, &mut new);
        new
    }

    #[test]
    fn lion_moves_by_the_sign_of_a_mean() {
        let rule = UpdateRule::Lion(Lion { beta_1: 0.5, beta_2: 0.75 });
        let step = Step { rule, rate: 0.25, ..STILL };
        let after = |g: f32, v: f32| {
            let (mut w, mut v) = ([1.0], [v]);
            let mut parameters = Parameters { values: &mut w, momentum: &mut v, second: &mut [] };
            step.spend_at(g, 0, &mut parameters);
            (w[0], v[0])
        };
        assert_eq!(after(4.0, 0.0), (0.75, 1.0));
        assert_eq!(after(-4.0, 0.0), (1.25, -1.0));
        assert_eq!(after(-1.0, 2.0), (0.75, 1.25)); // the mean decides, not the gradient
        assert_eq!(after(-2.0, 2.0), (1.0, 1.0)); // the sign of 0 is 0
        assert_eq!(after(0.0, 0.0), (1.0, 0.0));
        assert_eq!(after(-0.0, -0.0), (1.0, 0.0));
        assert_eq!(after(4.0 * LEAST, 0.0), (0.75, LEAST));
        assert_eq!(after(2.0 * LEAST, 0.0), (0.75, 0.0)); // a quarter is denormal, a half is not
        assert_eq!(after(LEAST, 0.0), (1.0, 0.0));
        assert_eq!(after(f32::INFINITY, 0.0).0, 0.75);
        let (w, v) = after(f32::NAN, 0.0);
        assert!(w.is_nan() && v.is_nan());
    }

    #[test]
    fn shrinking_leaves_exact_zeros_and_nothing_else_changes() {
        assert_eq!((settled(0.5, 2.0), settled(0.5, -2.0)), (1.5, -1.5));
        for w in [0.5, -0.5, 0.1, -0.1, 0.0] {
            assert_eq!(settled(0.5, w), 0.0);
        }
        for w in [0.0, LEAST, -LEAST, -3.0, f32::MIN] {
            assert_eq!(settled(0.0, w).to_bits(), w.to_bits());
        }
        assert!(settled(0.0, f32::NAN).is_nan() && settled(0.5, f32::NAN).is_nan());
    }

    /// Numbers that decay, and gradients whose squares or moves are denormal or less.
    #[test]
    fn no_denormal_number_is_kept() {
        let rules =
            RULES.into_iter().chain([UpdateRule::Sgd(Sgd { momentum: 0.4, nesterov: false })]);
        for (rule, shrink) in rules.flat_map(|rule| [(rule, 0.0), (rule, 1e-39)]) {
            let step = Step { rule, rate: 0.1, decay: 0.3, inverse_batch: 0.25, shrink };
            let n = 8 * 149 + 3;
            let gradients: Vec<f32> = (0..n)
                .map(|i| (if i % 2 == 0 { 3.0f32 } else { -3.0 }) * 2f32.powi(-((i / 8) as i32)))
                .collect();
            let (mut w, mut v) = (gradients.clone(), gradients.clone());
            let mut s = vec![1e-36; step.seconds(n)];
            for i in 0..900 {
                let zeros = vec![0.0; n];
                let sums = if i % 300 == 0 { &gradients } else { &zeros };
                let parameters = Parameters { values: &mut w, momentum: &mut v, second: &mut s };
                spend_stored(&Par::seq(), &[sums], &step, parameters);
                for value in w.iter().chain(&v).chain(&s) {
                    assert!(value.is_normal() || value.to_bits() == 0, "{rule:?} {value:e}");
                }
            }
            assert!(v.contains(&0.0), "{rule:?}");
        }
    }

    /// The squares of smaller gradients are below the least magnitude, those of others are not.
    #[test]
    fn the_root_of_the_least_is_exact() {
        assert_eq!(ROOT_OF_LEAST * ROOT_OF_LEAST, LEAST);
    }
}
