"""Samples with their targets and weights, once checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

from trulysparse.data.arrays import dense
from trulysparse.data.frames import labels_of_type, of_dense_types, refuse_missing
from trulysparse.data.missing import any_missing, refuse_rows, with_nan
from trulysparse.data.numeric import numeric, refuse_held_sparse, refuse_masked
from trulysparse.data.sparse import check_sparse
from trulysparse.data.tensors import as_numpy
from trulysparse.estimators._support import Mask, without
from trulysparse.estimators._targets import Array, Targets
from trulysparse.losses import LOSSES

_SMALLEST, _LARGEST = 1e-280, 1e280
_LARGEST_TARGET = 1e150
_WEIGHTLESS = "{} is zero for all samples: expected a weight above zero"


@dataclass(frozen=True)
class WeightedSamples:
    """Samples, dense or CSR, with a target and perhaps a weight each.

    `rows` are their numbers in what `fit` got; None: all of it.
    """

    X: Any
    y: Array
    weight: Array | None
    rows: Array | None = None

    def with_weight(self, fewest: int = 1) -> WeightedSamples:
        """Leave out the samples of weight 0: nothing should be learnt from them."""
        if self.weight is None or self.weight.all():
            return self
        some = self.weight > 0
        if (left := int(some.sum())) < fewest:
            raise ValueError(
                f"{left} of {len(some)} samples has a weight above 0: expected at least {fewest}"
            )
        return self.some(some)

    def some(self, rows: Array) -> WeightedSamples:
        """Give those of a mask, or of these numbers."""
        weight = None if self.weight is None else self.weight[rows]
        numbers = np.arange(self.X.shape[0]) if self.rows is None else self.rows
        return WeightedSamples(self.X[rows], self.y[rows], weight, numbers[rows])

    def times(self, factors: Array | None) -> WeightedSamples:
        """Multiply the weights by factors; None are all 1."""
        if self.weight is None or factors is None:
            return replace(self, weight=self.weight if factors is None else factors)
        return replace(self, weight=self.weight * factors)

    def of_mean_weight_one(self) -> WeightedSamples:
        """Scale the weights, of which only proportions matter."""
        weight = self.weight
        if weight is not None:
            if not weight.any():  # sample_weight alone is checked before
                raise ValueError(_WEIGHTLESS.format("class_weight, times sample_weight,"))
            weight = _summable(weight)
            weight = weight / weight.mean()
        return replace(self, weight=weight)

    def without(self, features: Mask | None) -> WeightedSamples:
        """Give the samples with zeros in these columns."""
        return replace(self, X=without(self.X, features))

    def split(self, fraction: float, target: Targets, random: np.random.RandomState) -> Split:
        """Hold some out, stratified by classes if there are such.

        There are at least two of them, which a score needs, and one per class.
        """
        stratified = LOSSES[target.loss].takes_classes
        fewest = target.outputs if stratified else 2
        count = max(math.ceil(fraction * self.X.shape[0]), fewest)
        self._check_split(count, fraction, stratified=stratified)
        halves = train_test_split(
            np.arange(self.X.shape[0]),
            test_size=count,
            random_state=random,
            stratify=self.y if stratified else None,
        )
        return Split(*map(self.some, halves))

    def _check_split(self, count: int, fraction: float, *, stratified: bool) -> None:
        """Raise ValueError if too few samples are left to train on, or are in a class."""
        remedy = "or X_val and y_val of fit, or early_stopping=False"
        classes, sizes = np.unique(self.y, return_counts=True) if stratified else ([0], [2])
        if min(sizes) < 2:
            lone = [item for item, size in zip(classes, sizes, strict=True) if size < 2]
            shown = ", ".join(repr(item) for item in np.array(lone).tolist()[:5])
            raise ValueError(
                f"early_stopping holds out samples of every class, and {len(lone)} of "
                f"{len(sizes)} classes have one sample ({shown}): expected two or more of each, "
                f"{remedy}"
            )
        samples: int = self.X.shape[0]
        if samples - count < len(classes):
            needed = "one of each class" if stratified else "one"
            raise ValueError(
                f"early_stopping with validation_fraction = {fraction} holds out {count} of "
                f"{samples} samples: expected {needed} at least to be left to train on, {remedy}"
            )


class Split(NamedTuple):
    """Samples to train on and samples held out."""

    training: WeightedSamples
    held_out: WeightedSamples


def partial_targets_of(name: str, y: Any) -> Any:
    """Give a user's targets safe to look at: sparse ones as a CSR matrix, of which NaN is missing.

    Of several targets some may be missing, however they are written, and are NaN.
    """
    y = as_numpy(name, y)
    if issparse(y):
        matrix = check_sparse(name, y)
        if matrix.shape[1] != 1:
            return matrix
        refuse_rows(name, matrix)
        return matrix.toarray()
    found = with_nan(name, y)
    array = np.asarray(found) if hasattr(found, "__array__") else found
    is_table = isinstance(array, np.ndarray) and array.ndim == 2 and array.shape[1] > 1
    if is_table and any_missing(array):
        refuse_masked(name, y)
        return np.ascontiguousarray(array)
    return targets_of(name, y)


def targets_of(name: str, y: Any) -> Any:
    """Give a user's targets safe to look at: none is missing, and sparse ones are an array."""
    y = as_numpy(name, y)
    if type(y) is np.ndarray and y.dtype.kind in "biu":
        return y
    if issparse(y):
        return dense(name, y)
    refuse_held_sparse(name, y)
    check_sparse(name, y)  # another library's
    refuse_missing(name, y, rows=True)
    return labels_of_type(of_dense_types(y))


def refuse_huge(name: str, y: Array) -> None:
    """Raise ValueError for numbers of which float64 does not hold the squares, as the core does."""
    if y.dtype.kind != "f" or y.dtype.itemsize < 8:
        return
    bad = np.argwhere(np.abs(y) > _LARGEST_TARGET)
    if len(bad):
        place = tuple(bad[0])
        column = f", column {place[1]}" if len(place) > 1 else ""
        raise ValueError(
            f"{name} = {y[place]} in row {place[0]}{column}: expected numbers up to 1e150"
        )


def weights(sample_weight: Any, X: Any) -> Array | None:
    """Check a user's weights of samples; None if there are none."""
    if sample_weight is None:
        return None
    sample_weight = as_numpy("sample_weight", sample_weight)
    positive(sample_weight)
    weight: Array = check_sample_weight(
        sample_weight, X, dtype=np.float64, ensure_non_negative=True
    )
    return weight


def positive(sample_weight: Any) -> Any:
    """Give weights of at least 0, some above, as numbers that can be summed; None as it is."""
    if sample_weight is None:
        return None
    sample_weight = as_numpy("sample_weight", sample_weight)
    found = numeric("sample_weight", sample_weight)
    refuse_missing("sample_weight", sample_weight)
    wrong = np.argwhere(~((found >= 0) & np.isfinite(found)))
    if len(wrong):
        place, value = tuple(wrong[0]), found[tuple(wrong[0])]
        where = f"[{', '.join(map(str, place))}]" if place else ""
        problem = " is negative" if value < 0 else ""
        raise ValueError(
            f"sample_weight{where} = {value}{problem}: expected finite numbers of at least 0"
        )
    if not found.any():
        raise ValueError(_WEIGHTLESS.format("sample_weight"))
    return _summable(found)


def _summable(weight: Array) -> Array:
    """Scale weights whose sums would lose digits or overflow."""
    most = float(weight.max())  # beyond float32 there are no numbers to compare with
    return weight if _SMALLEST < most < _LARGEST else weight / most
