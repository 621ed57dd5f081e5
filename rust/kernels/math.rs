//! Exponential, hyperbolic tangent and normal draws in f32: branch-free, so they vectorise, and made of IEEE
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

/// The density of the standard normal distribution.
#[inline(always)]
pub(super) fn normal_density(x: f32) -> f32 {
    const AT_ZERO: f32 = 0.398_942_3;
    AT_ZERO * exp(-0.5 * x * x)
}

/// The standard normal distribution function, the probability of a draw below x, within a few units
/// in the last place where it is not tiny.
#[inline(always)]
pub(super) fn normal_below(x: f32) -> f32 {
    // erfc y = t exp(P(t) - y^2) with t = 1 / (1 + y / 2) for y >= 0: P is a Chebyshev fit of
    // ln(erfcx(y) / t) on (0, 1], within 1.1e-7.
    let y = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * y);
    let mut p = 0.170_872_78f32;
    for c in [
        -0.822_152_2,
        1.488_515_9,
        -1.135_204,
        0.278_868_08,
        -0.186_288_06,
        0.096_784_19,
        0.374_091_96,
        1.000_023_7,
        -1.265_512_2,
    ] {
        p = p.mul_add(t, c);
    }
    let above = 0.5 * t * exp((-y).mul_add(y, p));
    if x < 0.0 { above } else { 1.0 - above }
}

/// ln u within about 1 unit in the last place, for normal numbers above 0.
#[inline(always)]
fn ln(u: f32) -> f32 {
    // u = 2^e m with m in [sqrt(1/2), sqrt(2)), so that e is 0 where ln u is near 0.
    const SQRT_HALF: i32 = 0x3f35_04f3;
    let bits = u.to_bits() as i32;
    let e = bits.wrapping_sub(SQRT_HALF) >> 23;
    let f = f32::from_bits(bits.wrapping_sub(e << 23) as u32) - 1.0;
    // ln m = 2 artanh(s), |s| < 0.172: the remainder of the series is below 1e-8 of it.
    let s = f / (2.0 + f);
    let square = s * s;
    let mut p = 1.0 / 9.0f32;
    for c in [1.0 / 7.0, 0.2, 1.0 / 3.0, 1.0] {
        p = p.mul_add(square, c);
    }
    (e as f32).mul_add(std::f32::consts::LN_2, 2.0 * s * p)
}

/// (sin x, cos x) for |x| <= pi / 4, by Taylor series whose remainders are below rounding.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    let square = x * x;
    let mut sin = 2.755_731_9e-6f32;
    for c in [-1.984_127e-4, 8.333_333e-3, -0.166_666_67, 1.0] {
        sin = sin.mul_add(square, c);
    }
    let mut cos = 2.480_158_7e-5f32;
    for c in [-1.388_888_9e-3, 4.166_666_6e-2, -0.5, 1.0] {
        cos = cos.mul_add(square, c);
    }
    (x * sin, cos)
}

/// A random word as two independent draws of the standard normal distribution (Box-Muller) with
/// magnitudes below 5.8. [`crate::rng::normal`] has the finer tail; this one vectorises.
#[inline(always)]
pub(super) fn normals(word: u64) -> (f32, f32) {
    const UNIT: f32 = 1.0 / (1 << 24) as f32;
    // 24 bits for a radius from a number in (0, 1], 24 for an angle within a quarter turn about 0,
    // two for the quarter.
    let radius = (-2.0 * ln(((word >> 40) as i32 + 1) as f32 * UNIT)).sqrt();
    let odd = ((word >> 16) as i32 & 0xff_ffff) * 2 - 0xff_ffff;
    let (sin, cos) = sin_cos(odd as f32 * (UNIT * std::f32::consts::FRAC_PI_4));
    let (a, b) = if word & 1 == 0 { (cos, sin) } else { (sin, cos) };
    let radius = if word & 2 == 0 { radius } else { -radius };
    (radius * a, radius * b)
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
        let below = |x: f64| 0.5 * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2);
        assert!(worst(normal_below, below, -1.0, 10.0) < 5e-7);
        assert!(worst(normal_below, below, -9.0, -1.0) < 1e-5);
        assert!(worst(ln, f64::ln, 6e-8, 1.0 - 6e-8) < 2.5e-7);
        let quarter = std::f32::consts::FRAC_PI_4;
        assert!(worst(|x| sin_cos(x).0, f64::sin, 1e-6, quarter) < 2.5e-7);
        assert!(worst(|x| sin_cos(x).1, f64::cos, -quarter, quarter) < 2.5e-7);
    }

    #[test]
    fn normals_are_normal_and_independent() {
        let stream = crate::rng::Stream::new(3, crate::rng::Purpose::InputNoise, 0, 0);
        let n = 400_000;
        let mut moments = [0.0f64; 5];
        let mut counts = [0u32; 8];
        for i in 0..n {
            let (a, b) = normals(stream.at(i));
            let (x, y) = (f64::from(a), f64::from(b));
            let terms = [x, y, x * x, y * y, x * y];
            moments.iter_mut().zip(terms).for_each(|(m, t)| *m += t / n as f64);
            // Quadrants, and the halves of each: all eight are equally likely.
            let octant = (a > 0.0) as usize + 2 * (b > 0.0) as usize;
            counts[octant + 4 * (a.abs() > b.abs()) as usize] += 1;
        }
        // Five standard deviations of the means: 1 / sqrt(n), or sqrt(2 / n) for the squares.
        let tolerance = 5.0 / (n as f64).sqrt();
        for (moment, (expected, factor)) in
            moments.iter().zip([(0.0, 1.0), (0.0, 1.0), (1.0, 1.5), (1.0, 1.5), (0.0, 1.0)])
        {
            assert!((moment - expected).abs() < factor * tolerance, "{moments:?}");
        }
        let expected = n as f64 / 8.0;
        assert!(
            counts.iter().all(|&c| (f64::from(c) - expected).abs() < 5.0 * expected.sqrt()),
            "{counts:?}"
        );
        let beyond_two = (0..n).filter(|&i| normals(stream.at(i)).0.abs() > 2.0).count() as f64;
        assert!((beyond_two / n as f64 - 0.0455).abs() < 5.0 * (0.0455 / n as f64).sqrt());
    }

    #[test]
    fn normals_are_finite_for_the_extreme_words() {
        for word in [0, u64::MAX, 0xff_ffff << 40, (1 << 40) - 1] {
            let (a, b) = normals(word);
            assert!(a.abs() < 5.8 && b.abs() < 5.8, "{word:x}");
        }
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
