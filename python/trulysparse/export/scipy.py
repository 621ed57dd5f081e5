"""SciPy matrices as what the core takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check
from trulysparse.data import arrays
from trulysparse.data.numeric import numeric
from trulysparse.data.sparse import check_sparse

Matrix = tuple[
    npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.float32], npt.NDArray[np.float32]
]


def to_core(
    weights: Sequence[Any], biases: Sequence[npt.ArrayLike] | None
) -> tuple[list[int], list[Matrix]]:
    """Give the layer sizes, and (indptr, indices, data, bias) of each layer, a row per output."""
    weights = _check.sequence("weights", weights, "a sequence of SciPy sparse matrices")
    if not weights:
        raise ValueError("weights is empty: expected a SciPy sparse matrix per layer")
    given = (
        [None] * len(weights)
        if biases is None
        else _check.sequence("biases", biases, "a sequence of arrays")
    )
    if len(given) != len(weights):
        raise ValueError(f"biases has {len(given)} arrays: expected {len(weights)}, one per layer")
    sizes: list[int] = []
    matrices: list[Matrix] = []
    for i, (weight, bias) in enumerate(zip(weights, given, strict=True)):
        name = f"weights[{i}]"
        if not scipy.sparse.issparse(weight):
            raise TypeError(f"{name} is a {type(weight).__name__}: expected a SciPy sparse matrix")
        matrix = check_sparse(name, weight, by_columns=True)
        n_in, n_out = matrix.shape
        if n_in == 0 or n_out == 0:
            raise ValueError(
                f"{name} has shape {matrix.shape}: expected at least one row and column"
            )
        if sizes and sizes[-1] != n_in:
            expected = f"{sizes[-1]} rows, as many as weights[{i - 1}] has columns"
            raise ValueError(f"{name} has shape {matrix.shape}: expected {expected}")
        sizes = sizes or [n_in]
        sizes.append(n_out)
        matrices.append((*_columns(name, matrix), _bias(f"biases[{i}]", bias, n_out)))
    return sizes, matrices


def _columns(
    name: str, matrix: Any
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], npt.NDArray[np.float32]]:
    data = _finite(f"{name}.data", matrix.data)
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32), data


def _bias(name: str, bias: npt.ArrayLike | None, n_out: int) -> npt.NDArray[np.float32]:
    if bias is None:
        return np.zeros(n_out, dtype=np.float32)
    array = numeric(name, bias)
    if array.shape != (n_out,):
        raise ValueError(f"{name} has shape {array.shape}: expected ({n_out},)")
    return _finite(name, array)


def _finite(name: str, array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    values = arrays.as_float32(name, array)
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"{name}[{first}] = {values[first]}: expected finite numbers")
    return values
