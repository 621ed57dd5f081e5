"""A learning rate that falls when a number stops improving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trulysparse import _check, names
from trulysparse.callbacks.base import Callback, Logs
from trulysparse.callbacks.monitor import Monitor


class ReduceLROnPlateau(Callback):
    """Lower the learning rate when a number has stopped improving, as Keras's callback does.

    It takes the place of the optimiser's schedule, which must be the constant one without a
    warm-up. `SparseMLP.fit` refuses another schedule, and a `strategy`.

    Parameters
    ----------
    monitor
        The number to watch, by its name in `History`. Default ``"val_loss"``, for which `fit` needs
        `validation_data`.
    factor
        The rate is multiplied by it; above 0 and below 1. Default 0.1.
    patience
        The rate falls after this many epochs in a row without an improvement, with 0 after the
        first one. Default 10.
    mode
        ``"min"``, ``"max"`` or ``"auto"`` (default): less is better of a loss and more of an
        accuracy.
    min_delta
        An epoch improves the number if it is better than the best by more than this; at least 0.
        Default 1e-4.
    cooldown
        Epochs after a reduction that do not count, at least 0. Default 0.
    min_lr
        The rate does not fall below it; at least 0. Default 0.

    Attributes
    ----------
    best : float or None
        The best value so far.
    wait : int
        Epochs that count since the last improvement or reduction.
    reductions : list of int
        The epochs, counted from 0, after which the rate fell.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; when `fit` starts, if it does not have the number.

    Notes
    -----
    A value that is not finite is never the best. Every fit starts anew. All epochs of `cooldown`
    are left out of the count, as in PyTorch; Keras counts the last of them.

    Examples
    --------
    >>> import numpy as np, trulysparse as ts
    >>> x = np.random.default_rng(0).normal(size=(500, 20))
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = ts.SparseMLP([20, 100, 2], epsilon=10, seed=0)
    >>> plateau = ts.ReduceLROnPlateau(patience=2, factor=0.5)
    >>> history = model.fit(x[:400], y[:400], epochs=30, validation_data=(x[400:], y[400:]),
    ...                     callbacks=[plateau], progress=False)
    >>> rates = history.history["learning_rate"]
    >>> rates[-1] == 0.01 * 0.5 ** len(plateau.reductions) < 0.01
    True
    """

    sets_learning_rate = True

    _remembers = True

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        mode: names.Mode = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        expected = "a finite number of at least 0"
        self._arguments = (monitor, mode, _check.real("min_delta", min_delta, expected, low=0))
        self._factor = _check.real(
            "factor",
            factor,
            "a number above 0 and below 1",
            low=0,
            high=1,
            low_open=True,
            high_open=True,
        )
        self._patience = max(_check.integer("patience", patience, 0), 1)
        self._cooldown = _check.integer("cooldown", cooldown, 0)
        self._min_lr = _check.real("min_lr", min_lr, expected, low=0)
        self._begin()

    def _begin(self) -> None:
        self._monitor = Monitor(*self._arguments)
        self._cooling = 0
        self.wait = 0
        self.reductions: list[int] = []

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return self._monitor.best

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Check that the fit has the number."""
        self._monitor.check(params["metrics"])
        super().set_params(params)

    def on_train_begin(self, logs: Logs) -> None:
        """Forget another fit."""
        self._begin()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Lower the rate of the epochs to come, if the number has not improved for too long."""
        improves = self._monitor.improves(self._monitor.value(logs))
        if self._cooling > 0:
            self._cooling -= 1
            self.wait = 0
            return
        self.wait = 0 if improves else self.wait + 1
        rate = self.model.learning_rate
        if self.wait < self._patience or rate is None or rate <= self._min_lr:
            return
        lower = max(rate * self._factor, self._min_lr)
        if lower > 0:  # 0 is what is left of a rate after hundreds of reductions
            self.model.learning_rate = lower
            self.reductions.append(epoch)
        self._cooling, self.wait = self._cooldown, 0
