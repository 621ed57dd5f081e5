"""How the topology of a network changes while it trains."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from trulysparse import _check

SCHEDULES = ("constant", "cosine")

_Set = TypeVar("_Set", bound="SET")


@dataclass(frozen=True)
class SET:
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

    zeta: float = 0.3
    grow_init: float = 1.0
    schedule: str = "constant"
    start: int = 1
    stop: int | float | None = None
    every: int = 1

    def __post_init__(self) -> None:
        """Check every value."""
        zeta = _check.real("zeta", self.zeta, "a number in [0, 1)", low=0, high=1, high_open=True)
        grow = _check.real("grow_init", self.grow_init, "a finite number of at least 0", low=0)
        object.__setattr__(self, "zeta", zeta)
        object.__setattr__(self, "grow_init", grow)
        object.__setattr__(self, "schedule", _check.choice("schedule", self.schedule, SCHEDULES))
        start, stop, every = evolution_times(self.start, self.stop, self.every)
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "stop", stop)
        object.__setattr__(self, "every", every)

    def at(self: _Set, epoch: int, epochs: int) -> _Set | None:
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
        epoch = _check.integer("epoch", epoch, 1)
        last = last_evolution(
            self.start, self.stop, self.every, _check.integer("epochs", epochs, 1)
        )
        if not self.start <= epoch <= last or (epoch - self.start) % self.every:
            return None
        if self.schedule == "constant" or last == self.start:
            return self
        passed = (epoch - self.start) / (last - self.start)
        return replace(self, zeta=self.zeta * 0.5 * (1.0 + math.cos(math.pi * passed)))


@dataclass(frozen=True)
class GradientGrowth(SET):
    """Growth where gradients are largest among candidates that are drawn first.

    A RigL (Evci et al., 2020) that is truly sparse, as in the guided stochastic exploration of
    Heddes et al. (2024): connections are dropped as by `SET`. Then, for each connection that is to
    grow, `samples` of the empty places of the layer are drawn, uniformly and without replacement,
    and those grow where the gradient of the loss has the largest magnitude (ties in the order of
    storage). The gradients are those of a training step, dropout included, on a batch of training
    samples that is drawn for each evolution from the model's seed. An evolution takes about as
    long as a training step on that batch and a `SET` evolution together.

    Nothing of n_in x n_out is made: a layer's candidates take 16 bytes each, beside what `SET`
    takes, so ``16 * zeta * samples`` bytes a connection, and as many more for connections with a
    weight of exactly zero; `SparseMLP.plan` counts the former. Not for a fit with a strategy.

    Parameters
    ----------
    zeta, schedule, start, stop, every
        As of `SET`. Default 0.3, after every epoch.
    grow_init
        As of `SET`, but by default 0, as in RigL.
    samples
        Candidates for each connection that grows, at least 1; 1 is growth at random. If there are
        fewer empty places all are candidates. Default 3.
    batch_size
        Samples whose gradients are taken, at least 1; all if there are fewer. A larger batch than
        that of the fit makes its buffers larger. None (default): as many as a step takes.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    grow_init: float = 0.0
    samples: float = 3.0
    batch_size: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        samples = _check.real("samples", self.samples, "a finite number of at least 1", low=1)
        object.__setattr__(self, "samples", samples)
        if self.batch_size is not None:
            size = _check.integer("batch_size", self.batch_size, 1)
            object.__setattr__(self, "batch_size", size)


def evolution_times(start: Any, stop: Any, every: Any) -> tuple[int, int | float | None, int]:
    """When a topology evolves, checked; `stop` may be a share of the fit's epochs."""
    start = _check.integer("start", start, 1)
    if isinstance(stop, float):
        expected = "an integer, or a share of the fit's epochs between 0 and 1"
        stop = _check.real("stop", stop, expected, low=0, high=1, low_open=True, high_open=True)
    elif stop is not None:
        stop = _check.integer("stop", stop, 1)
        if stop < start:
            raise ValueError(f"stop = {stop}: expected at least start = {start}")
    return start, stop, _check.integer("every", every, 1)


def last_evolution(start: int, stop: int | float | None, every: int, epochs: int) -> int:
    """The epoch after which a fit evolves its topology last; below `start` if never."""
    if isinstance(stop, float):
        stop = round(stop * epochs)
    last = epochs - 1 if stop is None else min(stop, epochs - 1)
    return start + (last - start) // every * every
