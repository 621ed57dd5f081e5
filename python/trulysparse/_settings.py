"""The objects that say how a model is trained, checked."""

from __future__ import annotations

from typing import Any

from trulysparse import _check, schedules
from trulysparse.augmentation import ImageAugmentation
from trulysparse.callbacks import Callback, LearningRateScheduler
from trulysparse.optim import SGD, Optimizer
from trulysparse.parallel import WASAP, WASSP
from trulysparse.pruning import ImportancePruning
from trulysparse.rules import TopologyRule
from trulysparse.topology import SET, GradientGrowth

MEMORY = ("fast", "lean", "least")
PAPER_SGD = SGD()
PAPER_SET = SET()


def optimizer(
    optimizer: Optimizer | None,
    strategy: WASSP | WASAP | None = None,
    activation: str | list[str] = "",
) -> Optimizer:
    """An optimiser for a model with these activations, the paper's if there is none."""
    optimizer = PAPER_SGD if optimizer is None else optimizer
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"optimizer = {optimizer!r}: expected a trulysparse.SGD or Adam")
    if strategy is not None and not optimizer._applies_alone:
        raise ValueError(f"optimizer = {optimizer!r}: expected a trulysparse.SGD with a strategy")
    activations = [activation] if isinstance(activation, str) else activation
    if "srelu" in activations and not optimizer._applies_alone:
        raise ValueError(
            f"optimizer = {optimizer!r}: expected a trulysparse.SGD with the activation 'srelu'"
        )
    return optimizer


def state_per_parameter(given: Optimizer | None, activation: str | list[str] = "") -> int:
    """How many numbers an optimiser keeps for each parameter."""
    return optimizer(given, None, activation)._state_per_parameter


def callbacks(callbacks: Any, given: Optimizer | None, strategy: Any) -> list[Callback]:
    """Callbacks, none of which sets a learning rate that something else sets too."""
    listed = _check.sequence("callbacks", callbacks, "a sequence of trulysparse.Callback objects")
    for callback in listed:
        if not isinstance(callback, Callback):
            raise TypeError(f"callbacks has {callback!r}: expected trulysparse.Callback objects")
    if any(isinstance(callback, LearningRateScheduler) for callback in listed):
        schedule = optimizer(given).schedule
        if schedules.resolved(schedule) != schedules.Constant():
            raise ValueError(
                f"schedule = {schedule!r}: expected 'constant' with a LearningRateScheduler"
            )
        if strategy is not None:
            raise ValueError(f"strategy = {strategy!r}: expected None with a LearningRateScheduler")
    return listed


def strategy(strategy: WASSP | WASAP | None) -> WASSP | WASAP | None:
    """How several workers train, if they do."""
    if strategy is None or isinstance(strategy, WASSP | WASAP):
        return strategy
    raise TypeError(f"strategy = {strategy!r}: expected a trulysparse.WASSP or WASAP, or None")


def topology(
    topology: SET | TopologyRule | None, strategy: WASSP | WASAP | None = None
) -> SET | TopologyRule | None:
    """How the topology evolves, if it does."""
    if not (topology is None or isinstance(topology, SET | TopologyRule)):
        raise TypeError(
            f"topology = {topology!r}: expected a trulysparse.SET, GradientGrowth or TopologyRule, "
            "or None"
        )
    if strategy is not None and isinstance(topology, GradientGrowth | TopologyRule):
        raise ValueError(f"topology = {topology!r}: expected a trulysparse.SET with a strategy")
    if isinstance(topology, TopologyRule):
        topology.check()
    return topology


def candidates(topology: SET | TopologyRule | None) -> float | None:
    """How many candidates for growth an evolution looks at per connection; None without one."""
    if topology is None:
        return None
    return topology.zeta * topology.samples if isinstance(topology, GradientGrowth) else 0.0


def evolves(evolves: bool | SET | TopologyRule) -> float | None:
    """As `candidates`, of what a plan is asked for."""
    if isinstance(evolves, SET | TopologyRule):
        return candidates(evolves)
    return 0.0 if _check.boolean("evolves", evolves) else None


def growth_batch(topology: SET | TopologyRule | None) -> int:
    """Samples whose gradients an evolution takes; 0 for as many as a step takes."""
    return getattr(topology, "batch_size", None) or 0


def pruning(
    pruning: ImportancePruning | None,
    epochs: int,
    strategy: WASSP | WASAP | None = None,
    *,
    validated: bool,
) -> ImportancePruning | None:
    """When neurons are pruned in a fit, if they are; `validated`: it has held-out samples."""
    if pruning is None:
        return None
    if not isinstance(pruning, ImportancePruning):
        raise TypeError(f"pruning = {pruning!r}: expected a trulysparse.ImportancePruning or None")
    if pruning.tolerance is not None and not validated:
        raise ValueError(
            f"validation_data = None: expected held-out samples for pruning with tolerance = "
            f"{pruning.tolerance!r}"
        )
    return pruning.resolved(epochs, parallel=strategy is not None)


def augmentation(augment: ImageAugmentation | None) -> ImageAugmentation | None:
    """How images are changed while training, if they are."""
    if augment is None or isinstance(augment, ImageAugmentation):
        return augment
    raise TypeError(f"augment = {augment!r}: expected a trulysparse.ImageAugmentation or None")


def memory(memory: Any, strategy: WASSP | WASAP | None = None) -> str:
    """How much memory training may take."""
    name = _check.choice("memory", memory, MEMORY)
    if strategy is not None and name != "fast":
        raise ValueError(f"memory = {name!r}: expected 'fast' with a strategy")
    return name
