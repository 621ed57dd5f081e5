"""Targets of a user as targets of the network, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, r2_score

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]


class Targets(Protocol):
    """One kind of target, as it was in the first training data."""

    @property
    def loss(self) -> str:
        """The loss of `SparseMLP`."""

    @property
    def outputs(self) -> int:
        """Neurons of the output layer."""

    def attributes(self) -> dict[str, Array]:
        """Give the estimator's attributes about them."""

    def encode(self, y: Array, name: str) -> Array:
        """Convert `y`, named `name` in errors, to targets of the network."""

    def decode(self, outputs: Floats) -> Array:
        """Convert outputs of the network to predictions."""

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        """Score as the estimator's `score` does."""


@dataclass(frozen=True)
class Classes:
    """One class per sample."""

    classes: Array
    loss = "cross_entropy"

    @property
    def outputs(self) -> int:
        return len(self.classes)

    def attributes(self) -> dict[str, Array]:
        return {"classes_": self.classes}

    def encode(self, y: Array, name: str) -> Array:
        if y.ndim != 1:
            raise ValueError(f"{name} has {y.shape[1]} columns: expected one class per sample")
        known = np.isin(y, self.classes)
        if not known.all():
            unknown = np.unique(y[~known]).tolist()
            raise ValueError(
                f"{name} has the classes {unknown}: expected those of the first fit, "
                f"{self.classes.tolist()}"
            )
        return np.searchsorted(self.classes, y)

    def decode(self, outputs: Floats) -> Array:
        decoded: Array = self.classes[outputs.argmax(axis=1)]
        return decoded

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        return float(accuracy_score(y, self.decode(outputs), sample_weight=weight))


@dataclass(frozen=True)
class Labels:
    """Any number of labels per sample, in a column of zeros and ones each."""

    outputs: int
    loss = "binary_cross_entropy"

    def attributes(self) -> dict[str, Array]:
        return {"classes_": np.arange(self.outputs)}

    def encode(self, y: Array, name: str) -> Array:
        _same_outputs(y, self.outputs, name)
        return y.astype(np.float32)

    def decode(self, outputs: Floats) -> Array:
        return (outputs > 0.5).astype(np.int64)

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        return float(accuracy_score(y, self.decode(outputs), sample_weight=weight))


@dataclass(frozen=True)
class Values:
    """Numbers, with a mean of 0 and a variance of 1 in the network."""

    mean: Array
    scale: Array
    one_per_sample: bool
    loss = "squared_error"

    @classmethod
    def of(cls, y: Array, weight: Array | None) -> Values:
        table = y.reshape(len(y), -1)
        mean = np.average(table, axis=0, weights=weight)
        scale = np.sqrt(np.average((table - mean) ** 2, axis=0, weights=weight))
        # The mean of equal numbers is not always that number, to the last bit.
        scale[(table == table[0]).all(axis=0) | (scale == 0)] = 1
        return cls(mean, scale, y.ndim == 1)

    @property
    def outputs(self) -> int:
        return len(self.mean)

    def attributes(self) -> dict[str, Array]:
        return {"y_mean_": self.mean, "y_scale_": self.scale}

    def encode(self, y: Array, name: str) -> Array:
        table = y.reshape(len(y), -1)
        _same_outputs(table, self.outputs, name)
        return ((table - self.mean) / self.scale).astype(np.float32)

    def decode(self, outputs: Floats) -> Array:
        values = outputs * self.scale + self.mean
        return values[:, 0] if self.one_per_sample else values

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return -np.inf
        return float(r2_score(y, self.decode(outputs), sample_weight=weight))


def _same_outputs(y: Array, outputs: int, name: str) -> None:
    found = y.shape[1] if y.ndim == 2 else 1
    if found != outputs:
        raise ValueError(f"{name} has {found} columns: expected {outputs}, as in the first fit")
