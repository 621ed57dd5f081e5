"""Callbacks that write files."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trulysparse import _check
from trulysparse.callbacks._base import Callback, Logs
from trulysparse.callbacks._monitor import Monitor

# The logs that are whole numbers, for formats such as {connections:d}.
_WHOLE = ("connections", "neurons", "multiply_adds", "peak_memory", "updates", "refused")


class ModelCheckpoint(Callback):
    """Save the model after every epoch, or after every best one, as Keras's callback does.

    The files are those of `SparseMLP.save`. They come before the pruning and the evolution that
    follow an epoch; the user guide says how to go on from one.

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
        mode: str = "auto",
    ) -> None:
        self._filepath = _check.path("filepath", filepath)
        self._watches = _check.boolean("save_best_only", save_best_only)
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

    def __getstate__(self) -> dict[str, Any]:
        """Without the model."""
        return {k: v for k, v in vars(self).items() if k != "model"}


class CSVLogger(Callback):
    """Write a line with the logs to a .csv after every epoch, as Keras's callback does.

    A header with ``epoch``, counted from 0, and the names of the logs comes first. What a fit that
    was broken off has done is in the file.

    Parameters
    ----------
    filename
        The file. Its folder must exist.
    separator
        One character between the cells. Default ``","``.
    append
        Go on with a file that exists, without another header. Default False: begin it anew.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; when `fit` starts, if a file to append to has another header.
    OSError
        From `fit`, if the file cannot be written.
    """

    def __init__(
        self, filename: str | os.PathLike[str], separator: str = ",", append: bool = False
    ) -> None:
        self._filename = _check.path("filename", filename)
        if not isinstance(separator, str):
            raise TypeError(f"separator = {separator!r}: expected one character")
        if len(separator) != 1 or separator in '\r\n"':
            raise ValueError(
                f"separator = {separator!r}: expected one character, and no quote or line break"
            )
        self._separator = separator
        self._append = _check.boolean("append", append)

    def set_params(self, params: Mapping[str, Any]) -> None:
        """Check the header of a file that is to be continued."""
        header = ["epoch", *params["metrics"]]
        found = self._header() if self._append else None
        if found not in (None, header):
            raise ValueError(
                f"filename = {self._filename!r} with append=True: expected a file with the header "
                f"{self._separator.join(header)!r}"
            )
        super().set_params(params)

    def _header(self) -> list[str] | None:
        """The first line of the file, or None if there is none."""
        try:
            with open(self._filename, newline="", encoding="utf-8") as file:
                return next(csv.reader(file, delimiter=self._separator), None)
        except FileNotFoundError:
            return None

    def on_train_begin(self, logs: Logs) -> None:
        """Begin the file."""
        if not self._append or self._header() is None:
            self._write("w", ["epoch", *self.params["metrics"]])

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line."""
        self._write("a", [epoch, *(logs[name] for name in self.params["metrics"])])

    def _write(self, mode: str, cells: list[Any]) -> None:
        with open(self._filename, mode, newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=self._separator).writerow(cells)

    def __getstate__(self) -> dict[str, Any]:
        """Without the model."""
        return {k: v for k, v in vars(self).items() if k != "model"}
