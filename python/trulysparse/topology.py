"""How the topology of a network changes while it trains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trulysparse import _check


@dataclass(frozen=True)
class SET:
    """Sparse evolutionary training (the paper's section 3; Mocanu et al., 2018).

    After every epoch of a fit but the last, in every layer but the output layer, connections with
    a weight of exactly zero are dropped, then the fraction `zeta` of the positive weights closest
    to zero and the same fraction of the negative ones (each number rounded down, ties in the order
    of storage). As many connections grow, uniformly at random among the places that hold none,
    so the number of connections stays the same. Survivors keep their momentum.

    Parameters
    ----------
    zeta
        In [0, 1). Default 0.3.
    grow_init
        The scale of grown weights in units of the model's initial distribution; at least 0.
        Default 1, as in the paper. Small values such as 0.1 disturb a trained network less; at 0
        connections grow with weight zero and become what their gradients make of them.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    zeta: float = 0.3
    grow_init: float = 1.0

    def __post_init__(self) -> None:
        """Check every value."""
        zeta = _check.real("zeta", self.zeta, "a number in [0, 1)", low=0, high=1, high_open=True)
        grow = _check.real("grow_init", self.grow_init, "a finite number of at least 0", low=0)
        object.__setattr__(self, "zeta", zeta)
        object.__setattr__(self, "grow_init", grow)


@dataclass(frozen=True)
class ImportancePruning:
    """Importance pruning while training (the paper's section 4).

    After epoch `start`, counted from 1, and after every `every`-th one from there, but not after
    the last, the hidden neurons whose importance is at or below a threshold lose all of their
    incoming connections, before SET evolves the topology. The importance of a neuron is the sum of
    the absolute values of its incoming weights. The network shrinks: what is pruned does not grow
    elsewhere. A pruned neuron's output is a constant from then on, `SparseMLP.compact` takes it
    out. A hidden layer is never emptied: one whose connected neurons would all go is left alone,
    with a `RuntimeWarning`.

    The defaults are those of the paper's proof of concept for sequential training.

    Parameters
    ----------
    start
        The first epoch, counted from 1, after which neurons are pruned. Default 200.
    every
        Epochs from one pruning to the next, at least 1. Default 10.
    percentile
        The threshold as a percentile, above 0 and below 100, of the importances of the layer's
        neurons that have connections; interpolated linearly as by `numpy.percentile`. Default 20,
        unless there is a `threshold`.
    threshold
        The threshold itself, at least 0, instead of `percentile`. Default None.
    regrow
        Whether SET may grow connections to pruned neurons again, as in the proof of concept. Then a
        neuron that was cut off gets another chance with other connections, and the network can
        lose far more of them before its accuracy suffers (see the README's results); without, the
        default, neurons that `SparseMLP.compact` takes out become more each time.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range, or both `percentile` and `threshold` are given.
    """

    start: int = 200
    every: int = 10
    percentile: float | None = None
    threshold: float | None = None
    regrow: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        object.__setattr__(self, "start", _check.integer("start", self.start, 1))
        object.__setattr__(self, "every", _check.integer("every", self.every, 1))
        default = 20.0 if self.percentile is None and self.threshold is None else self.percentile
        percentile, threshold = pruning_rule(default, self.threshold)
        object.__setattr__(self, "percentile", percentile)
        object.__setattr__(self, "threshold", threshold)
        object.__setattr__(self, "regrow", _check.boolean("regrow", self.regrow))

    def is_due(self, epoch: int) -> bool:
        """Whether neurons are pruned after this epoch, counted from 1."""
        return epoch >= self.start and (epoch - self.start) % self.every == 0


def pruning_rule(percentile: Any, threshold: Any) -> tuple[float | None, float | None]:
    """Both values checked, exactly one of which is given."""
    if (percentile is None) == (threshold is None):
        raise ValueError(
            f"percentile = {percentile!r} and threshold = {threshold!r}: expected one of the two"
        )
    if threshold is not None:
        expected = "a finite number of at least 0"
        return None, _check.real("threshold", threshold, expected, low=0)
    return (
        _check.real(
            "percentile",
            percentile,
            "a number above 0 and below 100",
            low=0,
            high=100,
            low_open=True,
            high_open=True,
        ),
        None,
    )
