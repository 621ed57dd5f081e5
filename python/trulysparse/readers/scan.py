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
_LF, _CR, _POINT, _ZERO = 10, 13, 46, 48


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
    """Count, block by block, and stop at what is irregular; `body` ends with no end of line."""
    found = Scan()
    data = np.frombuffer(body, np.uint8)
    has_quotes = quote is not None and quote.encode() in body
    marks = [ord(sign) for sign in comment]
    inside = False
    for start in range(0, len(data), _BLOCK):
        # With a byte before and two behind, as a line ends before the first and behind the last.
        before = data[start - 1] if start else _LF
        block = data[start : start + _BLOCK]
        behind = data[start + _BLOCK : start + _BLOCK + 2]
        x = np.concatenate([[before], block, behind, [_LF] * (2 - len(behind))]).astype(np.uint8)
        if quote is not None and has_quotes:
            inside = _quoted(found, x, ord(separator), ord(quote), inside=inside)
        else:
            here = x[1:-2]
            ends = here == _LF
            found.rows += _count(ends)
            found.separators += _count(here == ord(separator))
            _padded(found, body, start, x, ord(separator), None)
            _endings(found, ends, x)
        for mark in marks:
            begins = (x[:-3] == _LF) & (x[1:-2] == mark)
            if begins.any():
                found.irregular = "comments"
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


def _count(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(mask))


def _endings(found: Scan, ends: npt.NDArray[np.bool_], x: npt.NDArray[np.uint8]) -> None:
    """Find blank lines, and ends of lines without a line feed."""
    begins, after = x[:-3] == _LF, x[2:-1]
    if (begins & (ends | ((x[1:-2] == _CR) & (after == _LF)))).any():
        found.irregular = "blank lines"
    if ((x[1:-2] == _CR) & (after != _LF)).any():
        found.irregular = "carriage returns"


def _quoted(
    found: Scan, x: npt.NDArray[np.uint8], separator: int, quote: int, *, inside: bool
) -> bool:
    """Count outside of quotes; tell whether the block ends inside of some."""
    here = x[1:-2]
    quotes = here == quote
    within = np.bitwise_xor.accumulate(quotes) ^ inside
    outside = ~within
    line_ends = here == _LF
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
    _endings(found, ends, x)
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
    here, before = x[1:-2], x[:-3]
    digits = (x - _ZERO) < 10
    hit = (here == _ZERO) & digits[2:-1]
    hit &= ~digits[:-3]
    hit &= before != _POINT
    places = np.flatnonzero(hit)
    if not len(places):
        return
    begins = [separator, _LF, 32, 9, *([] if quote is None else [quote])]
    signs = np.isin(before[places], (43, 45))
    # Behind a sign only if that begins the cell: 3e-05 has an exponent.
    earlier = before[np.maximum(places - 1, 0)]
    first = np.isin(before[places], begins) | (signs & (np.isin(earlier, begins) | (places == 0)))
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
