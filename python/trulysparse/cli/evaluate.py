"""``trulysparse evaluate``: score a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli.common import add_computing, add_model, default, say
from trulysparse.cli.flags import data, tables
from trulysparse.cli.parser import Parser, add_command
from trulysparse.cli.scores import say_scores
from trulysparse.cli.tables.saved import Rows, Saved
from trulysparse.data import seen
from trulysparse.model import SparseMLP

_ALL_ROWS = "note: this file has no test part, so all of its rows are scored"
_BATCH_SIZE = default(SparseMLP.evaluate, "batch_size")


def add(commands: Any) -> None:
    """Add the command."""
    evaluate = add_command(
        commands,
        "evaluate",
        run,
        summary="score a saved model",
        description="Print the scores of a model on the test part of data that has one, else on "
        "all rows. Of classes: accuracy, loss, the mean accuracy over classes, the area under the "
        "curve and the confusion matrix. Of numbers: R2, RMSE and MAE, in their units.",
        usage="MODEL --data FILE [options]",
        examples=_EXAMPLES,
    )
    add_labelled(evaluate)
    add_computing(evaluate, _BATCH_SIZE)


_EXAMPLES = """
    trulysparse evaluate run --data new.csv
    trulysparse evaluate run/model.safetensors --data new.csv --label churn
"""


def add_labelled(parser: Parser, first: Any = None) -> None:
    """Add the model, and rows with labels; `first` is the group of what is most used."""
    first = first or parser.add_argument_group("most used")
    add_model(first)
    data.add_data(first)
    data.add_label(first, trains=False)
    columns = parser.add_argument_group("which columns and rows", tables.COLUMNS)
    tables.add_columns(columns, trains=False)
    tables.add_labels_from(columns)
    data.add_folder(columns)
    tables.add_reading(parser)


def run(args: argparse.Namespace) -> int:
    """Print the scores."""
    saved = Saved.read(args)
    rows = saved.labelled(args)
    assert rows.y is not None
    say_samples(saved, rows)
    names = saved.class_names or saved.output_names
    say_scores(say, saved.model, rows.x, rows.y, names, batch_size=args.batch_size)
    return 0


def say_samples(saved: Saved, rows: Rows) -> None:
    """Say how many samples are scored, and whether the model knows some of them."""
    count, features = rows.x.shape
    say(f"data: {rows.name}, {count} samples")
    if not rows.is_whole:
        return
    known = None
    if features == saved.model.original_layer_sizes[0]:
        known = seen.share(getattr(saved.estimator, "_seen", None), rows.x)
    if known is None:
        more = "If the model was trained on this file, it learnt from four fifths of them"
    elif known[0] == 0:
        more = "The model was not trained on any of them"
    else:
        of = f"{round(known[0] * count)}" if known[1] else f"about {100 * known[0]:.0f} %"
        more = (
            f"The model was trained on {of} of them, or on rows with the same cells, so the scores "
            "are too good"
        )
    say(f"{_ALL_ROWS}. {more}")
