"""``trulysparse evaluate``: score a saved model."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli import metadata
from trulysparse.cli.common import add_batch_size, add_model, add_threads, default, say
from trulysparse.cli.flags import data
from trulysparse.datasets import Dataset
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
        description="Print loss and accuracy: on the test part of data that has one, else on all "
        "rows of a .csv or .npz.",
    )
    evaluate.set_defaults(run=run)
    add_model(evaluate)
    data.add_flags(evaluate, required=True)
    add_batch_size(evaluate, _BATCH_SIZE)
    add_threads(evaluate)


def run(args: argparse.Namespace) -> int:
    """Print the scores."""
    model, dataset = metadata.read(args)
    x, y = metadata.matched(model, dataset)
    say_samples(dataset)
    say(scores(model.evaluate(x, y, batch_size=args.batch_size)))
    return 0


def say_samples(dataset: Dataset) -> None:
    """Say how many samples are scored, and if a model may know some of them."""
    say(f"data: {dataset.name}, {len(dataset.x_test)} samples")
    if len(dataset.x_train) == 0:
        say(_ALL_ROWS)


def scores(found: dict[str, float]) -> str:
    """Say the scores in words."""
    accuracy = f"accuracy {100 * found['accuracy']:.2f} %, " if "accuracy" in found else ""
    return f"{accuracy}loss {found['loss']:.4f}"
