"""Scores of validation data after every epoch, and the end of a fit that they decide."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from trulysparse.callbacks import Callback, Logs


class Diverged(Callback):
    """End a fit whose loss is not finite."""

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Look at the loss."""
        if not math.isfinite(logs["loss"]):
            self.model.stop_training = True


class Scorer(Callback):
    """Score the network after every epoch; with `patience` stop, and keep the best network.

    Parameters
    ----------
    score
        Gives the score of a model; more is better.
    patience
        Epochs without a score better by `tol` than the best, after which the fit ends. None scores
        only.
    tol
        At least 0.
    """

    def __init__(self, score: Callable[[Any], float], patience: int | None, tol: float):
        self._score = score
        self._patience = patience
        self._tol = tol
        self._waited = 0
        self._kept: Any = None
        self.scores: list[float] = []

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier fit."""
        self.scores, self._kept, self._waited = [], None, 0

    @property
    def best(self) -> float:
        """The best score."""
        return max(self.scores)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Score, and decide."""
        best = max(self.scores, default=-math.inf)
        score = self._score(self.model)
        self.scores.append(score)
        if self._patience is None:
            return
        self._waited = 0 if score >= best + self._tol else self._waited + 1
        if score > best:
            self._kept = self.model.snapshot()
        if self._waited >= self._patience:
            self.model.stop_training = True

    def restore(self) -> None:
        """Go back to the network of the best score; after a fit with `patience`."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self.model.restore(kept)
