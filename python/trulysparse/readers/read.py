"""`read_table`, which takes a file of any kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from trulysparse import _check, _hints
from trulysparse.readers import market, npz, others, parquet, source, svm
from trulysparse.readers.columns import Asked
from trulysparse.readers.dialect import BLANKS, Options
from trulysparse.readers.notes import Notes
from trulysparse.readers.numbers import MISSING
from trulysparse.readers.places import listed
from trulysparse.readers.table import Table, chosen

_SEPARATORS = {",", ";", "\t", "|", " ", ":", "~", "^"}

Column = str | int


@_hints.plain
def read_table(
    path: str | os.PathLike[str],
    label: Column | Sequence[Column] | bool | None = None,
    *,
    labels_from: str | os.PathLike[str] | None = None,
    columns: Column | Sequence[Column] | None = None,
    drop: Column | Sequence[Column] = (),
    ids: Column | Sequence[Column] | None = None,
    text: Column | Sequence[Column] = (),
    separator: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    header: bool | None = None,
    encoding: str | None = None,
    quote: str | None = '"',
    comment: str | None = None,
    missing: str | Iterable[str] = (),
    not_missing: str | Iterable[str] = (),
    transpose: bool = False,
    **unknown: NoReturn,
) -> Table:
    """Read a table from a file, or from standard input.

    What is not said is found out, and ``notes`` of the result say what was. A cell that is no
    number in a column of numbers is refused with its row and column.

    Parameters
    ----------
    path
        A text with separators (any name), ``.parquet``, ``.feather`` or ``.arrow``, ``.npz``,
        ``.npy``, ``.mtx``, or ``.svm``, ``.libsvm`` or ``.svmlight``; each may be packed as
        ``.gz``, ``.bz2``, ``.xz``, ``.zst`` or ``.zip``. ``"-"`` is standard input, a text.
    label
        Name or position of the label, or a list for several. Negative positions count from the
        end. False: there is none. Default None: the column named label, class, target or y, or
        else the last one.
    labels_from
        Another file, which has the labels. Its rows belong to those with the same identifiers
        (``ids``, names of samples, or a column that both files have); without any, to those in
        the same order, if there are as many.
    columns, drop, ids
        Names or positions of the features (all by default), of columns to leave out, and of those
        that only name the rows.
    text
        Columns that stay text, also if all of their cells are numbers.
    separator
        ``","``, ``";"``, tab, ``"|"`` or another sign; ``" "`` is one or more blanks or tabs.
    decimal, thousands
        The decimal sign, ``"."`` or ``","``, and the sign between thousands: ``","``, ``"."``,
        ``"'"``, ``" "``, or ``""`` for none.
    header
        Whether the first row has the names of the columns.
    encoding
        The encoding, such as ``"cp1252"``.
    quote
        The sign around cells, ``'"'`` by default; None if quotes are text.
    comment
        The signs with which lines begin that are left out; ``""`` for none. Default: ``#`` or
        ``%`` where such lines are no rows.
    missing, not_missing
        Further spellings of missing cells, and those of ``trulysparse.readers.MISSING`` that are
        none.
    transpose
        The file has a feature in each row: the first column has their names, the header those of
        the samples. The label is such a row. So are ``.gct`` files always.

    Raises
    ------
    ValueError
        If the file is no table, a cell is not what the others of its column are, or its number
        may be two; the message names row and column.
    ImportError
        If a library is missing; the message says how to install it.
    OSError
        If it cannot be read.
    """
    _hints.refuse("read_table", unknown)
    path = _check.path("path", path)
    wanted = {"label": label, "columns": columns, "drop": drop, "ids": ids}
    options = _options(separator, header, quote, comment)
    asked = _asked(decimal, thousands, missing, not_missing, text)
    transpose = _check.boolean("transpose", transpose)
    if labels_from is None:
        return _read(path, encoding, options, asked, wanted, transpose=transpose)
    file = _check.path("labels_from", labels_from)
    if label is False:
        raise ValueError("label = False, and labels_from as well: expected one of them")
    wanted["label"] = False
    table = _read(path, encoding, options, asked, wanted, transpose=transpose)
    return _with_labels(table, path, file, label)


def _with_labels(table: Table, path: str, file: str, label: Any) -> Table:
    from trulysparse.readers import labels

    found = read_table(file, label=False)
    if labels.has_no_header(table, found):
        found = read_table(file, label=False, header=False)
    return labels.joined(table, path, file, found, label)


def _read(
    path: str,
    encoding: str | None,
    options: Options,
    asked: Asked,
    wanted: dict[str, Any],
    *,
    transpose: bool,
) -> Table:
    kind = "" if path == "-" else source.suffix(path)
    if kind in others.BY_NAME:
        with open(path, "rb"):  # else it is not there
            raise ValueError(f"{path} is {others.BY_NAME[kind]}")
    reader = _READERS.get(kind)
    if reader is not None:
        default = (Options(), Asked(), None, transpose and kind == ".mtx")
        if (options, asked, encoding, transpose) != default:
            raise ValueError(
                f"{path} is no text: expected no separator=, header=, missing= and the like"
            )
        return reader(path, source.read_bytes(path), {**wanted, "transpose": transpose})
    source.needs_polars(path)
    return _text(path, encoding, options, asked, wanted, transpose=transpose or kind == ".gct")


def _text(
    path: str,
    encoding: str | None,
    options: Options,
    asked: Asked,
    wanted: dict[str, Any],
    *,
    transpose: bool,
) -> Table:
    from trulysparse.readers import csv

    notes = Notes()
    if transpose:
        what = "standard input" if path == "-" else path
        frame, samples = csv.read_transposed(
            what, source.read_bytes(path), encoding, options, asked, notes
        )
        label = wanted["label"]
        if label is None:
            wanted = {**wanted, "label": _named(frame.columns)}
        return chosen(frame, range(2, frame.height + 2), set(), wanted, notes, samples)
    found = csv.read(path, encoding, options, asked, notes)
    return chosen(found.frame, found.lines, found.unnamed, wanted, notes)


def _named(names: Sequence[str]) -> str | bool:
    """Give the row that is named as labels are: the last one of many genes is none."""
    from trulysparse.readers.table import LABELS

    like = [name for name in names if name.lower() in LABELS]
    return like[0] if len(like) == 1 else False


def _options(
    separator: str | None, header: bool | None, quote: str | None, comment: str | None
) -> Options:
    if separator is not None:
        _check.instance("separator", separator, str, "a sign, such as ';'")
        separator = {"\\t": "\t", "tab": "\t"}.get(separator, separator)
        if separator not in _SEPARATORS:
            raise ValueError(
                f"separator = {_check.shown(separator)}: expected one of "
                + ", ".join(map(repr, sorted(_SEPARATORS)))
            )
        separator = BLANKS if separator == " " else separator
    if header is not None:
        header = _check.boolean("header", header)
    if quote is not None:
        quote = _check.choice("quote", quote, ('"', "'"))
    if comment is not None:
        _check.instance("comment", comment, str, "signs, such as '#'")
    return Options(separator, header, quote, comment)


def _asked(
    decimal: str | None,
    thousands: str | None,
    missing: str | Iterable[str],
    not_missing: str | Iterable[str],
    text: Any,
) -> Asked:
    if decimal is not None:
        decimal = _check.choice("decimal", decimal, (".", ","))
    if thousands is not None:
        thousands = _check.choice("thousands", thousands, ("", ",", ".", "'", "\u2019", " "))
        if thousands == decimal:
            raise ValueError(f"thousands = {thousands!r}, and decimal as well: expected different")
    more, fewer = _words("missing", missing), _words("not_missing", not_missing)
    kept = [_check.plain(one) for one in listed("text", text, "a column, or a list of columns")]
    for one in kept:
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise TypeError(f"text = {_check.shown(one)}: expected a column's name or position")
    return Asked(
        decimal,
        thousands,
        (MISSING - fewer) | more,
        frozenset(kept),
        more,
    )


def _words(name: str, value: str | Iterable[str]) -> frozenset[str]:
    items = listed(name, value, "a list of text")
    for item in items:
        _check.instance(name, item, str, "a list of text")
    return frozenset(item.strip() for item in items)


_READERS = {
    ".parquet": parquet.read,
    ".feather": parquet.read_arrow,
    ".arrow": parquet.read_arrow,
    ".ipc": parquet.read_arrow,
    ".npz": npz.read,
    ".npy": npz.read_array,
    ".mtx": market.read,
    ".svm": svm.read,
    ".libsvm": svm.read,
    ".svmlight": svm.read,
}


WITHOUT_COLUMNS = frozenset({".npz", ".npy", ".svm", ".libsvm", ".svmlight"})
"""Ends of names of files whose columns have no names."""

BINARY = frozenset(_READERS)
"""Ends of names of files that are no text with separators."""
