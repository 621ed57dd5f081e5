//! The halves of a parallel fit for workers that are other processes. How arrays get from one to
//! the other is the caller's.

mod local;
mod server;
mod worker;

pub use local::RemoteLocalWorker;
pub use server::{EpochProgress, RemoteServer, Round, Scaling};
pub use worker::RemoteGradientWorker;

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::error::Result;
use crate::train::Share;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `workers`: None if the data are this worker's own.
fn share(worker: usize, workers: Option<usize>, samples: usize) -> Result<Share> {
    match workers {
        Some(workers) => Share::of(worker, workers, samples),
        None => Ok(Share::apart(worker, samples)),
    }
}
