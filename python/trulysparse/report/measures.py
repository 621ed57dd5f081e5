"""Scores of predictions as functions of weights of the rows, for one table or many resamples of it.

A score is made once for the rows of a table. It then takes weights, (resamples, rows), whole
numbers that say how often a row was drawn, and gives a number for each resample; all ones give the
score of the table itself. NaN is a score that these rows do not have, such as an area with one
class only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

_TINY = np.finfo(np.float64).tiny


class Measure(NamedTuple):
    """A score of the rows of a table.

    Attributes
    ----------
    name
        What it is called.
    of
        Takes weights, (resamples, rows), and gives float64 of shape (resamples,).
    constant
        What the best constant prediction for these rows has, or None.
    cost
        How many passes over the weights it takes.
    """

    name: str
    of: Callable[[Floats], Floats]
    constant: float | None = None
    cost: int = 1

    def whole(self, rows: int) -> float:
        """Give the score of all `rows` rows, each once."""
        return float(self.of(np.ones((1, rows)))[0])


def both(outputs: Array) -> Floats:
    """Give the probabilities of all classes, (rows, classes), also of one sigmoid."""
    outputs = np.asarray(outputs, np.float64)
    return outputs if outputs.shape[1] > 1 else np.hstack([1 - outputs, outputs])


# --- means ----------------------------------------------------------------------------------------


def mean(values: Floats, known: Array | None = None) -> Callable[[Floats], Floats]:
    """Give the weighted mean of values of the rows, (rows,), or of those that are `known`."""
    count = np.ones(len(values)) if known is None else known.astype(np.float64)
    pair = np.column_stack([np.where(count > 0, values, 0.0), count])
    return lambda w: _ratio(*(w @ pair).T)


def mean_of_classes(y: Array, right: Array, classes: int) -> Callable[[Floats], Floats]:
    """Give the mean share of right rows over the classes that occur: balanced accuracy."""
    rows = np.arange(len(y))
    here = scipy.sparse.csr_array((np.ones(len(y)), (y, rows)), shape=(classes, len(y)))
    hits = scipy.sparse.csr_array((right.astype(np.float64), (y, rows)), shape=(classes, len(y)))

    def of(w: Floats) -> Floats:
        counts, found = here @ w.T, hits @ w.T
        recall = np.divide(found, counts, out=np.zeros_like(counts), where=counts > 0)
        return _ratio(recall.sum(axis=0), (counts > 0).sum(axis=0))

    return of


def _ratio(above: Array, below: Array) -> Floats:
    found = np.full(len(above), np.nan)
    np.divide(above, below, out=found, where=below > 0)
    return found


def r2(truth: Floats, guess: Floats) -> Callable[[Floats], Floats]:
    """Give the coefficient of determination; NaN where the truth has one value."""
    far = truth - truth.mean()  # or else the difference below would lose digits
    sums = np.column_stack([(guess - truth) ** 2, far, far**2, np.ones(len(truth))])
    least = 1e-14 * max(float((far**2).max(initial=0)), _TINY)

    def of(w: Floats) -> Floats:
        error, first, second, count = (w @ sums).T
        spread = second - first**2 / np.maximum(count, 1)
        found = np.full(len(w), np.nan)
        np.divide(error, spread, out=found, where=spread > least * count)
        return 1 - found

    return of


# --- areas ----------------------------------------------------------------------------------------


def area(is_one: Array, score: Array) -> Callable[[Floats], Floats]:
    """Give the area under the curve of `score` for the rows that `is_one`; ties count half."""
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    ones = is_one[order].astype(np.float64)

    def of(w: Floats) -> Floats:
        w = w[:, order]
        above = np.add.reduceat(w * ones, starts, axis=1)
        other = np.add.reduceat(w, starts, axis=1) - above
        below = np.cumsum(other, axis=1) - other / 2
        pairs = above.sum(axis=1) * other.sum(axis=1)
        return _ratio((above * below).sum(axis=1), pairs)

    return of


def mean_area(pairs: list[tuple[Array, Array, Array]]) -> Callable[[Floats], Floats]:
    """Give the mean of areas, over those that there are.

    Parameters
    ----------
    pairs
        Which rows count, which of these are ones, and their scores.
    """
    found = [(rows, area(ones, score)) for rows, ones, score in pairs]

    def of(w: Floats) -> Floats:
        total, count = np.zeros(len(w)), np.zeros(len(w))
        for rows, one in found:
            areas = one(w if rows.all() else w[:, rows])
            there = ~np.isnan(areas)
            total += np.where(there, areas, 0)
            count += there
        return _ratio(total, count)

    return of


# --- all scores of a task -------------------------------------------------------------------------


def of_classes(y: Array, outputs: Array) -> list[Measure]:
    """Give the scores of classes.

    Parameters
    ----------
    y
        Numbers of classes, (rows,).
    outputs
        Probabilities, (rows, classes), or (rows, 1) of the second of two.
    """
    p = both(outputs)
    classes, n = p.shape[1], len(y)
    right = p.argmax(axis=1) == y
    share = p / np.maximum(p.sum(axis=1, keepdims=True), _TINY)
    counts = np.bincount(y, minlength=classes)
    often = counts[counts > 0] / n
    loss = -np.log(np.maximum(share[np.arange(n), y], _TINY))
    which = range(1, 2) if classes == 2 else np.flatnonzero((counts > 0) & (counts < n)).tolist()
    everything = np.ones(n, np.bool_)
    areas = mean_area([(everything, y == c, p[:, c]) for c in which])
    return [
        Measure("Accuracy", mean(right.astype(np.float64)), float(often.max())),
        Measure("Balanced accuracy", mean_of_classes(y, right, classes), 1 / len(often)),
        Measure("AUC", areas, 0.5, cost=max(len(which), 1)),
        Measure("Log loss", mean(loss), float(-(often * np.log(often)).sum())),
    ]


def of_labels(y: Floats, outputs: Array) -> list[Measure]:
    """Give the scores of several labels of 0 and 1, (rows, labels), NaN where missing."""
    p = np.asarray(outputs, np.float64)
    known = ~np.isnan(y)
    right = ((p > 0.5) == (y > 0.5)) & known
    some = np.asarray(known.any(axis=1))
    exact = (right | ~known).all(axis=1)
    per_row = known.sum(axis=1)
    truth = np.where(known, y, 0)
    loss = -np.where(truth > 0.5, _log(p), _log(1 - p)) * known
    pairs = [
        (known[:, j], truth[known[:, j], j] > 0.5, p[known[:, j], j]) for j in range(y.shape[1])
    ]
    pairs = [pair for pair in pairs if 0 < pair[1].sum() < len(pair[1])]
    return [
        Measure("All labels right", mean(exact.astype(np.float64), some)),
        Measure("Labels right", _mean_of_cells(right.sum(axis=1), per_row)),
        Measure("AUC, mean of labels", mean_area(pairs), 0.5, cost=max(len(pairs), 1)),
        Measure("Log loss", _mean_of_cells(loss.sum(axis=1), per_row)),
    ]


def _mean_of_cells(sums: Array, counts: Array) -> Callable[[Floats], Floats]:
    pair = np.column_stack([sums, counts]).astype(np.float64)
    return lambda w: _ratio(*(w @ pair).T)


def _log(p: Floats) -> Floats:
    return np.log(np.maximum(p, _TINY))


def of_numbers(truth: Floats, guess: Floats) -> list[Measure]:
    """Give the scores of one number per row, (rows,); none is missing."""
    error = guess - truth
    squared = mean(error**2)
    deviation = float(truth.std())
    apart = float(abs(truth - np.median(truth)).mean())
    return [
        Measure("R2", r2(truth, guess), 0.0),
        Measure("RMSE", lambda w: np.sqrt(squared(w)), deviation),
        Measure("MAE", mean(abs(error)), apart),
    ]
