"""``trulysparse plan``: say what a network would take in memory."""

from __future__ import annotations

import argparse
from itertools import chain
from typing import Any

from trulysparse.cli.common import (
    add_batch_size,
    add_memory,
    default,
    layers,
    number,
    positive,
    say,
)
from trulysparse.cli.flags import evolution, network, optimizer
from trulysparse.cli.pages import Page, Section
from trulysparse.config import EPSILON
from trulysparse.memory import plan as plan_memory
from trulysparse.optim.optimizers import BY_NAME
from trulysparse.recipe import RECIPE

_BATCH_SIZE = default(plan_memory, "batch_size")


PAGE = Page(
    "--features N --hidden N [N ...] [options]",
    [
        Section("the network", "features classes hidden epsilon density allocation"),
        Section("its training", "batch-size optimizer memory dropout no-evolve stored"),
    ],
    [
        "trulysparse plan --features 784 --classes 10 --hidden 3x1000",
        "trulysparse plan --features 65536 --hidden 10x5000000 --epsilon 1 --batch-size 32",
    ],
)


def add(commands: Any) -> Any:
    """Add the command."""
    plan = commands.add_parser(
        "plan",
        help="say what a network would take in memory",
        description="Print the bytes of a network and its training, part by part, and what the "
        "machine has. Nothing is allocated.",
    )
    plan.set_defaults(run=run)
    plan.add_argument("--features", type=positive, required=True, help="of the data")
    plan.add_argument(
        "--classes", type=positive, default=2, help="of the data (default: %(default)s)"
    )
    plan.add_argument(
        "--hidden", type=layers, nargs="+", required=True, metavar="N", help=network.HIDDEN
    )
    sparsity = plan.add_mutually_exclusive_group()
    sparsity.add_argument("--epsilon", type=number, help=f"(default: {EPSILON})")
    sparsity.add_argument("--density", type=number, help="connections per possible one")
    network.add_allocation(plan)
    add_batch_size(plan, _BATCH_SIZE)
    plan.add_argument(
        "--dropout", type=number, default=RECIPE.dropout, help="(default: %(default)s)"
    )
    evolution.add_no_evolve(plan)
    optimizer.add_optimizer(plan)
    add_memory(plan)
    plan.add_argument(
        "--stored",
        type=number,
        metavar="N",
        help="for sparse samples: the values that one stores, on average",
    )
    return plan


def run(args: argparse.Namespace) -> int:
    """Print the plan; 1 if it does not fit."""
    memory = plan_memory(
        [args.features, *chain.from_iterable(args.hidden), args.classes],
        epsilon=args.epsilon,
        density=args.density,
        allocation=args.allocation,
        batch_size=args.batch_size,
        dropout=args.dropout,
        evolves=not args.no_evolve,
        memory=args.memory,
        optimizer=BY_NAME[args.optimizer](),
        stored=args.stored,
    )
    for line in str(memory).splitlines():
        say(line)
    return 0 if memory.fits else 1
