"""The settings of a network: each once, with its default, its check and its place in the JSON text.

The core keeps them in ``rust/nn/config.rs``; the JSON text is what the two have in common, and what
a model file holds.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from itertools import pairwise
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar, get_args, overload

from trulysparse import _check, _core, activations, names
from trulysparse.losses import LOSSES

ALLOCATIONS: tuple[str, ...] = get_args(names.Allocation)
INITS: tuple[str, ...] = get_args(names.Init)
FANS: tuple[str, ...] = get_args(names.Fan)
MEMORY: tuple[str, ...] = get_args(names.Memory)

# Where connections are drawn and neither epsilon nor density is given.
EPSILON = 20

MOST_NEURONS = 2**32 - 2
MOST_THREADS = 1024

_RANGES = _core.setting_ranges()

Check: TypeAlias = Callable[[str, Any], Any]
T = TypeVar("T")


def _real(setting: str) -> Check:
    """Check a number by the core's range of this setting, which also holds for files."""
    range_ = _RANGES[setting]
    return lambda name, value: _check.real(
        name,
        value,
        range_.expected,
        low=range_.low,
        high=range_.high,
        low_open=range_.low_open,
        high_open=range_.high_open,
    )


def _choice(options: Sequence[str]) -> Check:
    return lambda name, value: _check.choice(name, value, options)


def _optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _per_layer(check: Check) -> Check:
    return lambda name, value: _check.per_layer(name, value, check)


def _sizes(name: str, value: Iterable[int]) -> list[int]:
    sizes = _check.sequence(name, value, "a sequence of integers")
    if len(sizes) < 2:
        raise ValueError(
            f"{name} = {_check.shown(sizes)}: expected at least an input and an output size"
        )
    return [_check.integer(f"{name}[{i}]", size, 1, MOST_NEURONS) for i, size in enumerate(sizes)]


def _seed(name: str, value: int | None) -> int:
    if value is None:
        return int.from_bytes(os.urandom(8), "little")
    return _check.integer(name, value, 0, 2**64 - 1)


def _standardize(name: str, value: Any) -> bool | str:
    if isinstance(value, str) and value == "auto":
        return "auto"
    if isinstance(value, str):
        raise ValueError(f"{name} = {value!r}: expected True, False or 'auto'")
    return _check.boolean(name, value)


_density = _real("density")

# A setting: its check. Its default is that of the field in `Config`.
_CHECKS: dict[str, Check] = {
    "activation": _per_layer(_choice(activations.HIDDEN)),
    "slope": _real("slope"),
    "loss": _choice(tuple(LOSSES)),
    "label_smoothing": _real("label_smoothing"),
    "init": _choice(INITS),
    "fan": _choice(FANS),
    "input_gain": _real("input_gain"),
    "dropout": _per_layer(_real("dropout")),
    "input_noise": _real("input_noise"),
    "standardize": _standardize,
    "clip": _optional(_real("clip")),
    "standardize_targets": _check.boolean,
    "seed": _seed,
    "layer_sizes": _sizes,
    "epsilon": _optional(_per_layer(_real("epsilon"))),
    "density": _optional(_per_layer(_density)),
    "allocation": _optional(_choice(ALLOCATIONS)),
}

# The settings that the JSON text has within an object: their place in it.
_NESTED = {
    "activation": ("activation", "kind"),
    "slope": ("activation", "slope"),
    "init": ("init", "scheme"),
    "fan": ("init", "fan"),
}
_SPARSITY = ("epsilon", "density", "allocation")

# What a network has whose connections are given, sizes apart.
SHARED = tuple(name for name in _CHECKS if name not in ("layer_sizes", *_SPARSITY))


@dataclass(frozen=True)
class Config:
    """The settings of a network, checked; `SparseMLP` says what each of them means.

    Without `epsilon` and `density` the connections are given; `drawn` fills in the default of
    networks whose connections are drawn.

    Raises
    ------
    ValueError, TypeError
        If a setting is out of its range, or two do not belong together; the message names it.
    """

    layer_sizes: list[int]
    epsilon: float | list[float] | None = None
    density: float | list[float] | None = None
    allocation: names.Allocation | None = None
    activation: names.Activation | list[names.Activation] = "all_relu"
    slope: float = 0.6
    loss: names.Loss = "cross_entropy"
    label_smoothing: float = 0.0
    init: names.Init = "he_uniform"
    fan: names.Fan = "layer"
    input_gain: float = 1.0
    dropout: float | list[float] = 0.3
    input_noise: float = 0.0
    standardize: names.Standardize = False
    clip: float | None = None
    standardize_targets: bool = False
    seed: int = None  # type: ignore[assignment]  # an int from the check on

    def __post_init__(self) -> None:
        """Check every setting."""
        if self.epsilon is not None and self.density is not None:
            raise ValueError(
                f"epsilon = {self.epsilon!r} and density = {self.density!r}: expected one of the "
                "two"
            )
        for name, check in _CHECKS.items():
            object.__setattr__(self, name, check(name, getattr(self, name)))
        if self.label_smoothing > 0 and LOSSES[self.loss].output != "softmax":
            raise ValueError(
                f"label_smoothing = {self.label_smoothing!r} and loss = {self.loss!r}: expected "
                "loss='cross_entropy', or no smoothing"
            )
        if self.clip is not None and not self.standardize:
            raise ValueError(
                f"clip = {self.clip!r} and standardize = False: expected standardize=True or "
                "'auto', as standardised values are clipped"
            )
        if self.standardize_targets and LOSSES[self.loss].output != "identity":
            raise ValueError(
                f"standardize_targets = True and loss = {self.loss!r}: expected "
                "loss='squared_error' or 'huber', whose targets are numbers of any size"
            )
        if self.allocation == "erk":  # differs for convolutions only
            object.__setattr__(self, "allocation", "er")
        weights = len(self.layer_sizes) - 1
        for name in ("activation", "dropout"):
            _check.layers(name, getattr(self, name), weights - 1)
        for name in ("epsilon", "density"):
            _check.layers(name, getattr(self, name), weights)
        if self.allocation is not None:
            if self.density is None:
                raise ValueError(
                    f"allocation = {self.allocation!r}: expected density as well, that of the "
                    "whole network"
                )
            _density("density", self.density)

    @classmethod
    def drawn(
        cls,
        layer_sizes: Iterable[int],
        *,
        epsilon: Any = None,
        density: Any = None,
        **settings: Any,
    ) -> Config:
        """Give the settings of a network whose connections are drawn, by default by epsilon."""
        if epsilon is None and density is None:
            epsilon = EPSILON
        return cls.given(layer_sizes, epsilon=epsilon, density=density, **settings)

    @classmethod
    def given(cls, layer_sizes: Iterable[int], **settings: Any) -> Config:
        """Give the settings of a network, by default of one whose connections are given."""
        config = cls(layer_sizes, **settings)  # type: ignore[arg-type]  # a list from the check on
        # The softmax of one number is always 1: such a network would learn nothing. Old files
        # have some.
        if config.layer_sizes[-1] == 1 and LOSSES[config.loss].output == "softmax":
            raise ValueError(
                f"layer_sizes ends with one output and loss = {config.loss!r}: expected "
                "loss='binary_cross_entropy', or two outputs"
            )
        return config

    @classmethod
    def of(cls, core: _core.Network) -> Config:
        """Read the settings of a network."""
        return _parsed(core.config)

    def to_json(self) -> str:
        """Give the text that the core takes."""
        text: dict[str, Any] = {"sparsity": self._sparsity()}
        for name, value in asdict(self).items():
            if name in _NESTED:
                place, key = _NESTED[name]
                text.setdefault(place, {})[key] = value
            elif name not in _SPARSITY:
                text[name] = value
        return json.dumps(text)

    def _sparsity(self) -> str | dict[str, Any]:
        if self.allocation is not None:
            return {"allocated": {"density": self.density, "allocation": self.allocation}}
        if self.density is not None:
            return {"density": self.density}
        return "given" if self.epsilon is None else {"epsilon": self.epsilon}

    def to_dict(self) -> dict[str, Any]:
        """Give the settings by name, in JSON's types."""
        return asdict(self)


_WORTH_SAYING = 500  # connections


def say_if_dense(config: Config) -> None:
    """Warn the caller's caller if the default of epsilon leaves no connection out.

    Of the smallest networks nothing is said: to leave some out would gain nothing.
    """
    pairs = list(pairwise(config.layer_sizes))
    possible = sum(n_in * n_out for n_in, n_out in pairs)
    full = all(EPSILON * (n_in + n_out) >= n_in * n_out for n_in, n_out in pairs)
    if full and possible >= _WORTH_SAYING:
        warnings.warn(
            f"the default epsilon = {EPSILON} makes all layers of {config.layer_sizes} dense: all "
            f"{possible:,} possible connections exist; give a smaller epsilon, such as 5, or "
            "density=1 if that is meant",
            UserWarning,
            stacklevel=3,
        )


@lru_cache(maxsize=64)
def _parsed(text: str) -> Config:
    given = json.loads(text)
    sparsity = given.pop("sparsity")
    drawn = {} if sparsity == "given" else sparsity.get("allocated", sparsity)
    nested = {name: given[place][key] for name, (place, key) in _NESTED.items()}
    known = {field.name for field in fields(Config)}
    return Config(**{name: given[name] for name in given if name in known} | drawn | nested)


def settings_of(arguments: dict[str, Any]) -> dict[str, Any]:
    """Give the arguments that are settings."""
    return {name: arguments[name] for name in _CHECKS if name in arguments}


class Setting(property, Generic[T]):
    """A read-only property: a setting of the network in `_core`, by the property's name.

    Each access gives a new list, which may be changed.
    """

    def __init__(self, doc: str) -> None:
        def setting(model: Any) -> Any:
            return copy(getattr(Config.of(model._core), self._name))

        setting.__doc__ = doc  # for the documentation and help(), as is the type below
        super().__init__(setting)

    def __set_name__(self, owner: type, name: str) -> None:
        super().__set_name__(owner, name)  # type: ignore[misc]  # typeshed does not have it
        self._name = name
        self.fget.__annotations__["return"] = Config.__annotations__[name]

    @overload
    def __get__(self, model: None, owner: type | None = None) -> Setting[T]: ...
    @overload
    def __get__(self, model: object, owner: type | None = None) -> T: ...
    def __get__(self, model: object, owner: type | None = None) -> Setting[T] | T:
        given: Setting[T] | T = super().__get__(model, owner)
        return given

    def __set__(self, model: object, value: NoReturn) -> None:
        """Raise AttributeError."""
        super().__set__(model, value)


def threads(value: int | None) -> int:
    """Check a number of threads; give all that the process may use if it is None."""
    if value is not None:
        return _check.integer("threads", value, 1, MOST_THREADS)
    return _core.available_threads()
