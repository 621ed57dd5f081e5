//! Truly sparse neural networks: only the connections that exist are stored, computed with and
//! updated.
//!
//! This crate implements the system of *Truly Sparse Neural Networks at Scale* (Curci, Mocanu,
//! Pechenizkiy; arXiv 2102.01732): sparse multilayer perceptrons whose topology evolves while they
//! train. A layer computes `z = W a + b` and `a' = f(z)`, where `W` holds nothing but its
//! connections ([`csr`]); a step of training is three products ([`kernels`]) and one update; the
//! topology changes between epochs ([`topology`]).
//!
//! # Layout
//! `W` is CSR with one row per output neuron; activations are feature-major: one row per neuron,
//! the batch contiguous. The equations of the kernels stand in [`kernels`].
//!
//! # Promises
//! - The same seed gives the same bits for any number of threads.
//! - No array of `n_in * n_out` exists anywhere.
//! - What user data can cause is an [`error::Error`]; a broken internal contract (slices of
//!   mismatched length between modules, a changed structure between two steps) panics with a
//!   message that starts with `internal:`.
//!
//! # Modules
//! `python -> checkpoint, train -> nn -> kernels, topology -> csr -> error, memory, parallel, rng,
//! watch`: the arrows are the only imports, and a test holds them.

pub mod checkpoint;
pub mod csr;
pub mod error;
pub mod kernels;
pub mod memory;
pub mod nn;
pub mod parallel;
#[cfg(feature = "python")]
mod python;
pub mod rng;
pub mod topology;
pub mod train;
pub mod watch;
