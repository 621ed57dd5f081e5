"""Rows of an AnnData file: its X, and a column of its obs."""

from __future__ import annotations

from typing import Any

import numpy as np

from trulysparse.streams.source import ArraySource, Labels, MatrixSource, Source


def source(path: str, label: str | None) -> Source:
    """Open a file of AnnData; the label is a column of obs."""
    try:
        import h5py
    except ImportError:
        raise ImportError(f"{path} needs h5py: pip install 'trulysparse[hdf5]'") from None
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(f"{path}: not a readable HDF5 file ({error})") from None
    if "X" not in file or "obs" not in file:
        raise ValueError(f"{path} has no X and obs: expected a file of AnnData")
    labels = None if label is None else _column(path, file["obs"], label)
    x = file["X"]
    made: Source
    if isinstance(x, h5py.Group):
        made = MatrixSource(f"{path}: X", x, labels)
    else:
        made = ArraySource(f"{path}: X", x, labels)
    if labels is not None and labels.shape != (made.rows,):
        raise ValueError(f"{path}: obs has labels of shape {labels.shape}: expected ({made.rows},)")
    if "var" in file and (names := _names(file["var"])) is not None:
        made.names = names if len(names) == made.columns else None
    return made


def _names(var: Any) -> tuple[str, ...] | None:
    key = var.attrs.get("_index", "_index")
    key = key.decode() if isinstance(key, bytes) else key
    if key not in var or not hasattr(var[key], "asstr"):
        return None
    column = var[key]
    found = column.asstr()[:] if column.dtype.kind in "OS" else column[:]
    names = tuple(map(str, found.tolist()))
    return names if len(set(names)) == len(names) else None


def _column(path: str, obs: Any, label: str) -> Labels:
    """Read a column of obs: a category, text or numbers."""
    if not hasattr(obs, "keys"):
        raise ValueError(f"{path}: obs is of an old version of AnnData: expected one written anew")
    if label not in obs or label.startswith("__"):
        index = obs.attrs.get("_index", "_index")
        known = [name for name in obs if name not in ("__categories", index)]
        raise ValueError(f"{path}: obs has no column {label!r}: expected one of {known[:20]}")
    column, name = obs[label], f"{path}: obs[{label!r}]"
    if hasattr(column, "keys"):
        if "codes" in column and "categories" in column:
            return Labels(name, column["codes"][:], _values(column["categories"]))
        if "values" in column and "mask" in column:
            if column["mask"][:].any():
                row = int(column["mask"][:].argmax())
                raise ValueError(f"{name} is missing in row {row}: expected a label for each row")
            return Labels(name, _values(column["values"]))
        raise ValueError(f"{name} is neither a category, text nor numbers")
    if "__categories" in obs and label in obs["__categories"]:  # before AnnData 0.8
        return Labels(name, column[:], _values(obs["__categories"][label]))
    return Labels(name, _values(column))


def _values(column: Any) -> Any:
    if column.dtype.kind in "OS":
        return np.array(column.asstr()[:], object)
    return column[:]
