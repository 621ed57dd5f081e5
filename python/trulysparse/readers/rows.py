"""Rows of a text read one by one, for what the fast reader does not take, and for errors."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from trulysparse.readers.dialect import BLANKS, COMMENTS, Dialect

if TYPE_CHECKING:
    import polars as pl

_ROWS = 1 << 14


class Rows(NamedTuple):
    """All cells as text, the line of each row, and how many comments and blank lines there were."""

    frame: pl.DataFrame
    lines: list[int]
    comments: int
    blank: int
    next_line: int
    """The number of the line behind them."""


class _Source:
    """Lines for the csv module, which asks for the next when it needs it."""

    def __init__(self, text: io.TextIOBase, line: int, comment: str, *, blanks: bool) -> None:
        self._text, self._comment, self._blanks = text, comment, blanks
        self.line = line - 1
        self.fresh = True
        self.start = line
        self.comments = self.blank = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        for line in self._text:
            self.line += 1
            if not self.fresh:
                return line
            if not line.strip("\r\n" if self._comment is None else " \r\n"):
                self.blank += 1
                continue
            if self._comment and line[0] in self._comment:
                self.comments += 1
                continue
            self.fresh, self.start = False, self.line
            return line.strip().replace("\t", " ") if self._blanks else line
        raise StopIteration


def comment_of(body: bytes, dialect: Dialect) -> str:
    """Find the sign of comments: of the head, or of lines that have not the cells of rows."""
    if dialect.comment is not None:
        return dialect.comment
    return "".join(sign for sign in COMMENTS if _comments(body, sign.encode(), dialect))


def _comments(body: bytes, sign: bytes, dialect: Dialect) -> bool:
    """Tell whether a line begins with a sign, and has fewer cells than rows."""
    at = 0 if body.startswith(sign) else -1
    while True:
        if at >= 0:
            end = body.find(b"\n", at)
            line = body[at : len(body) if end < 0 else end]
            if dialect.separator == BLANKS:
                cells = len(line.split())
            else:
                cells = line.count(dialect.separator.encode()) + 1
            if cells < len(dialect.names):
                return True
        # Signs are rare: to look for one byte is faster than for two.
        at = body.find(b"\n" + sign, max(at, 0)) + 1 if sign in body else 0
        if not at:
            return False


def read(path: str, body: bytes, dialect: Dialect, comment: str, line: int) -> Rows:
    """Read all rows, of which the first is a certain line of the file.

    Raises
    ------
    ValueError
        If a row has more or fewer cells than there are columns, or quotes that do not close.
    """
    import polars as pl

    width = len(dialect.names)
    blanks = dialect.separator == BLANKS
    source = _Source(
        io.TextIOWrapper(io.BytesIO(body), "utf-8", newline=""),
        line,
        comment,
        blanks=blanks,
    )
    reader = csv.reader(
        source,
        delimiter=dialect.separator,
        quotechar=dialect.quote,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        skipinitialspace=dialect.separator != "\t",
        strict=True,
    )
    schema = dict.fromkeys(dialect.names, pl.String)
    frames, rows, lines = [], [], []
    try:
        for cells in reader:
            source.fresh = True
            if len(cells) != width:
                if len(cells) == width + 1 and not cells[-1].strip():
                    cells.pop()
                else:
                    raise ValueError(
                        f"{path}: row {source.start} has {len(cells)} cells, expected {width} as "
                        "in other rows"
                    )
            rows.append(cells)
            lines.append(source.start)
            if len(rows) * width >= _ROWS * 64 or len(rows) == _ROWS:
                frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
                rows = []
    except csv.Error as error:
        raise ValueError(
            f"{path}: row {source.start}: {error} (quote=None reads quotes as text)"
        ) from None
    if rows or not frames:
        frames.append(pl.DataFrame(rows, schema=schema, orient="row"))
    return Rows(pl.concat(frames), lines, source.comments, source.blank, source.line + 1)
