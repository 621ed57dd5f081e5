"""Growth by gradients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import ClassVar

from trulysparse import _check, _hints
from trulysparse._core import LayerTurnover, Network, Trainer
from trulysparse.topology._magnitude import MagnitudeRule


@_hints.frozen
@dataclass(frozen=True)
class GradientGrowth(MagnitudeRule):
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
    weight of exactly zero; `SparseMLP.plan` counts the former. A fit with a strategy refuses it.

    Parameters
    ----------
    zeta, schedule, start, stop, every
        As in `SET`. Default 0.3, after every epoch.
    grow_init
        As in `SET`, but by default 0, as in RigL.
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

    _takes_samples: ClassVar[bool] = True
    _needs_samples: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check every value."""
        super().__post_init__()
        samples = _check.real("samples", self.samples, "a finite number of at least 1", low=1)
        object.__setattr__(self, "samples", samples)
        if self.batch_size is not None:
            size = _check.integer("batch_size", self.batch_size, 1)
            object.__setattr__(self, "batch_size", size)

    def at(self, epoch: int, epochs: int) -> GradientGrowth | None:
        """Give the rule of the evolution after an epoch, or None if there is none.

        As `SET.at`.
        """
        return super().at(epoch, epochs)

    @property
    def _candidates(self) -> float:
        return self.zeta * self.samples

    def _core(self) -> str:
        rule = {
            "rule": "gradient_growth",
            "zeta": self.zeta,
            "grow_init": self.grow_init,
            "samples": self.samples,
        }
        return json.dumps(rule)

    def _apply(self, core: Network, trainer: Trainer | None) -> list[LayerTurnover]:
        assert trainer is not None
        return trainer.evolve(self._core())
