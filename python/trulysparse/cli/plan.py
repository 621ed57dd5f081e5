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
from trulysparse.cli.parser import add_command
from trulysparse.config import EPSILON
from trulysparse.memory import plan as plan_memory
from trulysparse.optim.optimizers import BY_NAME
from trulysparse.recipe import RECIPE

_BATCH_SIZE = default(plan_memory, "batch_size")


def add(commands: Any) -> None:
    """Add the command."""
    plan = add_command(
        commands,
        "plan",
        run,
        summary="say what a network would take in memory",
        description="Print the bytes of a network and its training, part by part, and what the "
        "machine has. Nothing is allocated.",
        usage="--features N --hidden N [options]",
        examples=_EXAMPLES,
    )
    sizes = plan.add_argument_group("the network")
    sizes.add_argument(
        "--features", type=positive, required=True, metavar="N", help="columns of the data"
    )
    sizes.add_argument(
        "--classes",
        type=positive,
        default=2,
        metavar="N",
        help="classes of the data (default: %(default)s)",
    )
    sizes.add_argument(
        "--hidden", type=layers, nargs="+", required=True, metavar="N", help=network.HIDDEN
    )
    sparsity = sizes.add_mutually_exclusive_group()
    sparsity.add_argument(
        "--epsilon", type=number, metavar="N", help=f"{network.EPSILON} (default: {EPSILON})"
    )
    sparsity.add_argument(
        "--density",
        type=number,
        metavar="FRACTION",
        help="connections per possible one, instead of --epsilon",
    )
    network.add_allocation(sizes)
    _add_training(plan.add_argument_group("its training"))
    others = plan.add_argument_group("other options")
    plan.help_in(others)


_EXAMPLES = """
    trulysparse plan --features 784 --classes 10 --hidden 3x1000
    trulysparse plan --features 1000000 --hidden 300 --density 0.001 --memory lean
"""


def _add_training(training: Any) -> None:
    add_batch_size(training, _BATCH_SIZE)
    training.add_argument(
        "--dropout",
        type=number,
        default=RECIPE.dropout,
        metavar="FRACTION",
        help="hidden neurons that a step leaves out (default: %(default)s)",
    )
    evolution.add_no_evolve(training)
    optimizer.add_optimizer(training)
    add_memory(training)
    training.add_argument(
        "--stored",
        type=number,
        metavar="N",
        help="for sparse samples: the values that one stores, on average",
    )


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
