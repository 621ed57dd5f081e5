"""``trulysparse evaluate``: score a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli.common import add_batch_size, add_model, add_threads, default, say
from trulysparse.cli.flags import data, tables
from trulysparse.cli.scores import say_scores
from trulysparse.cli.tables.saved import Rows, Saved
from trulysparse.model import SparseMLP

_ALL_ROWS = (
    "note: this file has no test part, so all of its rows are scored; a model that `train` "
    "made of this very file learnt from four fifths of them"
)
_BATCH_SIZE = default(SparseMLP.evaluate, "batch_size")


def add(commands: Any) -> None:
    """Add the command."""
    evaluate = commands.add_parser(
        "evaluate",
        help="score a saved model",
        description="Print the scores of a model on the test part of data that has one, else on "
        "all rows. Of classes: accuracy, also the mean over classes, the area under the curve, the "
        "logarithmic loss and the confusion matrix; of numbers R2, RMSE and MAE, in their units.",
    )
    evaluate.set_defaults(run=run)
    add_model(evaluate)
    data.add_flags(evaluate, required=True)
    tables.add_columns(evaluate, trains=False)
    tables.add_labels_from(evaluate)
    tables.add_reading(evaluate)
    add_batch_size(evaluate, _BATCH_SIZE)
    add_threads(evaluate)


def run(args: argparse.Namespace) -> int:
    """Print the scores."""
    saved = Saved.read(args)
    rows = saved.labelled(args)
    assert rows.y is not None
    say_samples(rows)
    names = saved.class_names or saved.output_names
    say_scores(say, saved.model, rows.x, rows.y, names, batch_size=args.batch_size)
    return 0


def say_samples(rows: Rows) -> None:
    """Say how many samples are scored, and if a model may know some of them."""
    say(f"data: {rows.name}, {rows.x.shape[0]} samples")
    if rows.is_whole:
        say(_ALL_ROWS)
