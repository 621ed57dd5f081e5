"""Columns that predict the label by themselves, as those do that are known only after it.

A row is judged by others: by those next to it when the rows are sorted by the column, and by those
with the same value. A column that tells classes has few changes of class along its order. Under
chance every order of the labels is as likely; how many orders have so few changes or errors bounds
the probability, and it is divided among the columns. So a perfect split of few rows in a wide
table is named only where chance does not make it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.blocks import Blocks
from trulysparse.tables.columns import Column, Numbers, Text, Times
from trulysparse.tables.parts import CategoryPart, Part

Array = npt.NDArray[Any]

SCORE = {"classification": 0.98, "regression": 0.99}
"""From which score on a column tells the label."""
CHANCE = 1e-3
"""The probability, at most, that one of the columns of a table of noise is named."""
MOST_OUTPUTS = 16
"""Labels of a sample, or outputs, beyond which nothing is looked for."""

_FIRST = 256  # rows that are looked at first
_BLOCK = 2048  # columns of an array that are looked at together
_LIKELY = 0.8  # the score on the first rows from which on all are looked at
_RANKED = 0.9  # the score that the order of numbers must reach, so that no outlier makes it


class Telling(NamedTuple):
    """A column that predicts a label by itself."""

    name: str
    score: float
    """Of classes the share of the errors of the most frequent one that are gone; of numbers R2."""
    output: int | None = None
    """The place of the label, where a sample has several."""

    def __str__(self) -> str:
        """Say so, in a sentence."""
        label = "the label" if self.output is None else f"label {self.output}"
        return (
            f"column {self.name!r} predicts {label} by itself (score {self.score:.3f} of 1): is it "
            "known when predictions are made?"
        )


def telling(
    names: Sequence[str], columns: Iterable[Column | Array] | Array | Any, y: Array, *, task: str
) -> list[Telling]:
    """Find columns that predict the label by themselves.

    Parameters
    ----------
    names
        Names of the columns.
    columns
        As many columns of a table, in the forms of `tables.columns` or as arrays (rows,) of
        numbers, which are taken one by one; or an array (rows, columns), or a SciPy sparse matrix,
        of which only what is stored or not, and linear relations, are looked for. NaN is missing.
    y
        The labels, (rows,): codes or values of classes, or numbers; or several, (rows, outputs).
    task
        ``"classification"`` or ``"regression"``.

    Returns
    -------
    list of Telling
        In the order of the columns.
    """
    judges = _judges(y, task, len(names))
    if judges and scipy.sparse.issparse(columns):
        columns = _likely_of_matrix(columns, judges)
    elif judges and isinstance(columns, np.ndarray) and columns.ndim == 2:
        columns = _likely_of_array(columns, judges)
    return _found(names, columns, judges, SCORE[task])


def _found(
    names: Sequence[str],
    columns: Iterable[Column | Array | None],
    judges: list[_Judge],
    least: float,
) -> list[Telling]:
    found: list[Telling] = []
    if not judges:
        return found
    for name, column in zip(names, columns, strict=True):
        if column is None:
            continue
        read = _read(column)
        scored = [Telling(name, min(1.0, judge.score(read)), judge.output) for judge in judges]
        found += [one for one in scored if one.score >= least]
    return found


def _judges(y: Array, task: str, columns: int) -> list[_Judge]:
    kinds: dict[str, type[_Judge]] = {"classification": _OfClasses, "regression": _OfNumbers}
    y = np.asarray(y)
    labels: list[tuple[int | None, Array]] = []
    if y.ndim == 1 or y.shape[1] == 1:
        labels = [(None, y.ravel())]
    elif y.shape[1] <= MOST_OUTPUTS:
        labels = [(place, y[:, place]) for place in range(y.shape[1])]
    made = (kinds[task](label, columns, place) for place, label in labels if _is_whole(label))
    return [judge for judge in made if judge.can_tell()]


def _is_whole(label: Array) -> bool:
    return len(label) > 0 and not (label.dtype.kind == "f" and np.isnan(label).any())


class _Groups(NamedTuple):
    """Rows by their values."""

    places: Array
    """The place of each row's value among those that occur."""
    sizes: Array
    """Rows of each value."""
    order: Array | None
    """Rows in the order of their values; None where values have no order."""


def _read(column: Column | Array) -> Array | Text:
    if isinstance(column, Numbers):
        return column.values
    if isinstance(column, Times):
        return column.seconds
    return column if isinstance(column, Text) else np.asarray(column)


def _grouped(column: Array | Text) -> _Groups:
    """Group rows; missing ones are of one value, the last of numbers."""
    if isinstance(column, Text):
        sizes = np.bincount(column.codes + 1)
        occurs = sizes > 0
        places = (np.cumsum(occurs) - 1)[column.codes + 1]
        return _Groups(places, sizes[occurs], None)
    order = np.argsort(column, kind="stable")
    ordered = column[order]
    differ = ordered[1:] != ordered[:-1]
    if ordered.dtype.kind == "f":
        differ &= ~np.isnan(ordered[:-1])
    starts = np.flatnonzero(np.append(True, differ))
    sizes = np.diff(starts, append=len(order))
    places = np.empty(len(order), np.int64)
    places[order] = np.repeat(np.arange(len(sizes)), sizes)
    return _Groups(places, sizes, order)


class _Judge(ABC):
    """What tells whether a column predicts one label."""

    def __init__(self, y: Array, columns: int, output: int | None) -> None:
        self.output = output
        codes, self._counts = self._classes(y)
        self._codes, self._columns = codes, max(columns, 1)
        self._y = y
        rng = np.random.default_rng(0)
        rows, most = rng.permutation(len(y)), self._counts.argmax()
        is_most = codes[rows] == most
        # Half of the most frequent class: chance tells few rows of the others apart.
        some = [rows[is_most][: _FIRST // 2], rows[~is_most][: _FIRST // 2]]
        self.first = np.concatenate(some)

    @abstractmethod
    def _classes(self, y: Array) -> tuple[Array, Array]:
        """Give the class of each row, and how many each has."""

    def can_tell(self) -> bool:
        """Tell whether chance would be ruled out if a column told all labels."""
        return len(self._counts) > 1 and self._is_no_chance(math.log(len(self._counts)))

    @abstractmethod
    def likely(self, x: Array) -> npt.NDArray[np.bool_]:
        """Tell which columns may predict the label, by the values of the first rows."""

    @abstractmethod
    def likely_stored(self, x: Any, rows: Array) -> npt.NDArray[np.bool_]:
        """Do so of the columns of a CSR matrix, by the `rows` of its values."""

    def score(self, column: Array | Text) -> float:
        """Score a column, 1 at most; 0 if chance may have made it."""
        if not isinstance(column, Text):
            if not self.likely(column[self.first].reshape(-1, 1))[0]:
                return 0.0
            groups = _grouped(column)
            return max(self._by_value(groups), self._by_order(groups, column))
        return self._by_value(_grouped(column))

    @abstractmethod
    def _by_value(self, groups: _Groups) -> float:
        """Score by rows of the same value."""

    @abstractmethod
    def _by_order(self, groups: _Groups, values: Array) -> float:
        """Score by rows that are next to each other."""

    def _is_no_chance(self, labelings: float) -> bool:
        """Tell whether one of the columns is like this by chance with probability `CHANCE` at most.

        `labelings` is the logarithm of the number of orders of labels, at most, that are as good.
        """
        every = _log_factorial(self._counts.sum()) - sum(map(_log_factorial, self._counts))
        return bool(labelings - every + math.log(self._columns) <= math.log(CHANCE))

    def _errors(self, groups: _Groups) -> tuple[float, float, Array]:
        """Give errors if all rows of a value get its most frequent class.

        Also the logarithm of the number of ways to choose them, and these classes.
        """
        rows, classes, count = len(groups.places), len(self._counts), len(groups.sizes)
        keys = groups.places * classes + self._codes
        if count * classes <= 4 * rows + 64:
            table = np.bincount(keys, minlength=count * classes).reshape(count, classes)
            errors, best = int((groups.sizes - table.max(axis=1)).sum()), table.argmax(axis=1)
        else:
            keys.sort()
            runs = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
            most = np.diff(runs, append=rows) * classes + keys[runs] % classes
            firsts = np.flatnonzero(np.append(True, np.diff(keys[runs] // classes) > 0))
            most = np.maximum.reduceat(most, firsts)
            errors, best = int((groups.sizes - most // classes).sum()), most % classes
        return errors, _log_choices(rows, errors) + errors * math.log(classes), best

    def _ways_by_value(self, groups: _Groups) -> tuple[float, float]:
        errors, ways, _ = self._errors(groups)
        return errors, ways + len(groups.sizes) * math.log(len(self._counts))

    def _ways_by_order(self, groups: _Groups) -> tuple[float, float]:
        errors, ways, classes = self._errors(groups)
        count = len(self._counts)
        changes = int((classes[1:] != classes[:-1]).sum())
        if not errors and changes == count - 1:
            return 0, _log_factorial(count)
        ways += _log_choices(len(classes), changes) + math.log(count)
        ways += changes * math.log(max(count - 1, 1))
        # A row of another class among those of one is two changes.
        return errors + max(0, changes - (count - 1)) / 2, ways


class _OfClasses(_Judge):
    """Of classes."""

    def __init__(self, y: Array, columns: int, output: int | None) -> None:
        super().__init__(y, columns, output)
        self._baseline = self._counts.sum() - self._counts.max()

    def _classes(self, y: Array) -> tuple[Array, Array]:
        _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
        return codes.ravel(), counts

    def likely(self, x: Array) -> npt.NDArray[np.bool_]:
        codes = self._codes[self.first]
        ordered = codes[_by_column(x)]
        changes = (ordered[:, 1:] != ordered[:, :-1]).sum(axis=1)
        counts = np.bincount(codes)
        errors = (changes - np.count_nonzero(counts) + 1) / 2
        return np.asarray(errors <= (1 - _LIKELY) * (counts.sum() - counts.max()) + 1)

    def likely_stored(self, x: Any, rows: Array) -> npt.NDArray[np.bool_]:
        right = np.zeros((2, x.shape[1]), np.int64)
        for code, count in enumerate(self._counts):
            of_code = self._codes[rows] == code
            stored = np.bincount(x.indices[of_code], minlength=x.shape[1])
            np.maximum(right, [stored, count - stored], out=right)
        errors = self._counts.sum() - right.sum(axis=0)
        return np.asarray(errors <= (1 - _LIKELY) * self._baseline)

    def _by_value(self, groups: _Groups) -> float:
        errors, ways = self._ways_by_value(groups)
        alone = np.count_nonzero(groups.sizes == 1) / len(groups.places)
        return self._scored(errors + alone * self._baseline, ways)

    def _by_order(self, groups: _Groups, values: Array) -> float:
        return self._scored(*self._ways_by_order(groups))

    def _scored(self, errors: float, ways: float) -> float:
        return float(1 - errors / self._baseline) if self._is_no_chance(ways) else 0.0


class _OfNumbers(_Judge):
    """Of numbers; chance is judged by which of them are above the median."""

    def __init__(self, y: Array, columns: int, output: int | None) -> None:
        super().__init__(y.astype(np.float64), columns, output)
        _, places, counts = np.unique(y, return_inverse=True, return_counts=True)
        ranks = np.cumsum(counts) - (counts + 1) / 2
        self._one_order = sum(map(_log_factorial, counts)) - _log_factorial(len(y))
        self._ranks = ranks[places.ravel()]
        scale = float(np.abs(self._y).max()) or 1.0
        self._y = self._y / scale - (self._y / scale).mean()

    def _classes(self, y: Array) -> tuple[Array, Array]:
        middle = np.median(y)
        above = y > middle if (y > middle).any() else y >= middle
        return above.astype(np.int64), np.bincount(above)[:2]

    def likely(self, x: Array) -> npt.NDArray[np.bool_]:
        ranks = self._ranks[self.first]
        noise = (np.diff(ranks[_by_column(x)], axis=1) ** 2).mean(axis=1) / 2
        return np.asarray(noise <= (1 - _LIKELY) * ranks.var())

    def likely_stored(self, x: Any, rows: Array) -> npt.NDArray[np.bool_]:
        values, y, count = x.data.astype(np.float64), self._y, x.shape[1]
        sums = [
            np.bincount(x.indices, weights=weights, minlength=count)
            for weights in (values, values**2, values * y[rows])
        ]
        spread = sums[1] - sums[0] ** 2 / len(y)
        return np.asarray(sums[2] ** 2 >= _LIKELY * np.maximum(spread, 1e-300) * (y @ y))

    def _by_value(self, groups: _Groups) -> float:
        if len(groups.sizes) == 1 or not self._is_no_chance(self._ways_by_value(groups)[1]):
            return 0.0
        ranked = 1 - _unexplained(groups, self._ranks - self._ranks.mean())
        return 1 - _unexplained(groups, self._y) if ranked >= _RANKED else 0.0

    def _by_order(self, groups: _Groups, values: Array) -> float:
        ranks = (np.cumsum(groups.sizes) - (groups.sizes + 1) / 2)[groups.places]
        if np.isnan(values).any():
            ranks[np.isnan(values)] = self._ranks[np.isnan(values)].mean()
        alike = _linear(ranks, self._ranks)
        scores = [0.0]
        if self._is_no_rank(alike):
            scores.append(alike)
            scores += [_linear(values, self._y)] if alike >= _RANKED else []
        if self._is_no_chance(self._ways_by_order(groups)[1]):
            ranked = 1 - _unexplained(groups, self._ranks, by_order=True)
            near = 1 - _unexplained(groups, self._y, by_order=True)
            scores += [near] if ranked >= _RANKED else []
        return max(scores)

    def _is_no_rank(self, alike: float) -> bool:
        """Tell whether ranks are not as alike by chance, as those of independent numbers."""
        by_chance = math.log(max(1 - alike, 1e-12)) * (len(self._y) - 2) / 2
        return max(by_chance, self._one_order) + math.log(self._columns) <= math.log(CHANCE)

    def can_tell(self) -> bool:
        return len(self._counts) > 1 and self._is_no_rank(1.0)


def _unexplained(groups: _Groups, y: Array, *, by_order: bool = False) -> float:
    """Give the share of the variance of y that others of the same value leave.

    Of rows with a value of their own that is all, or `by_order` what their neighbours leave.
    """
    y, sizes = y - y.mean(), groups.sizes
    means = np.bincount(groups.places, weights=y) / sizes
    others = np.where(sizes > 1, sizes / np.maximum(sizes - 1, 1), 0.0)
    left = float((((y - means[groups.places]) * others[groups.places]) ** 2).sum())
    alone = sizes == 1
    if by_order and len(means) > 1:
        steps = np.diff(means) ** 2 / 2
        around = (np.append(steps, steps[-1]) + np.insert(steps, 0, steps[0])) / 2
        left += float(around[alone].sum())
    else:
        left += float((means[alone] ** 2).sum())
    total = float((y**2).sum())
    return left / total if total > 0 else 1.0


def _linear(x: Array, y: Array) -> float:
    """Give R2 of a line through the rows that are not missing; 0 if some are."""
    if np.isnan(x).any():
        return 0.0
    x = x.astype(np.float64)
    x = x / (np.abs(x).max() or 1.0)
    x, y = x - x.mean(), y - y.mean()
    power = float(x @ x) * float(y @ y)
    return float(x @ y) ** 2 / power if power > 0 else 0.0


def _log_factorial(count: float) -> float:
    return math.lgamma(count + 1)


def _log_choices(count: int, some: int) -> float:
    """Give a bound of the logarithm of the number of ways to choose `some` of `count`, or fewer."""
    some = min(some, count // 2)
    ways = _log_factorial(count) - _log_factorial(some) - _log_factorial(count - some)
    return ways + math.log(some + 1)


def _by_column(x: Array) -> Array:
    """Give the order of each column's values, (columns, rows)."""
    return np.argsort(np.ascontiguousarray(x.T), axis=1)


# --- samples --------------------------------------------------------------------------------------


def of_samples(
    names: Sequence[str], samples: Any, y: Array, *, task: str, parts: Sequence[Part] | None = None
) -> list[Telling]:
    """Do as `telling` with samples that are made.

    Parameters
    ----------
    names
        Names of the features, or of the columns if there are `parts`.
    samples
        Blocks, an array or a CSR matrix.
    y, task
        As `telling` takes them.
    parts
        What became of the columns that the samples were made of; None if they are features.
    """
    if parts is not None:
        kept = [part for part in parts if part.numbers() or part.count_ones()]
        names = [part.name for part in kept]
        if not scipy.sparse.issparse(samples) or not any(part.numbers() for part in kept):
            judges = _judges(y, task, len(names))
            return _found(names, _columns_of(kept, samples, judges), judges, SCORE[task])
        # Numbers in a sparse matrix, and behind them what says that they are missing.
        names += [part.name for part in kept if part.count_ones()]
    if isinstance(samples, Blocks):
        count = samples.dense.shape[1]
        found = telling(names[:count], samples.dense, y, task=task)
        return found + telling(names[count:], samples.sparse, y, task=task)
    return telling(names, samples, y, task=task)


def _columns_of(
    parts: Sequence[Part], samples: Any, judges: list[_Judge]
) -> Iterator[Column | None]:
    """Give the columns that samples were made of; None for numbers that tell nothing."""
    blocks = isinstance(samples, Blocks)
    dense, ones = (samples.dense, samples.sparse) if blocks else (samples, samples)
    ones = ones if scipy.sparse.issparse(ones) else None
    sparse: Any = None if ones is None else scipy.sparse.csc_array(ones)
    is_likely = _likely_numbers(parts, dense, ones, judges)
    number, one = 0, 0
    for part in parts:
        at = slice(one, one + part.count_ones())
        one = at.stop
        if isinstance(part, CategoryPart):
            yield _codes(sparse, at, samples.shape[0])
            continue
        number += 1
        if not is_likely[number - 1]:
            yield None
            continue
        values = dense[:, number - 1].astype(np.float64)
        if getattr(part, "missing", 0):  # the last of its features says so
            first, end = sparse.indptr[at.stop - 1 : at.stop + 1]
            values[sparse.indices[first:end]] = np.nan
        yield Numbers(values)


def _likely_numbers(
    parts: Sequence[Part], dense: Any, ones: Any, judges: list[_Judge]
) -> npt.NDArray[np.bool_]:
    """Tell which numbers may predict a label, by the first rows."""
    counts = [part.count_ones() for part in parts]
    of_one = np.full(sum(counts), -1)  # the number that is missing where there is a one
    number = 0
    for part, last in zip(parts, np.cumsum(counts) - 1, strict=True):
        if not isinstance(part, CategoryPart):
            if getattr(part, "missing", 0):
                of_one[last] = number
            number += 1
    found = np.zeros(number, np.bool_)
    for judge in judges if number else ():
        rows = np.empty(0, np.int64)
        numbers = rows
        if ones is not None:
            some = ones[judge.first].tocoo()
            numbers, rows = of_one[some.col], some.row
        for first in range(0, number, _BLOCK):
            x = dense[judge.first, first : first + _BLOCK].astype(np.float64)
            inside = (numbers >= first) & (numbers < first + _BLOCK)
            x[rows[inside], numbers[inside] - first] = np.nan
            found[first : first + _BLOCK] |= judge.likely(x)
    return found


def _codes(sparse: Any, ones: slice, rows: int) -> Text:
    """Give the levels of a category by their features; a row without one is missing."""
    codes = np.full(rows, -1, np.int64)
    starts = sparse.indptr[ones.start : ones.stop + 1]
    at = sparse.indices[starts[0] : starts[-1]]
    codes[at] = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    return Text(codes, [])


# --- many columns ---------------------------------------------------------------------------------


def _likely_of_array(x: Array, judges: list[_Judge]) -> Iterator[Array | None]:
    """Give the columns that may tell a label, and None for the others."""
    for first in range(0, x.shape[1], _BLOCK):
        block = slice(first, first + _BLOCK)
        some = [judge.likely(x[judge.first, block]) for judge in judges]
        for place, is_likely in enumerate(np.any(some, axis=0)):
            yield x[:, first + place] if is_likely else None


def _likely_of_matrix(x: Any, judges: list[_Judge]) -> Iterator[Array | None]:
    """Do as `_likely_of_array`, by what is stored, or by a line."""
    x = scipy.sparse.csr_array(x)
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.indptr))
    some = np.any([judge.likely_stored(x, rows) for judge in judges], axis=0)
    by_column: Any = x[:, some].tocsc() if some.any() else None
    place = 0
    for is_likely in some:
        yield by_column[:, [place]].toarray().ravel() if is_likely else None
        place += bool(is_likely)
