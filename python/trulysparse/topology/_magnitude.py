"""What the rules that drop the weakest connections have in common."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar, get_args

from trulysparse import _check, names
from trulysparse.topology._rule import Rule, evolution_times, last_evolution

SCHEDULES: tuple[str, ...] = get_args(names.ZetaSchedule)

_Rule = TypeVar("_Rule", bound="MagnitudeRule")


@dataclass(frozen=True)
class MagnitudeRule(Rule):
    """Drops the fraction `zeta` of each sign; what grows is the subclass's."""

    zeta: float = 0.3
    grow_init: float = 1.0
    schedule: names.ZetaSchedule = "constant"
    start: int = 1
    stop: int | float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        """Check every value."""
        zeta = _check.real("zeta", self.zeta, "a number in [0, 1)", low=0, high=1, high_open=True)
        grow = _check.real("grow_init", self.grow_init, "a finite number of at least 0", low=0)
        object.__setattr__(self, "zeta", zeta)
        object.__setattr__(self, "grow_init", grow)
        object.__setattr__(self, "schedule", _check.choice("schedule", self.schedule, SCHEDULES))
        start, stop, every = evolution_times(self.start, self.stop, self.every)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)
        object.__setattr__(self, "every", every)

    def at(self: _Rule, epoch: int, epochs: int) -> _Rule | None:
        """Give the rule of the evolution after an epoch, with the schedule's `zeta`, if any."""
        epoch = _check.integer("epoch", epoch, 1)
        epochs = _check.integer("epochs", epochs, 1)
        if not self._is_due(epoch, epochs):
            return None
        last = last_evolution(self.start, self.stop, self.every, epochs)
        if self.schedule == "constant" or last == self.start:
            return self
        passed = (epoch - self.start) / (last - self.start)
        return replace(self, zeta=self.zeta * 0.5 * (1.0 + math.cos(math.pi * passed)))

    def _settings(self) -> dict[str, Any]:
        return asdict(self)
