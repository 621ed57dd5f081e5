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

/// A vector of `len` zeros that the system clears when they are first touched, so by the threads that
/// touch them.
pub fn zeros<T: bytemuck::Zeroable>(len: usize, what: &str) -> Result<Vec<T>> {
    bytemuck::allocation::try_zeroed_vec(len).map_err(|()| refused::<T>(len, what))
}

/// A copy of `values`.
pub fn copied<T: Copy>(values: &[T], what: &str) -> Result<Vec<T>> {
    let mut vec = reserved(values.len(), what)?;
    vec.extend_from_slice(values);
    Ok(vec)
}

/// The items of an iterator that knows its length.
pub fn collected<T>(items: impl ExactSizeIterator<Item = T>, what: &str) -> Result<Vec<T>> {
    let mut vec = reserved(items.len(), what)?;
    vec.extend(items);
    Ok(vec)
}

/// `rows * stride`, or an error that says so when the product does not fit the address space.
pub fn area(rows: usize, stride: usize, what: &str) -> Result<usize> {
    rows.checked_mul(stride).filter(|&n| n <= isize::MAX as usize / 8).ok_or_else(|| {
        Error::OutOfMemory { bytes: rows as u128 * stride as u128 * 4, what: what.to_string() }
    })
}

/// The bytes that this process can still take before something is killed: what the system has
/// available or, if that is less, what is left of the container's limit. Allocations beyond it are
/// not refused where the system overcommits. None if the system does not say.
pub fn available() -> Option<u64> {
    let memory = sysinfo::RefreshKind::nothing()
        .with_memory(sysinfo::MemoryRefreshKind::nothing().with_ram());
    let system = sysinfo::System::new_with_specifics(memory);
    let container = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
    Some(system.available_memory().min(container)).filter(|&bytes| bytes > 0)
}

/// The bytes of memory that this process has now; None if the system does not say.
pub fn resident() -> Option<u64> {
    use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};
    let own = sysinfo::get_current_pid().ok()?;
    let (mut system, which) = (System::new(), [own]);
    let what = ProcessRefreshKind::nothing().with_memory();
    system.refresh_processes_specifics(ProcessesToUpdate::Some(&which), false, what);
    system.process(own).map(sysinfo::Process::memory)
}

/// A cache line of lanes.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([f32; 16]);

/// Bytes from which on [`Lanes`] are mapped: several large pages.
const MAPPED: usize = 16 << 20;

/// Zero-initialised f32s that start at a cache line, so that no vector of a row of lanes straddles
/// two: reading straddling vectors takes twice as long. Many of them are on large pages where the
/// system has some: reading a random row then misses one table less.
#[derive(Debug)]
pub struct Lanes {
    storage: Storage,
    len: usize,
}

#[derive(Debug)]
enum Storage {
    Lines(Vec<Line>),
    Mapped(memmap2::MmapMut),
}

impl Default for Lanes {
    fn default() -> Self {
        Lanes { storage: Storage::Lines(Vec::new()), len: 0 }
    }
}

impl Lanes {
    /// `len` zeros.
    pub fn zeros(len: usize, what: &str) -> Result<Self> {
        let lines = len.div_ceil(16);
        let storage = match lines.checked_mul(size_of::<Line>()) {
            Some(bytes) if bytes >= MAPPED => Storage::Mapped(mapped(bytes, what)?),
            _ => Storage::Lines(filled(lines, Line([0.0; 16]), what)?),
        };
        Ok(Lanes { storage, len })
    }
}

/// Zeros from the system, on large pages if it likes.
fn mapped(bytes: usize, what: &str) -> Result<memmap2::MmapMut> {
    let map = memmap2::MmapMut::map_anon(bytes).map_err(|_| refused::<u8>(bytes, what))?;
    #[cfg(target_os = "linux")]
    let _ = map.advise(memmap2::Advice::HugePage); // a wish, that may not come true
    Ok(map)
}

impl std::ops::Deref for Lanes {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        let all: &[f32] = match &self.storage {
            Storage::Lines(lines) => bytemuck::cast_slice(lines),
            Storage::Mapped(map) => bytemuck::cast_slice(map),
        };
        &all[..self.len]
    }
}

impl std::ops::DerefMut for Lanes {
    fn deref_mut(&mut self) -> &mut [f32] {
        let all: &mut [f32] = match &mut self.storage {
            Storage::Lines(lines) => bytemuck::cast_slice_mut(lines),
            Storage::Mapped(map) => bytemuck::cast_slice_mut(map),
        };
        &mut all[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_are_aligned_zeros_wherever_they_come_from() {
        for len in [0, 1, 1000, MAPPED / 4 - 16, MAPPED / 4 - 15, MAPPED / 4 + 17] {
            let mut lanes = Lanes::zeros(len, "a test").unwrap();
            assert_eq!(lanes.len(), len);
            assert!(lanes.iter().all(|&v| v == 0.0) && lanes.as_ptr().addr().is_multiple_of(64));
            lanes.iter_mut().for_each(|v| *v = 1.0);
            assert!(lanes.iter().all(|&v| v == 1.0));
        }
        let refused = Lanes::zeros(1 << 55, "a test").unwrap_err().to_string();
        assert_eq!(refused, format!("not enough memory: {} bytes for a test", 1u64 << 57));
    }
}
