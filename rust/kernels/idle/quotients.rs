//! Sums of quotients whose denominators differ little.

/// Terms of the series by which Adam's steps are summed, and what the last may be at most.
pub(super) const TERMS: usize = 7;
const LEAST_TERM: f64 = 1e-8;

/// The coefficients of `(x - 1)^n`, those of low powers first.
const BINOMIALS: [[f64; TERMS]; TERMS] = {
    let mut all = [[0.0; TERMS]; TERMS];
    all[0][0] = 1.0;
    let mut n = 1;
    while n < TERMS {
        all[n][0] = -all[n - 1][0];
        let mut i = 1;
        while i <= n {
            all[n][i] = all[n - 1][i - 1] - all[n - 1][i];
            i += 1;
        }
        n += 1;
    }
    all
};

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
        let (inverse, mean) = (1.0 / raw[0], raw[1] / raw[0]);
        // The means of (d / mean)^i, and from these by binomials those of (d / mean - 1)^n.
        let (mut scaled, mut powers) = ([1.0; TERMS], [0.0; TERMS]);
        let (mut of_mean, inverse_mean) = (inverse, 1.0 / mean);
        for i in 1..TERMS {
            of_mean *= inverse_mean;
            scaled[i] = raw[i] * of_mean;
        }
        for n in 0..TERMS {
            for i in 0..=n {
                powers[n] += BINOMIALS[n][i] * scaled[i];
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
