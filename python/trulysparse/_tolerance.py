"""How far a network can be pruned before held-out samples show it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from trulysparse.pruning import core_rule

if TYPE_CHECKING:
    from trulysparse import _core

_MOST = 99  # the largest percentile that is tried

Percentiles = list[float]


class Tolerance:
    """What a network may score at the worst.

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
        """The score of a network, which is better if it is higher."""
        return accuracy if self._has_accuracy else -loss

    def worst(self, best: float) -> float:
        """The lowest score that will do beside the best one."""
        return best - self._tolerance * (1.0 if self._has_accuracy else abs(best))


def furthest(
    network: _core.Network,
    data: _core.Data,
    batch_size: int,
    tolerance: Tolerance,
    best: float | None = None,
) -> Percentiles | None:
    """The percentile of each hidden layer's connected neurons that can go, 0 for none.

    First the largest percentile that all layers can have together, then, layer by layer, the
    largest for that layer beside those of the others; both by bisection in whole numbers. `best` is
    the score to be near to, by default the network's own. None if nothing can go. No layer is
    one that pruning would ruin. The network stays as it is.
    """

    def score(percentiles: Percentiles) -> float:
        copy = network.copy()
        report = copy.prune(core_rule(percentile=percentiles, over="connected", regrow=True))
        if any(refused is not None for _, _, refused in report):
            return -math.inf
        return tolerance.of(*copy.evaluate(data, batch_size))

    hidden = len(network.nnz()) - 1
    if best is None:
        best = tolerance.of(*network.evaluate(data, batch_size))
    worst = tolerance.worst(best)
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
    """The largest whole number that will do, if `low` does and none beyond one that does not."""
    while low < high:
        middle = (low + high + 1) // 2
        if will_do(float(middle)):
            low = middle
        else:
            high = middle - 1
    return float(low)
