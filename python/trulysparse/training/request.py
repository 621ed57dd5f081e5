"""What a fit was asked to do: its arguments, checked, and what excludes what."""

from __future__ import annotations

import json
import string
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from functools import lru_cache
from typing import Any, TypeVar, cast

import numpy as np

from trulysparse import _check, _core, names
from trulysparse.callbacks.base import Callback
from trulysparse.callbacks.given import callbacks as callbacks
from trulysparse.config import MEMORY, Config
from trulysparse.data.augmentation import ImageAugmentation
from trulysparse.data.columns import Columns
from trulysparse.optim import SGD, Optimizer
from trulysparse.optim.optimizers import named
from trulysparse.parallel.mpi.session import fingerprint
from trulysparse.parallel.strategies import STRATEGIES, Strategy
from trulysparse.streams.rows import RowBlocks
from trulysparse.topology import SET, ImportancePruning, Rule

MOST_EPOCHS = 2**31
PAPER_SGD = SGD()
PAPER_SET = SET()

T = TypeVar("T")


@dataclass
class Request:
    """The arguments of `SparseMLP.fit`, each checked by itself; see there.

    Attributes
    ----------
    core
        The network.
    x, y, sample_weight, validation_data, steps_per_epoch
        As they were given, frames as arrays.
    columns
        The names of the model's columns, for the frames in batches.
    batches
        Whether `x` is an iterator of batches.
    epochs
        The epochs to run.
    """

    core: _core.Network
    x: Any
    y: Any
    batches: bool
    epochs: range
    steps_per_epoch: Any
    batch_size: int
    sample_weight: Any
    validation_data: Any
    optimizer: Optimizer
    topology: Rule | None
    pruning: ImportancePruning | None
    strategy: Strategy | None
    memory: str
    callbacks: list[Callback]
    progress: bool
    augment: ImageAugmentation | None
    columns: Columns
    config: Config = field(init=False)

    def __post_init__(self) -> None:
        """Refuse what excludes something else, and fill in what depends on the others."""
        self.config = Config.of(self.core)
        check(self, CONFLICTS)
        if self.pruning is not None:
            parallel = self.strategy is not None
            self.pruning = self.pruning.resolved(self.epochs.stop, parallel=parallel)

    @property
    def streams(self) -> bool:
        """Whether only a part of the samples is in memory at a time."""
        return self.batches or isinstance(self.x, RowBlocks)

    @property
    def rate_setter(self) -> str | None:
        """The class of a callback that sets the learning rate, if there is one."""
        setters = (callback for callback in self.callbacks if callback.sets_learning_rate)
        return next((type(callback).__name__ for callback in setters), None)

    @property
    def candidates(self) -> float | None:
        """Candidates for growth per connection that evolutions look at; None without evolution."""
        return None if self.topology is None or len(self.epochs) < 2 else self.topology._candidates

    @property
    def growth_batch(self) -> int:
        """Samples whose gradients an evolution takes; 0 for as many as a step takes."""
        return 0 if self.topology is None else self.topology._growth_batch

    def about(self) -> dict[str, Any]:
        """Give what makes it the same fit as another, in JSON's types."""
        counters = self.core.counters()
        about = {
            "version": _core.__version__,
            "model": self.config.to_dict(),
            "network": fingerprint(self.core),
            "counters": [counters.epochs, counters.steps, counters.evolutions],
            "epochs": [self.epochs.start, self.epochs.stop],
            "batch_size": self.batch_size,
            "optimizer": asdict(self.optimizer),
            "topology": None if self.topology is None else self.topology._settings(),
            "pruning": None if self.pruning is None else asdict(self.pruning),
            "augment": None if self.augment is None else asdict(self.augment),
            "strategy": type(self.strategy).__name__,
            **{name: getattr(self.strategy, name, None) for name in _OF_STRATEGIES},
        }
        same: dict[str, Any] = json.loads(json.dumps(about))
        return same


# What of a strategy makes it the same fit; where its files are does not matter.
_OF_STRATEGIES = (
    "workers",
    "local_fraction",
    "warmup_epochs",
    "momentum_correction",
    "scale_local_rate",
    "max_staleness",
    "sharded",
)


@dataclass(frozen=True)
class StepRequest:
    """A network's settings and an optimiser, where there is no fit around them."""

    config: Config
    optimizer: Optimizer


class _Messages(string.Formatter):
    """Formats as `str.format` does, but with ``!r`` as other messages show values."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        shown = _check.shown(value) if conversion == "r" else None
        return super().convert_field(value, conversion) if shown is None else shown


@dataclass(frozen=True)
class Conflict:
    """Arguments that exclude each other: when they do, and the error, with ``{fit}`` filled in."""

    applies: Callable[[Any], object]
    message: str
    kind: type[Exception] = ValueError


def check(fit: Any, conflicts: Sequence[Conflict]) -> None:
    """Raise the error of the first conflict that applies."""
    for conflict in conflicts:
        if conflict.applies(fit):
            raise conflict.kind(_Messages().format(conflict.message, fit=fit))


NO_SRELU = Conflict(
    lambda fit: (
        not fit.optimizer._takes_shared_gradients
        and "srelu" in np.atleast_1d(fit.config.activation)
    ),
    "optimizer = {fit.optimizer!r}: expected a trulysparse.SGD with the activation 'srelu'",
)

# All that excludes something else; what is wrong in itself is refused by the functions below.
CONFLICTS = (
    Conflict(
        lambda fit: not fit.batches and fit.steps_per_epoch is not None,
        "steps_per_epoch = {fit.steps_per_epoch!r}: expected None with arrays, as it is for "
        "iterators of batches",
    ),
    Conflict(
        lambda fit: not fit.streams and fit.y is None,
        "y is missing: expected targets beside x, or an iterator of batches instead of the "
        "{fit.x.__class__.__name__} x",
        TypeError,
    ),
    Conflict(
        lambda fit: fit.streams and fit.strategy,
        "strategy: expected None with an iterator of batches or rows of a file, which one network "
        "trains on",
    ),
    Conflict(
        lambda fit: fit.batches and fit.y is not None,
        "y: expected None, as the iterator x gives the targets in its batches",
        TypeError,
    ),
    Conflict(
        lambda fit: isinstance(fit.x, RowBlocks) and fit.y is not None,
        "y: expected None, as the rows x have their targets (RowBlocks(x, y))",
        TypeError,
    ),
    Conflict(
        lambda fit: fit.batches and fit.sample_weight is not None,
        "sample_weight: expected None, as batches of x can have some",
        TypeError,
    ),
    Conflict(
        lambda fit: isinstance(fit.x, RowBlocks) and fit.sample_weight is not None,
        "sample_weight: expected None, as the rows x have theirs (RowBlocks(x, y, sample_weight=))",
        TypeError,
    ),
    Conflict(
        lambda fit: (
            fit.pruning
            and fit.pruning.tolerance is not None
            and isinstance(fit.validation_data, RowBlocks)
        ),
        "validation_data: expected arrays (x, y) for pruning with tolerance = "
        "{fit.pruning.tolerance!r}, and not rows of a file",
    ),
    Conflict(
        lambda fit: fit.strategy and not fit.optimizer._takes_shared_gradients,
        "optimizer = {fit.optimizer!r}: expected a trulysparse.SGD with a strategy",
    ),
    NO_SRELU,
    Conflict(
        lambda fit: fit.rate_setter and not fit.optimizer.has_constant_rate,
        "schedule = {fit.optimizer.schedule!r}: expected 'constant' with a {fit.rate_setter}",
    ),
    Conflict(
        lambda fit: fit.rate_setter and fit.strategy,
        "strategy = {fit.strategy!r}: expected None with a {fit.rate_setter}",
    ),
    Conflict(
        lambda fit: fit.strategy and fit.topology and not fit.topology._with_strategy,
        "topology = {fit.topology!r}: expected a trulysparse.SET with a strategy",
    ),
    Conflict(
        lambda fit: (
            fit.pruning and fit.pruning.tolerance is not None and fit.validation_data is None
        ),
        "validation_data = None: expected held-out samples for pruning with tolerance = "
        "{fit.pruning.tolerance!r}",
    ),
    Conflict(
        lambda fit: fit.strategy and fit.memory != "fast",
        "memory = {fit.memory!r}: expected 'fast' with a strategy",
    ),
)


# --- arguments by themselves --------------------------------------------------------------------


def optimizer(
    given: Optimizer | names.Optimizer | None, core: _core.Network | None = None
) -> Optimizer:
    """Check the optimiser that is to train a network, if any; the paper's if it is None."""
    before = None if core is None else core.moments_of()
    if given is None and before is not None:
        warnings.warn(
            f"{before} has trained the model, and its moments are dropped: without optimizer "
            f"it is trained by {PAPER_SGD!r}; give optimizer to go on as before",
            RuntimeWarning,
            stacklevel=3,
        )
    return PAPER_SGD if given is None else _again(named(given))


def topology(given: Rule | None) -> Rule | None:
    """Check how the topology evolves, if it does."""
    expected = "a trulysparse.SET, GradientGrowth or TopologyRule, or None"
    rule = _optional("topology", given, Rule, expected)
    if rule is not None:
        rule = _again(rule)
        rule.check()
    return rule


def pruning(given: ImportancePruning | None) -> ImportancePruning | None:
    """Check when neurons are pruned in a fit, if they are."""
    return _optional("pruning", given, ImportancePruning, "a trulysparse.ImportancePruning or None")


def strategy(given: Strategy | None) -> Strategy | None:
    """Check how several workers train, if they do."""
    expected = "a trulysparse.WASSP or WASAP, or None"
    return (
        given if given is None else _again(_check.instance("strategy", given, STRATEGIES, expected))
    )


def augmentation(given: ImageAugmentation | None) -> ImageAugmentation | None:
    """Check how images are changed while training, if they are."""
    return _optional("augment", given, ImageAugmentation, "a trulysparse.ImageAugmentation or None")


def memory(given: names.Memory) -> names.Memory:
    """Check how much memory training may take."""
    return _check.choice("memory", given, MEMORY)


def _optional(
    name: str, value: T | None, kinds: type | tuple[type, ...], expected: str
) -> T | None:
    return None if value is None else _again(_check.instance(name, value, kinds, expected))


def _again(option: T) -> T:
    """Check every field once more: a pickle may have put anything there, past the constructor."""
    if not is_dataclass(option) or isinstance(option, type):
        return option
    kind = type(option)
    inner = {name: getattr(option, name, None) for name in _names(kind)}
    if kind.__module__.startswith(_OWN) and _PLAIN.issuperset(map(type, inner.values())):
        return cast(T, _made(kind, *inner.values()))
    return replace(option, **{name: _again(value) for name, value in inner.items()})


_OWN = f"{__name__.partition('.')[0]}."
# Of these, what is equal and of one type is the same.
_PLAIN = {bool, int, float, str, type(None)}


@lru_cache(maxsize=64)
def _names(kind: type) -> tuple[str, ...]:
    """Give the names of the arguments of a dataclass."""
    return tuple(field.name for field in fields(kind) if field.init)


@lru_cache(maxsize=256, typed=True)
def _made(kind: type, *values: Any) -> Any:
    """Make a frozen dataclass, which checks these values; those of an earlier call are checked."""
    return kind(**dict(zip(_names(kind), values, strict=True)))
