"""Targets that are sparse, or of which some are missing: checks, weights, scores and predictions.

Blocks of rows become dense, as the network's outputs are anyway; all of them never do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import scipy
from scipy.sparse import issparse

from trulysparse import _check
from trulysparse.data.missing import any_missing
from trulysparse.data.numeric import refuse_held_sparse
from trulysparse.estimators._targets import Array, Labels, Targets
from trulysparse.estimators._weighted import WeightedSamples

# The numbers of a dense block.
_BLOCK = 1 << 23
# Logarithms of weights that float64 holds.
_HELD = 600.0


def is_partial(y: Any) -> bool:
    """Tell a sparse matrix, and an array of numbers of which some are missing."""
    return issparse(y) or (isinstance(y, np.ndarray) and y.ndim == 2 and any_missing(y))


def checked(name: str, y: Any, *, indicators: bool) -> Any:
    """Check what partial targets hold; ValueError, with the place, for the first that is wrong."""
    values = y.data if issparse(y) else y
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name} has dtype {values.dtype}: expected numbers")
    if indicators:
        good, expected = (values == 0) | (values == 1), "zeros and ones, a column for each label"
    else:
        with np.errstate(invalid="ignore"):
            good, expected = abs(values) <= _LARGEST, "numbers up to 1e150"
    good = good | (values != values)
    if good.all():
        return y if indicators else y.astype(np.float64)
    at = int(good.argmin())
    row, column = divmod(at, y.shape[1])
    if issparse(y):
        row, column = int(np.searchsorted(y.indptr, at, side="right")) - 1, y.indices[at]
    raise ValueError(f"{name}[{row}, {column}] = {values.flat[at]}: expected {expected}")


_LARGEST = np.float64(1e150)


def with_labels(samples: WeightedSamples, name: str) -> WeightedSamples:
    """Leave out the samples of which all labels are missing; ValueError if none is left."""
    y: Any = samples.y
    if not is_partial(y) or not any_missing(y):
        return samples
    if issparse(y):
        row = np.repeat(np.arange(y.shape[0]), np.diff(y.indptr))
        some = np.bincount(row[np.isnan(y.data)], minlength=y.shape[0]) < y.shape[1]
    else:
        some = ~np.isnan(y).all(axis=1)
    if not some.any():
        raise ValueError(f"{name}: all labels are missing: expected one or more that are there")
    return samples if some.all() else samples.some(some)


def blocks(rows: int, outputs: int) -> Iterator[slice]:
    """Give slices of rows whose outputs take little memory."""
    size = max(1, _BLOCK // outputs)
    return (slice(start, start + size) for start in range(0, rows, size))


def predictions(target: Targets, X: Any, predict: Callable[[Any], Array]) -> Any:
    """Give labels as a CSR matrix of zeros and ones; `predict` gives the outputs for samples."""
    parts = [target.decode(predict(X[rows])) for rows in blocks(X.shape[0], target.outputs)]
    return parts[0] if len(parts) == 1 else scipy.sparse.vstack(parts, format="csr")


def score(target: Targets, samples: WeightedSamples, predict: Callable[[Any], Array]) -> float:
    """Score by the labels that are there: accuracy of whole samples, or R2, as scikit-learn has."""
    samples = with_labels(samples, "y")
    target.encode(samples.y[:1], "y")  # the same columns
    by = _accuracy if isinstance(target, Labels) else _r2
    return by(target, samples, predict)


def _pairs(
    target: Targets, samples: WeightedSamples, predict: Callable[[Any], Array]
) -> Iterator[tuple[Array, Array, Array]]:
    """Give blocks of targets and outputs, dense, with weights."""
    count = samples.X.shape[0]
    weight = np.ones(count) if samples.weight is None else samples.weight
    for rows in blocks(count, target.outputs):
        y: Any = samples.y[rows]
        yield y.toarray() if issparse(y) else y, predict(samples.X[rows]), weight[rows]


def _accuracy(target: Any, samples: WeightedSamples, predict: Callable[[Any], Array]) -> float:
    right, total = 0.0, 0.0
    for y, outputs, weight in _pairs(target, samples, predict):
        is_right = (((outputs > 0.5) == (y == 1)) | (y != y)).all(axis=1)
        right, total = right + float(weight[is_right].sum()), total + float(weight.sum())
    return right / total


def _r2(target: Any, samples: WeightedSamples, predict: Callable[[Any], Array]) -> float:
    weights, sums, left, spread = np.zeros((4, target.outputs))
    first = np.full(target.outputs, np.nan)  # of which the mean of a constant is made exactly
    for y, _, weight in _pairs(target, samples, lambda x: x):
        column = weight[:, None]
        first = np.where(np.isnan(first), y[(y == y).argmax(axis=0), np.arange(len(first))], first)
        weights += (column * (y == y)).sum(axis=0)
        sums += np.nansum(column * (y - first), axis=0)
    means = first + np.divide(sums, weights, out=np.zeros_like(sums), where=weights > 0)
    for y, outputs, weight in _pairs(target, samples, predict):
        if not np.isfinite(outputs).all():
            return -np.inf
        column = weight[:, None]
        left += np.nansum(column * (y - outputs) ** 2, axis=0)
        spread += np.nansum(column * (y - means) ** 2, axis=0)
    known = weights > 0
    parts = np.where(left == 0, 1.0, 0.0)
    np.divide(spread - left, spread, out=parts, where=spread > 0)
    return float(parts[known].mean())


def class_weights(given: Any, y: Any) -> Array:
    """Give weights of samples by their labels, products over the labels that are there.

    As scikit-learn's `compute_sample_weight`, up to a factor if that is beyond float64.
    """
    weights = _of_columns(given, y)
    logarithms = _sums(np.log(np.where(weights > 0, weights, 1)), y)
    if abs(logarithms).max() > _HELD:
        logarithms = logarithms - logarithms.max()
    found: Array = np.where(_sums(np.where(weights > 0, 0.0, 1.0), y) > 0.5, 0, np.exp(logarithms))
    return found


def _sums(terms: Array, y: Any) -> Array:
    """Sum the terms of no and yes, (2, labels), over the labels of each sample that are there."""
    no, yes = terms
    if not issparse(y):
        sums: Array = np.where(y == 1, yes, np.where(y == 0, no, 0)).sum(axis=1)
        return sums
    moves = np.where(y.data == 1, (yes - no)[y.indices], 0)
    moves -= np.where(y.data != y.data, no[y.indices], 0)
    row = np.repeat(np.arange(y.shape[0]), np.diff(y.indptr))
    sums = no.sum() + np.bincount(row, weights=moves, minlength=y.shape[0])
    return sums


def _of_columns(given: Any, y: Any) -> Array:
    """Give the weights of no and yes for each label, (2, labels)."""
    rows, labels = y.shape
    if isinstance(given, str) and given == "balanced":
        values, columns = (y.data, y.indices) if issparse(y) else _cells(y)
        missing = np.bincount(columns[values != values], minlength=labels)
        yes = np.bincount(columns[values == 1], minlength=labels)
        counts = np.stack([rows - missing - yes, yes])
        share = (rows - missing) / np.maximum((counts > 0).sum(axis=0), 1)
        found: Array = np.divide(share, counts, out=np.ones(counts.shape), where=counts > 0)
        return found
    expected = f"'balanced', None or a list of {labels} dictionaries, one for each label"
    if isinstance(given, str | Mapping) or not hasattr(given, "__len__"):
        raise ValueError(f"class_weight = {_check.shown(given)}: expected {expected}")
    refuse_held_sparse("class_weight", given)
    if len(given) != labels or not all(isinstance(one, Mapping) for one in given):
        raise ValueError(f"class_weight has length {len(given)}: expected {expected}")
    return np.array([[float(one.get(k, 1.0)) for one in given] for k in (0, 1)])


def _cells(y: Array) -> tuple[Array, Array]:
    return y.reshape(-1), np.tile(np.arange(y.shape[1]), len(y))
