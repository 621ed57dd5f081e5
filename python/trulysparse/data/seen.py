"""A sketch of the rows that were trained on, by which they are known again.

Each row has a hash of its cells; the sketch has the smallest hashes. Of a table with few rows these
are all of them. Of a larger one they are the hashes of rows that are drawn at random, in effect:
among the rows of another table with hashes in the same range, those in the sketch were trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse.data.blocks import Blocks

Hashes = npt.NDArray[np.uint64]

MOST = 512
"""Hashes of a sketch."""

_CELLS = 1 << 22  # that are hashed at a time
_DIGITS = 8  # of a hash in a file: 32 bits
_SHIFT = np.uint64(32)
_FACTORS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEPS = (np.uint64(30), np.uint64(27), np.uint64(31))
_STRIDE = np.uint64(0x9E3779B97F4A7C15)


def sketch(x: Any) -> list[str] | None:
    """Give the sketch of samples: hashes as text, the smallest first; None of other things.

    Parameters
    ----------
    x
        An array, a CSR matrix or `Blocks`, (rows, features).
    """
    hashes = _of_rows(x)
    return None if hashes is None else _written(np.unique(hashes)[:MOST])


def merged(one: list[str] | None, other: list[str] | None) -> list[str] | None:
    """Give the sketch of the rows of two."""
    return None if one is None or other is None else sorted({*one, *other})[:MOST]


def are_hashes(value: Any) -> bool:
    """Tell a sketch that a file holds."""
    return isinstance(value, list) and len(value) <= MOST and all(map(_is_hash, value))


def share(known: list[str] | None, x: Any) -> tuple[float, bool] | None:
    """Give the share of the rows of `x` that are in a sketch, and whether it is exact.

    None if it is not known: without a sketch, or with no row in its range.
    """
    hashes = None if known is None else _of_rows(x)
    if known is None or hashes is None or not len(hashes):
        return None
    there = np.array([int(h, 16) for h in known], np.uint64)
    is_whole = len(known) < MOST
    if not is_whole:
        hashes = hashes[hashes <= there.max()]
    if not len(hashes):
        return None
    return float(np.isin(hashes, there).mean()), is_whole


def _is_hash(value: Any) -> bool:
    return (
        isinstance(value, str) and len(value) == _DIGITS and set(value) <= set("0123456789abcdef")
    )


def _written(hashes: Hashes) -> list[str]:
    return [f"{h:08x}" for h in hashes.tolist()]


def _of_rows(x: Any) -> Hashes | None:
    """Hash the rows of samples, the same in every container, as multiples of their numbers."""
    if isinstance(x, Blocks):
        return _mixed(_of_array(x.dense) + _of_matrix(x.sparse, x.dense.shape[1])) >> _SHIFT
    if scipy.sparse.issparse(x):
        return _mixed(_of_matrix(scipy.sparse.csr_array(x), 0)) >> _SHIFT
    if not isinstance(x, np.ndarray) or x.ndim != 2 or x.dtype.kind not in "biuf":
        return None
    return _mixed(_of_array(x)) >> _SHIFT


def _of_array(x: npt.NDArray[Any]) -> Hashes:
    factors = _factors(0, x.shape[1])
    found = np.zeros(len(x), np.uint64)
    size = max(1, _CELLS // max(x.shape[1], 1))
    for start in range(0, len(x), size):
        found[start : start + size] = _bits(x[start : start + size]) @ factors
    return found


def _of_matrix(x: Any, first: int) -> Hashes:
    """Hash the rows of a CSR matrix whose first feature has the number `first`."""
    terms = _bits(x.data) * _factors(first, x.shape[1])[x.indices]
    sums = np.append(np.zeros(1, np.uint64), np.cumsum(terms, dtype=np.uint64))
    return np.asarray(sums[x.indptr[1:]] - sums[x.indptr[:-1]], np.uint64)


def _bits(values: npt.NDArray[Any]) -> Hashes:
    """Give the bits of numbers as float32 has them; 0 of a zero of either sign."""
    with np.errstate(over="ignore"):
        narrow = np.ascontiguousarray(values, np.float32) + np.float32(0)
    return narrow.view(np.uint32).astype(np.uint64)


def _factors(first: int, count: int) -> Hashes:
    """Give an odd number for each feature."""
    return _mixed(np.arange(first + 1, first + count + 1, dtype=np.uint64)) | np.uint64(1)


def _mixed(h: Hashes) -> Hashes:
    """Spread the bits of numbers (splitmix64)."""
    h = h * _STRIDE
    h = (h ^ (h >> _STEPS[0])) * _FACTORS[0]
    h = (h ^ (h >> _STEPS[1])) * _FACTORS[1]
    return np.asarray(h ^ (h >> _STEPS[2]), np.uint64)
