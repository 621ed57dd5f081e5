//! The Python extension module `trulysparse._core`: a thin layer that converts and calls.
//!
//! The interpreter is released (`detach`) wherever a lock is taken or work is done, so a thread
//! that waits for a lock never holds the interpreter. Nothing relies on Python's global lock:
//! classes are frozen, and what changes in them is atomic or behind a lock of theirs. Long loops
//! come back every [`TICK`] on the calling thread to see Ctrl-C; `interrupt` says what must hold so
//! that none is lost.

mod attribution;
mod augment;
mod call_lock;
mod convert;
mod data;
mod errors;
mod interrupt;
mod judge;
mod mapped;
mod network;
mod parallel;
mod per_process;
mod remote;
mod results;
mod rules;
mod shared_network;
mod statistics;
mod survey;
mod testing;
mod trainer;

use std::time::{Duration, Instant};

use pyo3::prelude::*;

/// How often a long loop looks at signals and reports progress.
const TICK: Duration = Duration::from_millis(100);

/// A function that says for [`TICK`] to go on.
fn until_tick() -> impl FnMut() -> bool + Send {
    let start = Instant::now();
    move || start.elapsed() < TICK
}

/// The compiled core of trulysparse; use the package `trulysparse` instead.
#[pymodule(gil_used = false)]
mod _core {
    #[pymodule_export]
    use super::attribution::GradientSums;
    #[pymodule_export]
    use super::augment::augmented;
    #[pymodule_export]
    use super::call_lock::{CallLock, CallLockGuard};
    #[pymodule_export]
    use super::data::Data;
    #[pymodule_export]
    use super::interrupt::aside;
    #[pymodule_export]
    use super::judge::{Constant, Measured};
    #[pymodule_export]
    use super::mapped::check_mapped;
    #[pymodule_export]
    use super::network::{
        Footprint, LayerWeights, ModelFile, Network, RemovedNeurons, Snapshot, available_memory,
        available_threads, expected_footprint, resident_memory,
    };
    #[pymodule_export]
    use super::parallel::ParallelTrainer;
    #[pymodule_export]
    use super::remote::{
        EpochProgress, RemoteGradientWorker, RemoteLocalWorker, RemoteServer, Round, Scaling,
    };
    #[pymodule_export]
    use super::results::{Counters, ScoreSums, Scores, SettingRange, Tally, setting_ranges};
    #[pymodule_export]
    use super::rules::{LayerTurnover, Pruned};
    #[pymodule_export]
    use super::statistics::{Moments, Statistics};
    #[pymodule_export]
    use super::survey::{Survey, order};
    #[pymodule_export]
    use super::testing::kernels;
    #[pymodule_export]
    use super::trainer::Trainer;
    use numpy::{PyArray1, PyArrayMethods};
    use pyo3::prelude::*;

    /// Sets the module's constants and refuses a bad choice of instruction set.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // NumPy's functions are looked up by Python code at their first use, where a Ctrl-C would
        // be a panic.
        let array = PyArray1::<f32>::zeros(module.py(), 1, false);
        drop(array.try_readonly()?);
        drop(array.try_readwrite()?);
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("isa", crate::kernels::simd::selected()?.name())
    }
}
