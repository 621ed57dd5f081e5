"""The model as a file after every epoch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trulysparse import _check, _files, names
from trulysparse.callbacks.base import Callback, Logs
from trulysparse.callbacks.monitor import MODES, Monitor

# The logs that are whole numbers, for formats such as {connections:d}.
_WHOLE = ("connections", "neurons", "multiply_adds", "peak_memory", "updates", "refused")


class ModelCheckpoint(Callback):
    """Save the model after every epoch, or after every best one, as Keras's callback does.

    The files are those of `SparseMLP.save`. They come before the pruning and the evolution that
    follow an epoch; the user guide says how to go on from one. The networks of workers are not in
    them: in the second phase of a strategy they are in its own `checkpoint`.

    Parameters
    ----------
    filepath
        The file, which is replaced if it exists. It may have fields in braces, ``{epoch}`` (counted
        from 1, as in Keras) and the names of the logs: ``"runs/{epoch:02d}-{val_loss:.3f}"``.
        Folders are made.
    monitor
        The number to watch with `save_best_only`. Default ``"val_loss"``.
    save_best_only
        Save only if the number is better than after all epochs before. Default False.
    mode
        ``"min"``, ``"max"`` or ``"auto"`` (default): less is better of a loss and more of an
        accuracy.

    Attributes
    ----------
    best : float or None
        The best value of a fit so far, with `save_best_only`.
    last_path : str or None
        The file that was written last.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; when `fit` starts, if it does not have a number that is named.
    OSError
        From `fit`, if a file cannot be written.
    """

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        save_best_only: bool = False,
        mode: names.Mode = "auto",
    ) -> None:
        self._filepath = _files.to_write("filepath", filepath)
        self._watches = self._remembers = _check.boolean("save_best_only", save_best_only)
        mode = _check.choice("mode", mode, MODES)
        if not self._watches and isinstance(monitor, str) and mode == "auto":
            mode = "min"  # it is not used, so any number will do
        self._arguments = (monitor, mode)
        self._monitor = Monitor(*self._arguments)
        self.last_path: str | None = None

    @property
    def best(self) -> float | None:
        """The best value so far."""
        return self._monitor.best

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Check that the fit has the numbers."""
        if self._watches:
            self._monitor.check(params["metrics"])
        self._path(0, {name: 0 if name in _WHOLE else 0.5 for name in params["metrics"]})
        super().set_params(params)

    def on_train_begin(self, logs: Logs) -> None:
        """Forget another fit."""
        self._monitor = Monitor(*self._arguments)
        self.last_path = None

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Save the model, if it is time."""
        if self._watches and not self._monitor.improves(self._monitor.value(logs)):
            return
        path = self._path(epoch, logs)
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        self.model.save(path)
        self.last_path = path

    def _path(self, epoch: int, logs: Logs) -> str:
        try:
            return self._filepath.format(epoch=epoch + 1, **logs)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            names = ", ".join(f"{{{name}}}" for name in ("epoch", *logs))
            raise ValueError(
                f"filepath = {self._filepath!r}: expected no fields but {names}, with formats for "
                f"numbers ({type(error).__name__}: {error})"
            ) from None
