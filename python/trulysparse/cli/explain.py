"""``trulysparse explain``: what the columns of single rows contribute to their predictions."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from trulysparse import _files
from trulysparse.attribution import Explanation
from trulysparse.attribution.contributions import OF, asked
from trulysparse.cli.common import add_model, add_threads, default, positive, say, whole
from trulysparse.cli.flags import tables
from trulysparse.cli.parser import add_command
from trulysparse.cli.predict import ids
from trulysparse.cli.tables.saved import Rows, Saved
from trulysparse.estimators import _explaining
from trulysparse.model import SparseMLP

_MOST = 100  # characters of a cell


def _rows(text: str) -> list[int]:
    """Read numbers of rows, as in 0,3,17."""
    found = [whole(part.strip()) for part in text.split(",")]
    if min(found) < 0:
        raise argparse.ArgumentTypeError(f"expected numbers of at least 0, got {text!r}")
    return found


def add(commands: Any) -> None:
    """Add the command."""
    explain = add_command(
        commands,
        "explain",
        run,
        summary="show what columns contribute to the predictions for single rows",
        description="Print, for some rows of a table, the columns that contribute most to the "
        "output with the largest value. The contributions add up to that output less the output of "
        "the mean row (docs/explain.md).",
        usage="MODEL --data FILE [options]",
        examples=_EXAMPLES,
    )
    first = explain.add_argument_group("most used")
    add_model(first)
    first.add_argument(
        "--data",
        required=True,
        metavar="FILE",
        help="a table with the columns that the model was trained on, as `predict` takes it",
    )
    first.add_argument(
        "--rows",
        type=_rows,
        default=[0],
        metavar="N,N",
        help="numbers of the rows to explain, counted from 0 (default: 0)",
    )
    first.add_argument(
        "--top",
        type=positive,
        default=10,
        metavar="N",
        help="columns to print of each row (default: %(default)s)",
    )
    first.add_argument(
        "--of",
        choices=OF,
        metavar="NAME",
        default=default(SparseMLP.explain, "of"),
        help="what is explained: logits, the output before its softmax or sigmoid; log_odds, "
        "log(p / (1 - p)); outputs, the output itself (default: %(default)s)",
    )
    tables.add_columns(explain.add_argument_group("which columns", tables.COLUMNS), trains=False)
    tables.add_reading(explain)
    others = explain.add_argument_group("other options")
    add_threads(others)
    explain.help_in(others)


_EXAMPLES = """
    trulysparse explain run --data new.csv --rows 0,3
    trulysparse explain run --data new.csv --id patient --top 3 --of log_odds
"""


def run(args: argparse.Namespace) -> int:
    """Print the columns that contribute most."""
    saved = Saved.read(args)
    read = saved.unlabelled(args)
    count = read.x.shape[0]
    beyond = [row for row in args.rows if row >= count]
    if beyond:
        raise ValueError(f"--rows {beyond[0]}: expected numbers below {count}, as many as rows")
    found = _explained(saved, read.x[np.array(args.rows)], args.of)
    names = saved.class_names or saved.output_names
    known = [] if read.table is None else ids(read.table)
    for place, row in enumerate(args.rows):
        if place:
            say("")
        name = ", ".join(_files.plain(f"{column} {cells[row]}"[:_MOST]) for column, cells in known)
        which = f"row {row}" + (f" ({name})" if name else "")
        _print(found, names, place, which, _cells(read, row), args.top)
    return 0


def _explained(saved: Saved, x: Any, of: Any) -> Explanation:
    if saved.estimator is None:
        return saved.model.explain(x, of=of)
    wanted = asked(saved.model._core, of, None)
    return _explaining.of_samples(saved.estimator, x, x, wanted)


def _cells(read: Rows, row: int) -> dict[str, str]:
    """Give what the columns of a row hold."""
    x: Any = None if read.table is None else read.table.x
    if not hasattr(x, "columns"):
        return {}
    cells = x[row].row(0) if not hasattr(x, "iloc") else x.iloc[row].tolist()
    texts = ("" if cell is None else str(cell)[:_MOST] for cell in cells)
    return dict(zip(map(str, x.columns), texts, strict=True))


def _print(
    found: Explanation, names: list[str], place: int, row: str, cells: dict[str, str], top: int
) -> None:
    if found.outputs.ndim == 1:
        at, output, base = 0, found.outputs[place], found.base_values[place]
        name = names[-1] if len(names) == 2 else names[0]
    else:
        at = int(found.outputs[place].argmax())
        output, base, name = found.outputs[place, at], found.base_values[place, at], names[at]
    ranked = found.ranked(place, at)
    say(f"{row}: {name}, {found.of} {output:.6g}; the mean row has {base:.6g}")
    shown = [(column, cells.get(column, ""), value) for column, value in ranked[:top]]
    wide = max([len(column) for column, _, _ in shown], default=0)
    cell_wide = max([len(cell) for _, cell, _ in shown], default=0)
    for column, cell, value in shown:
        say(f"  {column:<{wide}}  {cell:<{cell_wide}}  {value:+.6g}")
    rest = ranked[top:]
    if rest:
        say(f"  {len(rest)} other columns: {sum(value for _, value in rest):+.6g}")
