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
//! watch`: a module imports only what is to its right. `docs/architecture.md` has the table, and a
//! test holds it.
//!
//! # Reading order
//! 1. [`csr`], [`rng`] and [`parallel`]: what a layer is, where random numbers come from, and why the
//!    number of threads changes no bit.
//! 2. [`kernels`]: the equations, and the products that compute them.
//! 3. [`nn`]: [`nn::Mlp::train_step`] is one step from a batch to new weights.
//! 4. [`topology`]: how connections are dropped and grown; [`nn::Mlp::evolve`] does it to a network.
//! 5. [`train`]: the steps of an epoch, then those of several workers.
//! 6. [`checkpoint`]: what of it stands in a file.
//!
//! # Example
//! A network that learns whether the first of eight numbers is above the second one, and evolves
//! between epochs:
//!
//! ```
//! use trulysparse::nn::{
//!     Activation, ActivationKind, Config, Fall, LayerRates, Loss, Memory, Mlp, Optimizer,
//!     Sparsity, Targets, UpdateSettings, Workspace,
//! };
//! use trulysparse::parallel::Par;
//! use trulysparse::rng::{Purpose, Stream, symmetric};
//! use trulysparse::topology::{Fan, Init, Scheme, Set};
//! use trulysparse::train::{ArgumentNames, DataView, Epoch, FitSettings, Samples};
//!
//! # fn main() -> trulysparse::error::Result<()> {
//! let draws = Stream::new(1, Purpose::Weights, 0, 0);
//! let x: Vec<f32> = (0..8 * 512).map(|i| symmetric(draws.at(i))).collect();
//! let y: Vec<u32> = x.chunks(8).map(|row| u32::from(row[0] > row[1])).collect();
//! let (par, targets) = (Par::seq(), Targets::Classes(&y));
//! let names = ArgumentNames { x: "x", y: "y" };
//! let samples = Samples::Dense(&x, 8);
//! let data = DataView::new(&par, samples, Some(targets), Loss::CrossEntropy, 2, names)?;
//!
//! let mut model = Mlp::new(
//!     &par,
//!     Config {
//!         sparsity: Sparsity::Epsilon(3.0.into()),
//!         activation: Activation { kind: ActivationKind::AllRelu.into(), slope: 0.6 },
//!         init: Init { scheme: Scheme::HeUniform, fan: Fan::Real },
//!         seed: 1,
//!         ..Config::plain(vec![8, 30, 2])
//!     },
//! )?;
//! let optimizer = Optimizer {
//!     rule: UpdateSettings::Sgd { momentum: 0.9, nesterov: false, schedule_decay: false },
//!     learning_rate: 0.05,
//!     weight_decay: 0.0,
//!     l1: 0.0,
//!     schedule: Fall::Constant.into(),
//!     layer_rates: LayerRates::Equal,
//! };
//! let (epochs, steps) = (5, 512 / 32);
//! let settings = FitSettings { batch_size: 32, optimizer, total_steps: epochs * steps };
//! let mut workspace = Workspace::new(&model, settings.batch_size, Memory::Fast)?;
//! let (connections, mut losses) = (model.nnz(), Vec::new());
//! for e in 0..epochs {
//!     let mut epoch = Epoch::new(&model, &data, settings, e * steps)?;
//!     epoch.run(&par, &mut model, &mut workspace, &data, || true)?;
//!     losses.push(epoch.progress().score.mean_loss());
//!     model.evolve(&par, &Set { zeta: 0.3, grow_init: 0.1 })?;
//! }
//! assert!(losses[4] < 0.5 * losses[0]);
//! assert_eq!(model.nnz(), connections); // others than at first, but as many
//! # Ok(())
//! # }
//! ```

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
