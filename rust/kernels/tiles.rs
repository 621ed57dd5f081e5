//! The batch dimension: how lanes are padded, tiled and summed.

/// Lanes of a full vector, and of the virtual vector in which sums over the batch are taken.
pub const LANES: usize = 16;

/// The padded number of lanes of a batch: 1, 4 or 8 for tiny batches, so that single samples do
/// not pay for empty lanes, and a multiple of [`LANES`] otherwise.
pub fn stride(batch: usize) -> usize {
    match batch {
        0 | 1 => 1,
        2..=4 => 4,
        5..=8 => 8,
        _ => batch.next_multiple_of(LANES),
    }
}

/// 16-bit words of one row of one-bit flags, a bit a lane.
pub fn words(stride: usize) -> usize {
    stride.div_ceil(LANES)
}

/// Evaluates `$body` once for each tile of `$t` vectors of type `$v` that together cover a row;
/// `$offset` is the tile's first lane. `$simd` is a type parameter that is `Simd`.
macro_rules! for_tiles {
    ($simd:ty, $stride:expr, |$offset:ident, $v:ident, $t:ident| $body:expr) => {{
        use $crate::kernels::simd::Simd;
        let stride: usize = $stride;
        macro_rules! tile {
            ($vector:ident, $count:literal, $at:expr) => {{
                #[allow(dead_code)]
                type $v<S> = <S as Simd>::$vector;
                const $t: usize = $count;
                let $offset = $at;
                $body
            }};
        }
        match stride {
            1 => tile!(V1, 1, 0),
            4 => tile!(V4, 1, 0),
            8 => tile!(V8, 1, 0),
            _ => {
                let mut at = 0;
                if <$simd as Simd>::TILE >= 8 {
                    while stride - at >= 128 {
                        tile!(V16, 8, at);
                        at += 128;
                    }
                    if stride - at >= 64 {
                        tile!(V16, 4, at);
                        at += 64;
                    }
                } else if <$simd as Simd>::TILE >= 4 {
                    while stride - at >= 64 {
                        tile!(V16, 4, at);
                        at += 64;
                    }
                }
                if <$simd as Simd>::TILE >= 2 && stride - at >= 32 {
                    tile!(V16, 2, at);
                    at += 32;
                }
                while stride - at >= 16 {
                    tile!(V16, 1, at);
                    at += 16;
                }
            }
        }
    }};
}
pub(super) use for_tiles;

/// [`for_tiles`] of one vector each, for bodies whose code is long.
macro_rules! for_vectors {
    ($simd:ty, $stride:expr, |$offset:ident, $v:ident| $body:expr) => {{
        use $crate::kernels::simd::Simd;
        let stride: usize = $stride;
        macro_rules! vector {
            ($vector:ident, $at:expr) => {{
                type $v<S> = <S as Simd>::$vector;
                let $offset = $at;
                $body
            }};
        }
        match stride {
            1 => vector!(V1, 0),
            4 => vector!(V4, 0),
            8 => vector!(V8, 0),
            _ => {
                for at in (0..stride).step_by($crate::kernels::LANES) {
                    vector!(V16, at);
                }
            }
        }
    }};
}
pub(super) use for_vectors;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::portable::Portable;
    use crate::kernels::simd::{Simd, Vector};

    #[test]
    fn strides_hold_the_batch() {
        for b in 1..200 {
            let s = stride(b);
            assert!(s >= b && (s.is_multiple_of(LANES) || matches!(s, 1 | 4 | 8)));
            assert!(words(s) * LANES >= s);
        }
    }

    #[test]
    fn tiles_cover_every_lane_once() {
        fn count<S: Simd>(_: S, hits: &mut [u8]) {
            for_tiles!(S, hits.len(), |offset, V, T| {
                let lanes = <V<S> as Vector<S>>::N * T;
                hits[offset..offset + lanes].iter_mut().for_each(|h| *h += 1);
            });
        }
        fn count_vectors<S: Simd>(_: S, hits: &mut [u8]) {
            for_vectors!(S, hits.len(), |at, V| {
                hits[at..at + <V<S> as Vector<S>>::N].iter_mut().for_each(|h| *h += 1);
            });
        }
        for b in 1..400 {
            let mut hits = vec![0; stride(b)];
            count(Portable, &mut hits);
            assert!(hits.iter().all(|&h| h == 1), "{b}");
            count_vectors(Portable, &mut hits);
            assert!(hits.iter().all(|&h| h == 2), "{b}");
        }
    }

    #[test]
    fn narrow_sums_are_wide_sums_with_zeros() {
        let narrow: [f32; 8] = std::array::from_fn(|i| 0.1 + 1.7f32.powi(i as i32));
        let mut wide = [0.0; 16];
        wide[..8].copy_from_slice(&narrow);
        let sum = |bits: f32| bits.to_bits();
        let narrow = <[f32; 8] as Vector<Portable>>::sum(narrow);
        assert_eq!(sum(narrow), sum(<[f32; 16] as Vector<Portable>>::sum(wide)));
    }
}
