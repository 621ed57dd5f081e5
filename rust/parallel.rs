//! Parallelism as a value: a [`Par`] says how many threads a kernel may use.
//!
//! Work over rows is split recursively where the *amount of work* halves, not the number of rows,
//! and every output element is computed by exactly one thread, in an order that does not depend
//! on where the cuts fall. That is what keeps results bit-identical for any number of threads.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};

/// Pieces per thread: a few more than one, so that a thread that is held up can be helped.
const PIECES_PER_THREAD: usize = 4;

/// The largest accepted number of threads.
pub const MAX_THREADS: usize = 1024;

/// How many threads a kernel may use; cheap to clone.
#[derive(Clone, Default)]
pub struct Par {
    pool: Option<Arc<ThreadPool>>,
}

impl fmt::Debug for Par {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Par({})", self.threads())
    }
}

impl Par {
    /// Everything on the calling thread.
    pub fn seq() -> Self {
        Par { pool: None }
    }

    /// A pool of `threads` threads of its own; one thread needs no pool.
    pub fn new(threads: usize) -> Result<Self> {
        if threads == 0 || threads > MAX_THREADS {
            return Err(Error::invalid("threads", threads, format!("1 to {MAX_THREADS}")));
        }
        if threads == 1 {
            return Ok(Par::seq());
        }
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("trulysparse-{i}"))
            .build()
            .map_err(|e| {
                Error::invalid("threads", threads, format!("a number the system can start ({e})"))
            })?;
        Ok(Par { pool: Some(Arc::new(pool)) })
    }

    /// The number of threads that work is shared between.
    pub fn threads(&self) -> usize {
        self.pool.as_ref().map_or(1, |p| p.current_num_threads())
    }

    /// Runs `op` inside the pool, so that the kernels it calls need not hand work over each time.
    pub fn install<R: Send>(&self, op: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => pool.install(op),
            None => op(),
        }
    }

    /// Runs `body(range, payload)` over disjoint pieces of `rows` that together cover it.
    ///
    /// `work(row)` is the cumulative work of all rows before `row` (non-decreasing; a CSR matrix's
    /// `indptr` is one), `split(payload, range, mid)` cuts a payload in two at row `mid`, and no
    /// piece is cut below `grain` units of work, so that small jobs never wake a thread.
    pub fn for_rows<P, W, S, B>(
        &self,
        rows: Range<usize>,
        grain: usize,
        payload: P,
        work: W,
        split: S,
        body: B,
    ) where
        P: Send,
        W: Fn(usize) -> usize + Sync,
        S: Fn(P, &Range<usize>, usize) -> (P, P) + Sync,
        B: Fn(Range<usize>, P) + Sync,
    {
        let total = work(rows.end) - work(rows.start);
        if self.threads() == 1 || total < 2 * grain {
            return body(rows, payload);
        }
        let piece = (total / (self.threads() * PIECES_PER_THREAD)).max(grain);
        self.install(|| bisect(rows, payload, piece, &work, &split, &body));
    }

    /// Maps `0..n` to a vector, `f(i)` computed once each, in any order on any thread.
    pub fn map<R: Send>(&self, n: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
        use rayon::prelude::*;
        match &self.pool {
            Some(pool) if n > 1 => pool.install(|| (0..n).into_par_iter().map(f).collect()),
            _ => (0..n).map(f).collect(),
        }
    }

    /// Sorts; the result does not depend on the number of threads, as equal keys are equal.
    pub fn sort(&self, keys: &mut [u64]) {
        use rayon::prelude::*;
        match &self.pool {
            Some(pool) if keys.len() > 1 << 14 => pool.install(|| keys.par_sort_unstable()),
            _ => keys.sort_unstable(),
        }
    }
}

fn bisect<P, W, S, B>(rows: Range<usize>, payload: P, piece: usize, work: &W, split: &S, body: &B)
where
    P: Send,
    W: Fn(usize) -> usize + Sync,
    S: Fn(P, &Range<usize>, usize) -> (P, P) + Sync,
    B: Fn(Range<usize>, P) + Sync,
{
    let (first, last) = (work(rows.start), work(rows.end));
    if rows.len() < 2 || last - first < 2 * piece {
        return body(rows, payload);
    }
    let half = first + (last - first) / 2;
    let (mut lo, mut hi) = (rows.start + 1, rows.end - 1);
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        if work(mid) < half { lo = mid + 1 } else { hi = mid }
    }
    let (left, right) = split(payload, &rows, lo);
    rayon::join(
        || bisect(rows.start..lo, left, piece, work, split, body),
        || bisect(lo..rows.end, right, piece, work, split, body),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_every_row_once_whatever_the_work() {
        for threads in [1, 2, 3, 7] {
            let par = Par::new(threads).unwrap();
            for work_of in
                [|_: usize| 1usize, |r: usize| if r == 50 { 10_000 } else { 0 }, |r| r * r]
            {
                let mut cumulative = vec![0];
                for r in 0..101 {
                    cumulative.push(cumulative[r] + work_of(r));
                }
                let mut hits = [0u8; 101];
                par.for_rows(
                    0..101,
                    1,
                    &mut hits[..],
                    |r| cumulative[r],
                    |p: &mut [u8], range, mid| p.split_at_mut(mid - range.start),
                    |range, p| {
                        assert_eq!(range.len(), p.len());
                        p.iter_mut().for_each(|h| *h += 1);
                    },
                );
                assert!(hits.iter().all(|&h| h == 1), "{threads} threads");
            }
        }
    }

    #[test]
    fn zero_threads_is_an_error() {
        assert!(Par::new(0).unwrap_err().to_string().contains("threads = 0"));
        assert!(Par::new(MAX_THREADS + 1).is_err());
    }
}
