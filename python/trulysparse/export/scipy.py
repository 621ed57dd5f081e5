"""Matrices and masks of a user, a layer each, as what the core takes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check
from trulysparse.data import arrays
from trulysparse.data.numeric import numeric
from trulysparse.data.sparse import check_sparse

Values = npt.NDArray[np.float32]
Matrix = tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], Values | None, Values]

# By how large a part of itself a number changes at most that is rounded to float32.
_ROUNDING = float(np.finfo(np.float32).eps)

_EXPECTED = "a sequence of matrices, one per layer"


def to_core(
    weights: Sequence[Any], biases: Sequence[npt.ArrayLike] | None
) -> tuple[list[int], list[Matrix]]:
    """Give the layer sizes, and (indptr, indices, data, bias) of each layer, a row per output.

    The data of a mask are None: its weights are drawn.
    """
    if getattr(weights, "ndim", 1) == 2:
        raise TypeError(f"weights is a {type(weights).__name__}: expected {_EXPECTED}")
    weights = _check.sequence("weights", weights, _EXPECTED)
    if not weights:
        raise ValueError("weights is empty: expected a matrix per layer")
    given = (
        [None] * len(weights)
        if biases is None
        else _check.sequence("biases", biases, "a sequence of arrays")
    )
    if len(given) != len(weights):
        raise ValueError(f"biases has {len(given)} arrays: expected {len(weights)}, one per layer")
    found = [_by_columns(f"weights[{i}]", weight) for i, weight in enumerate(weights)]
    shapes = [matrix.shape for matrix in found]
    _check_chain(shapes)
    matrices = [
        (*_columns(f"weights[{i}]", matrix), _bias(i, bias, matrix.shape))
        for i, (matrix, bias) in enumerate(zip(found, given, strict=True))
    ]
    for i, (_, _, data, bias) in enumerate(matrices):
        if data is not None:
            _say_changed(f"weights[{i}].data", found[i].data, data)
        if given[i] is not None:
            _say_changed(f"biases[{i}]", numeric(f"biases[{i}]", given[i]), bias)
    return [shapes[0][0], *(n_out for _, n_out in shapes)], matrices


def _say_changed(name: str, given: npt.NDArray[Any], kept: Values) -> None:
    """Warn of numbers that float32 does not only round: tiny ones, and whole ones."""
    wide = kept.astype(np.float64)
    beyond_rounding = np.abs(wide - given) > _ROUNDING * np.abs(given)
    changed = beyond_rounding | ((wide != given) & (np.rint(given) == given))
    if changed.any():
        first = int(np.argmax(changed))
        warnings.warn(
            f"{name}[{first}] = {given[first]} becomes {kept[first]:.9g}, and {changed.sum()} of "
            f"{len(given)} numbers of {name} change by more than usual rounding: weights are "
            "float32",
            RuntimeWarning,
            stacklevel=4,
        )


def _by_columns(name: str, weight: Any) -> Any:
    """Give a ``csc_array`` of the connections; those of a dense array are its values but 0."""
    if scipy.sparse.issparse(weight):
        kind = weight.dtype.kind
        matrix = check_sparse(name, weight, by_columns=True)
    else:
        dense = numeric(name, weight)
        kind = dense.dtype.kind
        if dense.ndim != 2:
            raise ValueError(f"{name} has shape {dense.shape}: expected (n_in, n_out)")
        columns, rows = np.nonzero(dense.T)
        indptr = np.searchsorted(columns, np.arange(dense.shape[1] + 1))
        matrix = scipy.sparse.csc_array((dense[rows, columns], rows, indptr), shape=dense.shape)
    if 0 in matrix.shape:
        raise ValueError(f"{name} has shape {matrix.shape}: expected at least one row and column")
    if kind in "iu" and matrix.nnz and (matrix.data == 1).all():
        raise ValueError(
            f"{name} has integers that are all 1: expected booleans for a mask whose weights "
            "are drawn, .astype(bool), or floats for weights of 1.0"
        )
    if matrix.dtype == np.bool_ and not matrix.data.all():  # False is no connection
        matrix = matrix.copy()
        matrix.eliminate_zeros()
    return matrix


def _check_chain(shapes: list[tuple[int, int]]) -> None:
    """Check that each layer has as many inputs as the layer before has outputs."""
    for i, ((_, outputs), (inputs, _)) in enumerate(pairwise(shapes)):
        if inputs == outputs:
            continue
        if all(one[0] == other[1] for one, other in pairwise(shapes)):
            raise ValueError(
                f"weights have the shapes {', '.join(map(str, shapes))}, which are (n_out, n_in) "
                "as PyTorch has them: expected (n_in, n_out), the transpose of each"
            )
        raise ValueError(
            f"weights[{i + 1}] has shape {shapes[i + 1]}: expected {outputs} rows, as many as "
            f"weights[{i}] has columns (shapes are (n_in, n_out))"
        )


def _columns(
    name: str, matrix: Any
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint32], Values | None]:
    data = None if matrix.dtype == np.bool_ else _finite(f"{name}.data", matrix.data)
    return matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32), data


def _bias(layer: int, bias: npt.ArrayLike | None, shape: tuple[int, int]) -> Values:
    n_in, n_out = shape
    if bias is None:
        return np.zeros(n_out, dtype=np.float32)
    name = f"biases[{layer}]"
    array = numeric(name, bias)
    if array.shape != (n_out,):
        swapped = array.shape == (n_in,)
        hint = f": weights[{layer}] seems to be (n_out, n_in), transpose it" if swapped else ""
        raise ValueError(f"{name} has shape {array.shape}: expected ({n_out},){hint}")
    return _finite(name, array)


def _finite(name: str, array: npt.NDArray[Any]) -> Values:
    values = arrays.as_float32(name, array)
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise ValueError(f"{name}[{first}] = {values[first]}: expected finite numbers")
    return values
