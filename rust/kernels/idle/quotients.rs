//! Sums of quotients whose denominators differ little.

/// Terms of the series by which Adam's steps are summed, and what the last may be at most.
pub(super) const TERMS: usize = 7;
const LEAST_TERM: f64 = 1e-8;

/// A sum of `c / (a d + epsilon)` over steps, as a function of the root `a` of the second moment:
/// `sum / (a mean + epsilon)` times a polynomial of `x = a mean / (a mean + epsilon)`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quotients {
    pub(super) sum: f32,
    pub(super) mean: f32,
    /// The weighted means of the powers of `d / mean - 1`, from the second on.
    pub(super) powers: [f32; TERMS - 2],
    /// Whether the series is exact to single precision.
    pub(super) sound: bool,
}

impl Quotients {
    pub(super) const NONE: Quotients =
        Quotients { sum: 0.0, mean: 0.0, powers: [0.0; TERMS - 2], sound: true };

    /// From the sums of `c d^i`.
    pub(super) fn of(raw: &[f64; TERMS]) -> Self {
        if raw[0] == 0.0 {
            return Quotients::NONE;
        }
        let mean = raw[1] / raw[0];
        let mut powers = [0.0; TERMS];
        // Binomial sums of the means of (d / mean)^i.
        let mut scaled = [1.0; TERMS];
        let mut of_mean = 1.0;
        for (i, scaled) in scaled.iter_mut().enumerate() {
            *scaled = raw[i] / raw[0] / of_mean;
            of_mean *= mean;
        }
        for (n, power) in powers.iter_mut().enumerate() {
            let mut coefficient = 1.0;
            for i in (0..=n).rev() {
                *power += coefficient * scaled[i];
                coefficient *= -(i as f64) / (n - i + 1) as f64;
            }
        }
        let sound = powers[TERMS - 1].abs() < LEAST_TERM && mean.is_finite();
        let mut found = Quotients { sum: raw[0] as f32, mean: mean as f32, sound, ..Self::NONE };
        for i in 2..TERMS {
            found.powers[i - 2] = powers[i] as f32;
        }
        found
    }
}
