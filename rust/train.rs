//! Training loops and scoring: batches from a data set through a network.
//!
//! Nothing here knows of Python: a loop asks a function between steps whether to go on, and can
//! be run again from where it stopped.

mod data;
mod epoch;
mod local;
mod scoring;
mod server;
mod share;
mod team;
mod wasap;
mod wassp;

pub use data::Data;
pub use epoch::{Epoch, Plan, single_step};
pub use local::Local;
pub use scoring::Sweep;
pub use server::{Outcome, Server, Tally, Version};
pub use team::{Strategy, Team};
pub use wasap::{Event, Wasap};
pub use wassp::{Wassp, warmup};

/// How far a loop is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Samples done.
    pub done: usize,
    /// Samples in all.
    pub total: usize,
    /// The scores so far.
    pub score: crate::nn::Score,
}
