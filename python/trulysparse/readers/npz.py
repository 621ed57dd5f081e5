"""NumPy's .npz and .npy, and SciPy's sparse matrices."""

from __future__ import annotations

import io
import math
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _check, _files
from trulysparse.data.sparse import loaded
from trulysparse.readers.notes import Notes
from trulysparse.readers.places import place
from trulysparse.readers.table import Table

Array = npt.NDArray[Any]
_FEATURES = ("x_train", "x", "X", "data", "x_test")
_LABELS = ("y_train", "y", "target", "labels", "label")
# How many times its size an array of a packed archive may take.
_MOST = 2000


def read(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read an archive of arrays, or of one sparse matrix.

    ``x`` or ``x_train`` are the features, ``y`` or ``y_train`` the labels, ``x_test`` and
    ``y_test`` the test part.
    """
    arrays = _arrays(path, data)
    if "format" in arrays and "shape" in arrays:
        return _sparse(path, arrays, wanted)
    features = next((key for key in _FEATURES if key in arrays), None)
    if features is None:
        some = ", ".join(sorted(arrays)[:5]) or "nothing"
        raise ValueError(
            f"{path}: expected arrays x and y, or x_train and y_train, got {_files.plain(some)}"
        )
    notes = Notes()
    label = wanted["label"]
    if isinstance(label, str) and label not in arrays:
        raise ValueError(f"{path}: no array label={label!r}, there are {sorted(arrays)[:10]}")
    key = label if isinstance(label, str) else next((k for k in _LABELS if k in arrays), None)
    key = "y_test" if features == "x_test" and "y_test" in arrays else key
    key = None if label is False else key
    if ("x_test" in arrays) != ("y_test" in arrays) and key is not None and features == "x_train":
        raise ValueError(f"{path}: expected both x_test and y_test, or neither")
    parts = {features, key, "x_test", "y_test", "feature_names"}
    unused = sorted(set(arrays) - parts)
    if unused:
        notes.say(f"not used of the file: {_files.plain(', '.join(unused[:5]))}")
    table = _table(path, features, arrays[features], key, arrays.get(key or ""), wanted, notes)
    if features == "x_train" and "x_test" in arrays:
        y = arrays.get("y_test") if key is not None else None
        test = _table(path, "x_test", arrays["x_test"], "y_test", y, wanted, Notes())
        if test.x.shape[1:] != table.x.shape[1:]:
            raise ValueError(
                f"{path}: x_train has {table.x.shape[1]} features, x_test {test.x.shape[1]}"
            )
        return Table(**{**vars(table), "test": test})
    return table


def read_array(path: str, data: bytes, wanted: dict[str, Any]) -> Table:
    """Read one array, whose last column is the label."""
    try:
        array = np.load(io.BytesIO(data), allow_pickle=False)
    except MemoryError:
        raise
    except Exception as error:  # of damage NumPy and the tokenizer raise many kinds
        raise ValueError(f"{path}: expected an array of NumPy ({error})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "fiub":
        raise ValueError(f"{path}: expected numbers of shape (rows, columns)")
    notes, label = Notes(), wanted["label"]
    names = [f"column_{k + 1}" for k in range(array.shape[1])]
    if label is None:
        label = -1
        notes.say("the label is the last column")
    if label is False:
        return _table(path, "x", array, None, None, wanted, notes)
    k = place(names, "label", label)
    refuse_choices(path, {**wanted, "label": None})
    x = np.delete(array, k, axis=1)
    table = _table(path, "x", x, names[k], array[:, k], {**wanted, "label": None}, notes)
    return Table(**{**vars(table), "names": tuple(names[:k] + names[k + 1 :])})


def _arrays(path: str, data: bytes) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            total = sum(entry.file_size for entry in packed.infolist())
        if total > _MOST * len(data):
            raise ValueError(f"it unpacks to {total} bytes")
        archive = np.load(io.BytesIO(data), allow_pickle=False)
        found = {key: archive[key] for key in archive.files}
    except MemoryError:
        raise
    except Exception as error:  # of damage NumPy, zipfile and the tokenizer raise many kinds
        raise ValueError(f"{path}: expected a NumPy .npz of plain arrays ({error})") from None
    return {key: value for key, value in found.items() if isinstance(value, np.ndarray)}


def refuse_choices(path: str, wanted: dict[str, Any]) -> None:
    """Refuse choices of columns, which these files do not have."""
    for name in ("columns", "drop", "ids"):
        value = wanted[name]
        if value is not None and not (isinstance(value, tuple | list) and not len(value)):
            raise ValueError(f"{path} has no named columns: expected no {name}=")
    label = wanted["label"]
    if not (label is None or label is False or isinstance(label, str)):
        raise ValueError(
            f"{path}: label = {_check.shown(label)}: expected the name of an array, or False"
        )


def _sparse(path: str, arrays: dict[str, Array], wanted: dict[str, Any]) -> Table:
    refuse_choices(path, wanted)
    if isinstance(wanted["label"], str):
        raise ValueError(f"{path} is one sparse matrix, without label={wanted['label']!r}")
    try:
        matrix = scipy.sparse.csr_array(loaded(path, arrays))
    except TypeError as error:
        raise ValueError(str(error)) from None
    check_finite(path, "the matrix", matrix.data)
    notes = Notes()
    notes.say("a sparse matrix without labels")
    return _made(matrix, None, None, notes)


def _made(
    x: Any, y: Any, label: str | None, notes: Notes, shape: tuple[int, ...] | None = None
) -> Table:
    names = tuple(f"column_{k + 1}" for k in range(x.shape[1]))
    rows = range(1, x.shape[0] + 1)
    return Table(x, y, None, names, label, tuple(notes.sentences()), rows, shape=shape)


def _table(
    path: str,
    key: str,
    x: Array,
    label: str | None,
    y: Array | None,
    wanted: dict[str, Any],
    notes: Notes,
) -> Table:
    refuse_choices(path, wanted)
    if x.ndim < 2 or 0 in x.shape or x.dtype.kind not in "fiub":
        raise ValueError(
            f"{path}: expected {key} to be numbers of shape (n_samples, n_features), "
            f"got {x.dtype} {x.shape}"
        )
    flat = x.reshape(len(x), math.prod(x.shape[1:]))
    check_finite(path, key, flat)
    shape = x.shape[1:] if x.ndim > 2 else None
    if y is None:
        return _made(flat, None, None, notes, shape)
    if y.ndim < 1 or len(y) != len(x) or y.ndim > 2 or y.dtype.kind not in "fiubUSmM":
        raise ValueError(
            f"{path}: expected {label} to have shape ({len(x)},), one label per row of {key}, got "
            f"{y.dtype} {y.shape}"
        )
    y = y.reshape(-1) if y.shape[1:] == (1,) else y
    if y.dtype.kind == "f" and np.isinf(y).any():
        raise ValueError(f"{path}: {label} holds infinity: expected finite numbers")
    return _made(flat, y, label, notes, shape)


def check_finite(path: str, key: str, values: Array) -> None:
    """Refuse infinity; NaN is missing."""
    if values.dtype.kind != "f" or not np.isinf(values).any():
        return
    where = ", ".join(map(str, np.argwhere(np.isinf(values))[0]))
    raise ValueError(f"{path}: {key}[{where}] is infinite: expected finite numbers")
