"""What ``--data`` names, if it is a table of the user's own, and the table itself."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trulysparse.cli.common import note
from trulysparse.cli.flags import tables as flags
from trulysparse.datasets import NAMES
from trulysparse.readers import Table, read_table
from trulysparse.readers.read import WITH_TYPES, WITHOUT_COLUMNS
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
    """Tell whether the types of columns are found out, rather than in such a file."""
    return data == "-" or suffix(data) not in WITH_TYPES


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
            "the path of a table, or a folder or .zip of images"
        )
    return read_table(args.data, label, **flags.reading(args), **columns)


def labels(given: Sequence[Any]) -> Any:
    """Give the label as `read_table` takes it: None, one, or a list of several."""
    return None if not given else given[0] if len(given) == 1 else list(given)


def say_notes(table: Table) -> None:
    """Say what was found out of the file."""
    for sentence in table.notes:
        note(sentence)
