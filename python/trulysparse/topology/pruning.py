"""Importance pruning: when, how much and what may come back."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_args

from trulysparse import _check, _core, _hints, names

OVER: tuple[str, ...] = get_args(names.Over)

# When the published proof of concept prunes, as (start, every, percentile): it does so after the
# epochs 210, 220, ... or 220, 240, ..., counted from 0.
SEQUENTIAL = (211, 10, 20.0)
PARALLEL = (221, 20, 10.0)


@_hints.frozen
@dataclass(frozen=True)
class ImportancePruning(_hints.Worded):
    """Importance pruning while training (arXiv 2102.01732, "Importance pruning").

    After epoch `start`, counted from 1, and after every `every`-th one from there, but not after
    the last, the hidden neurons whose importance is at or below a threshold lose all of their
    incoming connections, before SET evolves the topology. The importance of a neuron is the sum of
    the absolute values of its incoming weights. The network shrinks: what is pruned does not grow
    elsewhere. The output of a neuron without connections is a constant, and `SparseMLP.compact`
    takes it out.

    The defaults prune as the published proof of concept does. Its threshold is a percentile over
    all neurons of a layer. Those that were cut off count with importance 0, so the more there are,
    the fewer go, and the shrinking ends by itself.

    A pruning that would ruin a layer is refused for that layer, with a `RuntimeWarning`: one that
    leaves fewer than two connected neurons, or fewer than both the number of outputs and a tenth
    of the layer, and one after which an output would no longer depend on any input.

    Parameters
    ----------
    start
        The first epoch, counted from 1, after which neurons are pruned; or, as a float between 0
        and 1, that share of the fit's epochs. By default 211, with a strategy 221.
    every
        Epochs from one pruning to the next, at least 1; or a share of the fit's epochs. By
        default 10, with a strategy 20.
    percentile
        The threshold as a percentile, above 0 and below 100, of the importances of the layer's
        neurons; interpolated linearly as by `numpy.percentile`. By default 20, with a strategy
        10, unless there is a `threshold` or a `tolerance`.
    threshold
        The threshold itself, at least 0, instead of `percentile`. Default None.
    regrow
        Whether SET may grow connections to pruned neurons again, which gives a neuron another
        chance with other connections. Default True, as in the proof of concept. False closes
        pruned neurons for good.
    over
        The neurons that the percentile is of: ``"all"`` (default), or ``"connected"``, which takes
        as large a share of those that are left every time. The latter does not slow down: over
        many prunings it costs accuracy.
    tolerance
        Instead of `percentile` and `threshold`: how much held-out accuracy a pruning may cost, in
        [0, 1); 0.003 is 0.3 points. Before each pruning the fit's `validation_data` are scored
        with ever more neurons left out, and as many are pruned as cost no more than that. What the
        mean accuracy since the pruning before is below the best such mean counts as lost already.
        Without accuracy (squared error) the loss may grow by that share. In the local phase of a
        strategy the workers' average is what is scored; each worker then prunes the same shares of
        its layers. Needs `validation_data`, and the memory of a copy of the network. Default None.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range, or more than one of `percentile`, `threshold` and
        `tolerance` is given.
    """

    start: int | float | None = None
    every: int | float | None = None
    percentile: float | None = None
    threshold: float | None = None
    regrow: bool = True
    over: names.Over = "all"
    tolerance: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "start", _time("start", self.start))
        object.__setattr__(self, "every", _time("every", self.every))
        percentile, threshold, tolerance = amount(
            self.percentile, self.threshold, self.tolerance, required=False
        )
        object.__setattr__(self, "percentile", percentile)
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "tolerance", tolerance)
        object.__setattr__(self, "regrow", _check.boolean("regrow", self.regrow))
        object.__setattr__(self, "over", _check.choice("over", self.over, OVER))

    def resolved(self, epochs: int, *, parallel: bool = False) -> ImportancePruning:
        """Give the rule of a fit, with whole epochs and all defaults filled in.

        Parameters
        ----------
        epochs
            Of the fit.
        parallel
            Whether the fit has a strategy. Default False.
        """
        epochs = _check.integer("epochs", epochs, 0)
        is_parallel = _check.boolean("parallel", parallel)
        start, every, percentile = PARALLEL if is_parallel else SEQUENTIAL
        given = (self.percentile, self.threshold, self.tolerance)
        return replace(
            self,
            start=_epoch(self.start, start, epochs),
            every=_epoch(self.every, every, epochs),
            percentile=percentile if given == (None, None, None) else self.percentile,
        )

    def is_due(self, epoch: int) -> bool:
        """Tell whether neurons are pruned after an epoch, counted from 1, by a resolved rule."""
        epoch = _check.integer("epoch", epoch, 1)
        start, every = self.start, self.every
        if not isinstance(start, int) or not isinstance(every, int):
            raise TypeError(f"{self!r}: expected whole epochs, as `resolved` gives them")
        return epoch >= start and (epoch - start) % every == 0

    def _core(self, percentiles: list[float] | None = None) -> str:
        """Give the rule as the core takes it; `percentiles`: what `tolerance` allows each layer."""
        if percentiles is not None:
            return core_rule(percentile=percentiles, over="connected", regrow=self.regrow)
        return core_rule(
            percentile=self.percentile,
            threshold=self.threshold,
            over=self.over,
            regrow=self.regrow,
        )


def _time(name: str, value: Any) -> int | float | None:
    return None if value is None else _check.count_or_share(name, value)


def _epoch(value: int | float | None, default: int, epochs: int) -> int:
    if isinstance(value, float):
        return max(round(value * epochs), 1)
    return default if value is None else value


def amount(
    percentile: Any, threshold: Any, tolerance: Any, *, required: bool
) -> tuple[float | None, float | None, float | None]:
    """Check values, at most one of which is given; with `required` exactly one."""
    given = {"percentile": percentile, "threshold": threshold, "tolerance": tolerance}
    count = sum(value is not None for value in given.values())
    if count > 1 or (required and count == 0):
        shown = ", ".join(f"{name} = {_check.shown(value)}" for name, value in given.items())
        raise ValueError(f"{shown}: expected one of the three")
    if percentile is not None:
        expected = "a number above 0 and below 100"
        percentile = _check.real(
            "percentile", percentile, expected, low=0, high=100, low_open=True, high_open=True
        )
    if threshold is not None:
        expected = "a finite number of at least 0"
        threshold = _check.real("threshold", threshold, expected, low=0)
    if tolerance is not None:
        expected = "a number in [0, 1)"
        tolerance = _check.real("tolerance", tolerance, expected, low=0, high=1, high_open=True)
    return percentile, threshold, tolerance


def core_rule(
    *,
    percentile: float | list[float] | None = None,
    threshold: float | None = None,
    over: names.Over = "all",
    regrow: bool,
) -> str:
    """Give a rule as the core takes it, in JSON; a percentile of 0 leaves a layer alone."""
    cut: dict[str, Any] = {"threshold": threshold}
    if threshold is None:
        cut = {"connected_percentile" if over == "connected" else "percentile": percentile}
    return json.dumps({"cut": cut, "close": not regrow})


def reported(pruned: Sequence[_core.Pruned], stacklevel: int) -> list[dict[str, int]]:
    """Give what a pruning did to each layer, and warn of layers that it has left alone."""
    report = []
    for number, layer in enumerate(pruned, start=1):
        neurons, connections = layer.neurons, layer.connections
        report.append({"layer": number, "neurons": neurons, "connections": connections})
        if layer.refusal is not None:
            message = f"layer {number} was not pruned: {layer.refusal}"
            warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
    return report
