//! A network that several Python threads use, and that survives a fork of the process.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::per_process::{PerProcess, Renewed, free, patiently};
use crate::error::Result;
use crate::nn::Mlp;
use crate::parallel::Par;
use crate::train::DataView;

/// How long a training loop waits for readers; long enough for any thread to be woken.
const PATIENCE: Duration = Duration::from_millis(50);

/// A network that is looked at.
pub enum Look<'a> {
    /// Where it is.
    Here(RwLockReadGuard<'a, Mlp>),
    /// A copy.
    Copy(Box<Mlp>),
}

impl Deref for Look<'_> {
    type Target = Mlp;
    fn deref(&self) -> &Mlp {
        match self {
            Look::Here(guard) => guard,
            Look::Copy(copy) => copy,
        }
    }
}

/// A network behind a lock, and the threads that it uses.
///
/// Call its functions only while detached from the interpreter, [`SharedNetwork::par`] excepted.
///
/// *Fairness.* The standard library's lock lets a loop that unlocks and locks again always win,
/// so readers that find the lock taken are counted, and a training loop that sees some lets go of
/// the lock and waits until they have been in.
///
/// *Forks.* A child takes its parent's network over if no thread was in at the fork. If threads of the
/// parent were reading, it reads the same network, and copies it before the first change: those
/// readers never leave. If one was writing, the network is half-made: [`Error::Forked`].
///
/// [`Error::Forked`]: crate::error::Error::Forked
pub struct SharedNetwork {
    networks: PerProcess<Locked>,
    pools: PerProcess<Pool>,
    /// How many threads to use.
    threads: AtomicUsize,
}

/// A network, and who waits for it.
struct Locked {
    mlp: RwLock<Mlp>,
    /// Readers that are waiting for the lock.
    waiting: AtomicU64,
    /// Readers that waited and have been let in.
    entered: AtomicU64,
}

impl Locked {
    fn new(mlp: Mlp) -> Self {
        Locked { mlp: RwLock::new(mlp), waiting: AtomicU64::new(0), entered: AtomicU64::new(0) }
    }

    /// What a forked child makes of its parent's.
    fn renewed(&self) -> Result<Renewed<Self>> {
        patiently(|| {
            if free(self.mlp.try_write()).is_some() {
                // The parent's readers wait in the parent.
                self.waiting.store(0, SeqCst);
                return Some(Ok(Renewed::Inherited));
            }
            let mlp = free(self.mlp.try_read())?;
            Some(mlp.try_clone().map(|copy| Renewed::Fresh(Locked::new(copy))))
        })?
    }
}

// Every call of the binding begins with one of these, so each is there once.
impl SharedNetwork {
    /// A network that is not in use yet.
    #[inline(never)]
    pub fn new(mlp: Mlp, par: Par) -> Self {
        SharedNetwork {
            networks: PerProcess::new(Locked::new(mlp)),
            threads: AtomicUsize::new(par.threads()),
            pools: PerProcess::new(Pool::new(par)),
        }
    }

    /// The network, to look at: a copy if connections owe steps, so that the network stays as it is.
    #[inline(never)]
    pub fn read(&self) -> Result<Look<'_>> {
        let guard = self.as_is()?;
        match guard.owes() {
            false => Ok(Look::Here(guard)),
            true => Ok(Look::Copy(Box::new(guard.settled(&self.par()?)?))),
        }
    }

    /// The network, for these data to pass through: as it is, if their work goes by stored values.
    #[inline(never)]
    pub fn read_for(&self, data: &DataView<'_>) -> Result<Look<'_>> {
        // Connections that owe steps make them in the copies that are taken for a batch.
        if data.are_few() { self.as_is().map(Look::Here) } else { self.read() }
    }

    /// The network, to look at all but its weights, or to go on with its training.
    #[inline(never)]
    pub fn as_is(&self) -> Result<RwLockReadGuard<'_, Mlp>> {
        // Inherited readers do no harm: there is no writer before the network is ours.
        let inherited = patiently(|| match self.networks.last() {
            (_, true) => Some(None),
            (network, false) => free(network.mlp.try_read()).map(Some),
        })?;
        if let Some(guard) = inherited {
            return Ok(guard);
        }
        let (network, _) = self.networks.last();
        if let Some(guard) = free(network.mlp.try_read()) {
            return Ok(guard);
        }
        network.waiting.fetch_add(1, SeqCst);
        let guard = network.mlp.read().unwrap_or_else(PoisonError::into_inner);
        network.entered.fetch_add(1, SeqCst);
        network.waiting.fetch_sub(1, SeqCst);
        Ok(guard)
    }

    /// The network, to change; its connections owe no steps.
    #[inline(never)]
    pub fn write(&self) -> Result<RwLockWriteGuard<'_, Mlp>> {
        let mut guard = self.train()?;
        guard.settle(&self.par()?)?;
        Ok(guard)
    }

    /// The network, to train. It may owe steps, before and after.
    #[inline(never)]
    pub fn train(&self) -> Result<RwLockWriteGuard<'_, Mlp>> {
        let network = self.networks.own(Locked::renewed)?;
        Ok(network.mlp.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Exchanges the contents of two networks.
    #[inline(never)]
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
        let (mut a, mut b) = (first.train()?, second.train()?);
        std::mem::swap(&mut *a, &mut *b);
        Ok(())
    }

    /// Whether other threads wait to look at the network.
    pub fn has_waiting_readers(&self) -> bool {
        self.networks.last().0.waiting.load(SeqCst) > 0
    }

    /// Waits, without the lock, until those that were waiting have been let in, or for a moment if
    /// they are held up.
    pub fn let_readers_in(&self) {
        let (network, _) = self.networks.last();
        let waiting = network.waiting.load(SeqCst);
        let all = network.entered.load(SeqCst) + waiting;
        let start = Instant::now();
        while network.waiting.load(SeqCst) > 0
            && network.entered.load(SeqCst) < all
            && start.elapsed() < PATIENCE
        {
            std::thread::yield_now();
        }
    }

    /// The threads to use. A forked child has none of its parent's threads and gets its own.
    #[inline(never)]
    pub fn par(&self) -> Result<Par> {
        Ok(self.pool()?.lock().clone())
    }

    /// Sets the threads to use.
    #[inline(never)]
    pub fn set_par(&self, fresh: Par) -> Result<()> {
        let pool = self.pool()?;
        self.threads.store(fresh.threads(), SeqCst);
        *pool.lock() = fresh;
        Ok(())
    }

    fn pool(&self) -> Result<&Pool> {
        let fresh = || Ok(Pool::new(Par::new(self.threads.load(SeqCst))?));
        self.pools.own(|_| fresh().map(Renewed::Fresh))
    }
}

/// Threads, and the process that they are in.
struct Pool {
    par: Mutex<Par>,
    process: u32,
}

impl Pool {
    fn new(par: Par) -> Self {
        Pool { par: Mutex::new(par), process: std::process::id() }
    }

    fn lock(&self) -> MutexGuard<'_, Par> {
        self.par.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            // Dropping the parent's pool would wake its threads, which are not here, through locks
            // that they may have held at the fork.
            let par = self.par.get_mut().unwrap_or_else(PoisonError::into_inner);
            std::mem::forget(std::mem::take(par));
        }
    }
}
