"""SciPy's sparse matrices, checked in full before SciPy converts anything.

SciPy's conversions follow indices in compiled code without checking them, and anyone can change
the arrays of a matrix after it was made. SciPy's `check_format` leaves out COO, LIL, DIA and DOK,
and the flags ``has_sorted_indices`` and ``has_canonical_format`` may be wrong. So the arrays are
copied, the copies are checked, and SciPy sees only matrices that were built from the copies.
"""

from __future__ import annotations

import itertools
import numbers
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.numeric import numeric, refuse_sparse
from trulysparse.data.tensors import as_numpy

Array = npt.NDArray[Any]
Shape = tuple[int, int]


def check_sparse(
    name: str, value: Any, features: int | None = None, *, by_columns: bool = False
) -> Any:
    """Give a canonical ``csr_array`` of a sparse matrix, a tensor as an array, all else as it is.

    The result has sorted rows and no duplicates; stored zeros stay. It shares nothing with `value`
    but, at most, the array of values. Takes O(stored values) and copies of the index arrays.

    Parameters
    ----------
    name
        The argument, for errors.
    value
        A SciPy sparse matrix or array of any format, a sparse tensor, or anything else.
    features
        The columns that a sparse one has to have, if that is known.
    by_columns
        Give a ``csc_array`` instead. Default False.

    Raises
    ------
    TypeError
        If it is another library's sparse matrix, or holds something else than real numbers, or
        indices that are no integers.
    ValueError
        If it has not two dimensions, or is no valid sparse matrix; the message says why.
    """
    value = as_numpy(name, value)
    if not scipy.sparse.issparse(value):
        refuse_sparse(name, value)
        return value
    shape = _shape(name, value)
    # SciPy's sparse arrays give vectors for rows.
    row = "; one row of a sparse array A is A[[0]], not A[0]" if len(shape) == 1 else ""
    if features is not None and shape[1:] != (features,):
        raise ValueError(f"{name} has shape {shape}: expected (samples, {features}){row}")
    if len(shape) != 2:
        raise ValueError(f"{name} has shape {shape}: expected two dimensions{row}")
    sparse = scipy.sparse
    for kind in _FORMATS:
        if isinstance(value, (getattr(sparse, f"{kind}_array"), getattr(sparse, f"{kind}_matrix"))):
            return _canonical(name, value, shape, kind, by_columns=by_columns)
    raise TypeError(
        f"{name} is a {type(value).__name__}: expected one of SciPy's own sparse formats"
    )


def loaded(name: str, arrays: Mapping[str, Array]) -> scipy.sparse.csc_array:
    """Give the matrix of a file that SciPy's `save_npz` wrote, checked as `check_sparse` does.

    SciPy's `load_npz` drops values behind the end of an indptr, and rounds indices.

    Parameters
    ----------
    name
        The file, for errors.
    arrays
        What is in it.

    Raises
    ------
    ValueError, TypeError
        As `check_sparse`, and if it is no such file.
    """
    kind = arrays["format"].tolist() if "format" in arrays else None
    kind = kind.decode("latin-1") if isinstance(kind, bytes) else kind
    if kind not in ("csr", "csc", "bsr", "coo", "dia"):
        raise ValueError(f"{name} is not a file of SciPy's save_npz: format {kind!r}")
    value = SimpleNamespace(**arrays)
    shape = _shape(name, value)
    if len(shape) != 2:
        raise ValueError(f"{name} has shape {shape}: expected two dimensions")
    if "coords" in arrays and len(arrays["coords"]) == 2:
        value.row, value.col = arrays["coords"]
    return _canonical(name, value, shape, kind, by_columns=True)


def _canonical(name: str, value: Any, shape: Shape, kind: str, *, by_columns: bool) -> Any:
    try:
        matrix = _FORMATS[kind](name, value, shape)
    except _Damage as damage:
        raise ValueError(f"{name} is not a valid sparse matrix: {damage}") from None
    entries, narrow = matrix.nnz, matrix.dtype
    # A conversion from these formats sums duplicates.
    wide = _widened(matrix) if kind in ("coo", "bsr") else matrix
    compressed = scipy.sparse.csc_array if by_columns else scipy.sparse.csr_array
    summed = compressed(wide)
    if not _is_canonical(summed.indptr, summed.indices):
        summed = _widened(summed).copy()
        summed.sum_duplicates()
    if summed.nnz < entries and narrow.itemsize == 8 and narrow.kind in "iu":
        _refuse_wrapped(name, matrix, summed, compressed)
    return summed if summed.dtype == narrow else _narrowed(summed, narrow)


def _widened(matrix: Any) -> Any:
    """Give integers of few bits as int64, in which their sums fit."""
    is_short = matrix.dtype.kind in "iu" and matrix.dtype.itemsize < 8
    return matrix.astype(np.int64) if is_short else matrix


def _narrowed(matrix: Any, dtype: Any) -> Any:
    """Give integers their type again, if it holds them."""
    if matrix.nnz:
        range_ = np.iinfo(dtype)
        if matrix.data.min() < range_.min or matrix.data.max() > range_.max:
            return matrix
    return matrix.astype(dtype)


def _refuse_wrapped(name: str, matrix: Any, summed: Any, compressed: Any) -> None:
    """Raise ValueError if a sum of duplicates is none, as it does not fit in 64 bits."""
    exact = compressed(matrix.astype(np.float64))
    exact.sum_duplicates()
    wrong = np.flatnonzero(abs(exact.data - summed.data) > 2.0**32)
    if len(wrong):
        raise ValueError(
            f"{name} has duplicates whose sum is {exact.data[wrong[0]]:g}, beyond {summed.dtype}: "
            "expected smaller numbers, or float64"
        )


class _Damage(Exception):
    """What is wrong with a matrix."""


def _shape(name: str, value: Any) -> tuple[int, ...]:
    try:
        shape = tuple(int(n) for n in value.shape)
    except Exception as error:
        raise ValueError(f"{name} is not a valid sparse matrix: no shape ({error})") from None
    if min(shape, default=0) < 0:
        raise ValueError(f"{name} is not a valid sparse matrix: shape {shape}")
    return shape


def _part(value: Any, attribute: str) -> Any:
    try:
        return getattr(value, attribute)
    except Exception as error:  # a subclass may raise any
        raise _Damage(f"{attribute} cannot be read ({type(error).__name__}: {error})") from None


def _integers(name: str, value: Any, attribute: str) -> Array:
    """Copy an index array."""
    try:
        array = np.array(_part(value, attribute))
    except ValueError:
        raise _Damage(f"{attribute} is ragged") from None
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}.{attribute} has dtype {array.dtype}: expected integers")
    if array.ndim != 1:
        raise _Damage(f"{attribute} has {array.ndim} dimensions, expected 1")
    return array if array.dtype.kind in "iu" else array.astype(np.int64)


def _in_range(what: str, array: Array, low: int, high: int) -> None:
    """Check that all of some integers are from `low` to `high`."""
    if not array.size:
        return
    for at in (int(array.argmin()), int(array.argmax())):
        if not low <= int(array[at]) <= high:
            expected = f"expected {low} to {high}" if low <= high else "expected none"
            raise _Damage(f"{what}[{at}] = {array[at]}, {expected}")


def _values(name: str, values: Any, ndim: int = 1) -> Array:
    """Give values as an array that SciPy can compute with, without a copy if it is one."""
    array = numeric(f"{name}.data", values)
    if array.ndim != ndim:
        raise _Damage(f"data has {array.ndim} dimensions, expected {ndim}")
    if array.dtype == np.float16:
        return array.astype(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _index_type(*numbers: int) -> type[np.signedinteger[Any]]:
    return np.int32 if max(numbers) <= np.iinfo(np.int32).max else np.int64


def _compressed(
    name: str, value: Any, rows: int, columns: int, values: Array
) -> tuple[Array, Array, Array]:
    """Give data, indices and indptr of `rows` rows that were checked, as SciPy takes them."""
    indptr, indices = _integers(name, value, "indptr"), _integers(name, value, "indices")
    if len(indptr) != rows + 1:
        raise _Damage(f"indptr has length {len(indptr)}, expected {rows + 1}")
    if indptr[0] != 0:
        raise _Damage(f"indptr[0] = {indptr[0]}, expected 0")
    falls = indptr[1:] < indptr[:-1]
    if falls.any():
        at = int(falls.argmax())
        raise _Damage(f"indptr[{at + 1}] = {indptr[at + 1]} after {indptr[at]}, expected no less")
    if len(indices) != len(values):
        raise _Damage(f"{len(indices)} indices and {len(values)} values, expected as many")
    if int(indptr[-1]) != len(indices):
        raise _Damage(f"indptr ends at {indptr[-1]}, expected {len(indices)}, as many as indices")
    _in_range("indices", indices, 0, columns - 1)
    dtype = _index_type(len(indices), rows, columns)
    return values, indices.astype(dtype, copy=False), indptr.astype(dtype, copy=False)


def _csr(name: str, value: Any, shape: Shape) -> Any:
    data = _values(name, _part(value, "data"))
    return scipy.sparse.csr_array(_compressed(name, value, *shape, data), shape=shape)


def _csc(name: str, value: Any, shape: Shape) -> Any:
    data = _values(name, _part(value, "data"))
    return scipy.sparse.csc_array(_compressed(name, value, *shape[::-1], data), shape=shape)


def _bsr(name: str, value: Any, shape: Shape) -> Any:
    data = _values(name, _part(value, "data"), ndim=3)
    blocks = data.shape[1:]
    if 0 in blocks or shape[0] % blocks[0] or shape[1] % blocks[1]:
        raise _Damage(f"blocks of shape {blocks} in a matrix of shape {shape}")
    arrays = _compressed(name, value, shape[0] // blocks[0], shape[1] // blocks[1], data)
    return scipy.sparse.bsr_array(arrays, shape=shape)


def _coo(name: str, value: Any, shape: Shape) -> Any:
    coords = getattr(value, "coords", "rc")  # older SciPy has row and col only
    if not hasattr(coords, "__len__") or len(coords) != 2:
        raise _Damage("coords are not two arrays")
    data = _values(name, _part(value, "data"))
    found = []
    for attribute, size in zip(("row", "col"), shape, strict=True):
        indices = _integers(name, value, attribute)
        if len(indices) != len(data):
            raise _Damage(f"{len(indices)} of {attribute} and {len(data)} values, expected as many")
        _in_range(attribute, indices, 0, size - 1)
        found.append(indices.astype(_index_type(len(data), *shape), copy=False))
    return scipy.sparse.coo_array((data, tuple(found)), shape=shape)


def _dia(name: str, value: Any, shape: Shape) -> Any:
    data = _values(name, _part(value, "data"), ndim=2)
    offsets = _integers(name, value, "offsets")
    if len(offsets) != len(data):
        raise _Damage(f"{len(offsets)} offsets and {len(data)} diagonals, expected as many")
    if len(np.unique(offsets)) != len(offsets):
        raise _Damage("offsets that are the same, expected each once")
    # Diagonals beside the matrix hold none of its values, but SciPy would count them.
    inside = (offsets > -shape[0]) & (offsets < shape[1])
    offsets = offsets[inside].astype(_index_type(*shape))
    return scipy.sparse.dia_array((data[inside], offsets), shape=shape)


def _lil(name: str, value: Any, shape: Shape) -> Any:
    rows, data = (_lists(_part(value, attribute), attribute) for attribute in ("rows", "data"))
    for attribute, lists in (("rows", rows), ("data", data)):
        if len(lists) != shape[0]:
            raise _Damage(f"{attribute} has length {len(lists)}, expected {shape[0]}")
    for i, (row, stored) in enumerate(zip(rows, data, strict=True)):
        if len(row) != len(stored):
            raise _Damage(f"row {i} has {len(row)} columns and {len(stored)} values")
    indices = _columns(f"{name}.rows", list(itertools.chain.from_iterable(rows)))
    _in_range("columns", indices, 0, shape[1] - 1)
    indptr = np.zeros(shape[0] + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=indptr[1:])
    values = _objects(f"{name}.data", list(itertools.chain.from_iterable(data)))
    return scipy.sparse.csr_array((values, indices, indptr), shape=shape)


def _lists(value: Any, attribute: str) -> list[list[Any]]:
    """Copy the lists in an array of LIL."""
    if not isinstance(value, np.ndarray) or value.ndim != 1:
        raise _Damage(f"{attribute} is a {type(value).__name__}, expected an array of lists")
    lists = []
    for i, row in enumerate(value.tolist()):
        if not isinstance(row, list | tuple | np.ndarray):
            raise _Damage(f"{attribute}[{i}] is a {type(row).__name__}, expected a list")
        lists.append(list(row))
    return lists


def _dok(name: str, value: Any, shape: Shape) -> Any:
    try:
        items = list(value.items())
    except Exception as error:
        raise _Damage(f"items cannot be read ({type(error).__name__}: {error})") from None
    for key, _ in items:
        if not isinstance(key, tuple) or len(key) != 2:
            raise _Damage(f"key {key!r}, expected (row, column)")
    found = []
    for axis, (what, size) in enumerate(zip(("rows", "columns"), shape, strict=True)):
        indices = _columns(f"{name}: {what}", [key[axis] for key, _ in items])
        _in_range(what, indices, 0, size - 1)
        found.append(indices)
    values = _objects(f"{name}.data", [item for _, item in items])
    return scipy.sparse.coo_array((values, tuple(found)), shape=shape)


def _columns(name: str, found: list[Any]) -> npt.NDArray[np.int64]:
    """Give Python objects, which have to be integers, as an array."""
    for kind in set(map(type, found)):
        if not issubclass(kind, numbers.Integral) or issubclass(kind, bool):
            raise TypeError(f"{name} has a {kind.__name__}: expected integers")
    try:
        return np.fromiter(map(int, found), np.int64, len(found))
    except OverflowError:
        raise _Damage(f"an index beyond 64 bits in {name}") from None


def _objects(name: str, found: list[Any]) -> Array:
    """Give Python objects, which have to be real numbers, as an array."""
    return numeric(name, np.fromiter(found, object, len(found)))


def _is_canonical(indptr: Array, indices: Array) -> bool:
    """Tell by the indices, not by a flag, whether columns ascend in every row."""
    if len(indices) < 2:
        return True
    ascends = indices[1:] > indices[:-1]
    starts = indptr[(indptr > 0) & (indptr < len(indices))]
    ascends[starts - 1] = True
    return bool(ascends.all())


_FORMATS: dict[str, Callable[[str, Any, Shape], Any]] = {
    "csr": _csr,
    "csc": _csc,
    "bsr": _bsr,
    "coo": _coo,
    "dia": _dia,
    "lil": _lil,
    "dok": _dok,
}
