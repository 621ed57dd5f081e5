//! Activations: each with its derivative, and what the derivative needs of the forward pass.

use super::epilogue::Backward;
use super::math;
use super::simd::{Simd, Vector};

/// An element-wise function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Map {
    /// z.
    Identity,
    /// z where z > 0 and slope * z elsewhere; the derivative at 0 is the slope.
    Slope(f32),
    /// 1 / (1 + e^-z).
    Sigmoid,
    /// tanh z.
    Tanh,
    /// z / (1 + e^-z), also called swish (Elfwing et al., 2018).
    Silu,
    /// z times the normal distribution function at z, exactly (Hendrycks and Gimpel, 2016).
    Gelu,
}

/// What a derivative needs of the forward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// On which side of zero the pre-activation was, a bit a unit.
    Signs,
    /// The activation, which is there for the next layer in any case.
    Outputs,
    /// The pre-activation, four bytes a unit.
    PreActivations,
}

/// A function without a case for each side of zero.
pub(super) trait Smooth: Copy {
    /// What the derivative is a function of: outputs or pre-activations.
    const NEEDS: Needs;
    /// The value at a pre-activation.
    fn value(z: f32) -> f32;
    /// The derivative, from the value or the pre-activation.
    fn derivative(of: f32) -> f32;
}

#[derive(Clone, Copy)]
pub(super) struct Sigmoid;

impl Smooth for Sigmoid {
    const NEEDS: Needs = Needs::Outputs;
    #[inline(always)]
    fn value(z: f32) -> f32 {
        math::logistic(z)
    }
    #[inline(always)]
    fn derivative(a: f32) -> f32 {
        a * (1.0 - a)
    }
}

#[derive(Clone, Copy)]
pub(super) struct Tanh;

impl Smooth for Tanh {
    const NEEDS: Needs = Needs::Outputs;
    #[inline(always)]
    fn value(z: f32) -> f32 {
        math::tanh(z)
    }
    #[inline(always)]
    fn derivative(a: f32) -> f32 {
        1.0 - a * a
    }
}

#[derive(Clone, Copy)]
pub(super) struct Silu;

impl Smooth for Silu {
    const NEEDS: Needs = Needs::PreActivations;
    #[inline(always)]
    fn value(z: f32) -> f32 {
        // The exponential is clamped just below: without this case the result would not go to 0.
        if z < -87.0 { 0.0 } else { z * math::logistic(z) }
    }
    #[inline(always)]
    fn derivative(z: f32) -> f32 {
        let p = math::logistic(z);
        if z < -87.0 { 0.0 } else { p * (1.0 + z * (1.0 - p)) }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Gelu;

impl Smooth for Gelu {
    const NEEDS: Needs = Needs::PreActivations;
    #[inline(always)]
    fn value(z: f32) -> f32 {
        z * math::normal_below(z)
    }
    #[inline(always)]
    fn derivative(z: f32) -> f32 {
        math::normal_below(z) + z * math::normal_density(z)
    }
}

/// Evaluates the expression for the kind of a map; in `$smooth`, `$curve` is the function's type.
macro_rules! match_map {
    ($map:expr, identity => $identity:expr, slope($slope:ident) => $side:expr,
     smooth($curve:ident) => $smooth:expr) => {{
        use $crate::kernels::activation::{self, Map};
        match $map {
            Map::Identity => $identity,
            Map::Slope($slope) => $side,
            Map::Sigmoid => {
                use activation::Sigmoid as $curve;
                $smooth
            }
            Map::Tanh => {
                use activation::Tanh as $curve;
                $smooth
            }
            Map::Silu => {
                use activation::Silu as $curve;
                $smooth
            }
            Map::Gelu => {
                use activation::Gelu as $curve;
                $smooth
            }
        }
    }};
}
pub(super) use match_map;

impl Map {
    /// The function of one value, with the bits that a batch gets.
    pub fn apply(self, z: f32) -> f32 {
        match_map!(
            self,
            identity => z,
            slope(slope) => if z > 0.0 { z } else { z * slope },
            smooth(Curve) => Curve::value(z)
        )
    }

    /// What its derivative needs.
    pub fn needs(self) -> Needs {
        match_map!(
            self,
            identity => Needs::Nothing,
            slope(_slope) => Needs::Signs,
            smooth(Curve) => Curve::NEEDS
        )
    }
}

/// What a map does to a vector of lanes. Each kind of map is a type, so that the loop over a row is
/// compiled for that kind.
pub(super) trait Lanes: Copy {
    /// Applies the function. Returns one bit a lane: whether the pre-activation was above zero.
    fn map<S: Simd, V: Vector<S>>(self, simd: S, lanes: &mut [f32]) -> u16;
    /// Multiplies gradients by the derivative. `word` and `lane` are where the lanes stand in the
    /// bits and in the activations.
    fn derive<S: Simd, V: Vector<S>>(
        self,
        simd: S,
        backward: &Backward<'_>,
        word: usize,
        lane: usize,
        lanes: &mut [f32],
    );
}

/// [`Map::Identity`].
#[derive(Clone, Copy)]
pub(super) struct Same;

impl Lanes for Same {
    #[inline(always)]
    fn map<S: Simd, V: Vector<S>>(self, simd: S, lanes: &mut [f32]) -> u16 {
        V::load(simd, lanes).positive()
    }

    #[inline(always)]
    fn derive<S: Simd, V: Vector<S>>(
        self,
        _: S,
        _: &Backward<'_>,
        _: usize,
        _: usize,
        _: &mut [f32],
    ) {
    }
}

/// [`Map::Slope`].
#[derive(Clone, Copy)]
pub(super) struct Sloped(pub(super) f32);

impl Lanes for Sloped {
    #[inline(always)]
    fn map<S: Simd, V: Vector<S>>(self, simd: S, lanes: &mut [f32]) -> u16 {
        let z = V::load(simd, lanes);
        let (mapped, positive) = z.scale_unless_positive(V::splat(simd, self.0));
        mapped.store(lanes);
        positive
    }

    #[inline(always)]
    fn derive<S: Simd, V: Vector<S>>(
        self,
        simd: S,
        backward: &Backward<'_>,
        word: usize,
        _: usize,
        lanes: &mut [f32],
    ) {
        // Multiplies by 1 where nothing changes: choosing between the product and the old value
        // becomes a masked store, which takes AMD's processors dozens of cycles.
        let one = V::splat(simd, 1.0);
        let factor = one.select(backward.signs[word], V::splat(simd, self.0));
        V::load(simd, lanes).mul(factor).store(lanes);
    }
}

/// A map whose results and gradients are without denormal numbers, if so `when`.
#[derive(Clone, Copy)]
pub(super) struct Flushed<L> {
    pub map: L,
    pub when: bool,
}

impl<L: Lanes> Lanes for Flushed<L> {
    #[inline(always)]
    fn map<S: Simd, V: Vector<S>>(self, simd: S, lanes: &mut [f32]) -> u16 {
        let positive = self.map.map::<S, V>(simd, lanes);
        if self.when {
            V::load(simd, lanes).flushed(simd).store(lanes);
        }
        positive
    }

    #[inline(always)]
    fn derive<S: Simd, V: Vector<S>>(
        self,
        simd: S,
        backward: &Backward<'_>,
        word: usize,
        lane: usize,
        lanes: &mut [f32],
    ) {
        self.map.derive::<S, V>(simd, backward, word, lane, lanes);
        if self.when {
            V::load(simd, lanes).flushed(simd).store(lanes);
        }
    }
}

impl<C: Smooth> Lanes for C {
    #[inline(always)]
    fn map<S: Simd, V: Vector<S>>(self, simd: S, lanes: &mut [f32]) -> u16 {
        let z = V::load(simd, lanes);
        for z in lanes.iter_mut() {
            *z = if S::INLINES { C::value(*z) } else { value_of::<C>(*z) };
        }
        z.positive()
    }

    #[inline(always)]
    fn derive<S: Simd, V: Vector<S>>(
        self,
        _: S,
        backward: &Backward<'_>,
        _: usize,
        lane: usize,
        lanes: &mut [f32],
    ) {
        let by = |z: f32| if S::INLINES { C::derivative(z) } else { derivative_of::<C>(z) };
        if C::NEEDS == Needs::PreActivations {
            for (d, z) in lanes.iter_mut().zip(&backward.z[lane..lane + V::N]) {
                *d *= by(*z);
            }
        } else {
            // Undoes dropout's scale. A dropped unit's output is 0, and so is its gradient.
            let unscale = 1.0 / backward.mask_scale.unwrap_or(1.0);
            for (d, a) in lanes.iter_mut().zip(&backward.output[lane..lane + V::N]) {
                *d *= by(a * unscale);
            }
        }
    }
}

/// A function for portable code, in code that there is once.
#[inline(never)]
fn value_of<C: Smooth>(z: f32) -> f32 {
    C::value(z)
}

/// A derivative for portable code, in code that there is once.
#[inline(never)]
fn derivative_of<C: Smooth>(z: f32) -> f32 {
    C::derivative(z)
}
