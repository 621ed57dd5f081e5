"""Optimisers."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, ClassVar, TypeAlias, TypeVar, get_args

from trulysparse import _check, _hints, names
from trulysparse.optim import schedules
from trulysparse.optim.schedules import Schedule

# A schedule may end at 0, where the smallest rate does as much.
_SMALLEST = sys.float_info.min

__all__ = ["SGD", "Adam", "Lion", "Optimizer"]

LAYER_RATES: tuple[str, ...] = get_args(names.LayerRates)

_T = TypeVar("_T", bound="_Optimizer")


def _fraction(name: str, value: Any) -> float:
    return _check.real(name, value, "a number in [0, 1)", low=0, high=1, high_open=True)


def _amount(name: str, value: Any) -> float:
    return _check.real(name, value, "a finite number of at least 0", low=0)


def _positive(name: str, value: Any) -> float:
    return _check.real(name, value, "a positive finite number", low=0, low_open=True)


def _set(optimizer: Any, **checked: Any) -> None:
    for name, value in checked.items():
        object.__setattr__(optimizer, name, value)


class _Optimizer(_hints.Worded):
    """What all optimisers share."""

    # Its name in words and in the core, and what a help text says of it.
    _name: ClassVar[str]
    _summary: ClassVar[str]
    # The numbers of its update rule.
    _numbers: ClassVar[tuple[str, ...]]
    _after_another: ClassVar[str] = "; a model that trains on with it keeps the moments"
    # Numbers that it keeps for each parameter.
    _state_per_parameter: ClassVar[int]
    # Whether it applies the gradients of workers, and trains SReLU's parameters.
    _takes_shared_gradients: ClassVar[bool] = False

    learning_rate: float
    weight_decay: float
    l1: float
    schedule: names.RateSchedule | Schedule
    layer_rates: names.LayerRates

    @property
    def has_constant_rate(self) -> bool:
        """Whether the learning rate stays as it is, so that something else may set it."""
        return schedules.resolved(self.schedule) == schedules.Constant()

    def _core(self) -> str:
        """Give the JSON text for the core."""
        return _text(self)

    def _at(self: _T, rate: float, base_rate: float) -> _T:
        """Give the optimiser of one step, at a rate that the schedule made of `base_rate`."""
        step: _T = replace(
            self,  # type: ignore[type-var]
            learning_rate=max(rate, _SMALLEST),
            schedule="constant",
        )
        return step


@lru_cache(maxsize=128)
def _text(optimizer: _Optimizer) -> str:
    """Give the JSON text of an optimiser; steps one by one ask for it each time."""
    rule = {name: getattr(optimizer, name) for name in optimizer._numbers}
    return json.dumps(
        {
            "rule": {"name": optimizer._name} | rule,
            "learning_rate": optimizer.learning_rate,
            "weight_decay": optimizer.weight_decay,
            "l1": optimizer.l1,
            "schedule": schedules.resolved(optimizer.schedule)._core(),
            "layer_rates": optimizer.layer_rates,
        }
    )


@_hints.frozen
@dataclass(frozen=True)
class SGD(_Optimizer):
    """Stochastic gradient descent with momentum, the paper's optimiser (arXiv 2102.01732).

    With the gradient ``g``, the mean over the batch, a step is ``v = momentum * v -
    learning_rate * g`` and ``w = w + v - weight_decay * w``, for biases as for weights.

    Parameters
    ----------
    learning_rate
        Positive; the rate at the start. Default 0.01.
    momentum
        In [0, 1). Default 0.9.
    weight_decay
        In [0, 1): the fraction of every parameter that is taken away per step. As in the paper it
        is *not* multiplied by the learning rate. Default 0.0002.
    nesterov
        Use Nesterov's variant, ``w = w + momentum * v - learning_rate * g - weight_decay * w``.
    schedule
        ``"constant"`` (default), ``"step"``, ``"exponential"`` or ``"cosine"``, from the learning
        rate down to 0 along half a cosine over all steps of a fit; or a `Constant`, `StepDecay`,
        `ExponentialDecay` or `Cosine`, which also have a warm-up.
    layer_rates
        ``"equal"`` (default), or ``"fan_in"``: the rate of a layer's weights is multiplied by the
        smallest mean fan-in of all layers over its own, for networks whose layers differ much.
        With fan-ins of 2 in the hidden layers and of 2.5 million in the last one, equal rates that
        move the first at all let the last one diverge. Biases take the rate as it is.
    l1
        At least 0; default 0. An L1 penalty on weights, by its proximal step: at the end of a step
        the magnitude of every weight loses ``learning_rate * l1``, down to exactly 0. `SET` drops
        exact zeros first, so connections that the penalty has emptied grow elsewhere. Biases have
        none.
    schedule_decay
        Multiply the decay by the schedule's factor, as SGDW does (Loshchilov and Hutter, 2019), so
        that weights do not shrink while the rate goes to 0. Default False, as in the paper.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 2e-4
    nesterov: bool = False
    schedule: names.RateSchedule | Schedule = "constant"
    layer_rates: names.LayerRates = "equal"
    l1: float = 0.0
    schedule_decay: bool = False

    _name: ClassVar[str] = "sgd"
    _summary: ClassVar[str] = "momentum SGD"
    _numbers: ClassVar[tuple[str, ...]] = ("momentum", "nesterov", "schedule_decay")
    _state_per_parameter: ClassVar[int] = 1
    _takes_shared_gradients: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check every value."""
        _set(
            self,
            learning_rate=_positive("learning_rate", self.learning_rate),
            momentum=_fraction("momentum", self.momentum),
            weight_decay=_fraction("weight_decay", self.weight_decay),
            nesterov=_check.boolean("nesterov", self.nesterov),
            schedule=schedules.check(self.schedule),
            layer_rates=_check.choice("layer_rates", self.layer_rates, LAYER_RATES),
            l1=_amount("l1", self.l1),
            schedule_decay=_check.boolean("schedule_decay", self.schedule_decay),
        )

    def _at(self, rate: float, base_rate: float) -> SGD:
        """Give the optimiser of one step; its decay follows the schedule if it should."""
        factor = rate / base_rate if self.schedule_decay else 1.0
        return replace(super()._at(rate, base_rate), weight_decay=factor * self.weight_decay)


@_hints.frozen
@dataclass(frozen=True)
class Adam(_Optimizer):
    """Adam with decoupled weight decay (Kingma and Ba, 2015; Loshchilov and Hutter, 2019).

    With the gradient ``g``, the mean over the batch, a step is ``m = beta_1 * m + (1 - beta_1) *
    g``, ``s = beta_2 * s + (1 - beta_2) * g**2`` and ``w = w - learning_rate * (m_hat /
    (sqrt(s_hat) + epsilon) + weight_decay * w)``, where ``m_hat`` and ``s_hat`` are ``m`` and ``s``
    without the bias of their start at 0, for biases as for weights.

    Takes 4 bytes a connection more than `SGD`, for ``s``; ``m`` is where SGD's momentum is. Both
    stay with their connections through evolution, pruning and compaction, and are saved with the
    model; grown connections start with 0. A model that goes on with another optimiser starts with 0
    too, as momentum means something else there. A `strategy` and SReLU need `SGD` instead.

    Parameters
    ----------
    learning_rate
        Positive; the rate at the start. Default 0.001.
    beta_1, beta_2
        In [0, 1): how much the means of gradients and of their squares keep per step. Default 0.9
        and 0.999.
    epsilon
        Positive. Default 1e-8.
    weight_decay
        At least 0; default 0. Unlike SGD's it *is* multiplied by the learning rate, as AdamW's: the
        fraction ``learning_rate * weight_decay`` of every parameter is taken away per step.
    l1
        As in `SGD`: every weight loses ``learning_rate * l1`` of its magnitude per step, down to
        exactly 0. It is not divided by the root of ``s``.
    schedule, layer_rates
        As in `SGD`. The rate of a layer also multiplies its weight decay.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    learning_rate: float = 0.001
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    l1: float = 0.0
    schedule: names.RateSchedule | Schedule = "constant"
    layer_rates: names.LayerRates = "equal"

    _name: ClassVar[str] = "adam"
    _summary: ClassVar[str] = "Adam, which takes 4 bytes a connection more"
    _numbers: ClassVar[tuple[str, ...]] = ("beta_1", "beta_2", "epsilon")
    _state_per_parameter: ClassVar[int] = 2

    def __post_init__(self) -> None:
        """Check every value."""
        _set(
            self,
            learning_rate=_positive("learning_rate", self.learning_rate),
            beta_1=_fraction("beta_1", self.beta_1),
            beta_2=_fraction("beta_2", self.beta_2),
            epsilon=_positive("epsilon", self.epsilon),
            weight_decay=_amount("weight_decay", self.weight_decay),
            l1=_amount("l1", self.l1),
            schedule=schedules.check(self.schedule),
            layer_rates=_check.choice("layer_rates", self.layer_rates, LAYER_RATES),
        )


@_hints.frozen
@dataclass(frozen=True)
class Lion(_Optimizer):
    """Lion, whose steps have one length (Chen et al., 2023).

    With the gradient ``g``, the mean over the batch, a step is ``c = beta_1 * m + (1 - beta_1) *
    g``, ``w = w - learning_rate * (sign(c) + weight_decay * w)`` and ``m = beta_2 * m + (1 -
    beta_2) * g``, for biases as for weights. The sign of 0 is 0.

    Takes as much memory as `SGD`, 4 bytes a connection less than `Adam`: ``m`` is where SGD's
    momentum is. It stays with its connection through evolution, pruning and compaction, and is
    saved with the model; grown connections start with 0, and so does a model that another optimiser
    has trained. A `strategy` and SReLU need `SGD` instead.

    Parameters
    ----------
    learning_rate
        Positive; the rate at the start, and how far every parameter moves in a step. Default
        0.0001; the authors advise a third to a tenth of Adam's.
    beta_1, beta_2
        In [0, 1): how much of ``m`` decides where a step goes, and how much of it is kept. Default
        0.9 and 0.99.
    weight_decay
        At least 0; default 0. Multiplied by the learning rate, as Adam's.
    l1
        As in `SGD`: every weight loses ``learning_rate * l1`` of its magnitude per step, down to
        exactly 0.
    schedule, layer_rates
        As in `SGD`. The rate of a layer also multiplies its weight decay.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    learning_rate: float = 0.0001
    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0
    l1: float = 0.0
    schedule: names.RateSchedule | Schedule = "constant"
    layer_rates: names.LayerRates = "equal"

    _name: ClassVar[str] = "lion"
    _summary: ClassVar[str] = "Lion, whose steps have one length"
    _numbers: ClassVar[tuple[str, ...]] = ("beta_1", "beta_2")
    _state_per_parameter: ClassVar[int] = 1

    def __post_init__(self) -> None:
        """Check every value."""
        _set(
            self,
            learning_rate=_positive("learning_rate", self.learning_rate),
            beta_1=_fraction("beta_1", self.beta_1),
            beta_2=_fraction("beta_2", self.beta_2),
            weight_decay=_amount("weight_decay", self.weight_decay),
            l1=_amount("l1", self.l1),
            schedule=schedules.check(self.schedule),
            layer_rates=_check.choice("layer_rates", self.layer_rates, LAYER_RATES),
        )


Optimizer: TypeAlias = SGD | Adam | Lion
OPTIMIZERS: tuple[type[Optimizer], ...] = get_args(Optimizer)
BY_NAME: dict[str, type[Optimizer]] = {kind._name: kind for kind in OPTIMIZERS}
EXPECTED = f"a trulysparse.{_check.either([kind.__name__ for kind in OPTIMIZERS])}"
"""What users are told where an optimiser is expected."""


def named(optimizer: Optimizer | names.Optimizer) -> Optimizer:
    """Give the optimiser of a name, with its defaults; others as they are, if they are some."""
    if isinstance(optimizer, str):
        return BY_NAME[_check.choice("optimizer", optimizer, tuple(BY_NAME))]()
    return _check.instance("optimizer", optimizer, OPTIMIZERS, EXPECTED)
