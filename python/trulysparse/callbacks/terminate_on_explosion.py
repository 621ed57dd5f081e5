"""The end of a fit whose loss explodes."""

from __future__ import annotations

import math
from typing import Any

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs
from trulysparse.explosion import FACTOR, grew


class TerminateOnExplosion(Callback):
    """End the fit after an epoch whose loss has exploded.

    That is a ``loss`` or ``val_loss`` that is not finite, as `TerminateOnNaN` sees it, or a
    ``loss`` of more than `factor` times the least of the fit so far, or more than `factor` times
    ``history.baseline.usual``, the most that a healthy network has. A least loss below a
    twentieth of that counts as a twentieth, as near zero a loss jumps for nothing.

    Parameters
    ----------
    factor
        Above 1. Default 10.

    Attributes
    ----------
    exploded : bool
        Whether the last fit was ended.
    """

    _looks = False

    def __init__(self, factor: float = FACTOR) -> None:
        expected = "a finite number above 1"
        self._factor = _check.real("factor", factor, expected, low=1, low_open=True)
        self._losses: list[float] = []
        self.exploded = False

    def on_train_begin(self, logs: Any) -> None:
        """Forget an earlier fit."""
        self._losses, self.exploded = [], False

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look at the losses."""
        self._losses.append(logs["loss"])
        baseline = self.model.history.baseline
        self.exploded = not math.isfinite(logs.get("val_loss", 0.0)) or (
            not math.isfinite(logs["loss"])
            if baseline is None
            else grew(self._losses, baseline, self._factor)
        )
        if self.exploded:
            self.model.stop_training = True
