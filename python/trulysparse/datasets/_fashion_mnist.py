"""Fashion-MNIST, in the IDX files of MNIST."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.readers import Array, PathLike, read_idx
from trulysparse.datasets import _openml
from trulysparse.datasets._dataset import Dataset, scale_pixels

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
FASHION_MNIST_CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
ADVICE = (
    "run `apt-get install dataset-fashion-mnist`, or give --data-dir with a folder of "
    "Fashion-MNIST's four IDX files"
)


@_hints.plain
def load_fashion_mnist(data_dir: PathLike | None = None, **unknown: NoReturn) -> Dataset:
    """Load Fashion-MNIST: 60000 training and 10000 test images of 28x28 pixels, scaled to 0..1.

    Parameters
    ----------
    data_dir
        Folder of the four IDX files, plain or .gz; only this folder is looked at. By default
        Debian's package ``dataset-fashion-mnist`` is read if it is installed, and
        ``sklearn.datasets.fetch_openml`` is asked otherwise (it downloads and caches).

    Raises
    ------
    FileNotFoundError
        If there are no files; the message says what to install.
    ValueError
        If a file is damaged, or is not what its name says.
    """
    _hints.refuse("load_fashion_mnist", unknown)
    if data_dir is None and not FASHION_MNIST_FOLDER.is_dir():
        x, y = _fetch()
        x_train, y_train, x_test, y_test = x[:60000], y[:60000], x[60000:], y[60000:]
    else:
        folder = (
            FASHION_MNIST_FOLDER if data_dir is None else Path(_check.path("data_dir", data_dir))
        )
        x_train, y_train = _idx_pair(folder, "train")
        x_test, y_test = _idx_pair(folder, "t10k")
    return Dataset(
        "fashion-mnist",
        x_train,
        y_train,
        x_test,
        y_test,
        class_names=FASHION_MNIST_CLASSES,
        image_shape=(28, 28, 1),
    )


def _fetch() -> tuple[Array, Array]:
    what = "Fashion-MNIST"
    x, y = _openml.fetch(what, "30 MB", ADVICE, shape=(70000, 784), name=what, version=1)
    if len(x) != 70000 or y.min() < 0 or y.max() > 9:
        raise ValueError(
            "OpenML's Fashion-MNIST: expected 70000 rows with labels 0..9, got "
            f"{len(x)} rows with labels {y.min()}..{y.max()}"
        )
    return scale_pixels(x), y


def _idx_pair(folder: Path, part: str) -> tuple[Array, Array]:
    """Read images ``(n, 784)`` and labels ``(n,)`` of one part of an MNIST-like folder."""
    image_path = _find_idx(folder, f"{part}-images-idx3-ubyte")
    label_path = _find_idx(folder, f"{part}-labels-idx1-ubyte")
    images = read_idx(image_path, 3)
    labels = read_idx(label_path, 1)
    if images.shape[0] == 0 or images.shape[1:] != (28, 28):
        raise ValueError(f"{image_path}: expected images of 28x28 pixels, got {images.shape}")
    if labels.shape != images.shape[:1]:
        raise ValueError(
            f"{label_path}: expected {images.shape[0]} labels, one per image, got {labels.shape[0]}"
        )
    if labels.max() > 9:
        raise ValueError(f"{label_path}: expected labels in 0..9, got {labels.max()}")
    return scale_pixels(images), labels.astype(np.int64)


def _find_idx(folder: Path, stem: str) -> Path:
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.is_file():
            return path
    raise FileNotFoundError(f"no {stem} or {stem}.gz in {folder}: {ADVICE}")
