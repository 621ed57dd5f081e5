//! What happens to a row of lanes right after its product, while it is still in the first cache.

use super::activation::{Flushed, Lanes, Map, Needs, Same, Sloped, match_map};
use super::operands::{Batch, Parameters, Record, Split};
use super::simd::{Simd, Vector, multiversion};
use super::step::Step;
use super::tiles::{LANES, for_tiles, for_vectors, words};
use crate::parallel::Par;
use crate::rng::Stream;

/// Inverted dropout of one layer in one step, 16 random bits a unit.
#[derive(Clone, Copy, Debug)]
pub struct Mask {
    stream: Stream,
    threshold: u32,
    scale: f32,
}

impl Mask {
    /// Units are dropped with probability `rate`, rounded to a multiple of 2^-16.
    pub fn new(stream: Stream, rate: f64) -> Self {
        let threshold = (rate * 65536.0).round().clamp(0.0, 65535.0) as u32;
        Mask { stream, threshold, scale: (65536.0 / f64::from(65536 - threshold)) as f32 }
    }

    /// What kept units are multiplied by: the inverse of the probability of being kept.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Writes one bit a lane of a row: set if the unit is kept.
    #[inline(always)]
    fn fill<S: Simd>(&self, simd: S, row: usize, kept: &mut [u16]) {
        let key = self.stream.at(row as u64);
        for (i, pair) in kept.chunks_mut(2).enumerate() {
            let bits = simd.above(key, 16 * i as u32, self.threshold);
            pair[0] = bits as u16;
            if let Some(second) = pair.get_mut(1) {
                *second = (bits >> 16) as u16;
            }
        }
    }
}

/// What turns pre-activations into activations.
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// The activation.
    pub map: Map,
    /// Dropout, while training.
    pub mask: Option<Mask>,
    /// Whether activations are [`super::flushed`]: in training, and never in predictions.
    pub flush: bool,
}

/// What turns the gradient of activations into that of pre-activations. `signs`, `kept`, `output`
/// and `z` are what the forward pass recorded, in its layout; each is read only if the map or the
/// mask needs it.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// The activation of the forward pass.
    pub map: Map,
    /// [`Mask::scale`], if there was a mask.
    pub mask_scale: Option<f32>,
    /// One bit a unit: the pre-activation was positive.
    pub signs: &'a [u16],
    /// One bit a unit: dropout kept it.
    pub kept: &'a [u16],
    /// The activations, dropout's scale included.
    pub output: &'a [f32],
    /// The pre-activations.
    pub z: &'a [f32],
    /// Whether the gradients are [`super::flushed`].
    pub flush: bool,
}

impl Backward<'_> {
    /// The derivative of `map` where it needs nothing of the forward pass.
    pub fn of(map: Map) -> Self {
        let (signs, kept) = (&[][..], &[][..]);
        Backward { map, mask_scale: None, signs, kept, output: &[], z: &[], flush: false }
    }
}

/// Applies [`Forward`] to one row and records what the backward pass needs: `signs` where they are
/// not empty, `kept` where there is a mask, pre-activations where the activation needs them.
#[inline(always)]
pub(super) fn forward_row<S: Simd>(
    simd: S,
    forward: &Forward,
    row: usize,
    y: &mut [f32],
    record: Record<'_>,
) {
    let Record { signs, kept, z } = record;
    if !z.is_empty() && forward.map.needs() == Needs::PreActivations {
        z.copy_from_slice(y);
    }
    if let Some(mask) = &forward.mask {
        mask.fill(simd, row, kept);
    }
    match forward.map {
        Map::Identity => map_row_as(simd, Same, forward, y, signs, kept),
        Map::Slope(slope) => map_row_as(simd, Sloped(slope), forward, y, signs, kept),
        _ => map_smooth_row(forward, y, signs, kept),
    }
}

#[inline(always)]
fn map_smooth_body<S: Simd>(
    simd: S,
    forward: &Forward,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &[u16],
) {
    match_map!(
        forward.map,
        identity => {},
        slope(_slope) => {},
        smooth(Curve) => map_smooth(simd, Curve, forward, y, signs, kept)
    );
}
multiversion! {
    /// Maps a row by a smooth activation. It is never inlined: exponentials in the code of a
    /// product would take the registers that its sums stay in.
    #[inline(never)]
    fn map_smooth_row(
        forward: &Forward, y: &mut [f32], signs: &mut [u16], kept: &[u16],
    ) => map_smooth_body
}

/// [`forward_row`] with a map that the compiler knows.
#[inline(always)]
fn map_row_as<S: Simd>(
    simd: S,
    map: impl Lanes,
    forward: &Forward,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &[u16],
) {
    if forward.flush {
        map_row(simd, Flushed { map, when: true }, forward, y, signs, kept);
    } else {
        map_row(simd, map, forward, y, signs, kept);
    }
}

#[inline(always)]
fn map_row<S: Simd>(
    simd: S,
    map: impl Lanes,
    forward: &Forward,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &[u16],
) {
    for_tiles!(S, y.len(), |offset, V, T| for t in 0..T {
        let at = offset + t * <V<S> as Vector<S>>::N;
        map_lanes::<S, V<S>>(simd, map, forward, at, y, signs, kept);
    });
}

/// [`map_row_as`] by a function whose code is long, and so is there once for each vector.
#[inline(always)]
fn map_smooth<S: Simd>(
    simd: S,
    map: impl Lanes,
    forward: &Forward,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &[u16],
) {
    let map = Flushed { map, when: forward.flush };
    for_vectors!(S, y.len(), |at, V| {
        map_lanes::<S, V<S>>(simd, map, forward, at, y, signs, kept);
    });
}

/// Maps the lanes of a row from `at` on.
#[inline(always)]
fn map_lanes<S: Simd, V: Vector<S>>(
    simd: S,
    map: impl Lanes,
    forward: &Forward,
    at: usize,
    y: &mut [f32],
    signs: &mut [u16],
    kept: &[u16],
) {
    let lanes = &mut y[at..at + V::N];
    let positive = map.map::<S, V>(simd, lanes);
    if !signs.is_empty() {
        signs[at / LANES] = positive;
    }
    if let Some(mask) = &forward.mask {
        keep_lanes::<S, V>(simd, kept[at / LANES], mask.scale, lanes);
    }
}

/// Scales the lanes whose bit is set and zeroes the others.
#[inline(always)]
fn keep_lanes<S: Simd, V: Vector<S>>(simd: S, bits: u16, scale: f32, lanes: &mut [f32]) {
    let scaled = V::load(simd, lanes).mul(V::splat(simd, scale));
    scaled.select(bits, V::splat(simd, 0.0)).store(lanes);
}

/// Dropout of one row of activations, whose bits it writes.
#[inline(always)]
pub(super) fn keep_row<S: Simd>(simd: S, mask: &Mask, row: usize, y: &mut [f32], kept: &mut [u16]) {
    mask.fill(simd, row, kept);
    for_tiles!(S, y.len(), |offset, V, T| for t in 0..T {
        let at = offset + t * <V<S> as Vector<S>>::N;
        let lanes = &mut y[at..at + <V<S> as Vector<S>>::N];
        keep_lanes::<S, V<S>>(simd, kept[at / LANES], mask.scale, lanes);
    });
}

/// Multiplies one row of gradients by the derivative of what [`forward_row`] did.
#[inline(always)]
pub(super) fn backward_row<S: Simd>(simd: S, backward: &Backward<'_>, row: usize, dy: &mut [f32]) {
    match backward.map {
        Map::Identity => derive_row_as(simd, Same, backward, row, dy),
        Map::Slope(slope) => derive_row_as(simd, Sloped(slope), backward, row, dy),
        _ => derive_smooth_row(backward, row, dy),
    }
}

#[inline(always)]
fn derive_smooth_body<S: Simd>(simd: S, backward: &Backward<'_>, row: usize, dy: &mut [f32]) {
    match_map!(
        backward.map,
        identity => {},
        slope(_slope) => {},
        smooth(Curve) => derive_smooth(simd, Curve, backward, row, dy)
    );
}
multiversion! {
    /// Multiplies a row by a smooth activation's derivative. It is never inlined, for the same
    /// reason as [`map_smooth_row`].
    #[inline(never)]
    fn derive_smooth_row(backward: &Backward<'_>, row: usize, dy: &mut [f32]) => derive_smooth_body
}

/// [`backward_row`] with a map that the compiler knows.
#[inline(always)]
fn derive_row_as<S: Simd>(
    simd: S,
    map: impl Lanes,
    backward: &Backward<'_>,
    row: usize,
    dy: &mut [f32],
) {
    if backward.flush {
        derive_row(simd, Flushed { map, when: true }, backward, row, dy);
    } else {
        derive_row(simd, map, backward, row, dy);
    }
}

#[inline(always)]
fn derive_row<S: Simd>(
    simd: S,
    map: impl Lanes,
    backward: &Backward<'_>,
    row: usize,
    dy: &mut [f32],
) {
    for_tiles!(S, dy.len(), |offset, V, T| for t in 0..T {
        let at = offset + t * <V<S> as Vector<S>>::N;
        derive_lanes::<S, V<S>>(simd, map, backward, row, at, dy);
    });
}

/// [`derive_row_as`] by a function whose code is long, and so is there once for each vector.
#[inline(always)]
fn derive_smooth<S: Simd>(
    simd: S,
    map: impl Lanes,
    backward: &Backward<'_>,
    row: usize,
    dy: &mut [f32],
) {
    let map = Flushed { map, when: backward.flush };
    for_vectors!(S, dy.len(), |at, V| {
        derive_lanes::<S, V<S>>(simd, map, backward, row, at, dy);
    });
}

/// Multiplies the lanes of a row from `at` on by the derivative.
#[inline(always)]
fn derive_lanes<S: Simd, V: Vector<S>>(
    simd: S,
    map: impl Lanes,
    backward: &Backward<'_>,
    row: usize,
    at: usize,
    dy: &mut [f32],
) {
    let (stride, w) = (dy.len(), words(dy.len()));
    let lanes = &mut dy[at..at + V::N];
    if let Some(scale) = backward.mask_scale {
        keep_lanes::<S, V>(simd, backward.kept[row * w + at / LANES], scale, lanes);
    }
    let (word, lane) = (row * w + at / LANES, row * stride + at);
    map.derive::<S, V>(simd, backward, word, lane, lanes);
}

/// Sum of one row's lanes, in the same order as `sddmm` against a row of ones.
#[inline(always)]
fn row_sum<S: Simd>(simd: S, row: &[f32]) -> f32 {
    match row.len() {
        1 => row[0],
        4 => S::V4::load(simd, row).sum(),
        8 => S::V8::load(simd, row).sum(),
        _ => {
            let mut acc = S::V16::splat(simd, 0.0);
            for chunk in row.chunks_exact(LANES) {
                acc = acc.add(S::V16::load(simd, chunk));
            }
            acc.sum()
        }
    }
}

/// Biases that step while their gradients, a row of lanes each, are near.
#[derive(Debug)]
pub struct Biases<'a> {
    /// The step. It is a copy, which stays in registers as no write to an array can change it.
    pub step: Step,
    /// A bias for each row.
    pub parameters: Parameters<'a>,
}

impl Split for Biases<'_> {
    fn split(self, count: usize) -> (Self, Self) {
        let (step, (parameters, right)) = (self.step, self.parameters.split(count));
        (Biases { step, parameters }, Biases { step, parameters: right })
    }
}

impl Biases<'_> {
    /// One step of bias number `at` from its gradients; the bits are those of [`bias_update`].
    #[inline(always)]
    pub(super) fn update<S: Simd>(&mut self, simd: S, at: usize, row: &[f32]) {
        self.step.spend_at(row_sum(simd, row), at, &mut self.parameters);
    }
}

#[inline(always)]
fn bias_update_body<S: Simd>(simd: S, dy: Batch<'_>, mut biases: Biases<'_>) {
    for (at, row) in dy.values.chunks_exact(dy.stride).enumerate() {
        biases.update(simd, at, row);
    }
}
multiversion! {
    fn bias_update_rows(dy: Batch<'_>, biases: Biases<'_>) => bias_update_body
}

/// One optimiser step of the biases from the gradients of the pre-activations, a row a bias.
pub fn bias_update(par: &Par, dy: Batch<'_>, biases: Biases<'_>) {
    let n = biases.parameters.values.len();
    assert!(dy.has_rows(n), "internal: dy is (n, stride)");
    biases.step.check(&biases.parameters, n);
    par.for_rows(
        0..n,
        super::GRAIN,
        biases,
        |r| r * dy.stride,
        |biases, range, mid| biases.split(mid - range.start),
        |rows, biases| {
            let dy = Batch { values: dy.rows(rows), stride: dy.stride };
            bias_update_rows(dy, biases);
        },
    );
}

#[inline(always)]
fn bias_gradient_body<S: Simd>(simd: S, dy: Batch<'_>, gradient: &mut [f32]) {
    for (row, g) in dy.values.chunks_exact(dy.stride).zip(gradient) {
        *g = row_sum(simd, row);
    }
}
multiversion! {
    fn bias_gradient_rows(dy: Batch<'_>, gradient: &mut [f32]) => bias_gradient_body
}

/// The gradients of the biases, summed over the batch; [`bias_update`] computes the same and makes
/// the step at once. `gradient`: a number for each row.
pub fn bias_gradient(dy: Batch<'_>, gradient: &mut [f32]) {
    assert!(dy.has_rows(gradient.len()), "internal: dy is (n, stride)");
    bias_gradient_rows(dy, gradient);
}
