//! One call at a time changes a model.

use std::process::id;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use pyo3::exceptions::PyBaseException;
use pyo3::prelude::*;

const FREE: u32 = 0;

/// A lock that one call at a time holds, and that no call waits for.
///
/// It is a class of the core so that a Ctrl-C finds it either not taken or given back later: Python
/// looks at signals between two of its steps, and there is none between the taking and the
/// `with` block. A forked child finds it free: the call that holds it goes on in the parent only.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct CallLock {
    /// The process whose call holds it.
    holder: Arc<AtomicU32>,
}

/// One call's attempt to take the lock, a context manager.
#[pyclass(frozen, module = "trulysparse._core")]
pub struct CallLockGuard {
    holder: Arc<AtomicU32>,
    busy: Py<PyBaseException>,
    taken: AtomicBool,
}

#[pymethods]
impl CallLock {
    #[new]
    fn new() -> Self {
        CallLock { holder: Arc::new(AtomicU32::new(FREE)) }
    }

    /// Takes the lock for a `with` block, which raises `busy` if another call has it.
    fn hold(&self, busy: Py<PyBaseException>) -> CallLockGuard {
        CallLockGuard { holder: self.holder.clone(), busy, taken: AtomicBool::new(false) }
    }
}

#[pymethods]
impl CallLockGuard {
    fn __enter__(&self, py: Python<'_>) -> PyResult<()> {
        let own = id();
        let free = |holder| (holder != own).then_some(own);
        match self.holder.fetch_update(SeqCst, SeqCst, free) {
            Ok(_) => {
                self.taken.store(true, SeqCst);
                Ok(())
            }
            Err(_) => Err(PyErr::from_value(self.busy.bind(py).clone().into_any())),
        }
    }

    #[pyo3(signature = (*_raised))]
    fn __exit__(&self, _raised: &Bound<'_, PyAny>) {
        if self.taken.swap(false, SeqCst) {
            // In a child that was forked within the block it may have been taken anew, or not.
            let _ = self.holder.compare_exchange(id(), FREE, SeqCst, SeqCst);
        }
    }
}
