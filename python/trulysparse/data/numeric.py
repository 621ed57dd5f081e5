"""Arrays of a user as NumPy arrays of real numbers."""

from __future__ import annotations

import numbers
import re
from collections.abc import Iterable, Mapping, Sized
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _core, _hints
from trulysparse.data.tensors import as_numpy

# What Python's float() takes beside these, such as 1_000 and digits of other scripts, is no number.
_ODD = re.compile(r"[^0-9eE+.\- \t\r\n]")
_WORDS = re.compile(r"\s*[+-]?(nan|inf|infinity)\s*", re.IGNORECASE | re.ASCII)


def is_odd(text: str) -> bool:
    """Tell whether text has a character that numbers do not have."""
    return _ODD.search(text) is not None


def is_number_text(text: str) -> bool:
    """Tell whether text is a number of ASCII digits, NaN or infinity."""
    if is_odd(text):
        return _WORDS.fullmatch(text) is not None
    try:
        float(text)
    except ValueError:
        return False
    return True


def is_query(value: Any) -> bool:
    """Tell a query of polars that has not run, whose columns hold nothing."""
    return type(value).__name__ == "LazyFrame" and callable(getattr(value, "collect", None))


def _refuse_unread(name: str, value: Any) -> None:
    """Raise a TypeError for what NumPy cannot read of polars."""
    if is_query(value):
        raise TypeError(f"{name} is a LazyFrame: expected a DataFrame (collect() it first)")
    if type(value).__module__.split(".")[0] != "polars":
        return
    for kind in getattr(value, "dtypes", [getattr(value, "dtype", None)]):
        if str(kind) in ("Int128", "UInt128"):
            raise TypeError(
                f"{name} has dtype {kind}, which NumPy has not: expected smaller integers "
                "(cast(pl.Int64)) or floats"
            )


def refuse_sparse(name: str, value: Any) -> None:
    """Raise a TypeError if `value` is a sparse matrix of SciPy or of another library, or something
    that NumPy cannot read.
    """
    _refuse_unread(name, value)
    _refuse_sparse_rows(name, value)
    if scipy.sparse.issparse(value):
        raise TypeError(f"{name} is a sparse matrix: expected a dense array (use {name}.toarray())")
    if any(callable(getattr(value, verb, None)) for verb in ("tocsr", "todense")):
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise TypeError(
            f"{name} is a {kind}, a sparse array: expected a dense array, or SciPy's for samples"
        )


def _refuse_sparse_rows(name: str, value: Any) -> None:
    """Raise a TypeError for a list, or an array of objects, that holds a sparse matrix."""
    is_boxed = isinstance(value, np.ndarray) and value.dtype == object
    if not is_boxed and not isinstance(value, list | tuple):
        return
    for kind in set(map(type, value.flat if is_boxed else value)):
        if callable(getattr(kind, "tocsr", None)):
            raise TypeError(
                f"{name} holds a {kind.__name__}: expected one sparse matrix, which "
                "scipy.sparse.vstack makes of a list of rows"
            )


def refuse_held_sparse(name: str, value: Any) -> None:
    """Raise a TypeError as `refuse_sparse` does, also if an array of objects, a list or a frame
    holds a sparse matrix: libraries compare such objects, and SciPy's code follows the indices.
    """
    refuse_sparse(name, value)
    try:
        array = np.asarray(value)
    except Exception:  # it becomes no array: whoever is given it says why
        return
    if array.dtype == object:
        for kind in set(map(type, array.flat)):
            if callable(getattr(kind, "tocsr", None)):
                raise TypeError(f"{name} holds a {kind.__name__}: expected numbers or text")


def refuse_masked(name: str, value: Any) -> None:
    """Raise ValueError for a masked array with masked elements, or a list of such."""
    rows = [value] if isinstance(value, np.ma.MaskedArray) else value
    for row in rows if isinstance(rows, list | tuple) else ():
        if isinstance(row, np.ma.MaskedArray) and np.ma.is_masked(row):
            raise ValueError(
                f"{name} is a masked array with masked elements: expected numbers everywhere "
                f"(use {name}.filled(...))"
            )


def numeric(
    name: str, value: Any, *, text: str = "expected an array of numbers"
) -> npt.NDArray[Any]:
    """Convert to an array of real numbers or booleans; `text` is the advice if it has strings."""
    value = as_numpy(name, value)
    refuse_sparse(name, value)
    refuse_masked(name, value)
    try:
        array = np.asarray(value)
    except ValueError:
        raise ragged(name, value) from None
    _core.check_mapped(name, array)
    if array.dtype == object:
        _refuse_no_array(name, value, array)
        return _unboxed(name, array, text)
    if array.dtype.kind in "UST":
        raise TypeError(f"{name} has dtype {array.dtype}: {text}")
    if array.dtype.kind in "mM":
        refuse_times(name, array)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} has dtype {array.dtype}: expected real numbers")
    return array


def _refuse_no_array(name: str, value: Any, array: npt.NDArray[Any]) -> None:
    """Raise TypeError for rows as dictionaries, and for iterators of batches."""
    refuse_dictionaries(name, value)
    if array.ndim == 0 and isinstance(value, Iterable):
        kind = type(value).__name__
        raise TypeError(f"{name} is a {kind}: expected an array; {_hints.LOADER}")


def refuse_dictionaries(name: str, value: Any) -> None:
    """Raise TypeError for cells in a dictionary, or in a list of them, and say what is a table."""
    if isinstance(value, Mapping):
        cells = [isinstance(c, Sized) and not isinstance(c, str | bytes) for c in value.values()]
        made = name if cells and all(cells) else f"[{name}]"
        kind = type(value).__name__
        raise TypeError(f"{name} is a {kind}: expected a table: pandas.DataFrame({made})")
    if isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
        raise TypeError(f"{name} has dictionaries: expected a table: pandas.DataFrame({name})")


def ragged(name: str, value: Any) -> ValueError:
    """Make the error for rows of different lengths, which names the first that differs."""
    rows = value if isinstance(value, list | tuple | np.ndarray) else ()
    if any(isinstance(row, tuple) and all(hasattr(x, "shape") for x in row) for row in rows):
        return ValueError(f"{name} holds tuples of arrays: expected one array; {_hints.LOADER}")
    lengths = [len(row) if isinstance(row, Sized) else None for row in rows]
    other = next((i for i, length in enumerate(lengths) if length != lengths[0]), None)
    if other is None:
        return ValueError(f"{name} is ragged: expected an array of numbers")
    first, found = ("none" if n is None else n for n in (lengths[0], lengths[other]))
    return ValueError(
        f"{name} is ragged: row 0 has the length {first}, and row {other} {found}; expected an "
        "array of numbers"
    )


def refuse_times(name: str, array: npt.NDArray[Any]) -> NoReturn:
    """Raise a TypeError for dates or durations, whose NaT would be the number -9.2e18."""
    missing = np.argwhere(np.isnat(array))
    also = f", and NaT at {missing[0].tolist()}" if len(missing) else ""
    what, remedy = "dates", "numbers, such as the seconds since one of them"
    if array.dtype.kind == "m":
        what, remedy = "durations", "numbers, such as their seconds"
    raise TypeError(f"{name} has {what} (dtype {array.dtype}){also}: expected {remedy}")


def _unboxed(name: str, array: npt.NDArray[Any], text: str) -> npt.NDArray[Any]:
    """Convert an array of Python objects to booleans, or to float64 if all are real numbers.

    pandas makes them from frames whose columns differ in type. ``astype`` alone would also take
    None and text that looks like a number.
    """
    for kind in set(map(type, array.flat)):
        if issubclass(kind, numbers.Real | np.bool_ | Decimal) and not issubclass(
            kind, np.timedelta64
        ):
            continue
        flat = next(i for i, item in enumerate(array.flat) if type(item) is kind)
        where = ", ".join(str(int(i)) for i in np.unravel_index(flat, array.shape))
        item = f"{name}[{where}] = {_check.shown(array.flat[flat])}" if where else name
        expected = text if issubclass(kind, str) else "expected a real number"
        raise TypeError(f"{item} ({name} has dtype object): {expected}")
    if array.size and all(isinstance(item, bool | np.bool_) for item in array.flat):
        return array.astype(np.bool_)
    try:
        if array.size and all(isinstance(item, numbers.Integral) for item in array.flat):
            exact = np.array(array.tolist())
            return exact if exact.dtype.kind in "iu" else array.astype(np.float64)
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(f"{name} has integers beyond float64: expected smaller numbers") from None
