//! Arrays that are mapped from files. Reading beyond the end of a file that has become shorter ends the
//! process with SIGBUS, so its size is looked at before.

use numpy::PyUntypedArray;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use crate::error::{Error, Result};

/// A file that an array is mapped from, and what it must still have.
pub struct Mapping {
    map: Py<PyAny>,
    bytes: u64,
    path: Option<String>,
}

impl Mapping {
    /// Of an array, or of the one that it is a view of; none if its memory is no `mmap.mmap`.
    pub fn of(array: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        static MMAP: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let kind = MMAP.import(array.py(), "mmap", "mmap")?;
        let (py, mut owner) = (array.py(), array.clone());
        let (mut start, mut path) = (0, None);
        while !owner.is_instance(kind)? {
            // Views of a `numpy.memmap` have its offset as well: the last one knows. Plain arrays have
            // none, and to be told so takes longer than all else here.
            let is_plain = owner.cast_exact::<PyUntypedArray>().is_ok();
            if !is_plain
                && let Ok(offset) = owner.getattr("offset").and_then(|o| o.extract::<u64>())
            {
                start = offset;
            }
            if !is_plain
                && let Ok(name) = owner.getattr("filename").and_then(|f| f.str()?.extract())
            {
                path = Some(name);
            }
            let next = owner.getattr(intern!(py, "base")).or_else(|_| owner.getattr("obj"));
            match next {
                Ok(next) if !next.is_none() => owner = next,
                _ => return Ok(None),
            }
        }
        let page = owner.py().import("mmap")?.getattr("ALLOCATIONGRANULARITY")?.extract::<u64>()?;
        let bytes = start - start % page + owner.len()? as u64;
        Ok(Some(Mapping { map: owner.unbind(), bytes, path }))
    }

    /// An error if the file is shorter by now; `name` is the array's.
    pub fn check(&self, py: Python<'_>, name: &str) -> Result<()> {
        // A map without a file has no size, or that of its memory.
        let size = self.map.bind(py).call_method0("size").and_then(|size| size.extract::<u64>());
        match size {
            Ok(size) if size < self.bytes => {
                let path = self.path.as_ref().map_or("a file".into(), |path| format!("{path:?}"));
                let found = format!("an array mapped from {path}, which now has {size} bytes");
                let expected = format!("the {} bytes that are mapped", self.bytes);
                Err(Error::invalid(name, found, expected))
            }
            _ => Ok(()),
        }
    }
}

/// Raises a ValueError if an array is mapped from a file that has become shorter; `name` is the array's.
#[pyfunction]
pub fn check_mapped(name: &str, array: &Bound<'_, PyAny>) -> PyResult<()> {
    if let Some(mapping) = Mapping::of(array)? {
        mapping.check(array.py(), name)?;
    }
    Ok(())
}
