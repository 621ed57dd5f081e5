"""Some rows of a file, for what is learnt of samples in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from trulysparse.data.blocks import Blocks
from trulysparse.estimators import _rows
from trulysparse.estimators._targets import Array
from trulysparse.selection.features import Indices
from trulysparse.streams import RowBlocks

MOST = 50_000
"""Rows that are in memory at most, beside those of rare classes."""

_FEWEST = 20  # rows of each class, if there are as many
_CELLS = 1 << 28  # of a dense table, as far as 1,000 rows are fewer
_LEAST = 1_000


class Sampled(NamedTuple):
    """Rows of a file that are in memory, without targets if the file has none."""

    X: Any
    y: Array | None
    weight: Array | None


def sampled(estimator: Any, rows: RowBlocks, random: np.random.Generator) -> Sampled:
    """Read some rows, each with the same chance, and note the names of their columns.

    Parameters
    ----------
    estimator
        Which gets the names.
    rows
        Of the file; all are read, block by block.
    random
        Draws which.
    """
    y = _rows.labels(rows) if rows._source.has_labels else None
    _, features = rows.shape
    first = rows._read(rows._start, rows._start + 1, wide=True, labelled=False).x
    most = MOST if sparse.issparse(first) else min(MOST, max(_CELLS // features, _LEAST))
    chosen = _chosen(len(rows), y, most, random)
    parts = []
    for start in range(0, len(rows), rows.buffer_rows):
        stop = min(start + rows.buffer_rows, len(rows))
        here = chosen[np.searchsorted(chosen, start) : np.searchsorted(chosen, stop)]
        if len(here):
            place = rows._start
            found = rows._read(place + start, place + stop, wide=True, labelled=False)
            parts.append(found.x[here - start])
    _rows.learn_names(estimator, rows)
    weight = None if rows._weight is None else rows._weight[rows._start + chosen]
    return Sampled(_stacked(parts), None if y is None else y[chosen], weight)


def _chosen(count: int, y: Array | None, most: int, random: np.random.Generator) -> Indices:
    """Draw row numbers, ascending."""
    if count <= most:
        return np.arange(count)
    order = random.permutation(count)
    chosen = order[:most]
    if y is not None and y.ndim == 1 and y.dtype.kind != "f":
        classes, which = np.unique(y, return_inverse=True)
        counts = np.bincount(which[chosen], minlength=len(classes))
        rest = order[most:]
        for rare in np.flatnonzero(counts < _FEWEST) if len(classes) < most else ():
            more = rest[which[rest] == rare][: _FEWEST - counts[rare]]
            chosen = np.append(chosen, more)
    found: Indices = np.sort(chosen)
    return found


def _stacked(parts: list[Any]) -> Any:
    if isinstance(parts[0], Blocks):
        dense, stored = zip(*((part.dense, part.sparse) for part in parts), strict=True)
        return Blocks(np.vstack(dense), sparse.vstack(stored, format="csr"))
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts, format="csr")
    return np.vstack(parts)
