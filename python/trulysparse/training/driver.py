"""What the loop over epochs asks of whoever trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, TypeVar

from trulysparse import _core

T = TypeVar("T")

Tick: TypeAlias = Callable[[int, float, float], object]
"""Called about every 100 ms with the samples done, and the loss and accuracy so far."""

Prune: TypeAlias = Callable[[Any], list[Any]]


class Driver(Protocol):
    """What trains, evolves, prunes and evaluates in a fit."""

    @property
    def multiply_adds(self) -> int: ...
    @property
    def prune(self) -> Prune: ...
    def epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores: ...
    def learning_rate(self, epoch: int, step: int) -> float: ...
    def numbers(self) -> dict[str, float]: ...
    def staleness_histogram(self) -> list[int] | None: ...
    def evolve(self, rule: Any) -> object: ...
    def evaluate(self, data: _core.Data, batch_size: int) -> _core.Scores: ...
    def aside(self, work: Callable[[], T]) -> T: ...
