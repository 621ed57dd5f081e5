"""Medians and spreads of columns between their quartiles, which far values do not move.

A column is heavy-tailed if its deviation is far above its spread: standardised, half of its values
or more would look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.blocks import Blocks, DoubleArray

Array = npt.NDArray[Any]
Columns = npt.NDArray[np.int64]

HEAVY = 3.0
"""Deviations, in spreads, beyond which a column is heavy-tailed.

Normal columns have 1, exponential ones 1.2, log-normal ones of deviation 1 have 2. In trials with
twelve wide tables 3, 5, 10 and 20 were alike; t-distributed columns that come near to 4 lose half
of what they tell when they are standardised.
"""

FEWEST = 20
"""Values that a column needs to be heavy-tailed; quartiles of fewer say little."""

_DEVIATION = 1.349
"""Deviations between the quartiles of a normal column."""
_ROUNDING = 4 * np.finfo(np.float64).eps
"""Beside the median: values that are closer are the same but for rounding, as 0.1 + 0.2 and 0.3."""
_LARGE = 8.0
"""Sizes of stored values above which sparse columns are not taken as they are, as in the core."""
_ENTRIES = 1 << 22  # of a block of columns, or of stored values
_QUARTILES = (0.25, 0.5, 0.75)


class Spreads(NamedTuple):
    """Columns with their medians and spreads, ascending."""

    columns: Columns
    centre: DoubleArray
    spread: DoubleArray
    """Above 0."""


def spreads(x: Any, marks: Mapping[int, int], *, heavy: bool) -> Spreads:
    """Give medians and spreads of the columns of samples; of one value each are none.

    Every value counts. The memory is that of a block of columns.

    Parameters
    ----------
    x
        An array, a CSR matrix or `Blocks` of finite numbers.
    marks
        By their number, columns of which values were missing, and those that have a one there: what
        stands for them does not count.
    heavy
        Whether to give the heavy-tailed ones only.
    """
    if isinstance(x, Blocks):
        dense = x.dense.shape[1]
        rows = {c: _marked(x.sparse, mark - dense) for c, mark in marks.items() if c < dense}
        left = _of_array(x.dense, rows, heavy=heavy)
        right = _of_matrix(x.sparse, {}, heavy=heavy)
        columns = np.concatenate([left.columns, right.columns + dense])
        pairs = zip(left[1:], right[1:], strict=True)
        return Spreads(columns, *map(np.concatenate, pairs))
    if scipy.sparse.issparse(x):
        rows = {c: _marked(x, mark) for c, mark in marks.items()}
        return _of_matrix(x, rows, heavy=heavy)
    return _of_array(x, {}, heavy=heavy)


def is_heavy(values: Array) -> bool:
    """Tell whether a column of these numbers is heavy-tailed."""
    return len(_of_rows(np.array(values, np.float64)[None], heavy=True).columns) > 0


def distances_from(x: Any, columns: Columns, centre: DoubleArray) -> DoubleArray:
    """Tell what values of some columns typically differ by from centres; 0 where none does."""
    if isinstance(x, Blocks):
        dense = x.dense.shape[1]
        left = columns < dense
        found = np.zeros(len(columns))
        found[left] = distances_from(x.dense, columns[left], centre[left])
        found[~left] = distances_from(x.sparse, columns[~left] - dense, centre[~left])
        return found
    if not scipy.sparse.issparse(x):
        pairs = zip(columns, centre, strict=True)
        return np.array([2 * _typical(np.abs(x[:, c].astype(float) - m), m) for c, m in pairs])
    found = np.zeros(len(columns))
    for place, one in enumerate(_columns(x, columns, {}) if len(columns) else ()):
        m = float(centre[place])
        all_of_it = np.append(np.abs(one.values - m), np.full(one.zeros if m else 0, abs(m)))
        found[place] = 2 * _typical(all_of_it, m)
    return found


# --- dense columns ------------------------------------------------------------------------------


def _of_array(x: Array, missing: Mapping[int, Array], *, heavy: bool) -> Spreads:
    size = max(1, _ENTRIES // max(1, len(x)))
    parts = []
    for first in range(0, x.shape[1], size):
        block = np.array(x[:, first : first + size].T, np.float64, order="C")
        numbers = np.arange(first, first + len(block))
        some = [c - first for c in missing if first <= c < first + len(block)]
        for c in some:
            one = _of_rows(np.delete(block[c], missing[c + first])[None], heavy=heavy)
            parts.append(one._replace(columns=numbers[[c]][one.columns]))
        if some:
            block, numbers = np.delete(block, some, 0), np.delete(numbers, some)
        found = _of_rows(block, heavy=heavy)
        parts.append(found._replace(columns=numbers[found.columns]))
    return _joined(parts)


def _of_rows(table: DoubleArray, *, heavy: bool) -> Spreads:
    """Do as `spreads` with columns that lie in rows, which is overwritten."""
    columns = np.arange(len(table))
    if table.shape[1] < (FEWEST if heavy else 2) or not len(table):
        return _none()
    with np.errstate(over="ignore", invalid="ignore"):
        low, centre, high = _quartiles(table)
        spread = (high - low) / _DEVIATION
        spread[~(spread > _ROUNDING * np.abs(centre))] = 0
        for c in np.flatnonzero(spread == 0):
            spread[c] = _typical(np.abs(table[c] - centre[c]), centre[c])
        kept = (spread > 0) & np.isfinite(spread) & np.isfinite(1 / np.maximum(spread, 5e-324))
        if heavy:
            table -= table.mean(axis=1, keepdims=True)
            squares = np.einsum("ij,ij->i", table, table)
            kept &= ~(squares <= (HEAVY * spread) ** 2 * table.shape[1])
    return Spreads(columns[kept], centre[kept], spread[kept])


def _quartiles(table: DoubleArray) -> list[DoubleArray]:
    """Give quartiles and median of each row as `numpy.quantile` does, and move its values."""
    last = table.shape[1] - 1
    below = [int(last * part) for part in _QUARTILES]
    table.partition(sorted({k for low in below for k in (low, min(low + 1, last))}), axis=1)
    found = []
    for part, k in zip(_QUARTILES, below, strict=True):
        low, high = table[:, k], table[:, min(k + 1, last)]
        found.append(low + (high - low) * (last * part - k))
    return found


def _typical(distances: DoubleArray, centre: float) -> float:
    """Give the spread of a column of which half of the values or more are the same: half of what
    the others typically differ by. Of two values it is half of their difference.
    """
    others = distances[distances > _ROUNDING * abs(centre)]
    return float(np.median(others)) / 2 if len(others) else 0.0


# --- sparse columns -----------------------------------------------------------------------------


class _Stored(NamedTuple):
    """A sparse column without what stands for missing values."""

    values: DoubleArray
    """Those that are not 0, ascending."""
    zeros: int

    def order(self, k: int) -> float:
        """Give the k-th number of all."""
        below = int(np.searchsorted(self.values, 0))
        if below <= k < below + self.zeros:
            return 0.0
        return float(self.values[k if k < below else k - self.zeros])

    def quantile(self, part: float) -> float:
        """Do as `numpy.quantile`."""
        last = len(self.values) + self.zeros - 1
        k = int(last * part)
        low, high = self.order(k), self.order(min(k + 1, last))
        return low + (high - low) * (last * part - k)

    def spread(self) -> tuple[float, float]:
        """Give the median and the spread; 0 of one value."""
        if len(self.values) + self.zeros < 2:
            return 0.0, 0.0
        low, centre, high = map(self.quantile, _QUARTILES)
        spread = (high - low) / _DEVIATION
        if spread <= _ROUNDING * abs(centre):
            distances = np.abs(self.values - centre)
            if centre != 0:
                distances = np.append(distances, np.full(self.zeros, abs(centre)))
            spread = _typical(distances, centre)
        return centre, spread

    def is_heavy(self, spread: float) -> bool:
        """Tell whether the column is heavy-tailed: by its deviation where half of the values or
        more are stored, and else, where they are not taken as they are, by the sizes of those.
        """
        stored = len(self.values)
        rows = stored + self.zeros
        if (rows if 2 * stored >= rows else stored) < FEWEST:
            return False
        with np.errstate(over="ignore"):
            if 2 * stored < rows:
                size = np.sqrt(np.mean(self.values**2))
                return bool(size > max(_LARGE, HEAVY * np.median(np.abs(self.values))))
            mean = self.values.sum() / rows
            squares = ((self.values - mean) ** 2).sum() + self.zeros * mean**2
            return not squares <= (HEAVY * spread) ** 2 * rows


def _of_matrix(x: Any, missing: Mapping[int, Array], *, heavy: bool) -> Spreads:
    if not x.nnz:
        return _none()
    stored = np.bincount(x.indices, minlength=x.shape[1])
    are_alike = not missing and x.data.min() == x.data.max()
    if heavy:
        chosen = np.zeros(0, np.int64) if are_alike else _likely(x, stored)
    else:
        chosen = np.flatnonzero(stored)
    parts = []
    if are_alike and not heavy:
        # Nearly all are indicators of less than a quarter of the rows.
        few = 4 * stored[chosen] < x.shape[0] - 4
        rare, chosen = chosen[few], chosen[~few]
        half = np.full(len(rare), abs(float(x.data[0])) / 2)
        parts.append(Spreads(rare, np.zeros(len(rare)), half))
    for some in _blocks_of(chosen, stored[chosen]):
        found = []
        for c, one in zip(some, _columns(x, some, missing), strict=True):
            centre, spread = one.spread()
            fits = spread > 0 and np.isfinite(1 / spread)
            if fits and not (heavy and not one.is_heavy(spread)):
                found.append((c, centre, spread))
        columns, centres, sizes = np.array(found, np.float64).reshape(-1, 3).T
        parts.append(Spreads(columns.astype(np.int64), centres, sizes))
    return _joined(parts)


def _blocks_of(chosen: Columns, stored: Array) -> list[Columns]:
    """Cut columns into blocks of not many stored values."""
    block = np.cumsum(stored) // _ENTRIES
    return np.split(chosen, np.flatnonzero(np.diff(block)) + 1) if len(chosen) else []


def _columns(x: Any, some: Columns, missing: Mapping[int, Array]) -> Iterator[_Stored]:
    block = x[:, some].tocsc()
    for c, start, stop in zip(some.tolist(), block.indptr, block.indptr[1:], strict=False):
        data, rows = block.data[start:stop], x.shape[0]
        if c in missing:
            data = data[~np.isin(block.indices[start:stop], missing[c])]
            rows -= len(missing[c])
        values = np.sort(data[data != 0].astype(np.float64))
        yield _Stored(values, rows - len(values))


def _likely(x: Any, stored: Array) -> Columns:
    """Choose the sparse columns that can be heavy-tailed."""
    squares = np.zeros(len(stored))
    for first in range(0, x.nnz, _ENTRIES):
        values = x.data[first : first + _ENTRIES].astype(np.float64)
        at = x.indices[first : first + _ENTRIES]
        with np.errstate(over="ignore"):
            squares += np.bincount(at, values * values, minlength=len(squares))
    rows = x.shape[0]
    is_large = (stored >= FEWEST) & (squares > _LARGE**2 * FEWEST)
    found: Columns = np.flatnonzero(is_large | ((rows >= FEWEST) & (2 * stored >= rows)))
    return found


def _marked(matrix: Any, column: int) -> Array:
    found: Array = matrix[:, [column]].tocoo().row
    return found


def _joined(parts: list[Spreads]) -> Spreads:
    if not parts:
        return _none()
    columns, centre, spread = map(np.concatenate, zip(*parts, strict=True))
    order = np.argsort(columns)
    return Spreads(columns[order], centre[order], spread[order])


def _none() -> Spreads:
    return Spreads(np.zeros(0, np.int64), np.zeros(0), np.zeros(0))
