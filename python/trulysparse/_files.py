"""What all files have in common: errors that name them, text that is safe to show, models."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from trulysparse import _check, _core

# What a terminal obeys, and what changes the order of letters. Half a surrogate cannot be printed.
_UNSAFE = re.compile("[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """Write control characters as Python would: a name in a file may have some."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


# Endings of other formats, which a model's file would only seem to have.
_OTHERS = {
    **dict.fromkeys((".h5", ".hdf5", ".keras", ".pb", ".tflite"), "Keras writes"),
    **dict.fromkeys((".pt", ".pth", ".ckpt"), "PyTorch writes"),
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".skops", ".onnx"), "other libraries write"),
    **dict.fromkeys((".csv", ".tsv", ".txt", ".parquet", ".feather", ".xlsx"), "tables have"),
    **dict.fromkeys((".npz", ".npy", ".mat", ".json", ".html", ".zip"), "other data have"),
}


def to_write(name: str, value: Any) -> str:
    """Give the path of a model's file to write; ValueError if it is called another format."""
    path = _check.path(name, value)
    ending = os.path.splitext(path)[1].lower()
    if ending in _OTHERS:
        raise ValueError(
            f"{name} = {_check.shown(path)}: expected the ending .safetensors, or none; {ending} "
            f"is one that {_OTHERS[ending]}"
        )
    return path


@contextmanager
def writing(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file in an OSError of the block, as the system does not when a disk is full."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = os.fspath(path)
        raise


def parsed(text: str) -> Any:
    """Parse JSON of a file that may not be ours, and be nested more deeply than Python can follow.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def model(
    path: str | os.PathLike[str],
    threads: int,
    tick: Callable[[int, int], object] | None = None,
    stacklevel: int = 3,
) -> tuple[_core.Network, dict[str, str]]:
    """Read a model and its metadata; warn, by default the caller's caller, if it had diverged."""
    file = _core.Network.load(path, threads, tick)
    if file.diverged:
        first, *others = file.diverged
        arrays = f"{first} and {len(others)} more arrays have" if others else f"{first} has"
        warnings.warn(
            f"{plain(os.fspath(path))}: {arrays} numbers that are NaN or infinite; this model had "
            "diverged when it was saved",
            RuntimeWarning,
            stacklevel=stacklevel,
        )
    return file.network, file.user
