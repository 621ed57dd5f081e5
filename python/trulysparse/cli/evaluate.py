"""``trulysparse evaluate``: score a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli.common import add_batch_size, add_model, add_threads, default, say
from trulysparse.cli.flags import data, tables
from trulysparse.cli.pages import COLUMN, READING_TEXT, Page, Section
from trulysparse.cli.scores import say_scores
from trulysparse.cli.tables.saved import Rows, Saved
from trulysparse.data import seen
from trulysparse.model import SparseMLP

_ALL_ROWS = "note: this file has no test part, so all of its rows are scored"
_BATCH_SIZE = default(SparseMLP.evaluate, "batch_size")


PAGE = Page(
    "MODEL --data FILE [options]",
    [
        Section("what to score", "model data label"),
        Section("columns and rows", "id labels-from transpose data-dir", COLUMN),
        Section("speed", "batch-size threads"),
        READING_TEXT,
    ],
    ["trulysparse evaluate run --data table.csv"],
)


def add(commands: Any) -> Any:
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
    return evaluate


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
        more = "if the model was trained on this file, it learnt from four fifths of them"
    elif known[0] == 0:
        more = "the model was not trained on any of them"
    else:
        of = f"{round(known[0] * count)}" if known[1] else f"about {100 * known[0]:.0f} %"
        more = (
            f"the model was trained on {of} of them, or on rows with the same cells, so the scores "
            "are too good"
        )
    say(f"{_ALL_ROWS}; {more}")
