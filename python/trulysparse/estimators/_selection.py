"""What the feature selector learns from: classes, labels, numbers, or the samples themselves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from trulysparse import _check, _core
from trulysparse.data import arrays, classes
from trulysparse.data.numeric import numeric
from trulysparse.estimators._targets import Array, Classes, Labels, Numbers, Targets
from trulysparse.estimators._weighted import WeightedSamples, refuse_huge
from trulysparse.model import SparseMLP

TASKS = ("auto", "classification", "regression")


def target(task: Any, y: Any) -> tuple[Targets, Array]:
    """Tell how to learn these targets, and give them as an array.

    Parameters
    ----------
    task
        One of `TASKS`.
    y
        The targets, validated.
    """
    task = _check.choice("task", task, TASKS)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if task == "regression" and y.dtype == object:
        y = numeric("y", y)
    refuse_huge("y", y)
    kind = type_of_target(y, input_name="y")
    if (y == y[0]).all():
        some = "one class" if y.ndim == 1 and y.dtype.kind not in "f" else "one value"
        raise ValueError(f"y has {some}, {y[0].tolist()}: expected two or more, or no y")
    if task == "regression" or (task == "auto" and kind.startswith("continuous")):
        if y.dtype.kind not in "biuf":
            raise ValueError(f"y has dtype {y.dtype}: expected numbers with task='regression'")
        return Numbers.of(y), y.astype(np.float64)
    if kind == "multilabel-indicator":
        return Labels(y.shape[1]), y
    if y.ndim != 1 or kind.startswith("continuous"):
        raise ValueError(
            f"y of shape {y.shape} is {kind}: expected one class per sample, columns of zeros and "
            "ones, or numbers (task='regression')"
        )
    found = np.unique(y)
    if task == "auto" and y.dtype.kind != "b" and classes.look_like_values(found, len(y)):
        warnings.warn(
            f"y has {classes.said(len(found), len(y))}: task='regression' if they are values, "
            "task='classification' if not",
            UserWarning,
            stacklevel=3,
        )
    return Classes(found), y


class Batches:
    """Dense batches of a sparse table, which would be too large as an array.

    Without targets `y` those are the samples.
    """

    def __init__(
        self, model: SparseMLP, samples: WeightedSamples, y: Array | None, size: Any
    ) -> None:
        self._X, self._y, self._weight = samples.X, y, samples.weight
        self._size = _check.integer("batch_size", size, 1)
        self._random = np.random.default_rng(model.seed)
        if model.standardize:
            inputs = arrays.samples("X", samples.X, samples.X.shape[1], wide=True)
            model._core.standardize_on(_core.Data(model._core, inputs))
            if y is None:
                model._core.set_statistics(None, model._core.input_statistics())

    def __len__(self) -> int:
        samples: int = self._X.shape[0]
        return math.ceil(samples / self._size)

    def __iter__(self) -> Iterator[tuple[Array, ...]]:
        """Give the batches of an epoch, in a new order."""
        order = self._random.permutation(self._X.shape[0])
        for start in range(0, len(order), self._size):
            rows = order[start : start + self._size]
            x = self._X[rows].toarray()
            targets = x if self._y is None else self._y[rows]
            yield (x, targets) if self._weight is None else (x, targets, self._weight[rows])
