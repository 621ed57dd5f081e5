//! Images moved by an affine map: bilinear between pixels, the nearest edge's value outside.
//!
//! It is made of multiplications and additions in a fixed order, so the bits are the same
//! everywhere.

use serde::Deserialize;

/// The shape of an image that lies row by row, the channels of a pixel together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
}

impl Frame {
    /// The largest height or width: places between pixels are computed in f32.
    pub const MOST: usize = 1 << 16;

    /// The values of an image, or None if there are more than 32 bits count.
    pub fn values(&self) -> Option<usize> {
        let pixels = self.height.checked_mul(self.width)?;
        pixels.checked_mul(self.channels).filter(|&n| n <= u32::MAX as usize)
    }
}

/// Where the pixel in row r and column c comes from: `origin + r * down + c * right`, each of them
/// a row and a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    /// The source of the first pixel.
    pub origin: [f64; 2],
    /// From one row to the next.
    pub down: [f64; 2],
    /// From one column to the next.
    pub right: [f64; 2],
}

impl Affine {
    /// Every pixel comes from its own place.
    pub const IDENTITY: Affine = Affine { origin: [0.0, 0.0], down: [1.0, 0.0], right: [0.0, 1.0] };
}

/// Pixels whose sources are found together.
const CHUNK: usize = 32;

/// Where pixels of a row come from.
struct Taps {
    /// The place of the upper left one of each pixel's four neighbours.
    at: [u32; CHUNK],
    /// The weights of that neighbour, of its right, its lower, and its lower right one.
    weights: [[f32; CHUNK]; 4],
}

/// Adding it to a number from 0 to 2^22 rounds the number to an integer, which is then in the low
/// bits.
const ROUND: f32 = 12_582_912.0;
const LOW_BITS: u32 = (1 << 22) - 1;

/// The pixel before a place and the distance from it, in [0, 1]. The place is clamped to [0, last]
/// first. Another pixel follows the one before, unless `last` is 0.
#[inline(always)]
fn before(place: f32, last: f32) -> (u32, f32) {
    // Comparisons that vectorise, where `max` and `min` also look for NaN.
    let place = if place > 0.0 { place } else { 0.0 };
    let place = if place < last { place } else { last };
    let least = if last > 1.0 { last - 1.0 } else { 0.0 };
    let pixel = (place - 0.5 + ROUND) - ROUND;
    let pixel = if pixel < least { pixel } else { least };
    ((pixel + ROUND).to_bits() & LOW_BITS, place - pixel)
}

impl Taps {
    /// The sources of the pixels from column `start` on, for a row whose first pixel comes from
    /// `from`.
    #[inline(always)]
    fn find(&mut self, frame: Frame, from: [f32; 2], right: [f32; 2], start: usize) {
        let last = [(frame.height - 1) as f32, (frame.width - 1) as f32];
        let (row, pixel) = ((frame.width * frame.channels) as u32, frame.channels as u32);
        let [one, beside, below, across] = &mut self.weights;
        for i in 0..CHUNK {
            let column = (start as i32 + i as i32) as f32;
            let (y, fy) = before(from[0] + right[0] * column, last[0]);
            let (x, fx) = before(from[1] + right[1] * column, last[1]);
            self.at[i] = y * row + x * pixel;
            one[i] = (1.0 - fy) * (1.0 - fx);
            beside[i] = (1.0 - fy) * fx;
            below[i] = fy * (1.0 - fx);
            across[i] = fy * fx;
        }
    }
}

/// Writes to `out` the image that `map` makes of `image`; both have the shape `frame`.
///
/// # Panics
/// If they have another shape, or the shape is larger than [`Frame::MOST`] allows.
pub fn warp(image: &[f32], frame: Frame, map: &Affine, out: &mut [f32]) {
    let Frame { height, width, channels } = frame;
    let values = frame.values().expect("internal: an image of a countable size");
    assert!(image.len() == values && out.len() == values, "internal: an image is its shape");
    assert!(height.max(width) <= Frame::MOST, "internal: an image of a size that f32 can count");
    if *map == Affine::IDENTITY {
        return out.copy_from_slice(image);
    }
    match channels {
        1 if height > 1 && width > 1 => {
            warp_rows(frame, map, out, |taps, out| gray(image, width, taps, out))
        }
        3 if height > 1 && width > 1 => {
            warp_rows(frame, map, out, |taps, out| colour(image, 3 * width, taps, out))
        }
        4 if height > 1 && width > 1 => {
            warp_rows(frame, map, out, |taps, out| four(image, 4 * width, taps, out))
        }
        _ => {
            let beside = if width > 1 { channels } else { 0 };
            let below = if height > 1 { width * channels } else { 0 };
            warp_rows(frame, map, out, |taps, out| {
                any(image, channels, [0, beside, below, below + beside], taps, out);
            });
        }
    }
}

/// Calls `pixels` with the sources of up to [`CHUNK`] pixels and with the pixels, piece by piece.
#[inline(always)]
fn warp_rows(frame: Frame, map: &Affine, out: &mut [f32], pixels: impl Fn(&Taps, &mut [f32])) {
    let mut taps = Taps { at: [0; CHUNK], weights: [[0.0; CHUNK]; 4] };
    let right = [map.right[0] as f32, map.right[1] as f32];
    for (r, row) in out.chunks_exact_mut(frame.width * frame.channels).enumerate() {
        let place = |k: usize| (map.origin[k] + r as f64 * map.down[k]) as f32;
        let from = [place(0), place(1)];
        for (i, piece) in row.chunks_mut(CHUNK * frame.channels).enumerate() {
            taps.find(frame, from, right, i * CHUNK);
            pixels(&taps, piece);
        }
    }
}

/// `N` values from index `at` on.
#[inline(always)]
fn window<const N: usize>(image: &[f32], at: usize) -> &[f32; N] {
    image[at..at + N].first_chunk().expect("internal: a window has its length")
}

/// Pixels of one value, in an image of at least two rows and columns.
#[inline(always)]
fn gray(image: &[f32], row: usize, taps: &Taps, out: &mut [f32]) {
    let mut values = [[0.0; CHUNK]; 4];
    for (i, &at) in taps.at.iter().enumerate() {
        let at = at as usize;
        [values[0][i], values[1][i]] = *window(image, at);
        [values[2][i], values[3][i]] = *window(image, at + row);
    }
    let mut sums = [0.0; CHUNK];
    for (i, sum) in sums.iter_mut().enumerate() {
        let part = |k: usize| taps.weights[k][i] * values[k][i];
        *sum = part(0) + part(1) + part(2) + part(3);
    }
    out.copy_from_slice(&sums[..out.len()]);
}

/// Pixels of three values, in an image of at least two rows and columns.
#[inline(always)]
fn colour(image: &[f32], row: usize, taps: &Taps, out: &mut [f32]) {
    // A vector holds four lanes: the fourth is not part of the pixel, and the next pixel overwrites
    // it.
    let mut pixels = [0.0; 3 * CHUNK + 1];
    for i in 0..out.len() / 3 {
        let at = taps.at[i] as usize;
        let upper: &[f32; 6] = window(image, at);
        let lower: &[f32; 6] = window(image, at + row);
        let w = weights_of(taps, i);
        for (c, sum) in pixels[3 * i..3 * i + 4].iter_mut().enumerate() {
            let beside = if c < 3 { c + 3 } else { 2 };
            *sum = w[0] * upper[c] + w[1] * upper[beside] + w[2] * lower[c] + w[3] * lower[beside];
        }
    }
    out.copy_from_slice(&pixels[..out.len()]);
}

/// Pixels of four values, in an image of at least two rows and columns.
#[inline(always)]
fn four(image: &[f32], row: usize, taps: &Taps, out: &mut [f32]) {
    for (i, out) in out.chunks_exact_mut(4).enumerate() {
        let at = taps.at[i] as usize;
        let upper: &[f32; 8] = window(image, at);
        let lower: &[f32; 8] = window(image, at + row);
        let w = weights_of(taps, i);
        for (c, out) in out.iter_mut().enumerate() {
            *out = w[0] * upper[c] + w[1] * upper[c + 4] + w[2] * lower[c] + w[3] * lower[c + 4];
        }
    }
}

#[inline(always)]
fn weights_of(taps: &Taps, i: usize) -> [f32; 4] {
    let [one, beside, below, across] = &taps.weights;
    [one[i], beside[i], below[i], across[i]]
}

/// Pixels of any number of values; `offsets`: from the first neighbour to each of the four.
fn any(image: &[f32], channels: usize, offsets: [usize; 4], taps: &Taps, out: &mut [f32]) {
    for (i, out) in out.chunks_exact_mut(channels).enumerate() {
        let at = taps.at[i] as usize;
        for (c, out) in out.iter_mut().enumerate() {
            let part = |k: usize| taps.weights[k][i] * image[at + offsets[k] + c];
            *out = part(0) + part(1) + part(2) + part(3);
        }
    }
}
