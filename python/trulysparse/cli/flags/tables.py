"""The flags about tables: what their columns are, how text is read, which rows are held out."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.readers.places import Typed

TASKS = ("classification", "regression")


def add_columns(parser: Any, *, trains: bool) -> None:
    """Add which columns are what."""
    if trains:
        _column(parser, "--drop", "leave columns out")
        _column(parser, "--columns", "take these columns only, and the label")
    _column(
        parser,
        "--id",
        "columns that name the rows: they are no features"
        + ("" if trains else ", and are written"),
    )
    parser.add_argument(
        "--transpose",
        action="store_true",
        help="the file has a feature in each row, as tables of genes do",
    )


def add_task(parser: Any) -> None:
    """Add what is learnt, and which rows are held out."""
    parser.add_argument(
        "--task",
        choices=TASKS,
        help="whether the label is a class or a number (default: by the label; whole numbers with "
        "many values are numbers)",
    )
    add_labels_from(parser)
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
    """Add how a text is read; what is not given is found out."""
    reading = parser.add_argument_group(
        "reading text", "What is not given is found out from the file, and said."
    )
    reading.add_argument("--separator", metavar="SIGN", help="such as ';', tab or ' '")
    reading.add_argument("--decimal", choices=(".", ","), help="the decimal sign")
    reading.add_argument("--thousands", metavar="SIGN", help="the sign between thousands")
    reading.add_argument(
        "--header",
        action=argparse.BooleanOptionalAction,
        help="whether the first row has the names of the columns",
    )
    reading.add_argument("--encoding", metavar="NAME", help="such as cp1252")
    reading.add_argument("--comment", metavar="SIGN", help="with which lines begin that are none")
    reading.add_argument(
        "--missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="another spelling of a missing cell, such as -999; once for each",
    )
    reading.add_argument(
        "--not-missing",
        action="append",
        default=[],
        metavar="TEXT",
        help="a spelling that is taken for missing, such as none, and is a level; once for each",
    )
    _column(reading, "--text", "columns that stay text, also if their cells are numbers")


def _column(parser: Any, flag: str, text: str) -> None:
    parser.add_argument(flag, action="append", type=Typed, default=[], metavar="COLUMN", help=text)


def reading(args: argparse.Namespace) -> dict[str, Any]:
    """Give keyword arguments of `read_table`."""
    names = ("separator", "decimal", "thousands", "header", "encoding", "comment")
    found = {name: getattr(args, name) for name in names}
    found["labels_from"] = getattr(args, "labels_from", None)
    found |= {"missing": args.missing, "not_missing": args.not_missing}
    return found | {"transpose": args.transpose}
