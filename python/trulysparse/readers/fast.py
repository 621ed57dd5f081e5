"""Columns of a regular text, read by polars with types that a sample of it shows."""

from __future__ import annotations

import csv
import math
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from trulysparse.readers.blocks import Blocks, ahead
from trulysparse.readers.columns import Asked, Evidence, of
from trulysparse.readers.dialect import BLANKS, Dialect
from trulysparse.readers.numbers import is_integer, is_plain, may_be_thousands, shows_point
from trulysparse.readers.regular import Failed, Part, Regular
from trulysparse.readers.scan import all_rows_have

if TYPE_CHECKING:
    import polars as pl

# Cells and rows of a sample, of which a half is from the beginning.
_CELLS, _ROWS = 40_000, 200
_PIECE = 1 << 20
# Cells of text that are made at once.
_GROUP = 30_000_000
_COMMA = re.compile(r"[+-]?(?:0?,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))")
_INTEGERS = re.compile(r"(?:[+-]?(?:0|[1-9][0-9]{0,17});)+")
_FLOATS = re.compile(r"(?:[+-]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?;)+")


class Fast(NamedTuple):
    """Columns of numbers, others as text, some at once, the line of each row, and the blocks."""

    numbers: pl.DataFrame
    text: Iterator[pl.DataFrame]
    lines: Sequence[int]
    blocks: Regular


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


def parsed(
    data: bytes,
    dialect: Dialect,
    types: dict[str, Any],
    words: Iterable[str] = (),
    *,
    strict: bool = True,
) -> pl.DataFrame:
    """Read columns of given types; others are not."""
    import polars as pl

    names = dialect.names
    every = len(types) == len(names)
    with guarded():
        return pl.read_csv(
            data,
            has_header=False,
            schema={name: types.get(name, pl.String) for name in names},
            columns=None if every else [k for k, name in enumerate(names) if name in types],
            separator=dialect.separator,
            quote_char=dialect.quote,
            ignore_errors=not strict,
            null_values=sorted(words) or None,
        )


class _Columns:
    """Columns whose types a sample shows, and later blocks correct."""

    def __init__(
        self, dialect: Dialect, kinds: Sequence[str], words: Sequence[str], asked: Asked
    ) -> None:
        import polars as pl

        kind_of = {"integer": pl.Int64, "float": pl.Float64, "text": pl.String}
        self._dialect, self._missing = dialect, asked.missing
        self._types: dict[str, Any] = {
            name: kind_of[kind] for name, kind in zip(dialect.names, kinds, strict=True)
        }
        self._words = set(words)
        self._frames: list[pl.DataFrame] = []

    def take(self, part: Part, *, points: bool) -> None:
        """Read columns of numbers, and those of text too if no words mean missing.

        `points` tells whether a column of integers may become one of numbers with a point.
        """
        try:
            frame = self._read(part.data)
        except Failed:
            self._learn(part.data, points=points)
            frame = self._read(part.data)
        if frame.width and frame.height != part.counted.rows:
            raise Failed(f"{frame.height} rows, expected {part.counted.rows}")
        self._frames.append(frame)

    def _read(self, data: bytes) -> pl.DataFrame:
        import polars as pl

        types, dialect = self._types, self._dialect
        if self._words:
            # They would be missing in text as well, and nothing would say so.
            types = {name: kind for name, kind in types.items() if kind != pl.String}
        if len(types) < len(self._types):
            # polars sees that rows are too long only where it reads all columns.
            if not all_rows_have(data, dialect.separator, dialect.quote, len(dialect.names)):
                raise Failed("rows of different lengths")
            if not types:
                return pl.DataFrame()
        return parsed(data, dialect, types, self._words)

    def _learn(self, data: bytes, *, points: bool) -> None:
        """Correct the types by a block whose cells are not as those of the sample."""
        import polars as pl

        numeric = {name: kind for name, kind in self._types.items() if kind != pl.String}
        if not numeric:
            return
        text = parsed(data, self._dialect, dict.fromkeys(numeric, pl.String))
        again = {}
        for name, cells in self._odd(data, numeric, text).items():
            spelled = set(cells.unique().to_list())
            if spelled <= self._missing and "" not in spelled:
                self._words |= spelled
                continue
            self._types[name] = pl.String
            if numeric[name] == pl.Int64 and points:
                again[name] = pl.Float64
        if again:
            wrong = self._odd(data, again, text)
            self._types.update({name: kind for name, kind in again.items() if name not in wrong})

    def _odd(self, data: bytes, types: dict[str, Any], text: pl.DataFrame) -> dict[str, pl.Series]:
        """Give the cells of columns that are not of their types, and not missing."""
        found = {}
        frame = parsed(data, self._dialect, types, self._words, strict=False)
        for column in frame.get_columns():
            cells = text[column.name]
            if column.null_count() > cells.null_count():
                cells = cells.filter(column.is_null() & cells.is_not_null())
                cells = cells.filter(~cells.is_in(sorted(self._words)))
                if len(cells):
                    found[column.name] = cells
        return found

    def numbers_and_text(self) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Give all blocks of the columns of numbers, and those of text if they were read."""
        import polars as pl

        frames = self._frames
        if not frames:
            raise Failed("no rows")
        ready = []
        if not self._words:
            ready = [name for name, kind in frames[0].schema.items() if kind == pl.String]
        numeric = {name: kind for name, kind in self._types.items() if kind != pl.String}
        if any(frame.schema != frames[0].schema for frame in frames):
            # What became text in a later block is left out, and read once more.
            frames = [_typed(frame, ready, numeric) for frame in frames]
        frame = pl.concat(frames) if len(frames) > 1 else frames[0]
        return of(frame, list(numeric)), of(frame, ready)


def _typed(frame: pl.DataFrame, text: Sequence[str], numeric: dict[str, Any]) -> pl.DataFrame:
    """Give columns of text, and of numbers with their types."""
    import polars as pl

    columns = dict(zip(frame.columns, frame.get_columns(), strict=True))
    numbers = [columns[name].cast(kind) for name, kind in numeric.items()]
    return pl.DataFrame([*(columns[name] for name in text), *numbers])


def read(
    path: str,
    blocks: Blocks,
    dialect: Dialect,
    asked: Asked,
    evidence: Evidence,
    *,
    checked: bool = True,
) -> Fast | None:
    """Read the columns that are plain numbers; None if the text is not regular.

    It is if every row has as many cells, quotes are around whole cells, and there are no comments
    and blank lines, but for some blocks.
    """
    width = len(dialect.names)
    # In a single column, blank lines are no cells.
    if width < 2:
        return None
    regular = Regular(path, blocks, dialect, checked=checked)
    sample = _sample(blocks, dialect)
    if not sample:
        return None
    kinds, words = _kinds(sample, dialect, asked, evidence)
    columns = _Columns(dialect, kinds, words, asked)
    points = not evidence.doubts_points and asked.decimal != "," and asked.thousands != "."
    lines: list[Sequence[int]] = []
    padded: set[int] = set()
    try:
        # While a block is read, the next one is counted.
        for part in ahead(regular.parts()):
            columns.take(part, points=points)
            lines.append(part.lines)
            padded |= part.counted.padded
        numbers, ready = columns.numbers_and_text()
    except Failed:
        return None
    numbers = _finite(numbers)
    away = set(dialect.names) if -1 in padded else {dialect.names[k] for k in padded}
    if away.intersection(numbers.columns):
        numbers = of(numbers, [name for name in numbers.columns if name not in away])
    known = {*numbers.columns, *ready.columns}
    rest = [name for name in dialect.names if name not in known]
    count = sum(map(len, lines))
    return Fast(numbers, _texts(regular, dialect, ready, rest, count), _joined(lines), regular)


def _joined(lines: Sequence[Sequence[int]]) -> Sequence[int]:
    """Join the lines of rows; they are a range if each line is a row."""
    if all(isinstance(one, range) for one in lines) and all(
        a[-1] + 1 == b[0] for a, b in pairwise(lines)
    ):
        return range(lines[0][0], lines[-1][-1] + 1)
    return [line for one in lines for line in one]


def _texts(
    regular: Regular, dialect: Dialect, ready: pl.DataFrame, names: Sequence[str], rows: int
) -> Iterator[pl.DataFrame]:
    """Give columns as text, some at once: those of `ready`, then others that are read."""
    import polars as pl

    if ready.width:
        yield ready
    size = max(1, _GROUP // max(rows, 1))
    for first in range(0, len(names), size):
        types = dict.fromkeys(names[first : first + size], pl.String)
        frame = pl.concat([parsed(data, dialect, types) for data in ahead(regular.again())])
        if frame.height != rows:
            raise Failed(f"{frame.height} rows, expected {rows}")
        yield frame


def _finite(frame: pl.DataFrame) -> pl.DataFrame:
    """Give the columns of numbers that are not all missing, without infinity; NaN is missing."""
    import polars as pl

    # One by one: with very many columns a query takes polars as long as reading them.
    found = []
    for column in frame.get_columns():
        if column.null_count() == frame.height:
            continue
        if column.dtype == pl.Float64 and not math.isfinite(column.sum()):
            column = column.fill_nan(None)
            if not column.is_finite().fill_null(value=True).all():
                continue
        found.append(column)
    return frame if len(found) == frame.width else pl.DataFrame(found)


def _sample(blocks: Blocks, dialect: Dialect) -> list[list[str]]:
    """Give rows from the beginning, the middle and the end; those in quotes may be left out."""
    width = len(dialect.names)
    most = max(2, min(_ROWS, _CELLS // width))
    rows = dialect.sample[: max(1, most // 2)]
    head = blocks.at(blocks.start, _PIECE)
    # The last rows, if they are as long as the first ones.
    tail = most * len(head) // (4 * (head.count(b"\n") + 1))
    middle = (blocks.start + blocks.end) // 2
    for at in (middle, max(blocks.start, blocks.end - tail)):
        lines = blocks.at(at, 2 * _PIECE).decode(errors="replace").split("\n")[1:]
        lines = lines[: max(1, most // 4)]
        if dialect.separator == BLANKS:
            rows = rows + [line.split() for line in lines]
            continue
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
