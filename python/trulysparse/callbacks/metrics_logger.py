"""`MetricsLogger`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs

Tracker: TypeAlias = Callable[[int, dict[str, float]], Any]


class MetricsLogger(Callback):
    """Give the numbers of each epoch to a function, such as that of a tracker of experiments.

    Parameters
    ----------
    function
        Called after each epoch with the epoch, counted from 0, and a dict of its numbers, those of
        callbacks before this one included. What it raises ends the fit.

    Raises
    ------
    TypeError
        If it cannot be called with two arguments.

    Examples
    --------
    >>> import trulysparse as ts
    >>> seen = []
    >>> callback = ts.MetricsLogger(lambda epoch, numbers: seen.append(numbers["loss"]))
    """

    def __init__(self, function: Tracker) -> None:
        _check.function("function", function, "(epoch, numbers)")
        self.function = function

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Call the function."""
        self.function(epoch, dict(logs))
