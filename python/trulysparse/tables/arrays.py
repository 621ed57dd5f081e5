"""Arrays and sparse matrices with missing numbers."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import scipy

from trulysparse.data import spread
from trulysparse.data.blocks import Blocks, DoubleArray
from trulysparse.tables.parts import NumberPart, Part


def has_missing(x: Any) -> bool:
    """Tell whether an array of floats or a sparse matrix has NaN."""
    values = getattr(x, "data", None) if scipy.sparse.issparse(x) else x
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return False
    with np.errstate(all="ignore"):
        return bool(np.isnan(values.sum()) and np.isnan(values).any())


class ArrayEncoder:
    """Makes samples of arrays whose missing numbers become the mean, and a feature that says so.

    Absent entries of a sparse matrix are zeros, as always; NaN in one is missing.
    """

    def __init__(self, means: Any, missing: Any, medians: Any = ()) -> None:
        self.means, self.missing = np.array(means, np.float64), np.array(missing, np.int64)
        self.medians = frozenset(map(int, medians))
        if self.means.shape != self.missing.shape or self.means.ndim != 1 or not self.means.size:
            raise ValueError("expected as many means as counts of missing numbers, at least one")
        if not np.isfinite(self.means).all() or (self.missing < 0).any():
            raise ValueError("expected finite means, and counts of at least 0")
        if not self.medians <= set(range(len(self.means))):
            raise ValueError("expected medians of columns")
        self._indicated = np.flatnonzero(self.missing)

    @classmethod
    def of(cls, x: Any, fill: str = "mean") -> ArrayEncoder:
        """Learn means and what is missing of an array or a CSR matrix.

        `fill` is one of `parts.FILLS`.
        """
        if scipy.sparse.issparse(x):
            is_missing = np.isnan(x.data)
            missing = np.bincount(x.indices[is_missing], minlength=x.shape[1])
            values = np.where(is_missing, 0, x.data.astype(np.float64))
            sums = np.bincount(x.indices, weights=values, minlength=x.shape[1])
        else:
            is_missing = np.isnan(x)
            missing = is_missing.sum(axis=0)
            sums = np.where(is_missing, 0, x).sum(axis=0, dtype=np.float64)
        present = x.shape[0] - missing
        means = np.divide(sums, present, out=np.zeros(len(sums)), where=present > 0)
        medians = []
        for c in np.flatnonzero((missing > 0) & (present > 0) & (fill != "mean")):
            column = x[:, [c]].toarray()[:, 0] if scipy.sparse.issparse(x) else x[:, c]
            column = column[~np.isnan(column)].astype(np.float64)
            if fill == "median" or spread.is_heavy(column):
                means[c] = np.median(column)
                medians.append(int(c))
        return cls(means, missing, medians)

    def transform(self, x: Any, name: str = "X") -> Any:
        """Make samples of an array, or of a CSR matrix, of the same columns."""
        if x.ndim != 2 or x.shape[1] != len(self.means):
            raise ValueError(f"{name} has shape {x.shape}: expected (samples, {len(self.means)})")
        if scipy.sparse.issparse(x):
            return self._of_matrix(x)
        is_missing = np.isnan(x)
        numbers: DoubleArray = np.where(is_missing, self.means, x)
        if not len(self._indicated):
            return numbers
        marks = scipy.sparse.csr_array(is_missing[:, self._indicated].astype(np.float32))
        return Blocks(numbers, marks)

    def _encode(self, name: str, x: Any) -> Any:
        """Do as `transform`, of rows of a file."""
        return self.transform(x, name)

    def _of_matrix(self, x: Any) -> Any:
        is_missing = np.isnan(x.data)
        filled = scipy.sparse.csr_array(x, copy=True)
        filled.data = np.where(is_missing, self.means[x.indices], x.data)
        if not len(self._indicated):
            return filled
        marks = scipy.sparse.csr_array(
            (is_missing.astype(x.dtype), x.indices, x.indptr), shape=x.shape
        )
        marks.eliminate_zeros()
        return scipy.sparse.hstack([filled, marks[:, self._indicated]], format="csr")

    @property
    def n_dense_(self) -> int:
        """The numbers."""
        return len(self.means)

    @property
    def columns_(self) -> tuple[Part, ...]:
        """What became of each column."""
        return tuple(
            NumberPart(f"x{i}", float(mean), int(missing), is_median=i in self.medians)
            for i, (mean, missing) in enumerate(zip(self.means, self.missing, strict=True))
        )

    def _count(self) -> int:
        """Count the features."""
        return len(self.means) + len(self._indicated)

    @property
    def feature_names_(self) -> list[str]:
        """Names of the features."""
        numbers = [f"x{i}" for i in range(len(self.means))]
        return [*numbers, *(f"x{i} is missing" for i in self._indicated)]

    def places(self) -> list[list[int]]:
        """Give the features of each column, by their number."""
        count = len(self.means)
        found = [[i] for i in range(count)]
        for place, i in enumerate(self._indicated):
            found[i].append(count + place)
        return found

    def marks(self) -> dict[int, int]:
        """Give the features that say that numbers are missing, by those numbers' features."""
        count = len(self.means)
        return {int(i): count + place for place, i in enumerate(self._indicated)}

    def to_json(self) -> str:
        """Write what was learnt as JSON."""
        said = {"means": self.means.tolist(), "missing": self.missing.tolist()}
        return json.dumps(said | ({"medians": sorted(self.medians)} if self.medians else {}))

    def __reduce__(self) -> Any:
        """Pickle as JSON, which is checked."""
        return from_json, (self.to_json(),)


def from_json(text: str) -> ArrayEncoder:
    """Read what `ArrayEncoder.to_json` wrote."""
    said = json.loads(text)
    return ArrayEncoder(said["means"], said["missing"], said.get("medians", ()))
