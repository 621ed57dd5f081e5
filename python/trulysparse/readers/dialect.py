"""What is found out from the first lines of a text: separator, comments, titles, header.

A separator is good if it gives as many cells in every line, and cells that look like numbers or
text without other separators (van den Burg et al., Wrangling messy CSV files, arXiv 1811.11242).
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from trulysparse import _check
from trulysparse.readers.numbers import MISSING, STYLES, is_integer, is_plain

SEPARATORS = (",", ";", "\t", "|")
BLANKS = " "
"""As a separator: one or more blanks or tabs."""
COMMENTS = "#%"

# Of the text: lines and bytes that are looked at, and cells that are judged.
_LINES, _BYTES, _CELLS = 100, 1 << 20, 3000
_TITLES = 20
_NUMBER = re.compile("|".join(f"(?:{style.pattern[1:-1]})" for style in STYLES))
_SIGNED = re.compile(r"[$€£¥₹₽₩₺₪฿%\s]")
_OTHER = re.compile(r"[;\t|]|[0-9][ \t]+[-+]?[0-9.]")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9:.+\-Z]+")
# How sure blanks are beside other separators.
_LAST = 0.95


class Options(NamedTuple):
    """What the caller said; None where it is to be found out."""

    separator: str | None = None
    header: bool | None = None
    quote: str | None = '"'
    comment: str | None = None


class Record(NamedTuple):
    """A line of cells, or several lines with line breaks in quotes."""

    line: int
    cells: list[str]
    end: int
    """Of bytes up to the next."""


@dataclass
class Dialect:
    """How a text is to be read, and what of it is the table."""

    separator: str
    quote: str | None
    comment: str | None
    """The signs of comments; None if no line has shown any."""
    names: list[str]
    """Of the columns, all different."""
    unnamed: set[int]
    """The places of columns to which the file gives no name, though it has a header."""
    has_header: bool
    line: int
    """Of the first row."""
    offset: int
    """Of the first row in bytes."""
    sample: list[list[str]]
    notes: list[str] = field(default_factory=list)


class _Line(NamedTuple):
    number: int
    text: str
    end: int


def find(path: str, data: bytes, options: Options) -> Dialect:
    """Find out how a text is to be read.

    Raises
    ------
    ValueError
        If there are no rows, or the lines are too different to be a table.
    """
    lines = list(_lines(data))
    notes: list[str] = []
    comment = COMMENTS if options.comment is None else options.comment
    comments, first = _before(path, lines, comment)
    separator = options.separator or _separator(lines[first:], options.quote, comment)
    records = [
        record
        for record in split(lines[first:], separator, options.quote)
        if any(record.cells) and not _is_comment(record, comment)
    ]
    if not records:
        raise ValueError(f"{path}: expected a table, it has no cells")
    width = _width([record.cells for record in records])
    titles = _titles(records, width, options)
    rows = records[titles:]
    has_header = options.header
    if has_header is None:
        has_header = _has_header([record.cells for record in rows], width, notes)
    header = rows[0] if has_header else None
    if comments and header is None and options.header is None:
        last = comments[-1]._replace(text=comments[-1].text.lstrip(comment).strip())
        found = next(split([last], separator, options.quote), None)
        if _fits(found, rows[0].cells, width):
            header = found
            notes.append(f"the names of the columns are in the comment of line {last.number}")
    if titles:
        notes.append(_said_titles(path, records[:titles], header, width))
    body = rows[1:] if has_header else rows
    if not body:
        raise ValueError(f"{path}: expected rows below the header, there are none")
    names = _names(path, header, width, [record.cells for record in body], notes)
    start = rows[0].end if has_header else _start(lines, rows[0].line)
    if header is None:
        notes.append("the file has no names of columns: they are column_1, column_2, ...")
    used = comments[-1].text[0] if comments else None
    return Dialect(
        separator,
        options.quote,
        used if options.comment is None else options.comment,
        _named(names),
        {k for k, name in enumerate(names) if not name},
        header is not None,
        _number(lines, start),
        start,
        [record.cells for record in body],
        notes,
    )


def _before(path: str, lines: Sequence[_Line], comment: str) -> tuple[list[_Line], int]:
    """Give the comments before the table, and how many lines they are with blank ones."""
    comments: list[_Line] = []
    for k, line in enumerate(lines):
        if not line.text.strip():
            continue
        if not comment or line.text[0] not in comment:
            return comments, k
        comments.append(line)
    raise ValueError(f"{path}: expected a table, it has no lines but comments and blank ones")


def _said_titles(path: str, titles: Sequence[Record], header: Record | None, width: int) -> str:
    """Say what titles there are; refuse them if no names of columns follow."""
    if header is None:
        raise ValueError(
            f"{path}: line {titles[0].line} has {len(titles[0].cells)} cells, those below {width}: "
            "expected as many, or names of columns below a title (header=True)"
        )
    text = _check.shown(" ".join(filter(None, titles[0].cells)))
    return f"the first {len(titles)} line(s), such as {text}, are no part of the table"


def _start(lines: Sequence[_Line], number: int) -> int:
    """Give the byte at which a line starts."""
    return next((line.end for line in reversed(lines) if line.number < number), 0)


def _number(lines: Sequence[_Line], start: int) -> int:
    """Give the number of the line that starts at a byte."""
    return next((line.number + 1 for line in reversed(lines) if line.end <= start), 1)


def _lines(data: bytes) -> Iterator[_Line]:
    """Give the first lines, of which at least three are no comments, as text."""
    start = number = count = 0
    while start < len(data) and count < _LINES and (count < 3 or start < _BYTES):
        end = data.find(b"\n", start) + 1 or len(data)
        text = data[start:end].decode(errors="replace").rstrip("\r\n")
        number += 1
        count += bool(text.strip()) and text[0] not in COMMENTS
        yield _Line(number, text, end)
        start = end


def split(lines: Sequence[_Line], separator: str, quote: str | None) -> Iterator[Record]:
    """Split lines into cells without the blanks around them; stop where that cannot be done."""
    if separator == BLANKS and not any(quote and quote in line.text for line in lines):
        for line in lines:
            yield Record(line.number, line.text.split(), line.end)
        return
    at = 0

    def texts() -> Iterator[str]:
        for line in lines:
            yield (line.text.strip() if separator == BLANKS else line.text) + "\n"

    reader = csv.reader(
        texts(),
        delimiter=separator,
        quotechar=quote,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=separator != "\t",
    )
    try:
        for cells in reader:
            yield Record(
                lines[at].number, [cell.strip() for cell in cells], lines[reader.line_num - 1].end
            )
            at = min(reader.line_num, len(lines) - 1)
    except csv.Error:
        return


def _is_comment(record: Record, comment: str) -> bool:
    return bool(comment and record.cells[0][:1] and record.cells[0][0] in comment)


def _separator(lines: Sequence[_Line], quote: str | None, comment: str) -> str:
    """Choose the separator whose cells are as many in each line, and look best."""
    best, choice = 0.0, ","
    usable = [line for line in lines if line.text.strip()]
    usable = [line for line in usable if not (comment and line.text[0] in comment)]
    for separator in (*SEPARATORS, BLANKS):
        rows = [record.cells for record in split(usable, separator, quote) if any(record.cells)]
        if not rows:
            continue
        width = _width(rows)
        if width < 2:
            continue
        same = [row for row in rows if _trimmed(row, width) == width]
        cells = [cell for row in same for cell in row[: max(2, _CELLS // len(same))]][:_CELLS]
        score = len(same) / len(rows) * sum(map(_is_clean, cells)) / len(cells)
        if separator == BLANKS:
            body = [row for row in same[1:] or same if len(row) == width]
            numbers = [all(_NUMBER.fullmatch(row[k]) for row in body) for k in range(width)]
            score *= _LAST if any(numbers) and len(same) >= len(rows) - 1 else 0
        if score > best + 1e-9:
            best, choice = score, separator
    return choice


def _is_clean(cell: str) -> bool:
    if not _OTHER.search(cell) and "," not in cell:
        return True
    return bool(_NUMBER.fullmatch(_SIGNED.sub("", cell)) or _TIME.fullmatch(cell))


def _trimmed(row: Sequence[str], width: int) -> int:
    """Count cells, without an empty last one that is too much."""
    return len(row) - 1 if len(row) == width + 1 and not row[-1] else len(row)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Give the number of cells that most rows have, the larger one of two."""
    counts = Counter(map(len, rows))
    return max(counts, key=lambda width: (counts[width], width))


def _titles(records: Sequence[Record], width: int, options: Options) -> int:
    """Count the first lines that have one cell, where the table has several."""
    if width < 2 or options.header is False:
        return 0
    count = 0
    for record in records[: min(_TITLES, len(records) - 2)]:
        full = [cell for cell in record.cells if cell]
        if len(full) != 1 or is_plain(full[0]) or (len(record.cells) == width and width < 3):
            break
        count += 1
    after = records[count].cells
    is_header = len(after) in (width, width - 1) and sum(map(bool, after)) >= len(after) - 1
    return count if is_header or not count else 0


def _has_header(rows: Sequence[Sequence[str]], width: int, notes: list[str]) -> bool:
    """Tell whether the first row has names rather than values."""
    first, body = rows[0][:width], [row for row in rows[1:] if len(row) == width]
    shift = width - len(first) if len(first) == width - 1 else 0
    numbers = [k for k, cell in enumerate(first) if is_plain(cell)]
    if numbers:
        if len(numbers) > 2 and _counts([first[k] for k in numbers], len(numbers) == len(first)):
            notes.append("the first row counts up: its numbers are the names of columns")
            return True
        return False
    if not body:
        return True
    if any(cell in MISSING for cell in first[1:-1]) and not all(first[1:-1]):
        filled = [cell for cell in first if cell]
        if len(filled) < len(first) / 2:
            return False
    for k, cell in enumerate(first):
        column = [row[k + shift] for row in body if row[k + shift] not in MISSING]
        if column and cell and cell not in MISSING and all(map(_is_typed, column)):
            return not _is_typed(cell)
    repeats = [
        k for k, cell in enumerate(first) if cell and cell in {row[k + shift] for row in body}
    ]
    if repeats:
        return False
    if len(set(first)) == len(first):
        notes.append("the first row is taken for names of columns (header=False if it is data)")
        return True
    return False


def _counts(cells: Sequence[str], whole: bool) -> bool:
    """Tell whether cells are 0, 1, 2, ... or 1, 2, 3, ..., or beside text years one by one."""
    if not all(map(is_integer, cells)):
        return False
    found = [int(cell) for cell in cells[:: max(1, len(cells) // 100_000)]]
    step = max(1, len(cells) // 100_000)
    steady = all(b - a == step for a, b in pairwise(found))
    return steady and (
        found[0] in (0, 1) if whole else 1800 <= found[0] <= 2100 or found[0] in (0, 1)
    )


def _is_typed(cell: str) -> bool:
    """Tell cells that are no names: numbers, dates, booleans."""
    return bool(
        _NUMBER.fullmatch(_SIGNED.sub("", cell) or "x")
        or re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}.*", cell)
        or cell.lower() in ("true", "false")
    )


def _fits(record: Record | None, row: Sequence[str], width: int) -> bool:
    """Tell whether a comment has a name for each column."""
    return (
        record is not None
        and width > 1
        and len(record.cells) == width == len(row)
        and all(record.cells)
        and not any(map(is_plain, record.cells))
        and len(set(record.cells)) == width
    )


def _named(names: Sequence[str]) -> list[str]:
    """Name columns that have no name after their place."""
    taken, found = set(names), []
    for k, name in enumerate(names):
        new = name or f"column_{k + 1}"
        while not name and new in taken:
            new += "_"
        taken.add(new)
        found.append(new)
    return found


def _names(
    path: str,
    header: Record | None,
    width: int,
    body: Sequence[Sequence[str]],
    notes: list[str],
) -> list[str]:
    """Give a name for each column, "" where there is none."""
    if header is None:
        return [f"column_{k + 1}" for k in range(width)]
    names = list(header.cells)
    if len(names) == width + 1 and not names[-1]:
        names.pop()
    elif len(names) == width - 1:
        if all(not row[-1] for row in body if len(row) == width):
            names.append("")
        else:
            names.insert(0, "")
            notes.append(
                "the rows have one cell more than the header: the first column has no name"
            )
    if len(names) != width:
        raise ValueError(
            f"{path}: line {header.line} has {len(names)} names, the rows have {width} cells"
        )
    twice = [name for name, count in Counter(filter(None, names)).items() if count > 1]
    if twice:
        shown = ", ".join(_check.shown(name) for name in twice[:5])
        raise ValueError(
            f"{path}: expected different names of columns, {shown} appears twice (header=False "
            "if line 1 is data)"
        )
    return names
