"""What every rule of the topology can say and do."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from trulysparse import _check, _hints
from trulysparse._core import LayerTurnover, Network, Trainer

_Rule = TypeVar("_Rule", bound="Rule")


class Rule(_hints.Worded):
    """How a topology evolves: a rule for ``fit(topology=...)``.

    `SET` and `GradientGrowth` are rules of the core; a `TopologyRule` is written in Python.

    Attributes
    ----------
    start, stop, every : int
        When the topology evolves, as in `SET`.
    batch_size : int or None
        Samples whose gradients are taken. None: as many as a step takes.
    """

    start: int = 1
    stop: int | float | None = None
    every: int = 1
    batch_size: int | None = None

    _takes_samples: ClassVar[bool] = False
    """Whether it can use the gradients on training samples."""

    _needs_samples: ClassVar[bool] = False
    """Whether it cannot do without."""

    _with_strategy: ClassVar[bool] = False
    """Whether several workers can evolve by it."""

    @property
    def _candidates(self) -> float:
        """Candidates for growth that an evolution looks at for each connection of a layer."""
        return 0.0

    def at(self: _Rule, epoch: int, epochs: int) -> _Rule | None:
        """Give the rule of the evolution after an epoch, or None if there is none.

        As `SET.at`.
        """
        epoch = _check.integer("epoch", epoch, 1)
        epochs = _check.integer("epochs", epochs, 1)
        return self if self._is_due(epoch, epochs) else None

    def check(self) -> None:
        """Check the attributes; a fit does so before it begins."""
        evolution_times(self.start, self.stop, self.every)
        _ = self._growth_batch

    @property
    def _growth_batch(self) -> int:
        """Samples whose gradients are taken; 0 for as many as a step takes."""
        size = self.batch_size
        return 0 if size is None else _check.integer("batch_size", size, 1)

    def _is_due(self, epoch: int, epochs: int) -> bool:
        start, stop, every = evolution_times(self.start, self.stop, self.every)
        last = last_evolution(start, stop, every, epochs)
        return start <= epoch <= last and (epoch - start) % every == 0

    def _core(self) -> str:
        """Give the rule as the core takes it, in JSON."""
        raise NotImplementedError(f"{type(self).__name__}: expected a rule of the core")

    def _apply(self, core: Network, trainer: Trainer | None) -> list[LayerTurnover]:
        """Evolve every layer but the last; tell what became of each.

        `trainer`: has the samples that gradients are taken on, if there are some.
        """
        return core.evolve(self._core())

    def _settings(self) -> dict[str, Any] | None:
        """Give what tells it from another rule, in JSON's types; None if that is not known."""
        return None


def evolution_times(start: Any, stop: Any, every: Any) -> tuple[int, int | float | None, int]:
    """Check when a topology evolves; `stop` may be a share of the fit's epochs."""
    start = _check.integer("start", start, 1)
    if stop is not None:
        stop = _check.count_or_share("stop", stop)
        if isinstance(stop, int) and stop < start:
            raise ValueError(f"stop = {stop}: expected at least start = {start}")
    return start, stop, _check.integer("every", every, 1)


def last_evolution(start: int, stop: int | float | None, every: int, epochs: int) -> int:
    """Give the epoch after which a fit evolves its topology last; below `start` if never."""
    if isinstance(stop, float):
        stop = round(stop * epochs)
    last = epochs - 1 if stop is None else min(stop, epochs - 1)
    return start + (last - start) // every * every
