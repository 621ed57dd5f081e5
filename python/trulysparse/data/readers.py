"""Readers of the file formats that data sets come in: IDX, NumPy's .npz and .csv.

Files are not trusted. What is wrong with one raises a ``ValueError`` that names the file and what
was expected in it.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
import warnings
import zlib
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.data.digits import Names, say_integers
from trulysparse.data.numeric import is_number_text, is_odd
from trulysparse.data.precision import narrowest

Array = npt.NDArray[Any]
PathLike = str | Path

KEYS = ("x_train", "y_train", "x_test", "y_test")
IDX_LIMIT = 1 << 30  # bytes; twenty times the largest file of Fashion-MNIST

# The part of the labels that are not what the others are, up to which it may be a mistake.
_STRAY = 0.1
_PADDED = re.compile(r"[+-]?0[0-9]|\+")


@dataclass(frozen=True, eq=False)
class Table:
    """The contents of a .csv: ``x`` ``(n_rows, n_features)`` and one label per row."""

    x: Array
    labels: Array
    feature_names: tuple[str, ...]
    label_name: str
    rows: tuple[int, ...]
    """The file's row of each label; the header is row 1."""


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


def read_features(path: PathLike, names: Sequence[str] | None, label: str | None) -> Array:
    """Read columns of a .csv, ``(n_rows, n_columns)``; it needs no labels.

    ``names`` are the columns, in the order wanted; others may hold anything. Without ``names``
    all are read but ``label``, if it is there. Errors name the row and the column.
    """
    values, numbers = array("d"), []
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            wanted = [name for name in header if name != label] if names is None else list(names)
            counts = Counter(header)
            missing = [name for name in wanted if not counts[name]]
            if missing or not wanted:
                some = _some(missing) or "all"
                raise ValueError(f"{path} lacks {len(missing)} column(s): {some}")
            twice = [name for name in wanted if counts[name] > 1]
            if twice:
                raise ValueError(
                    f"{path}: expected different column names, {twice[0]!r} appears twice"
                )
            place_of = {name: place for place, name in enumerate(header)}
            places = [place_of[name] for name in wanted]
            for number, row in enumerate(rows, start=2):
                if not row:
                    continue
                if len(row) != len(header):
                    raise ValueError(
                        f"{path}: row {number} has {len(row)} cells, the header {len(header)}"
                    )
                numbers.append(number)
                cells = [row[place] for place in places]
                try:
                    values.extend(_numbers(cells))
                except ValueError:
                    bad = next(i for i, cell in enumerate(cells) if not is_number_text(cell))
                    raise _bad_cell(path, number, wanted[bad], cells[bad], "a number") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable UTF-8 .csv ({error})") from error
    if not numbers:
        raise ValueError(f"{path}: expected rows below the header, there are none")
    x = np.frombuffer(values).reshape(len(numbers), len(wanted))
    _check_cells(path, x, numbers, wanted)
    _say_merged(path, x, places, wanted)
    return narrowest(x)


def read_header(path: PathLike) -> list[str]:
    """Read the names of the columns of a .csv; none if it is empty."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            return [cell.strip() for cell in next(csv.reader(file), [])]
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable UTF-8 .csv ({error})") from error


def read_csv(path: PathLike, label: str | None = None) -> Table:
    """Read a comma-separated UTF-8 file with a header; ``label`` names the label's column.

    Without ``label`` it is the last column. All other cells are numbers; blank lines are skipped.
    Errors name the row (the header is row 1) and the column.
    """
    values, labels = array("d"), []
    numbers = []  # of the rows that are not blank
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = csv.reader(file)
            header = [cell.strip() for cell in next(rows, [])]
            column = _label_column(path, header, label)
            names = tuple(header[:column] + header[column + 1 :])
            for number, row in enumerate(rows, start=2):
                if not row:
                    continue
                if len(row) != len(header):
                    raise ValueError(
                        f"{path}: row {number} has {len(row)} cells, the header {len(header)}"
                    )
                labels.append(row.pop(column).strip())
                numbers.append(number)
                if not labels[-1]:
                    raise _bad_cell(path, number, header[column], "", "a label")
                try:
                    values.extend(_numbers(row))
                except ValueError:
                    bad = next(i for i, cell in enumerate(row) if not is_number_text(cell))
                    hint = (
                        f" (is it the label? --label {names[bad]})"
                        if label is None and row[bad].strip()
                        else ""
                    )
                    error = _bad_cell(path, number, names[bad], row[bad], "a number", hint)
                    raise error from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable UTF-8 .csv ({error})") from error
    if not labels:
        raise ValueError(f"{path}: expected rows below the header, there are none")
    # A header of numbers and one class, such as "5.1,3.5,setosa", is a row of data.
    if header[column] in labels and all(map(is_number_text, names)):
        raise ValueError(f"{path}: row 1 looks like data: expected a header with column names")
    x = np.frombuffer(values).reshape(len(labels), len(names))
    _check_cells(path, x, numbers, names)
    _say_merged(path, x, [k for k in range(len(header)) if k != column], names)
    return Table(narrowest(x), np.array(labels), names, header[column], tuple(numbers))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _label_column(path: PathLike, header: list[str], label: str | None) -> int:
    if len(header) < 2:
        raise ValueError(f"{path}: expected a header of two or more names separated by commas")
    if all(map(is_number_text, header)):
        raise ValueError(
            f"{path}: row 1 holds only numbers: expected a header with column names there"
        )
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise ValueError(f"{path}: expected different column names, {twice[0]!r} appears twice")
    if label is None:
        return len(header) - 1
    if label not in header:
        some = ", ".join(header[:10]) + (", ..." if len(header) > 10 else "")
        raise ValueError(f"{path}: no column label={label!r}, expected one of: {some}")
    return header.index(label)


def _check_cells(path: PathLike, x: Array, rows: list[int], names: Sequence[str]) -> None:
    bad_cells = np.argwhere(~np.isfinite(x))
    if len(bad_cells):
        i, j = bad_cells[0]
        raise _bad_cell(path, rows[i], names[j], str(x[i, j]), "a finite number")


def _say_merged(path: PathLike, x: Array, places: Sequence[int], names: Sequence[str]) -> None:
    """Warn of columns of integers of which float64 merges some, and read them again for that."""
    large = np.flatnonzero(np.abs(x).max(axis=0) > 2.0**53).tolist()
    if not large:
        return
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        next(rows)
        cells = [[row[places[k]] for k in large] for row in rows if row]
    for k, column in zip(large, zip(*cells, strict=True), strict=True):
        try:
            integers = np.array([[int(cell)] for cell in column])
        except ValueError:  # no integers
            continue
        say_integers(Names(str(path), [names[k]]), integers)


def _bad_cell(
    path: PathLike, row: int, column: str, cell: str, expected: str, hint: str = ""
) -> ValueError:
    got = (repr(cell) if cell.strip() else "nothing") + hint
    return ValueError(f"{path}: row {row}, column {column!r}: expected {expected}, got {got}")


def _numbers(cells: Sequence[str]) -> Iterable[float]:
    """Convert cells; a ValueError says only that one of them is no number."""
    if is_odd("".join(cells)) and not all(map(is_number_text, cells)):
        raise ValueError
    return map(float, cells)


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
