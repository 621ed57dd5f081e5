"""Targets of a user as targets of the network, and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.metrics import accuracy_score, r2_score

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32] | npt.NDArray[np.float64]


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

    def decode(self, outputs: Floats) -> Any:
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
        classes = self.classes
        if _meet_in_floats(y, classes):  # as Python's numbers, which compare exactly
            y, classes = y.astype(object), classes.astype(object)
        known = np.isin(y, classes)
        if not known.all():
            unknown = np.unique(y[~known]).tolist()
            raise ValueError(
                f"{name} has the classes {unknown}: expected those of the first fit, "
                f"{self.classes.tolist()}"
            )
        return np.searchsorted(classes, y)

    def decode(self, outputs: Floats) -> Array:
        decoded: Array = self.classes[outputs.argmax(axis=1)]
        return decoded

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        return float(accuracy_score(y, self.decode(outputs), sample_weight=weight))


@dataclass(frozen=True)
class Labels:
    """Any number of labels per sample, in a column of zeros and ones each.

    `sparse`: whether predictions are a CSR matrix, as the first targets were one.
    """

    outputs: int
    sparse: bool = False
    loss = "binary_cross_entropy"

    def attributes(self) -> dict[str, Array]:
        return {"classes_": np.arange(self.outputs)}

    def encode(self, y: Array, name: str) -> Array:
        _same_outputs(y, self.outputs, name)
        return y.astype(np.float32)

    def decode(self, outputs: Floats) -> Any:
        if self.sparse:
            return csr_array((outputs > 0.5).astype(np.int64))
        return (outputs > 0.5).astype(np.int64)

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        return float(accuracy_score(y, self.decode(outputs), sample_weight=weight))


class _Numbers:
    """One number per sample, or several."""

    loss = "squared_error"
    outputs: int
    one_per_sample: bool

    def attributes(self) -> dict[str, Array]:
        return {}

    def encode(self, y: Array, name: str) -> Array:
        table = y if y.ndim == 2 else y.reshape(len(y), -1)
        _same_outputs(table, self.outputs, name)
        return table

    def decode(self, outputs: Floats) -> Array:
        return outputs[:, 0] if self.one_per_sample else outputs

    def score(self, y: Array, outputs: Floats, weight: Array | None) -> float:
        if not np.isfinite(outputs).all():
            return -np.inf
        return float(r2_score(y, self.decode(outputs), sample_weight=weight))


@dataclass(frozen=True)
class Numbers(_Numbers):
    """Numbers; the network turns them into its units and back."""

    outputs: int
    one_per_sample: bool

    @classmethod
    def of(cls, y: Array) -> Numbers:
        return cls(1 if y.ndim == 1 else y.shape[1], y.ndim == 1)


@dataclass(frozen=True)
class Values(_Numbers):
    """Numbers in an estimator that 0.1.0 has pickled: its network knows nothing of their units."""

    mean: Array
    scale: Array
    one_per_sample: bool

    @property
    def outputs(self) -> int:  # type: ignore[override]
        return len(self.mean)

    def encode(self, y: Array, name: str) -> Array:
        return (super().encode(y, name) - self.mean) / self.scale

    def decode(self, outputs: Floats) -> Array:
        return super().decode(outputs * self.scale + self.mean)


def _meet_in_floats(one: Array, other: Array) -> bool:
    """Tell whether NumPy compares integers that float64 may not hold as floats."""
    kinds = {one.dtype.kind, other.dtype.kind}
    if not kinds <= set("iuf") or not kinds & set("iu"):
        return False
    common = np.result_type(one, other)
    return bool(common.kind == "f" and any(_is_beyond(a) for a in (one, other) if a.size))


def _is_beyond(array: Array) -> bool:
    return bool(max(abs(float(array.min())), abs(float(array.max()))) >= 2.0**53)


def _same_outputs(y: Array, outputs: int, name: str) -> None:
    found = y.shape[1] if y.ndim == 2 else 1
    if found != outputs:
        raise ValueError(f"{name} has {found} columns: expected {outputs}, as in the first fit")
