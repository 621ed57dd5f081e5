"""What the parameters stand for that are ``"auto"`` or another name.

``is_sparse`` tells whether the first training data were sparse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trulysparse import _check, presets
from trulysparse.optim import SGD
from trulysparse.optim.optimizers import BY_NAME, EXPECTED
from trulysparse.presets import TABLE
from trulysparse.topology import SET, GradientGrowth


def batch_size(value: Any, samples: int) -> int:
    """Give the samples per step, not more than there are."""
    size = presets.batch_size(samples) if isinstance(value, str) and value == "auto" else value
    return min(_check.integer("batch_size", size, 1), samples)


def solver(optimizer: Any, activation: Any, *, is_sparse: bool) -> str:
    """Give the name of the optimiser, or nothing if it was given as an object."""
    name = "auto" if optimizer is None else optimizer
    if not isinstance(name, str):
        return ""
    _named("optimizer", name, ("auto", *BY_NAME), EXPECTED)
    if name != "auto":
        return name
    # A step of Adam is as long for a feature that few samples have; SReLU is SGD's.
    activation = _check.plain(activation)
    names = [activation] if isinstance(activation, str) else activation
    srelu = "srelu" in _check.sequence("activation", names, "the name of an activation, or several")
    return "adam" if is_sparse and not srelu else "sgd"


def rates(value: Any, first: float, *, named: str, retry: bool) -> list[float]:
    """Give the learning rates to try, each if training diverged with the one before.

    Parameters
    ----------
    value
        The parameter `learning_rate_init`.
    first
        What ``"auto"`` starts with for SGD.
    named
        The name of the optimiser, as `solver` gives it.
    retry
        Whether ``"auto"`` tries lower rates.
    """
    if isinstance(value, str):
        _check.choice("learning_rate_init", value, ("auto",))
        kind = BY_NAME.get(named, SGD)
        rate = first if kind is SGD else kind.learning_rate
        return presets.rates(rate, TABLE.retries if retry and named else 0)
    expected = "'auto' or a positive finite number"
    return [_check.real("learning_rate_init", value, expected, low=0, low_open=True)]


def weight_decay(value: Any, samples: int, size: int, *, named: str) -> Any:
    """Give the weight decay; the optimiser checks a number."""
    if not isinstance(value, str):
        return value
    _check.choice("weight_decay", value, ("auto",))
    return presets.weight_decay(samples, size) if named == "sgd" else 0.0


def topology(value: Any, zeta: Any, grow_init: Any, *, is_sparse: bool) -> Any:
    """Give the rule by which connections evolve."""
    if not isinstance(value, str):
        return value
    _named("topology", value, ("auto", "set", "gradient"), "a rule, or None")
    # Most places in columns that few samples have would be taken in vain.
    if value == "gradient" or (value == "auto" and is_sparse):
        return GradientGrowth(zeta)
    return SET(zeta, grow_init=grow_init)


def _named(argument: str, value: str, names: Sequence[str], others: str) -> None:
    """Check a name of something that may also be given otherwise."""
    if value not in names:
        listed = ", ".join(repr(name) for name in names)
        raise ValueError(f"{argument} = {_check.shown(value)}: expected {listed} or {others}")
