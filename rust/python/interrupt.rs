//! Slow operations that Ctrl-C ends and that say how far they are.
//!
//! # How an interrupt can be lost
//!
//! A signal only sets a flag. The main thread turns it into a KeyboardInterrupt when it next looks:
//! here, by `check_signals`, or in Python at the beginning of a function, after a call and at the
//! end of a loop's round. One that arrives after the last look of a slow operation is therefore
//! raised as soon as the call has returned, whose work is complete then. It is lost if the main
//! thread looks where Python can raise nothing: in Python code that the interpreter runs by itself
//! while it frees objects, namely `__del__`, callbacks of weak references, and `gc.callbacks`. There
//! the KeyboardInterrupt is printed ("Exception ignored in ...") and dropped, and whoever waits for
//! it waits in vain. So
//!
//! * nothing that a call of this package frees at its end may run Python code: no `WeakSet` of
//!   models, no `Thread` or executor (the standard library keeps them in weak sets), no bar of tqdm
//!   with its `__del__`;
//! * what `check_signals` and `tick` raise is the call's result, even if something else has happened;
//! * no Python code runs where pyo3 or NumPy drop errors or panic on them, such as the first use of
//!   NumPy's functions.
//!
//! Finalisers of others remain: those of `zipfile` behind an export to .npz, and `gc.callbacks` that
//! a program sets (Hypothesis does in tests; a collection that takes long meets a signal often). A
//! second Ctrl-C is the only help. `tests/training/test_interrupts.py` tries every moment.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread::{Builder, scope};
use std::time::{Duration, Instant};

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
            // An interpreter that is shutting down can show nothing to anyone.
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

/// [`watched`] for work that holds locks: on another thread, so that what Python runs
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

/// Calls `work`, a Python function, on another thread and returns its result. Every `seconds`
/// signals are looked at and `look` is called on this one; what they raise is the result, once
/// `work` has ended.
#[pyfunction]
pub fn aside(
    py: Python<'_>,
    work: Py<PyAny>,
    look: Bound<'_, PyAny>,
    seconds: f64,
) -> PyResult<Py<PyAny>> {
    let every = Duration::try_from_secs_f64(seconds)
        .map_err(|_| Error::invalid("seconds", seconds, "a number of at least 0"))?;
    scope(|scope| {
        let (sender, mut receiver) = channel::<()>();
        let work = move || {
            let _until_the_end = sender;
            Python::attach(move |py| work.call0(py))
        };
        let worker = Builder::new().name("trulysparse-aside".into()).spawn_scoped(scope, work)?;
        let mut raised = Ok(());
        loop {
            let receiver = &mut receiver;
            let ended = py.detach(move || receiver.recv_timeout(every));
            if ended != Err(RecvTimeoutError::Timeout) {
                let done = py.detach(|| worker.join());
                let done = done.unwrap_or_else(|panic| resume_unwind(panic));
                return raised.and(done);
            }
            if raised.is_ok() {
                raised = py.check_signals().and_then(|()| look.call0().map(|_| ()));
            }
        }
    })
}
