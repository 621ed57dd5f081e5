//! Writing a safetensors file in pieces, without a copy of what it holds.
//!
//! The library writes each tensor as a whole and cannot be stopped, so only its header is used.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::iter::once;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, TensorInfo};

use super::{LONGEST_HEADER, PIECE, Stored};
use crate::error::{Error, Result};
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
        let mut json = serde_json::to_vec(&Metadata::new(Some(entries), infos)?)?;
        json.resize(json.len().next_multiple_of(8), b' ');
        if json.len() > LONGEST_HEADER {
            return Err(SafeTensorError::HeaderTooLarge);
        }
        let mut header = (json.len() as u64).to_le_bytes().to_vec();
        header.append(&mut json);
        Ok(Contents { header, tensors })
    }

    /// The bytes of the file.
    pub fn len(&self) -> usize {
        self.header.len() + self.tensors.iter().map(|tensor| tensor.bytes.len()).sum::<usize>()
    }

    /// Writes all of it; `name` is what errors call the file.
    pub fn write(&self, out: &mut impl Write, name: &str, watch: &mut Watch<'_>) -> Result<()> {
        let io = |source| Error::Io { path: name.to_string(), source };
        watch.begin(self.len() as u64);
        let parts = once(&*self.header).chain(self.tensors.iter().map(|tensor| &*tensor.bytes));
        for piece in parts.flat_map(|part| part.chunks(PIECE)) {
            out.write_all(piece).map_err(io)?;
            watch.advance(piece.len() as u64)?;
        }
        out.flush().map_err(io)
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
