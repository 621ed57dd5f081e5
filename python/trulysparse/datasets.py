"""Loaders for the data sets that the command line knows, and for a user's own files.

Every loader returns a `Dataset` with float32 features and int64 labels in
``0..n_classes-1``. Files are not trusted: whatever is wrong with one gives a ``ValueError`` that
names the file and what was expected in it; a file that is not there gives ``FileNotFoundError``.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trulysparse._files import (
    KEYS,
    Array,
    PathLike,
    check_arrays,
    encode,
    read_csv,
    read_idx,
    read_npz,
)
from trulysparse._synthetic import draw, parse

__all__ = [
    "Dataset",
    "load_csv",
    "load_digits",
    "load_fashion_mnist",
    "load_madelon",
    "load_npz",
    "load_synthetic",
    "resolve",
]

NAMES = ("digits", "fashion-mnist", "madelon")
TEST_FRACTION = 0.2
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


@dataclass(frozen=True, eq=False)
class Dataset:
    """Features and labels of a training and a test part.

    Attributes
    ----------
    name
        What to call it in print.
    x_train, x_test
        float32, shape (n_samples, n_features).
    y_train, y_test
        int64, shape (n_samples,), values in 0..n_classes-1.
    feature_names
        A name per column, or None.
    class_names
        A name per class, in the order of the labels, or None.
    """

    name: str
    x_train: Array
    y_train: Array
    x_test: Array
    y_test: Array
    feature_names: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None

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


def resolve(
    spec: PathLike,
    data_dir: PathLike | None = None,
    label: str | None = None,
    seed: int = 0,
    *,
    hold_out: bool = True,
) -> Dataset:
    """Load what ``spec`` names.

    Parameters
    ----------
    spec
        ``"digits"``, ``"fashion-mnist"``, ``"madelon"``, ``"synthetic:FEATURES"`` or
        ``"synthetic:FEATURES:SAMPLES"``, or a path ending in .npz or .csv.
    data_dir
        Where the files of fashion-mnist or madelon are.
    label
        The label's column in a .csv; the last one by default.
    seed
        Decides which rows are held out where the data have no test part of their own. Default 0.
    hold_out
        False puts every row of a user's file without a test part into the test part and leaves
        the training part empty, to score all of it. Default True.

    Raises
    ------
    ValueError
        For an unknown `spec`, an option that `spec` has no use for, or bad contents.
    FileNotFoundError
        If the data are not there; the message says how to get them.
    """
    text = str(spec)
    suffix = Path(text).suffix.lower()
    if label is not None and suffix != ".csv":
        raise ValueError(f"label={label!r} names a column of a .csv, but the data is {text!r}")
    if data_dir is not None and text not in ("fashion-mnist", "madelon"):
        raise ValueError(
            f"data_dir={str(data_dir)!r} is for fashion-mnist and madelon, but the data is {text!r}"
        )
    if text == "digits":
        return load_digits(seed)
    if text == "fashion-mnist":
        return load_fashion_mnist(data_dir)
    if text == "madelon":
        return load_madelon(data_dir)
    if text.startswith("synthetic:"):
        return load_synthetic(*parse(text), seed=seed)
    if suffix == ".npz":
        return load_npz(text, seed=seed, hold_out=hold_out)
    if suffix == ".csv":
        return load_csv(text, label, seed=seed, hold_out=hold_out)
    raise ValueError(
        f"unknown data {text!r}: expected one of {', '.join(NAMES)}, synthetic:FEATURES, or the "
        "path of a .npz or .csv file"
    )


def load_digits(seed: int = 0) -> Dataset:
    """scikit-learn's 8x8 digits: 1437 training and 360 test images, stratified by ``seed``.

    The 64 features are the pixels, scaled to 0..1; some of them are constant.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    x = (digits.data / 16).astype(np.float32)
    y = digits.target.astype(np.int64)
    classes = tuple(str(c) for c in digits.target_names)
    return _split("digits", x, y, classes, tuple(digits.feature_names), seed=seed)


def load_synthetic(features: int, samples: int = 5000, seed: int = 0) -> Dataset:
    """Artificial data of any width: noise, and one feature in 64 that tells two classes apart.

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
    rng = np.random.default_rng(seed)
    x, y = draw(samples, features, rng)
    x_test, y_test = draw(max(samples // 5, 2), features, rng)
    return Dataset(f"synthetic:{features}", x, y, x_test, y_test, class_names=("0", "1"))


def load_fashion_mnist(data_dir: PathLike | None = None) -> Dataset:
    """Fashion-MNIST: 60000 training and 10000 test images of 28x28 pixels, scaled to 0..1.

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
    if data_dir is None and not FASHION_MNIST_FOLDER.is_dir():
        x, y = _fetch_fashion_mnist()
        x_train, y_train, x_test, y_test = x[:60000], y[:60000], x[60000:], y[60000:]
    else:
        folder = FASHION_MNIST_FOLDER if data_dir is None else Path(data_dir)
        x_train, y_train = _idx_pair(folder, "train")
        x_test, y_test = _idx_pair(folder, "t10k")
    classes = FASHION_MNIST_CLASSES
    return Dataset("fashion-mnist", x_train, y_train, x_test, y_test, class_names=classes)


def _fetch_fashion_mnist() -> tuple[Array, Array]:
    from sklearn.datasets import fetch_openml

    print("asking OpenML for Fashion-MNIST (30 MB, kept for the next time) ...", file=sys.stderr)
    # pandas reads it faster, but is no dependency of ours.
    parser = "auto" if importlib.util.find_spec("pandas") else "liac-arff"
    try:
        found = fetch_openml("Fashion-MNIST", version=1, as_frame=False, parser=parser)
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            "Fashion-MNIST was not found: run `apt-get install dataset-fashion-mnist`, or give "
            "--data-dir with a folder of its four IDX files "
            f"(asking OpenML for it failed too: {error})"
        ) from error
    x = np.asarray(found.data, dtype=np.float32)
    y = np.asarray(found.target).astype(np.int64)
    if x.shape != (70000, 784) or y.shape != (70000,) or y.min() < 0 or y.max() > 9:
        raise ValueError(
            "OpenML's Fashion-MNIST: expected 70000 rows of 784 pixels and labels 0..9, "
            f"got x {x.shape} and y {y.shape}"
        )
    x *= np.float32(1 / 255)
    return x, y


def _idx_pair(folder: Path, part: str) -> tuple[Array, Array]:
    """Images ``(n, 784)`` and labels ``(n,)`` of one part of an MNIST-like folder."""
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
    pixels = images.reshape(len(images), -1).astype(np.float32)
    pixels *= np.float32(1 / 255)
    return pixels, labels.astype(np.int64)


def _find_idx(folder: Path, stem: str) -> Path:
    for path in (folder / f"{stem}.gz", folder / stem):
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"no {stem} or {stem}.gz in {folder}: run `apt-get install dataset-fashion-mnist`, "
        "or give --data-dir with a folder of Fashion-MNIST's four IDX files"
    )


def load_madelon(data_dir: PathLike | None = None) -> Dataset:
    """Madelon (NIPS 2003): 500 features, two classes, 2000 training and 600 validation rows.

    Parameters
    ----------
    data_dir
        An .npz in the layout of `load_npz`, a folder with ``madelon.npz``, or a folder with UCI's
        ``madelon_{train,valid}.{data,labels}`` (in it or in its ``MADELON`` subfolder). The
        validation part is the test part: UCI published no test labels.

    Raises
    ------
    FileNotFoundError
        If the files are not there.
    ValueError
        If a file's contents are not as expected.
    """
    wanted = (
        "madelon.npz, or UCI's madelon_train.data, madelon_train.labels, madelon_valid.data and "
        "madelon_valid.labels (archive.ics.uci.edu, data set Madelon)"
    )
    if data_dir is None:
        raise FileNotFoundError(f"madelon needs --data-dir: a folder with {wanted}")
    folder = Path(data_dir)
    archive = folder if folder.suffix.lower() == ".npz" else folder / "madelon.npz"
    if archive.is_file():
        return load_npz(archive, name="madelon")
    arrays = {}
    for stem, part in (("madelon_train", "train"), ("madelon_valid", "test")):
        arrays[f"x_{part}"] = _read_numbers(folder, stem + ".data", wanted)
        signs = _read_numbers(folder, stem + ".labels", wanted)
        if not np.isin(signs, (-1, 1)).all():
            raise ValueError(f"{folder}: expected {stem}.labels to hold -1 and 1 only")
        arrays[f"y_{part}"] = (signs > 0).astype(np.int64)
    checked = check_arrays(folder, arrays)
    x_train, y_train, x_test, y_test = (checked[key] for key in KEYS)
    return Dataset("madelon", x_train, y_train, x_test, y_test, class_names=("0", "1"))


def _read_numbers(folder: Path, name: str, wanted: str) -> Array:
    # UCI keeps some of the files in a subfolder.
    path = next((p for p in (folder / name, folder / "MADELON" / name) if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"no {name} in {folder}: expected {wanted}")
    try:
        return np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: expected a table of numbers ({error})") from error


def load_npz(
    path: PathLike, *, seed: int = 0, hold_out: bool = True, name: str | None = None
) -> Dataset:
    """A NumPy archive with ``x_train``, ``y_train`` and, optionally, ``x_test``, ``y_test``.

    Parameters
    ----------
    path
        The .npz. ``x_*`` are numbers of shape (n, ...), flattened to (n, n_features); ``y_*`` are
        whole numbers or text of shape (n,). Pickled objects are refused.
    seed
        Decides which fifth of the rows is held out if there is no test part. Default 0.
    hold_out
        False: without a test part, all rows become the test part. Default True.
    name
        The data set's name; the file's stem by default.

    Raises
    ------
    ValueError
        If it is no such file, or a key is missing or holds something else.
    FileNotFoundError
        If there is no such file.
    """
    name = name or Path(path).stem
    arrays = check_arrays(path, read_npz(path))
    x, y = arrays["x_train"], arrays["y_train"]
    if "x_test" not in arrays:
        codes, classes = encode(y, f"{path}: y_train")
        return _split(name, x, codes, classes, None, seed=seed, hold_out=hold_out)
    # Encoded together: a class that one part lacks must not shift the others.
    codes, classes = encode(np.concatenate([y, arrays["y_test"]]), f"{path}: y_train and y_test")
    y_train, y_test = codes[: len(y)], codes[len(y) :]
    return Dataset(name, x, y_train, arrays["x_test"], y_test, class_names=classes)


def load_csv(
    path: PathLike, label: str | None = None, *, seed: int = 0, hold_out: bool = True
) -> Dataset:
    """A comma-separated file with a header, numeric features and one column of class labels.

    Parameters
    ----------
    path
        The .csv, UTF-8. Blank lines are skipped.
    label
        Name of the label's column, the last one by default. Labels are text or whole numbers.
    seed
        Decides which fifth of the rows is held out for testing. Default 0.
    hold_out
        False: all rows become the test part. Default True.

    Raises
    ------
    ValueError
        If there is no header or no such label, or a cell is missing or no number; the message
        names the row (the header is row 1) and the column.
    FileNotFoundError
        If there is no such file.
    """
    table = read_csv(path, label)
    codes, classes = encode(table.labels, f"{path}: column {table.label_name!r}")
    features = table.feature_names
    name = Path(path).stem
    return _split(name, table.x, codes, classes, features, seed=seed, hold_out=hold_out)


def _split(
    name: str,
    x: Array,
    y: Array,
    classes: tuple[str, ...],
    features: Sequence[str] | None,
    *,
    seed: int,
    hold_out: bool = True,
) -> Dataset:
    """Hold out a fifth of the rows, stratified unless a class is too small for that."""
    names = None if features is None else tuple(features)
    if not hold_out:
        return Dataset(name, x[:0], y[:0], x, y, names, classes)
    if len(x) < 2:
        raise ValueError(f"{name}: expected two or more rows to hold some out, got {len(x)}")
    from sklearn.model_selection import train_test_split

    n_test = math.ceil(TEST_FRACTION * len(x))
    fits = np.bincount(y).min() >= 2 and min(n_test, len(x) - n_test) >= len(classes)
    train, test = train_test_split(
        np.arange(len(x)), test_size=n_test, random_state=seed, stratify=y if fits else None
    )
    return Dataset(name, x[train], y[train], x[test], y[test], names, classes)
