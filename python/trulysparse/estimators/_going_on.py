"""What the network of an estimator that goes on was made with, against what is asked for now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trulysparse import _check
from trulysparse.config import Config
from trulysparse.model import SparseMLP

FIXED = ("epsilon", "density", "activation", "slope", "dropout", "input_noise", "standardize")
"""Parameters beside hidden_layer_sizes that a network is made with, and keeps."""

_REMEDY = "expected that, or a new fit (warm_start=False)"


def refuse_changed(
    model: SparseMLP, sizes: Any, layer_sizes: list[int], settings: Mapping[str, Any]
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
    """
    if model.original_layer_sizes != layer_sizes:
        raise ValueError(
            f"hidden_layer_sizes = {sizes!r}, but the network to go on with has the layers "
            f"{model.original_layer_sizes}: expected those, or warm_start=False"
        )
    has = Config.of(model._core).to_dict() | {"standardize": _standardizes(model)}
    wanted = Config.drawn(layer_sizes, loss=model.loss, **settings).to_dict()
    for name in FIXED:
        if not _are_same(has[name], wanted[name]):
            raise ValueError(
                f"{name} = {_check.shown(wanted[name])}, but the network to go on with was made "
                f"with {_check.shown(has[name])}: {_REMEDY}"
            )


def _are_same(one: Any, other: Any) -> bool:
    """Compare two settings; one value for all layers is that of each."""
    if isinstance(one, list) and isinstance(other, list):
        return one == other
    values, value = (one, other) if isinstance(one, list) else (other, one)
    return all(item == value for item in values) if isinstance(values, list) else one == other


def _standardizes(model: SparseMLP) -> bool:
    """Tell whether statistics do more than leave out features with one value."""
    statistics = model._core.input_statistics()
    return model.standardize and (statistics is None or statistics.total != 0)
