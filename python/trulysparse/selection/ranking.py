"""Scores of all columns, from what was left after each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trulysparse.selection.elimination import Round
from trulysparse.selection.features import Floats, Indices

# A column that left has a lower score than any that stayed.
_BELOW = 1 - 2**-20


class Step(NamedTuple):
    """How well held-out samples are predicted with some columns.

    Attributes
    ----------
    columns
        How many there are.
    loss, error
        The mean of the held-out samples' losses, and its standard error.
    score
        The share of the held-out samples, or of their labels, that is predicted right; of numbers
        R2. NaN of targets that do not vary.
    """

    columns: int
    loss: float
    error: float
    score: float = float("nan")


def scores(rounds: Sequence[Round], columns: int, groups: Indices | None) -> Floats:
    """Give scores of columns, (columns,), higher ones to those that left later.

    Parameters
    ----------
    rounds
        In their order.
    columns
        How many there are.
    groups
        For each feature the number of its column; None if features are columns.
    """
    found = np.zeros(columns)
    stayed = np.zeros(columns, np.bool_)
    for end in reversed(rounds):
        at = end.features if groups is None else groups[end.features]
        now = np.sqrt(np.bincount(at, weights=end.scores**2, minlength=columns))
        there = np.zeros(columns, np.bool_)
        there[at] = True
        left = there & ~stayed
        if stayed.any() and left.any() and (highest := now[left].max()) > 0:
            now *= min(1.0, _BELOW * found[stayed].min() / highest)
        found[left] = now[left]
        stayed |= there
    return found


def steps(rounds: Sequence[Round], groups: Indices | None) -> list[Step]:
    """Give losses and score of held-out samples by the number of columns, from few to many."""
    found = []
    for end in reversed(rounds):
        assert end.losses is not None
        at = end.features if groups is None else np.unique(groups[end.features])
        error = end.losses.std(ddof=1) / np.sqrt(len(end.losses)) if len(end.losses) > 1 else 0.0
        found.append(Step(len(at), float(end.losses.mean()), float(error), end.score))
    return found


def fewest(path: Sequence[Step]) -> int:
    """Give the fewest columns whose loss is within a standard error of the lowest."""
    best = min(path, key=lambda step: step.loss)
    return next(step.columns for step in path if step.loss <= best.loss + best.error)
