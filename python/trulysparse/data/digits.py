"""Columns of which a network, or float64, does not tell the values apart, as a sample shows."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core
from trulysparse.data.blocks import BlockArrays, Blocks

Array = npt.NDArray[Any]
# What becomes of values, (columns, samples), of the columns of these numbers.
Rounding = Callable[[Array, Any], Array]

_PACKAGE = __name__.partition(".")[0]
# Samples by which columns are chosen that are looked at closer, columns at once, and samples then.
_SOME, _BLOCK, _MOST = 64, 4096, 2048
# Entries that are not worth choosing columns from first.
_SMALL = 1 << 14
# Entries of constant columns that are copied at once.
_ENTRIES = 1 << 22
# The part of the samples that fall together with others of another value, from which that is said.
_PART = 0.02
# The part of them, and the number, that fall together in one place: fewer still tell enough.
_CROWD, _FEWEST = 0.01, 3
# Differences, in parts of the largest value, that may come of rounding; whole numbers are exact.
_ROUNDING = 1e-13
_WHOLE = 2.0**53
# Values of a column that are constant but for rounding lie this close to its mean, in parts of it.
_CONSTANT = 1e-14
# The steps, in standard deviations, from which samples are too coarse for a model.
_COARSE = 4.0
# The steps of float32 in which `say_blurred` of `precision` finds columns by their ends.
STEPS = 1000
# Below it float32 loses digits, and then makes zeros.
_TINY = float(np.finfo(np.float32).tiny)


# Limits beyond which a clipped value is at its limit, as in the core.
_CLIPPED = 1e8

SAYS: ContextVar[bool] = ContextVar("SAYS", default=True)
"""Whether columns are looked at: not in the fit of an estimator, which does so itself."""


class Merged(NamedTuple):
    """A column: its different values in a sample, how many of them remain, and two of them."""

    column: int
    samples: int
    before: int
    after: int
    crowded: float
    farthest: float


def merged(x: Array, rounded: Rounding, among: npt.NDArray[np.bool_] | None = None) -> list[Merged]:
    """Find the columns, (samples, columns), in which many different values fall together."""
    some = x if len(x) <= _SOME else x[_spread(len(x), _SOME)]
    found: list[Merged] = []
    for first in range(0, x.shape[1], _BLOCK):
        columns = np.arange(first, min(first + _BLOCK, x.shape[1]))
        if some.size > _SMALL:
            columns = columns[_have_same(rounded(some[:, columns], columns))]
        values = np.sort(np.ascontiguousarray(some[:, columns].T), axis=1)
        images = rounded(values, columns[:, None])
        hit = ((values[:, 1:] != values[:, :-1]) & (images[:, 1:] == images[:, :-1])).any(axis=1)
        for k in columns[hit if among is None else hit & among[columns]].tolist():
            column = np.sort(x[:, k] if len(x) <= _MOST else x[_spread(len(x), _MOST), k])
            one = _look(k, column, rounded(column[None, :], np.array([[k]]))[0])
            found += [] if one is None else [one]
    return found


def _have_same(images: Array) -> npt.NDArray[np.bool_]:
    """Tell in which columns some values are the same: in few, of measurements."""
    ordered = np.sort(np.ascontiguousarray(images.T), axis=1)
    same: npt.NDArray[np.bool_] = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    return same


def _spread(samples: int, most: int) -> npt.NDArray[np.intp]:
    return np.linspace(0, samples - 1, min(most, samples)).astype(np.intp)


def _look(column: int, values: Array, images: Array) -> Merged | None:
    """Judge sorted values, and what becomes of them."""
    apart = values[1:] > values[:-1]
    if values.dtype.kind == "f":
        largest = max(abs(values[0]), abs(values[-1]))
        whole = (values == np.trunc(values)) & (abs(values) <= _WHOLE)
        apart &= (values[1:] - values[:-1] > _ROUNDING * largest) | (whole[1:] & whole[:-1])
    same = images[1:] == images[:-1]
    count = len(values)
    # Runs of one value within places, where all fall together.
    runs = np.flatnonzero(np.r_[True, apart | ~same])
    places = np.flatnonzero(np.r_[True, ~same])
    most = np.maximum.reduceat(np.diff(np.r_[runs, count]), np.searchsorted(runs, places))
    sizes = np.diff(np.r_[places, count])
    lost = np.where(sizes >= max(_FEWEST, _CROWD * count), sizes - most, 0)
    if lost.sum() < _PART * count:
        return None
    place = int(lost.argmax())
    crowded, *ends = values[[places[place] + sizes[place] // 2, 0, -1]].tolist()
    farthest = max(ends, key=lambda end: abs(end - crowded))
    before = 1 + int(apart.sum())
    return Merged(column, count, before, before - int((apart & same).sum()), crowded, farthest)


def standardised(statistics: _core.Statistics, limits: Array | None = None) -> Rounding:
    """Give what a network makes of samples by these statistics, and what values never exceed."""
    mean, scale = statistics.mean, statistics.scale

    def of(values: Array, columns: Any) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            wide = np.subtract(values, mean[columns], dtype=np.float64)
            wide *= scale[columns]
            if limits is not None:
                part = wide / limits[columns]
                wide = np.where(abs(part) > _CLIPPED, np.sign(part) * limits[columns], wide)
                wide /= np.where(abs(part) > _CLIPPED, 1, np.sqrt(1 + part * part))
            narrow: Array = wide.astype(np.float32)
        return narrow

    return of


def in_float32(values: Array, _: Any) -> Array:
    """Round as a network does that does not standardise."""
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(np.float32)


def in_float64(values: Array, _: Any) -> Array:
    """Round integers as every network does."""
    return values.astype(np.float64)


# --- sparse samples -----------------------------------------------------------------------------


def _dense(matrix: Any, narrow: Rounding) -> tuple[Array, Array]:
    """Give some rows of the columns of a CSR matrix of which `narrow` merges values, densely."""
    some = matrix[_spread(matrix.shape[0], _MOST)].tocsc()
    columns = np.repeat(np.arange(matrix.shape[1]), np.diff(some.indptr))
    order = np.lexsort((some.data, columns))
    columns, values = columns[order], some.data[order]
    images = narrow(values, columns)
    near = values[1:] == values[:-1]
    if values.dtype.kind == "f":
        near = values[1:] - values[:-1] <= _ROUNDING * abs(values[1:])
    hit = (columns[1:] == columns[:-1]) & (images[1:] == images[:-1]) & ~near
    found = np.unique(np.r_[columns[1:][hit], columns[(images == 0) & (values != 0)]])
    return found, some[:, found].toarray()


def _scaled(table: Array, full: npt.NDArray[np.bool_]) -> Rounding:
    """Give what a network makes of sparse samples: columns with zeros are not centred."""
    table = table.astype(np.float64)
    deviation = table.std(axis=0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    mean = np.where(full, table.mean(axis=0), 0.0)
    return standardised(_core.Statistics(mean, scale, 1.0))


# --- what is said -------------------------------------------------------------------------------


def warn(text: str) -> None:
    """Warn where a user calls the package, however deep in it that is noticed."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(_PACKAGE):
        frame, level = frame.f_back, level + 1
    warnings.warn(text, RuntimeWarning, stacklevel=level)


class Names:
    """What columns are called."""

    def __init__(
        self, name: str, columns: Sequence[str] | None = None, *, is_one: bool = False
    ) -> None:
        self.name, self._columns, self._is_one = name, columns, is_one

    def of(self, column: int) -> str:
        if self._is_one:
            return self.name
        label = column if self._columns is None else repr(str(self._columns[column]))
        return f"column {label} of {self.name}"


def say_standardised(
    names: Names,
    values: Any,
    statistics: _core.Statistics | None,
    *,
    whole: bool = True,
    limits: Array | None = None,
) -> None:
    """Warn of columns that are taken as constant, and with `whole` of those whose values merge.

    Parameters
    ----------
    names
        What the columns are called.
    values
        An array, (samples,) or (samples, columns), a CSR matrix, or `CsrArrays`.
    statistics
        By which they are standardised.
    limits
        What they never exceed then, inf if they are not clipped; None if none is.
    """
    if statistics is None or not SAYS.get() or not _scales(statistics):
        return
    if isinstance(values, BlockArrays | Blocks):
        first = values.dense.shape[1]
        dense = _core.Statistics(
            statistics.mean[:first], statistics.scale[:first], statistics.total
        )
        limits = None if limits is None else limits[:first]
        return say_standardised(names, values.dense, dense, whole=whole, limits=limits)
    if isinstance(values, np.ndarray):
        table = values.reshape(len(values), -1)
    elif scipy.sparse.issparse(values):
        table = values
    elif values.exact is not None:
        arrays = (values.exact, values.indices, values.indptr)
        table = scipy.sparse.csr_array(arrays, shape=values.shape)
    else:
        return
    if table.dtype == np.float64:
        _say_constant(names, table, statistics)
    if whole and isinstance(table, np.ndarray) and table.dtype.kind == "f":
        found = merged(table, standardised(statistics, limits), statistics.scale > 0)
        _say_merged(names, found, ", once standardised,")


def _scales(statistics: _core.Statistics) -> bool:
    """Tell statistics that do more than leave out features with one value."""
    scale = statistics.scale
    return bool(statistics.total) or bool(((scale != 0) & (scale != 1)).any())


def _say_constant(names: Names, table: Any, statistics: _core.Statistics) -> None:
    constant = np.flatnonzero(statistics.scale == 0)
    block = max(1, _ENTRIES // table.shape[0])
    for first in range(0, len(constant), block):
        columns = constant[first : first + block]
        values, mean = table[:, columns], statistics.mean[columns]
        if not isinstance(values, np.ndarray):
            full = np.diff(values.tocsc().indptr) == values.shape[0]
            columns, mean, values = columns[full], mean[full], values[:, full].toarray()
        differs = (values != mean).any(axis=0)
        for k in np.flatnonzero(differs):
            low, high = float(values[:, k].min()), float(values[:, k].max())
            if max(high - mean[k], mean[k] - low) <= _CONSTANT * abs(mean[k]):
                warn(
                    f"{names.of(int(columns[k]))} is taken as constant: it lies between {low!r} "
                    f"and {high!r}, which differ by rounding only; if that means something, "
                    f"subtract {float(mean[k])!r} first"
                )
                return


def _say_merged(names: Names, found: list[Merged], how: str) -> None:
    if not found:
        return
    first, more = found[0], len(found) - 1
    also = f", and those of {more} columns more" if more else ""
    if max(abs(first.crowded), abs(first.farthest)) < _TINY:
        why = "float32 makes zeros of numbers so small: take another unit"
    else:
        why = (
            f"many are close to {first.crowded:.15g}, and {first.farthest:.15g} is far from them; "
            "give what stands for something else, such as 0 for none, another column, or take "
            "the logarithm"
        )
    warn(
        f"{names.of(first.column)} has {first.before} different values in {first.samples} samples, "
        f"of which float32{how} tells {first.after} apart{also}: {why}"
    )


def say_rounded(names: Names, value: Any) -> None:
    """Warn of columns, as the user gave them, of which float32 merges values.

    Those that lie in few steps of float32 are left to `say_blurred`.
    """
    if not SAYS.get():
        return
    array = np.asarray(value)
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf" or len(array) == 0:
        return
    if not np.can_cast(array.dtype, np.float32):
        names = Names(names.name, is_one=True) if array.ndim == 1 else names
        table = array.reshape(len(array), -1)
        found = [one for one in merged(table, in_float32) if not _is_blurred(one)]
        _say_merged(names, found, "")


def _is_blurred(one: Merged) -> bool:
    span = abs(one.farthest - one.crowded)
    large = np.float32(max(abs(one.farthest), abs(one.crowded)))
    return bool(span < STEPS * np.spacing(large))


def say_sparse(names: Names, matrix: Any, *, standardize: bool) -> None:
    """Warn of columns of a canonical CSR matrix, as a user gave it, whose values float32 merges."""
    if np.can_cast(matrix.dtype, np.float32) or matrix.dtype.kind not in "iuf" or not matrix.nnz:
        return
    if not SAYS.get():
        return
    columns, table = _dense(matrix, in_float32)
    if not len(columns):
        return
    rounded: Rounding = in_float32
    how = ""
    if standardize:
        rounded, how = _scaled(table, (table != 0).all(axis=0)), ", once standardised,"
    found = [one._replace(column=int(columns[one.column])) for one in merged(table, rounded)]
    if not standardize:  # `say_blurred` takes no notice of small numbers in sparse samples
        found = [one for one in found if one.farthest < _TINY or not _is_blurred(one)]
    _say_merged(names, found, how)


def say_integers(names: Names, value: Any) -> None:
    """Warn of columns of integers, in an array or a CSR matrix, of which float64 merges some."""
    if value.dtype.kind not in "iuO" or value.dtype.itemsize < 8 or not SAYS.get():
        return
    if value.dtype == object and not all(isinstance(item, int) for item in value.flat):
        return
    is_sparse = scipy.sparse.issparse(value)
    stored = value.data if is_sparse else value
    if stored.size == 0 or value.ndim not in (1, 2):
        return
    if max(int(stored.max()), -int(stored.min())) <= _WHOLE:
        return
    columns, table = None, value
    if is_sparse:
        columns, table = _dense(value, in_float64)
    names = Names(names.name, is_one=True) if table.ndim == 1 else names
    for one in merged(table.reshape(table.shape[0], -1), in_float64):
        column = one.column if columns is None else int(columns[one.column])
        warn(
            f"{names.of(column)} has {one.before} different integers in {one.samples} samples, of "
            f"which float64 tells {one.after} apart: near {one.crowded} float64 has steps of "
            f"{np.spacing(float(abs(one.crowded))):g}; take smaller integers, such as differences "
            "to that one"
        )
        return


def say_coarse(name: str, dtype: Any, statistics: _core.Statistics | None) -> None:
    """Warn of samples of a type that does not hold the differences which a model was trained on."""
    if statistics is None or not statistics.total:
        return
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = statistics.mean.astype(np.float32 if dtype == np.float32 else np.float64)
        steps = np.spacing(abs(narrow)).astype(np.float64)
    coarse = np.flatnonzero(steps * statistics.scale > _COARSE)
    if len(coarse):
        first, more = int(coarse[0]), len(coarse) - 1
        also = f", and so are {more} columns more" if more else ""
        warn(
            f"column {first} of {name} is {dtype}, which near {statistics.mean[first]:.15g} has "
            f"steps of {steps[first]:.3g}{also}: the model was trained on values that deviate by "
            f"{1 / statistics.scale[first]:.3g}; expected float64"
        )
