"""Targets of which some are missing: NaN, which does not count."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.blocks import CsrArrays
from trulysparse.data.digits import warn
from trulysparse.data.frames import is_frame, is_missing, refuse_row
from trulysparse.data.numeric import refuse_held_sparse

Array = npt.NDArray[Any]


def with_nan(name: str, y: Any) -> Any:
    """Give targets of several columns with NaN for None, NaT and NA; all others as they are.

    Raises
    ------
    ValueError
        If there is one target for each sample, and one is missing.
    """
    if scipy.sparse.issparse(y) or not _may_hold_objects(y):
        return y
    refuse_held_sparse(name, y)
    try:
        array = np.asarray(y)
    except Exception:  # it becomes no array: whoever is given it says why
        return y
    if array.dtype != object or array.ndim not in (1, 2):
        return y
    found = np.fromiter(map(is_missing, array.flat), bool, array.size).reshape(array.shape)
    if not found.any():
        return y
    if array.ndim == 1 or array.shape[1] == 1:
        row = int(found.reshape(-1).argmax())
        refuse_row(name, row, array.reshape(-1)[row])
    array = array.copy()
    array[found] = np.nan
    are_numbers = all(issubclass(t, Real | np.bool_) for t in set(map(type, array.flat)))
    return array.astype(np.float64) if are_numbers else array


def _may_hold_objects(y: Any) -> bool:
    if isinstance(y, np.ndarray):
        return y.dtype == object and not isinstance(y, np.ma.MaskedArray)
    return isinstance(y, list | tuple) or is_frame(y) or hasattr(y, "__array__")


def any_missing(y: Any) -> bool:
    """Tell whether an array of numbers, or what a sparse matrix stores, has NaN."""
    values = y.data if scipy.sparse.issparse(y) else y
    return bool(values.dtype.kind == "f" and np.isnan(values).any())


def refuse_rows(name: str, y: Any) -> None:
    """Raise ValueError for the first row with NaN, in an array or a CSR matrix."""
    if not any_missing(y):
        return
    if scipy.sparse.issparse(y):
        row = np.searchsorted(y.indptr, np.isnan(y.data).argmax(), side="right") - 1
    else:
        row = np.isnan(y).reshape(len(y), -1).any(axis=1).argmax()
    refuse_row(name, int(row), np.nan)


def refuse_empty_columns(name: str, targets: Any) -> None:
    """Raise ValueError if an output has no label to take its unit from."""
    empty = _empty_columns(targets)
    if len(empty):
        raise ValueError(
            f"{name}: column {empty[0]} is missing in all rows of the first batch: expected one "
            "number or more, as the targets' units come from it"
        )


def say_empty_columns(name: str, targets: Any) -> None:
    """Warn of outputs that learn nothing."""
    empty = _empty_columns(targets)
    if len(empty):
        more = f", and so are {len(empty) - 1} columns more" if len(empty) > 1 else ""
        warn(
            f"{name}: column {empty[0]} is missing in all rows{more}: its output learns nothing; "
            "leave the column out"
        )


def _empty_columns(targets: Any) -> Array:
    """Give the columns in which all labels are missing, of targets as the core takes them."""
    is_sparse = isinstance(targets, CsrArrays)
    values = targets.data if is_sparse else targets
    if values.ndim != (1 if is_sparse else 2) or not any_missing(values):
        return np.empty(0, np.intp)
    if is_sparse:
        missing = np.bincount(targets.indices[np.isnan(values)], minlength=targets.features)
    else:
        missing = np.isnan(values).sum(axis=0)
    return np.flatnonzero(missing == targets.shape[0])
