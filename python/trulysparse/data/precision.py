"""Numbers that float32 does not tell apart."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.blocks import CsrArrays
from trulysparse.data.digits import STEPS

# Squares of smaller differences lose digits in float64, or are zero.
_SMALLEST_SPAN = 1e-145

# Steps of float32 that a column's values must span to count as told apart.
_STEPS = STEPS
# The error of a value of a sparse matrix, in standard deviations, up to which it is float32.
_LOST = 1e-5


def narrowest(x: npt.NDArray[Any]) -> npt.NDArray[np.floating[Any]]:
    """Convert to float32, or to float64 if float32 does not hold each number."""
    if np.can_cast(x.dtype, np.float32):
        return x.astype(np.float32, copy=False)
    wide: npt.NDArray[np.float64] = x.astype(np.float64, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32)
    same = np.array_equal(narrow, wide, equal_nan=True)
    return narrow if same else wide


def exactly(
    matrix: scipy.sparse.csr_array, scale: npt.NDArray[np.float64] | None
) -> npt.NDArray[np.float64] | None:
    """Give what a canonical matrix stores: exact in columns that float32 blurs, rounded elsewhere.

    None if there are no such columns. `scale` is one over the standard deviations that are known,
    or None; of the other columns, and where it is 0, those of the matrix itself count.
    """
    if np.can_cast(matrix.dtype, np.float32) or matrix.dtype.kind not in "iuf":
        return None
    wide = matrix.data.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = wide.astype(np.float32).astype(np.float64)
        lost = abs(wide - narrow)
    if not lost.any():
        return None
    columns, blurred = matrix.indices, np.zeros(matrix.shape[1], bool)
    if scale is None:
        scale = np.zeros(matrix.shape[1])
    blurred[columns[lost * scale[columns] > _LOST]] = True
    unknown = np.zeros(matrix.shape[1], bool)
    unknown[columns[lost > 0]] = True
    # Where nothing is larger, also numbers that float32 makes zeros of.
    tiniest = np.finfo(np.float32).tiny
    if (abs(wide[lost > 0]) < tiniest).any():
        largest = np.zeros(matrix.shape[1])
        np.maximum.at(largest, columns, abs(wide))
        blurred |= unknown & (scale == 0) & (largest < tiniest)
    full = _full(matrix, unknown & (scale == 0) & ~blurred)
    if len(full):
        low, high, step = _range(matrix[:, full])
        blurred[full] = high - low < _STEPS * step
    if not blurred.any():
        return None
    exact: npt.NDArray[np.float64] = np.where(blurred[columns], wide, narrow)
    return exact


def _full(matrix: Any, among: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Give the columns, `among` some, that store a value in every row: others have a 0 as well."""
    stored = np.bincount(matrix.indices, minlength=matrix.shape[1])
    return np.flatnonzero(among & (stored == matrix.shape[0]))


def _range(array: Any) -> tuple[Any, Any, Any]:
    """Give each column's least and greatest value, and the step of float32 there."""
    if scipy.sparse.issparse(array):
        low, high = (f(axis=0).toarray().ravel().astype(float) for f in (array.min, array.max))
    else:
        low, high = (np.atleast_1d(f(array, axis=0)).astype(float) for f in (np.min, np.max))
    with np.errstate(over="ignore", invalid="ignore"):
        return low, high, np.spacing(np.maximum(abs(low), abs(high)).astype(np.float32))


def say_blurred(name: str, value: Any, remedy: str) -> None:
    """Warn of a column whose values are far from 0 and close to each other, for float32.

    Parameters
    ----------
    name
        What the numbers are called.
    value
        Numbers, (samples,) or (samples, columns), as the user gave them.
    remedy
        With what nothing is lost; "" if with nothing.
    """
    is_sparse = scipy.sparse.issparse(value)
    if is_sparse and value.format not in ("csr", "csc", "coo"):
        return
    array: Any = value if is_sparse else np.asarray(value)
    if array.dtype == np.float32 or array.dtype.kind not in "iuf":
        return
    if np.can_cast(array.dtype, np.float32):
        return
    # Where there are zeros as well, only large numbers are close to each other.
    large = 1 / np.finfo(np.float32).eps / _STEPS
    if is_sparse and (not array.nnz or np.abs(array.data).max() < large):
        return
    low, high, step = _range(array)
    span = high - low
    blurred = np.flatnonzero((span > 0) & (span < _STEPS * step))
    if len(blurred):
        first = blurred[0]
        where = name if array.ndim == 1 else f"column {first} of {name}"
        more = f", and {len(blurred) - 1} columns more" if len(blurred) > 1 else ""
        warnings.warn(
            f"{where} lies between {low[first]:.15g} and {high[first]:.15g}{more}: there float32 "
            f"has steps of {step[first]:.3g}, so that values are lost; "
            + (f"{remedy} keeps them" if remedy else "subtract a number near them first"),
            RuntimeWarning,
            stacklevel=2,
        )


def blurred_integers(name: str, value: Any) -> str | None:
    """Say what is wrong with integers beyond 2**53 that are close to each other, for float64."""
    array: Any = value
    if scipy.sparse.issparse(value) or array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return None
    low, high = np.atleast_1d(array.min(axis=0)), np.atleast_1d(array.max(axis=0))
    for k, (least, most) in enumerate(zip(low.tolist(), high.tolist(), strict=True)):
        step = np.spacing(float(max(abs(least), abs(most))))
        if step > 1 and 0 < most - least < _STEPS * step:
            where = name if array.ndim == 1 else f"column {k} of {name}"
            return (
                f"{where} lies between {least} and {most}: there float64 has steps of {step:g}, so "
                f"that values are lost; expected smaller integers, such as differences to {least}"
            )
    return None


def refuse_tiny(
    name: str, array: npt.NDArray[Any] | CsrArrays, names: Sequence[str] | None = None
) -> None:
    """Raise ValueError for a column, of these names, whose variance is zero though it varies."""
    if isinstance(array, CsrArrays):
        stored = np.abs(array.data if array.exact is None else array.exact)
        high = np.zeros(array.features)
        np.fmax.at(high, array.indices.astype(np.intp), stored)
        low = np.zeros(array.features)
    else:
        low, high = (np.atleast_1d(f.reduce(array, axis=0)) for f in (np.fmin, np.fmax))
    with np.errstate(over="ignore"):
        span = high - low
    tiny = np.flatnonzero((span > 0) & (span < _SMALLEST_SPAN))
    if len(tiny):
        k = tiny[0]
        column = k if names is None else repr(str(names[k]))
        where = name if array.shape[1:] in ((), (1,)) else f"column {column} of {name}"
        raise ValueError(
            f"{where} lies between {low[k]:.6g} and {high[k]:.6g}: float64 does not hold the "
            "squares of such differences; expected larger numbers, in another unit"
        )
