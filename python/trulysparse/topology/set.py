"""Sparse evolutionary training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from trulysparse import _hints
from trulysparse.topology._magnitude import MagnitudeRule


@_hints.frozen
@dataclass(frozen=True)
class SET(MagnitudeRule):
    """Sparse evolutionary training (SET; Mocanu et al., 2018).

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
    schedule
        ``"constant"`` (default), or ``"cosine"``: from `zeta` after epoch `start` down to 0 at the
        last evolution of the fit, as half a cosine.
    start, stop
        The first and the last epoch, counted from 1, after which the topology evolves; `stop` may
        be a share of the fit's epochs, a float between 0 and 1. Default 1 and None, the last but
        one of the fit.
    every
        Epochs from one evolution to the next, at least 1. Default 1.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    _with_strategy: ClassVar[bool] = True

    def at(self, epoch: int, epochs: int) -> SET | None:
        """Give the rule of the evolution after an epoch, with the schedule's `zeta`.

        For `SparseMLP.evolve`, which takes `zeta` as it is: after loading the checkpoint of a fit.

        Parameters
        ----------
        epoch
            Counted from 1.
        epochs
            Of the fit.

        Returns
        -------
        A rule of the same kind, or None if the topology does not evolve then.
        """
        return super().at(epoch, epochs)

    def _core(self) -> str:
        return json.dumps({"rule": "set", "zeta": self.zeta, "grow_init": self.grow_init})
