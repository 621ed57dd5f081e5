//! Checksums: one of the header, then one of each [`PIECE`] of each tensor in the order of the file.
//!
//! They are CRC-32, as in zip files and Python's `zlib.crc32`, which processors compute faster than
//! they read memory. It finds every damage of up to 32 neighbouring bits in a piece, and misses one
//! in 2^32 of others.

use std::collections::BTreeMap;

use safetensors::tensor::Metadata;

use super::PIECE;

/// The tensor that holds them.
pub const NAME: &str = "checksums";

/// The checksum of these bytes.
pub fn of(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// How many checksums a tensor of this length has.
pub fn count(bytes: usize) -> usize {
    bytes.div_ceil(PIECE)
}

/// For each tensor the number of its first checksum, and how many there are with the header's. That
/// of the checksums themselves means nothing.
pub fn places(metadata: &Metadata) -> (BTreeMap<String, usize>, usize) {
    let (mut places, mut next) = (BTreeMap::new(), 1);
    for name in metadata.offset_keys() {
        let (start, end) = metadata.info(&name).map_or((0, 0), |info| info.data_offsets);
        let own = if name == NAME { 0 } else { count(end - start) };
        places.insert(name, next);
        next += own;
    }
    (places, next)
}
