"""The flags about tables: what their columns are, how text is read, which rows are held out."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.readers.places import Typed

TASKS = ("classification", "regression")
COLUMNS = "COLUMN is a name or a position (0 first, -1 last), or several with commas."


def add_columns(parser: Any, *, trains: bool) -> None:
    """Add which columns are what."""
    if trains:
        _column(parser, "--drop", "leave these columns out")
        _column(parser, "--columns", "take only these columns and the label")
    _column(
        parser,
        "--id",
        "columns that name the rows: they are no features"
        + ("" if trains else ", and stand beside the results"),
    )
    parser.add_argument(
        "--transpose",
        action="store_true",
        help="the file has a feature in each row, as tables of genes do",
    )


def add_task(parser: Any) -> None:
    """Add what is learnt."""
    parser.add_argument(
        "--task",
        choices=TASKS,
        metavar="TASK",
        help=f"{' or '.join(TASKS)}: whether the label is a class or a number (default: by the "
        "label; whole numbers with many values are numbers)",
    )


def add_rows(parser: Any) -> None:
    """Add which rows are taken, and which are held out."""
    parser.add_argument(
        "--drop-unlabelled", action="store_true", help="leave rows without a label out"
    )
    rows = parser.add_mutually_exclusive_group()
    rows.add_argument(
        "--group",
        type=Typed,
        metavar="COLUMN",
        help="hold out whole groups of rows, such as all of a patient's; the column is no feature",
    )
    rows.add_argument(
        "--time",
        type=Typed,
        metavar="COLUMN",
        help="hold out the latest rows instead of some at random",
    )


def add_labels_from(parser: Any) -> None:
    """Add the file of the labels."""
    parser.add_argument(
        "--labels-from",
        metavar="FILE",
        help="the file that has the labels, by the identifiers of the rows, or in their order",
    )


def add_reading(parser: Any) -> None:
    """Add how a table is read; what is not given is found out."""
    reading = parser.add_argument_group(
        "how a table is read", "What is not given is found out from the file, and said."
    )
    reading.add_argument("--separator", metavar="SIGN", help="between cells: ';', tab or ' '")
    reading.add_argument(
        "--decimal", choices=(".", ","), metavar="SIGN", help="the decimal sign, '.' or ','"
    )
    reading.add_argument("--thousands", metavar="SIGN", help="the sign between thousands")
    reading.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row has the names of the columns",
    )
    reading.add_argument("--encoding", metavar="NAME", help="of the text, such as cp1252")
    reading.add_argument("--comment", metavar="SIGN", help="what lines begin with that are skipped")
    reading.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="another spelling of a missing cell, such as -999; once for each spelling",
    )
    reading.add_argument(
        "--not-missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a spelling, such as none, that is a level and not missing; once for each",
    )
    _column(reading, "--text", "columns that stay text, though their cells are numbers")


def _column(parser: Any, flag: str, text: str) -> None:
    parser.add_argument(flag, action="append", type=Typed, default=[], metavar="COLUMN", help=text)


def reading(args: argparse.Namespace) -> dict[str, Any]:
    """Give keyword arguments of `read_table`."""
    names = ("separator", "decimal", "thousands", "header", "encoding", "comment")
    found = {name: getattr(args, name) for name in names}
    found["labels_from"] = getattr(args, "labels_from", None)
    found |= {"missing": args.missing, "not_missing": args.not_missing}
    return found | {"transpose": args.transpose}
