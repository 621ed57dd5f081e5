//! Vectors of AVX-512; narrow ones are the registers of AVX2 with mask instructions.
//!
//! Every method relies on the token: a vector is made from an [`Avx512`] only, and one exists
//! only where the features were detected.
#![allow(unsafe_code, clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::avx2::{flushed4, flushed8, one_register, sum4, sum8, transposed_sums};
use super::{MIX, Simd, Vector};

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

    #[inline(always)]
    fn above(self, key: u64, counter: u32, threshold: u32) -> u32 {
        // SAFETY: the token proves that the instructions exist.
        unsafe {
            let lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            let at = _mm512_add_epi32(_mm512_set1_epi32(counter as i32), lane);
            let mixer = |i: usize| _mm512_set1_epi32(MIX[i] as i32);
            let w =
                _mm512_add_epi32(_mm512_set1_epi32(key as i32), _mm512_mullo_epi32(at, mixer(0)));
            let w = _mm512_mullo_epi32(_mm512_xor_si512(w, _mm512_srli_epi32::<16>(w)), mixer(1));
            let w = _mm512_xor_si512(w, _mm512_set1_epi32((key >> 32) as i32));
            let w = _mm512_mullo_epi32(_mm512_xor_si512(w, _mm512_srli_epi32::<15>(w)), mixer(2));
            let w = _mm512_xor_si512(w, _mm512_srli_epi32::<16>(w));
            let threshold = _mm512_set1_epi32(threshold as i32);
            let low = _mm512_and_si512(w, _mm512_set1_epi32(0xFFFF));
            let high = _mm512_srli_epi32::<16>(w);
            u32::from(_mm512_cmpge_epu32_mask(low, threshold))
                | u32::from(_mm512_cmpge_epu32_mask(high, threshold)) << 16
        }
    }

    #[inline(always)]
    fn copy_past(self, from: &[f32], to: &mut [f32]) {
        // A whole line at a time, or the processor reads the rest of it.
        let (head, to) = to.split_at_mut(to.as_ptr().align_offset(64).min(to.len()));
        let (first, from) = from.split_at(head.len());
        head.copy_from_slice(first);
        let (lines, rest) = to.as_chunks_mut::<16>();
        let (from, last) = from.as_chunks::<16>();
        for (to, from) in lines.iter_mut().zip(from) {
            for at in (0..16).step_by(16) {
                // SAFETY: the token proves that the instructions exist; a line is aligned and has
                // sixteen values.
                unsafe {
                    _mm512_stream_ps(
                        to.as_mut_ptr().add(at),
                        _mm512_loadu_ps(from.as_ptr().add(at)),
                    );
                }
            }
        }
        rest.copy_from_slice(last);
    }

    #[inline(always)]
    fn copied_past(self) {
        // SAFETY: every processor with the token's features has it.
        unsafe { _mm_sfence() }
    }
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

/// The bits of an exponent: 0 in zeros and denormal numbers.
const EXPONENT: i32 = 0x7f80_0000;

/// Lanes i and i + 8 added.
///
/// # Safety
/// AVX-512 must be there.
#[inline(always)]
unsafe fn halves(v: __m512) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe { _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v)) }
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
    |v| {
        let exponent = _mm512_set1_epi32(EXPONENT);
        _mm512_maskz_mov_ps(_mm512_test_epi32_mask(_mm512_castps_si512(v), exponent), v)
    },
    |v| sum8(halves(v)),
    {
        #[inline(always)]
        fn sum8(of: [Self; 8]) -> [f32; 8] {
            // SAFETY: the vectors were made from a token.
            unsafe {
                let mut eights = [halves(of[0].0); 8];
                for i in 1..8 {
                    eights[i] = halves(of[i].0);
                }
                transposed_sums(eights)
            }
        }
    }
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
    |v| flushed8(v),
    sum8,
    {
        #[inline(always)]
        fn sum8(of: [Self; 8]) -> [f32; 8] {
            // SAFETY: the vectors were made from a token.
            unsafe {
                transposed_sums([
                    of[0].0, of[1].0, of[2].0, of[3].0, of[4].0, of[5].0, of[6].0, of[7].0,
                ])
            }
        }
    }
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
    |v| flushed4(v),
    sum4
);
