"""What ``--data`` names, if it is a table of the user's own, and the table itself."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trulysparse.cli.common import note
from trulysparse.cli.flags import tables as flags
from trulysparse.cli.parser import meant
from trulysparse.datasets import NAMES
from trulysparse.readers import Table, read_table
from trulysparse.readers.read import BINARY, WITHOUT_COLUMNS
from trulysparse.readers.source import suffix

_IMAGES = ".zip"


def is_table(data: str) -> bool:
    """Tell whether this is the path of a table rather than a known data set or images."""
    if data in NAMES or data.startswith("synthetic:"):
        return False
    path = Path(data)
    return data == "-" or not (path.suffix.lower() == _IMAGES or path.is_dir())


def has_columns(data: str) -> bool:
    """Tell whether columns of such a file have names."""
    return data == "-" or suffix(data) not in WITHOUT_COLUMNS


def is_text(data: str) -> bool:
    """Tell whether such a file is text, whose cells have to be told apart."""
    return data == "-" or suffix(data) not in BINARY


def name_of(data: str) -> str:
    """Give what to call a table in print."""
    if data == "-":
        return "standard input"
    name = Path(data).name
    return name.partition(".")[0] or name


def read(args: argparse.Namespace, label: Any, **columns: Any) -> Table:
    """Read the table, with what the flags say of it.

    Parameters
    ----------
    args
        The flags.
    label, **columns
        As `read_table` takes them.
    """
    if args.data != "-" and not Path(args.data).exists() and not Path(args.data).suffix:
        raise ValueError(
            f"unknown data {args.data!r}: expected one of {', '.join(NAMES)}, synthetic:FEATURES, "
            f"the path of a table, or a folder or .zip of images{meant(args.data, NAMES)}"
        )
    if is_text(args.data):  # identifiers stay what the file has
        columns["text"] = [*columns.get("text", ()), *args.id]
    try:
        return read_table(args.data, label, **flags.reading(args), **columns)
    except ValueError as error:
        raise ValueError(by_flags(str(error), args)) from None


def by_flags(sentence: str, args: argparse.Namespace) -> str:
    """Give a sentence of `read_table` with the names of flags."""
    group = getattr(args, "group", None) or getattr(args, "time", None)
    for flag in ("group", "time"):
        if getattr(args, flag, None) is not None:
            sentence = sentence.replace(f"ids={str(group)!r}", f"--{flag} {group}")
    sentence = re.sub(r"\btext=\['([^']*)'\]", r"--text '\1'", sentence)
    for option, flag in _FLAGS.items():
        sentence = re.sub(rf"\b{option}(?=[^\s:])", f"{flag} ", sentence)
        sentence = re.sub(rf"\b{option}", flag, sentence)
    unknown = _NO_COLUMN.fullmatch(sentence)
    if unknown is not None:
        sentence += meant(unknown[1], re.findall("'([^']*)'", unknown[2]))
    return sentence


_NO_COLUMN = re.compile(r"no column --[a-z]+ '(.*)': expected one of (.*)", re.DOTALL)


_FLAGS = {"not_missing=": "--not-missing", "missing=": "--missing", "header=False": "--no-header",
          "ids=": "--id", "label=": "--label", "drop=": "--drop",
          "columns=": "--columns"}  # fmt: skip


def labels(given: Sequence[Any]) -> Any:
    """Give the label as `read_table` takes it: None, one, or a list of several."""
    return None if not given else given[0] if len(given) == 1 else list(given)


def say_notes(table: Table, args: argparse.Namespace) -> None:
    """Say what was found out of the file."""
    for sentence in table.notes:
        note(by_flags(sentence, args))
