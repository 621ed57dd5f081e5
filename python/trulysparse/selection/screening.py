"""Features that are worth a network's time, where there are very many."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from trulysparse.data.blocks import Blocks
from trulysparse.selection.elimination import Task
from trulysparse.selection.features import Floats, Indices

MOST = 20_000
"""Features that a network begins with at most."""

_AT_ONCE = 1 << 24  # values whose copies are in memory


def screened(task: Task, features: Indices, most: int = MOST) -> Indices:
    """Give those features that the targets vary with most, ascending; all if there are few."""
    if len(features) <= most:
        return features
    common = in_common(task)
    chosen = np.argsort(-common[features], kind="stable")[:most]
    return np.sort(features[chosen])


def in_common(task: Task, order: Indices | None = None) -> Floats:
    """Give what each feature has in common with the targets, (n_features,).

    That is the largest share of the variance of a column of the targets that the feature, or its
    square if it is dense, has in common with it. With an order its rows are taken in that order.
    """
    y = _columns_of(task)
    if order is not None:
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        y = y[back]  # the same sums as with rows in that order, which would be a copy
    return _in_common(task.X, y)


def _columns_of(task: Task) -> Floats:
    """Give targets as columns, of mean 0 and variance 1."""
    y: Any = task.y.toarray() if issparse(task.y) else np.asarray(task.y)
    if task.loss == "cross_entropy":
        y = np.eye(task.outputs)[y] if y.ndim == 1 else y
    y = np.nan_to_num(y.reshape(len(y), -1).astype(np.float64))
    y = y - y.mean(axis=0)
    deviation = y.std(axis=0)
    found: Floats = y / np.where(deviation > 0, deviation, np.inf)
    return found


def _in_common(X: Any, y: Floats) -> Floats:
    if isinstance(X, Blocks):
        return np.concatenate([_in_common(X.dense, y), _in_common(X.sparse, y)])
    rows, count = X.shape
    if issparse(X):
        product = np.asarray(X.T.astype(np.float64) @ y)
        mean = np.asarray(X.sum(axis=0)).ravel() / rows
        square = np.bincount(X.indices, weights=X.data.astype(np.float64) ** 2, minlength=count)
        return _share(product, square / rows - mean**2, rows)
    found = np.empty(count)
    step = max(_AT_ONCE // rows, 1)
    for start in range(0, count, step):
        z = np.asarray(X[:, start : start + step], np.float64, order="C")  # as sums go by it
        z = z - z.mean(axis=0)
        squares = z**2
        variance = squares.mean(axis=0)
        squares -= variance
        plain = _share(z.T @ y, variance, rows)
        curved = _share(squares.T @ y, (squares**2).mean(axis=0), rows)
        found[start : start + step] = np.maximum(plain, curved)
    return found


def _share(product: Floats, variance: Floats, rows: int) -> Floats:
    """Give the largest squared correlation with a target of each feature."""
    known = variance > 0
    squared = (product / rows) ** 2
    largest = squared.max(axis=1)
    found: Floats = np.divide(largest, variance, out=np.zeros(len(variance)), where=known)
    return found
