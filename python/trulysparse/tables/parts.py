"""What is learnt of a column, and the features that it becomes from then on."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from trulysparse.data import spread
from trulysparse.data.numeric import is_number_text
from trulysparse.tables import spelled
from trulysparse.tables.columns import Column, Floats, Numbers, Text, Times

Rows = npt.NDArray[np.int64]

_UNSEEN = -2
_MANY = 10  # cells of which none is known, from which on a word is said
_TRUTH = {"true": "1", "false": "0"}
_EXACT = 2.0**53

NOT_LEARNT = {"learnt": False}
"""Marks fields that are not the table's, and not kept with what is learnt of it."""

FILLS = ("mean", "auto", "median")
"""What may stand for missing numbers; ``"auto"``: the median in heavy-tailed columns."""


class Features(NamedTuple):
    """What a column becomes: numbers, and places of ones."""

    numbers: list[Floats]
    """(rows,) each."""
    ones: list[tuple[Rows, Rows]]
    """Rows, and columns counted from the first sparse one of this column."""


class Scaled(NamedTuple):
    """What a network does to the numbers of a column: ``(x - centre) / size``."""

    kind: str
    """``"standard"``: mean and deviation; ``"robust"``: median and spread between the quartiles;
    ``"kept"``: as they are, or divided by a typical size."""
    centre: float
    size: float
    """inf of a column that counts for nothing."""
    clip: float | None
    """What they never exceed then."""

    def said(self) -> str:
        """Say it in words, after "a number"."""
        if self.size == float("inf"):
            return ""
        clip = "" if self.clip is None else f", clipped at {self.clip:.6g}"
        if self.kind == "kept":
            return (f", divided by {self.size:.6g}" if self.size != 1 else ", as it is") + clip
        centre, size = {"standard": ("mean", "deviation"), "robust": ("median", "spread")}[
            self.kind
        ]
        return f", {centre} {self.centre:.6g} and {size} {self.size:.6g}{clip}"


class WrongKindError(TypeError):
    """A column is of another kind than the one that was learnt."""


@dataclass(frozen=True, repr=False)
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

    def count_ones(self) -> int:
        """Count the sparse features."""
        return len(self.ones())

    @abstractmethod
    def features(self, column: Column) -> Features:
        """Convert a column of this kind."""

    @abstractmethod
    def said(self) -> str:
        """Say what the column became."""

    def __str__(self) -> str:
        """Name the column, and say what it became."""
        return f"{self.name}: {self.said()}"

    def __repr__(self) -> str:
        """Do the same, safe to print."""
        return f"<{self.name!r}: {self.said()}>"


@dataclass(frozen=True, repr=False)
class NumberPart(Part):
    """A number: as it is, the mean where it is missing, and a one that says so."""

    kind: ClassVar[str] = "number"
    mean: float
    """What stands for missing cells: the mean, or the median if `is_median`."""
    missing: int
    """Cells that were missing; their indicator is there if there were any."""
    has_one_value: bool = False
    is_median: bool = False
    scaled: Scaled | None = field(default=None, metadata=NOT_LEARNT)
    """What the network does to it, once there is one."""

    def numbers(self) -> list[str]:
        return [self.name]

    def ones(self) -> list[str]:
        return [f"{self.name} is missing"] if self.missing else []

    def features(self, column: Column) -> Features:
        if not isinstance(column, Numbers) and are_all_missing(column):
            column = Numbers(np.full(count_rows(column), np.nan))
        if not isinstance(column, Numbers):
            raise WrongKindError("expected numbers, as in the first fit")
        missing = np.isnan(column.values)
        rows = np.flatnonzero(missing)
        filled = np.where(missing, self.mean, column.values) if len(rows) else column.values
        ones = [(rows, np.zeros_like(rows))] if self.missing else []
        return Features([filled], ones)

    def said(self) -> str:
        centre = "median" if self.is_median else "mean"
        also = ""
        if self.missing:
            also = f"; {self.missing} missing are the {centre}, with an indicator"
        if self.has_one_value:
            return "a number with one value, which counts for nothing" + also
        return "a number" + (self.scaled.said() if self.scaled else "") + also


@dataclass(frozen=True, repr=False)
class CategoryPart(Part):
    """Levels: a one for each; rare and unseen ones together; missing is a level too."""

    kind: ClassVar[str] = "category"
    levels: list[str]
    rare: int
    """Levels that were too rare, which share a feature."""
    missing: int

    @cached_property
    def _places(self) -> dict[str, int]:
        return dict(zip(self.levels, range(len(self.levels)), strict=True))

    def ones(self) -> list[str]:
        named = [f"{self.name} = {level}" for level in self.levels]
        return [
            *named,
            *([f"{self.name} = {self._others()}"] if self.rare else []),
            *([f"{self.name} is missing"] if self.missing else []),
        ]

    def _others(self) -> str:
        """Name the rare levels as no level is named."""
        name = "(other)"
        while name in self.levels:
            name = f"({name})"
        return name

    def count_ones(self) -> int:
        return len(self.levels) + bool(self.rare) + bool(self.missing)

    def features(self, column: Column) -> Features:
        if isinstance(column, Numbers):
            column = as_text(column)
        elif isinstance(column, Times) and are_all_missing(column):
            column = Text(np.full(count_rows(column), -1, np.int64), [])
        if not isinstance(column, Text):
            raise WrongKindError("expected text or categories, as in the first fit")
        count = len(self.levels)
        other, absent = (
            (count if self.rare else -1),
            (count + bool(self.rare) if self.missing else -1),
        )
        found = map(self._places.get, column.levels, repeat(_UNSEEN))
        places = np.fromiter(found, np.int64, len(column.levels))
        for i in np.flatnonzero(places == _UNSEEN).tolist():
            places[i] = self._spelled_otherwise(column.levels[i])
        self._say_unseen(column, places)
        places[places == _UNSEEN] = other
        codes = np.append(places, absent)[column.codes]
        rows = np.flatnonzero(codes >= 0)
        return Features([], [(rows, codes[rows])])

    def knows(self, level: str) -> bool:
        """Tell whether a level was there in fit, and is no rare one."""
        return level in self._places or self._spelled_otherwise(level) != _UNSEEN

    def _spelled_otherwise(self, level: str) -> int:
        """Find a level that says the same in other words, if there is one: 1.0 for 1."""
        for word in words_for(level):
            found = self._by_word.get(word, [])
            if len(found) == 1:
                return found[0]
        return _UNSEEN

    @cached_property
    def _by_word(self) -> dict[str, list[int]]:
        known: dict[str, list[int]] = {}
        for place, level in enumerate(self.levels):
            for word in words_for(level)[:1]:
                known.setdefault(word, []).append(place)
        return known

    def _say_unseen(self, column: Text, places: Rows) -> None:
        """Warn if many cells have levels, and none is known."""
        if not self.levels or not len(places) or (places != _UNSEEN).any():
            return
        cells = int((column.codes >= 0).sum())
        if cells >= _MANY:
            some = ", ".join(map(repr, self.levels[:3]))
            warnings.warn(
                f"column {self.name!r}: none of {cells} cells is a level that there was in fit, "
                f"such as {some}; they have {column.levels[0]!r}, for example",
                RuntimeWarning,
                stacklevel=2,
            )

    def said(self) -> str:
        found = [f"{len(self.levels)} levels"]
        found += [f"{self.rare} rare ones together"] if self.rare else []
        found += [f"{self.missing} missing as a level"] if self.missing else []
        return "a category: " + ", ".join(found)


@dataclass(frozen=True, repr=False)
class TimePart(Part):
    """A time: seconds since 1970, and a one for each month, weekday and hour that occurs."""

    kind: ClassVar[str] = "time"
    mean: float
    missing: int
    parts: dict[str, list[int]]
    """The calendar parts that vary, with their values."""
    scaled: Scaled | None = field(default=None, metadata=NOT_LEARNT)

    def numbers(self) -> list[str]:
        return [self.name]

    def ones(self) -> list[str]:
        named = [f"{self.name}: {part} {value}" for part, value in self._values()]
        return [*named, *([f"{self.name} is missing"] if self.missing else [])]

    def features(self, column: Column) -> Features:
        if not isinstance(column, Times) and are_all_missing(column):
            count = count_rows(column)
            column = Times(np.full(count, np.nan), np.full(count, "NaT", "datetime64[us]"))
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
        text = "a time: seconds since 1970" + (self.scaled.said() if self.scaled else "")
        if self.parts:
            text += ", and ones for its " + ", ".join(self.parts)
        return text + (f"; {self.missing} missing" if self.missing else "")


@dataclass(frozen=True, repr=False)
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


def learn(name: str, column: Column, min_count: int, fill: str = "mean") -> Part:
    """Learn what a column becomes; levels of fewer than `min_count` rows are rare.

    `fill` is one of `FILLS`.
    """
    if isinstance(column, Text):
        return _category(name, column, min_count)
    values = column.values if isinstance(column, Numbers) else column.seconds
    missing = int(np.isnan(values).sum())
    if missing == len(values):
        return LeftOutPart(name, "all cells are missing")
    mean, is_median = _centre(values, fill if missing else "mean")
    if isinstance(column, Times):
        return TimePart(name, mean, missing, _calendar_parts(column.wall))
    if column.counts and counts_rows(values):
        return LeftOutPart(name, NUMBERS_ROWS)
    low, high = np.nanmin(values), np.nanmax(values)
    return NumberPart(name, mean, missing, has_one_value=bool(low == high), is_median=is_median)


def _centre(values: Floats, fill: str) -> tuple[float, bool]:
    """Give what stands for missing ones, and whether it is the median."""
    present = values[~np.isnan(values)] if fill != "mean" else values
    if fill == "median" or (fill == "auto" and spread.is_heavy(present)):
        return float(np.median(present)), True
    return float(np.nanmean(values)), False


def anyway(part: Part, column: Column | None) -> Part:
    """Take a column that counts the rows all the same, as there is no other."""
    if not isinstance(column, Numbers) or not column.counts or not counts_rows(column.values):
        return part
    return NumberPart(part.name, float(column.values.mean()), 0)


def level_counts(column: Text) -> dict[str, int]:
    """Count the rows of each level that occurs."""
    counts = np.bincount(column.codes[column.codes >= 0], minlength=len(column.levels))
    return {column.levels[i]: int(counts[i]) for i in np.flatnonzero(counts).tolist()}


def _category(name: str, column: Text, min_count: int) -> Part:
    spelled.say(name, column.levels, int((column.codes >= 0).sum()))
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


def counts_rows(values: Any) -> bool:
    """Tell numbers that are those of the rows, in their order, of any type; none is missing."""
    if len(values) < ROW_NUMBERS or values[0] not in (0, 1):
        return False
    return bool((np.diff(values) == 1).all())


def as_text(column: Numbers) -> Text:
    """Give numbers as levels: 1 and 1.0 are one; booleans are True and False."""
    if column.are_booleans:
        codes = np.where(np.isnan(column.values), -1, column.values).astype(np.int64)
        return Text(codes, ["False", "True"])
    known = ~np.isnan(column.values)
    values, places = np.unique(column.values[known], return_inverse=True)
    codes = np.full(len(column.values), -1, np.int64)
    codes[known] = places
    return Text(codes, [str(int(v)) if v.is_integer() else str(v) for v in values.tolist()])


def words_for(level: str) -> list[str]:
    """Give other spellings of what a level says, the plainest first: numbers and booleans."""
    word = level.lower()
    if word in _TRUTH:
        return [word, _TRUTH[word]]
    if not is_number_text(level):
        return []
    value = float(level)
    return [str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)]


def are_all_missing(column: Column) -> bool:
    """Tell whether no cell says anything, so that the column may be of any kind."""
    if isinstance(column, Text):
        return bool((column.codes < 0).all())
    values = column.values if isinstance(column, Numbers) else column.seconds
    return bool(np.isnan(values).all())


def is_newly_empty(part: Part, column: Column) -> bool:
    """Tell whether all of several cells are missing of a column that had none missing in fit."""
    if getattr(part, "missing", 0) or count_rows(column) < 2:
        return False
    first = column.codes[0] < 0 if isinstance(column, Text) else np.isnan(column[0][0])
    return bool(first) and are_all_missing(column)


def count_rows(column: Column) -> int:
    """Count the rows."""
    return len(column[0])


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
