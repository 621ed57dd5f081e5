"""The end of a fit that no longer improves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trulysparse import _check, names
from trulysparse.callbacks.base import Callback, Logs, Snapshot
from trulysparse.callbacks.monitor import Monitor


class EarlyStopping(Callback):
    """End the fit when a number has stopped improving, as Keras's callback of this name does.

    Parameters
    ----------
    monitor
        The number to watch, by its name in `History`. Default ``"val_loss"``, for which `fit` needs
        `validation_data`.
    min_delta
        An epoch improves the number if it is better than the best by more than this; at least 0.
        Default 0.
    patience
        The number of epochs in a row without an improvement after which the fit ends; with 0, the
        default, after the first one.
    mode
        ``"min"``, ``"max"`` or ``"auto"`` (default): less is better of a loss and more of an
        accuracy.
    baseline
        A value that the number must beat for `wait` to start from 0 again. An epoch that is the
        best so far never ends the fit, but the next one does if the baseline was not beaten for
        `patience` epochs. None (default) asks for no more than the best.
    restore_best_weights
        At the end of the fit bring the model back to where it was after its best epoch:
        connections, weights, biases, momentum and counters, as if it had been saved then and
        loaded. After an exception or Ctrl-C it stays as it is. The best network is kept in memory,
        which takes up to 12 bytes a connection. Default False.
    start_from_epoch
        Watch from this epoch on, counted from 0. Default 0.

    Attributes
    ----------
    best : float or None
        The best value so far.
    best_epoch : int or None
        Its epoch, counted from 0.
    wait : int
        Epochs since the last improvement.
    stopped_epoch : int or None
        The epoch after which the fit was ended, or None if it was not ended by this.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; when `fit` starts, if it does not have the number.

    Notes
    -----
    A value that is not finite is never the best. The callbacks after this one see the restored
    model in their `on_train_end`. Every fit starts anew.

    Examples
    --------
    >>> import numpy as np, trulysparse as ts
    >>> x = np.random.default_rng(0).normal(size=(500, 20))
    >>> y = (x[:, 0] > 0).astype(int)
    >>> model = ts.SparseMLP([20, 100, 2], epsilon=10, seed=0)
    >>> stopping = ts.EarlyStopping(patience=5, restore_best_weights=True)
    >>> history = model.fit(x[:400], y[:400], validation_data=(x[400:], y[400:]),
    ...                     callbacks=[stopping], progress=False)
    >>> model.epochs_trained == stopping.best_epoch + 1
    True
    """

    _remembers = True

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        mode: names.Mode = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        expected = "a finite number of at least 0"
        self._arguments = (monitor, mode, _check.real("min_delta", min_delta, expected, low=0))
        self._monitor = Monitor(*self._arguments)
        self._patience = _check.integer("patience", patience, 0)
        if baseline is not None:
            baseline = _check.real(
                "baseline", baseline, "a finite number or None", low=-_check.FLOAT32
            )
        self._baseline = baseline
        self._restores = _check.boolean("restore_best_weights", restore_best_weights)
        self._start = _check.integer("start_from_epoch", start_from_epoch, 0)
        self._begin()

    def _begin(self) -> None:
        self._monitor = Monitor(*self._arguments)
        self._best: Snapshot | None = None
        self.best_epoch: int | None = None
        self.stopped_epoch: int | None = None
        self.wait = 0

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
        """Keep the network if it is the best, and stop if there was none for too long."""
        if epoch < self._start:
            return
        value = self._monitor.value(logs)
        self.wait += 1
        if self._monitor.improves(value):
            self.best_epoch = epoch
            if self._restores:
                self._best = None  # before there is another one
                self._best = self.model.snapshot()
            if self._baseline is None or self._monitor.beats(value, self._baseline):
                self.wait = 0
        elif self.wait >= max(self._patience, 1):
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs) -> None:
        """Bring back the best network, if that was asked for."""
        best, self._best = self._best, None
        if best is None:
            return
        self.model.history.kept_epoch = self.best_epoch
        if self.best_epoch != self.model.history.epoch[-1]:
            self.model.restore(best)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to a fit that is running."""
        return super().__getstate__() | {"_best": None}
