"""Artificial data of any width, as for the extreme scale of arXiv 2102.01732."""

from __future__ import annotations

import re
from typing import NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.readers import Array
from trulysparse.datasets._dataset import Dataset

_ROWS = 256  # drawn at a time, so that little memory is needed beside the result
_NUMBER = re.compile(r"synthetic:([1-9]\d{0,8})(?::([1-9]\d{0,8}))?")


@_hints.plain
def load_synthetic(
    features: int, samples: int = 5000, seed: int = 0, **unknown: NoReturn
) -> Dataset:
    """Draw artificial data of any width: noise, and one feature in 64 that tells two classes apart.

    Parameters
    ----------
    features
        Columns; at least 1.
    samples
        Training samples; a fifth as many are drawn as test samples. Default 5000. All of them
        together take ``4.8 * features * samples`` bytes.
    seed
        Decides the draw. Default 0.
    """
    _hints.refuse("load_synthetic", unknown)
    features = _check.integer("features", features, 1)
    samples = _check.integer("samples", samples, 1)
    rng = np.random.default_rng(_check.integer("seed", seed, 0))
    x, y = draw(samples, features, rng)
    x_test, y_test = draw(max(samples // 5, 2), features, rng)
    return Dataset(f"synthetic:{features}", x, y, x_test, y_test, class_names=("0", "1"))


def parse(text: str) -> tuple[int, int]:
    """Give the numbers in ``synthetic:FEATURES[:SAMPLES]``: features and training samples.

    Raises
    ------
    ValueError
        If it is neither.
    """
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ValueError(
            f"unknown data {text!r}: expected synthetic:FEATURES or synthetic:FEATURES:SAMPLES, "
            "such as synthetic:65536 for 5000 samples"
        )
    return int(match[1]), int(match[2] or 5000)


def draw(samples: int, features: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw two balanced classes of standard normal noise.

    One feature in 64, at places that depend on the number of features only, has the mean 1 in one
    class and -1 in the other. float32 (samples, features) and int64 (samples,); peak memory is
    that of the result.

    Raises
    ------
    MemoryError
        If the result does not fit.
    """
    x = np.empty((samples, features), np.float32)  # first, as it may be too large
    informative = np.random.default_rng(features).permutation(features)[: max(features // 64, 1)]
    y = rng.permutation(np.arange(samples, dtype=np.int64) % 2)
    for start in range(0, samples, _ROWS):
        rows = x[start : start + _ROWS]
        rng.standard_normal(dtype=np.float32, out=rows)
        rows[:, informative] += (2 * y[start : start + _ROWS, None] - 1).astype(np.float32)
    return x, y
