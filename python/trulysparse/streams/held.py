"""Rows of a file that a fit is judged by, or that are scored."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any, Protocol

import numpy as np

from trulysparse import _core
from trulysparse.config import Config
from trulysparse.data.classes import KEY
from trulysparse.data.columns import Columns
from trulysparse.data.samples import given
from trulysparse.losses import LOSSES
from trulysparse.streams.rows import RowBlocks, is_on_disk
from trulysparse.streams.source import Array


class Predicting(Protocol):
    """A model, as far as rows are scored by it."""

    metadata: dict[str, str]
    _core: _core.Network

    def predict(self, x: Any, *, batch_size: int = 128) -> Any: ...


class HeldRows:
    """Held-out rows of a file, which are scored by blocks."""

    def __init__(self, core: _core.Network, name: str, rows: RowBlocks) -> None:
        self._core, self._name = core, name
        self._reader = rows._reader(1, wide=core.takes_float64())
        self.rows = len(rows)

    def evaluate(self, batch_size: int) -> _core.Scores:
        """Score all rows."""
        loss = accuracy = 0.0
        with closing(self._reader.in_order()) as pieces:
            for rows in pieces:
                names = (f"{self._name} (x)", f"{self._name} (y)")
                data = given(self._core, rows.x, rows.y, names, sample_weight=rows.weight).data
                scores = self._core.evaluate(data, batch_size)
                loss += len(rows) * scores.loss
                accuracy += len(rows) * scores.accuracy
        return _core.Scores(loss / self.rows, accuracy / self.rows)


def rows_of(x: Any, y: Any = None, sample_weight: Any = None) -> RowBlocks | None:
    """Give rows, also of what lies in a file; None of anything else."""
    if is_on_disk(x):
        return RowBlocks(x, y, sample_weight=sample_weight)
    if not isinstance(x, RowBlocks):
        return None
    for name, value in (("y", y), ("sample_weight", sample_weight)):
        if value is not None:
            raise TypeError(f"{name}: expected None, as the rows have theirs")
    return x


def predict(model: Predicting, rows: RowBlocks, batch_size: int) -> Array:
    """Compute the outputs for all rows, by blocks."""
    Columns(model).take("x", rows.feature_names)
    reader = rows._reader(1, wide=model._core.takes_float64(), labelled=False)
    with closing(reader.in_order()) as pieces:
        return np.concatenate([model.predict(part.x, batch_size=batch_size) for part in pieces])


def evaluate(model: Predicting, rows: RowBlocks, batch_size: int) -> _core.Scores:
    """Score all rows, by blocks."""
    Columns(model).take("x", rows.feature_names)
    rows = by_classes(model._core, model.metadata, "x", rows, None)
    return HeldRows(model._core, "x", rows).evaluate(batch_size)


def by_classes(
    core: _core.Network, metadata: dict[str, str], name: str, rows: RowBlocks, classes: Any
) -> RowBlocks:
    """Give rows whose labels are places in the model's classes, if they are names.

    Parameters
    ----------
    core, metadata
        Of the model that they are for.
    name
        What errors call them.
    rows
        Held-out rows, or those that are trained on.
    classes
        The names, if the model has none yet.

    Raises
    ------
    ValueError
        If the model names no classes, and nothing else does; later, if a label is none of them.
    """
    takes_classes = LOSSES[Config.of(core).loss].takes_classes
    if not takes_classes or not rows._labels_are_names():
        return rows
    known = json.loads(metadata[KEY]) if KEY in metadata else classes
    if known is None:
        raise ValueError(
            f"{name} has names as labels, and the model has none for its classes: expected "
            f"integers, or metadata[{KEY!r}] with a JSON list"
        )
    return rows._by_classes(known)


def write_classes(metadata: dict[str, str], rows: RowBlocks) -> None:
    """Write the names of the classes that a model was trained on where others look for them."""
    if KEY not in metadata and rows._encodes_by is not None:
        metadata[KEY] = json.dumps(list(map(str, rows._encodes_by)))
