//! Training on several workers: WASSP-SGD (synchronous) and WASAP-SGD (asynchronous), arXiv
//! 2102.01732.
//!
//! Phase 1, one network on a server: each worker takes gradients of batches of its share of the
//! samples. Phase 2, the last epochs: each worker trains its own network, and the result is their
//! average.
//!
//! - `share`: which samples a worker has; `worker`: the gradients of their batches;
//! - `wassp`: synchronous workers on threads; `sync_server`: steps made of the gradients of all;
//! - `wasap`: asynchronous workers on threads; `async_server`: a step for each gradient that comes;
//!   `updates`: what of a gradient is still valid after the topology has changed;
//! - `local`: phase 2;
//! - `fit`: which phase an epoch belongs to; `strategy`: the learning rate of each epoch.
//!
//! The servers know nothing of threads: the binding uses them for workers that are other processes.

mod async_server;
mod fit;
mod local;
mod share;
mod strategy;
mod sync_server;
mod updates;
mod wasap;
mod wassp;
mod worker;

pub use async_server::{AsyncServer, Event};
pub use fit::{ParallelFit, ParallelSettings};
pub use local::LocalPhase;
pub use share::Share;
pub use strategy::{Scaling, Strategy, WarmUp, warmup};
pub use sync_server::SyncServer;
pub use updates::{Outcome, Tally, ValidUpdates, Version};
pub use wasap::Wasap;
pub use wassp::Wassp;
pub use worker::{BatchSource, Cursor, GradientWorker};

use super::{DataView, Epoch, FitSettings, Progress};
