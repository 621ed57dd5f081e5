//! One step of an optimiser on some parameters.

use super::operands::Parameters;

/// A step of momentum SGD as plain numbers (arXiv 2102.01732): with the mean gradient `g`,
/// `v <- momentum * v - rate * g` and `w <- w + v - decay * w`; with Nesterov's variant
/// `w <- w + momentum * v - rate * g - decay * w` instead. With [`Adam`] `v` is the mean of
/// gradients, `v <- momentum * v + (1 - momentum) * g`, and `w <- w - rate * v / root - decay * w`.
/// Then `shrink` takes of the magnitude of `w` what there is: the proximal step of an L1 penalty,
/// which leaves exact zeros.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The learning rate.
    pub rate: f32,
    /// The momentum coefficient.
    pub momentum: f32,
    /// The decay per step, not multiplied by the learning rate.
    pub decay: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// One over the number of samples whose gradients were summed.
    pub inverse_batch: f32,
    /// What every magnitude loses at the end, down to 0.
    pub shrink: f32,
    /// Adam's second half.
    pub adam: Option<Adam>,
}

/// What Adam knows of the squares of gradients: `s <- beta_2 * s + (1 - beta_2) * g^2` and
/// `root = sqrt(s) * inverse_root + epsilon`.
#[derive(Clone, Copy, Debug)]
pub struct Adam {
    /// The coefficient of the mean of squares.
    pub beta_2: f32,
    /// Keeps the root from 0.
    pub epsilon: f32,
    /// One over the root of the weight that the mean of squares has so far: the correction of its
    /// bias. That of the mean of gradients is in the rate.
    pub inverse_root: f32,
}

impl Step {
    /// Updates one parameter from the sum of its gradients over the batch, by momentum SGD.
    #[inline(always)]
    fn apply(&self, gradient_sum: f32, w: &mut f32, v: &mut f32) {
        let push = -self.rate * (gradient_sum * self.inverse_batch);
        *v = self.momentum.mul_add(*v, push);
        let ahead = if self.nesterov { self.momentum.mul_add(*v, push) } else { *v };
        self.settle(ahead, w);
    }

    /// The same by Adam. Root and quotient are IEEE's, so the bits are those of every processor.
    #[inline(always)]
    fn apply_adam(&self, adam: &Adam, gradient_sum: f32, w: &mut f32, v: &mut f32, s: &mut f32) {
        let g = gradient_sum * self.inverse_batch;
        *v = self.momentum.mul_add(*v, (1.0 - self.momentum) * g);
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

    /// Spends the sums of gradients over the batch on as many parameters.
    #[inline(always)]
    pub fn spend(&self, gradients: &[f32], parameters: Parameters<'_>) {
        let Parameters { values, momentum, second } = parameters;
        match &self.adam {
            None => {
                for ((&g, w), v) in gradients.iter().zip(values).zip(momentum) {
                    self.apply(g, w, v);
                }
            }
            Some(adam) => {
                for (((&g, w), v), s) in gradients.iter().zip(values).zip(momentum).zip(second) {
                    self.apply_adam(adam, g, w, v, s);
                }
            }
        }
    }

    /// Panics unless there are `n` parameters with the moments that the step needs.
    pub(super) fn check(&self, parameters: &Parameters<'_>, n: usize) {
        let second = if self.adam.is_some() { n } else { 0 };
        assert_eq!(parameters.values.len(), n, "internal: values are (n,)");
        assert_eq!(parameters.momentum.len(), n, "internal: momentum is (n,)");
        assert_eq!(parameters.second.len(), second, "internal: second moments are (n,) or none");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STILL: Step = Step {
        rate: 0.0,
        momentum: 0.0,
        decay: 0.0,
        nesterov: false,
        inverse_batch: 1.0,
        shrink: 0.0,
        adam: None,
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
