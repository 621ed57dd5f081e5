"""``trulysparse report``: one page of HTML about a saved model and a table."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np

from trulysparse.cli.common import (
    add_computing,
    default,
    positive,
    refuse_overwriting,
    say,
    whole,
)
from trulysparse.cli.evaluate import add_labelled
from trulysparse.cli.parser import add_command
from trulysparse.cli.tables.saved import Rows, Saved
from trulysparse.estimators import SparseMLPClassifier, _reported
from trulysparse.estimators._targets import Classes
from trulysparse.report.making import FOLDS, Asked, asked, made
from trulysparse.report.of_model import of_network
from trulysparse.report.subject import CLASSES, Array, Subject

_DEFAULTS = {name: default(SparseMLPClassifier.report, name) for name in (
    "top", "resamples", "seed", "batch_size")}  # fmt: skip


def add(commands: Any) -> None:
    """Add the command."""
    report = add_command(
        commands,
        "report",
        run,
        summary="show a saved model and how it does on a table: a page of HTML",
        description="Write a page that stands alone, for a colleague: scores with intervals, "
        "mistakes, calibration, the columns that matter most, the table, learning curves, pruning "
        "and connections. It needs matplotlib: pip install 'trulysparse[plot]'.",
        usage="MODEL --data FILE [options]",
        examples=_EXAMPLES,
    )
    first = report.add_argument_group("most used")
    add_labelled(report, first)
    first.add_argument(
        "--unlabelled",
        action="store_true",
        help="the table has no labels, or none that count: nothing is scored",
    )
    first.add_argument(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="the page to write (default: %(default)s)",
    )
    page = report.add_argument_group("what the page shows")
    page.add_argument("--title", metavar="TEXT", help="of the page (default: by the table)")
    page.add_argument(
        "--top",
        type=positive,
        default=_DEFAULTS["top"],
        metavar="N",
        help="columns to show (default: %(default)s)",
    )
    page.add_argument(
        "--refit",
        type=positive,
        nargs="?",
        const=FOLDS,
        default=0,
        metavar="FOLDS",
        help="train the same estimator again on folds of the table, and show the mean and spread "
        f"of the scores (default: not at all; {FOLDS} folds if no number is given)",
    )
    page.add_argument(
        "--resamples",
        type=positive,
        default=_DEFAULTS["resamples"],
        metavar="N",
        help="resamples of the rows, for intervals (default: %(default)s)",
    )
    page.add_argument(
        "--seed",
        type=whole,
        metavar="N",
        default=_DEFAULTS["seed"],
        help="of what is drawn (default: %(default)s)",
    )
    add_computing(report, _DEFAULTS["batch_size"])


_EXAMPLES = """
    trulysparse report run --data new.csv --out report.html
    trulysparse report run --data new.csv --unlabelled --title "New rows" --top 5
"""


def run(args: argparse.Namespace) -> int:
    """Write the page."""
    wanted = _asked(args)
    refuse_overwriting(args, [args.out])
    saved = Saved.read(args)
    if args.refit and saved.estimator is None:
        raise ValueError(
            "--refit: expected the model of a table, or a file of `estimator.save`, of which it is "
            "known how it was trained"
        )
    if args.unlabelled:
        rows = saved.unlabelled(args)
    else:
        rows = saved.labelled(args, keeps_unlabelled=True)
    wanted = wanted._replace(name=rows.name)
    found = _subject(saved, rows, wanted)
    if rows.is_whole and found.seen is None and found.y is not None:
        found.remarks.append("All rows of the file are looked at, as it has no test part.")
    text = made(found, wanted)
    say(f"wrote {args.out}, {len(text.encode()) / 1000:,.0f} kB")
    return 0


def _asked(args: argparse.Namespace) -> Asked:
    try:
        return asked(
            os.fspath(args.out),
            title=args.title,
            top=args.top,
            folds=args.refit,
            resamples=args.resamples,
            seed=args.seed,
            batch_size=args.batch_size,
        )
    except ValueError as error:  # in the words of the flags
        flags = {"folds": "refit"}
        name, _, rest = str(error).partition(" ")
        raise ValueError(f"--{flags.get(name, name)} {rest}") from None


def _subject(saved: Saved, rows: Rows, wanted: Asked) -> Subject:
    size = wanted.options.batch_size
    estimator = saved.estimator
    if estimator is None:
        names = {"classes": saved.class_names, "outputs": saved.output_names}
        y = rows.y
        if saved.class_names is not None and saved.model.layer_sizes[-1] == 1 and y is not None:
            y = y.astype(np.float32)[:, None]
        return of_network(saved.model, rows.x, y, batch_size=size, **names)
    found = _reported.of_samples(estimator, rows.x, rows.y, wanted, table=saved.given)
    if found.kind != CLASSES:
        found.names = saved.output_names
    _reported.add_folds(found, estimator, saved.given, _targets(saved, rows.y), wanted)
    return found


def _targets(saved: Saved, y: Array | None) -> Array | None:
    """Give targets as the estimator takes them, None or NaN where one is missing."""
    target = saved.estimator._target
    if y is None or not isinstance(target, Classes):
        return y[:, 0] if y is not None and getattr(target, "one_per_sample", False) else y
    if (y >= 0).all():
        return np.asarray(target.classes[y])
    found = target.classes.astype(object)[np.maximum(y, 0)]
    found[y < 0] = None
    return np.asarray(found)
