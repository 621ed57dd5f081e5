//! Vectors of NEON; sixteen lanes are four registers.
//!
//! Every method relies on the token: a vector is made from a [`Neon`] only, and one exists only
//! where the feature was detected.
#![allow(unsafe_code, clippy::needless_range_loop)]

use std::arch::aarch64::*;
use std::arch::asm;

use super::{MIX, Simd, Vector};

/// Proof that NEON is there.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    /// # Safety
    /// The processor must have NEON.
    pub unsafe fn new() -> Self {
        Neon(())
    }
}

/// The bits that stand for the four lanes from `first` on.
#[inline(always)]
fn lane_bits(first: usize) -> [u32; 4] {
    [1 << first, 2 << first, 4 << first, 8 << first]
}

impl Simd for Neon {
    type V16 = Pair<Pair<F4>>;
    type V8 = Pair<F4>;
    type V4 = F4;
    type V1 = f32;
    // Sums of eight would be all 32 registers, without one for what is added.
    const TILE: usize = 4;

    #[inline(always)]
    fn above(self, key: u64, counter: u32, threshold: u32) -> u32 {
        debug_assert!(threshold <= 0xFFFF, "internal: a threshold of 16 bits");
        // SAFETY: the token proves that the instructions exist; arrays of four are loaded.
        unsafe {
            let mut bits = vdupq_n_u32(0);
            for first in [0, 4, 8, 12] {
                let lane = vld1q_u32([0, 1, 2, 3].as_ptr());
                let at = vaddq_u32(vdupq_n_u32(counter.wrapping_add(first as u32)), lane);
                let mixer = |i: usize| vdupq_n_u32(MIX[i]);
                let w = vaddq_u32(vdupq_n_u32(key as u32), vmulq_u32(at, mixer(0)));
                let w = vmulq_u32(veorq_u32(w, vshrq_n_u32::<16>(w)), mixer(1));
                let w = veorq_u32(w, vdupq_n_u32((key >> 32) as u32));
                let w = vmulq_u32(veorq_u32(w, vshrq_n_u32::<15>(w)), mixer(2));
                let w = veorq_u32(w, vshrq_n_u32::<16>(w));
                // Both halves of a word at once; a lane's bit is in both halves, too.
                let above = vcgeq_u16(vreinterpretq_u16_u32(w), vdupq_n_u16(threshold as u16));
                let lanes = vmulq_n_u32(vld1q_u32(lane_bits(first).as_ptr()), 0x1_0001);
                bits = vorrq_u32(bits, vandq_u32(vreinterpretq_u32_u16(above), lanes));
            }
            vaddvq_u32(bits)
        }
    }
}

/// What vectors do with bits, without bringing them to a general register each time: `first` is the
/// number of the first lane's bit, and the sum of a register's lanes is the bits.
trait Flags: Vector<Neon> {
    fn positive_from(self, first: usize) -> uint32x4_t;
    fn select_from(self, first: usize, bits: uint32x4_t, other: Self) -> Self;
    fn scale_from(self, first: usize, factor: Self) -> (Self, uint32x4_t);
}

/// Four lanes.
#[derive(Clone, Copy)]
pub struct F4(float32x4_t);

impl Flags for F4 {
    #[inline(always)]
    fn positive_from(self, first: usize) -> uint32x4_t {
        // SAFETY: `self` was made from a token; an array of four is loaded.
        unsafe { vandq_u32(vcgtzq_f32(self.0), vld1q_u32(lane_bits(first).as_ptr())) }
    }
    #[inline(always)]
    fn select_from(self, first: usize, bits: uint32x4_t, other: Self) -> Self {
        // SAFETY: `self` was made from a token; an array of four is loaded.
        unsafe {
            let set = vtstq_u32(bits, vld1q_u32(lane_bits(first).as_ptr()));
            F4(vbslq_f32(set, self.0, other.0))
        }
    }
    #[inline(always)]
    fn scale_from(self, first: usize, factor: Self) -> (Self, uint32x4_t) {
        // The comparison chooses, as with AVX2.
        // SAFETY: `self` was made from a token.
        let chosen = unsafe { vbslq_f32(vcgtzq_f32(self.0), self.0, vmulq_f32(self.0, factor.0)) };
        (F4(chosen), self.positive_from(first))
    }
}

impl Vector<Neon> for F4 {
    const N: usize = 4;
    #[inline(always)]
    fn splat(_: Neon, value: f32) -> Self {
        // SAFETY: the token proves that the instruction exists.
        F4(unsafe { vdupq_n_f32(value) })
    }
    #[inline(always)]
    fn load(_: Neon, from: &[f32]) -> Self {
        let from = &from[..4];
        // SAFETY: `from` holds four values, and the token proves that the instruction exists.
        F4(unsafe { vld1q_f32(from.as_ptr()) })
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..4];
        // SAFETY: `to` holds four values; `self` was made from a token.
        unsafe { vst1q_f32(to.as_mut_ptr(), self.0) }
    }
    #[inline(always)]
    unsafe fn load_at(_: Neon, from: *const f32) -> Self {
        // SAFETY: the caller's promise, and the token proves that the instruction exists.
        F4(unsafe { vld1q_f32(from) })
    }
    #[inline(always)]
    #[allow(clippy::pointers_in_nomem_asm_block)] // nothing is read, nor may it fault
    fn prefetch(_: Neon, at: *const f32) {
        // SAFETY: a prefetch reads nothing, so any address will do.
        unsafe {
            asm!("prfm pldl1keep, [{}]", in(reg) at, options(nomem, nostack, preserves_flags));
        }
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        // SAFETY: `self` was made from a token.
        F4(unsafe { vaddq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        // SAFETY: `self` was made from a token.
        F4(unsafe { vmulq_f32(self.0, other.0) })
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        // SAFETY: `self` was made from a token.
        F4(unsafe { vfmaq_f32(addend.0, self.0, factor.0) })
    }
    #[inline(always)]
    fn positive(self) -> u16 {
        // SAFETY: `self` was made from a token.
        unsafe { vaddvq_u32(self.positive_from(0)) as u16 }
    }
    #[inline(always)]
    fn select(self, bits: u16, other: Self) -> Self {
        // SAFETY: `self` was made from a token.
        self.select_from(0, unsafe { vdupq_n_u32(u32::from(bits)) }, other)
    }
    #[inline(always)]
    fn flushed(self, _: Neon) -> Self {
        // Zeros and denormal numbers have no bit of an exponent.
        // SAFETY: `self` was made from a token.
        unsafe {
            let bits = vreinterpretq_u32_f32(self.0);
            let kept = vtstq_u32(bits, vdupq_n_u32(0x7f80_0000));
            F4(vreinterpretq_f32_u32(vandq_u32(bits, kept)))
        }
    }
    #[inline(always)]
    fn scale_unless_positive(self, factor: Self) -> (Self, u16) {
        let (scaled, bits) = self.scale_from(0, factor);
        // SAFETY: `self` was made from a token.
        (scaled, unsafe { vaddvq_u32(bits) as u16 })
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        // Lanes two apart first: an instruction that adds all four takes neighbours first.
        // SAFETY: `self` was made from a token.
        unsafe { vpadds_f32(vadd_f32(vget_low_f32(self.0), vget_high_f32(self.0))) }
    }
    #[inline(always)]
    fn sum8(of: [Self; 8]) -> [f32; 8] {
        let mut sums = [0.0; 8];
        // SAFETY: the vectors were made from a token; `sums` holds two times four values.
        unsafe {
            // Lanes two apart of two vectors, then neighbours of four.
            let mut twos = [of[0].0; 4];
            for i in 0..4 {
                let a = vreinterpretq_f64_f32(of[2 * i].0);
                let b = vreinterpretq_f64_f32(of[2 * i + 1].0);
                let low = vreinterpretq_f32_f64(vzip1q_f64(a, b));
                twos[i] = vaddq_f32(low, vreinterpretq_f32_f64(vzip2q_f64(a, b)));
            }
            vst1q_f32(sums.as_mut_ptr(), vpaddq_f32(twos[0], twos[1]));
            vst1q_f32(sums.as_mut_ptr().add(4), vpaddq_f32(twos[2], twos[3]));
        }
        sums
    }
}

/// The lanes of two vectors.
#[derive(Clone, Copy)]
pub struct Pair<V>(V, V);

impl<V: Flags> Flags for Pair<V> {
    #[inline(always)]
    fn positive_from(self, first: usize) -> uint32x4_t {
        let (low, high) = (self.0.positive_from(first), self.1.positive_from(first + V::N));
        // SAFETY: `self` was made from a token.
        unsafe { vorrq_u32(low, high) }
    }
    #[inline(always)]
    fn select_from(self, first: usize, bits: uint32x4_t, other: Self) -> Self {
        let high = self.1.select_from(first + V::N, bits, other.1);
        Pair(self.0.select_from(first, bits, other.0), high)
    }
    #[inline(always)]
    fn scale_from(self, first: usize, factor: Self) -> (Self, uint32x4_t) {
        let (low, low_bits) = self.0.scale_from(first, factor.0);
        let (high, high_bits) = self.1.scale_from(first + V::N, factor.1);
        // SAFETY: `self` was made from a token.
        (Pair(low, high), unsafe { vorrq_u32(low_bits, high_bits) })
    }
}

impl<V: Flags> Vector<Neon> for Pair<V> {
    const N: usize = 2 * V::N;
    #[inline(always)]
    fn splat(simd: Neon, value: f32) -> Self {
        Pair(V::splat(simd, value), V::splat(simd, value))
    }
    #[inline(always)]
    fn load(simd: Neon, from: &[f32]) -> Self {
        let from = &from[..Self::N];
        Pair(V::load(simd, from), V::load(simd, &from[V::N..]))
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        let to = &mut to[..Self::N];
        self.0.store(to);
        self.1.store(&mut to[V::N..]);
    }
    #[inline(always)]
    unsafe fn load_at(simd: Neon, from: *const f32) -> Self {
        // SAFETY: the caller promises the values of both.
        unsafe { Pair(V::load_at(simd, from), V::load_at(simd, from.add(V::N))) }
    }
    #[inline(always)]
    fn prefetch(simd: Neon, at: *const f32) {
        V::prefetch(simd, at);
    }
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Pair(self.0.add(other.0), self.1.add(other.1))
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        Pair(self.0.mul(other.0), self.1.mul(other.1))
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        Pair(self.0.mul_add(factor.0, addend.0), self.1.mul_add(factor.1, addend.1))
    }
    #[inline(always)]
    fn positive(self) -> u16 {
        // SAFETY: `self` was made from a token.
        unsafe { vaddvq_u32(self.positive_from(0)) as u16 }
    }
    #[inline(always)]
    fn flushed(self, simd: Neon) -> Self {
        Pair(self.0.flushed(simd), self.1.flushed(simd))
    }
    #[inline(always)]
    fn select(self, bits: u16, other: Self) -> Self {
        // SAFETY: `self` was made from a token.
        self.select_from(0, unsafe { vdupq_n_u32(u32::from(bits)) }, other)
    }
    #[inline(always)]
    fn scale_unless_positive(self, factor: Self) -> (Self, u16) {
        let (scaled, bits) = self.scale_from(0, factor);
        // SAFETY: `self` was made from a token.
        (scaled, unsafe { vaddvq_u32(bits) as u16 })
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
        V::sum8(halves)
    }
}
