//! Which connections exist: how a layer's structure starts and how it changes.
//!
//! Everything here takes a matrix and gives a new one together with a map from its entries to the
//! old ones; nothing here knows of layers, momentum or epochs. Time and memory are O(connections
//! + neurons): no array of n_in * n_out exists anywhere.

mod average;
mod guided;
mod importance;
mod init;
mod restrict;
mod rewire;
mod sample;
mod select;
mod set;
mod spare;

pub use average::average;
pub use guided::{Guide, candidate_bytes};
pub use importance::{incoming_strength, outgoing_strength, path_strength, percentile};
pub use init::{
    Fan, Init, Scheme, Shape, erdos_renyi, erdos_renyi_watched, expected_connections,
    initial_weights,
};
pub use restrict::{Restricted, restrict};
pub use rewire::{Grown, Rewired, rewire};
pub use sample::sample_distinct;
pub use set::{Evolution, Evolved, carry, evolve};
pub use spare::{Spare, evolution_bytes};
