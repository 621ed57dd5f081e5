"""Learning rates that a function gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs


class LearningRateScheduler(Callback):
    """Set the learning rate of every epoch by a function, as Keras's does.

    In place of a schedule of the optimiser, which must be the constant one without a warm-up, and
    without a `strategy`: `SparseMLP.fit` refuses others.

    Parameters
    ----------
    schedule
        ``schedule(epoch, lr) -> lr`` is called before each epoch, counted from 0, with the rate of
        the epoch before; at first with the optimiser's. It returns the rate to use, a positive
        number.

    Raises
    ------
    TypeError
        If `schedule` cannot be called; from the fit, if it returns something else than a number.
    ValueError
        From the fit, if it returns a number that is not positive and finite.
    """

    sets_learning_rate = True

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        if not callable(schedule):
            raise TypeError(
                f"schedule = {_check.shown(schedule)}: expected a function of epoch and rate"
            )
        self.schedule = schedule

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Ask for the rate and set it."""
        self.model.learning_rate = _check.real(
            "schedule(epoch, lr)",
            self.schedule(epoch, cast(float, self.model.learning_rate)),
            "a positive finite number",
            low=0,
            low_open=True,
        )
