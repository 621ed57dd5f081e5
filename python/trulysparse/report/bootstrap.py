"""Percentile intervals of scores over resamples of the rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trulysparse.report.measures import Floats, Measure

RESAMPLES = 1000
LEAST = 100
"""Resamples below which no interval is given."""

_CHUNK = 2_000_000  # weights that are in memory at a time
_BUDGET = 1_000_000_000  # weights that all scores of a table look at, some ten seconds
_LEVEL = 95.0


class Interval(NamedTuple):
    """A score and its interval of 95 %.

    Attributes
    ----------
    value
        Of the table; NaN if it has none.
    low, high
        The percentiles 2.5 and 97.5 over the resamples; NaN if there are too few.
    resamples
        Resamples that have the score.
    """

    value: float
    low: float
    high: float
    resamples: int


def weights(rows: int, resamples: int, seed: int) -> Iterator[Floats]:
    """Draw resamples of rows with replacement: how often each was drawn, in some pieces.

    Parameters
    ----------
    rows
        Of the table, and of each resample.
    resamples
        How many.
    seed
        Of the draws. The same seed gives the same resamples.

    Yields
    ------
    float64 of shape (some, rows)
    """
    random = np.random.default_rng(seed)
    size = max(1, _CHUNK // max(rows, 1))
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        drawn = random.integers(0, rows, (count, rows))
        drawn += np.arange(count)[:, None] * rows
        found = np.bincount(drawn.ravel(), minlength=count * rows)
        yield found.reshape(count, rows).astype(np.float64)


def affordable(measures: Sequence[Measure], rows: int, resamples: int) -> int:
    """Give how many resamples of that many rows take seconds rather than minutes."""
    cost = sum(measure.cost for measure in measures) * max(rows, 1)
    return max(min(resamples, _BUDGET // cost), min(resamples, LEAST))


def intervals(
    measures: Sequence[Measure], rows: int, resamples: int, seed: int
) -> tuple[list[Interval], int]:
    """Give each score of the table with its interval, and the resamples that were drawn."""
    resamples = affordable(measures, rows, resamples)
    found: list[list[Floats]] = [[] for _ in measures]
    if rows > 1:
        for drawn in weights(rows, resamples, seed):
            for values, measure in zip(found, measures, strict=True):
                values.append(measure.of(drawn))
    return [
        _interval(measure.whole(rows), np.concatenate([*values, np.empty(0)]))
        for measure, values in zip(measures, found, strict=True)
    ], resamples


def _interval(value: float, drawn: Floats) -> Interval:
    there = drawn[~np.isnan(drawn)]
    if np.isnan(value) or len(there) < max(LEAST, len(drawn) / 2):
        return Interval(value, np.nan, np.nan, len(there))
    tail = (100 - _LEVEL) / 2
    low, high = np.percentile(there, [tail, 100 - tail])
    return Interval(value, float(low), float(high), len(there))
