"""Learning rates that a function gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs


class LearningRateScheduler(Callback):
    """Set the learning rate of every epoch by a function, as Keras's does.

    It takes the place of the optimiser's schedule, which must be the constant one without a
    warm-up. `SparseMLP.fit` refuses another schedule, and a `strategy`.

    Parameters
    ----------
    schedule
        ``schedule(epoch, lr) -> lr`` is called before each epoch, counted from 0, with the rate of
        the epoch before; at first with the optimiser's. It returns the rate to use, a positive
        number. In a fit with `initial_epoch` it is called for the epochs before, too.

    Raises
    ------
    TypeError
        If `schedule` cannot be called with two arguments; from the fit, if it returns something
        else than a number.
    ValueError
        From the fit, if it returns a number that is not positive and finite.
    """

    sets_learning_rate = True
    _is_replayed = True

    def __init__(self, schedule: Callable[[int, float], float]) -> None:
        _check.function("schedule", schedule, "(epoch, lr)")
        self.schedule = schedule
        self._begun = False

    def on_train_begin(self, logs: Logs) -> None:
        """Note that no epoch has begun."""
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Ask for the rate and set it; in a fit that goes on, for those before as well."""
        rate = cast(float, self.model.learning_rate)
        for each in range(epoch if self._begun else 0, epoch + 1):
            rate = _check.real(
                "schedule(epoch, lr)",
                self.schedule(each, rate),
                "a positive finite number",
                low=0,
                low_open=True,
            )
        self._begun, self.model.learning_rate = True, rate
