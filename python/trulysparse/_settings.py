"""The objects that say how a model is trained, checked."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from trulysparse import _check
from trulysparse.callbacks import Callback
from trulysparse.optim import SGD
from trulysparse.parallel import WASAP, WASSP
from trulysparse.topology import SET, ImportancePruning

MEMORY = ("fast", "lean", "least")
PAPER_SGD = SGD()
PAPER_SET = SET()


def sgd(optimizer: SGD | None) -> SGD:
    """An optimiser, the paper's if there is none."""
    optimizer = PAPER_SGD if optimizer is None else optimizer
    if not isinstance(optimizer, SGD):
        raise TypeError(f"optimizer = {optimizer!r}: expected a trulysparse.SGD")
    return optimizer


def strategy(strategy: WASSP | WASAP | None) -> WASSP | WASAP | None:
    """How several workers train, if they do."""
    if strategy is None or isinstance(strategy, WASSP | WASAP):
        return strategy
    raise TypeError(f"strategy = {strategy!r}: expected a trulysparse.WASSP or WASAP, or None")


def topology(topology: SET | None) -> SET | None:
    """How the topology evolves, if it does."""
    if topology is None or isinstance(topology, SET):
        return topology
    raise TypeError(f"topology = {topology!r}: expected a trulysparse.SET or None")


def pruning(pruning: ImportancePruning | None) -> ImportancePruning | None:
    """When neurons are pruned, if they are."""
    if pruning is None or isinstance(pruning, ImportancePruning):
        return pruning
    raise TypeError(f"pruning = {pruning!r}: expected a trulysparse.ImportancePruning or None")


def callbacks(callbacks: Iterable[Callback]) -> list[Callback]:
    """What is to be run between epochs."""
    expected = "trulysparse.Callback objects"
    listed = _check.sequence("callbacks", callbacks, f"a sequence of {expected}")
    for callback in listed:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks has {callback!r}: expected {expected}")
    return listed


def memory(memory: Any, strategy: WASSP | WASAP | None = None) -> str:
    """How much memory training may take."""
    name = _check.choice("memory", memory, MEMORY)
    if strategy is not None and name != "fast":
        raise ValueError(f"memory = {name!r}: expected 'fast' with a strategy")
    return name
