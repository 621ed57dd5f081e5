"""How far a network can be pruned before held-out samples show it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.losses import LOSSES
from trulysparse.topology.pruning import core_rule

_MOST = 99  # the largest percentile that is tried

Percentiles = list[float]


class Tolerance:
    """How much worse a network may score on held-out samples.

    Parameters
    ----------
    tolerance
        How much accuracy may be lost; without accuracy, by which share the loss may grow.
    has_accuracy
        Whether the network's loss goes with an accuracy.
    """

    def __init__(self, tolerance: float, *, has_accuracy: bool) -> None:
        self._tolerance = tolerance
        self._has_accuracy = has_accuracy

    def of(self, loss: float, accuracy: float) -> float:
        """Give the score of a network, which is better if it is higher."""
        return accuracy if self._has_accuracy else -loss

    def allowed(self, score: float) -> float:
        """Tell how much of a score may be lost."""
        return self._tolerance * (1.0 if self._has_accuracy else abs(score))

    def remaining(self, scores: Sequence[float], start: int, every: int) -> float:
        """Tell how much may still be lost at the end of `scores`, one an epoch.

        Pruning is due after epoch `start`, counted from 1, and every `every` from there. A single
        score is noisy, so the means over the epochs before each of these times are compared: what
        the last mean is below the best one is lost already.
        """
        ends = range(start, len(scores) + 1, every)
        parts = [scores[max(end - every, 0) : end] for end in ends]
        means = [math.fsum(part) / len(part) for part in parts]
        best = max(means)
        return self.allowed(best) - (best - means[-1])


def both_or_none(tolerance: float | None, validation_data: Any) -> None:
    """Raise ValueError if there is a tolerance and nothing to measure it on, or the reverse."""
    if (tolerance is None) != (validation_data is None):
        shown = "None" if validation_data is None else "(x, y)"
        raise ValueError(
            f"tolerance = {_check.shown(tolerance)} and validation_data = {shown}: "
            "expected both or none"
        )


def tolerated(
    network: _core.Network, data: _core.Data, tolerance: float, batch_size: int
) -> Percentiles | float:
    """Give the percentile of each hidden layer's connected neurons that can go, or 0 for all."""
    has_accuracy = LOSSES[Config.of(network).loss].has_accuracy
    limit = Tolerance(tolerance, has_accuracy=has_accuracy)
    return furthest(network, data, batch_size, limit) or 0.0


def furthest(
    network: _core.Network,
    data: _core.Data,
    batch_size: int,
    tolerance: Tolerance,
    allowed: float | None = None,
) -> Percentiles | None:
    """Find the percentile of each hidden layer's connected neurons that can go, 0 for none.

    First the largest percentile that all layers can have together, then, layer by layer, the
    largest for that layer beside those of the others; both by bisection in whole numbers. `allowed`
    is how much of the network's score may be lost, by default all of the tolerance. A layer that
    pruning would ruin does not count as pruned. None if nothing can go. The network stays as it is.
    """

    def score(percentiles: Percentiles) -> float:
        copy = network.copy()
        report = copy.prune(core_rule(percentile=percentiles, over="connected", regrow=True))
        if any(layer.refusal is not None for layer in report):
            return -math.inf
        scores = copy.evaluate(data, batch_size)
        return tolerance.of(scores.loss, scores.accuracy)

    hidden = len(network.nnz()) - 1
    scores = network.evaluate(data, batch_size)
    own = tolerance.of(scores.loss, scores.accuracy)
    worst = own - (tolerance.allowed(own) if allowed is None else allowed)
    common = _largest(0, _MOST, lambda p: score([p] * hidden) >= worst)
    found: Percentiles = [common] * hidden
    for layer in range(hidden if hidden > 1 else 0):
        found[layer] = _largest(
            int(found[layer]),
            _MOST,
            lambda p, layer=layer: score([*found[:layer], p, *found[layer + 1 :]]) >= worst,  # type: ignore[misc]
        )
    return found if any(found) else None


def _largest(low: int, high: int, will_do: Callable[[float], bool]) -> float:
    """Find the largest whole number that will do, where `low` does and those that do come first."""
    while low < high:
        middle = (low + high + 1) // 2
        if will_do(float(middle)):
            low = middle
        else:
            high = middle - 1
    return float(low)
