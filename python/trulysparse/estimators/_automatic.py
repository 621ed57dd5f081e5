"""What the parameters stand for that are ``"auto"``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from trulysparse import _check, presets
from trulysparse.estimators import _support
from trulysparse.optim import SGD
from trulysparse.optim.optimizers import BY_NAME, EXPECTED
from trulysparse.presets import BATCHES, TABLE, Preset
from trulysparse.topology import SET, GradientGrowth


@dataclass(frozen=True)
class Facts:
    """What the defaults go by.

    Attributes
    ----------
    samples
        To train on.
    is_sparse
        Whether the first training data were sparse.
    loss
        Of the network.
    whole
        Whether these are all samples that there will be, or a batch.
    """

    samples: int
    is_sparse: bool
    loss: str
    whole: bool


def suited(estimator: Any, facts: Facts) -> Preset:
    """Give the settings that suit the data, where the parameters name none."""
    size = batch_size(estimator.batch_size, facts.samples)
    preset = TABLE if facts.whole else BATCHES
    found = preset._for(facts.samples, size, sparse=facts.is_sparse, loss=facts.loss)
    return found


def network(estimator: Any, preset: Preset, made: Any) -> dict[str, Any]:
    """Give the settings of a network that are parameters, and may be ``"auto"``.

    `made` is the configuration of the network to go on with, if there is one: ``"auto"`` is what it
    has.
    """
    found: dict[str, Any] = {}
    for name in ("dropout", "label_smoothing", "input_gain"):
        value = getattr(estimator, name)
        if is_auto(value):
            value = getattr(preset if made is None else made, name)
        elif isinstance(value, str):
            raise ValueError(f"{name} = {_check.shown(value)}: expected 'auto' or a number")
        found[name] = value
    return found


def hidden(value: Any, preset: Preset, made: Any) -> list[int]:
    """Give the sizes of hidden layers."""
    if not is_auto(value):
        return _support.hidden_sizes(value)
    return list(preset.hidden or ()) if made is None else made.original_layer_sizes[1:-1]


def is_auto(value: Any) -> bool:
    """Tell whether a parameter is left to the data."""
    return isinstance(value, str) and value == "auto"


def batch_size(value: Any, samples: int) -> int:
    """Give the samples per step, not more than there are."""
    size = presets.batch_size(samples) if is_auto(value) else value
    return min(_check.integer("batch_size", size, 1), samples)


def check_epochs(value: Any) -> None:
    """Raise an error unless it is a number of epochs, or ``"auto"``."""
    if not is_auto(value):
        _check.integer("max_iter", value, 1)


def epochs(value: Any, preset: Preset) -> int:
    """Give the passes over the samples."""
    if not is_auto(value):
        return _check.integer("max_iter", value, 1)
    assert preset.epochs is not None
    return preset.epochs


def solver(optimizer: Any, activation: Any, preset: Preset, *, is_sparse: bool) -> str:
    """Give the name of the optimiser, or nothing if it was given as an object."""
    name = "auto" if optimizer is None else optimizer
    if not isinstance(name, str):
        return ""
    _named("optimizer", name, ("auto", *BY_NAME), EXPECTED)
    if name != "auto":
        return name
    # SReLU is SGD's.
    activation = _check.plain(activation)
    names = [activation] if isinstance(activation, str) else activation
    if "srelu" in _check.sequence("activation", names, "the name of an activation, or several"):
        return SGD._name
    # A step of Adam is as long for a feature that few samples have.
    return "adam" if is_sparse else preset.optimizer


def rates(value: Any, sgd: float, preset: Preset, *, named: str, retry: bool) -> list[float]:
    """Give the learning rates to try, each if training diverged with the one before.

    Parameters
    ----------
    value
        The parameter `learning_rate_init`.
    sgd
        What ``"auto"`` starts with for SGD.
    preset
        What suits the data.
    named
        The name of the optimiser, as `solver` gives it.
    retry
        Whether ``"auto"`` tries lower rates.
    """
    if isinstance(value, str):
        _check.choice("learning_rate_init", value, ("auto",))
        kind = BY_NAME.get(named, SGD)
        rate = sgd if kind is SGD else kind.learning_rate
        if named == preset.optimizer and kind is not SGD:
            rate = preset.learning_rate
        return presets.rates(rate, TABLE.retries if retry and named else 0)
    expected = "'auto' or a positive finite number"
    return [_check.real("learning_rate_init", value, expected, low=0, low_open=True)]


def weight_decay(value: Any, preset: Preset, samples: int, size: int, *, named: str) -> Any:
    """Give the weight decay; the optimiser checks a number."""
    if not isinstance(value, str):
        return value
    _check.choice("weight_decay", value, ("auto",))
    if named == SGD._name:
        return presets.weight_decay(samples, size)
    return preset.weight_decay if named == preset.optimizer else 0.0


def topology(value: Any, zeta: Any, grow_init: Any, preset: Preset, *, is_sparse: bool) -> Any:
    """Give the rule by which connections evolve."""
    if not isinstance(value, str):
        return value
    _named("topology", value, ("auto", "set", "gradient"), "a rule, or None")
    every = preset.evolve_every or 1
    random = SET(zeta, grow_init=grow_init, every=every)  # checks both numbers in any case
    # Most places in columns that few samples have would be taken in vain.
    if value == "gradient" or (value == "auto" and (is_sparse or preset.grow == "gradient")):
        return GradientGrowth(zeta, every=every)
    return random


def _named(argument: str, value: str, names: Sequence[str], others: str) -> None:
    """Check a name of something that may also be given otherwise."""
    if value not in names:
        listed = ", ".join(repr(name) for name in names)
        raise ValueError(f"{argument} = {_check.shown(value)}: expected {listed} or {others}")
