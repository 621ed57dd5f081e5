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

/// Sum of the lanes by one fixed tree, the same for any width: lanes that are missing from a
/// narrow vector count as zeros of the full one.
#[inline(always)]
pub(super) fn sum<const N: usize>(lanes: [f32; N]) -> f32 {
    let mut acc = lanes;
    let mut width = N;
    while width > 1 {
        width /= 2;
        for i in 0..width {
            acc[i] += acc[i + width];
        }
    }
    acc[0]
}

/// Calls `$f::<N, T>($args..., offset)` for tiles of T vectors of N lanes that cover the stride.
macro_rules! for_tiles {
    ($stride:expr, |$offset:ident, $n:ident, $t:ident| $body:expr) => {{
        let stride: usize = $stride;
        match stride {
            1 => { const $n: usize = 1; const $t: usize = 1; let $offset = 0; $body }
            4 => { const $n: usize = 4; const $t: usize = 1; let $offset = 0; $body }
            8 => { const $n: usize = 8; const $t: usize = 1; let $offset = 0; $body }
            _ => {
                let mut at = 0;
                while stride - at >= 128 {
                    { const $n: usize = 16; const $t: usize = 8; let $offset = at; $body }
                    at += 128;
                }
                if stride - at >= 64 {
                    { const $n: usize = 16; const $t: usize = 4; let $offset = at; $body }
                    at += 64;
                }
                if stride - at >= 32 {
                    { const $n: usize = 16; const $t: usize = 2; let $offset = at; $body }
                    at += 32;
                }
                if stride - at >= 16 {
                    { const $n: usize = 16; const $t: usize = 1; let $offset = at; $body }
                }
            }
        }
    }};
}
pub(super) use for_tiles;

#[cfg(test)]
mod tests {
    use super::*;

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
        for b in 1..400 {
            let s = stride(b);
            let mut hits = vec![0; s];
            for_tiles!(s, |offset, N, T| hits[offset..offset + N * T].iter_mut().for_each(|h| *h += 1));
            assert!(hits.iter().all(|&h| h == 1), "{b}");
        }
    }

    #[test]
    fn narrow_sums_are_wide_sums_with_zeros() {
        let narrow: [f32; 8] = std::array::from_fn(|i| 0.1 + 1.7f32.powi(i as i32));
        let mut wide = [0.0; 16];
        wide[..8].copy_from_slice(&narrow);
        assert_eq!(sum(narrow).to_bits(), sum(wide).to_bits());
    }
}
