//! Vectors of AVX2 with FMA; sixteen lanes are two registers.
//!
//! Every method relies on the token: a vector is made from an [`Avx2`] only, and one exists only
//! where the features were detected.
#![allow(unsafe_code, clippy::needless_range_loop)]

use std::arch::x86_64::*;

use super::{MIX, Simd, Vector};

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

    #[inline(always)]
    fn above(self, key: u64, counter: u32, threshold: u32) -> u32 {
        // SAFETY: the token proves that the instructions exist.
        unsafe {
            let mut bits = 0;
            for half in 0..2 {
                let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                let at = _mm256_set1_epi32(counter.wrapping_add(8 * half) as i32);
                let mixer = |i: usize| _mm256_set1_epi32(MIX[i] as i32);
                let spread = _mm256_mullo_epi32(_mm256_add_epi32(at, lane), mixer(0));
                let w = _mm256_add_epi32(_mm256_set1_epi32(key as i32), spread);
                let w =
                    _mm256_mullo_epi32(_mm256_xor_si256(w, _mm256_srli_epi32::<16>(w)), mixer(1));
                let w = _mm256_xor_si256(w, _mm256_set1_epi32((key >> 32) as i32));
                let w =
                    _mm256_mullo_epi32(_mm256_xor_si256(w, _mm256_srli_epi32::<15>(w)), mixer(2));
                let w = _mm256_xor_si256(w, _mm256_srli_epi32::<16>(w));
                // Halves are below 2^16, so signed comparisons serve.
                let below = _mm256_set1_epi32(threshold as i32 - 1);
                let low = _mm256_cmpgt_epi32(_mm256_and_si256(w, _mm256_set1_epi32(0xFFFF)), below);
                let high = _mm256_cmpgt_epi32(_mm256_srli_epi32::<16>(w), below);
                bits |= (_mm256_movemask_ps(_mm256_castsi256_ps(low)) as u32) << (8 * half);
                bits |= (_mm256_movemask_ps(_mm256_castsi256_ps(high)) as u32) << (8 * half + 16);
            }
            bits
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
            for at in (0..16).step_by(8) {
                // SAFETY: the token proves that the instructions exist; a line is aligned and has
                // sixteen values.
                unsafe {
                    _mm256_stream_ps(
                        to.as_mut_ptr().add(at),
                        _mm256_loadu_ps(from.as_ptr().add(at)),
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
pub struct F16(F8, F8);
/// Eight lanes.
#[derive(Clone, Copy)]
pub struct F8(__m256);
/// Four lanes.
#[derive(Clone, Copy)]
pub struct F4(__m128);

/// Methods of a one-register vector; `$mask` widens bits to a register of lane masks.
macro_rules! one_register {
    ($vector:ident, $n:literal, $token:ty, $set1:ident, $load:ident, $store:ident, $add:ident,
     $mul:ident, $fma:ident, $positive:expr, $select:expr, $flushed:expr, $sum:expr
     $(, { $($more:tt)* })?) => {
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
            unsafe fn load_at(_: $token, from: *const f32) -> Self {
                // SAFETY: the caller's promise, and the token proves that the instruction exists.
                $vector(unsafe { $load(from) })
            }
            #[inline(always)]
            fn prefetch(_: $token, at: *const f32) {
                // SAFETY: a prefetch reads nothing, so any address will do.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
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
            fn flushed(self, _: $token) -> Self {
                // SAFETY: the token proves that the instructions exist.
                $vector(unsafe { $flushed(self.0) })
            }
            #[inline(always)]
            fn sum(self) -> f32 {
                // SAFETY: `self` was made from a token.
                unsafe { $sum(self.0) }
            }
            $($($more)*)?
        }
    };
}
pub(super) use one_register;

/// # Safety
/// None beyond SSE, which is part of x86-64.
#[inline(always)]
pub(super) unsafe fn sum4(v: __m128) -> f32 {
    // SAFETY: SSE is part of x86-64.
    unsafe {
        let pairs = _mm_add_ps(v, _mm_movehl_ps(v, v));
        _mm_cvtss_f32(_mm_add_ss(pairs, _mm_shuffle_ps::<1>(pairs, pairs)))
    }
}

/// The bits of an exponent: 0 in zeros and denormal numbers, those below the least normal one.
const EXPONENT: i32 = 0x7f80_0000;

/// Two instructions: the sign of the exponent's bits is 1 or 0, never -1, and what it multiplies
/// are the bits of the value.
///
/// # Safety
/// AVX2 must be there.
#[inline(always)]
pub(super) unsafe fn flushed8(v: __m256) -> __m256 {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm256_castps_si256(v);
        let exponent = _mm256_and_si256(bits, _mm256_set1_epi32(EXPONENT));
        _mm256_castsi256_ps(_mm256_sign_epi32(bits, exponent))
    }
}

/// As [`flushed8`].
///
/// # Safety
/// AVX2 must be there.
#[inline(always)]
pub(super) unsafe fn flushed4(v: __m128) -> __m128 {
    // SAFETY: the caller's promise.
    unsafe {
        let bits = _mm_castps_si128(v);
        let exponent = _mm_and_si128(bits, _mm_set1_epi32(EXPONENT));
        _mm_castsi128_ps(_mm_sign_epi32(bits, exponent))
    }
}

/// The sums of eight vectors: three rounds in which two vectors' halves are added at once.
///
/// # Safety
/// AVX2 must be there.
#[inline(always)]
pub(super) unsafe fn transposed_sums(v: [__m256; 8]) -> [f32; 8] {
    // SAFETY: the caller's promise.
    unsafe {
        // Lanes i and i + 4; the result holds four lanes of a and four of b.
        let mut fours = [v[0]; 4];
        for i in 0..4 {
            let low = _mm256_permute2f128_ps::<0x20>(v[i], v[i + 4]);
            fours[i] = _mm256_add_ps(low, _mm256_permute2f128_ps::<0x31>(v[i], v[i + 4]));
        }
        // Lanes i and i + 2 of each four, then neighbours.
        let mut twos = [v[0]; 2];
        for i in 0..2 {
            let low = _mm256_shuffle_ps::<0x44>(fours[2 * i], fours[2 * i + 1]);
            let high = _mm256_shuffle_ps::<0xEE>(fours[2 * i], fours[2 * i + 1]);
            twos[i] = _mm256_add_ps(low, high);
        }
        let even = _mm256_shuffle_ps::<0x88>(twos[0], twos[1]);
        let odd = _mm256_shuffle_ps::<0xDD>(twos[0], twos[1]);
        let mut out = [0.0; 8];
        _mm256_storeu_ps(out.as_mut_ptr(), _mm256_add_ps(even, odd));
        out
    }
}

/// # Safety
/// AVX2 must be there.
#[inline(always)]
pub(super) unsafe fn sum8(v: __m256) -> f32 {
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
    |v| flushed8(v),
    sum8,
    {
        #[inline(always)]
        fn scale_unless_positive(self, factor: Self) -> (Self, u16) {
            // The comparison chooses: making bits a mask again takes longer than all the rest.
            // SAFETY: the vectors were made from a token.
            unsafe {
                let positive = _mm256_cmp_ps::<_CMP_GT_OQ>(self.0, _mm256_setzero_ps());
                let scaled = _mm256_mul_ps(self.0, factor.0);
                let chosen = _mm256_blendv_ps(scaled, self.0, positive);
                (F8(chosen), _mm256_movemask_ps(positive) as u16)
            }
        }
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
    |v| flushed4(v),
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
    unsafe fn load_at(simd: Avx2, from: *const f32) -> Self {
        // SAFETY: the caller promises sixteen values.
        unsafe { F16(F8::load_at(simd, from), F8::load_at(simd, from.add(8))) }
    }
    #[inline(always)]
    fn prefetch(simd: Avx2, at: *const f32) {
        F8::prefetch(simd, at);
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
    fn scale_unless_positive(self, factor: Self) -> (Self, u16) {
        let (low, low_bits) = self.0.scale_unless_positive(factor.0);
        let (high, high_bits) = self.1.scale_unless_positive(factor.1);
        (F16(low, high), low_bits | high_bits << 8)
    }
    #[inline(always)]
    fn flushed(self, simd: Avx2) -> Self {
        F16(self.0.flushed(simd), self.1.flushed(simd))
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self.0.add(self.1).sum()
    }
    #[inline(always)]
    fn sum8(of: [Self; 8]) -> [f32; 8] {
        let mut halves = [of[0].0; 8];
        for i in 0..8 {
            halves[i] = of[i].0.add(of[i].1);
        }
        F8::sum8(halves)
    }
}
