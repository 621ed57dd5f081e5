"""``trulysparse predict``: write what a saved model says of new rows."""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _files
from trulysparse.cli.common import (
    add_computing,
    add_model,
    default,
    refuse_overwriting,
    say,
)
from trulysparse.cli.flags import tables
from trulysparse.cli.parser import add_command
from trulysparse.cli.tables.saved import Saved
from trulysparse.cli.tables.targets import as_text
from trulysparse.model import SparseMLP
from trulysparse.readers import Table

_BATCH_SIZE = default(SparseMLP.predict, "batch_size")
_PIPE = Path("-")

Array = npt.NDArray[Any]


def add(commands: Any) -> None:
    """Add the command."""
    predict = add_command(
        commands,
        "predict",
        run,
        summary="write what a saved model says of new rows",
        description="Write a .csv with a line for every row: its class and the probability of each "
        "class, or the numbers that are predicted, in the units of the label.",
        usage="MODEL --data FILE [options]",
        examples=_EXAMPLES,
    )
    first = predict.add_argument_group("most used")
    add_model(first)
    first.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="a table with the columns that the model was trained on, in any order and among "
        "others, in any format that `train` reads; - is standard input",
    )
    first.add_argument(
        "--out",
        type=Path,
        default=Path("predictions.csv"),
        metavar="FILE",
        help="the .csv to write, - for standard output (default: %(default)s)",
    )
    tables.add_columns(predict.add_argument_group("which columns", tables.COLUMNS), trains=False)
    tables.add_reading(predict)
    add_computing(predict, _BATCH_SIZE)


_EXAMPLES = """
    trulysparse predict run --data new.csv --out predictions.csv
    trulysparse predict run --data new.csv --id patient --out -
"""


def run(args: argparse.Namespace) -> int:
    """Write the table."""
    refuse_overwriting(args, [args.out] if args.out != _PIPE else [])
    saved = Saved.read(args)
    names = saved.class_names
    rows = saved.unlabelled(args)
    outputs = saved.model.predict(rows.x, batch_size=args.batch_size)
    assert rows.table is not None
    found = _columns(outputs, names, saved.output_names, labels=saved.has_labels)
    taken = {name for name, _ in found}
    columns = [*((_free(name, taken), cells) for name, cells in ids(rows.table)), *found]
    with _opened(args.out) as file:
        writer = csv.writer(file)
        writer.writerow([name for name, _ in columns])
        writer.writerows(zip(*(values for _, values in columns), strict=True))
    if args.out != _PIPE:
        say(f"wrote {args.out}, {len(outputs)} rows")
    return 0


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    if path == _PIPE:
        try:
            yield sys.stdout
            sys.stdout.flush()
        except BrokenPipeError:  # `| head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    with _files.writing(path), open(path, "w", newline="", encoding="utf-8") as file:
        yield file


def _free(name: str, taken: set[str]) -> str:
    """Give another name to identifiers that are called as a column of predictions is."""
    while name in taken:
        name = f"id_{name}"
    return name


def ids(table: Table) -> list[tuple[str, Sequence[str]]]:
    """Give the columns that name the rows."""
    given = table.ids
    if given is None:
        return []
    if hasattr(given, "get_columns"):
        return [(column.name, as_text(column)) for column in given.get_columns()]
    if hasattr(given, "name"):
        return [(given.name or "id", as_text(given))]
    return [("id", list(map(str, np.asarray(given).tolist())))]


def _columns(
    outputs: Array, classes: Sequence[str] | None, names: Sequence[str], *, labels: bool
) -> list[tuple[str, Sequence[str]]]:
    """Give class and probabilities, of several labels 0 or 1, or without `classes` the outputs.

    The class of a row without finite probabilities is empty.
    """
    if labels:
        marks = [
            (name, ["1" if p > 0.5 else "0" for p in column])
            for name, column in zip(names, outputs.T, strict=True)
        ]
        return [*marks, *_probabilities(names, outputs)]
    if classes is None:
        return [(name, _said(column)) for name, column in zip(names, outputs.T, strict=True)]
    if outputs.shape[1] == 1:
        outputs = np.hstack([1 - outputs, outputs])
    best = np.argmax(outputs, axis=1)
    known = np.isfinite(outputs.sum(axis=1, dtype=np.float64)).tolist()
    found = [classes[k] if is_known else "" for k, is_known in zip(best, known, strict=True)]
    return [("class", found), *_probabilities(classes, outputs)]


def _probabilities(names: Sequence[str], outputs: Array) -> list[tuple[str, Sequence[str]]]:
    return [
        (f"probability_{name}", _said(column))
        for name, column in zip(names, outputs.T, strict=True)
    ]


def _said(column: Array) -> list[str]:
    """Write numbers so that the same bits are read again."""
    return list(map(str, column))
