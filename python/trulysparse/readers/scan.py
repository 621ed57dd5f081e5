"""One pass over the bytes of a text: whether its lines are what the fast reader takes them for.

The fast reader fills rows that are too short, and reads 007 as 7. So the separators, the ends of
rows and the zeros in front of digits are counted here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

_BLOCK = 1 << 18
_LF, _CR, _PLUS, _MINUS, _POINT, _ZERO = 10, 13, 43, 45, 46, 48


@dataclass
class Scan:
    """What was counted."""

    rows: int = 0
    """Ends of rows; a last one without its end counts."""
    lines: int = 0
    separators: int = 0
    irregular: str = ""
    """Why the fast reader cannot take it; "" if it can."""
    padded: set[int] = field(default_factory=set)
    """The columns that have a 0 in front of a digit; -1 for any."""
    starts: list[npt.NDArray[np.int64]] = field(default_factory=list)
    """With line breaks in quotes: how many lines come before the end of each row."""


def scan(body: bytes, separator: str, quote: str | None, comment: str) -> Scan:
    """Count in rows without the last line end, piece by piece, and stop at what is irregular."""
    found = Scan()
    end = len(body)
    data = np.frombuffer(body, np.uint8)
    has_quotes = quote is not None and quote.encode() in body
    has_returns = b"\r" in body
    marks = [ord(sign) for sign in comment if sign.encode() in body]
    inside = False
    for at in range(0, end, _BLOCK):
        # With a byte before and two behind, as a line ends before the first and behind the last.
        if 0 < at < end - _BLOCK - 2:
            x = data[at - 1 : at + _BLOCK + 2]
        else:
            block = data[at : at + _BLOCK + 2]
            before = [_LF] if at == 0 else data[at - 1 : at]
            behind = [_LF] * (2 - max(0, min(2, end - at - _BLOCK)))
            x = np.concatenate([before, block, behind]).astype(np.uint8)
        if quote is not None and has_quotes:
            inside = _quoted(found, x, x == _LF, ord(separator), ord(quote), inside=inside)
        else:
            found.separators += _count(x[1:-2] == ord(separator))
            _lines(found, x)
            _padded(found, body, at, x, ord(separator), None)
        if has_returns or marks:
            _other_lines(found, x, marks)
        if found.irregular:
            return found
    if inside:
        found.irregular = "an open quote"
    found.rows += 1
    if has_quotes:
        found.lines += 1
        found.starts.append(np.array([found.lines - 1]))
    if not has_quotes:
        found.lines = found.rows
    return found


def all_rows_have(body: bytes, separator: str, quote: str | None, width: int) -> bool:
    """Tell whether each row of a regular text has as many cells."""
    end = len(body)
    data = np.frombuffer(body, np.uint8)
    mark = None if quote is None or quote.encode() not in body else ord(quote)
    inside, left = False, width - 1  # separators up to the end of the row
    for at in range(0, end, _BLOCK):
        x = data[at : at + _BLOCK]
        ends = (x == ord(separator)) | (x == _LF)
        if mark is not None:
            within = np.bitwise_xor.accumulate(x == mark) ^ inside
            ends &= ~within
            inside = bool(within[-1])
        places = np.flatnonzero(ends)
        line_ends = x[places] == _LF
        if not line_ends[left::width].all() or _count(line_ends) != _count(line_ends[left::width]):
            return False
        left = (left - len(places)) % width
    return left == 0


def _count(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _lines(found: Scan, x: npt.NDArray[np.uint8]) -> None:
    """Count ends of lines, which are few, and find those of blank ones."""
    places = np.flatnonzero(x[:-2] == _LF)
    found.rows += len(places) - int(x[0] == _LF)
    if (x[places + 1] == _LF)[: len(places) - int(x[-3] == _LF)].any():
        found.irregular = "blank lines"


def _other_lines(found: Scan, x: npt.NDArray[np.uint8], marks: list[int]) -> None:
    """Find carriage returns that end no line, or a blank one, and lines that begin as comments."""
    line_ends = x == _LF
    returns = x[1:-2] == _CR
    if (returns & (line_ends[:-3] | ~line_ends[2:-1])).any():
        found.irregular = "carriage returns"
    if any((line_ends[:-3] & (x[1:-2] == mark)).any() for mark in marks):
        found.irregular = "comments"


def _quoted(
    found: Scan,
    x: npt.NDArray[np.uint8],
    every: npt.NDArray[np.bool_],
    separator: int,
    quote: int,
    *,
    inside: bool,
) -> bool:
    """Count outside of quotes; tell whether the block ends inside of some."""
    here = x[1:-2]
    quotes = here == quote
    within = np.bitwise_xor.accumulate(quotes) ^ inside
    outside = ~within
    line_ends = every[1:-2]
    ends = line_ends & outside
    found.separators += _count((here == separator) & outside)
    before, after = x[:-3], x[2:-1]
    opens = quotes & within
    good = (before == separator) | (before == _LF) | (before == quote)
    closes = quotes & outside
    fine = (after == separator) | (after == _LF) | (after == _CR) | (after == quote)
    if (opens & ~good).any() or (closes & ~fine).any():
        found.irregular = "quotes within cells"
        return False
    where = np.flatnonzero(ends)
    lines = np.cumsum(line_ends)
    found.starts.append(found.lines + lines[where] - 1)
    found.rows += len(where)
    found.lines += int(lines[-1]) if len(lines) else 0
    if -1 not in found.padded:
        _padded(found, b"", 0, x, separator, quote)
    if (every[:-3] & ends).any():
        found.irregular = "blank lines"
    return bool(within[-1]) if len(within) else inside


def _padded(
    found: Scan,
    body: bytes,
    start: int,
    x: npt.NDArray[np.uint8],
    separator: int,
    quote: int | None,
) -> None:
    """Find cells that begin with a 0 and a digit."""
    before = x[:-3]
    hit = x[1:-2] == _ZERO
    hit &= (x[2:-1] - _ZERO) < 10
    # Not behind a digit, a point or a slash, which are twelve signs.
    hit &= (before - _POINT) >= 12
    places = np.flatnonzero(hit)
    if not len(places):
        return
    begins = np.zeros(256, bool)
    begins[[separator, _LF, 32, 9, *([] if quote is None else [quote])]] = True
    near = before[places]
    # Behind a sign only if that begins the cell: 3e-05 has an exponent.
    signs = (near == _PLUS) | (near == _MINUS)
    earlier = before[np.maximum(places - 1, 0)]
    first = begins[near] | (signs & (begins[earlier] | (places == 0)))
    places = places[first]
    if not len(places):
        return
    if quote is not None:
        found.padded.add(-1)
        return
    for column in _columns(body, start, places, separator, len(found.padded)):
        found.padded.add(column)


def _columns(
    body: bytes, start: int, places: npt.NDArray[Any], separator: int, known: int
) -> set[int]:
    """Give the columns of places in a block of a text without quotes."""
    first = body.rfind(b"\n", 0, start + int(places[0])) + 1
    piece = np.frombuffer(body, np.uint8)[first : start + int(places[-1]) + 1]
    count = np.cumsum(piece == separator)
    line_ends = np.flatnonzero(piece == _LF)
    at = places + (start - first)
    line = np.searchsorted(line_ends, at)
    base = np.where(line > 0, count[line_ends[np.maximum(line - 1, 0)]] if len(line_ends) else 0, 0)
    return set(np.unique(count[at] - base).tolist())
