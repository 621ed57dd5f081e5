"""The flags of pruning while training."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from trulysparse.cli.common import SPLIT_SEED, epoch_or_share, number
from trulysparse.cli.tables.problem import Problem
from trulysparse.topology.pruning import OVER, PARALLEL, SEQUENTIAL, ImportancePruning

HELD_OUT = 0.1  # of the training rows, on which `train` measures a tolerance
_SWITCHES = "--prune, --prune-percentile or --prune-tolerance"


AMOUNTS = "--prune", "--prune-percentile", "--prune-tolerance"
"""Flags of which one is given at most."""


def add_prune(parser: Any) -> None:
    """Add the flag that prunes as usual."""
    _add(
        parser,
        "--prune",
        "while training, remove the hidden neurons of least importance: those at or below the "
        f"percentile {SEQUENTIAL[2]:g} of their layer, {PARALLEL[2]:g} with --parallel (default: "
        "no pruning)",
        action="store_true",
    )


def add_flags(parser: Any) -> None:
    """Add all flags but `add_prune`'s; what is not given is not in the namespace."""
    _add_amounts(parser)
    start, every, _ = SEQUENTIAL
    _add(
        parser,
        "--prune-start",
        "the first epoch after which neurons are pruned, or a share of the epochs such as 0.4 "
        f"(default: {start}, {PARALLEL[0]} with --parallel, or half of the epochs if that is less)",
        type=epoch_or_share,
        metavar="EPOCH",
    )
    _add(
        parser,
        "--prune-every",
        "epochs from one pruning to the next, or a share of them (default: "
        f"{every}, {PARALLEL[1]} with --parallel, at most a twentieth of the epochs)",
        type=epoch_or_share,
        metavar="N",
    )
    _add(
        parser,
        "--prune-regrow",
        "let connections grow to pruned neurons again, so that a network loses more connections "
        "than neurons (default: they may)",
        action=argparse.BooleanOptionalAction,
    )
    _add(
        parser,
        "--prune-over",
        "whose percentile it is: of all neurons of a layer, or of those with connections "
        f"(default: {ImportancePruning.over})",
        choices=OVER,
    )


def _add_amounts(goal: Any) -> None:
    _add(
        goal,
        "--prune-percentile",
        "instead of --prune: with this percentile, above 0 and below 100",
        type=number,
        metavar="P",
    )
    _add(
        goal,
        "--prune-tolerance",
        "instead of --prune: as far as costs at most this much accuracy each time, such as 0.005, "
        "half a point; a tenth of the training rows is held out to measure it; the epochs "
        "afterwards can lose more",
        type=number,
        metavar="FRACTION",
    )


def _add(parser: Any, flag: str, text: str, **options: Any) -> None:
    parser.add_argument(flag, help=text, default=argparse.SUPPRESS, **options)


def make(args: argparse.Namespace, epochs: int) -> ImportancePruning | None:
    """Make the rule that the flags of `train` ask for, if they do."""
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


def held_out(problem: Problem) -> Problem:
    """Give the training rows only, a tenth of them as the test part."""
    from sklearn.model_selection import train_test_split

    y = problem.y_train
    if len(y) < 2:
        raise ValueError(
            f"--prune-tolerance: expected two or more training rows, to hold some out, got {len(y)}"
        )
    size = max(round(HELD_OUT * len(y)), 1)
    fits = problem.has_classes
    if fits:
        counts = np.bincount(y)
        fits = bool(counts[counts > 0].min() >= 2 and size >= np.count_nonzero(counts))
    parts = train_test_split(
        np.arange(len(y)), test_size=size, random_state=SPLIT_SEED, stratify=y if fits else None
    )
    return problem.of(*map(np.sort, parts))
