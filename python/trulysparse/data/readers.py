"""Readers of the file formats that data sets come in: IDX and NumPy's .npz.

Files are not trusted. What is wrong with one raises a ``ValueError`` that names the file and what
was expected in it.
"""

from __future__ import annotations

import gzip
import math
import re
import warnings
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.data.digits import Names, say_integers
from trulysparse.data.numeric import is_number_text
from trulysparse.data.precision import narrowest

Array = npt.NDArray[Any]
PathLike = str | Path

KEYS = ("x_train", "y_train", "x_test", "y_test")
IDX_LIMIT = 1 << 30  # bytes; twenty times the largest file of Fashion-MNIST

# The part of the labels that are not what the others are, up to which it may be a mistake.
_STRAY = 0.1
_PADDED = re.compile(r"[+-]?0[0-9]|\+")


def read_idx(path: PathLike, n_dims: int) -> npt.NDArray[np.uint8]:
    """Read the array of unsigned bytes, with ``n_dims`` dimensions, of a plain or gzip IDX file.

    The format: two zero bytes, a type (8 for unsigned bytes), the number of dimensions, each
    dimension as a big-endian 32-bit integer, then the values in C order.

    Raises
    ------
    ValueError
        If it is no such file, or its sizes do not fit the bytes that are there.
    """
    with open(path, "rb") as probe:
        is_gzip = probe.read(2) == b"\x1f\x8b"
    try:
        with gzip.open(path) if is_gzip else open(path, "rb") as file:
            head = file.read(4 + 4 * n_dims)
            if head[:4] != bytes((0, 0, 8, n_dims)):
                raise ValueError(
                    f"{path}: expected an IDX file of unsigned bytes with {n_dims} dimension(s) "
                    f"(magic 0000080{n_dims}), got {head[:4].hex() or 'an empty file'}"
                )
            if len(head) < 4 + 4 * n_dims:
                raise ValueError(f"{path}: the IDX header ends after {len(head)} bytes")
            shape = tuple(int(n) for n in np.frombuffer(head, dtype=">u4", offset=4))
            size = math.prod(shape)
            if size > IDX_LIMIT:
                raise ValueError(
                    f"{path}: the header promises {shape} bytes, more than {IDX_LIMIT}"
                )
            # One byte more than promised shows a file that is too long.
            body = file.read(size + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: damaged gzip file ({error})") from error
    if len(body) != size:
        real = "more" if len(body) > size else str(len(body))
        raise ValueError(f"{path}: the header promises {shape} = {size} bytes, there are {real}")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


def read_npz(
    path: PathLike, keys: Sequence[str] = KEYS, *, only_first: bool = False
) -> dict[str, Array]:
    """Read those of `keys` that a NumPy archive has; warn of others, and refuse pickled objects.

    With `only_first` the first of them is read alone, and the others are named as well.
    """
    with open(path, "rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it holds a single array")
            wanted = [key for key in keys if key in archive][: 1 if only_first else None]
            arrays = {key: archive[key] for key in wanted}
            unused = [key for key in archive.files if key not in wanted]
        except MemoryError as error:
            raise MemoryError(f"{path}: {error}") from error
        except Exception as error:  # of damage NumPy, zipfile and the tokenizer raise many kinds
            raise ValueError(f"{path}: expected a NumPy .npz of plain arrays ({error})") from error
    if unused and arrays:
        used = ", ".join(arrays)
        warnings.warn(
            f"{path}: {_files.plain(_some(unused))} not used, but {used}", UserWarning, stacklevel=3
        )
    return arrays


def check_arrays(path: PathLike, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Convert features to ``(n, n_features)`` and labels to ``(n,)``.

    ``x_train`` and ``y_train`` are needed, ``x_test`` and ``y_test`` come together or not at all.
    """
    for key in ("x_train", "y_train"):
        if key not in arrays:
            raise ValueError(f"{path}: expected the keys x_train and y_train, {key} is missing")
    if ("x_test" in arrays) != ("y_test" in arrays):
        raise ValueError(f"{path}: expected both x_test and y_test, or neither")
    checked = {}
    for part in ("train", "test") if "x_test" in arrays else ("train",):
        x, y = arrays[f"x_{part}"], arrays[f"y_{part}"]
        flat = check_features(path, f"x_{part}", x)
        if y.shape not in ((len(x),), (len(x), 1)):
            raise ValueError(
                f"{path}: expected y_{part} to have shape ({len(x)},), one label per row of "
                f"x_{part}, got {y.shape}"
            )
        checked[f"x_{part}"], checked[f"y_{part}"] = flat, y.reshape(-1)
    widths = [x.shape[1] for key, x in checked.items() if key.startswith("x")]
    if len(set(widths)) > 1:
        raise ValueError(f"{path}: x_train has {widths[0]} features, x_test {widths[1]}")
    return checked


def check_features(path: PathLike, key: str, x: Array) -> Array:
    """Convert to ``(n, n_features)`` of `narrowest`; ``key`` names the array in errors."""
    if x.ndim < 2 or 0 in x.shape or x.dtype.kind not in "fiub":
        raise ValueError(
            f"{path}: expected {key} to be numbers of shape (n_samples, n_features), "
            f"got {x.dtype} {x.shape}"
        )
    say_integers(Names(f"{key} of {path}"), x.reshape(len(x), -1))
    flat = narrowest(np.ascontiguousarray(x.reshape(len(x), -1)))
    if not np.isfinite(flat).all():
        raise ValueError(f"{path}: {key} holds NaN or infinity")
    return flat


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def encode(
    labels: Array, what: str, rows: Sequence[int] | None = None
) -> tuple[npt.NDArray[np.int64], tuple[str, ...]]:
    """Give labels as int64 in 0..n-1, and names of classes in numeric or else alphabetic order.

    ``what`` says in an error which labels these are, ``rows`` where each is. Numbers may be stored
    as text or as floats, but must be whole: a column of fractions is a regression target, not a
    class. 1 and 1.0 are one class, as a spreadsheet writes both. Labels such as 007 are text.
    """
    if labels.dtype.kind == "U":
        are_numbers = _check_spellings(labels, what, rows)
        # So that 2 comes before 10, and 1 and 1.0 are the same.
        labels = labels.astype(np.float64) if are_numbers else labels
    if labels.dtype.kind == "f":
        # Beyond 2**53 neighbouring whole numbers are the same float, and classes would merge.
        whole = (labels == np.rint(labels)) & (np.abs(labels) < 2.0**53)
        if not whole.all():
            odd = labels[~whole][0]
            raise ValueError(f"{what}: expected class labels (whole numbers or text), got {odd}")
        labels = labels.astype(np.int64)
    if labels.dtype.kind not in "Uiub":
        raise ValueError(f"{what}: expected whole numbers or text, got {labels.dtype}")
    values, codes = np.unique(labels, return_inverse=True)
    return codes.reshape(-1).astype(np.int64), tuple(str(value) for value in values)


def _check_spellings(labels: Array, what: str, rows: Sequence[int] | None) -> bool:
    """Tell whether labels are numbers rather than text; refuse two spellings of one number.

    A code such as 007 makes all of them text. Only of numbers 1 and 1.0 are the same. A few that
    make text of many numbers are a warning.
    """
    spellings, first, counts = np.unique(labels, return_index=True, return_counts=True)
    found = sorted(zip(first.tolist(), spellings.tolist(), counts.tolist(), strict=True))
    numbers = [(i, s) for i, s, _ in found if is_number_text(s) and not _PADDED.match(s)]
    are_numbers = len(numbers) == len(found)
    places = {i for i, _ in numbers}
    strays = [one for one in found if one[0] not in places]
    count = sum(one[2] for one in strays)
    if strays and count <= _STRAY * len(labels):
        i, stray, _ = strays[0]
        where = f"label {i}" if rows is None else f"row {rows[i]}"
        warnings.warn(
            f"{what} is text because of {stray!r} in {where}: {count} of {len(labels)} labels are "
            "no plain numbers, so 10 comes before 2 among the classes",
            UserWarning,
            stacklevel=4,
        )
    known: dict[float, tuple[int, str]] = {}
    for i, spelling in numbers:
        plain = re.sub(r"\.0*$", "", spelling) if are_numbers else spelling
        number = int(spelling) if spelling.isdigit() and len(spelling) < 30 else float(spelling)
        j, other = known.setdefault(number, (i, plain))
        if other != plain:
            unit, here, there = ("label", i, j) if rows is None else ("row", rows[i], rows[j])
            raise ValueError(
                f"{what}, {unit} {here}: {spelling!r} is the same number as {str(labels[j])!r} in "
                f"{unit} {there}: expected one spelling of each class"
            )
    return are_numbers
