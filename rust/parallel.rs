//! Parallelism as a value: a [`Par`] says how many threads a kernel may use. The caller chooses the
//! number; `config.threads` does in Python.
//!
//! Work over rows is split recursively where the *amount of work* halves, not the number of rows,
//! and every output element is computed by exactly one thread, in an order that does not depend
//! on where the cuts fall. That is what keeps results bit-identical for any number of threads.

mod erased;

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Error, Result};
use erased::{Task, each, once};

/// Pieces per thread: a few more than one, so that a thread that is held up can be helped.
const PIECES_PER_THREAD: usize = 4;

/// The largest accepted number of threads.
pub const MAX_THREADS: usize = 1024;

/// The processors that this process may use: those that it is bound to, or fewer where a container
/// gets less time, and never none.
pub fn available() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS)
}

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

    /// A new pool of `threads` threads; one thread needs no pool.
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
            Some(pool) => once(op, |task| erased::install(pool, task)),
            None => op(),
        }
    }

    /// [`Par::install`] for many small kernels in a row: meanwhile the other threads look for work
    /// without going to sleep, as waking one takes as long as a small kernel does.
    pub fn awake<R: Send>(&self, op: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => once(op, |task| {
                erased::install(pool, &mut || awake(task, pool.current_num_threads() - 1));
            }),
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

    /// Runs both; an idle thread may take the second meanwhile.
    pub fn join<A: Send, B: Send>(
        &self,
        first: impl FnOnce() -> A + Send,
        second: impl FnOnce() -> B + Send,
    ) -> (A, B) {
        match &self.pool {
            Some(_) => self.install(|| erased::join(first, second)),
            None => (first(), second()),
        }
    }

    /// Maps `0..n` to a vector, `f(i)` computed once each, in any order on any thread.
    pub fn map<R: Send>(&self, n: usize, f: impl Fn(usize) -> R + Sync + Send) -> Vec<R> {
        if self.threads() == 1 || n < 2 {
            return (0..n).map(f).collect();
        }
        let mut results: Vec<Option<R>> = (0..n).map(|_| None).collect();
        self.install(|| each(&mut results, 0, &|i, result| *result = Some(f(i))));
        results.into_iter().flatten().collect()
    }

    /// Runs `f` once on each item, in any order on any thread; the results in the items' order.
    pub fn for_each<T: Send, R: Send>(
        &self,
        items: &mut [T],
        f: impl Fn(&mut T) -> R + Sync + Send,
    ) -> Vec<R> {
        if self.threads() == 1 || items.len() < 2 {
            return items.iter_mut().map(f).collect();
        }
        let mut pairs: Vec<(&mut T, Option<R>)> = items.iter_mut().map(|t| (t, None)).collect();
        self.install(|| each(&mut pairs, 0, &|_, (item, result)| *result = Some(f(item))));
        pairs.into_iter().filter_map(|(_, result)| result).collect()
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

/// How long to wait for the others to wake up.
const WAKE: Duration = Duration::from_millis(1);

/// Runs `op` while `others` tasks keep as many threads of the current pool looking for work.
fn awake(op: Task<'_>, others: usize) {
    // A task that has not begun when the door closes returns at once: it must never be picked up
    // by a thread that waits for a part of `op`, as it ends after `op` only.
    let (door, done) = (Mutex::new((true, 0usize)), AtomicBool::new(false));
    let enter = || {
        let mut door = door.lock().unwrap_or_else(PoisonError::into_inner);
        door.1 += usize::from(door.0);
        door.0
    };
    let begun = || door.lock().unwrap_or_else(PoisonError::into_inner).1;
    let look_for_work = || {
        while !done.load(Ordering::Relaxed) {
            // Threads beyond the processors must not take time from those that work.
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::thread::yield_now();
            }
        }
    };
    /// Says that `op` is done, also when it panics.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    rayon::scope(|scope| {
        let _done = Done(&done);
        for _ in 0..others {
            scope.spawn(|_| {
                if enter() {
                    look_for_work();
                }
            });
        }
        let start = Instant::now();
        while begun() < others && start.elapsed() < WAKE {
            std::thread::yield_now();
        }
        door.lock().unwrap_or_else(PoisonError::into_inner).0 = false;
        op();
    });
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
    erased::join(
        || bisect(rows.start..lo, left, piece, work, split, body),
        || bisect(lo..rows.end, right, piece, work, split, body),
    );
}

/// Cuts an array that lies bucket by bucket, and within a bucket group by group: for each group its
/// part of each bucket, to be filled from the front. `counts[group][bucket]` are the lengths.
///
/// Scattering like this keeps the order of groups, whichever thread a group is on.
pub fn by_groups<'a, T>(
    mut array: &'a mut [T],
    counts: &[Vec<usize>],
) -> Vec<Vec<std::slice::IterMut<'a, T>>> {
    let buckets = counts.first().map_or(0, Vec::len);
    let mut parts: Vec<_> = counts.iter().map(|_| Vec::with_capacity(buckets)).collect();
    for bucket in 0..buckets {
        for (counts, parts) in counts.iter().zip(&mut parts) {
            let (part, rest) = array.split_at_mut(counts[bucket]);
            parts.push(part.iter_mut());
            array = rest;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_fill_their_parts_of_the_buckets() {
        let mut array = [0; 6];
        let mut parts = by_groups(&mut array, &[vec![1, 0, 2], vec![2, 1, 0]]);
        for (group, parts) in parts.iter_mut().enumerate() {
            for (bucket, part) in parts.iter_mut().enumerate() {
                part.for_each(|v| *v = 10 * group + bucket);
            }
        }
        assert_eq!(array, [0, 10, 10, 11, 2, 2]);
        assert!(by_groups(&mut array, &[]).is_empty());
    }

    #[test]
    fn pieces_cover_every_row_once_for_any_work() {
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
    fn work_is_done_while_threads_are_kept_awake() {
        let par = Par::new(3).unwrap();
        let sum = |par: &Par| {
            let mut squares = vec![0usize; 1000];
            par.for_rows(
                0..1000,
                1,
                &mut squares[..],
                |r| r,
                |p: &mut [usize], range, mid| p.split_at_mut(mid - range.start),
                |range, p| range.zip(p).for_each(|(r, p)| *p = r * r),
            );
            squares.iter().sum::<usize>()
        };
        let expected = (0..1000).map(|r| r * r).sum::<usize>();
        // From several threads at once, and one inside the other.
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let (inner, outer) = par.awake(|| (par.awake(|| sum(&par)), sum(&par)));
                        assert_eq!((inner, outer), (expected, expected));
                    }
                });
            }
        });
        // A panic comes out and ends the waiting.
        let panicking = || par.awake(|| panic!("expected"));
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(panicking));
        assert!(panicked.is_err());
        assert_eq!(par.awake(|| sum(&par)), expected);
    }

    #[test]
    fn zero_threads_is_an_error() {
        assert!(Par::new(0).unwrap_err().to_string().contains("threads = 0"));
        assert!(Par::new(MAX_THREADS + 1).is_err());
    }
}
