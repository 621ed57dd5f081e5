//! Vectors of AVX-512; narrow ones are the registers of AVX2 with mask instructions.
//!
//! Every method relies on the token: a vector is made from an [`Avx512`] only, and one exists
//! only where the features were detected.
#![allow(unsafe_code)]

use std::arch::x86_64::*;

use super::avx2::one_register;
use super::{Simd, Vector};

/// Proof that AVX-512 F, VL, BW and DQ, AVX2 and FMA are there.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The processor must have these features.
    pub unsafe fn new() -> Self {
        Avx512(())
    }
}

impl Simd for Avx512 {
    type V16 = F16;
    type V8 = F8;
    type V4 = F4;
    type V1 = f32;
}

/// Sixteen lanes.
#[derive(Clone, Copy)]
pub struct F16(__m512);
/// Eight lanes.
#[derive(Clone, Copy)]
pub struct F8(__m256);
/// Four lanes.
#[derive(Clone, Copy)]
pub struct F4(__m128);

/// # Safety
/// SSE is part of x86-64.
#[inline(always)]
unsafe fn sum4(v: __m128) -> f32 {
    // SAFETY: SSE is part of x86-64.
    unsafe {
        let pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
    }
}

/// # Safety
/// AVX must be there.
#[inline(always)]
unsafe fn sum8(v: __m256) -> f32 {
    // SAFETY: the caller's promise.
    unsafe { sum4(_mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps::<1>(v))) }
}

one_register!(
    F16,
    16,
    Avx512,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_mul_ps,
    _mm512_fmadd_ps,
    |v| _mm512_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm512_setzero_ps()),
    |v, bits: u16, other| _mm512_mask_blend_ps(bits, other, v),
    |v| sum8(_mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)))
);
one_register!(
    F8,
    8,
    Avx512,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_mul_ps,
    _mm256_fmadd_ps,
    |v| u16::from(_mm256_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm256_setzero_ps())),
    |v, bits: u16, other| _mm256_mask_blend_ps(bits as u8, other, v),
    sum8
);
one_register!(
    F4,
    4,
    Avx512,
    _mm_set1_ps,
    _mm_loadu_ps,
    _mm_storeu_ps,
    _mm_add_ps,
    _mm_mul_ps,
    _mm_fmadd_ps,
    |v| u16::from(_mm_cmp_ps_mask::<_CMP_GT_OQ>(v, _mm_setzero_ps())),
    |v, bits: u16, other| _mm_mask_blend_ps(bits as u8, other, v),
    sum4
);
