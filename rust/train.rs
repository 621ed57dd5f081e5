//! Training loops and scoring: batches from a data set through a network.
//!
//! Nothing here knows of Python: a loop asks a function between steps whether to go on, and can
//! be run again from where it stopped.

mod augment;
mod data;
mod epoch;
mod evolve;
mod hub;
mod local;
mod norms;
mod rounds;
mod scoring;
mod server;
mod share;
mod strategy;
mod team;
mod wasap;
mod wassp;
mod worker;

pub use augment::{Augmentation, Motion};
pub use data::{Data, Samples};
pub use epoch::{Epoch, Plan, single_step};
pub use evolve::{evolve, gradient_at};
pub use hub::{Event, Hub};
pub use local::Local;
pub use norms::gradient_norms;
pub use rounds::Rounds;
pub use scoring::Sweep;
pub use server::{Outcome, Server, Tally, Version};
pub use share::Share;
pub use strategy::{Pace, Strategy, WarmUp, warmup};
pub use team::Team;
pub use wasap::Wasap;
pub use wassp::Wassp;
pub use worker::{Place, Source, Worker};

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
