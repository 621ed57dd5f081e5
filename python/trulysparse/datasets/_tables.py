"""scikit-learn's digits, and tables of a user as .npz or .csv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trulysparse import _check
from trulysparse.data.readers import PathLike, check_arrays, encode, read_csv, read_npz
from trulysparse.datasets._dataset import Dataset, split


def load_digits(seed: int = 0) -> Dataset:
    """Load scikit-learn's 8x8 digits: 1437 training and 360 test images, stratified by ``seed``.

    The 64 features are the pixels, scaled to 0..1; some of them are constant.
    """
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    x = (digits.data / 16).astype(np.float32)
    y = digits.target.astype(np.int64)
    classes = tuple(str(c) for c in digits.target_names)
    names = tuple(digits.feature_names)
    return split("digits", x, y, classes, names, seed=seed, image_shape=(8, 8, 1))


def load_npz(
    path: PathLike, *, seed: int = 0, hold_out: bool = True, name: str | None = None
) -> Dataset:
    """Load a NumPy archive with ``x_train``, ``y_train`` and, optionally, ``x_test``, ``y_test``.

    Parameters
    ----------
    path
        The .npz. ``x_*`` are numbers of shape (n, ...), flattened to (n, n_features); those of
        shape (n, height, width, 1 or 3) are images. ``y_*`` are whole numbers or text of shape
        (n,). Other arrays are not used, which a warning says; pickled objects are refused.
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
    path = _check.path("path", path)
    name = name or Path(path).stem
    found = read_npz(path)
    arrays = check_arrays(path, found)
    x, y = arrays["x_train"], arrays["y_train"]
    height, width, channels = (0, *found["x_train"].shape)[-3:]
    is_image = found["x_train"].ndim == 4 and channels in (1, 3)
    shape = (height, width, channels) if is_image else None
    if "x_test" not in arrays:
        codes, classes = encode(y, f"{path}: y_train")
        options: dict[str, Any] = {"seed": seed, "hold_out": hold_out, "image_shape": shape}
        return split(name, x, codes, classes, None, **options)
    # Encoded together: a class that one part lacks must not shift the others.
    codes, classes = encode(np.concatenate([y, arrays["y_test"]]), f"{path}: y_train and y_test")
    y_train, y_test = codes[: len(y)], codes[len(y) :]
    return Dataset(name, x, y_train, arrays["x_test"], y_test, None, classes, shape)


def load_csv(
    path: PathLike, label: str | None = None, *, seed: int = 0, hold_out: bool = True
) -> Dataset:
    """Load a comma-separated file with a header, numeric features and one column of class labels.

    Parameters
    ----------
    path
        The .csv, UTF-8. Blank lines are skipped.
    label
        Name of the label's column, the last one by default. Labels are text or whole numbers; 1
        and 1.0 are one class, 007 and 7 are two. A few that are no numbers among many numbers
        are a warning.
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
    path = _check.path("path", path)
    table = read_csv(path, label)
    codes, classes = encode(table.labels, f"{path}: column {table.label_name!r}", table.rows)
    features = table.feature_names
    name = Path(path).stem
    data = split(name, table.x, codes, classes, features, seed=seed, hold_out=hold_out)
    return replace(data, label_name=table.label_name)
