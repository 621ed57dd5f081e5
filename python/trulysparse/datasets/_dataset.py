"""What every loader returns, and how rows are held out of data that have no test part.

A `Dataset` is a loaded table. The core's ``Data`` is another thing: the samples of a running fit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trulysparse import _check
from trulysparse.data.readers import Array

TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and labels of a training and a test part.

    Attributes
    ----------
    name
        What to call it in print.
    x_train, x_test
        float32, or float64 if float32 does not hold each number; shape (n_samples, n_features).
    y_train, y_test
        int64, shape (n_samples,), values in 0..n_classes-1.
    feature_names
        A name per column, or None.
    class_names
        A name per class, in the order of the labels, or None.
    image_shape
        (height, width, channels) if the columns are pixels, which then lie in that order:
        ``x_train.reshape(-1, *image_shape)`` are the images. None for other data.
    label_name
        The column that the labels are from, or None.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    feature_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None
    image_shape: tuple[int, int, int] | None = None
    label_name: str | None = None

    def __repr__(self) -> str:
        """Say name and shapes, not the arrays."""
        rows = f"{len(self.x_train):,} training and {len(self.x_test):,} test rows"
        shape = f"{self.n_features:,} features"
        if self.image_shape is not None:
            shape += f" (images {' x '.join(map(str, self.image_shape))})"
        return f"Dataset({self.name!r}, {rows} of {shape}, {self.n_classes} classes)"

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.x_train.shape[1])

    @property
    def n_classes(self) -> int:
        """Number of classes: named ones, else the largest label of either part plus one."""
        if self.class_names is not None:
            return len(self.class_names)
        return int(max(y.max(initial=-1) for y in (self.y_train, self.y_test))) + 1


def scale_pixels(pixels: Array) -> Array:
    """Convert bytes of shape (n, ...) to float32 (n, n_features) in 0..1."""
    scaled = pixels.reshape(len(pixels), -1).astype(np.float32)
    scaled *= np.float32(1 / 255)
    return scaled


def held_out(
    name: str, y: Array, n_classes: int, *, seed: int, fraction: float = TEST_FRACTION
) -> tuple[Array, Array]:
    """Draw the training and the test rows, stratified unless a class is too small for that.

    The test part has the given fraction of the rows, rounded up.
    """
    if len(y) < 2:
        raise ValueError(f"{name}: expected two or more rows to hold some out, got {len(y)}")
    from sklearn.model_selection import train_test_split

    seed = _check.integer("seed", seed, 0, 2**32 - 1)
    n_test = math.ceil(fraction * len(y))
    fits = np.bincount(y).min() >= 2 and min(n_test, len(y) - n_test) >= n_classes
    train, test = train_test_split(
        np.arange(len(y)), test_size=n_test, random_state=seed, stratify=y if fits else None
    )
    return train, test


def split(
    name: str,
    x: Array,
    y: Array,
    classes: tuple[str, ...],
    features: Sequence[str] | None,
    *,
    seed: int,
    hold_out: bool = True,
    fraction: float = TEST_FRACTION,
    image_shape: tuple[int, int, int] | None = None,
) -> Dataset:
    """Hold out some of the rows, by default a fifth; without `hold_out` all are the test part."""
    names = None if features is None else tuple(features)
    if not _check.boolean("hold_out", hold_out):
        return Dataset(name, x[:0], y[:0], x, y, names, classes, image_shape)
    train, test = held_out(name, y, len(classes), seed=seed, fraction=fraction)
    return Dataset(name, x[train], y[train], x[test], y[test], names, classes, image_shape)
