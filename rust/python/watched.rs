//! Slow operations that Ctrl-C ends and that say how far they are.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{Builder, scope};
use std::time::Instant;

use pyo3::prelude::*;

use super::TICK;
use crate::error::{Error, Result};
use crate::watch::Watch;

/// A function of what is done and of the whole, if there is one.
pub type Tick = Option<Py<PyAny>>;

/// Looks at signals and calls `tick`, once the whole is known.
fn look(py: Python<'_>, tick: &Tick, done: u64, total: u64) -> PyResult<()> {
    py.check_signals()?;
    match tick {
        Some(tick) if total > 0 => tick.call1(py, (done, total)).map(|_| ()),
        _ => Ok(()),
    }
}

/// Runs `work`, which must hold no lock, detached. Every [`TICK`] signals are looked at and `tick`
/// is called; what they raise stops the work and is the result.
pub fn watched<R: Send>(
    py: Python<'_>,
    tick: Tick,
    work: impl FnOnce(&mut Watch<'_>) -> Result<R> + Send,
) -> PyResult<R> {
    let (mut raised, mut last) = (None, Instant::now());
    let result = py.detach(|| {
        work(&mut Watch::new(&mut |done, total| {
            if last.elapsed() < TICK {
                return Ok(());
            }
            last = Instant::now();
            // An interpreter that is shutting down has nobody who could see anything.
            match Python::try_attach(|py| look(py, &tick, done, total)) {
                Some(Err(error)) => {
                    raised = Some(error);
                    Err(Error::Stopped)
                }
                _ => Ok(()),
            }
        }))
    });
    raised.map_or_else(|| Ok(result?), Err)
}

/// [`watched`] for work that holds locks: on a thread of its own, so that what Python runs
/// meanwhile, such as a signal handler that uses the same network, waits for it at worst.
pub fn watched_with_locks<R: Send>(
    py: Python<'_>,
    tick: Tick,
    work: impl FnOnce(&mut Watch<'_>) -> Result<R> + Send,
) -> PyResult<R> {
    let (done, total, stop) = (&AtomicU64::new(0), &AtomicU64::new(0), &AtomicBool::new(false));
    scope(|scope| {
        let (sender, mut receiver) = channel::<()>();
        let work = move || {
            let _until_the_end = sender;
            work(&mut Watch::new(&mut |now, all| {
                done.store(now, Relaxed);
                total.store(all, Relaxed);
                if stop.load(Relaxed) { Err(Error::Stopped) } else { Ok(()) }
            }))
        };
        let worker = Builder::new().name("trulysparse-watched".into()).spawn_scoped(scope, work)?;
        loop {
            let receiver = &mut receiver;
            let ended = py.detach(move || receiver.recv_timeout(TICK));
            if ended != Err(RecvTimeoutError::Timeout) {
                return Ok(worker.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            if let Err(raised) = look(py, &tick, done.load(Relaxed), total.load(Relaxed)) {
                stop.store(true, Relaxed);
                let _ = py.detach(|| worker.join());
                return Err(raised);
            }
        }
    })
}
