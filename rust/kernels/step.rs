//! One step of an optimiser on some parameters, by an update rule.

use super::operands::Parameters;

/// A step as plain numbers. With the mean gradient `g` the update rule says by how much a parameter
/// moves, `w <- w + move - decay * w`. Then `shrink` takes of the magnitude of `w` what there is: the
/// proximal step of an L1 penalty, which leaves exact zeros.
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

impl Step {
    /// Spends the sums of gradients over the batch on the parameters from number `at` on.
    #[inline(always)]
    pub fn spend(&self, gradients: &[f32], at: usize, parameters: &mut Parameters<'_>) {
        let n = gradients.len();
        let (w, v) = (&mut parameters.values[at..][..n], &mut parameters.momentum[at..][..n]);
        match &self.rule {
            UpdateRule::Sgd(sgd) => {
                for ((&g, w), v) in gradients.iter().zip(w).zip(v) {
                    self.apply_sgd(sgd, g, w, v);
                }
            }
            UpdateRule::Adam(adam) => {
                let s = &mut parameters.second[at..][..n];
                for (((&g, w), v), s) in gradients.iter().zip(w).zip(v).zip(s) {
                    self.apply_adam(adam, g, w, v, s);
                }
            }
        }
    }

    /// [`Step::spend`] of a single sum.
    #[inline(always)]
    pub fn spend_at(&self, gradient: f32, at: usize, parameters: &mut Parameters<'_>) {
        let (w, v) = (&mut parameters.values[at], &mut parameters.momentum[at]);
        match &self.rule {
            UpdateRule::Sgd(sgd) => self.apply_sgd(sgd, gradient, w, v),
            UpdateRule::Adam(adam) => {
                self.apply_adam(adam, gradient, w, v, &mut parameters.second[at]);
            }
        }
    }

    // References and not the slices: so the compiler knows that they are of different numbers.
    #[inline(always)]
    fn apply_sgd(&self, sgd: &Sgd, gradient_sum: f32, w: &mut f32, v: &mut f32) {
        let push = -self.rate * (gradient_sum * self.inverse_batch);
        *v = sgd.momentum.mul_add(*v, push);
        let ahead = if sgd.nesterov { sgd.momentum.mul_add(*v, push) } else { *v };
        self.settle(ahead, w);
    }

    #[inline(always)]
    fn apply_adam(&self, adam: &Adam, gradient_sum: f32, w: &mut f32, v: &mut f32, s: &mut f32) {
        let g = gradient_sum * self.inverse_batch;
        *v = adam.beta_1.mul_add(*v, (1.0 - adam.beta_1) * g);
        *s = adam.beta_2.mul_add(*s, (1.0 - adam.beta_2) * (g * g));
        let root = s.sqrt().mul_add(adam.inverse_root, adam.epsilon);
        self.settle(-self.rate * *v / root, w);
    }

    #[inline(always)]
    fn settle(&self, ahead: f32, w: &mut f32) {
        let new = (-self.decay).mul_add(*w, *w + ahead);
        // Without a branch; nothing to lose leaves every bit, that of a negative zero and NaN too.
        let left = new.abs() - self.shrink;
        *w = if left < 0.0 { 0.0 } else { left.copysign(new) };
    }

    /// Panics unless there are `n` parameters with the moments that the rule keeps.
    pub(super) fn check(&self, parameters: &Parameters<'_>, n: usize) {
        let second = match self.rule {
            UpdateRule::Sgd(_) => 0,
            UpdateRule::Adam(_) => n,
        };
        assert_eq!(parameters.values.len(), n, "internal: values are (n,)");
        assert_eq!(parameters.momentum.len(), n, "internal: momentum is (n,)");
        assert_eq!(parameters.second.len(), second, "internal: second moments are (n,) or none");
    }
}

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
    fn shrinking_leaves_exact_zeros_and_nothing_else_changes() {
        assert_eq!((settled(0.5, 2.0), settled(0.5, -2.0)), (1.5, -1.5));
        for w in [0.5, -0.5, 0.1, -0.1, 0.0] {
            assert_eq!(settled(0.5, w), 0.0);
        }
        for w in [0.0, -0.0, 1e-45, -3.0, f32::MIN] {
            // A sum with a positive zero makes a negative one positive, as it always has.
            assert_eq!(settled(0.0, w).to_bits(), (w + 0.0).to_bits());
        }
        assert!(settled(0.0, f32::NAN).is_nan() && settled(0.5, f32::NAN).is_nan());
    }
}
