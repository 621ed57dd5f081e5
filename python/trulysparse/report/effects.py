"""What a column does to the outputs: by changing it and nothing else, and by correlation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trulysparse.report.measures import both
from trulysparse.report.sections.options import Options
from trulysparse.report.subject import CLASSES, Array, Subject

_CELLS = 4_000_000  # of the dense rows that are changed
_ROWS = 500
_LEVELS = 12
_SEEN = 5000  # rows of a correlation


class Effect(NamedTuple):
    """What a column does.

    Attributes
    ----------
    output
        The output that it moves most.
    change
        How much that output grows on average when the column goes from its lower quartile to its
        upper one; NaN of a category, or if it is not known.
    correlation
        Of the column with that output; NaN of a category, or if either has one value.
    highest, lowest
        The levels of a category with which the output is highest and lowest, or "".
    """

    output: int
    change: float
    correlation: float
    highest: str = ""
    lowest: str = ""


class Probe:
    """Some rows of a table, which are predicted with other values in a column."""

    def __init__(self, subject: Subject, options: Options) -> None:
        self._subject, self._size = subject, options.batch_size
        rows = np.flatnonzero(subject.finite)
        width = subject.x.shape[1]
        self.rows = options.some(rows, min(_ROWS, _CELLS // max(width, 1)))
        self._seen = options.some(rows, _SEEN)
        self._dense = np.empty((0, width))
        if len(self.rows):
            self._dense = subject.values(range(width), self.rows)
        self._outputs = _outputs(subject, subject.outputs[self._seen])

    def of(
        self, features: Sequence[int], names: Sequence[str], *, is_number: bool
    ) -> Effect | None:
        """Give the effect of a column that has these features, or None if it cannot be told."""
        if not len(self.rows) or not features:
            return None
        return self._of_number(features[0]) if is_number else self._of_levels(features, names)

    def _of_number(self, feature: int) -> Effect | None:
        seen = self._subject.values([feature], self._seen)[:, 0]
        low, high = np.percentile(seen, [25, 75])
        if low == high:
            low, high = seen.min(), seen.max()
        if low == high:
            return None
        moved = self._with([feature], [high]) - self._with([feature], [low])
        change = moved.mean(axis=0)
        if not np.isfinite(change).all():
            return None
        output = _largest(abs(change))
        return Effect(output, float(change[output]), correlation(seen, self._outputs[:, output]))

    def _of_levels(self, features: Sequence[int], names: Sequence[str]) -> Effect | None:
        counts = (self._subject.values(features, self._seen) != 0).sum(axis=0)
        most = np.argsort(-counts, kind="stable")[:_LEVELS]
        most = most[counts[most] > 0]
        if len(most) < 2:
            return None
        means = []
        for level in most:
            values = np.zeros(len(features))
            values[level] = 1
            means.append(self._with(features, values).mean(axis=0))
        table = np.array(means)
        if not np.isfinite(table).all():
            return None
        output = _largest(table.max(axis=0) - table.min(axis=0))
        high, low = table[:, output].argmax(), table[:, output].argmin()
        change = float(table[high, output] - table[low, output])
        return Effect(output, change, np.nan, names[most[high]], names[most[low]])

    def _with(self, features: Sequence[int], values: Sequence[float] | Array) -> Array:
        changed = self._dense.copy()
        changed[:, list(features)] = values
        found = self._subject.model.predict(changed, batch_size=self._size)
        return _outputs(self._subject, np.asarray(found, np.float64))


def _outputs(subject: Subject, outputs: Array) -> Array:
    """Give what columns speak for: of two classes, the second."""
    if subject.kind != CLASSES:
        return outputs
    p = both(outputs)
    return p[:, 1:] if p.shape[1] == 2 else p


def _largest(values: Array) -> int:
    return int(np.argmax(values))


def correlation(one: Array, other: Array) -> float:
    """Give Pearson's correlation; NaN if either has one value."""
    one, other = one - one.mean(), other - other.mean()
    size = np.sqrt((one**2).sum() * (other**2).sum())
    return float((one * other).sum() / size) if size > 0 and np.isfinite(size) else float("nan")


def correlations(values: Array) -> Array:
    """Give the correlations of columns with each other, 0 with a column of one value."""
    far = values - values.mean(axis=0)
    size = np.sqrt((far**2).sum(axis=0))
    far = np.divide(far, size, out=np.zeros_like(far), where=size > 0)
    return np.asarray(np.clip(far.T @ far, -1, 1))
