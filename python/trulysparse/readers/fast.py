"""Columns of a regular text, read by polars with types that a sample of it shows."""

from __future__ import annotations

import codecs
import csv
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from trulysparse.readers.columns import Asked, Evidence, of
from trulysparse.readers.dialect import BLANKS, Dialect
from trulysparse.readers.numbers import is_integer, is_plain, may_be_thousands, shows_point
from trulysparse.readers.scan import Scan, all_rows_have, scan

if TYPE_CHECKING:
    import polars as pl

# Cells and rows of a sample, of which a half is from the beginning.
_CELLS, _ROWS = 40_000, 200
# Bytes below which a text is looked at first, and then read.
_SMALL = 1 << 22
# Cells of text that are made at once.
_GROUP = 30_000_000
_COMMA = re.compile(r"[+-]?(?:0?,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))")
_INTEGERS = re.compile(r"(?:[+-]?(?:0|[1-9][0-9]{0,17});)+")
_FLOATS = re.compile(r"(?:[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?;)+")


class Fast(NamedTuple):
    """Columns of numbers, others as text, some at once, and the line of each row."""

    numbers: pl.DataFrame
    text: Iterator[pl.DataFrame]
    lines: Sequence[int]


class Failed(Exception):
    """That the fast reader does not take a text."""


@contextmanager
def guarded() -> Iterator[None]:
    """Make `Failed` of what polars raises, also of its panics, which are no Exception."""
    import polars as pl

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except pl.exceptions.PolarsError as error:
        raise Failed(str(error)) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise Failed(str(error)) from None


class Text:
    """A regular text, of which columns can be read by their place."""

    def __init__(self, body: bytes, dialect: Dialect) -> None:
        self._body, self._dialect = body, dialect
        self.width = len(dialect.names)

    def read(self, types: dict[str, Any], *, strict: bool, missing: Sequence[str] = ()) -> Any:
        """Read columns of given types; others are not."""
        import polars as pl

        names = self._dialect.names
        every = len(types) == self.width
        with guarded():
            return pl.read_csv(
                self._body,
                has_header=self._dialect.start > 0,
                schema={name: types.get(name, pl.String) for name in names},
                columns=None if every else [k for k, name in enumerate(names) if name in types],
                separator=self._dialect.separator,
                quote_char=self._dialect.quote,
                ignore_errors=not strict,
                null_values=list(missing) or None,
            )

    def is_even(self) -> bool:
        """Tell whether each row has as many cells."""
        dialect = self._dialect
        return all_rows_have(
            self._body, dialect.start, dialect.separator, dialect.quote, self.width
        )

    def texts(self, ready: pl.DataFrame, names: Sequence[str], rows: int) -> Iterator[Any]:
        """Give columns as text, some at once: those of `ready`, then others that are read."""
        import polars as pl

        if ready.width:
            yield ready
        size = max(1, _GROUP // max(rows, 1))
        for first in range(0, len(names), size):
            frame = self.read(dict.fromkeys(names[first : first + size], pl.String), strict=True)
            if frame.height != rows:
                raise Failed(f"{frame.height} rows, expected {rows}")
            yield frame


def read(
    body: bytes, dialect: Dialect, comment: str, asked: Asked, evidence: Evidence
) -> Fast | None:
    """Read the columns that are plain numbers; None if the text is not regular.

    It is if every row has as many cells, quotes are around whole cells, and there are no comments
    and blank lines.
    """
    import polars as pl

    # polars leaves out a mark of the byte order, which here is no longer at the beginning.
    width = len(dialect.names)
    # In a single column, blank lines are no cells.
    if dialect.separator == BLANKS or width < 2 or body.startswith(codecs.BOM_UTF8, dialect.start):
        return None
    text = Text(body, dialect)
    kinds, words = _kinds(_sample(body, dialect), dialect, asked, evidence)
    kind_of = {"integer": pl.Int64, "float": pl.Float64, "text": pl.String}
    types = {name: kind_of[kind] for name, kind in zip(dialect.names, kinds, strict=True)}
    # What is counted is counted meanwhile.
    with ThreadPoolExecutor(1) as pool:
        counting = pool.submit(scan, body, dialect.start, dialect.separator, dialect.quote, comment)
        if len(body) < _SMALL and not _is_regular(counting.result(), width):
            return None
        try:
            numbers, ready = _read(text, types, words)
        except Failed:
            return None
        counted = counting.result()
    if not _is_regular(counted, width):
        return None
    padded = set(dialect.names) if -1 in counted.padded else set(_at(dialect, counted.padded))
    padded.intersection_update(numbers.columns)
    if padded:
        numbers = of(numbers, [name for name in numbers.columns if name not in padded])
    if any(frame.width and frame.height != counted.rows for frame in (numbers, ready)):
        return None
    lines: Sequence[int] = range(dialect.line, dialect.line + counted.rows)
    if counted.lines != counted.rows:
        ends = np.concatenate(counted.starts)
        # A row starts in the line behind the end of the one before.
        lines = (dialect.line + np.concatenate([[0], ends[:-1] + 1])).tolist()
    known = {*numbers.columns, *ready.columns}
    rest = [name for name in dialect.names if name not in known]
    return Fast(numbers, text.texts(ready, rest, counted.rows), lines)


def _is_regular(counted: Scan, width: int) -> bool:
    """Tell whether all rows have their cells, as far as was counted."""
    return (
        not counted.irregular
        and counted.separators == counted.rows * (width - 1)
        and max(counted.padded, default=0) < width  # else some are too long, others too short
    )


def _at(dialect: Dialect, places: Iterable[int]) -> Iterator[str]:
    return (dialect.names[k] for k in places)


def _read(
    text: Text, types: dict[str, Any], words: Sequence[str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Read columns as numbers, and those of text if that needs no further look at the file.

    Columns of which some cells are no numbers are left out.
    """
    import polars as pl

    numeric = {name: kind for name, kind in types.items() if kind != pl.String}
    if not numeric:
        return pl.DataFrame(), text.read(types, strict=True)
    # Words for missing numbers would be missing in text as well, and nothing would say so.
    every = not words
    try:
        frame = text.read(types if every else numeric, strict=True, missing=words)
        gaps = False
    except Failed:
        frame = text.read(numeric, strict=False)
        gaps, every = True, False
    if not every and not text.is_even():
        # polars sees that rows are too long only where it reads all columns.
        raise Failed("rows of different lengths")
    # One by one: with very many columns a query takes polars as long as reading them.
    most = 0 if gaps else frame.height - 1
    numbers, ready = [], []
    for column in frame.get_columns():
        if column.dtype == pl.String:
            ready.append(column)
        elif column.null_count() <= most:
            if column.dtype == pl.Float64 and not math.isfinite(column.sum()):
                column = column.fill_nan(None)
                if not column.is_finite().fill_null(value=True).all():
                    continue
            numbers.append(column)
    return pl.DataFrame(numbers), pl.DataFrame(ready)


def _sample(body: bytes, dialect: Dialect) -> list[list[str]]:
    """Give rows from the beginning, the middle and the end; those in quotes may be left out."""
    width = len(dialect.names)
    most = max(2, min(_ROWS, _CELLS // width))
    rows = dialect.sample[: max(1, most // 2)]
    # The last rows, if they are as long as the first ones.
    tail = most * min(len(body), 1 << 20) // (4 * (body.count(b"\n", 0, 1 << 20) + 1))
    for at in (len(body) // 2, max(0, len(body) - tail)):
        start = body.find(b"\n", at) + 1
        lines: list[str] = []
        while start and len(lines) < max(1, most // 4):
            end = body.find(b"\n", start)
            lines.append(body[start : None if end < 0 else end].decode(errors="replace"))
            start = end + 1
        reader = csv.reader(
            lines,
            delimiter=dialect.separator,
            quotechar=dialect.quote,
            quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        )
        try:
            rows = rows + [[cell.strip() for cell in row] for row in reader]
        except csv.Error:
            continue
    return [row for row in rows if len(row) == width]


def _kinds(
    sample: list[list[str]], dialect: Dialect, asked: Asked, evidence: Evidence
) -> tuple[list[str], list[str]]:
    """Give "integer", "float" or "text" for each column, and the words for missing numbers."""
    if any(map(is_plain, asked.missing)):
        # A number that means missing would be read as one.
        return ["text"] * len(dialect.names), []
    kinds, words = [], set()
    columns = list(zip(*sample, strict=True))
    evidence.doubts_points |= dialect.separator == ";" and asked.decimal is None
    pointed: list[int] = []
    for k, column in enumerate(columns):
        joined = ";".join(column) + ";"
        if _INTEGERS.fullmatch(joined):
            kinds.append("integer")
            continue
        present = column
        if not _FLOATS.fullmatch(joined):
            present = tuple(cell for cell in column if cell not in asked.missing)
            if present and not all(map(is_plain, present)):
                kinds.append("text")
                if any(_COMMA.fullmatch(cell) for cell in present):
                    evidence.doubts_points |= asked.decimal is None
                continue
            found = {cell for cell in column if cell in asked.missing} - {""}
            words |= found
        if present and all(map(is_integer, present)):
            kinds.append("integer")
        else:
            kinds.append("float")
            pointed.append(k)
    for k, name in enumerate(dialect.names):
        if name in asked.text:
            kinds[k] = "text"
    _doubt(kinds, pointed, columns, asked, evidence)
    return kinds, sorted(words)


def _doubt(
    kinds: list[str],
    pointed: list[int],
    columns: list[tuple[str, ...]],
    asked: Asked,
    evidence: Evidence,
) -> None:
    """Leave to a closer look the columns whose points may be no decimal signs."""
    for k in pointed:
        if asked.decimal == "," or asked.thousands == ".":
            kinds[k] = "text"
        elif any(map(shows_point, columns[k])):
            evidence.decimals.add(".")
            if not evidence.doubts_points:
                return
        elif evidence.doubts_points and any(map(may_be_thousands, columns[k])):
            kinds[k] = "text"
