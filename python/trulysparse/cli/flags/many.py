"""The flags of several networks in one."""

from __future__ import annotations

import argparse
from typing import Any

from trulysparse.cli.common import positive
from trulysparse.cli.presets import Chosen
from trulysparse.estimators._many import MOST
from trulysparse.topology.pruning import ImportancePruning


def add_flags(parser: Any) -> None:
    """Add all flags."""
    parser.add_argument(
        "--members",
        type=positive,
        default=1,
        metavar="N",
        help="train N networks side by side, with other connections and seeds, and average them; "
        "the model is one network with the neurons of all (default: %(default)s)",
    )
    parser.add_argument(
        "--snapshots",
        type=positive,
        default=1,
        metavar="N",
        help="average the network at N points of one run, up to each of which the learning rate "
        "falls anew from the full one to 0; with --members those of each (default: %(default)s)",
    )


def said(args: argparse.Namespace) -> dict[str, int]:
    """Give what the user is told, by the names of the flags."""
    counts = {name: getattr(args, name) for name in ("members", "snapshots")}
    return {name: count for name, count in counts.items() if count > 1}


def check(args: argparse.Namespace, chosen: Chosen, pruned: ImportancePruning | None) -> None:
    """Raise ValueError for other flags that exclude several networks in one."""
    for name in ("members", "snapshots"):
        count = getattr(args, name)
        if count > MOST:
            raise ValueError(f"--{name} {count}: expected {MOST} or fewer")
        if count > 1 and args.parallel is not None:
            raise ValueError(f"--{name} {count}: expected no --parallel, which trains one network")
    if args.members > 1 and pruned is not None and pruned.tolerance is not None:
        raise ValueError(f"--members {args.members}: expected no --prune-tolerance")
    if args.snapshots == 1:
        return
    for name, usual in (("schedule", "cosine"), ("warmup", 0.0)):
        if chosen[name] != usual:
            raise ValueError(
                f"--snapshots {args.snapshots}: expected --{name} {usual}, got {chosen[name]}"
            )
    if chosen["epochs"] is not None and chosen["epochs"] < args.snapshots:
        raise ValueError(
            f"--snapshots {args.snapshots}: expected as many epochs or more, got {chosen['epochs']}"
        )
