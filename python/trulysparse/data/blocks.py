"""Samples of two blocks: numbers beside categories, counts or indicators."""

from __future__ import annotations

from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check
from trulysparse.data.numeric import numeric
from trulysparse.data.sparse import check_sparse

FloatArray = npt.NDArray[np.float32]
DoubleArray = npt.NDArray[np.float64]


class Blocks:
    """Samples of two blocks side by side, which are never joined into one matrix.

    The features of the dense block come first. ``SparseMLP(standardize="auto")`` standardises
    them and leaves one-hot columns as they are; ``standardize=True`` standardises both. Everything
    that takes samples takes blocks.

    Parameters
    ----------
    dense
        Numbers, (n_samples, n_dense), at least one column.
    sparse
        A SciPy sparse matrix, (n_samples, n_sparse): one-hot columns, counts, indicators.

    Attributes
    ----------
    dense : array
        As given, as an array of numbers.
    sparse : csr_array
        As given, with sorted columns and without duplicates.

    Raises
    ------
    ValueError, TypeError
        If they are no such arrays, or have different numbers of samples.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp, trulysparse as ts
    >>> x = ts.Blocks(np.array([[1.5], [20.0]]), sp.csr_array([[0, 1, 0], [1, 0, 0]]))
    >>> x.shape
    (2, 4)
    """

    def __init__(self, dense: Any, sparse: Any) -> None:
        if not scipy.sparse.issparse(sparse):
            raise TypeError(
                f"sparse is a {type(sparse).__name__}: expected a SciPy sparse matrix, and numbers "
                "as dense"
            )
        array, matrix = numeric("dense", dense), check_sparse("sparse", sparse)
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(
                f"dense has shape {array.shape}: expected (samples, columns) with at least one "
                "column, or the sparse matrix alone"
            )
        if len(array) != matrix.shape[0]:
            raise ValueError(
                f"dense has {len(array)} samples and sparse {matrix.shape[0]}: expected as many"
            )
        self.dense, self.sparse = array, matrix

    @property
    def shape(self) -> tuple[int, int]:
        """Samples, and features of both blocks."""
        return len(self.dense), self.dense.shape[1] + self.sparse.shape[1]

    @property
    def ndim(self) -> int:
        """Two."""
        return 2

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.dense)

    def __getitem__(self, rows: Any) -> Blocks:
        """Give some samples: a slice, a mask or integers, also as ``[rows, ...]``."""
        if isinstance(rows, tuple) and len(rows) == 2 and _is_all(rows[1]):
            rows = rows[0]
        if isinstance(rows, tuple):
            raise TypeError(f"blocks[{_check.shown(rows)}]: expected rows only")
        if _check.is_number(rows):
            rows = [rows]
        found = object.__new__(Blocks)
        found.dense, found.sparse = self.dense[rows], self.sparse[rows]
        return found

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        """Raise TypeError: the sparse block would become dense."""
        raise TypeError(
            "two blocks are no array: expected what takes trulysparse.Blocks, or one of .dense and "
            ".sparse"
        )

    def __repr__(self) -> str:
        """Say how many there are."""
        (samples, dense), sparse = self.dense.shape, self.sparse.shape[1]
        return f"Blocks({samples:,} samples, {dense:,} dense and {sparse:,} sparse features)"

    def memory(self) -> int:
        """Count the bytes of both blocks."""
        parts = (self.dense, self.sparse.data, self.sparse.indices, self.sparse.indptr)
        return sum(np.asarray(part).nbytes for part in parts)


def _is_all(columns: Any) -> bool:
    return columns is Ellipsis or (isinstance(columns, slice) and columns == slice(None))


class CsrArrays(NamedTuple):
    """A sparse matrix of samples as the core takes it."""

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.uint32]
    data: FloatArray
    features: int
    # The values, exact in columns that float32 blurs, if there are some and the model standardises.
    exact: DoubleArray | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(samples, features)."""
        return len(self.indptr) - 1, self.features


class BlockArrays(NamedTuple):
    """Samples of two blocks as the core takes them."""

    dense: FloatArray | DoubleArray
    sparse: CsrArrays

    @property
    def shape(self) -> tuple[int, int]:
        """(samples, features of both)."""
        return len(self.dense), self.dense.shape[1] + self.sparse.features
