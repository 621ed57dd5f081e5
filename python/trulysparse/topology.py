"""How the topology of a network changes while it trains."""

from __future__ import annotations

from dataclasses import dataclass

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
