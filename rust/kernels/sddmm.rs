//! The sampled product: gradients of the connections that exist, and their update in one pass.

use std::ops::Range;

use super::operands::{Batch, Parameters, Split};
use super::simd::rows::{Gather, Sink, fetch_run};
use super::simd::{Simd, Vector, multiversion};
use super::step::{PlainSgd, Step};
use super::traversal::blocks::Blocks;
use super::traversal::panels::{Panels, Visit, Worth};
use crate::csr::Pattern;
use crate::parallel::Par;

/// Measured on 4096 x 4096 at batch 128. Blocks for the first cache never gain: a visit loads the
/// row of `dy` and ends in a group of sums that is not full.
const WORTH: Worth = Worth { first: f64::INFINITY, second: 24.0 };

/// Lanes up to which blocks of short rows pay.
const NARROW: usize = 64;

/// Computes the gradients of all entries of `rows` and gives them to `sink`.
#[inline(always)]
fn gradients<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: Batch<'_>,
    x: Batch<'_>,
    rows: Range<usize>,
    sink: &mut impl Sink,
) {
    let stride = x.stride;
    let gather = Gather::new(w.bounded(), x);
    if S::INLINES && Blocks::pay(w.indptr(), stride, NARROW) {
        let mut blocks = Blocks::new(w.indptr(), rows, stride);
        while let Some(block) = blocks.next() {
            let d = dy.rows(block.rows.clone());
            if block.is_long() {
                gather.dots(simd, d, block.entries, sink);
            } else {
                let numbers = blocks.numbers(&block);
                gather.dots_of_rows(simd, d, block.entries.clone(), numbers, sink);
            }
        }
        return;
    }
    let visits = Panels::new(w.indptr(), w.indices(), w.n_cols(), rows, stride, WORTH);
    let gather = if visits.whole() { gather } else { gather.near() };
    for Visit { row, entries, soon, .. } in visits {
        if let Some((start, count)) = soon {
            fetch_run(simd, w.indices(), start, count);
            sink.fetch(simd, start, count);
        }
        gather.dots(simd, dy.row(row), entries, sink);
    }
}

/// Stores gradients; `first` is the position of the first one.
struct Store<'a> {
    first: usize,
    grad: &'a mut [f32],
}

impl Sink for Store<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        fetch_run(simd, self.grad, k - self.first, count);
    }

    #[inline(always)]
    fn take<S: Simd>(&mut self, _simd: S, k: usize, sums: [f32; 8], count: usize) {
        self.grad[k - self.first..][..count].copy_from_slice(&sums[..count]);
    }
}

/// Spends gradients on a step; `first` is the position of the first weight.
struct Spend<'a> {
    first: usize,
    /// A copy, as in [`super::Biases`].
    step: Step,
    parameters: Parameters<'a>,
}

impl Sink for Spend<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        let Parameters { values, momentum, second } = &self.parameters;
        fetch_run(simd, values, k - self.first, count);
        fetch_run(simd, momentum, k - self.first, count);
        if !second.is_empty() {
            fetch_run(simd, second, k - self.first, count);
        }
    }

    #[inline(always)]
    fn take<S: Simd>(&mut self, _simd: S, k: usize, sums: [f32; 8], count: usize) {
        let first = k - self.first;
        if !S::INLINES {
            self.spend(&sums[..count], first);
            return;
        }
        // The common case has a constant length, so that it becomes vector instructions.
        if count == 8 {
            self.step.spend(&sums, first, &mut self.parameters);
        } else {
            self.step.spend(&sums[..count], first, &mut self.parameters);
        }
    }
}

impl Spend<'_> {
    /// Spends sums on the weights from number `first` on, in code that there is once.
    #[inline(never)]
    fn spend(&mut self, sums: &[f32], first: usize) {
        self.step.spend(sums, first, &mut self.parameters);
    }
}

/// [`Spend`] of the common step.
struct SpendPlain<'a> {
    first: usize,
    step: PlainSgd,
    values: &'a mut [f32],
    momentum: &'a mut [f32],
}

impl Sink for SpendPlain<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        fetch_run(simd, self.values, k - self.first, count);
        fetch_run(simd, self.momentum, k - self.first, count);
    }

    #[inline(always)]
    fn take<S: Simd>(&mut self, simd: S, k: usize, sums: [f32; 8], count: usize) {
        let w = &mut self.values[k - self.first..][..count];
        let v = &mut self.momentum[k - self.first..][..count];
        // In a register, whichever way they go on.
        let eight = S::V8::load(simd, &sums);
        if count == 8 {
            self.step.spend_eight(simd, eight, w, v);
        } else {
            let mut sums = [0.0; 8];
            eight.store(&mut sums);
            for i in 0..count {
                self.step.spend_one(sums[i], &mut w[i], &mut v[i]);
            }
        }
    }
}

/// What gradients are for. The product that takes them is long: the common step has its code, the
/// others share theirs, and portable code is there once.
enum Use<'a> {
    Plain(SpendPlain<'a>),
    Other(Other<'a>),
}

impl Sink for Use<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        match self {
            Use::Plain(plain) => plain.fetch(simd, k, count),
            Use::Other(other) => other.fetch(simd, k, count),
        }
    }

    #[inline(always)]
    fn take<S: Simd>(&mut self, simd: S, k: usize, sums: [f32; 8], count: usize) {
        match self {
            Use::Plain(plain) => plain.take(simd, k, sums, count),
            Use::Other(other) => other.take(simd, k, sums, count),
        }
    }
}

/// [`Store`] or [`Spend`].
enum Other<'a> {
    Store(Store<'a>),
    Spend(Spend<'a>),
}

impl Sink for Other<'_> {
    #[inline(always)]
    fn fetch<S: Simd>(&mut self, simd: S, k: usize, count: usize) {
        match self {
            Other::Store(store) => store.fetch(simd, k, count),
            Other::Spend(spend) => spend.fetch(simd, k, count),
        }
    }

    #[inline(always)]
    fn take<S: Simd>(&mut self, simd: S, k: usize, sums: [f32; 8], count: usize) {
        match self {
            Other::Store(store) => store.take(simd, k, sums, count),
            Other::Spend(spend) => spend.take(simd, k, sums, count),
        }
    }
}

#[inline(always)]
fn sddmm_body<S: Simd>(
    simd: S,
    w: Pattern<'_>,
    dy: Batch<'_>,
    x: Batch<'_>,
    rows: Range<usize>,
    mut gradient: Use<'_>,
) {
    if !S::INLINES {
        return gradients(simd, w, dy, x, rows, &mut gradient);
    }
    match gradient {
        Use::Plain(mut plain) => gradients(simd, w, dy, x, rows, &mut plain),
        Use::Other(mut other) => gradients(simd, w, dy, x, rows, &mut other),
    }
}
multiversion! {
    fn sddmm_rows(
        w: Pattern<'_>, dy: Batch<'_>, x: Batch<'_>, rows: Range<usize>, gradient: Use<'_>,
    ) => sddmm_body
}

fn check(w: Pattern<'_>, dy: Batch<'_>, x: Batch<'_>) {
    assert_eq!(dy.stride, x.stride, "internal: dy and x are of one batch");
    assert!(dy.has_rows(w.n_rows()), "internal: dy is (n_rows, stride)");
    assert!(x.has_rows(w.n_cols()), "internal: x is (n_cols, stride)");
}

/// `grad[k] = sum_b dY[row(k), b] X[column(k), b]` for every entry k, summed over the batch.
///
/// `dy`: n_rows rows, padding zero; `x`: n_cols rows, padding finite; `grad`: (nnz,).
pub fn sddmm(par: &Par, w: Pattern<'_>, dy: Batch<'_>, x: Batch<'_>, grad: &mut [f32]) {
    check(w, dy, x);
    assert_eq!(grad.len(), w.nnz(), "internal: grad is (nnz,)");
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        grad,
        |r| w.indptr()[r] * x.stride,
        |grad, range, mid| grad.split(w.indptr()[mid] - w.indptr()[range.start]),
        |rows, grad| {
            let store = Store { first: w.indptr()[rows.start], grad };
            sddmm_rows(w, dy, x, rows, Use::Other(Other::Store(store)));
        },
    );
}

/// [`sddmm`] with a [`Step`] of every weight from its gradient at once. The bits are those of the
/// two passes one after the other.
///
/// `dy`: n_rows rows, padding zero; `x`: n_cols rows, padding finite; `parameters`: (nnz,).
pub fn sddmm_update(
    par: &Par,
    w: Pattern<'_>,
    dy: Batch<'_>,
    x: Batch<'_>,
    step: &Step,
    parameters: Parameters<'_>,
) {
    check(w, dy, x);
    step.check(&parameters, w.nnz());
    par.for_rows(
        0..w.n_rows(),
        super::GRAIN,
        parameters,
        |r| w.indptr()[r] * x.stride,
        |parameters, range, mid| parameters.split(w.indptr()[mid] - w.indptr()[range.start]),
        |rows, parameters| {
            let first = w.indptr()[rows.start];
            let gradient = match PlainSgd::of(step) {
                Some(step) => {
                    let Parameters { values, momentum, .. } = parameters;
                    Use::Plain(SpendPlain { first, step, values, momentum })
                }
                None => Use::Other(Other::Spend(Spend { first, step: *step, parameters })),
            };
            sddmm_rows(w, dy, x, rows, gradient);
        },
    );
}
