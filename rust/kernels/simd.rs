//! Vectors of lanes and the run-time choice of the instruction set; this module and its children
//! hold the crate's only `unsafe` code.
//!
//! A kernel body is written once, generic over [`Simd`], and compiled with different target
//! features by `multiversion!`. All versions perform the same IEEE operations in the same order
//! (fused multiply-adds included), so they give the same bits. Leaving vectors to the compiler
//! gave a tenth of the speed where a tile holds eight of them.

#[cfg(target_arch = "x86_64")]
pub(super) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(super) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(super) mod neon;
pub(super) mod portable;
pub(super) mod rows;

use std::sync::OnceLock;

use super::flush::LEAST;
use crate::error::{Error, Result};

/// The environment variable that forces an instruction set: `avx512`, `avx2`, `neon` or
/// `portable`.
pub const VARIABLE: &str = "TRULYSPARSE_ISA";

/// An instruction set that kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
    /// AVX2 with FMA.
    Avx2,
    /// NEON, which every 64-bit ARM processor has that runs an operating system.
    Neon,
    /// The baseline of the target.
    Portable,
}

impl Isa {
    /// The name, as [`VARIABLE`] takes it.
    pub fn name(self) -> &'static str {
        match self {
            Isa::Avx512 => "avx512",
            Isa::Avx2 => "avx2",
            Isa::Neon => "neon",
            Isa::Portable => "portable",
        }
    }

    fn supported(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => {
                is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && Isa::Avx2.supported()
            }
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Isa::Avx512 | Isa::Avx2 => false,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(not(target_arch = "aarch64"))]
            Isa::Neon => false,
            Isa::Portable => true,
        }
    }
}

fn choose() -> Result<Isa> {
    let all = [Isa::Avx512, Isa::Avx2, Isa::Neon, Isa::Portable];
    match std::env::var(VARIABLE).ok().filter(|name| !name.is_empty()) {
        None => Ok(all.into_iter().find(|isa| isa.supported()).unwrap_or(Isa::Portable)),
        Some(name) => {
            all.into_iter().find(|isa| isa.name() == name && isa.supported()).ok_or_else(|| {
                let names: Vec<_> =
                    all.iter().filter(|isa| isa.supported()).map(|isa| isa.name()).collect();
                Error::invalid(VARIABLE, name, format!("one of {}", names.join(", ")))
            })
        }
    }
}

/// The choice, made once per process; None if [`VARIABLE`] is wrong.
fn cached() -> Option<Isa> {
    static CHOICE: OnceLock<Option<Isa>> = OnceLock::new();
    *CHOICE.get_or_init(|| choose().ok())
}

/// The instruction set in use, or what is wrong with [`VARIABLE`].
pub fn selected() -> Result<Isa> {
    cached().map_or_else(choose, Ok)
}

/// The instruction set in use: portable code where [`VARIABLE`] is wrong.
#[inline]
pub(super) fn isa() -> Isa {
    cached().unwrap_or(Isa::Portable)
}

/// Proof that an instruction set may be used: vectors are made from it.
pub trait Simd: Copy + Send + Sync {
    /// Sixteen lanes.
    type V16: Vector<Self>;
    /// Eight lanes.
    type V8: Vector<Self>;
    /// Four lanes.
    type V4: Vector<Self>;
    /// One lane.
    type V1: Vector<Self>;
    /// How many sums of sixteen lanes a product forms at a time, 1, 4 or 8: no more than there are
    /// registers for.
    const TILE: usize = 8;
    /// Whether large bodies have to be part of their caller, as calls lose the instruction set.
    const INLINES: bool = true;
    /// For each of the counters `counter..counter + 16` a keyed random word; the 32 bits say which
    /// of the words' low halves, then of their high halves, are at least `threshold`, which is
    /// below 2^16.
    fn above(self, key: u64, counter: u32, threshold: u32) -> u32;
    /// Copies values past the caches, if there is an instruction for it. It is for results that are
    /// read only after other data have filled the caches; the lines that it overwrites are not read
    /// first. [`Simd::copied_past`] must follow the last copy.
    #[inline(always)]
    fn copy_past(self, from: &[f32], to: &mut [f32]) {
        to.copy_from_slice(from);
    }
    /// Orders the copies of [`Simd::copy_past`] before later writes, by which other threads learn
    /// of them.
    #[inline(always)]
    fn copied_past(self) {}
}

/// The multipliers that `Simd::above` mixes with; the first spreads neighbouring counters, the
/// others are those of a 32-bit mixer with low bias (Wellons' lowbias32).
const MIX: [u32; 3] = [0x9E37_79B9, 0x7FEB_352D, 0x846C_A68B];

/// A vector of `N` lanes of f32. Vectors are made from a token `S`, so that one exists only where
/// its instructions do.
pub trait Vector<S>: Copy {
    /// Lanes.
    const N: usize;
    /// Every lane the same.
    fn splat(simd: S, value: f32) -> Self;
    /// The first N values.
    fn load(simd: S, from: &[f32]) -> Self;
    /// Overwrites the first N values.
    fn store(self, to: &mut [f32]);
    /// The N values at an address.
    ///
    /// # Safety
    /// They must be readable.
    #[allow(unsafe_code)]
    unsafe fn load_at(simd: S, from: *const f32) -> Self;
    /// Asks for the cache line at an address, which may be any, to be brought near.
    fn prefetch(simd: S, at: *const f32);
    /// self + other.
    fn add(self, other: Self) -> Self;
    /// self * other.
    fn mul(self, other: Self) -> Self;
    /// self * factor + addend, rounded once.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
    /// One bit a lane: whether it is above zero.
    fn positive(self) -> u16;
    /// Lanes of self where the bit is set, and of other elsewhere.
    fn select(self, bits: u16, other: Self) -> Self;
    /// +0 in lanes whose magnitude is below [`LEAST`], the others and NaN as they are.
    #[inline(always)]
    fn flushed(self, simd: S) -> Self
    where
        S: Copy,
    {
        // Signs of differences, for instruction sets that do not do it with fewer instructions.
        let least = Self::splat(simd, LEAST);
        let below =
            least.add(self).positive() & least.add(self.mul(Self::splat(simd, -1.0))).positive();
        Self::splat(simd, 0.0).select(below, self)
    }
    /// Lanes above zero as they are and the others times `factor`, with [`Vector::positive`].
    #[inline(always)]
    fn scale_unless_positive(self, factor: Self) -> (Self, u16) {
        let bits = self.positive();
        (self.select(bits, self.mul(factor)), bits)
    }
    /// The sum by a fixed tree: lanes a half vector apart first, neighbours last.
    fn sum(self) -> f32;
    /// [`Vector::sum`] of eight vectors at once.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // an adapter might lose the target features
    fn sum8(of: [Self; 8]) -> [f32; 8] {
        let mut sums = [0.0; 8];
        for i in 0..8 {
            sums[i] = of[i].sum();
        }
        sums
    }
}

/// Defines a function whose body, generic over [`Simd`], is compiled once for each [`Isa`] and
/// dispatched at run time. The body gets the token first.
macro_rules! multiversion {
    ($(#[$meta:meta])* $vis:vis fn $name:ident ($($arg:ident : $ty:ty),* $(,)?) => $body:path) => {
        $(#[$meta])*
        $vis fn $name($($arg: $ty),*) {
            use $crate::kernels::simd;
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512vl,avx512bw,avx512dq,avx2,fma")]
                fn avx512(token: simd::avx512::Avx512, $($arg: $ty),*) { $body(token, $($arg),*) }
                #[target_feature(enable = "avx2,fma")]
                fn avx2(token: simd::avx2::Avx2, $($arg: $ty),*) { $body(token, $($arg),*) }
                match simd::isa() {
                    // SAFETY: `isa` returns Avx512 only after detecting each of these features.
                    #[allow(unsafe_code)]
                    simd::Isa::Avx512 => return unsafe { avx512(simd::avx512::Avx512::new(), $($arg),*) },
                    // SAFETY: `isa` returns Avx2 only after detecting both features.
                    #[allow(unsafe_code)]
                    simd::Isa::Avx2 => return unsafe { avx2(simd::avx2::Avx2::new(), $($arg),*) },
                    simd::Isa::Neon | simd::Isa::Portable => {}
                }
            }
            #[cfg(target_arch = "aarch64")]
            {
                #[target_feature(enable = "neon")]
                fn neon(token: simd::neon::Neon, $($arg: $ty),*) { $body(token, $($arg),*) }
                if simd::isa() == simd::Isa::Neon {
                    // SAFETY: `isa` returns Neon only after detecting the feature.
                    #[allow(unsafe_code)]
                    return unsafe { neon(simd::neon::Neon::new(), $($arg),*) };
                }
            }
            $body(simd::portable::Portable, $($arg),*)
        }
    };
}
pub(super) use multiversion;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Purpose, Stream};

    #[test]
    fn the_choice_is_supported() {
        assert!(selected().is_ok_and(|isa| isa.supported() && isa == super::isa()));
    }

    /// Values of every kind, and many whose sums depend on the order.
    fn values(seed: u64, count: usize) -> Vec<f32> {
        let odd = [0.0, -0.0, f32::INFINITY, f32::NAN, f32::MIN_POSITIVE / 4.0, f32::MAX];
        let stream = Stream::new(seed, Purpose::Structure, 0, 0);
        let value = |word: u64| match word % 32 {
            kind @ 0..6 => odd[kind as usize],
            _ => ((word >> 40) as f32 - 8e6) * f32::powi(2.0, (word >> 32 & 15) as i32 - 30),
        };
        (0..count as u64).map(|i| value(stream.at(i))).collect()
    }

    /// The bits; not those of a NaN, whose sign is the processor's choice.
    fn bits(values: &[f32]) -> Vec<u32> {
        values.iter().map(|v| if v.is_nan() { 0x7FC0_0000 } else { v.to_bits() }).collect()
    }

    /// All that a vector does with three vectors and some bits.
    #[inline(always)]
    fn all_of<S: Simd, V: Vector<S>>(simd: S, of: &[f32], set: u16, out: &mut Vec<f32>) {
        let v: [V; 8] = std::array::from_fn(|i| V::load(simd, &of[i * V::N..]));
        V::prefetch(simd, of.as_ptr());
        let (scaled, positive) = v[0].scale_unless_positive(v[1]);
        // SAFETY: `of` has more than N values.
        #[allow(unsafe_code)]
        let again = unsafe { V::load_at(simd, of.as_ptr().add(1)) };
        let vectors = [v[0].add(v[1]), v[0].mul(v[1]), v[0].mul_add(v[1], v[2])];
        let chosen = [v[0].select(set, v[1]), V::splat(simd, of[3]), scaled, again];
        for vector in vectors.into_iter().chain(chosen) {
            let mut lanes = [0.0; 16];
            vector.store(&mut lanes);
            out.extend(&lanes[..V::N]);
        }
        out.extend([f32::from(positive), f32::from(v[0].positive()), v[0].sum()]);
        out.extend(V::sum8(v));
    }

    #[inline(always)]
    fn all_body<S: Simd>(simd: S, of: &[f32], word: u64, out: &mut Vec<f32>) {
        for set in [word as u16, 0, u16::MAX] {
            all_of::<S, S::V16>(simd, of, set, out);
            all_of::<S, S::V8>(simd, of, set & 0xFF, out);
            all_of::<S, S::V4>(simd, of, set & 0xF, out);
            all_of::<S, S::V1>(simd, of, set & 1, out);
        }
        for threshold in [0, 1, 0x7FFF, 0x8000, 0xFFFF, (word >> 32) as u32 & 0xFFFF] {
            let above = simd.above(word, (word >> 16) as u32, threshold);
            out.extend([(above & 0xFFFF) as f32, (above >> 16) as f32]);
        }
        let mut copy = vec![0.0; of.len()];
        simd.copy_past(&of[1..], &mut copy[1..]);
        simd.copied_past();
        out.extend(copy);
    }
    multiversion! {
        fn all(of: &[f32], word: u64, out: &mut Vec<f32>) => all_body
    }

    #[test]
    fn every_operation_is_that_of_portable_code() {
        for seed in 0..500 {
            let of = values(seed, 8 * 16);
            let word = Stream::new(seed, Purpose::Structure, 1, 0).at(0);
            let (mut found, mut expected) = (Vec::new(), Vec::new());
            all(&of, word, &mut found);
            all_body(portable::Portable, &of, word, &mut expected);
            assert_eq!(bits(&found), bits(&expected), "{} for seed {seed}", isa().name());
        }
    }
}
