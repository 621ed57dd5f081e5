"""Frames of pandas and polars as arrays; what is no number is named by row and column."""

from __future__ import annotations

import numbers
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check
from trulysparse.data import digits
from trulysparse.data.numeric import (
    is_query,
    ragged,
    refuse_dictionaries,
    refuse_masked,
    refuse_sparse,
    refuse_times,
)

Array = npt.NDArray[Any]

_DUMMIES = "expected numbers (TableEncoder makes them, and the estimators take it as it is)"
_TEXTS = "expected numbers, which TfidfVectorizer of scikit-learn makes of texts"
_CELLS = "expected numbers, or a DataFrame, whose columns of text are taken as they are"
_SINCE = "expected numbers, such as the seconds since one of them"
# Rows that `plain_rows` copies.
_FEW = 128
_FILL = "expected numbers only (fill it in, or leave the row or the column out)"


def is_frame(x: Any) -> bool:
    """Whether this is a table of pandas or polars, whose columns have names and types."""
    if isinstance(x, np.ndarray):
        return False
    kind = type(x)
    # To ask the class is quicker: pandas makes the types of all columns when it is asked for them.
    of = kind if kind.__name__ == "DataFrame" and hasattr(kind, "dtypes") else x
    return not is_query(x) and all(hasattr(of, name) for name in ("columns", "dtypes"))


def labels(frame: Any) -> list[Any]:
    """Give the labels of a frame's columns."""
    columns = frame.columns
    if hasattr(columns, "to_numpy"):  # pandas makes them one by one when it is iterated over
        columns = columns.to_numpy(dtype=object).tolist()
    return list(columns)


def plain_rows(x: Any, names: Array | None) -> Array | None:
    """Give the numbers of a frame of few rows whose columns have these names, in their order.

    None for anything else: also for columns of other types than NumPy's integers and floats, and
    without names. Nothing is looked at column by column. What scikit-learn makes of such a frame is
    the same.
    """
    if type(x).__name__ != "DataFrame" or not isinstance(names, np.ndarray) or not _is_low(x):
        return None
    types = _types(x)
    if types is None or any(t.kind not in "iuf" for t in types):
        return None
    found = labels(x)
    if set(map(type, found)) != {str} or found != names.tolist():
        return None
    array = np.ascontiguousarray(x)
    return array if array.dtype in (np.float64, np.float32) else array.astype(np.float64)


def _is_low(x: Any) -> bool:
    shape = getattr(x, "shape", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or not isinstance(shape[0], int):
        return False
    return 0 < shape[0] <= _FEW


def _types(frame: Any) -> list[np.dtype[Any]] | None:
    """Give the different types of a frame's columns; None if some are none of NumPy's."""
    types = getattr(frame, "dtypes", None)
    if types is None:
        return None
    types = list(types)
    different = dict(zip(map(id, types), types, strict=True)).values()
    return list(different) if all(isinstance(t, np.dtype) for t in different) else None


def as_array(name: str, frame: Any) -> Array:
    """Give the numbers of a frame; a ValueError or TypeError names what is none."""
    refuse_sparse(name, frame)
    types = _types(frame)
    kinds = set() if types is None else {t.kind for t in types}
    if types is not None and (kinds <= set("iuf") or kinds == {"b"}):
        array = np.asarray(frame)
    else:
        columns = [_numbers(name, label, column) for label, column in _columns(frame)]
        array = np.empty(frame.shape, np.result_type(np.bool_, *columns))
        for place, column in enumerate(columns):
            array[:, place] = column
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        _refuse_infinite(name, array, labels(frame))
    # A row of a frame has its numbers far from each other.
    return np.ascontiguousarray(array) if len(array) <= _FEW else array


def numbers_of(frame: Any) -> Array | None:
    """Give the numbers of a frame, NaN where they are missing; None if some are none."""
    try:
        array = np.asarray(frame)
    except Exception:  # polars raises other kinds
        return None
    return array if array.dtype.kind in "biuf" else None


def say_integers(name: str, frame: Any) -> None:
    """Warn of columns of integers that float64 merges, in a frame that is to become float64."""
    types = _types(frame)
    if types is not None and not any(t.kind in "iu" and t.itemsize == 8 for t in types):
        return
    for label, column in _columns(frame):
        if _kind(column.dtype) in ("i", "u") and getattr(column.dtype, "itemsize", 8) == 8:
            numbers = _numbers(name, label, column).reshape(-1, 1)
            digits.say_integers(digits.Names(name, [label]), numbers)


def of_dense_types(y: Any) -> Any:
    """Give an array for a frame or series of pandas' sparse types; anything else as it is.

    scikit-learn makes a sparse matrix of such a frame, also of targets.
    """
    dtypes = y.dtypes if is_frame(y) else [getattr(y, "dtype", None)]
    return np.asarray(y) if "SparseDtype" in [type(t).__name__ for t in dtypes] else y


def dense_columns(x: Any) -> Any:
    """Give a frame with dense columns if some of pandas' sparse ones leave out more than zeros.

    scikit-learn would make a SciPy matrix of it, which leaves out nothing else.
    """
    if not is_frame(x) or _types(x) is not None:
        return x
    sparse = [type(t).__name__ == "SparseDtype" for t in x.dtypes]
    if all(t.fill_value == 0 for t, is_sparse in zip(x.dtypes, sparse, strict=True) if is_sparse):
        return x
    kinds = zip(x.columns, x.dtypes, sparse, strict=True)
    return x.astype({label: dtype.subtype for label, dtype, is_sparse in kinds if is_sparse})


def labels_of_type(y: Any) -> Any:
    """Give labels, of which none is missing, as an array of their own type; text as it is.

    scikit-learn makes float64 of extension types: of booleans, and of integers, where neighbours
    beyond 2**53 are the same.
    """
    if is_frame(y):
        if all(isinstance(dtype, np.dtype) for dtype in y.dtypes):
            return y
        found = [labels_of_type(column) for _, column in _columns(y)]
        is_array = all(isinstance(c, np.ndarray) and c.dtype.kind in "biu" for c in found)
        return np.column_stack(found) if found and is_array else y
    dtype = getattr(y, "dtype", None)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        return y
    if dtype is None and not hasattr(y, "__array__"):
        return y
    array = np.asarray(y)
    if array.dtype == object and array.size:
        booleans = [issubclass(kind, bool | np.bool_) for kind in set(map(type, array.flat))]
        if all(booleans):
            return array.astype(bool)
        if not any(booleans) and all(isinstance(item, numbers.Integral) for item in array.flat):
            array = np.array(array.tolist())
    own = getattr(dtype, "numpy_dtype", array.dtype)
    is_plain = isinstance(own, np.dtype) and {own.kind, array.dtype.kind} <= set("biuf")
    return array.astype(own) if is_plain else y


def _kind(dtype: Any) -> str:
    kind = getattr(dtype, "kind", "")
    return kind if isinstance(kind, str) else ""


def refuse_no_table(name: str, x: Any) -> None:
    """Raise TypeError for a row or a column of a table, and for dictionaries of cells."""
    if scipy.sparse.issparse(x):  # of which one kind is a dictionary
        return
    kind, module = type(x), type(x).__module__.partition(".")[0]
    if kind.__name__ == "Series" and module == "polars":
        raise TypeError(f"{name} is a Series, one column: expected a table ({name}.to_frame())")
    if kind.__name__ == "Series" and module == "pandas":
        known = [item for item in x.tolist()[:_FEW] if not is_missing(item)]
        texts = bool(known) and all(isinstance(item, str) for item in known)
        also = "; TfidfVectorizer of scikit-learn makes numbers of texts" if texts else ""
        raise TypeError(
            f"{name} is a Series, one row or column: expected a table, such as frame.iloc[[0]] of "
            f"one row, or frame[['name']] of one column{also}"
        )
    refuse_dictionaries(name, x)


def refuse(name: str, x: Any, text: str | None = None) -> None:
    """Raise TypeError or ValueError for what scikit-learn would make numbers of, or not name.

    These are dates, durations, masked elements, text, bytes, complex numbers, lists of different
    lengths and, in frames, categories and missing values of types other than NumPy's. What is not
    finite is `explain`'s. `text` says what to expect instead of text.
    """
    if scipy.sparse.issparse(x):
        return
    if is_frame(x):
        types = _types(x)
        if types is not None and all(t.kind in "biuf" for t in types):
            return
        for label, column in _columns(x):
            dtype = column.dtype
            if not isinstance(dtype, np.dtype) or dtype.kind not in "biuf":
                _numbers(name, label, column, text or _DUMMIES)
        return
    refuse_masked(name, x)
    kind = getattr(getattr(x, "dtype", None), "kind", "")
    if not isinstance(x, list | tuple) and kind not in tuple("mMOSUT"):
        return
    array = _array(name, x)
    if array.dtype.kind in "mM":
        refuse_times(name, array)
    if array.dtype.kind in "OSUT":
        if isinstance(x, list | tuple):  # of which NumPy has made text, the numbers too
            array = np.asarray(x, dtype=object)
        text = text or (_TEXTS if array.ndim < 2 else _CELLS)
        for place, item in np.ndenumerate(array):
            odd = isinstance(item, _NO_NUMBERS) or _is_row(item)
            if odd or is_missing(item) or _is_time(item):
                _refuse_item(f"{name}[{', '.join(map(str, place))}]", item, text)


def _array(name: str, x: Any) -> Array:
    """Give an array; a ValueError names the row that is longer or shorter than the first."""
    try:
        array = np.asarray(x)
    except ValueError:
        raise ragged(name, x) from None
    if array.dtype == object and array.ndim == 1 and array.size and all(map(_is_row, array)):
        raise ragged(name, array)
    return array


def _is_row(item: Any) -> bool:
    return isinstance(item, list | tuple) or (isinstance(item, np.ndarray) and item.ndim > 0)


# Of these, float() and NumPy make numbers, or fail in words of their own.
_NO_NUMBERS = (str, bytes, bytearray, complex, np.complexfloating)


def refuse_missing(name: str, y: Any, *, rows: bool = False) -> None:
    """Raise ValueError for targets of which some are masked, NaN, NaT, None or pandas' NA.

    `rows`: whether there is a label for each sample, whose row is named.
    """
    if y is None or scipy.sparse.issparse(y):
        return
    refuse_masked(name, y)
    array = _array(name, y)
    if array.dtype == object:
        for place, item in np.ndenumerate(array):
            if is_missing(item):
                _refuse_label(name, place, item, rows=rows)
        return
    missing = {"f": np.isnan, "m": np.isnat, "M": np.isnat}.get(array.dtype.kind)
    if missing is not None and missing(array).any():
        place = tuple(np.argwhere(missing(array))[0])
        _refuse_label(name, place, array[place], rows=rows)


def _refuse_label(name: str, place: tuple[int, ...], item: Any, *, rows: bool) -> None:
    if rows and place:
        refuse_row(name, place[0], item)
    _refuse_item(f"{name}[{', '.join(map(str, place))}]", item)


def refuse_row(name: str, row: int, item: Any) -> NoReturn:
    """Raise ValueError for a row without the label that it needs."""
    shown = "NaN" if isinstance(item, numbers.Real | Decimal) else item
    raise ValueError(
        f"{name}: row {row} is missing ({shown}): expected a label for each sample (leave the row "
        "out)"
    )


def explain(name: str, x: Any, error: Exception) -> None:
    """Raise an error that names the number of a table that scikit-learn complains of, if any."""
    largest = _check.FLOAT32 if "too large" in str(error) else np.inf
    if scipy.sparse.issparse(x):
        coo = x.tocoo()
        bad = np.flatnonzero(~_fits(coo.data, largest))
        if len(bad):
            raise _not_finite(f"{name}[{coo.row[bad[0]]}, {coo.col[bad[0]]}]", coo.data[bad[0]])
    elif is_frame(x):
        _refuse_infinite(name, as_array(name, x), labels(x), largest)
    elif getattr(getattr(x, "dtype", None), "kind", "") != "c":
        try:
            array = np.asarray(x, dtype=np.float64)
        except (ValueError, TypeError, OverflowError):
            _refuse_other(name, x)
        else:
            _refuse_infinite(name, array, None, largest)


# --- columns ------------------------------------------------------------------------------------


def _columns(frame: Any) -> Iterator[tuple[Any, Any]]:
    for place, label in enumerate(frame.columns):
        yield label, frame.iloc[:, place] if hasattr(frame, "iloc") else frame[:, place]


def _numbers(name: str, label: Any, column: Any, text: str = _DUMMIES) -> Array:
    if str(column.dtype) == "category":
        raise TypeError(f"{name}[:, {label!r}] has categories: {text}")
    array = np.asarray(column)
    if array.dtype.kind in "biuf":
        return array
    if array.dtype.kind in "mM":
        refuse_times(f"{name}[:, {label!r}]", array)
    if array.dtype.kind == "c":
        raise TypeError(f"{name}[:, {label!r}] has complex numbers: expected real ones")
    for row, item in enumerate(array):
        is_number = _check.is_number(item) or isinstance(item, bool | np.bool_ | Decimal)
        if not is_number or is_missing(item):
            _refuse_item(f"{name}[{row}, {label!r}]", item, text)
    try:
        return array.astype(np.float64)
    except OverflowError:
        raise ValueError(
            f"{name}[:, {label!r}] has integers beyond float64: expected smaller numbers"
        ) from None


def _refuse_other(name: str, x: Any) -> None:
    """Raise a TypeError that names the first item of which float() makes nothing."""
    for place, item in np.ndenumerate(_array(name, x)):
        try:
            float(item)
        except OverflowError:
            continue
        except (ValueError, TypeError) as error:
            shown = _check.shown(item)
            raise TypeError(f"{name}[{', '.join(map(str, place))}] = {shown}: {error}") from None


def _refuse_item(place: str, item: Any, text: str = _DUMMIES) -> NoReturn:
    if is_missing(item):
        shown = "NaN" if isinstance(item, numbers.Real | Decimal) else item
        raise ValueError(f"{place} is missing ({shown}): {_FILL}")
    if isinstance(item, str):
        raise TypeError(f"{place} = {_check.shown(str(item))}, text: {text}")
    shown = _check.shown(item)
    if isinstance(item, bytes | bytearray):
        raise TypeError(f"{place} = {shown}, bytes: expected numbers")
    if isinstance(item, complex | np.complexfloating):
        raise TypeError(f"{place} = {shown}, a complex number: expected real ones")
    if _is_time(item):
        raise TypeError(f"{place} = {shown}, a time: {_SINCE}")
    raise TypeError(f"{place} = {shown}: {_FILL}")


def is_missing(item: Any) -> bool:
    """Whether an object is None, NaN, NaT or pandas' NA."""
    if item is None or type(item).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(item, np.datetime64 | np.timedelta64):
        return bool(np.isnat(item))
    return isinstance(item, numbers.Real | Decimal) and item != item


def _is_time(item: Any) -> bool:
    if isinstance(item, np.datetime64 | np.timedelta64):
        return True
    return type(item).__name__ in _TIMES


_TIMES = ("date", "time", "datetime", "timedelta", "Timestamp", "Timedelta", "Period", "Interval")


# --- numbers ------------------------------------------------------------------------------------


def _fits(array: Array, largest: float) -> npt.NDArray[np.bool_]:
    fits: npt.NDArray[np.bool_] = np.isfinite(array)
    return fits if largest == np.inf else fits & (np.abs(array) <= largest)


def _refuse_infinite(
    name: str, array: Array, labels: list[Any] | None, largest: float = np.inf
) -> None:
    if array.dtype.kind != "f":
        return
    fits = _fits(array, largest)
    if fits.all():
        return
    place = tuple(int(i) for i in np.argwhere(~fits)[0])
    shown = list(map(str, place))
    if labels is not None:
        shown[-1] = repr(labels[place[-1]])
    raise _not_finite(f"{name}[{', '.join(shown)}]", array[place])


def _not_finite(place: str, value: Any) -> ValueError:
    if value != value:
        return ValueError(f"{place} is NaN, a missing value: {_FILL}")
    return ValueError(f"{place} = {value}: expected finite numbers in float32's range")
