//! Vectors as arrays, for any target; tests hold the other instruction sets against them.

use super::super::flush::flushed;
use super::{MIX, Simd, Vector};

/// The token of portable code, which needs no feature.
#[derive(Clone, Copy)]
pub struct Portable;

impl Simd for Portable {
    type V16 = [f32; 16];
    type V8 = [f32; 8];
    type V4 = [f32; 4];
    type V1 = f32;
    // One sum of sixteen lanes is four registers of a target that has no other vectors here.
    const TILE: usize = 1;
    const INLINES: bool = false;

    #[inline(always)]
    fn above(self, key: u64, counter: u32, threshold: u32) -> u32 {
        let (low, high) = (key as u32, (key >> 32) as u32);
        let mut bits = 0;
        for i in 0..16 {
            let mut w = low.wrapping_add(counter.wrapping_add(i).wrapping_mul(MIX[0]));
            w = (w ^ w >> 16).wrapping_mul(MIX[1]) ^ high;
            w = (w ^ w >> 15).wrapping_mul(MIX[2]);
            w ^= w >> 16;
            bits |= u32::from(w & 0xFFFF >= threshold) << i;
            bits |= u32::from(w >> 16 >= threshold) << (i + 16);
        }
        bits
    }
}

// What is long is there once, and called: this code is for targets that it is not fast on anyway.
impl<S, const N: usize> Vector<S> for [f32; N] {
    const N: usize = N;
    #[inline(always)]
    fn splat(_: S, value: f32) -> Self {
        [value; N]
    }
    #[inline(always)]
    fn load(_: S, from: &[f32]) -> Self {
        from[..N].try_into().expect("internal: N lanes")
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[..N].copy_from_slice(&self);
    }
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn load_at(_: S, from: *const f32) -> Self {
        // SAFETY: the caller's promise; an array of f32 has their alignment.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    fn prefetch(_: S, _: *const f32) {}
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] + other[i])
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        std::array::from_fn(|i| self[i] * other[i])
    }
    #[inline(never)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        std::array::from_fn(|i| self[i].mul_add(factor[i], addend[i]))
    }
    #[inline(never)]
    fn positive(self) -> u16 {
        self.iter().enumerate().fold(0, |bits, (i, v)| bits | u16::from(*v > 0.0) << i)
    }
    #[inline(never)]
    fn select(self, bits: u16, other: Self) -> Self {
        std::array::from_fn(|i| if bits >> i & 1 == 1 { self[i] } else { other[i] })
    }
    #[inline(never)]
    fn flushed(self, _: S) -> Self {
        std::array::from_fn(|i| flushed(self[i]))
    }
    #[inline(never)]
    fn sum(self) -> f32 {
        let mut lanes = self;
        let mut width = N;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }
}

impl<S> Vector<S> for f32 {
    const N: usize = 1;
    #[inline(always)]
    fn splat(_: S, value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn load(_: S, from: &[f32]) -> Self {
        from[0]
    }
    #[inline(always)]
    fn store(self, to: &mut [f32]) {
        to[0] = self;
    }
    #[allow(unsafe_code)]
    #[inline(always)]
    unsafe fn load_at(_: S, from: *const f32) -> Self {
        // SAFETY: the caller's promise; an array of f32 has their alignment.
        unsafe { from.cast::<Self>().read() }
    }
    #[inline(always)]
    fn prefetch(_: S, _: *const f32) {}
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self + other
    }
    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self * other
    }
    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        f32::mul_add(self, factor, addend)
    }
    #[inline(always)]
    fn positive(self) -> u16 {
        u16::from(self > 0.0)
    }
    #[inline(always)]
    fn select(self, bits: u16, other: Self) -> Self {
        if bits & 1 == 1 { self } else { other }
    }
    #[inline(always)]
    fn flushed(self, _: S) -> Self {
        flushed(self)
    }
    #[inline(always)]
    fn sum(self) -> f32 {
        self
    }
}
