"""Blocks of a text as the fast reader takes them: counted, and where they are odd made plain.

Rows that are not regular, such as those with blank lines or comments between them, are read one by
one in their block only.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from trulysparse.readers import rows
from trulysparse.readers.blocks import Block, Blocks
from trulysparse.readers.dialect import BLANKS, COMMENTS, Dialect
from trulysparse.readers.scan import Scan, scan
from trulysparse.readers.source import not_utf_8

_BEGIN = 1 << 18
_CONTROLS = bytes(
    k for k in range(32) if chr(k) not in "\t\n\r"
)  # some of them are blanks to Python


class Failed(Exception):
    """That the fast reader does not take a text."""


class Part(NamedTuple):
    """A regular block, the line of each row, and what was counted."""

    data: bytes
    lines: Sequence[int]
    counted: Scan


class Regular:
    """The blocks of a text, which can be gone through several times.

    ``comments`` and ``blank`` count the lines that were left out, ``signs`` begin the comments.
    """

    def __init__(self, path: str, blocks: Blocks, dialect: Dialect, *, checked: bool) -> None:
        self._path, self._blocks, self._dialect = path, blocks, dialect
        self._checked = checked  # bytes are UTF-8 without 0
        self._width = len(dialect.names)
        self._line = dialect.line
        self.signs = dialect.comment or ""  # of comments, as far as there were some
        self._marked: set[str] = set()  # signs with which rows began before
        self._plain: dict[int, bytes] = {}
        self.comments = self.blank = 0

    def parts(self) -> Iterator[Part]:
        """Check all blocks, one after the other.

        Raises
        ------
        Failed
            If the rest has to be read row by row.
        ValueError
            If a row has more or fewer cells than others.
        """
        for k, block in enumerate(self._blocks.each(self._width, self._dialect.quote)):
            part = self._part(k, block)
            self._line += part.counted.lines
            yield part

    def again(self) -> Iterator[bytes]:
        """Give all blocks once more."""
        for k, block in enumerate(self._blocks.each(self._width, self._dialect.quote)):
            plain = self._plain.get(k)
            yield (self._squeezed(block.data) or b"") if plain is None else plain

    def _part(self, k: int, block: Block) -> Part:
        data = block.data
        if data.startswith(codecs.BOM_UTF8):
            # polars leaves it out, though it is no longer at the beginning of the file.
            raise Failed("a mark of the byte order within the text")
        if not self._checked and (b"\0" in data or not (data.isascii() or not_utf_8(data) is None)):
            raise Failed("no UTF-8")
        self._look_for_comments(data)
        plain = None if block.doubtful or data[-1:] in b"\r\n" else self._squeezed(data)
        if plain is None:
            return self._cleaned(k, block)
        counted = self._counted(plain)
        if not self._is_regular(counted):
            return self._cleaned(k, block)
        lines: Sequence[int] = range(self._line, self._line + counted.rows)
        if counted.lines != counted.rows:
            # A row starts in the line behind the end of the one before.
            ends = np.concatenate(counted.starts)
            lines = (self._line + np.concatenate([[0], ends[:-1] + 1])).tolist()
        return Part(plain, lines, counted)

    @property
    def _separator(self) -> str:
        return self._dialect.separator

    def _counted(self, data: bytes) -> Scan:
        return scan(data, self._separator, self._dialect.quote, self.signs)

    def _is_regular(self, counted: Scan) -> bool:
        """Tell whether all rows have their cells, as far as was counted."""
        return (
            not counted.irregular
            and counted.separators == counted.rows * (self._width - 1)
            # else some are too long, others too short
            and max(counted.padded, default=0) < self._width
        )

    def _look_for_comments(self, data: bytes) -> None:
        """Find signs of comments that no line has shown before."""
        if self._dialect.comment is None:
            found = set(rows.comment_of(data, self._dialect)) - set(self.signs)
            if found & self._marked:
                raise Failed("a comment below rows that begin as it does")
            self.signs += "".join(sorted(found))
            for sign in set(COMMENTS) - {*self.signs, *self._marked}:
                mark = sign.encode()
                if data.startswith(mark) or (mark in data and b"\n" + mark in data):
                    self._marked.add(sign)

    def _squeezed(self, data: bytes) -> bytes | None:
        """Make one blank of several, where blanks separate; None if that is not so easy.

        Blanks behind other separators go.
        """
        quote = self._dialect.quote
        if self._separator != BLANKS:
            return _without_blanks(data, self._separator, quote)
        if (
            not data.isascii()
            or (quote is not None and quote.encode() in data)
            or data.count(b"\r") != data.count(b"\r\n")
            or len(data.translate(None, _CONTROLS)) < len(data)
        ):
            return None
        data = data.replace(b"\r\n", b"\n").replace(b"\t", b" ")
        while b"  " in data:
            data = data.replace(b"  ", b" ")
        return data.replace(b" \n", b"\n").replace(b"\n ", b"\n").strip(b" ")

    def _cleaned(self, k: int, block: Block) -> Part:
        """Read the rows of a block one by one, and write them plainly."""
        if block.last and not k:
            raise Failed("no block is regular")
        dialect = self._dialect
        try:
            found = rows.read(self._path, block.data + block.end, dialect, self.signs, self._line)
        except ValueError:
            quote = dialect.quote
            if self._marked or (quote is not None and quote.encode() in block.data):
                raise Failed("a row that may be a comment, or end within quotes") from None
            raise
        data = _written(found, dialect)
        counted = self._counted(data)
        if not self._is_regular(counted) or counted.rows != len(found.lines):
            raise Failed("a row that cannot be written plainly")
        self._plain[k] = data
        self.comments += found.comments
        self.blank += found.blank
        counted.lines = found.next_line - self._line
        return Part(data, found.lines, counted)


def _without_blanks(data: bytes, separator: str, quote: str | None) -> bytes:
    """Leave out blanks at the beginning of cells, which are no part of them."""
    mark = separator.encode()
    # To look for two bytes takes long: the first rows show whether there are some.
    if separator == "\t" or mark + b" " not in data[:_BEGIN]:
        return data
    if quote is None or quote.encode() not in data:
        while mark + b" " in data:
            data = data.replace(mark + b" ", mark)
        return data
    if mark + b" " + quote.encode() not in data:
        return data
    # If quotes within cells deceive, counting finds them.
    x = np.frombuffer(data, np.uint8)
    gone = (x == ord(" ")) & ~np.bitwise_xor.accumulate(x == ord(quote))
    gone[1:] &= x[:-1] == mark[0]
    plain: bytes = x[~gone].tobytes()
    return plain


def _written(found: rows.Rows, dialect: Dialect) -> bytes:
    """Write cells with separators between them, and quotes where they are needed."""
    import polars as pl

    cells = found.frame.select(pl.all().str.strip_chars())
    cells = cells.select(pl.when(pl.all() == "").then(None).otherwise(pl.all()).name.keep())
    return (
        cells.write_csv(
            include_header=False,
            separator=dialect.separator,
            quote_char=dialect.quote or '"',
            quote_style="necessary" if dialect.quote else "never",
        )
        .encode()
        .rstrip(b"\r\n")
    )
