"""The command line's pruning: flags of `train`, and the command `prune`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse.datasets import Dataset
from trulysparse.model import SparseMLP
from trulysparse.plot._pruning import save_pruning_curve
from trulysparse.topology.pruning import OVER, PARALLEL, SEQUENTIAL, ImportancePruning, amount

HELD_OUT = 0.1  # of the training rows, on which `train` measures a tolerance
_SWITCHES = "--prune, --prune-percentile or --prune-tolerance"

Say = Callable[[str], None]
Rows = npt.NDArray[Any]


def time(text: str) -> int | float:
    """An epoch, or a share of the epochs below 1."""
    try:
        value: int | float = int(text) if text.isdecimal() else float(text)
    except ValueError:
        value = 0
    if not (value >= 1 if isinstance(value, int) else 0 < value < 1):
        raise argparse.ArgumentTypeError(
            f"expected a whole number above 0 or a share between 0 and 1, got {text!r}"
        )
    return value


def add_flags(training: Any) -> None:
    """Add the flags of pruning while training; what is not given is not in the namespace."""
    start, every, percentile = SEQUENTIAL
    suppress: dict[str, Any] = {"default": argparse.SUPPRESS}
    goal = training.add_mutually_exclusive_group()
    goal.add_argument(
        "--prune",
        action="store_true",
        help="while training, prune the hidden neurons whose importance is at or below the "
        f"percentile {percentile:g} of their layer, {PARALLEL[2]:g} with --parallel (default: no "
        "pruning)",
        **suppress,
    )
    goal.add_argument(
        "--prune-percentile",
        type=float,
        metavar="P",
        help="the same with this percentile, above 0 and below 100",
        **suppress,
    )
    goal.add_argument(
        "--prune-tolerance",
        type=float,
        metavar="T",
        help="prune each time as far as costs at most this much accuracy on a tenth of the "
        "training rows, which are then held out: 0.005 is half a point; the epochs after a pruning "
        "can lose more",
        **suppress,
    )
    training.add_argument(
        "--prune-start",
        type=time,
        metavar="N",
        help="the first epoch after which neurons are pruned, or a share of the epochs such as 0.4 "
        f"(default: {start}, {PARALLEL[0]} with --parallel, or half of the epochs if that is less)",
        **suppress,
    )
    training.add_argument(
        "--prune-every",
        type=time,
        metavar="N",
        help="epochs from one pruning to the next, or a share of them (default: "
        f"{every}, {PARALLEL[1]} with --parallel, at most a twentieth of the epochs)",
        **suppress,
    )
    training.add_argument(
        "--prune-regrow",
        action=argparse.BooleanOptionalAction,
        help="let connections grow to pruned neurons again, so that a network loses more "
        "connections than neurons (default: they may)",
        **suppress,
    )
    training.add_argument(
        "--prune-over",
        choices=OVER,
        help="take the percentile over all neurons of a layer or those with connections only "
        "(default: all)",
        **suppress,
    )


def rule(args: argparse.Namespace, epochs: int) -> ImportancePruning | None:
    """The rule that the flags of `train` ask for, if they do."""
    prefix = "prune_"
    given = {k[len(prefix) :]: v for k, v in vars(args).items() if k.startswith(prefix)}
    switched = hasattr(args, "prune")
    if not switched and not {"percentile", "tolerance"} & set(given):
        if given:
            flags = ", ".join(f"--prune-{key}" for key in given)
            raise ValueError(f"{flags}: expected {_SWITCHES} as well")
        return None
    start, every, _ = PARALLEL if args.parallel else SEQUENTIAL
    given.setdefault("start", max(1, min(start, epochs // 2)))
    given.setdefault("every", max(1, min(every, epochs // 20)))
    found = ImportancePruning(**given).resolved(epochs, parallel=args.parallel is not None)
    assert found.start is not None
    if found.start >= epochs:
        raise ValueError(
            f"--prune-start {given['start']} with --epochs {epochs}: expected a start before "
            "the last epoch, as nothing would be pruned"
        )
    return found


def held_out(data: Dataset, seed: int) -> Dataset:
    """The training rows only, a tenth of them as the test part."""
    from sklearn.model_selection import train_test_split

    x, y = data.x_train, data.y_train
    if len(x) < 2:
        raise ValueError(
            f"--prune-tolerance: expected two or more training rows, to hold some out, got {len(x)}"
        )
    counts = np.bincount(y)
    size = max(round(HELD_OUT * len(x)), 1)
    fits = counts[counts > 0].min() >= 2 and size >= np.count_nonzero(counts)
    parts = train_test_split(
        np.arange(len(x)), test_size=size, random_state=seed, stratify=y if fits else None
    )
    train, held = map(np.sort, parts)
    return replace(data, x_train=x[train], y_train=y[train], x_test=x[held], y_test=y[held])


def add_command(
    commands: Any, add_data: Callable[..., None], add_threads: Callable[..., None]
) -> None:
    """Add the command ``prune``."""
    prune = commands.add_parser(
        "prune",
        help="remove the hidden neurons of a saved model that matter least",
        description="Prune a trained model, write it to a new file and draw its accuracy against "
        "the connections that are left. With --tolerance one half of the rows decides how far to "
        "go and gives the curve; the accuracies that are printed are those of the other half. Use "
        "rows that the model was not trained on.",
    )
    prune.add_argument("model", help="a model.safetensors that `train` wrote")
    add_data(prune, required=True)
    goal = prune.add_mutually_exclusive_group(required=True)
    goal.add_argument(
        "--percentile",
        type=float,
        metavar="P",
        help="prune the neurons whose importance is at or below this percentile of their layer",
    )
    goal.add_argument(
        "--tolerance",
        type=float,
        metavar="T",
        help="prune as far as costs at most this much accuracy: 0.005 is half a point",
    )
    prune.add_argument(
        "--compact",
        action="store_true",
        help="also take the pruned neurons out: the same predictions from a smaller network",
    )
    prune.add_argument(
        "--out",
        type=Path,
        default=Path("pruned.safetensors"),
        metavar="FILE",
        help="the model to write; the curve goes beside it as a .png (default: pruned.safetensors)",
    )
    prune.add_argument("--batch-size", type=int, default=128, help="(default: 128)")
    add_threads(prune)


def check_out(out: Path) -> None:
    """Fail before anything is computed if `out` is no name for a model."""
    if out.suffix == ".png":
        raise ValueError(f"--out {out}: expected the name of a model file, not of a picture")
    if out.is_dir():
        raise ValueError(f"--out {out}: expected the name of a model file, not of a folder")


def run(args: argparse.Namespace, model: SparseMLP, x: Rows, y: Rows, say: Say) -> None:
    """Prune, say what it cost, and write the model and its curve."""
    amount(args.percentile, None, args.tolerance, required=True)
    judged = np.arange(len(x))
    how: dict[str, Any] = {"percentile": args.percentile}
    if args.tolerance is not None:
        if len(x) < 2:
            raise ValueError(f"--tolerance: expected two or more rows, got {len(x)}")
        order = np.random.default_rng(0).permutation(len(x))
        chosen, judged = np.sort(order[::2]), np.sort(order[1::2])
        held = (x[chosen], y[chosen])
        how = {"tolerance": args.tolerance, "validation_data": held}
    size = args.batch_size
    before, connections = model.evaluate(x[judged], y[judged], batch_size=size), model.nnz
    curve = model.pruning_curve(x[judged], y[judged], batch_size=size)
    report = model.prune(**how, batch_size=size)
    after, left = model.evaluate(x[judged], y[judged], batch_size=size), model.nnz
    for entry in report:
        say(
            f"layer {entry['layer']}: {entry['neurons']:,} neurons pruned, with "
            f"{entry['connections']:,} connections"
        )
    say(
        f"connections: {connections:,} -> {left:,} "
        f"({100 * (1 - left / max(connections, 1)):.1f} % gone)"
    )
    if args.compact:
        sizes = "-".join(map(str, model.layer_sizes))
        model.compact()
        say(f"compacted: {sizes} to {'-'.join(map(str, model.layer_sizes))}")
    which = "the other half of the rows" if args.tolerance is not None else "all rows"
    if "accuracy" in before:
        was, now = (100 * scores["accuracy"] for scores in (before, after))
        say(f"accuracy on {which}: {was:.2f} % -> {now:.2f} %")
    else:
        say(f"loss on {which}: {before['loss']:.4f} -> {after['loss']:.4f}")
    args.out.parent.mkdir(parents=True, exist_ok=True)
    model.save(args.out, progress=True)
    say(f"wrote {args.out}")
    picture = args.out.with_suffix(".png")
    picture.unlink(missing_ok=True)
    if "accuracy" not in curve:
        say(f"no picture of the curve: the loss {model.loss} has no accuracy")
        return
    try:
        save_pruning_curve(curve, picture, (left, after["accuracy"]))
    except ImportError:
        say("no picture of the curve without matplotlib: pip install 'trulysparse[plot]'")
    else:
        say(f"wrote {picture}")
