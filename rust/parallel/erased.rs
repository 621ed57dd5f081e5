//! Rayon's calls, each compiled once.
//!
//! They are generic over what they run: compiled for each closure of the crate, its queues and
//! latches were a sixth of the binary. Here they run a reference to a closure, which costs one more
//! call where they hand work to a thread.

use rayon::ThreadPool;

/// What runs once.
pub type Task<'a> = &'a mut (dyn FnMut() + Send);

/// Has `run` run `op` as a task, and returns what that returned.
pub fn once<R: Send>(op: impl FnOnce() -> R + Send, run: impl FnOnce(Task<'_>)) -> R {
    let (mut op, mut result) = (Some(op), None);
    run(&mut || result = op.take().map(|op| op()));
    result.expect("internal: a task that was not run")
}

/// [`ThreadPool::install`].
#[inline(never)]
pub fn install(pool: &ThreadPool, task: Task<'_>) {
    pool.install(task);
}

/// [`rayon::join`].
pub fn join<A: Send, B: Send>(
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B + Send,
) -> (A, B) {
    let mut b = None;
    let a = once(first, |first| b = Some(once(second, |second| join_tasks(first, second))));
    (a, b.expect("internal: a task that was not run"))
}

#[inline(never)]
fn join_tasks(first: Task<'_>, second: Task<'_>) {
    rayon::join(first, second);
}

/// What is done to an item, given its place.
pub type ForItem<'a, T> = &'a (dyn Fn(usize, &mut T) + Sync);

/// Runs `f` on each item and its place, which begin with `first`; idle threads take some.
pub fn each<T: Send>(items: &mut [T], first: usize, f: ForItem<'_, T>) {
    match items {
        [] => {}
        [item] => f(first, item),
        _ => {
            let mid = items.len() / 2;
            let (left, right) = items.split_at_mut(mid);
            join(|| each(left, first, f), || each(right, first + mid, f));
        }
    }
}
