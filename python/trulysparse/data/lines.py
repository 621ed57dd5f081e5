"""Tables of numbers in large text files, read line by line."""

from __future__ import annotations

import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from trulysparse.data.readers import Array, PathLike

LINE_LIMIT = 1 << 26  # characters
Line = tuple[int, str]


@contextmanager
def open_text(path: Path, member_suffixes: tuple[str, ...] = ()) -> Iterator[TextIO]:
    """Open the text of a file that is plain, .gz, or with ``member_suffixes`` in a .zip.

    It is UTF-8; what is not becomes the replacement character, as a number has none.

    Raises
    ------
    ValueError
        Also while reading, if the compressed file is damaged.
    """
    try:
        with open(path, "rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic == b"PK\3\4" and member_suffixes:
                with zipfile.ZipFile(file) as archive:
                    names = [n for n in archive.namelist() if n.lower().endswith(member_suffixes)]
                    if len(names) != 1:
                        raise ValueError(
                            f"{path}: expected one file {' or '.join(member_suffixes)} in it, "
                            f"got {len(names)}"
                        )
                    with archive.open(names[0]) as member, _decompressed(member, names[0]) as text:
                        yield text
            else:
                name = ".gz" if magic[:2] == b"\x1f\x8b" else ""
                with _decompressed(file, name) as text:
                    yield text
    except (
        gzip.BadGzipFile,
        zipfile.BadZipFile,
        EOFError,
        zlib.error,
        lzma.LZMAError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ValueError(f"{path}: damaged file ({error})") from error


@contextmanager
def _decompressed(file: io.BufferedIOBase | object, name: str) -> Iterator[TextIO]:
    raw = gzip.GzipFile(fileobj=file) if name.lower().endswith(".gz") else file  # type: ignore[arg-type]
    text = io.TextIOWrapper(raw, encoding="utf-8", errors="replace")  # type: ignore[type-var]
    try:
        yield text
    finally:
        text.detach()  # leaves the file to the one who opened it


def read_lines(file: TextIO, path: PathLike) -> Iterator[Line]:
    """Give the number, from 1, and the text of each line.

    Raises
    ------
    ValueError
        If one is longer than any honest one.
    """
    number = 0
    while line := file.readline(LINE_LIMIT):
        number += 1
        if len(line) == LINE_LIMIT:
            raise ValueError(f"{path}: line {number} has {LINE_LIMIT} characters or more")
        yield number, line.rstrip("\r\n")


def parse(path: PathLike, lines: Sequence[Line], columns: int, delimiter: str) -> Array:
    """Convert lines of numbers to float32 ``(len(lines), columns)``.

    Raises
    ------
    ValueError
        If a line has another number of cells, or a cell is no finite number; it names the line.
    """
    try:
        found = _table([text for _, text in lines], delimiter)
        # Blank lines are skipped.
        if found.shape == (len(lines), columns) and np.isfinite(found).all():
            return found
    except ValueError:
        pass
    for number, text in lines:
        cells = text.split(delimiter)
        if len(cells) != columns:
            raise ValueError(f"{path}: line {number} has {len(cells)} cells, expected {columns}")
        for place, cell in enumerate(cells, start=1):
            if not is_finite(cell):
                raise ValueError(
                    f"{path}: line {number}, cell {place}: expected a finite number, got "
                    f"{cell.strip()[:40]!r}"
                )
    raise ValueError(f"{path}: expected {columns} numbers in each line from {lines[0][0]}")


def is_finite(cell: str) -> bool:
    """Tell whether a cell is a number in float32's range."""
    if not cell.strip() or "," in cell:
        return False
    try:
        return bool(np.isfinite(_table([cell], ",")).all())
    except ValueError:
        return False


def _table(lines: Sequence[str], delimiter: str) -> Array:
    if not any(map(str.strip, lines)):  # loadtxt would warn
        return np.empty((0, 0), np.float32)
    return np.loadtxt(lines, dtype=np.float32, delimiter=delimiter, ndmin=2, comments=None)
