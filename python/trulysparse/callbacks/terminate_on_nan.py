"""The end of a fit that has diverged."""

from __future__ import annotations

import math

from trulysparse.callbacks.base import Callback, Logs


class TerminateOnNaN(Callback):
    """End the fit after an epoch with a loss that is not finite: training has diverged.

    It looks at ``loss`` and, if there are validation data, ``val_loss``. Infinite ones count too;
    large ones are `TerminateOnExplosion`'s.
    """

    _looks = False

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look at the losses."""
        losses = (logs[name] for name in ("loss", "val_loss") if name in logs)
        if not all(map(math.isfinite, losses)):
            self.model.stop_training = True
