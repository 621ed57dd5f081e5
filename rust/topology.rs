//! Which connections exist: how a layer's structure starts and how it changes.
//!
//! Everything here takes a matrix and gives a new one together with a map from its entries to the
//! old ones. A value of each entry, such as its momentum, can be carried along. Nothing here knows a
//! network, its layers' settings or epochs. Time and memory are O(connections + neurons): no array of
//! n_in * n_out exists anywhere.
//!
//! An evolution follows a [`Rule`], which is made of parts; `rule.rs` says which there are.

mod average;
mod buffers;
mod drop;
mod importance;
mod init;
mod merge;
mod restrict;
mod rewire;
mod rule;
mod sample;
mod thinned;

pub use average::average;
pub use buffers::{Buffers, evolution_bytes};
pub use drop::{Cuts, Survival, weakest};
pub use importance::{
    incoming_strength, outgoing_strength, path_strength, percentile, without_neurons,
};
pub use init::{
    Fan, Init, Scheme, Shape, erdos_renyi, erdos_renyi_watched, expected_connections,
    initial_weights,
};
pub use merge::{Evolved, Turnover, carry, merge};
pub use restrict::{Restricted, restrict};
pub use rewire::{Grown, Rewired, rewire};
pub use rule::*;
pub use sample::sample_distinct;
pub use thinned::{Old, Thinned};
