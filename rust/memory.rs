//! Allocation that can fail: sizes that come from a user return an [`Error`], never abort.

use crate::error::{Error, Result};

fn refused<T>(len: usize, what: &str) -> Error {
    Error::OutOfMemory { bytes: len as u128 * size_of::<T>() as u128, what: what.to_string() }
}

/// An empty vector with room for exactly `len` elements.
pub fn reserved<T>(len: usize, what: &str) -> Result<Vec<T>> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(len).map_err(|_| refused::<T>(len, what))?;
    Ok(vec)
}

/// A vector of `len` copies of `value`.
pub fn filled<T: Clone>(len: usize, value: T, what: &str) -> Result<Vec<T>> {
    let mut vec = reserved(len, what)?;
    vec.resize(len, value);
    Ok(vec)
}

/// `rows * stride`, or an error that says so when the product does not fit the address space.
pub fn area(rows: usize, stride: usize, what: &str) -> Result<usize> {
    rows.checked_mul(stride).filter(|&n| n <= isize::MAX as usize / 8).ok_or_else(|| {
        Error::OutOfMemory { bytes: rows as u128 * stride as u128 * 4, what: what.to_string() }
    })
}
