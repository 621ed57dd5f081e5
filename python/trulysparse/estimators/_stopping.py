"""Scores of validation data after every epoch, and the end of a fit that they decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from trulysparse.callbacks import Callback, Logs, TerminateOnExplosion, TerminateOnNaN
from trulysparse.history import History


class Tries:
    """Fits with ever lower rates, until one does not explode."""

    def __init__(self, rates: Sequence[float], watch: Scorer | None) -> None:
        self._last, self._watch = rates[-1], watch
        self._ends: TerminateOnNaN | TerminateOnExplosion
        self.retries = -1

    def callbacks(self, rate: float) -> list[Callback]:
        """Give those of the next fit, which is not ended by a large loss if it is the last."""
        self.retries += 1
        keeps_best = self._watch is not None and self._watch.keeps_best
        self._ends = (
            TerminateOnNaN() if rate == self._last or keeps_best else TerminateOnExplosion()
        )
        return [self._ends] if self._watch is None else [self._ends, self._watch]

    def is_done(self, rate: float, history: History) -> bool:
        """Tell whether there is no use in another one."""
        trouble = history.trouble
        exploded = trouble is not None and trouble.kind in ("not finite", "exploded")
        return rate == self._last or not (exploded or getattr(self._ends, "exploded", False))


def is_finite(history: History, *, keeps_best: bool = False) -> bool:
    """Tell whether a fit has led to numbers; if it kept the best, perhaps before it diverged."""
    trouble = history.trouble
    losses = history.history["loss"][: 1 if keeps_best else None]
    return all(map(math.isfinite, losses)) and (trouble is None or trouble.kind != "not finite")


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
    def keeps_best(self) -> bool:
        """Whether the fit ends with the network of the best score."""
        return self._patience is not None

    @property
    def best(self) -> float:
        """The best score."""
        return max(self.scores)

    @property
    def best_epoch(self) -> int:
        """Its epoch, counted from 0: the first of equals."""
        return self.scores.index(self.best)

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

    def on_train_end(self, logs: Logs) -> None:
        """Go back to the network of the best score, with `patience`."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self.model.restore(kept)
