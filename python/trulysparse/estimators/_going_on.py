"""What the network of an estimator that goes on was made with, against what is asked for now."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from trulysparse import _check
from trulysparse.config import Config
from trulysparse.model import SparseMLP

FIXED = (
    "epsilon", "density", "activation", "slope", "dropout", "input_noise", "input_gain",
    "label_smoothing", "standardize", "clip",
)  # fmt: skip
"""Parameters beside hidden_layer_sizes that a network is made with, and keeps."""

_SPARSITY = ("epsilon", "density")
_REMEDY = "expected that, or a new fit (warm_start=False)"


def refuse_changed(
    model: SparseMLP,
    sizes: Any,
    layer_sizes: list[int],
    settings: Mapping[str, Any],
    *,
    is_scaled: bool,
) -> None:
    """Raise ValueError for a parameter that the network of an earlier fit does not have.

    Parameters
    ----------
    model
        The network to go on with.
    sizes, layer_sizes
        The parameter hidden_layer_sizes, and the layers that it asks for.
    settings
        The others of `FIXED`, as `SparseMLP` takes them.
    is_scaled
        Whether fixed statistics of the network do more than leave out features with one value.
    """
    if model.original_layer_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes = {sizes!r}, but the network to go on with has the layers "
            f"{model.original_layer_sizes}: expected those, or warm_start=False"
        )
    found, asked = Config.of(model._core), _config(layer_sizes, model.loss, settings)
    for name in FIXED:
        if name in _SPARSITY and found.epsilon is found.density is None:
            continue  # features were left out, so that its connections were given
        has, wanted = getattr(found, name), getattr(asked, name)
        if name == "standardize":
            has = _standardizes(model, is_scaled=is_scaled)
        if not _are_same(has, wanted):
            raise ValueError(
                f"{name} = {_check.shown(wanted)}, but the network to go on with was made with "
                f"{_check.shown(has)}: {_REMEDY}"
            )


def _config(sizes: list[int], loss: str, settings: Mapping[str, Any]) -> Config:
    """Give the settings that are asked for, once they are checked."""
    if _PLAIN.issuperset(map(type, settings.values())):
        return _drawn(tuple(sizes), loss, tuple(settings), *settings.values())
    return Config.drawn(sizes, loss=loss, **settings)


# Of these, what is equal and of one type is the same.
_PLAIN = {bool, int, float, str, type(None)}


@lru_cache(maxsize=64, typed=True)
def _drawn(sizes: tuple[int, ...], loss: str, names: tuple[str, ...], *values: Any) -> Config:
    # The seed is not compared: without one, every call would draw it.
    return Config.drawn(sizes, loss=loss, seed=0, **dict(zip(names, values, strict=True)))


def _are_same(one: Any, other: Any) -> bool:
    """Compare two settings; one value for all layers is that of each."""
    if isinstance(one, list) and isinstance(other, list):
        return one == other
    values, value = (one, other) if isinstance(one, list) else (other, one)
    return all(item == value for item in values) if isinstance(values, list) else one == other


def _standardizes(model: SparseMLP, *, is_scaled: bool) -> bool | str:
    """Tell whether statistics do more than leave out features with one value."""
    if model.standardize == "auto":
        return "auto"
    statistics = model._core.input_statistics()
    scales = is_scaled or statistics is None or statistics.total != 0
    return bool(model.standardize) and scales
