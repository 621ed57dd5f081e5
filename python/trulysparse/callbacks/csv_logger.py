"""The numbers of the epochs as a file."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Mapping
from typing import Any

from trulysparse import _check, _files
from trulysparse.callbacks.base import Callback, Logs


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
            raise TypeError(f"separator = {_check.shown(separator)}: expected one character")
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
        """Read the first line of the file, or give None if there is none."""
        try:
            with open(self._filename, newline="", encoding="utf-8") as file:
                return next(csv.reader(file, delimiter=self._separator), None)
        except FileNotFoundError:
            return None

    def on_train_begin(self, logs: Logs) -> None:
        """Begin the file."""
        self._names: list[str] | None = None
        self._appends = self._append and self._header() is not None
        if not self._appends:
            self._write("w", ["epoch", *self.params["metrics"]])

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line; numbers of other callbacks are columns if the first epoch has them."""
        if self._names is None:
            names = [*self.params["metrics"]]
            own = [name for name in logs if name not in names]
            if own and not self._appends:
                names += own
                self._write("w", ["epoch", *names])
            self._names = names
        self._write("a", [epoch, *(logs.get(name, math.nan) for name in self._names)])

    def _write(self, mode: str, cells: list[Any]) -> None:
        path = self._filename
        with _files.writing(path), open(path, mode, newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=self._separator).writerow(cells)
