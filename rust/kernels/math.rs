//! Exponential and hyperbolic tangent in f32: branch-free, so they vectorise, and made of IEEE
//! operations only, so they give the same bits on every platform.

/// e^x within about 1 unit in the last place; arguments are clamped to [-87.3, 88.7], so the
/// result is never zero, denormal or infinite. NaN stays NaN.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    // x = n ln 2 + r with |r| <= ln 2 / 2; ln 2 is split so that n * LN2_HIGH is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it rounds to an integer
    // Comparisons instead of f32::clamp keep NaN and compile to min/max.
    let x = if x < -87.3 { -87.3 } else { x };
    let x = if x > 88.7 { 88.7 } else { x };
    let shifted = x.mul_add(std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = n.mul_add(-LN2_HIGH, x);
    let r = n.mul_add(-LN2_LOW, r);
    // Taylor coefficients up to r^7 / 7!: the remainder is below half a unit in the last place.
    let mut p = 1.984_127e-4f32;
    for c in [1.388_888_9e-3, 8.333_333e-3, 4.166_666_6e-2, 0.166_666_67, 0.5, 1.0, 1.0] {
        p = p.mul_add(r, c);
    }
    // 2^n in two factors, as n reaches 128.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |e: i32| f32::from_bits((e.wrapping_add(127) as u32) << 23);
    p * power(half) * power(n.wrapping_sub(half))
}

/// 1 / (1 + e^-x).
#[inline(always)]
pub(super) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// tanh x within a few units in the last place.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    let square = x * x;
    // The series near 0, where 1 - 2 / (e^2x + 1) cancels; to x^13, for |x| < 0.4.
    let mut p = 3.592_128e-3f32;
    for c in [-8.863_235e-3, 2.186_949e-2, -5.396_825_4e-2, 0.133_333_34, -0.333_333_34] {
        p = p.mul_add(square, c);
    }
    let near = (x * square).mul_add(p, x);
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if square < 0.16 { near } else { far }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(f: impl Fn(f32) -> f32, exact: impl Fn(f64) -> f64, low: f32, high: f32) -> f64 {
        (0..=200_000)
            .map(|i| low + (high - low) * (i as f32 / 200_000.0))
            .map(|x| {
                ((f64::from(f(x)) - exact(f64::from(x))) / exact(f64::from(x)).abs().max(1e-300))
                    .abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn close_to_the_exact_functions() {
        assert!(worst(exp, f64::exp, -87.0, 88.5) < 2.5e-7);
        assert!(worst(logistic, |x| 1.0 / (1.0 + (-x).exp()), -80.0, 80.0) < 4e-7);
        assert!(worst(tanh, f64::tanh, -10.0, -1e-6) < 4e-7);
        assert!(worst(tanh, f64::tanh, 1e-6, 10.0) < 4e-7);
    }

    #[test]
    fn extremes() {
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f32::NEG_INFINITY) > 0.0 && exp(f32::INFINITY).is_finite());
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert_eq!((tanh(0.0), tanh(100.0), tanh(-100.0)), (0.0, 1.0, -1.0));
        assert_eq!((logistic(0.0), logistic(200.0)), (0.5, 1.0));
    }
}
