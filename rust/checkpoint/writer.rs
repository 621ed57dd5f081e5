//! Writing a safetensors file in pieces, without a copy of what it holds.
//!
//! The library writes each tensor as a whole and cannot be stopped, so only its header is used.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{LONGEST_HEADER, PIECE, Stored, checksums};
use crate::error::{Error, Result};
use crate::memory::reserved;
use crate::watch::Watch;

/// An array of the model as bytes.
pub struct Tensor<'a> {
    dtype: Dtype,
    len: usize,
    bytes: Cow<'a, [u8]>,
}

impl<'a> Tensor<'a> {
    /// Of borrowed numbers.
    pub fn of<T: Stored>(values: &'a [T]) -> Self {
        let bytes = Cow::Borrowed(bytemuck::cast_slice(values));
        Tensor { dtype: T::DTYPE, len: values.len(), bytes }
    }

    /// Of numbers as they stand in the file.
    pub fn owned<T: Stored>(bytes: Vec<u8>) -> Self {
        Tensor { dtype: T::DTYPE, len: bytes.len() / size_of::<T>(), bytes: Cow::Owned(bytes) }
    }
}

/// A file that is yet to be written.
pub struct Contents<'a> {
    header: Vec<u8>,
    tensors: Vec<Tensor<'a>>,
    /// How many checksums there are.
    sums: usize,
}

impl<'a> Contents<'a> {
    /// Tensors by name and the entries of the header.
    pub fn new(
        mut named: Vec<(String, Tensor<'a>)>,
        entries: HashMap<String, String>,
    ) -> std::result::Result<Self, SafeTensorError> {
        // The order of the library: tensors of any sizes are aligned, and it is the same each time.
        named.sort_by(|(a, x), (b, y)| y.dtype.cmp(&x.dtype).then(a.cmp(b)));
        let (mut infos, mut tensors, mut end) = (Vec::new(), Vec::new(), 0);
        for (name, tensor) in named {
            let data_offsets = (end, end + tensor.bytes.len());
            let info = TensorInfo { dtype: tensor.dtype, shape: vec![tensor.len], data_offsets };
            end = data_offsets.1;
            infos.push((name, info));
            tensors.push(tensor);
        }
        let sums =
            1 + tensors.iter().map(|t: &Tensor<'_>| checksums::count(t.bytes.len())).sum::<usize>();
        let data_offsets = (end, end + 4 * sums);
        let info = TensorInfo { dtype: u32::DTYPE, shape: vec![sums], data_offsets };
        infos.push((checksums::NAME.to_string(), info)); // last, so that they are known by then
        let mut json = serde_json::to_vec(&Metadata::new(Some(entries), infos)?)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        if json.len() > LONGEST_HEADER {
            return Err(SafeTensorError::HeaderTooLarge);
        }
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.append(&mut json);
        Ok(Contents { header, tensors, sums })
    }

    /// The bytes of the file.
    pub fn len(&self) -> usize {
        let tensors = self.tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>();
        self.header.len() + tensors + 4 * self.sums
    }

    /// Writes all of it; `name` is what errors call the file.
    pub fn write(&self, out: &mut impl Write, name: &str, watch: &mut Watch<'_>) -> Result<()> {
        watch.begin(self.len() as u64);
        let mut put = |bytes: &[u8]| {
            out.write_all(bytes).map_err(|source| Error::Io { path: name.to_string(), source })?;
            watch.advance(bytes.len() as u64)
        };
        let mut sums = reserved(4 * self.sums, "checksums")?;
        sums.extend(checksums::of(&self.header).to_le_bytes());
        self.header.chunks(PIECE).try_for_each(&mut put)?;
        for piece in self.tensors.iter().flat_map(|tensor| tensor.bytes.chunks(PIECE)) {
            sums.extend(checksums::of(piece).to_le_bytes());
            put(piece)?;
        }
        sums.chunks(PIECE).try_for_each(&mut put)?;
        out.flush().map_err(|source| Error::Io { path: name.to_string(), source })
    }
}

/// Bytes after which a file is synced while it is written.
const SYNCED: usize = 64 << 20;

/// A file that goes to the disk as it is written: so the sync at its end, which nothing can stop,
/// is short, and progress is what has arrived.
pub struct Durable<'a> {
    file: &'a File,
    pending: usize,
}

impl<'a> Durable<'a> {
    /// Nothing is written yet.
    pub fn new(file: &'a File) -> Self {
        Durable { file, pending: 0 }
    }
}

impl Write for Durable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.pending += written;
        if self.pending >= SYNCED {
            self.file.sync_data()?;
            self.pending = 0;
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
