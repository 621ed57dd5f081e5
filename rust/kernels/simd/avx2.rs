//! Vectors of AVX2 with FMA; sixteen lanes are two registers.
//!
//! Every method relies on the token: a vector is made from an [`Avx2`] only, and one exists only
//! where the features were detected.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::{Simd, Vector};

/// Proof that AVX2 and FMA are there.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The processor must have AVX2 and FMA.
    pub unsafe fn new() -> Self {
        Avx2(())
    }
}

impl Simd for Avx2 {
    type V16 = F16;
    type V8 = F8;
    type V4 = F4;
    type V1 = f32;
}

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub struct F16(F8, F8);
/// Eight lanes.
#[derive(Clone, Copy)]
pub struct F8(pub(super) __m256);
/// Four lanes.
#[derive(Clone, Copy)]
pub struct F4(pub(super) __m128);

/// Methods of a one-register vector; `$mask` widens bits to a register of lane masks.
macro_rules! one_register {
    ($vector:ident, $n:literal, $token:ty, $set1:ident, $load:ident, $store:ident, $add:ident,
     $mul:ident, $fma:ident, $positive:expr, $select:expr, $sum:expr) => {
        impl Vector<$token> for $vector {
            const N: usize = $n;
            #[inline(always)]
            fn splat(_: $token, value: f32) -> Self {
                // SAFETY: the token proves that the instruction exists.
                $vector(unsafe { $set1(value) })
            }
            #[inline(always)]
            fn load(_: $token, from: &[f32]) -> Self {
                let from = &from[..$n];
                // SAFETY: `from` holds N values, and the token proves that the instruction exists.
                $vector(unsafe { $load(from.as_ptr()) })
            }
            #[inline(always)]
            fn store(self, to: &mut [f32]) {
                let to = &mut to[..$n];
                // SAFETY: `to` holds N values; `self` was made from a token.
                unsafe { $store(to.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                // SAFETY: `self` was made from a token.
                $vector(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                // SAFETY: `self` was made from a token.
                $vector(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn mul_add(self, factor: Self, addend: Self) -> Self {
                // SAFETY: `self` was made from a token.
                $vector(unsafe { $fma(self.0, factor.0, addend.0) })
            }
            #[inline(always)]
            fn positive(self) -> u16 {
                // SAFETY: `self` was made from a token.
                unsafe { $positive(self.0) }
            }
            #[inline(always)]
            fn select(self, bits: u16, other: Self) -> Self {
                // SAFETY: `self` was made from a token.
                $vector(unsafe { $select(self.0, bits, other.0) })
            }
            #[inline(always)]
            fn sum(self) -> f32 {
                // SAFETY: `self` was made from a token.
                unsafe { $sum(self.0) }
            }
        }
    };
}
pub(super) use one_register;

/// # Safety
/// AVX2 must be there.
#[inline(always)]
unsafe fn sum4(v: __m128) -> f32 {
    // SAFETY: SSE is part of x86-64.
    unsafe {
        let pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
    }
}

/// # Safety
/// AVX2 must be there.
#[inline(always)]
unsafe fn sum8(v: __m256) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { sum4(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v))) }
}

one_register!(
    F8,
    8,
    Avx2,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    |v| _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(v, _mm256_setzero_ps())) as u16,
    |v, bits: u16, other| {
        let lane = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        let set =
            _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), lane), lane);
        _mm256_blendv_ps(other, v, _mm256_castsi256_ps(set))
    },
    sum8
);
one_register!(
    F4,
    4,
    Avx2,
    _mm_set1_ps,
    _mm_loadu_ps,
    _mm_storeu_ps,
    _mm_add_ps,
    _mm_mul_ps,
    _mm_fmadd_ps,
    |v| _mm_movemask_ps(_mm_cmpgt_ps(v, _mm_setzero_ps())) as u16,
    |v, bits: u16, other| {
        let lane = _mm_setr_epi32(1, 2, 4, 8);
        let set = _mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32(i32::from(bits)), lane), lane);
        _mm_blendv_ps(other, v, _mm_castsi128_ps(set))
    },
    sum4
);

impl Vector<Avx2> for F16 {
    const N: usize = 16;
    #[inline(always)]
    fn splat(simd: Avx2, value: f32) -> Self {
        F16(F8::splat(simd, value), F8::splat(simd, value))
    }
    #[inline(always)]
    fn load(simd: Avx2, from: &[f32]) -> Self {
        let from = &from[..16];
        F16(F8::load(simd, from), F8::load(simd, &from[8..]))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..16];
        self.0.store(to);
        self.1.store(&mut to[8..]);
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        F16(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        F16(self.0.mul(other.0), self.1.mul(other.1))
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        F16(self.0.mul_add(factor.0, addend.0), self.1.mul_add(factor.1, addend.1))
    }
    #[inline(always)]
    fn positive(self) -> u16 {
        self.0.positive() | self.1.positive() << 8
    }
    #[inline(always)]
    fn select(self, bits: u16, other: Self) -> Self {
        F16(self.0.select(bits & 0xFF, other.0), self.1.select(bits >> 8, other.1))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self.0.add(self.1).sum()
    }
}
