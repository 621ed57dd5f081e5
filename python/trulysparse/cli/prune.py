"""``trulysparse prune``: remove the hidden neurons of a saved model that matter least."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trulysparse import _files
from trulysparse.cli.common import (
    add_computing,
    check_folder,
    default,
    number,
    refuse_overwriting,
    say,
    sizes,
    whole,
)
from trulysparse.cli.evaluate import add_labelled, say_samples
from trulysparse.cli.parser import add_command
from trulysparse.cli.tables.saved import Saved
from trulysparse.model import SparseMLP
from trulysparse.plot._pruning import save_pruning_curve
from trulysparse.topology.pruning import amount

_BATCH_SIZE = default(SparseMLP.prune, "batch_size")


def add(commands: Any) -> None:
    """Add the command."""
    prune = add_command(
        commands,
        "prune",
        run,
        summary="remove the hidden neurons of a saved model that matter least",
        description="Prune a trained model, write it to a new file and draw its accuracy against "
        "the connections that are left. With --tolerance one half of the rows decides how far to "
        "go and gives the curve; the accuracies that are printed are those of the other half. Use "
        "rows that the model was not trained on.",
        usage="MODEL --data FILE --tolerance FRACTION [options]",
        examples=_EXAMPLES,
    )
    first = prune.add_argument_group("most used")
    add_labelled(prune, first)
    goal = first.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        "--percentile",
        type=number,
        metavar="P",
        help="prune the neurons whose importance is at or below this percentile of their layer",
    )
    goal.add_argument(
        "--tolerance",
        type=number,
        metavar="FRACTION",
        help="prune as far as costs at most this much accuracy: 0.005 is half a point",
    )
    first.add_argument(
        "--compact",
        action="store_true",
        help="also take the pruned neurons out: the same predictions from a smaller network",
    )
    first.add_argument(
        "--out",
        type=Path,
        default=Path("pruned.safetensors"),
        metavar="FILE",
        help="the model to write, which may replace the one that was read; the curve goes beside "
        "it as a .png (default: %(default)s)",
    )
    add_computing(prune, _BATCH_SIZE, whole)


_EXAMPLES = """
    trulysparse prune run --data new.csv --tolerance 0.005
    trulysparse prune run --data new.csv --percentile 30 --compact
"""


def run(args: argparse.Namespace) -> int:
    """Prune, say what it cost, and write the model and its curve."""
    _check_out(args.out)
    check_folder(args.out.parent)
    refuse_overwriting(args, [args.out], ("data", "data_dir", "labels_from"))
    refuse_overwriting(args, [args.out.with_suffix(".png")])
    saved = Saved.read(args)
    model, read = saved.model, saved.labelled(args)
    x, y = read.x, read.y
    assert y is not None
    say_samples(saved, read)
    amount(args.percentile, None, args.tolerance, required=True)
    judged = np.arange(len(y))
    how: dict[str, Any] = {"percentile": args.percentile}
    if args.tolerance is not None:
        if len(y) < 2:
            raise ValueError(f"--tolerance: expected two or more rows, got {len(y)}")
        order = np.random.default_rng(0).permutation(len(y))
        chosen, judged = np.sort(order[::2]), np.sort(order[1::2])
        how = {"tolerance": args.tolerance, "validation_data": (x[chosen], y[chosen])}
    rows, size = (x[judged], y[judged]), args.batch_size
    before, connections = model.evaluate(*rows, batch_size=size), model.nnz
    curve = model.pruning_curve(*rows, batch_size=size)
    report = model.prune(**how, batch_size=size)
    after, left = model.evaluate(*rows, batch_size=size), model.nnz
    for entry in report:
        say(
            f"layer {entry['layer']}: {entry['neurons']:,} neurons pruned, with "
            f"{entry['connections']:,} connections"
        )
    gone = 100 * (1 - left / max(connections, 1))
    say(f"connections: {connections:,} -> {left:,} ({gone:.1f} % gone)")
    if args.compact:
        whole = sizes(model.layer_sizes)
        model.compact()
        say(f"compacted: {whole} to {sizes(model.layer_sizes)}")
    which = "the other half of the rows" if args.tolerance is not None else "all rows"
    say(_change(which, before, after))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    model.save(args.out, progress=True)
    say(f"wrote {args.out}")
    _draw(args.out.with_suffix(".png"), curve, (left, after.get("accuracy")), model.loss)
    return 0


def _check_out(out: Path) -> None:
    """Fail before anything is computed if `out` is no name for a model."""
    if out.suffix == ".png":
        raise ValueError(f"--out {out}: expected the name of a model file, not of a picture")
    if out.is_dir():
        raise ValueError(f"--out {out}: expected the name of a model file, not of a folder")
    _files.to_write("--out", out)


def _change(which: str, before: Mapping[str, float], after: Mapping[str, float]) -> str:
    if "accuracy" in before:
        was, now = (100 * scores["accuracy"] for scores in (before, after))
        return f"accuracy on {which}: {was:.2f} % -> {now:.2f} %"
    return f"loss on {which}: {before['loss']:.4f} -> {after['loss']:.4f}"


def _draw(picture: Path, curve: Any, end: Any, loss: str) -> None:
    """Draw the curve and what was reached, or say why there is no picture."""
    picture.unlink(missing_ok=True)
    if "accuracy" not in curve:
        say(f"no picture of the curve: the loss {loss} has no accuracy")
        return
    try:
        save_pruning_curve(curve, picture, end)
    except ImportError:
        say("no picture of the curve without matplotlib: pip install 'trulysparse[plot]'")
    else:
        say(f"wrote {picture}")
