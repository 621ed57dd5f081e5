"""``trulysparse info``: describe a saved model."""

from __future__ import annotations

import argparse
import json
from typing import Any

from trulysparse.cli.common import add_model, left, say, sizes
from trulysparse.cli.parser import add_command
from trulysparse.cli.tables import described
from trulysparse.cli.tables.described import SHOWN
from trulysparse.cli.tables.saved import Saved
from trulysparse.estimators import KEY


def add(commands: Any) -> None:
    """Add the command."""
    info = add_command(
        commands,
        "info",
        run,
        summary="describe a saved model",
        description="Print the layers of a model, how long it was trained, and what became of the "
        "columns of its table.",
        usage="MODEL [options]",
        examples=_EXAMPLES,
    )
    options = info.add_argument_group("options")
    add_model(options)
    options.add_argument(
        "--columns",
        action="store_true",
        help=f"show what became of every column of the table (default: of {SHOWN})",
    )
    info.help_in(options)


_EXAMPLES = """
    trulysparse info run
    trulysparse info run --columns
"""


def run(args: argparse.Namespace) -> int:
    """Print what the model is and what it has been through."""
    saved = Saved.read(args)
    model = saved.model
    model.summary(print_fn=say)
    say(f"loss: {model.loss}")
    say(f"epochs trained: {model.epochs_trained}")
    say(f"steps trained: {model.steps_trained}")
    say(f"evolutions: {model.evolutions}")
    say(f"pruning: {left(model)}")
    if model.original_layer_sizes != model.layer_sizes:
        say(f"compacted from: {sizes(model.original_layer_sizes)}")
    say(f"seed: {model.seed}")
    say(f"written by: trulysparse {_package(args.model)}")
    if saved.estimator is not None:
        say(f"estimator: {type(saved.estimator).__name__}")
        most = None if args.columns else SHOWN
        say("columns:")
        for line in described.columns(saved.estimator.columns_, most=most):
            say(f"  {line}")
        for sentence in getattr(saved.estimator, "notes_", []):
            say(f"note: {sentence}")
    for key, value in sorted(model.metadata.items()):
        if key == KEY:
            continue  # said above, in words
        say(f"{key}: {value if len(value) <= 100 else value[:97] + '...'}")
    return 0


def _package(path: str) -> str:
    """Give the version of the package that wrote a model file, which has been read before."""
    with open(path, "rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    about = json.loads(header["__metadata__"]["trulysparse"])
    return str(about.get("package", "0.1.0"))  # which alone wrote files without it
