//! A network that several Python threads use, and that survives a fork of the process.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use std::sync::{
    Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, TryLockError,
    TryLockResult,
};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::nn::Mlp;
use crate::parallel::Par;

/// How long a training loop waits for readers; long enough for any thread to be woken.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long a forked child looks whether a lock is held by another of its threads, for a moment,
/// or by a thread of its parent, always.
const DOUBT: Duration = Duration::from_millis(200);

/// A network behind a lock, and the threads that it uses.
///
/// Call its functions only while detached from the interpreter, [`SharedNetwork::par`] excepted.
///
/// *Fairness.* The standard library's lock lets a loop that unlocks and locks again always win,
/// so readers that find the lock taken are counted, and a training loop that sees some lets go of
/// the lock and waits until they have been in.
///
/// *Forks.* A child inherits its parent's locks as they were, held by threads that it does not
/// have. Until it has seen that the lock is free, it never blocks on it.
pub struct SharedNetwork {
    mlp: RwLock<Mlp>,
    /// The process in which the lock is known to be held by living threads only.
    process: AtomicU32,
    /// Readers that are waiting for the lock.
    waiting: AtomicU64,
    /// Readers that waited and have been let in.
    entered: AtomicU64,
    threads: Mutex<Threads>,
}

/// The threads to use, and the process that they are in.
struct Threads {
    par: Par,
    process: u32,
}

/// The lock, if it is free; a panic in a kernel leaves numbers, not broken invariants, behind.
fn free<G>(result: TryLockResult<G>) -> Option<G> {
    match result {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

/// Tries for [`DOUBT`].
fn patiently<G>(mut attempt: impl FnMut() -> Option<G>) -> Option<G> {
    let start = Instant::now();
    loop {
        match attempt() {
            None if start.elapsed() < DOUBT => std::thread::sleep(Duration::from_millis(1)),
            result => return result,
        }
    }
}

impl SharedNetwork {
    /// A network that is not in use yet.
    pub fn new(mlp: Mlp, par: Par) -> Self {
        SharedNetwork {
            mlp: RwLock::new(mlp),
            process: AtomicU32::new(std::process::id()),
            waiting: AtomicU64::new(0),
            entered: AtomicU64::new(0),
            threads: Mutex::new(Threads { par, process: std::process::id() }),
        }
    }

    /// Whether the lock can be waited for: always in the process that made it, in a forked child
    /// from when the lock has been seen free.
    fn is_ours(&self) -> bool {
        self.process.load(SeqCst) == std::process::id() || {
            let Some(_guard) = free(self.mlp.try_write()) else { return false };
            // The parent's readers wait in the parent.
            self.waiting.store(0, SeqCst);
            self.process.store(std::process::id(), SeqCst);
            true
        }
    }

    /// The network, to look at.
    pub fn read(&self) -> Result<RwLockReadGuard<'_, Mlp>> {
        if !self.is_ours() {
            // Inherited readers do no harm: there is no writer here before the lock is ours.
            let guard = patiently(|| match self.is_ours() {
                true => Some(None),
                false => free(self.mlp.try_read()).map(Some),
            });
            if let Some(guard) = guard.ok_or(Error::Forked)? {
                return Ok(guard);
            }
        }
        if let Some(guard) = free(self.mlp.try_read()) {
            return Ok(guard);
        }
        self.waiting.fetch_add(1, SeqCst);
        let guard = self.mlp.read().unwrap_or_else(PoisonError::into_inner);
        self.entered.fetch_add(1, SeqCst);
        self.waiting.fetch_sub(1, SeqCst);
        Ok(guard)
    }

    /// The network, to change.
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, Mlp>> {
        patiently(|| self.is_ours().then_some(())).ok_or(Error::Forked)?;
        Ok(self.mlp.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Exchanges the contents of two networks.
    pub fn exchange(&self, other: &SharedNetwork) -> Result<()> {
        if std::ptr::eq(self, other) {
            return Ok(());
        }
        // In the order of addresses, so that two exchanges cannot wait for each other.
        let (first, second) = if std::ptr::from_ref(self) < std::ptr::from_ref(other) {
            (self, other)
        } else {
            (other, self)
        };
        let (mut a, mut b) = (first.write()?, second.write()?);
        std::mem::swap(&mut *a, &mut *b);
        Ok(())
    }

    /// Whether other threads wait to look at the network.
    pub fn has_waiting_readers(&self) -> bool {
        self.waiting.load(SeqCst) > 0
    }

    /// Waits, without the lock, until those that were waiting have been let in, or for a moment if
    /// they are held up.
    pub fn let_readers_in(&self) {
        let waiting = self.waiting.load(SeqCst);
        let all = self.entered.load(SeqCst) + waiting;
        let start = Instant::now();
        while self.has_waiting_readers()
            && self.entered.load(SeqCst) < all
            && start.elapsed() < PATIENCE
        {
            std::thread::yield_now();
        }
    }

    fn threads_lock(&self) -> Result<MutexGuard<'_, Threads>> {
        // Held for a moment only, so it is free soon or was taken in the parent at the fork.
        patiently(|| free(self.threads.try_lock())).ok_or(Error::Forked)
    }

    /// The threads to use. A forked child has none of its parent's threads and gets its own.
    pub fn par(&self) -> Result<Par> {
        let mut threads = self.threads_lock()?;
        if threads.process != std::process::id() {
            let fresh = Par::new(threads.par.threads())?;
            threads.replace(fresh);
        }
        Ok(threads.par.clone())
    }

    /// Sets the threads to use.
    pub fn set_par(&self, fresh: Par) -> Result<()> {
        self.threads_lock()?.replace(fresh);
        Ok(())
    }
}

impl Threads {
    fn replace(&mut self, fresh: Par) {
        let new = Threads { par: fresh, process: std::process::id() };
        let old = std::mem::replace(self, new);
        if old.process != std::process::id() {
            // Dropping the parent's pool would wake its threads, which are not here, through locks
            // that they may have held at the fork.
            std::mem::forget(old.par);
        }
    }
}
