//! In which order the entries of a matrix are visited. Sums do not depend on it.

pub(super) mod blocks;
pub(super) mod panels;
