"""What blocks of rows are read from: arrays and sparse matrices that lie in files."""

from __future__ import annotations

import mmap
import os
from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core
from trulysparse.data.frames import is_missing

Array = npt.NDArray[Any]

MOST_ROWS = 2**31 - 1
"""Rows that a stream may have: as many as an epoch may take in one order."""


class Piece(NamedTuple):
    """Some rows: samples, and what was given as their targets."""

    x: Any
    y: Any


class Stamp:
    """What a file was when it was opened."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        self._seen = self._look()

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = os.stat(self._path)
        except OSError:
            return None
        return found.st_size, found.st_mtime_ns, found.st_ino

    @property
    def size(self) -> int:
        """Its bytes."""
        return 0 if self._seen is None else self._seen[0]

    def check(self) -> None:
        """Raise ValueError if the file is another one by now."""
        found = self._look()
        if found != self._seen:
            what = "is gone" if found is None else "has changed"
            raise ValueError(
                f"{self._path} {what} since it was opened: expected the same file in every pass; "
                "open it again"
            )


class Source(ABC):
    """Rows of a file, or of what lies in one."""

    name = "x"
    """What errors call it."""
    rows: int
    columns: int
    step = 1
    """Rows that are read together at no more cost than one of them."""
    places = 16
    """Blocks in a buffer: rows far from each other in the file come together in it."""
    row_bytes: float
    """What a row takes in memory as a sample."""
    bytes: int
    """What all rows take in the file."""
    names: tuple[str, ...] | None = None
    """Names of the columns, if they have some."""
    has_labels = False

    @abstractmethod
    def read(self, start: int, stop: int) -> Piece:
        """Read some rows."""

    @abstractmethod
    def labels(self, start: int, stop: int) -> Any:
        """Read the targets of some rows."""


class Labels:
    """Targets of samples: an array, a data set of a file, or places in a list of levels."""

    def __init__(self, name: str, values: Any, levels: Array | None = None) -> None:
        self._name, self._values, self._levels = name, values, levels

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows,) or (rows, outputs)."""
        return tuple(self._values.shape)

    def read(self, start: int, stop: int) -> Array:
        """Read some; a ValueError names the first that is missing."""
        values: Array = np.array(self._values[start:stop])
        _forget_pages(self._values)
        if self._levels is None:
            if values.dtype.kind in "SO":
                values = _decoded(values)
            missing = values == None if values.dtype == object else _is_nan(values)  # noqa: E711
        else:
            missing = values < 0
        if np.any(missing):
            row = start + int(np.argwhere(missing)[0][0])
            raise ValueError(f"{self._name} is missing in row {row}: expected a label for each row")
        return values if self._levels is None else self._levels[values]


def labels_of(name: str, y: Any) -> Labels:
    """Give targets as `Labels`; nothing is read of a data set of a file."""
    if is_array_on_disk(y):
        if y.ndim == 0:
            raise ValueError(f"{name} has no dimension: expected a label for each row")
        return Labels(name, y)
    categories = getattr(getattr(y, "cat", y), "categories", None)
    codes = getattr(getattr(y, "cat", y), "codes", None)
    if categories is not None and codes is not None:
        return Labels(name, np.asarray(codes), np.asarray(categories))
    values = np.asarray(y)
    if values.ndim == 0:
        raise ValueError(f"{name} has no dimension: expected a label for each row")
    return Labels(name, values)


def _decoded(values: Array) -> Array:
    """Give text that HDF5 has as bytes, and Python's None where pandas has its own."""
    found = [
        item.decode() if isinstance(item, bytes) else None if is_missing(item) else item
        for item in values.ravel().tolist()
    ]
    array = np.empty(values.shape, object)
    array.ravel()[:] = found
    return array


def _is_nan(values: Array) -> Any:
    return np.isnan(values) if values.dtype.kind == "f" else np.zeros(1, bool)


# --- arrays -------------------------------------------------------------------------------------


def is_array_on_disk(x: Any) -> bool:
    """Tell a data set of h5py or an array of Zarr, of which slices are read."""
    library = type(x).__module__.partition(".")[0]
    return library in ("h5py", "zarr") and hasattr(x, "shape") and hasattr(x, "dtype")


def is_matrix_on_disk(x: Any) -> bool:
    """Tell a sparse matrix of a backed AnnData, of which rows are read."""
    library = type(x).__module__.partition(".")[0]
    return library == "anndata" and hasattr(x, "to_memory") and hasattr(x, "group")


class ArraySource(Source):
    """An array that is mapped from a file, or a data set of one."""

    def __init__(self, name: str, x: Any, y: Labels | None) -> None:
        if len(x.shape) != 2:
            raise ValueError(f"{name} has shape {tuple(x.shape)}: expected (samples, features)")
        if np.dtype(x.dtype).kind not in "biuf":
            raise TypeError(f"{name} has dtype {x.dtype}: expected real numbers")
        self.name, self._x, self._y = name, x, y
        self.rows, self.columns = map(int, x.shape)
        self._stamp = _stamp(x)
        itemsize = np.dtype(x.dtype).itemsize
        self.row_bytes = self.columns * max(4, itemsize)
        self.bytes = _stored(x)
        chunks = getattr(x, "chunks", None)
        self.step = int(chunks[0]) if chunks else 1
        self.has_labels = y is not None

    def read(self, start: int, stop: int) -> Piece:
        if self._stamp is not None:
            self._stamp.check()
        _core.check_mapped(self.name, self._x)
        x = self._x[start:stop]
        x = np.array(x) if isinstance(self._x, np.ndarray) else np.asarray(x)
        _forget_pages(self._x)
        if self._stamp is not None:
            self._stamp.check()
        return Piece(x, self.labels(start, stop))

    def labels(self, start: int, stop: int) -> Any:
        return None if self._y is None else self._y.read(start, stop)


def _stored(x: Any) -> int:
    """Count the bytes that a data set takes in its file."""
    if hasattr(x, "id") and hasattr(x.id, "get_storage_size"):
        return int(x.id.get_storage_size())
    return int(np.prod(x.shape, dtype=np.int64)) * int(np.dtype(x.dtype).itemsize)


def _stamp(x: Any) -> Stamp | None:
    file = getattr(x, "file", None)
    path = getattr(file, "filename", None) or getattr(x, "filename", None)
    return Stamp(path) if isinstance(path, str | os.PathLike) and os.path.exists(path) else None


def _forget_pages(x: Any) -> None:
    """Let the system take back what was read of a mapped file, which it else counts as ours."""
    if getattr(x, "mode", None) not in ("r", "r+"):  # others have changes of their own
        return
    owner = x
    while owner is not None and not isinstance(owner, mmap.mmap):
        owner = getattr(owner, "base", None)
    if owner is not None and hasattr(mmap, "MADV_DONTNEED"):
        owner.madvise(mmap.MADV_DONTNEED)


class MatrixSource(Source):
    """A CSR matrix of an HDF5 or Zarr group, as AnnData writes it."""

    def __init__(self, name: str, group: Any, y: Labels | None) -> None:
        kind = group.attrs.get("encoding-type", group.attrs.get("h5sparse_format", ""))
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if not kind.startswith("csr"):
            raise ValueError(
                f"{name} is stored as {kind or 'something else'}, by columns: expected a CSR "
                "matrix, which rows are read of (write it as one, or use .to_memory())"
            )
        shape = group.attrs["shape"] if "shape" in group.attrs else group.attrs["h5sparse_shape"]
        self.name, self._y = name, y
        self.rows, self.columns = map(int, shape)
        self._indptr = np.asarray(group["indptr"][:]).astype(np.int64)
        self._indices, self._data = group["indices"], group["data"]
        if len(self._indptr) != self.rows + 1 or (np.diff(self._indptr) < 0).any():
            raise ValueError(f"{name} has an indptr that is none of a CSR matrix")
        self._stamp = _stamp(self._data)
        # In the copy of the core as well.
        self.row_bytes = 16 * self._indptr[-1] / max(1, self.rows) + 16
        self.bytes = sum(map(_stored, (self._indices, self._data, group["indptr"])))
        self.has_labels = y is not None

    def read(self, start: int, stop: int) -> Piece:
        if self._stamp is not None:
            self._stamp.check()
        first, last = self._indptr[start], self._indptr[stop]
        parts = (
            np.asarray(self._data[first:last]),
            np.asarray(self._indices[first:last]),
            self._indptr[start : stop + 1] - first,
        )
        if self._stamp is not None:
            self._stamp.check()
        if parts[1].size and (parts[1].min() < 0 or parts[1].max() >= self.columns):
            raise ValueError(f"{self.name} has indices beyond its {self.columns} columns")
        x = scipy.sparse.csr_array(parts, shape=(stop - start, self.columns))
        return Piece(x, self.labels(start, stop))

    def labels(self, start: int, stop: int) -> Any:
        return None if self._y is None else self._y.read(start, stop)


def source_of(name: str, x: Any, y: Labels | None) -> Source:
    """Give what reads rows of an array or a matrix; a TypeError if it is neither."""
    if isinstance(x, np.ndarray) or is_array_on_disk(x):
        return ArraySource(name, x, y)
    if is_matrix_on_disk(x):
        return MatrixSource(name, x.group, y)
    raise TypeError(
        f"{name} is a {type(x).__module__}.{type(x).__qualname__}: expected an array that is "
        "mapped from a file, a data set of h5py or Zarr, or the X of a backed AnnData; "
        "trulysparse.open_table takes paths"
    )
