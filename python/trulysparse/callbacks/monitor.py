"""The number that a callback watches over the epochs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, get_args

from trulysparse import _check, _hints, names
from trulysparse.callbacks.base import Logs

_HELD_OUT = ("val_loss", "val_accuracy")
# The numbers that tell which of their values is better.
_KNOWN = ("loss", "accuracy", *_HELD_OUT)
MODES: tuple[str, ...] = get_args(names.Mode)


class Monitor:
    """The best value of one of the logs' numbers; one that is not finite is never the best."""

    def __init__(self, name: Any, mode: Any, min_delta: float = 0.0) -> None:
        if not isinstance(name, str):
            raise TypeError(f"monitor = {_check.shown(name)}: expected a name, such as 'val_loss'")
        mode = _check.choice("mode", mode, MODES)
        if mode == "auto":
            if not name.endswith(("loss", "accuracy")):
                known, near = _check.either([*map(repr, _KNOWN)]), _hints.meant(name, _KNOWN)
                raise ValueError(
                    f"monitor = {name!r} with mode = 'auto': expected {known}{near}; others need "
                    "mode = 'min' or 'max', which of their values is better"
                )
            mode = "max" if name.endswith("accuracy") else "min"
        self.name, self.mode, self._min_delta = name, mode, min_delta
        self.best: float | None = None

    def check(self, metrics: Sequence[str], hint: str = "") -> None:
        """Raise ValueError if there will be no such number."""
        if self.name in metrics:
            return
        near = _hints.meant(self.name, metrics)
        is_held_out = self.name in _HELD_OUT or _hints.meant(self.name, _HELD_OUT)
        if is_held_out and "val_loss" not in metrics:
            hint = " (give fit validation_data, or an estimator's X_val and y_val)"
        elif not (near or hint):
            hint = f" (if a callback adds it: give its class metrics = ({self.name!r},))"
        raise ValueError(
            f"monitor = {self.name!r}: expected one of {', '.join(map(repr, metrics))}{near}{hint}"
        )

    def value(self, logs: Logs) -> float:
        """Give the number of this epoch."""
        if self.name not in logs:
            self.check(list(logs), " (a callback that adds it has to come first)")
        return float(logs[self.name])

    def improves(self, value: float) -> bool:
        """Tell whether the value is better than the best so far, and keep it if so."""
        better = self.beats(value, self.best)
        if better:
            self.best = value
        return better

    def beats(self, value: float, other: float | None) -> bool:
        """Tell whether a value is better than another one, by more than the least difference."""
        if not math.isfinite(value):
            return False
        if other is None:
            return True
        if self.mode == "max":
            return value - self._min_delta > other
        return value + self._min_delta < other
