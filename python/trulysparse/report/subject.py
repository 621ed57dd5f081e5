"""What a report is about: a network, a table, and what the network says of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data import frames
from trulysparse.data.blocks import Blocks

Array = npt.NDArray[Any]

CLASSES, LABELS, NUMBERS = "classes", "labels", "numbers"
"""The kinds of targets."""

MOST_CELLS = 20_000_000
"""Numbers of targets or outputs that a report looks at; of more, some rows are taken."""


class Fold(NamedTuple):
    """A network that was trained again without some rows.

    Attributes
    ----------
    train, test
        How many rows it learnt from, and was scored on.
    scores
        By the name of the score.
    importance
        Of the columns, or None.
    """

    train: int
    test: int
    scores: Mapping[str, float]
    importance: Array | None


@dataclass
class Subject:
    """A network and a table.

    Attributes
    ----------
    model
        The `SparseMLP`.
    kind
        What it predicts: one of `CLASSES`, `LABELS` and `NUMBERS`.
    x
        Samples as the network takes them.
    y
        Numbers of classes, (rows,), -1 where missing; or float64, (rows, outputs), NaN where
        missing; None without labels.
    outputs
        What the network gives for them, float64 of shape (rows, outputs).
    names
        Of the classes or outputs.
    columns
        Names of the columns of the table.
    places
        The features of each column; None if they are the same.
    importance
        Of the columns.
    features
        Names of the features, where they are not those of the columns; else None.
    numbers
        The columns whose first feature is a number; None if all are.
    table
        The table as it was given, or None: an array, a matrix or a frame.
    kinds
        What the columns are: how many of each kind.
    about
        What it is called: `name` of the table, `what` the model is, `label`.
    notes
        What the fit said of its table.
    seen
        What is known of the rows in training: a share and whether it is exact, or None.
    history
        Losses and scores by epoch.
    frequency
        How often each column was selected, or None.
    folds
        Networks that were trained again.
    remarks
        What could not be looked at, a sentence each.
    """

    model: Any
    kind: str
    x: Any
    y: Array | None
    outputs: Array
    names: list[str]
    columns: Sequence[str]
    places: list[list[int]] | None
    importance: Array
    features: Sequence[str] | None = None
    numbers: frozenset[int] | None = None
    table: Any = None
    kinds: Mapping[str, int] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    seen: tuple[float, bool] | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    frequency: Array | None = None
    folds: Sequence[Fold] = ()
    remarks: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        """All rows."""
        return len(self.outputs)

    @cached_property
    def finite(self) -> Array:
        """Which rows have outputs that are numbers."""
        return np.asarray(np.isfinite(self.outputs).all(axis=1))

    @cached_property
    def scored(self) -> Array:
        """The rows that can be scored: with a label, and outputs that are numbers."""
        if self.y is None:
            return np.empty(0, np.int64)
        known = self.y >= 0 if self.kind == CLASSES else ~np.isnan(self.y).all(axis=1)
        return np.flatnonzero(known & self.finite)

    @cached_property
    def missing(self) -> dict[str, int]:
        """Count the missing cells of the columns that have some."""
        return missing_cells(self.table, self.columns)

    def places_of(self, column: int) -> list[int]:
        """Give the features of a column."""
        return [column] if self.places is None else self.places[column]

    def is_number(self, column: int) -> bool:
        """Tell whether the first feature of a column is a number."""
        return self.numbers is None or column in self.numbers

    def main_feature(self, column: int) -> int:
        """Give the feature that stands for a column: its number, or its most frequent level."""
        places = self.places_of(column)
        if self.is_number(column) or len(places) == 1:
            return places[0]
        return places[int((self.values(places) != 0).sum(axis=0).argmax())]

    def level(self, feature: int) -> str:
        """Give the name of a feature."""
        return self.columns[feature] if self.features is None else self.features[feature]

    def top(self, most: int) -> list[int]:
        """Give the columns that matter most, without those that matter not at all."""
        order = np.argsort(-self.importance, kind="stable")[:most]
        return [int(k) for k in order if self.importance[k] > 0]

    def values(self, features: Sequence[int], rows: Array | None = None) -> Array:
        """Give some features of some rows, dense float64 of shape (rows, features)."""
        return values_of(self.x, features, rows)


def values_of(x: Any, features: Sequence[int], rows: Array | None = None) -> Array:
    """Give some features of samples, dense float64."""
    wanted = np.asarray(features, np.int64)
    if rows is not None:
        x = x[rows]
    if not isinstance(x, Blocks):
        found = x[:, wanted]
        return np.asarray(found.toarray() if scipy.sparse.issparse(x) else found, np.float64)
    wide = x.dense.shape[1]
    made = np.empty((len(x), len(wanted)))
    made[:, wanted < wide] = x.dense[:, wanted[wanted < wide]]
    made[:, wanted >= wide] = x.sparse[:, wanted[wanted >= wide] - wide].toarray()
    return made


def missing_cells(table: Any, names: Sequence[str]) -> dict[str, int]:
    """Count the missing cells of each column of a table that has some."""
    if table is None:
        return {}
    if frames.is_frame(table):
        counts = np.array([_missing_in(table, k) for k in range(table.shape[1])])
        names = list(map(str, frames.labels(table)))
    elif scipy.sparse.issparse(table):
        matrix = scipy.sparse.csr_array(table)
        if matrix.dtype.kind != "f":
            return {}
        counts = np.bincount(matrix.indices[np.isnan(matrix.data)], minlength=matrix.shape[1])
    elif isinstance(table, np.ndarray) and table.ndim == 2 and table.dtype.kind == "f":
        counts = np.isnan(table).sum(axis=0)
    else:
        return {}
    return {names[k]: int(counts[k]) for k in np.flatnonzero(counts).tolist() if k < len(names)}


def _missing_in(frame: Any, place: int) -> int:
    if hasattr(frame, "iloc"):
        return int(frame.iloc[:, place].isna().sum())
    column = frame.to_series(place)
    nan = column.is_nan().sum() if column.dtype.is_float() else 0
    return int(column.null_count() + (nan or 0))
