"""What a network computes for a user, who is told of numbers that are not finite."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from trulysparse import _core
from trulysparse.config import Config
from trulysparse.data.blocks import BlockArrays, CsrArrays
from trulysparse.data.samples import Given, in_units
from trulysparse.losses import scores
from trulysparse.topology import curve

Array = TypeVar("Array", bound=npt.NDArray[Any])

# Activations that make finite numbers of infinite ones.
_HIDING = {"sigmoid", "tanh"}
# Sums of smaller inputs stay finite, for weights and layers that are not extreme themselves.
_HUGE = 1e30

# The frames from `_warn` to the caller of a method that calls a function of this module.
_TO_CALLER = 5


def predict(core: _core.Network, inputs: Any, batch_size: int) -> npt.NDArray[np.floating[Any]]:
    """Compute the outputs for samples, an array or a `CsrArrays`, in the units of targets."""
    _say_without_statistics(core, "predict")
    out = np.empty((inputs.shape[0], Config.of(core).layer_sizes[-1]), dtype=np.float32)
    units = core.predict(_core.Data(core, inputs), batch_size, out)
    if np.isfinite(_said(core, "predict", "row", out)).all():
        _look_for_hidden(core, "predict", inputs)
    return in_units(units, out)


def evaluate(core: _core.Network, given: Given, batch_size: int) -> dict[str, float]:
    """Score samples."""
    _say_without_statistics(core, "evaluate")
    found = core.evaluate(given.data, batch_size)
    if np.isfinite(found.loss):
        _look_for_hidden(core, "evaluate", given.inputs)
    else:
        out = np.empty((given.samples, Config.of(core).layer_sizes[-1]), dtype=np.float32)
        core.predict(given.data, batch_size, out)
        if np.isfinite(_said(core, "evaluate", "row", out)).all():
            _warn(core, "evaluate gives a loss that is not finite", "targets", _TO_CALLER - 1)
    return scores(Config.of(core).loss, found)


def step(core: _core.Network, found: _core.Scores) -> dict[str, float]:
    """Give the scores of a training step."""
    if not math.isfinite(found.loss):
        what = "train_on_batch gives a loss that is not finite"
        _warn(core, what, "inputs or targets", _TO_CALLER - 1)
    return scores(Config.of(core).loss, found)


def importance(core: _core.Network, layer: int) -> npt.NDArray[np.float32]:
    """Score the neurons of a layer."""
    return _said(core, "importance", "neuron", core.importance(layer))


def feature_importance(
    core: _core.Network, scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Give scores of the inputs; 0 for those that were constant in training."""
    scores = _said(core, "feature_importance", "feature", scores)
    statistics = core.input_statistics()
    if statistics is not None:
        scores[statistics.scale == 0] = 0
        scores[list(statistics.constant)] = 0
    return scores


def gradient_norms(core: _core.Network, data: _core.Data) -> npt.NDArray[np.float64]:
    """Compute the norms of the layers' gradients."""
    _say_without_statistics(core, "gradient_norms")
    return _said(core, "gradient_norms", "layer", np.array(core.gradient_norms(data)))


def pruning_curve(
    core: _core.Network, data: _core.Data, percentiles: Iterable[float], batch_size: int
) -> dict[str, npt.NDArray[Any]]:
    """Score copies of a network, pruned at each percentile."""
    _say_without_statistics(core, "pruning_curve")
    found = curve.pruning_curve(core, data, percentiles, batch_size)
    _said(core, "pruning_curve", "percentile", found["loss"])
    return found


def _say_without_statistics(core: _core.Network, what: str) -> None:
    """Warn of a network that standardises, but has met no samples to do so by."""
    config = Config.of(core)
    for name, statistics in (
        ("standardize", core.input_statistics),
        ("standardize_targets", core.target_statistics),
    ):
        if getattr(config, name) and statistics() is None:
            numbers = "inputs" if name == "standardize" else "outputs"
            warnings.warn(
                f"{what} takes {numbers} as they are: the model has {name}=True, but no statistics "
                "before its first training",
                RuntimeWarning,
                stacklevel=_TO_CALLER - 1,
            )


def _said(core: _core.Network, what: str, unit: str, values: Array) -> Array:
    """Give values, and warn of rows of them that are not finite."""
    # The sum of all is finite only if they are, and takes no second array.
    with np.errstate(over="ignore", invalid="ignore"):
        if np.isfinite(np.sum(values)):
            return values
    good = np.isfinite(values)
    bad = np.flatnonzero(~good.reshape(len(good), -1).all(axis=1))
    if len(bad) > 0:
        what = f"{what} gives no finite numbers for {len(bad)} of {len(good)} {unit}s"
        where = f"the first of them is {unit} {bad[0]}, counted from 0"
        _warn(core, f"{what}; {where}", "inputs", _TO_CALLER)
    return values


def _look_for_hidden(core: _core.Network, what: str, inputs: Any, first: int = 0) -> None:
    """Warn of inputs whose sums can overflow where an activation makes something finite of it.

    `first`: the number of the first of their features.
    """
    if _HIDING.isdisjoint(np.atleast_1d(Config.of(core).activation)):
        return
    if isinstance(inputs, BlockArrays):
        _look_for_hidden(core, what, inputs.dense)
        return _look_for_hidden(core, what, inputs.sparse, inputs.dense.shape[1])
    values = inputs.data if isinstance(inputs, CsrArrays) else inputs
    if values.size == 0 or max(values.max(), -values.min()) < _HUGE:
        return
    statistics = core.input_statistics()
    huge = np.abs(values) >= _HUGE
    if isinstance(inputs, CsrArrays):
        rows = np.repeat(np.arange(len(inputs.indptr) - 1), np.diff(inputs.indptr))[huge]
        columns = inputs.indices[huge]
    else:
        rows, columns = np.nonzero(huge)
    if statistics is not None:
        columns = columns + first
        scaled = (np.float64(values[huge]) - statistics.mean[columns]) * statistics.scale[columns]
        rows = rows[np.abs(scaled) >= _HUGE]
    if len(rows) > 0:
        warnings.warn(
            f"{what}: {len(np.unique(rows))} of {inputs.shape[0]} rows have inputs beyond "
            f"{_HUGE:g}, the first of them is row {rows.min()}, counted from 0: their sums can be "
            "too large for float32, which sigmoid and tanh hide",
            RuntimeWarning,
            stacklevel=_TO_CALLER - 1,
        )


def _warn(core: _core.Network, what: str, large: str, stacklevel: int) -> None:
    damaged = [layer for layer in range(len(core.nnz())) if not _is_finite(core, layer)]
    if damaged:
        why = f"weights or biases of layers{damaged} are not finite, as after a training too fast"
    else:
        why = f"{large} or weights are too large for float32"
    warnings.warn(f"{what}: {why}", RuntimeWarning, stacklevel=stacklevel)


def _is_finite(core: _core.Network, layer: int) -> bool:
    return all(bool(np.isfinite(np.asarray(part)).all()) for part in core.values(layer))
