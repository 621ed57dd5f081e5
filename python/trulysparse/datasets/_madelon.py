"""Madelon, in UCI's text files or as one .npz."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import numpy as np

from trulysparse import _check, _hints
from trulysparse.data.readers import KEYS, Array, PathLike, check_arrays, check_features
from trulysparse.datasets import _openml
from trulysparse.datasets._dataset import Dataset
from trulysparse.datasets._tables import load_npz

WANTED = (
    "madelon.npz, or UCI's madelon_train.data, madelon_train.labels, madelon_valid.data and "
    "madelon_valid.labels (archive.ics.uci.edu, data set Madelon)"
)
ROWS, FEATURES = (2000, 600), 500


@_hints.plain
def load_madelon(data_dir: PathLike | None = None, **unknown: NoReturn) -> Dataset:
    """Load Madelon (NIPS 2003): 500 features, two classes, 2000 training and 600 validation rows.

    Parameters
    ----------
    data_dir
        An .npz in the layout of `load_npz`, a folder with ``madelon.npz``, or a folder with UCI's
        ``madelon_{train,valid}.{data,labels}`` (in it or in its ``MADELON`` subfolder). The
        validation part is the test part: UCI published no test labels. By default
        ``sklearn.datasets.fetch_openml`` is asked (data set 1485, whose first 2000 rows are the
        training part).

    Raises
    ------
    FileNotFoundError
        If the files are not there, or OpenML does not answer.
    ValueError
        If a file's contents are not as expected.
    """
    _hints.refuse("load_madelon", unknown)
    if data_dir is None:
        return _fetch()
    folder = Path(_check.path("data_dir", data_dir))
    archive = folder if folder.suffix.lower() == ".npz" else folder / "madelon.npz"
    if archive.is_file():
        return load_npz(archive, name="madelon")
    arrays = {}
    for stem, part in (("madelon_train", "train"), ("madelon_valid", "test")):
        arrays[f"x_{part}"] = _read_numbers(folder, stem + ".data")
        signs = _read_numbers(folder, stem + ".labels")
        if not np.isin(signs, (-1, 1)).all():
            raise ValueError(f"{folder}: expected {stem}.labels to hold -1 and 1 only")
        arrays[f"y_{part}"] = (signs > 0).astype(np.int64)
    return _dataset(check_arrays(folder, arrays))


def _fetch() -> Dataset:
    advice = f"give --data-dir: a folder with {WANTED}"
    x, y = _openml.fetch("Madelon", "1 MB", advice, shape=(sum(ROWS), FEATURES), data_id=1485)
    if len(x) != sum(ROWS) or not np.isin(y, (1, 2)).all():
        raise ValueError(
            f"OpenML's Madelon: expected {sum(ROWS)} rows of the classes 1 and 2, got {len(x)} "
            f"rows of {np.unique(y)[:5]}"
        )
    n, y = ROWS[0], y - 1
    if np.bincount(y[:n], minlength=2)[0] != n // 2:  # as in the published parts
        raise ValueError(
            f"OpenML's Madelon: expected the published parts one after the other, so {n // 2} rows "
            f"of each class among the first {n}, got {np.bincount(y[:n], minlength=2)}: {advice}"
        )
    x = check_features("OpenML's Madelon", "the data", x)
    return _dataset({"x_train": x[:n], "y_train": y[:n], "x_test": x[n:], "y_test": y[n:]})


def _dataset(arrays: dict[str, Array]) -> Dataset:
    x_train, y_train, x_test, y_test = (arrays[key] for key in KEYS)
    return Dataset("madelon", x_train, y_train, x_test, y_test, class_names=("0", "1"))


def _read_numbers(folder: Path, name: str) -> Array:
    # UCI keeps some of the files in a subfolder.
    path = next((p for p in (folder / name, folder / "MADELON" / name) if p.is_file()), None)
    if path is None:
        raise FileNotFoundError(f"no {name} in {folder}: expected {WANTED}")
    try:
        return np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: expected a table of numbers ({error})") from error
