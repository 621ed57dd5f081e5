"""What the columns of a table become, learnt of blocks of its rows."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from trulysparse.tables import columns, parts
from trulysparse.tables.columns import Column, Floats, Numbers, Text, Times
from trulysparse.tables.encoder import MIN_COUNT, TableEncoder
from trulysparse.tables.frame import as_frame
from trulysparse.tables.parts import LeftOutPart, NumberPart, Part, TimePart

MOST_LEVELS = 2_000_000
"""Different texts of a column that are counted."""


class Gradual:
    """Learns as `TableEncoder.fit` does, of one block of rows after the other.

    Means are those of the whole table but for rounding; all else is the same. Columns of more than
    `MOST_LEVELS` different texts are taken for identifiers if no text occurred twice up to there.
    """

    def __init__(self, *, min_count: int = MIN_COUNT, most_levels: int = MOST_LEVELS) -> None:
        self._min_count, self._most_levels = min_count, most_levels
        self._learnt: dict[str, _Seen] = {}
        self._has_numbers_only = True

    def take(self, name: str, frame: Any) -> None:
        """Take the next rows; `name` is what errors call them."""
        found = as_frame(name, frame)
        for label, column in columns.split(found):
            read = columns.read(f"{name}[:, {label!r}]", column)
            seen = self._learnt.get(label)
            if seen is None:
                seen = self._learnt[label] = _seen(label, read, self._most_levels)
            seen.take(name, read)
            is_plain = isinstance(read, Numbers) and not np.isnan(read.values).any()
            self._has_numbers_only &= is_plain

    @property
    def is_plain(self) -> bool:
        """Whether all columns are numbers, none is missing, and none numbers the rows."""
        if not self._has_numbers_only or len(self._learnt) == 1:
            return self._has_numbers_only
        learnt = (seen.part(self._min_count) for seen in self._learnt.values())
        return not any(isinstance(part, LeftOutPart) for part in learnt)

    def encoder(self) -> TableEncoder:
        """Give what was learnt."""
        learnt = [seen.part(self._min_count) for seen in self._learnt.values()]
        if not any(part.numbers() or part.ones() for part in learnt):
            learnt = [
                seen.anyway(part) for seen, part in zip(self._learnt.values(), learnt, strict=True)
            ]
        return TableEncoder._of(learnt, self._min_count)


class _Seen(ABC):
    """What was seen of a column."""

    def __init__(self, label: str) -> None:
        self.label = label
        self.rows = self.missing = 0

    @abstractmethod
    def take(self, name: str, column: Any) -> None:
        """Take the next rows."""

    @abstractmethod
    def part(self, min_count: int) -> Part:
        """Say what the column becomes."""

    def anyway(self, part: Part) -> Part:
        """Take a column that was left out, as there is no other."""
        return part


class _Values:
    """Numbers, NaN where missing."""

    def __init__(self) -> None:
        self.sums: list[float] = []
        self.low, self.high = math.inf, -math.inf

    def take(self, values: Floats) -> None:
        present = values[~np.isnan(values)]
        self.sums.append(float(np.where(np.isnan(values), 0, values).sum()))
        if len(present):
            self.low = min(self.low, float(present.min()))
            self.high = max(self.high, float(present.max()))


class _NumbersSeen(_Seen):
    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._values = _Values()
        self._counts_rows, self._last = True, math.nan

    def take(self, name: str, column: Any) -> None:
        values = column.values
        if self.rows == 0:
            self._counts_rows = len(values) > 0 and values[0] in (0, 1)
        elif len(values):
            self._counts_rows &= bool(values[0] == self._last + 1)
        in_order = column.counts and bool((np.diff(values) == 1).all())
        self._counts_rows = self._counts_rows and in_order
        self._last = values[-1] if len(values) else self._last
        self.rows += len(values)
        self.missing += int(np.isnan(values).sum())
        self._values.take(values)

    def _mean(self) -> float:
        return math.fsum(self._values.sums) / (self.rows - self.missing)

    def part(self, min_count: int) -> Part:
        if self.missing == self.rows:
            return LeftOutPart(self.label, "all cells are missing")
        if self._counts_rows and self.rows >= parts.ROW_NUMBERS:
            return LeftOutPart(self.label, parts.NUMBERS_ROWS)
        is_one = self._values.low == self._values.high
        return NumberPart(self.label, self._mean(), self.missing, has_one_value=is_one)

    def anyway(self, part: Part) -> Part:
        counts_rows = isinstance(part, LeftOutPart) and part.why == parts.NUMBERS_ROWS
        return NumberPart(self.label, self._mean(), 0) if counts_rows else part


class _TimesSeen(_Seen):
    def __init__(self, label: str) -> None:
        super().__init__(label)
        self._values = _Values()
        self._parts: dict[str, set[int]] = {part: set() for part in parts.CALENDAR}

    def take(self, name: str, column: Any) -> None:
        self.rows += len(column.seconds)
        self.missing += int(np.isnan(column.seconds).sum())
        self._values.take(column.seconds)
        wall = column.wall[~np.isnat(column.wall)]
        for part, known in self._parts.items():
            known.update(np.unique(parts.calendar(part, wall)).tolist())

    def part(self, min_count: int) -> Part:
        if self.missing == self.rows:
            return LeftOutPart(self.label, "all cells are missing")
        mean = math.fsum(self._values.sums) / (self.rows - self.missing)
        varying = {part: sorted(seen) for part, seen in self._parts.items() if len(seen) > 1}
        return TimePart(self.label, mean, self.missing, varying)


class _TextSeen(_Seen):
    def __init__(self, label: str, most: int) -> None:
        super().__init__(label)
        self._counts: dict[str, int] = {}
        self._most, self._identifies = most, 0

    def take(self, name: str, column: Any) -> None:
        self.rows += len(column.codes)
        self.missing += int((column.codes < 0).sum())
        if self._identifies:
            return
        counts = self._counts
        for level, count in parts.level_counts(column).items():
            counts[level] = counts.get(level, 0) + count
        if len(counts) <= self._most:
            return
        if max(counts.values()) > 1:
            raise ValueError(
                f"{name}[:, {self.label!r}] has more than {self._most:,} different texts: expected "
                f"drop=[{self.label!r}], or fewer of them"
            )
        self._identifies, self._counts = len(counts), {}

    def part(self, min_count: int) -> Part:
        if self._identifies:
            why = f"{self._identifies} different texts in the first rows, as identifiers have them"
            return LeftOutPart(self.label, why)
        return parts.category(self.label, self._counts, self.missing, min_count)


def _seen(label: str, column: Column, most: int) -> _Seen:
    if isinstance(column, Text):
        return _TextSeen(label, most)
    return _TimesSeen(label) if isinstance(column, Times) else _NumbersSeen(label)
