"""The settings of a model, checked."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from trulysparse import _check

ACTIVATIONS = ("all_relu", "relu", "leaky_relu", "sigmoid", "tanh", "identity", "srelu")
ALLOCATIONS = ("er", "erk", "uniform")
LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error", "squared_error_sigmoid")
INITS = ("he_uniform", "xavier", "lecun_uniform", "normal")
FANS = ("layer", "real")

_MOST_NEURONS = 2**32 - 2


def _default_threads() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def shared(
    activation: str | Sequence[str],
    slope: float,
    loss: str,
    init: str,
    fan: str,
    dropout: float | Sequence[float],
    input_noise: float,
    standardize: bool,
    seed: int | None,
) -> dict[str, Any]:
    """What every way of making a model takes, checked, in the core's names."""
    return {
        "activation": _check.per_layer("activation", activation, _activation),
        "slope": _check.real(
            "slope", slope, "a finite number", low=-_check.FLOAT32, high=_check.FLOAT32
        ),
        "loss": _check.choice("loss", loss, LOSSES),
        "init": _check.choice("init", init, INITS),
        "fan": _check.choice("fan", fan, FANS),
        "dropout": _check.per_layer("dropout", dropout, _dropout),
        "input_noise": _check.real(
            "input_noise", input_noise, "a finite number of at least 0", low=0
        ),
        "standardize": _check.boolean("standardize", standardize),
        "seed": secrets.randbits(64)
        if seed is None
        else _check.integer("seed", seed, 0, 2**64 - 1),
    }


def _activation(name: str, value: Any) -> str:
    return _check.choice(name, value, ACTIVATIONS)


def _dropout(name: str, value: Any) -> float:
    return _check.real(name, value, "a number in [0, 1)", low=0, high=1, high_open=True)


def _density(name: str, value: Any) -> float:
    return _check.real(name, value, "a number in (0, 1]", low=0, high=1, low_open=True)


def _epsilon(name: str, value: Any) -> float:
    return _check.real(name, value, "a positive finite number", low=0, low_open=True)


def of_sizes(sizes: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a model with these layers, which have to be as many as the settings say."""
    sizes = layer_sizes(sizes, settings["loss"])
    for name in ("activation", "dropout"):
        _check.layers(name, settings[name], len(sizes) - 2)
    return (
        {"epsilon": None, "density": None, "allocation": None} | settings | {"layer_sizes": sizes}
    )


def random(
    sizes: Any,
    epsilon: float | Sequence[float] | None,
    density: float | Sequence[float] | None,
    allocation: str | None,
    settings: dict[str, Any],
) -> dict[str, Any]:
    """The settings of a model whose connections are drawn."""
    if epsilon is not None and density is not None:
        raise ValueError(
            f"epsilon = {epsilon!r} and density = {density!r}: expected one of the two"
        )
    settings = of_sizes(sizes, settings)
    if allocation is not None:
        allocation = _check.choice("allocation", allocation, ALLOCATIONS)
        allocation = "er" if allocation == "erk" else allocation
        if density is None:
            raise ValueError(
                f"allocation = {allocation!r}: expected density as well, that of the whole network"
            )
        density = _density("density", density)
    weights = len(settings["layer_sizes"]) - 1
    if density is not None:
        density = _check.per_layer("density", density, _density, weights)
    else:
        epsilon = 20 if epsilon is None else epsilon
        epsilon = _check.per_layer("epsilon", epsilon, _epsilon, weights)
    return settings | {"epsilon": epsilon, "density": density, "allocation": allocation}


def threads(value: int | None) -> int:
    """A number of threads; all that the process may use if None."""
    return _default_threads() if value is None else _check.integer("threads", value, 1, 1024)


def layer_sizes(value: Iterable[int], loss: str) -> list[int]:
    """The neurons of each layer."""
    sizes = _check.sequence("layer_sizes", value, "a sequence of integers")
    if len(sizes) < 2:
        raise ValueError(f"layer_sizes = {sizes!r}: expected at least an input and an output size")
    checked = [
        _check.integer(f"layer_sizes[{i}]", size, 1, _MOST_NEURONS) for i, size in enumerate(sizes)
    ]
    # The softmax of one number is 1 whatever it is: such a network would learn nothing.
    if checked[-1] == 1 and loss == "cross_entropy":
        raise ValueError(
            "layer_sizes ends with one output and loss = 'cross_entropy': expected "
            "loss='binary_cross_entropy', or two outputs"
        )
    return checked
