"""Learning-rate schedules: how the rate of an optimiser changes over a fit.

All lengths are fractions of the steps of a fit, so a schedule means the same for any number of
epochs; with `initial_epoch` the fit is the whole one, up to `epochs`. A ``warmup`` comes before any
of them: over that fraction of the steps the rate rises in equal steps to the optimiser's
`learning_rate`, and the schedule takes what is left. `SparseMLP.train_on_batch` is a fit of one
step and has the full rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from trulysparse import _check, _hints


def _fraction(name: str, value: Any) -> float:
    return _check.real(name, value, "a number above 0 and at most 1", low=0, high=1, low_open=True)


@_hints.frozen
@dataclass(frozen=True)
class _Scheduled(_hints.Worded):
    """What all schedules share."""

    _name: ClassVar[str]

    def __post_init__(self) -> None:
        """Check every value."""
        for name, value in vars(self).items():
            number: float
            if name in ("warmup", "first"):
                number = _check.real(
                    name, value, "a number in [0, 1)", low=0, high=1, high_open=True
                )
            elif name == "final":
                number = _check.real(name, value, "a number in [0, 1]", low=0, high=1)
            elif name == "count":
                number = _check.integer(name, value, 1)
            else:
                number = _fraction(name, value)
            object.__setattr__(self, name, number)

    def _core(self) -> dict[str, Any]:
        numbers = dict(vars(self))
        return {"warmup": numbers.pop("warmup"), "fall": {"name": self._name, **numbers}}


@_hints.frozen
@dataclass(frozen=True)
class Constant(_Scheduled):
    """The learning rate as it is.

    Parameters
    ----------
    warmup
        In [0, 1): the fraction of the fit's steps over which the rate rises to the full one.
        Default 0.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _name: ClassVar[str] = "constant"
    warmup: float = 0.0


@_hints.frozen
@dataclass(frozen=True)
class StepDecay(_Scheduled):
    """The learning rate multiplied by a factor at equal intervals.

    Parameters
    ----------
    every
        In (0, 1]: the fraction of the fit's steps (after the warm-up) between two of them. Default
        1/3: twice in a fit. In epochs: ``every=30 / 100`` is every 30 epochs of 100.
    factor
        In (0, 1]. Default 0.1.
    warmup
        As in `Constant`.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _name: ClassVar[str] = "step"
    every: float = 1 / 3
    factor: float = 0.1
    warmup: float = 0.0


@_hints.frozen
@dataclass(frozen=True)
class ExponentialDecay(_Scheduled):
    """The learning rate multiplied by the same factor in every step.

    Parameters
    ----------
    factor
        In (0, 1]: what is left of the rate at the end of the fit; after half of the steps it is the
        root of this. Default 0.01. A factor ``f`` per epoch is ``f**epochs``.
    warmup
        As in `Constant`.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _name: ClassVar[str] = "exponential"
    factor: float = 0.01
    warmup: float = 0.0


@_hints.frozen
@dataclass(frozen=True)
class Cosine(_Scheduled):
    """The learning rate along half a cosine.

    Parameters
    ----------
    final
        In [0, 1]: what is left of the rate at the end of the fit. Default 0.
    warmup
        As in `Constant`.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _name: ClassVar[str] = "cosine"
    final: float = 0.0
    warmup: float = 0.0


@_hints.frozen
@dataclass(frozen=True)
class Cycles(_Scheduled):
    """The full rate at first, and then halves of a cosine down to 0, each from the full rate.

    Parameters
    ----------
    first
        In [0, 1): the fraction of the fit's steps before the first cycle. Default 1/4.
    count
        How many cycles of the same length there are, at least 1. Default 3.
    warmup
        As in `Constant`.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _name: ClassVar[str] = "cycles"
    first: float = 0.25
    count: int = 3
    warmup: float = 0.0


Schedule: TypeAlias = Constant | StepDecay | ExponentialDecay | Cosine | Cycles

BY_NAME: dict[str, type[Schedule]] = {
    kind._name: kind for kind in (Constant, StepDecay, ExponentialDecay, Cosine)
}


def check(value: Any) -> str | Schedule:
    """Check a schedule or the name of one."""
    if isinstance(value, str):
        return _check.choice("schedule", value, tuple(BY_NAME))
    kinds = ", ".join(kind.__name__ for kind in BY_NAME.values())
    names = ", ".join(repr(name) for name in BY_NAME)
    expected = f"one of {names}, or a trulysparse.{kinds}"
    schedule: Schedule = _check.instance("schedule", value, _Scheduled, expected)
    return schedule


def resolved(schedule: str | Schedule) -> Schedule:
    """Give the schedule that a name stands for."""
    return BY_NAME[schedule]() if isinstance(schedule, str) else schedule
