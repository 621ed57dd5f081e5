//! What a forked child makes anew.

use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, OnceLock, TryLockError, TryLockResult};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a forked child looks whether a lock is held by another of its threads, for a moment,
/// or by a thread of its parent, always.
const DOUBT: Duration = Duration::from_millis(200);

/// The lock, if it is free; a panic in a kernel leaves numbers, not broken invariants, behind.
pub fn free<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Tries for [`DOUBT`]; then the parent was at it when it was forked.
pub fn patiently<G>(mut attempt: impl FnMut() -> Option<G>) -> Result<G> {
    let start = Instant::now();
    loop {
        match attempt() {
            Some(found) => return Ok(found),
            None if start.elapsed() > DOUBT => return Err(Error::Forked),
            None => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// A value with locks in it, such that no process waits for the threads of another.
///
/// A child inherits its parent's locks as they were, held by threads that it does not have. So it
/// gets another value, behind that of its parent, which stays where it is.
pub struct PerProcess<T> {
    /// The process whose threads use the value.
    process: AtomicU32,
    value: T,
    next: OnceLock<Box<PerProcess<T>>>,
    /// Held while `next` is made, or the value is taken over.
    renewing: Mutex<()>,
}

/// What a child uses from now on.
pub enum Renewed<T> {
    /// The parent's value, whose locks are free.
    Inherited,
    Fresh(T),
}

impl<T> PerProcess<T> {
    pub fn new(value: T) -> Self {
        PerProcess {
            process: AtomicU32::new(std::process::id()),
            value,
            next: OnceLock::new(),
            renewing: Mutex::new(()),
        }
    }

    /// The last value, and whether it is this process's.
    pub fn last(&self) -> (&T, bool) {
        let link = self.last_link();
        (&link.value, link.is_ours())
    }

    /// This process's value, which `renew` makes if the last one is another process's.
    pub fn own(&self, renew: impl FnOnce(&T) -> Result<Renewed<T>>) -> Result<&T> {
        let mut link = self.last_link();
        if !link.is_ours() {
            // Within the lock, as two threads may be here.
            let _guard: MutexGuard<'_, ()> = patiently(|| free(link.renewing.try_lock()))?;
            if !link.is_ours() && link.next.get().is_none() {
                match renew(&link.value)? {
                    Renewed::Inherited => link.process.store(std::process::id(), SeqCst),
                    Renewed::Fresh(value) => {
                        let _ = link.next.set(Box::new(PerProcess::new(value)));
                    }
                }
            }
            link = link.last_link();
        }
        Ok(&link.value)
    }

    fn last_link(&self) -> &Self {
        let mut link = self;
        while let Some(next) = link.next.get() {
            link = next;
        }
        link
    }

    fn is_ours(&self) -> bool {
        self.process.load(SeqCst) == std::process::id()
    }
}
