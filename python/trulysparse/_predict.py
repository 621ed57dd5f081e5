"""Rows without labels for `trulysparse predict`, and the table that it writes."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from trulysparse.data.readers import Array, check_features, read_features, read_npz

KEYS = ("x", "x_test", "x_train")


def read_rows(path: str, names: Sequence[str] | None, label: str | None) -> Array:
    """The features of every row of a .csv or .npz, float32, (rows, features).

    Parameters
    ----------
    path
        A .csv with a header, or an .npz with one of `KEYS`, the first of them that it has.
    names
        The .csv's columns to read, in the order wanted; others are not looked at. None reads all
        but `label`, in their order.
    label
        A column that is no feature, if it is there.

    Raises
    ------
    ValueError
        If the file is of another kind or not as expected.
    FileNotFoundError
        If there is no such file.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".csv":
        return read_features(path, names, label)
    if suffix != ".npz":
        raise ValueError(f"--data {path}: expected a .csv or .npz file")
    arrays = read_npz(path, KEYS)
    key = next((key for key in KEYS if key in arrays), None)
    if key is None:
        raise ValueError(f"{path}: expected one of the keys {', '.join(KEYS)}")
    return check_features(path, key, arrays[key])


def write_table(
    path: Path, outputs: npt.NDArray[np.float32], classes: Sequence[str] | None
) -> None:
    """A .csv with a line per row: class and probabilities, or without `classes` the outputs."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if classes is None:
            writer.writerow([f"output_{i}" for i in range(outputs.shape[1])])
            writer.writerows(map(str, row) for row in outputs)
            return
        writer.writerow(["class", *(f"probability_{name}" for name in classes)])
        best = np.argmax(outputs, axis=1)
        for code, row in zip(best, outputs, strict=True):
            writer.writerow([classes[code], *map(str, row)])
