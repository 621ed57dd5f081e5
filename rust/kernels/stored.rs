//! Sparse batches by their stored values: work in proportion to these and to the connections of
//! their features.
//!
//! The connections of the batch's features are copied together, feature after feature: what was
//! gathered from random places once is then read many times. [`Touched::give_back`] puts them where
//! they were.
//!
//! # Bits
//! A pre-activation takes the connections of a sample in ascending order of the features, a fused
//! multiply-add each, starting from the bias: the bits are those of [`super::spmm()`], in which the
//! other features would add zeros. A gradient adds up its samples in their order.

mod batch;
mod forward;
mod gradients;
#[cfg(test)]
mod tests;
mod touched;

pub use batch::StoredBatch;
pub use forward::stored_activate;
pub use gradients::stored_gradient_at;
pub use touched::{Behind, ParametersOf, Touched};

const WHAT: &str = "sparse inputs";
/// Multiply-adds that take as long as getting a connection from a random place in memory.
const FETCH: usize = 32;
/// Multiply-adds in vectors that take as long as one at a place that is looked up.
const LOOK_UP: usize = 8;
/// Rows and lanes of a block that is transposed at once.
const TILE: usize = 16;
