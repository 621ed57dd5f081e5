//! The arithmetic: products of a sparse matrix with feature-major batches, and element-wise work.
//!
//! # Layout
//! A batch of `b` samples of `n` features is feature-major: `n` rows of [`stride`]`(b)` lanes, one
//! lane a sample; the lanes from `b` on are padding (finite in activations, zero in deltas).
//!
//! | kernel | equation | parallel over |
//! |---|---|---|
//! | [`spmm()`] | `Y = W X + bias` | rows of W |
//! | [`spmm_transpose`] | `dX = W^T dY` | columns of W |
//! | [`sddmm()`] | `dW = (dY X^T)` at W's entries | rows of W |
//!
//! # Bits
//! Every output element is computed by one thread with one fixed order of roundings, so results
//! do not depend on the number of threads, on the tile that a lane falls into, nor on the
//! instruction set: in both products one accumulator per element takes the entries in ascending
//! order, a fused multiply-add each, starting from the bias (or 0); [`sddmm()`] sums over the batch
//! in [`LANES`] virtual lanes which one fixed tree reduces.
//!
//! # Denormal numbers
//! Training keeps none: what a step stores, and the activations and deltas that it makes, are
//! [`flushed`]. Predictions and evaluations are not, so a saved model predicts the same bits.
//!
//! Kernels know nothing of layers: what a row needs after its product (activation, derivative)
//! comes as plain numbers in [`Forward`] and [`Backward`].
//!
//! # Panics
//! Slices whose lengths do not belong together are a broken contract.

mod activation;
mod epilogue;
mod flush;
mod idle;
pub mod limits;
mod math;
mod noise;
mod operands;
mod scatter;
mod sddmm;
pub mod simd;
mod softmax;
mod sparse_batch;
mod spmm;
mod srelu;
mod standardize;
mod step;
mod stored;
mod tiles;
mod traversal;
mod warp;

pub use activation::{Map, Needs};
pub use epilogue::{Backward, Biases, Forward, Mask, bias_gradient, bias_update};
pub use flush::{LEAST, flush, flushed};
pub use idle::Idle;
pub use noise::add_noise;
pub use operands::{Batch, BatchMut, Linear, Outputs, Parameters, Record, Transposed, Weights};
pub use scatter::spmm_transpose_scatter;
pub use sddmm::{sddmm, sddmm_update};
pub use softmax::{sigmoid, softmax};
pub use sparse_batch::{
    Centre, ColumnSet, Given, Picked, Selected, gradient_picked, shifted_bias, update_picked,
};
pub use spmm::{spmm, spmm_activate, spmm_transpose, spmm_transpose_derive};
pub use srelu::{SRELU_PARAMETERS, srelu, srelu_backward, srelu_of};
pub use standardize::{Scaling, Scalings, clipped, standardize_lanes, standardize_row};
pub use step::*;
pub use stored::{Behind, ParametersOf, StoredBatch, Touched, stored_activate, stored_gradient_at};
pub use tiles::{LANES, stride, words};
pub use warp::{Affine, Frame, warp};

/// Below this many multiply-adds a kernel stays on the calling thread: waking another one costs
/// about as much.
const GRAIN: usize = 1 << 16;
