"""Medians and spreads of columns between their quartiles, which far values do not move.

A column is heavy-tailed if its deviation is far above its spread: standardised, half of its values
or more would look alike.
"""

from __future__ import annotations

from collections.abc import Mapping
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


def _of_matrix(x: Any, missing: Mapping[int, Array], *, heavy: bool) -> Spreads:
    if not x.nnz:
        return _none()
    stored = np.bincount(x.indices, minlength=x.shape[1])
    chosen = _chosen(x) if heavy else np.flatnonzero(stored)
    parts = []
    if not heavy and not missing and x.data.min() == x.data.max():
        # Nearly all are indicators of less than a quarter of the rows.
        few = 4 * stored[chosen] < x.shape[0] - 4
        rare, chosen = chosen[few], chosen[~few]
        spread = np.full(len(rare), abs(float(x.data[0])) / 2)
        parts.append(Spreads(rare, np.zeros(len(rare)), spread))
    size = max(1, int(_ENTRIES / max(1, x.nnz / x.shape[1])))
    for first in range(0, len(chosen), size):
        some = chosen[first : first + size]
        block = (x if len(chosen) == x.shape[1] <= size else x[:, some]).tocsc()
        found = [
            _of_stored(block.data[start:stop], block.indices[start:stop], missing.get(int(c)), x)
            for c, start, stop in zip(some, block.indptr, block.indptr[1:], strict=False)
        ]
        kept = np.array([spread > 0 and np.isfinite(1 / spread) for _, spread in found], bool)
        centre, spread = np.array(found, np.float64).reshape(-1, 2)[kept].T
        parts.append(Spreads(some[kept].astype(np.int64), centre, spread))
    return _joined(parts)


def _of_stored(data: Array, rows: Array, missing: Array | None, x: Any) -> tuple[float, float]:
    """Give the median and the spread of a column, its absent entries included; 0 if it has none."""
    present = x.shape[0]
    if missing is not None:
        data, present = data[~np.isin(rows, missing)], present - len(missing)
    values = np.sort(data[data != 0].astype(np.float64))
    below, zeros = int(np.searchsorted(values, 0)), present - len(values)

    def order(k: int) -> float:
        """Give the k-th number of all."""
        if below <= k < below + zeros:
            return 0.0
        return float(values[k if k < below else k - zeros])

    def quantile(part: float) -> float:
        k = int((present - 1) * part)
        rest = (present - 1) * part - k
        low, high = order(k), order(min(k + 1, present - 1))
        return float(low + (high - low) * rest)

    if present < 2:
        return 0.0, 0.0
    low, centre, high = map(quantile, _QUARTILES)
    spread = (high - low) / _DEVIATION
    if spread <= _ROUNDING * abs(centre):
        distances = np.abs(values - centre)
        if centre != 0:
            distances = np.concatenate([distances, np.full(zeros, abs(centre))])
        spread = _typical(distances, centre)
    return centre, spread


def _chosen(x: Any) -> Columns:
    """Choose the sparse columns that are heavy-tailed: by their deviations where most values are
    stored, and else, where they are not taken as they are, by the sizes of those that are.
    """
    stored, squares, sums = np.zeros((3, x.shape[1]))
    if x.data.min() == x.data.max():
        return np.zeros(0, np.int64)
    for first in range(0, x.nnz, _ENTRIES):
        values = x.data[first : first + _ENTRIES].astype(np.float64)
        at = x.indices[first : first + _ENTRIES]
        with np.errstate(over="ignore"):
            squares += np.bincount(at, values * values, minlength=len(squares))
        sums += np.bincount(at, values, minlength=len(sums))
        stored += np.bincount(at, values != 0, minlength=len(stored))
    rows = x.shape[0]
    is_full = 2 * stored >= rows
    size = np.sqrt(squares / np.where(is_full, rows, np.maximum(stored, 1)))
    likely = np.flatnonzero((stored >= FEWEST) & (is_full | (size > _LARGE)))
    found = []
    for c in likely:
        values = x[:, [c]].data.astype(np.float64)
        values = values[values != 0]
        if is_full[c]:
            whole = np.concatenate([values, np.zeros(rows - len(values))])
            drowns = is_heavy(whole)
        else:
            drowns = not size[c] <= HEAVY * np.median(np.abs(values))
        found += [int(c)] if drowns else []
    return np.array(found, np.int64)


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
