"""Text with separators, as a frame of columns that are numbers, dates, booleans or text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trulysparse.readers import fast, genes, rows
from trulysparse.readers.blocks import Blocks, File, in_memory, is_large
from trulysparse.readers.columns import (
    Asked,
    Evidence,
    decide,
    of,
    plain_numbers,
    say_merged,
    without_numbers,
)
from trulysparse.readers.dialect import BLANKS, Dialect, Options, find
from trulysparse.readers.notes import Notes
from trulysparse.readers.regular import Failed
from trulysparse.readers.source import Text, as_text, read_bytes

if TYPE_CHECKING:
    import polars as pl

_SAID = {"\t": "tabs", BLANKS: "blanks", ";": "semicolons", "|": "bars"}
_COMMA = r"^[+-]?(?:0?,[0-9]+|[0-9]+,(?:[0-9]{1,2}|[0-9]{4,}))$"
_HEAD = 200
_BEGIN = 1 << 24  # bytes in which a file shows how it is to be read


class Read(NamedTuple):
    """The columns of a file, the line of each row, and which columns the file does not name."""

    frame: pl.DataFrame
    lines: Sequence[int]
    unnamed: set[int]


class _Job:
    """The columns of one text, decided one after the other."""

    def __init__(self, path: str, lines: Sequence[int], asked: Asked, evidence: Evidence) -> None:
        import polars as pl

        self.path, self.lines, self.asked, self.evidence = path, lines, asked, evidence
        self.notes = Notes()
        self.numbers = pl.DataFrame()
        self._done: list[pl.Series] = []
        self._later: list[pl.Series] = []

    def take(self, frame: pl.DataFrame) -> None:
        """Decide columns of text."""
        kept = [name for name in frame.columns if name in self.asked.text]
        for name in kept:
            self._decide(frame[name].str.strip_chars(), last=False)
        if kept:
            frame = frame.drop(kept)
        if not frame.width:
            return
        found, others = plain_numbers(frame, self.asked, self.evidence)
        self._done += found.values()
        for column in others.get_columns():
            self._decide(column, last=False)

    def finished(self, names: Sequence[str]) -> pl.DataFrame:
        """Decide the columns for which all others are needed, and give all."""
        import polars as pl

        for column in self._later:
            self._decide(column, last=True)
        if not self.numbers.width:
            frame = pl.DataFrame(self._done)
        else:
            frame = self.numbers.hstack(self._done) if self._done else self.numbers
        frame = frame if frame.columns == list(names) else of(frame, names)
        return without_numbers(frame, self.asked)

    def say_left_out(self, comments: int, signs: str, blank: int) -> None:
        """Say which lines were no rows."""
        if comments:
            self.notes.say(f"{comments} line(s) that begin with {signs!r} are left out")
        if blank:
            self.notes.say(f"{blank} blank line(s) are left out")

    def _decide(self, column: pl.Series, *, last: bool) -> None:
        found = decide(column, self.asked, self.evidence, self._where, self.notes, last=last)
        if found is None:
            self._later.append(column)
        else:
            self._done.append(found)

    def _where(self, row: int) -> str:
        return f"{self.path}: row {self.lines[row]}"


def read(path: str, encoding: str | None, options: Options, asked: Asked, notes: Notes) -> Read:
    """Read a text from a file, or from standard input for "-".

    Raises
    ------
    ValueError
        If it is no table, or a cell is not what its column is; the message has row and column.
    """
    if is_large(path):
        with File(path, _BEGIN) as file:
            found = _of_large(path, file, encoding, options, asked, notes)
            if file.has_changed():
                raise ValueError(f"{path}: the file was changed while it was read")
        if found is not None:
            return found
    return _of_bytes(path, read_bytes(path), encoding, options, asked, notes)


def _of_large(
    path: str,
    file: File,
    encoding: str | None,
    options: Options,
    asked: Asked,
    notes: Notes,
) -> Read | None:
    """Read a file block by block; None if it has to be read as a whole."""
    own = Notes()
    try:
        text = as_text(path, file.head, encoding)
        content, options, _ = genes.prepared(text.data, options)
        if content is not text.data or not text.is_utf_8 or _ends_as_old_macs(text.data):
            return None
        dialect = find(path, text.data, options)
    except ValueError:
        return None  # who reads all of it says why
    _say(own, text, dialect)
    mark = len(file.head) - len(text.data)
    blocks = file.blocks(mark + dialect.offset)
    job = _fast(path, blocks, dialect, asked.named(dialect.names), checked=False)
    if job is None:
        return None
    notes.extend(own)
    return _finished(job, dialect, notes)


def _of_bytes(
    path: str, data: bytes, encoding: str | None, options: Options, asked: Asked, notes: Notes
) -> Read:
    name = "standard input" if path == "-" else path
    dialect, content, _ = opened(name, data, encoding, options, notes)
    del data
    asked = asked.named(dialect.names)
    job = _fast(name, in_memory(content, dialect.offset), dialect, asked, checked=True)
    if job is None:
        job = _slow(name, content, dialect, asked)
    return _finished(job, dialect, notes)


def _finished(job: _Job, dialect: Dialect, notes: Notes) -> Read:
    frame = job.finished(dialect.names)
    notes.extend(job.notes)
    last = frame.width - 1
    if last in dialect.unnamed and last and frame[:, last].null_count() == frame.height:
        frame = frame.drop(dialect.names[last])
        dialect.unnamed.discard(last)
        notes.say("the last column has no name and no cells: it is left out")
    for k in sorted(dialect.unnamed - {0}):
        notes.add("unnamed", f"column {k + 1} has no name: it is {dialect.names[k]!r}")
    say_merged(frame, notes)
    return Read(frame, job.lines, dialect.unnamed)


def opened(
    path: str, data: bytes, encoding: str | None, options: Options, notes: Notes
) -> tuple[Dialect, bytes, int]:
    """Find out how a text is to be read, and give it as UTF-8 whose lines end with line feeds.

    The last result is how many columns behind the first one describe genes.
    """
    text = as_text(path, data, encoding)
    del data
    content = text.data
    if _ends_as_old_macs(content):
        # A line feed may be within a cell.
        content = content.replace(b"\r", b"\n")
    content, options, described = genes.prepared(content, options)
    dialect = find(path, content, options)
    _say(notes, text, dialect)
    return dialect, content, described


def _ends_as_old_macs(content: bytes) -> bool:
    """Tell whether lines end with carriage returns."""
    return b"\r" in content and (
        content.count(b"\r") - content.count(b"\r\n") > content.count(b"\n")
    )


def _say(notes: Notes, text: Text, dialect: Dialect) -> None:
    for sentence in (*text.notes, *dialect.notes):
        notes.say(sentence)
    if dialect.separator in _SAID:
        notes.say(f"columns are separated by {_SAID[dialect.separator]}")


def _fast(
    path: str, blocks: Blocks, dialect: Dialect, asked: Asked, *, checked: bool
) -> _Job | None:
    """Read a regular text; None if it is none."""
    evidence = Evidence()
    found = fast.read(path, blocks, dialect, asked, evidence, checked=checked)
    if found is None and blocks.make_smaller():
        found = fast.read(path, blocks, dialect, asked, evidence, checked=checked)
    if found is None:
        return None
    job = _Job(path, found.lines, asked, evidence)
    job.numbers = found.numbers
    try:
        for frame in found.text:
            job.take(frame)
    except Failed:
        return None
    left = found.blocks
    job.say_left_out(left.comments, left.signs, left.blank)
    return job


def _slow(path: str, content: bytes, dialect: Dialect, asked: Asked) -> _Job:
    """Read any text, row by row."""
    found, comment = _rows(path, content, dialect)
    if not found.lines:
        raise ValueError(f"{path}: expected rows below the header, there are none")
    doubts = asked.decimal is None and (dialect.separator == ";" or _has_comma(found.frame))
    job = _Job(path, found.lines, asked, Evidence(doubts_points=doubts))
    job.take(found.frame)
    job.say_left_out(found.comments, comment, found.blank)
    return job


def _rows(path: str, content: bytes, dialect: Dialect) -> tuple[rows.Rows, str]:
    """Give all rows, and the signs of comments."""
    body = in_memory(content, dialect.offset).whole()
    comment = rows.comment_of(body, dialect)
    return rows.read(path, body, dialect, comment, dialect.line), comment


def _has_comma(frame: pl.DataFrame) -> bool:
    """Tell whether the first rows have a comma that can only be a decimal sign."""
    import polars as pl

    head = frame.head(_HEAD).select(pl.all().str.strip_chars().str.contains(_COMMA).any())
    return any(head.row(0))


def read_transposed(
    path: str, data: bytes, encoding: str | None, options: Options, asked: Asked, notes: Notes
) -> tuple[pl.DataFrame, pl.Series | None]:
    """Read a text with a feature in each row; give the samples' rows, and their names.

    The first column has the names of the features, the header those of the samples.
    """
    import polars as pl

    dialect, content, described = opened(path, data, encoding, options, notes)
    del data
    if len(dialect.names) < 2:
        raise ValueError(f"{path}: expected a column of names and one for each sample")
    found, _ = _rows(path, content, dialect)
    cells = found.frame.select(pl.all().str.strip_chars())
    names = [
        name or f"column_{k + 1}" for k, name in enumerate(cells[:, 0].fill_null("").to_list())
    ]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(
            f"{path}: expected different names in the first column, {twice!r} is twice"
        )
    cells = cells[:, 1 + described :]
    samples = dialect.names[1 + described :]
    if described:
        left = ", ".join(map(repr, dialect.names[1 : 1 + described]))
        notes.say(f"columns that describe the features are left out: {left}")
    words = sorted(asked.missing)
    known = cells.select(pl.when(pl.all().is_in(words)).then(None).otherwise(pl.all()).name.keep())
    floats = known.select(pl.all().cast(pl.Float64, strict=False))
    values = floats.to_numpy()
    good = np.isfinite(values) | known.select(pl.all().is_null()).to_numpy()
    good &= ~known.select(pl.all().str.contains(r"^[+-]?0[0-9]").fill_null(value=False)).to_numpy()
    plain = good.all(axis=1)
    if asked.decimal == "," or asked.thousands == ".":
        plain[:] = False
    frame = pl.DataFrame(
        np.ascontiguousarray(values.T), schema=[str(k) for k in range(len(names))], orient="row"
    ).fill_nan(None)
    frame = frame.rename(dict(zip(frame.columns, names, strict=True)))
    asked = asked.named(names)
    job = _Job(path, [], asked, Evidence())
    odd = [k for k in range(len(names)) if not plain[k] or names[k] in asked.text]
    if odd:
        table = cells[odd].transpose(column_names=[str(k) for k in range(len(odd))])
        for k, column in zip(odd, table.get_columns(), strict=True):
            place = found.lines[k]

            def where(j: int, place: int = place) -> str:
                return f"{path}: row {place}, sample {samples[j]!r}"

            new = decide(column.alias(names[k]), asked, job.evidence, where, job.notes, last=True)
            assert new is not None
            frame = frame.with_columns(new.alias(names[k]))
    notes.extend(job.notes)
    ids = pl.Series("sample", samples) if dialect.has_header else None
    return frame, ids
