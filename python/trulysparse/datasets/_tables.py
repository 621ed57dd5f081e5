"""scikit-learn's digits, and tables of a user as .npz or .csv."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.digits import Names, say_integers
from trulysparse.data.numeric import is_number_text
from trulysparse.data.precision import narrowest
from trulysparse.data.readers import Array, PathLike, check_arrays, encode, read_npz
from trulysparse.datasets._dataset import Dataset, split
from trulysparse.readers import Table, read_table


@_hints.plain
def load_digits(seed: int = 0, **unknown: NoReturn) -> Dataset:
    """Load scikit-learn's 8x8 digits: 1437 training and 360 test images, stratified by ``seed``.

    The 64 features are the pixels, scaled to 0..1; some of them are constant.
    """
    _hints.refuse("load_digits", unknown)
    from sklearn.datasets import load_digits as sklearn_digits

    digits = sklearn_digits()
    x = (digits.data / 16).astype(np.float32)
    y = digits.target.astype(np.int64)
    classes = tuple(str(c) for c in digits.target_names)
    names = tuple(digits.feature_names)
    return split("digits", x, y, classes, names, seed=seed, image_shape=(8, 8, 1))


@_hints.plain
def load_npz(
    path: PathLike,
    *,
    seed: int = 0,
    hold_out: bool = True,
    name: str | None = None,
    **unknown: NoReturn,
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
    _hints.refuse("load_npz", unknown)
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


@_hints.plain
def load_csv(
    path: PathLike,
    label: str | None = None,
    *,
    seed: int = 0,
    hold_out: bool = True,
    **unknown: NoReturn,
) -> Dataset:
    """Load a text of numbers with a column of class labels, as arrays.

    `read_table` and the estimators take tables with text, dates and missing cells; this does not.

    Parameters
    ----------
    path
        A file that `read_table` reads, of which all columns but the label are numbers.
    label
        Name of the label's column; by default the one named label, class, target or y, or else the
        last. Labels are text or whole numbers; 1 and 1.0 are one class, 007 and 7 are two.
    seed
        Decides which fifth of the rows is held out for testing. Default 0.
    hold_out
        False: all rows become the test part. Default True.

    Raises
    ------
    ValueError
        If there is no such label, or a cell is missing or no number; the message names the row
        (the header is row 1) and the column.
    FileNotFoundError
        If there is no such file.
    """
    _hints.refuse("load_csv", unknown)
    path = _check.path("path", path)
    x, codes, classes, table = arrays_of(path, label)
    name = Path(path).stem
    data = split(name, x, codes, classes, table.names, seed=seed, hold_out=hold_out)
    return replace(data, label_name=str(table.label))


def arrays_of(path: str, label: str | None) -> tuple[Array, Array, tuple[str, ...], Table]:
    """Read a table of numbers: the features, the classes and their names, and the table."""
    table = read_table(path, label)
    if table.y is None:
        raise ValueError(f"{path}: expected two or more columns, one of them the label")
    x = _numbers(path, table)
    labels = _labels(table.y)
    is_missing = labels == "" if labels.dtype.kind == "U" else np.zeros(len(labels), bool)
    missing = np.flatnonzero(is_missing)
    if len(missing):
        raise ValueError(
            f"{path}: row {table.rows[int(missing[0])]}, column {table.label!r}: expected a label, "
            "got nothing"
        )
    codes, classes = encode(labels, f"{path}: column {table.label!r}", table.rows)
    return x, codes, classes, table


def _numbers(path: str, table: Table) -> Array:
    """Give the features of a table as an array; a ValueError names what is no number."""
    if isinstance(table.x, np.ndarray):
        return narrowest(table.x)
    for column in table.x.get_columns():
        is_number = column.dtype.is_numeric() or str(column.dtype) == "Boolean"
        if is_number and not column.null_count():
            if column.dtype.is_integer():
                say_integers(Names(path, [column.name]), column.to_numpy().reshape(-1, 1))
            continue
        cells = column.to_list()
        bad = next((i for i, cell in enumerate(cells) if cell is None), 0)
        if not is_number:
            bad = next(i for i, cell in enumerate(cells) if not is_number_text(str(cell)))
        got = "nothing" if cells[bad] is None else repr(str(cells[bad]))
        raise ValueError(
            f"{path}: row {table.rows[bad]}, column {column.name!r}: expected a number, got {got} "
            "(read_table and the estimators take text and missing cells)"
        )
    import polars

    return narrowest(table.x.cast(polars.Float64).to_numpy())


def _labels(y: Any) -> Array:
    """Give labels as integers, or as text that is empty where one is missing."""
    if isinstance(y, np.ndarray):
        return y
    if y.dtype.is_numeric() and not y.null_count():
        found: Array = y.to_numpy()
        return found
    import polars

    return np.array(y.cast(polars.String).fill_null("").to_list(), dtype=str)
