"""Columns that predict the label by themselves, as those do that are known only after it.

A row is judged by others: by those next to it when the rows are sorted by the column, and by those
with the same value. A column that tells classes has few changes of class along its order. Under
chance every order of the labels is as likely; how many orders have so few changes or errors bounds
the probability, and it is divided among the columns. So a perfect split of few rows in a wide
table is named only where chance does not make it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.tables.columns import Column, Numbers, Text, Times

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
        In the order of the columns; the best first where there are several outputs.
    """
    raise NotImplementedError
