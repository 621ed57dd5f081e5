"""Columns in which a few values are so far out that all others look alike."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from trulysparse.data.blocks import BlockArrays, CsrArrays
from trulysparse.data.digits import SAYS

Array = npt.NDArray[Any]

_ALIKE = 0.06
"""The spread of the others, in that of all, below which they look alike.

A network that has to tell values apart that are this close learns little in usual fits.
"""

# How many values are a few: a part of them, but this many in any case, if there are ten times more.
_FEW, _A_FEW = 0.01, 3
# The others lie within this many distances between their quartiles, or the column has a heavy tail
# of which the few are the end. Without one in a hundred, exponential columns reach 4.
_TAIL = 10.0
# The part of all columns below which a table loses too little to speak of.
_PART = 0.002
# Fewer samples have no others.
_FEWEST = 20
# Samples by which columns are chosen that are looked at whole, and columns at once.
_SOME, _BLOCK = 64, 4096
# What is chosen, in the distance between the quartiles of some samples: a few values farther out
# than four times the root of how many samples they stand for. A fourth of what `_ALIKE` asks for.
_FAR = 4.0
# The same in deviations: the others have less than `_ALIKE` squared of the variance. To look for
# that first is quicker in tables of few samples.
_OUT, _FEWER = 0.9, 256
# Columns of a block that are looked at whole, at least if there are more: many have heavy tails.
_LOOKED = 256
# The columns that are named.
_NAMED = 5


class Squeezed(NamedTuple):
    """A column: the value farthest out, and the quartiles of the others."""

    column: int
    farthest: float
    low: float
    high: float


def squeezed(x: npt.NDArray[Any]) -> list[Squeezed]:
    """Find the columns of dense samples in which a few values leave the others no spread.

    Columns in which half of the values or more are the same, such as indicators and counts of rare
    things, are none of them: their outliers are what they tell. Neither are those with heavy tails,
    nor one in a thousand columns.
    """
    samples = len(x)
    if samples < _FEWEST:
        return []
    few = max(min(_A_FEW, samples // 10), int(_FEW * samples))
    rows = np.linspace(0, samples - 1, min(_SOME, samples)).astype(np.intp)
    found = []
    for first in range(0, x.shape[1], _BLOCK):
        block = x[:, first : first + _BLOCK]
        most, least = block.max(axis=0).astype(np.float64), block.min(axis=0).astype(np.float64)
        some = np.arange(len(most))
        if samples <= _FEWER:
            some = some[_is_out(block, most, least, np.sqrt(samples / few))]
        low, high = _quartiles(np.ascontiguousarray(block[np.ix_(rows, some)].T))
        with np.errstate(over="ignore"):
            reach = _FAR * np.sqrt(samples / few) * (high - low)
            far = (most[some] - high > reach) | (low - least[some] > reach)
        chosen = some[far & (high > low)]
        for k in chosen[:: 1 + len(chosen) // _LOOKED]:
            one = _look(first + int(k), np.array(block[:, k], np.float64), few)
            found += [] if one is None else [one]
    return found if len(found) >= _PART * x.shape[1] else []


def _is_out(block: Array, most: Array, least: Array, root: float) -> Array:
    """Tell the columns whose farthest value can have nearly all of the variance, or overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        mean, deviation = block.mean(axis=0, dtype=float), block.std(axis=0, dtype=float)
        is_near = np.maximum(most - mean, mean - least) < _OUT * root * deviation
    is_out: Array = ~is_near | ~np.isfinite(deviation)
    return is_out


def _quartiles(table: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Give the lower and the upper one of each row."""
    count = table.shape[1]
    low, high = count // 4, count - 1 - count // 4
    parted = np.partition(table, (low, high), axis=1)
    return parted[:, low].astype(np.float64), parted[:, high].astype(np.float64)


def _look(column: int, values: npt.NDArray[np.float64], few: int) -> Squeezed | None:
    with np.errstate(over="ignore", invalid="ignore"):
        order = np.abs(values - np.median(values)).argsort()
        others = values[order[:-few]]
        is_squeezed = others.std() < _ALIKE * values.std()
        (low,), (high,) = _quartiles(others[None, :])
        reach = max(others.max() - high, low - others.min())
    if not is_squeezed or low == high or reach > _TAIL * (high - low):
        return None
    return Squeezed(column, float(values[order[-1]]), float(low), float(high))


def described(found: Sequence[Squeezed], columns: Sequence[str] | None) -> str:
    """Say which columns these are, and how the first looks."""

    def name(one: Squeezed) -> str:
        return str(one.column) if columns is None else repr(str(columns[one.column]))

    first, rest = found[0], found[1:]
    text = (
        f"column {name(first)} has {first.farthest:.6g}, where half of the values lie between "
        f"{first.low:.6g} and {first.high:.6g}"
    )
    if rest:
        more = len(found) - _NAMED
        also = ", ".join(map(name, rest[: _NAMED - 1])) + (f" and {more} more" if more > 0 else "")
        text += f"; also columns {also}"
    return text


def that_count(values: Any, sample_weight: Any) -> Any:
    """Give dense samples, or targets, without those of weight 0; sparse ones as they are."""
    is_sparse = isinstance(values, CsrArrays | BlockArrays) or hasattr(values, "tocsr")
    if values is None or sample_weight is None or is_sparse:
        return values
    weight = np.asarray(sample_weight)
    return values if weight.all() else np.asarray(values)[weight > 0]


def say_outliers(
    name: str, x: Any, columns: Sequence[str] | None = None, *, stacklevel: int
) -> None:
    """Warn of outliers in samples that are standardised: the others hardly differ afterwards.

    Sparse samples are left alone, as all that is not 0 is an outlier in most of them.
    """
    if not isinstance(x, np.ndarray) or not SAYS.get():
        return
    found = squeezed(x)
    if found:
        warnings.warn(
            f"{name} has outliers: {described(found, columns)}; once standardised, the others look "
            "alike: clip outliers, or take the logarithm",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )


def of_targets(y: Any) -> str | None:
    """Say which of the targets, numbers as the user gave them, is beside all others, if one is."""
    if y is None or hasattr(y, "tocsr"):
        return None
    array = np.asarray(y)
    if array.ndim not in (1, 2) or array.dtype.kind not in "iuf":
        return None
    table = array.reshape(len(array), -1)
    if np.isnan(table).any():
        columns = [table[~np.isnan(table[:, k]), k] for k in range(min(table.shape[1], _LOOKED))]
        found = [one for column in columns for one in squeezed(column[:, None])]
    else:
        found = squeezed(table)
    if not found:
        return None
    one = found[0]
    return (
        f"a target is {one.farthest:.6g}, where half of them lie between {one.low:.6g} and "
        f"{one.high:.6g}"
    )


def say_outlying_targets(name: str, y: Any, *, stacklevel: int) -> None:
    """Warn of targets with such squared errors that a network learns little beside them."""
    found = of_targets(y) if SAYS.get() else None
    if found is not None:
        warnings.warn(
            f"{name} has outliers: {found}; a squared error has room for little else: leave "
            "outliers out, fit to the logarithm, or take loss='huber'",
            RuntimeWarning,
            stacklevel=stacklevel + 1,
        )
