"""A table that was read, and which of its columns are features, labels and identifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from trulysparse.readers.columns import of
from trulysparse.readers.notes import Notes
from trulysparse.readers.places import places

if TYPE_CHECKING:
    import polars as pl

LABELS = ("label", "labels", "class", "classes", "target", "targets", "y")
"""The names, in small letters, of columns that are labels unless others are named."""

_OF_PANDAS = "__index_level_0__"  # of pandas in Parquet
UNNAMED = "Unnamed: 0"  # what pandas calls a first column without a name
_SHOWN = 8


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a file.

    Attributes
    ----------
    x
        The features: a frame of polars, with missing cells null, or an array or a CSR matrix of
        formats that have no columns.
    y
        The labels: a series of polars, a frame if there are several, an array, or None.
    ids
        The columns that only name rows: a series, a frame, an array, or None.
    names
        Names of the features.
    label
        Name of the label, several of them, or None.
    notes
        What was found out, left out and converted: a sentence each.
    rows
        The line of the file in which each row begins; for formats without lines, its number.
    test
        The test part of an archive that has one, or None.
    shape
        The shape of a row of an archive that is more than its numbers in line, or None.
    """

    x: Any
    y: Any = None
    ids: Any = None
    names: tuple[str, ...] = ()
    label: str | tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    rows: Sequence[int] = field(default=(), repr=False)
    test: Table | None = None
    shape: tuple[int, ...] | None = None

    def __len__(self) -> int:
        """Give the number of rows."""
        return int(self.x.shape[0])

    def __str__(self) -> str:
        """Say rows, columns, label and notes in a few lines."""
        n, width = self.x.shape
        lines = [f"{n:,} rows, {width:,} feature(s)" + self._said_label()]
        if self.test is not None:
            lines.append(f"test part: {len(self.test):,} rows")
        shown = self.notes[:_SHOWN]
        lines += [f"- {sentence}" for sentence in shown]
        if len(self.notes) > len(shown):
            lines.append(f"- {len(self.notes) - len(shown)} notes more, in `notes`")
        return "\n".join(lines)

    __repr__ = __str__

    def _said_label(self) -> str:
        if self.y is None:
            return ", no label"
        label = self.label if self.label is not None else "y"
        names = [label] if isinstance(label, str) else list(label)
        some = ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")
        return f", label {some}"


def chosen(
    frame: pl.DataFrame,
    rows: Sequence[int],
    unnamed: set[int],
    wanted: dict[str, Any],
    notes: Notes,
    ids: pl.Series | None = None,
) -> Table:
    """Share out the columns of a frame.

    Parameters
    ----------
    frame
        All columns.
    rows
        The line of each row.
    unnamed
        The places of columns to which the file gives no name.
    wanted
        What the caller named: ``label``, ``columns``, ``drop``, ``ids``.
    notes
        To what is said.
    ids
        Names of rows that are no column.
    """
    names = frame.columns
    drop = places(names, "drop", wanted["drop"])
    marks = places(names, "ids", wanted["ids"])
    only = None if wanted["columns"] is None else places(names, "columns", wanted["columns"])
    label = wanted["label"]
    away = {*drop, *marks}
    free = [k for k in range(len(names)) if k not in away]
    named = label is not None and label is not False
    said = {*(only or ()), *(places(names, "label", label) if named else ())}
    index = _index(frame, unnamed, set(free) - said, notes)
    if index is not None:
        free.remove(index)
        if frame.schema[names[index]] == _string():
            marks = marks or [index]
    if only is not None:
        chosen_ones = set(only)
        free = [k for k in free if k in chosen_ones or not named]
    labels = _labels(names, label, free, only, notes)
    both = sorted({names[k] for k in labels} & {names[k] for k in (*drop, *marks)})
    if both:
        raise ValueError(f"column {both[0]!r} is a label, and in drop= or ids=: expected one")
    usable = set(free) - set(labels)
    features = [k for k in (free if only is None else only) if k in usable]
    if not features:
        raise ValueError(f"no columns are left as features: expected one beside {names[:5]}")
    return Table(
        x=frame if len(features) == len(names) else of(frame, [names[k] for k in features]),
        y=_part(frame, labels),
        ids=_part(frame, marks) if marks else ids,
        names=tuple(names[k] for k in features),
        label=None if not labels else names[labels[0]] if _is_one(label) else _of(names, labels),
        notes=tuple(notes.sentences()),
        rows=rows,
    )


def _is_one(label: Any) -> bool:
    return label is None or isinstance(label, str | int) or getattr(label, "ndim", 1) == 0


def _of(names: Sequence[str], places: Sequence[int]) -> tuple[str, ...]:
    return tuple(names[k] for k in places)


def _string() -> Any:
    import polars as pl

    return pl.String


def _part(frame: pl.DataFrame, places: Sequence[int]) -> Any:
    """Give a column, or a frame of several."""
    if not places:
        return None
    names = [frame.columns[k] for k in places]
    return frame[names[0]] if len(names) == 1 else frame.select(names)


def _labels(
    names: Sequence[str], label: Any, free: list[int], only: list[int] | None, notes: Notes
) -> list[int]:
    """Give the places of the labels; if none are named, one that is called so, or the last."""
    if label is False:
        return []
    if label is not None:
        found = places(names, "label", label)
        if not found:
            raise ValueError("label = []: expected a column, or False for none")
        return found
    like = [k for k in free if names[k].lower() in LABELS]
    if len(like) == 1:
        if like[0] != free[-1]:
            notes.say(f"the label is {names[like[0]]!r}, by its name")
        return like
    if len(free) < 2 or only is not None:
        notes.say("no column is taken for the label")
        return []
    notes.say(f"the label is the last column, {names[free[-1]]!r}")
    return [free[-1]]


def labels_of(names: Sequence[str], label: Any, key: str | None, notes: Notes) -> list[str]:
    """Give the labels among the columns of a file that has no features; `key` is none."""
    free = [k for k, name in enumerate(names) if name != key]
    if label is None and len(free) == 1:
        return [names[free[0]]]
    found = [names[k] for k in _labels(names, label, free, None, notes)]
    if key in found:
        raise ValueError(f"column {key!r} is a label, and names the rows: expected another label=")
    return found


def _index(frame: pl.DataFrame, unnamed: set[int], free: set[int], notes: Notes) -> int | None:
    """Find an index of rows that pandas or R wrote: numbers are left out, names are identifiers."""
    names = frame.columns
    k = names.index(_OF_PANDAS) if _OF_PANDAS in names else 0 if 0 in unnamed else None
    if k is None and names[0] == UNNAMED:  # an index that was written, read and written again
        k = 0
    if k is None or k not in free or frame.width < 2:
        return None
    column = frame[names[k]]
    distinct = not column.null_count() and column.n_unique() == len(column)
    if distinct and column.dtype.is_integer():
        which = f"{UNNAMED!r}" if names[k] == UNNAMED else "which has no name"
        notes.say(f"the column of row numbers, {which}, is left out")
        return k
    if names[k] == UNNAMED:
        return None
    if distinct and column.dtype == _string():
        notes.say("the first column has no name and differs in all rows: it is the rows' `ids`")
        return k
    notes.say(f"column {k + 1} has no name: it is {names[k]!r}")
    return None
