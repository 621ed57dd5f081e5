//! Training loops and scoring: batches from a data set through a network.
//!
//! Nothing here knows of Python: a loop asks a function between steps whether to go on, and can
//! be run again from where it stopped.
//!
//! - `data`: samples and targets, and how a batch is gathered from them;
//! - `augment`: images that change whenever training takes them;
//! - `settings`: what the epochs of a fit have in common;
//! - `epoch`: sequential training;
//! - `scoring`, `gradient_norms`, `constant`, `attribution`: passes without training;
//! - `evolve`: evolutions, with the batch that a rule takes its gradients on;
//! - `parallel`: training on several workers.

mod attribution;
mod augment;
mod constant;
mod data;
mod epoch;
mod evolve;
mod gradient_norms;
mod parallel;
mod scoring;
mod settings;

pub use attribution::{Along, GradientPass, GradientSums, PathPass};
pub use augment::{Augmentation, Motion};
pub use constant::constant;
pub use data::{ArgumentNames, DataView, Samples, Survey};
pub use epoch::{Epoch, Part, block_order, shares_batches, single_step};
pub use evolve::{evolve, gradient_at};
pub use gradient_norms::gradient_norms;
pub use parallel::{
    AsyncServer, BatchSource, Cursor, Event, GradientWorker, LocalPhase, Outcome, ParallelFit,
    ParallelSettings, Scaling, Share, Strategy, SyncServer, Tally, ValidUpdates, Version, WarmUp,
    Wasap, Wassp, warmup,
};
pub use scoring::InferencePass;
pub use settings::FitSettings;

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
