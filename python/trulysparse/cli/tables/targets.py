"""What the label of a table is: classes, several labels of zeros and ones, or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.data import classes
from trulysparse.data.readers import encode
from trulysparse.estimators._targets import Classes, Labels, Numbers
from trulysparse.readers import Table

CLASSIFICATION, REGRESSION = "classification", "regression"
_FEW = 20
_FLAG = "--task {}"

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Learnt:
    """What was learnt of the labels of a table.

    Attributes
    ----------
    target
        How they become targets of the network.
    y
        These targets: int64 (rows,), or float64 (rows, outputs).
    names
        Of the label's columns.
    class_names
        Of the classes, or None.
    said
        What was taken for granted, a sentence.
    """

    target: Classes | Labels | Numbers
    y: Array
    names: tuple[str, ...]
    class_names: tuple[str, ...] | None
    said: str

    @property
    def task(self) -> str:
        """What is learnt."""
        return REGRESSION if isinstance(self.target, Numbers) else CLASSIFICATION


def learn(table: Table, task: str | None, what: str) -> Learnt:
    """Learn what the labels are.

    Parameters
    ----------
    table
        The table.
    task
        `CLASSIFICATION` or `REGRESSION`; None to find out.
    what
        What the file is called in errors.

    Raises
    ------
    ValueError
        If there is no label, or one is missing, or it is not what the task needs.
    """
    if table.y is None:
        raise ValueError(f"{what}: no column is the label: expected --label COLUMN")
    names = names_of(table)
    values = columns_of(table.y)
    if len(values) > 1:
        return _several(values, names, task, table.rows, what)
    (column,) = values
    refuse_missing(column, what, names[0], table.rows)
    guessed, why = _guess(column)
    if (task or guessed) == REGRESSION:
        numbers = as_numbers(column, what, names[0], table.rows)
        said = f"task: regression of {names[0]!r}"
        if not task:
            said += f", {why}"
            are_whole = bool((numbers == np.rint(numbers)).all())
            said += f" ({_FLAG.format(CLASSIFICATION)} if they are classes)" if are_whole else ""
        return Learnt(Numbers(1, one_per_sample=True), numbers[:, None], names, None, said)
    place = f"{what}: column {names[0]!r}"
    try:
        codes, found = encode(column, place, table.rows)
    except ValueError as error:
        if column.dtype.kind != "f" or task is None:
            raise
        raise ValueError(f"{error}; {_FLAG.format(REGRESSION)} learns numbers") from None
    said = f"task: classification of {names[0]!r}"
    if not task and why:
        said += f", {why} ({_FLAG.format(REGRESSION)} if they are values)"
    return Learnt(Classes(classes_of(column, found)), codes, names, found, said)


def columns_of(y: Any) -> list[Array]:
    """Give the columns of labels as arrays; NaN, None or an empty text is missing."""
    if hasattr(y, "get_columns"):
        return [_array(column) for column in y.get_columns()]
    if isinstance(y, np.ndarray) and y.ndim == 2:
        return list(y.T)
    if isinstance(y, list | tuple):  # of libsvm: the labels of each row
        known = {label: j for j, label in enumerate(sorted({one for row in y for one in row}))}
        found = np.zeros((len(y), len(known)))
        for i, row in enumerate(y):
            found[i, [known[label] for label in row]] = 1
        return list(found.T)
    return [y if isinstance(y, np.ndarray) else _array(y)]


def _array(column: Any) -> Array:
    """Give a series of polars as an array: text where it is no number and no boolean."""
    import polars as pl

    dtype = column.dtype
    if dtype == pl.Boolean and not column.null_count():
        return np.asarray(column.to_numpy())
    if dtype == pl.Boolean or (dtype.is_numeric() and column.null_count()):
        return np.asarray(column.cast(pl.Float64).to_numpy())
    if dtype.is_numeric():
        return np.asarray(column.to_numpy())
    return np.array(as_text(column), dtype=str)


def as_text(column: Any) -> list[str]:
    """Give the cells of a series of polars as text, missing ones empty."""
    import polars as pl

    found: list[str] = column.cast(pl.String).fill_null("").to_list()
    return found


def names_of(table: Table) -> tuple[str, ...]:
    """Give the names of a table's labels."""
    label = table.label
    if isinstance(label, tuple):
        return label
    columns = getattr(table.y, "columns", None)
    return tuple(columns) if columns is not None else (label or "y",)


def missing_in(column: Array) -> Array:
    """Tell which labels are missing."""
    if column.dtype.kind == "f":
        return np.isnan(column)
    return column == "" if column.dtype.kind == "U" else np.zeros(len(column), bool)


def refuse_missing(column: Array, what: str, name: str, rows: Sequence[int]) -> None:
    """Raise ValueError for the first missing label."""
    missing = np.flatnonzero(missing_in(column))
    if len(missing):
        more = f"; so in {len(missing) - 1} more rows" if len(missing) > 1 else ""
        raise ValueError(
            f"{what}: row {_row(rows, missing[0])}, column {name!r}: expected a label, got "
            f"nothing{more} (--drop-unlabelled leaves such rows out of training)"
        )


def as_numbers(column: Array, what: str, name: str, rows: Sequence[int]) -> Array:
    """Give labels as float64; a ValueError names one that is no number."""
    if column.dtype.kind in "biuf":
        return column.astype(np.float64)
    raise ValueError(
        f"{what}: row {_row(rows, 0)}, column {name!r}: expected a number for "
        f"{_FLAG.format(REGRESSION)}, got {str(column[0])!r}"
    )


def _row(rows: Sequence[int], i: Any) -> int:
    return rows[int(i)] if len(rows) > i else int(i)


def classes_of(column: Array, names: Sequence[str]) -> Array:
    """Give the classes that names of them stand for, sorted as `Classes` has them."""
    if column.dtype.kind == "b":
        return np.array([name == "True" for name in names])
    is_number = column.dtype.kind in "iuf" or all(map(_is_plain, names))
    return np.array([int(name) for name in names]) if is_number else np.array(list(names))


def _is_plain(name: str) -> bool:
    """Tell an integer as `encode` names the classes of a column of numbers."""
    digits = name.removeprefix("-")
    return digits.isascii() and digits.isdigit() and str(int(name)) == name


def _guess(column: Array) -> tuple[str, str]:
    """Guess whether labels are classes or numbers, and say why where it may be wrong."""
    if column.dtype.kind not in "iuf":
        return CLASSIFICATION, ""
    if column.dtype.kind == "f" and (column != np.rint(column)).any():
        return REGRESSION, "whose values are no whole numbers"
    found, counts = np.unique(column, return_counts=True)
    if len(found) <= 2:
        return CLASSIFICATION, ""
    count = f"{len(found)} whole numbers"
    if classes.look_like_values(map(int, found), len(column)) or (
        len(found) > _FEW and not _count_classes(found)
    ):
        return REGRESSION, f"which has {count}"
    return CLASSIFICATION, f"which has {count}" if counts.min() > 0 else ""


def _count_classes(found: Array) -> bool:
    """Tell whether these are all numbers from 0 or 1 on, as classes are counted."""
    return bool(found[0] in (0, 1) and (np.diff(found) == 1).all())


def _several(
    values: Sequence[Array],
    names: tuple[str, ...],
    task: str | None,
    rows: Sequence[int],
    what: str,
) -> Learnt:
    """Learn what several columns of labels are; missing ones do not count."""
    y = numbers_of(values, what, names, rows)
    missing = np.isnan(y)
    others = (y != 0) & (y != 1) & ~missing
    are_labels = not others.any()
    if task == CLASSIFICATION and not are_labels:
        i, j = np.argwhere(others)[0]
        raise ValueError(
            f"{what}: row {_row(rows, i)}, column {names[j]!r}: expected 0 or 1 in each of several "
            f"labels, got {y[i, j]:g} ({_FLAG.format(REGRESSION)} learns numbers)"
        )
    if (task or (CLASSIFICATION if are_labels else REGRESSION)) == REGRESSION:
        said = f"task: regression of {len(names)} numbers{_said_missing(missing)}"
        return Learnt(Numbers(len(names), one_per_sample=False), y, names, None, said)
    said = f"task: classification, {len(names)} labels of 0 and 1{_said_missing(missing)}"
    return Learnt(Labels(len(names)), y, names, None, said)


def _said_missing(missing: Array) -> str:
    count = int(missing.sum())
    return f"; {count} of {missing.size} are missing, and do not count" if count else ""


def numbers_of(
    values: Sequence[Array], what: str, names: Sequence[str], rows: Sequence[int]
) -> Array:
    """Give columns of labels side by side, NaN where one of several is missing."""
    for column, name in zip(values, names, strict=True):
        if missing_in(column).all():
            raise ValueError(f"{what}: column {name!r}: expected labels, all are missing")
        if len(values) > 1 and column.dtype.kind not in "biuf":
            i = int(np.flatnonzero(~missing_in(column))[0])
            raise ValueError(
                f"{what}: row {_row(rows, i)}, column {name!r}: expected 0 or 1, or numbers, as "
                f"there are several labels, got {str(column[i])!r}"
            )
        as_numbers(column, what, name, rows)
        if len(values) == 1:
            refuse_missing(column, what, name, rows)
    return np.column_stack([column.astype(np.float64) for column in values])
