"""What is learnt of a column, and the features that it becomes from then on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from trulysparse.tables.columns import Column, Floats, Numbers, Text, Times

Rows = npt.NDArray[np.int64]


class Features(NamedTuple):
    """What a column becomes: numbers, and places of ones."""

    numbers: list[Floats]
    """(rows,) each."""
    ones: list[tuple[Rows, Rows]]
    """Rows, and columns counted from the first sparse one of this column."""


class WrongKindError(TypeError):
    """A column is of another kind than the one that was learnt."""


@dataclass(frozen=True)
class Part(ABC):
    """A column that was learnt."""

    name: str
    kind: ClassVar[str] = ""

    def numbers(self) -> list[str]:
        """Name the dense features."""
        return []

    def ones(self) -> list[str]:
        """Name the sparse features."""
        return []

    @abstractmethod
    def features(self, column: Column) -> Features:
        """Convert a column of this kind."""

    @abstractmethod
    def said(self) -> str:
        """Say what the column became."""


@dataclass(frozen=True)
class NumberPart(Part):
    """A number: as it is, the mean where it is missing, and a one that says so."""

    kind: ClassVar[str] = "number"
    mean: float
    missing: int
    """Cells that were missing; their indicator is there if there were any."""
    has_one_value: bool = False

    def numbers(self) -> list[str]:
        return [self.name]

    def ones(self) -> list[str]:
        return [f"{self.name} is missing"] if self.missing else []

    def features(self, column: Column) -> Features:
        if not isinstance(column, Numbers):
            raise WrongKindError("expected numbers, as in the first fit")
        missing = np.isnan(column.values)
        rows = np.flatnonzero(missing)
        filled = np.where(missing, self.mean, column.values) if len(rows) else column.values
        ones = [(rows, np.zeros_like(rows))] if self.missing else []
        return Features([filled], ones)

    def said(self) -> str:
        also = f"; {self.missing} missing are the mean, with an indicator" if self.missing else ""
        return (
            "a number with one value, which counts for nothing"
            if self.has_one_value
            else "a number"
        ) + also


@dataclass(frozen=True)
class CategoryPart(Part):
    """Levels: a one for each; rare and unseen ones together; missing is a level too."""

    kind: ClassVar[str] = "category"
    levels: list[str]
    rare: int
    """Levels that were too rare, which share a feature."""
    missing: int
    _places: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_places", {level: i for i, level in enumerate(self.levels)})

    def ones(self) -> list[str]:
        named = [f"{self.name} = {level}" for level in self.levels]
        return [
            *named,
            *([f"{self.name} = (other)"] if self.rare else []),
            *([f"{self.name} is missing"] if self.missing else []),
        ]

    def features(self, column: Column) -> Features:
        if isinstance(column, Numbers):
            column = as_text(column)
        if not isinstance(column, Text):
            raise WrongKindError("expected text or categories, as in the first fit")
        count = len(self.levels)
        other, absent = (
            (count if self.rare else -1),
            (count + bool(self.rare) if self.missing else -1),
        )
        places = np.fromiter(
            (self._places.get(level, other) for level in column.levels),
            np.int64,
            len(column.levels),
        )
        codes = np.append(places, absent)[column.codes]
        rows = np.flatnonzero(codes >= 0)
        return Features([], [(rows, codes[rows])])

    def said(self) -> str:
        found = [f"{len(self.levels)} levels"]
        found += [f"{self.rare} rare ones together"] if self.rare else []
        found += [f"{self.missing} missing as a level"] if self.missing else []
        return "a category: " + ", ".join(found)


@dataclass(frozen=True)
class TimePart(Part):
    """A time: seconds since 1970, and a one for each month, weekday and hour that occurs."""

    kind: ClassVar[str] = "time"
    mean: float
    missing: int
    parts: dict[str, list[int]]
    """The calendar parts that vary, with their values."""

    def numbers(self) -> list[str]:
        return [self.name]

    def ones(self) -> list[str]:
        named = [f"{self.name}: {part} {value}" for part, value in self._values()]
        return [*named, *([f"{self.name} is missing"] if self.missing else [])]

    def features(self, column: Column) -> Features:
        if not isinstance(column, Times):
            raise WrongKindError("expected dates or times, as in the first fit")
        missing = np.isnan(column.seconds)
        ones, first = [], 0
        for part, values in self.parts.items():
            found = calendar(part, column.wall)
            places = np.searchsorted(values, found)
            known = ~missing & (np.array([*values, -1])[places] == found)
            rows = np.flatnonzero(known)
            ones.append((rows, first + places[rows]))
            first += len(values)
        if self.missing:
            rows = np.flatnonzero(missing)
            ones.append((rows, np.full(len(rows), first)))
        return Features([np.where(missing, self.mean, column.seconds)], ones)

    def _values(self) -> Iterator[tuple[str, int]]:
        return ((part, value) for part, values in self.parts.items() for value in values)

    def said(self) -> str:
        text = "a time: seconds since 1970"
        if self.parts:
            text += ", and ones for its " + ", ".join(self.parts)
        return text + (f"; {self.missing} missing" if self.missing else "")


@dataclass(frozen=True)
class LeftOutPart(Part):
    """A column of which nothing is taken."""

    kind: ClassVar[str] = "left out"
    why: str

    def features(self, column: Column) -> Features:
        return Features([], [])

    def said(self) -> str:
        return f"left out: {self.why}"


NUMBERS_ROWS = "it numbers the rows"

# --- learning -----------------------------------------------------------------------------------

ROW_NUMBERS = 20
"""Rows from which on whole numbers that count the rows are taken for row numbers."""


def learn(name: str, column: Column, min_count: int) -> Part:
    """Learn what a column becomes; levels of fewer than `min_count` rows are rare."""
    if isinstance(column, Text):
        return _category(name, column, min_count)
    values = column.values if isinstance(column, Numbers) else column.seconds
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return LeftOutPart(name, "all cells are missing")
    mean = float(np.nanmean(values))
    if isinstance(column, Times):
        return TimePart(name, mean, missing, _calendar_parts(column.wall))
    if not missing and counts_rows(values):
        return LeftOutPart(name, NUMBERS_ROWS)
    low, high = np.nanmin(values), np.nanmax(values)
    return NumberPart(name, mean, missing, has_one_value=bool(low == high))


def anyway(part: Part, column: Column | None) -> Part:
    """Take a column that counts the rows all the same, as there is no other."""
    if not isinstance(column, Numbers) or not counts_rows(column.values):
        return part
    return NumberPart(part.name, float(column.values.mean()), 0)


def level_counts(column: Text) -> dict[str, int]:
    """Count the rows of each level that occurs."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    return {column.levels[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}


def _category(name: str, column: Text, min_count: int) -> Part:
    return category(name, level_counts(column), int((column.codes < 0).sum()), min_count)


def category(name: str, counts: dict[str, int], missing: int, min_count: int) -> Part:
    """Learn what levels become that have these counts of rows."""
    present = sum(counts.values())
    if not present:
        return LeftOutPart(name, "all cells are missing")
    if len(counts) == 1 and not missing:
        return LeftOutPart(name, f"one value, {next(iter(counts))!r}")
    frequent = sorted(level for level, count in counts.items() if count >= min_count)
    rare = len(counts) - len(frequent)
    if not frequent and rare == present:
        return LeftOutPart(name, f"{present} different texts, as names or identifiers have them")
    return CategoryPart(name, frequent, rare, missing)


def counts_rows(values: Floats) -> bool:
    """Tell numbers that are those of the rows, in their order."""
    if len(values) < ROW_NUMBERS or values[0] not in (0, 1):
        return False
    return bool((np.diff(values) == 1).all())


def as_text(column: Numbers) -> Text:
    """Give numbers as levels: 1 and 1.0 are one."""
    known = ~np.isnan(column.values)
    values, places = np.unique(column.values[known], return_inverse=True)
    codes = np.full(len(column.values), -1, np.int64)
    codes[known] = places
    return Text(codes, [str(int(v)) if v.is_integer() else str(v) for v in values.tolist()])


def _month(wall: Any) -> Any:
    return wall.astype("datetime64[M]").astype(np.int64) % 12 + 1


def _weekday(wall: Any) -> Any:
    """Monday is 1: the first of January 1970 was a Thursday."""
    return (wall.astype("datetime64[D]").astype(np.int64) + 3) % 7 + 1


def _hour(wall: Any) -> Any:
    return wall.astype("datetime64[h]").astype(np.int64) % 24


CALENDAR: dict[str, Callable[[Any], Any]] = {"month": _month, "weekday": _weekday, "hour": _hour}


def calendar(part: str, wall: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    """Give a calendar part of times; that of NaT means nothing."""
    found: npt.NDArray[np.int64] = CALENDAR[part](wall)
    return found


def _calendar_parts(wall: npt.NDArray[np.datetime64]) -> dict[str, list[int]]:
    wall = wall[~np.isnat(wall)]
    found = {part: np.unique(calendar(part, wall)).tolist() for part in CALENDAR}
    return {part: values for part, values in found.items() if len(values) > 1}


KINDS: dict[str, type[Part]] = {
    part.kind: part for part in (NumberPart, CategoryPart, TimePart, LeftOutPart)
}
