"""The driver of a fit on one batch at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from trulysparse import _core
from trulysparse.topology import Rule
from trulysparse.training.driver import Tick

T = TypeVar("T")


class Sequential:
    """The network as it is, on all of its threads."""

    def __init__(self, core: _core.Network, trainer: _core.Trainer, data: _core.Data) -> None:
        self._core = core
        self._trainer = trainer
        self._data = data
        self._begun = False
        self._constants = [core.constant(data)]
        self.prune = core.prune

    @property
    def learning_rate_before_schedule(self) -> float:
        """The learning rate before the schedule's factor; can be set."""
        return self._trainer.base_rate

    @learning_rate_before_schedule.setter
    def learning_rate_before_schedule(self, rate: float) -> None:
        self._trainer.set_base_rate(rate)

    @property
    def multiply_adds(self) -> int:
        """The multiply-adds of all epochs of the fit so far."""
        return self._trainer.multiply_adds

    @property
    def limited(self) -> int:
        """The steps of the fit so far in which weights of samples were limited."""
        return self._trainer.limited

    def constants(self) -> list[_core.Constant]:
        """Give the best constant prediction."""
        return self._constants

    def measure(self, most: int | None) -> _core.Measured:
        """Measure the loss of the training samples, or of at most `most` of them."""
        return self._trainer.measure(most)

    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        """Train for an epoch; give its scores."""
        if not self._begun:
            self._core.take_up_constants(self._data)
            self._begun = True
        return self._trainer.epoch(first_step, tick=tick)

    def learning_rate(self, epoch: int, step: int) -> float:
        """Give the learning rate of a step."""
        return self._trainer.learning_rate(step)

    def evolve(self, rule: Rule) -> object:
        """Evolve the topology."""
        return rule._apply(self._core, self._trainer)

    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores:
        """Score held-out samples."""
        return self._trainer.evaluate(data)

    def aside(self, work: Callable[[], T]) -> T:
        """Do long work that is not training."""
        return work()

    def numbers(self) -> dict[str, float]:
        """Give what the logs have beside the scores."""
        return {}

    def workers(self) -> list[_core.Network]:
        """Give none: only the one network trains."""
        return []

    def resume(self, workers: list[_core.Network]) -> None:
        """Do nothing: there are no workers."""

    def staleness_histogram(self) -> None:
        """Give None: there are no stale gradients."""
        return None
