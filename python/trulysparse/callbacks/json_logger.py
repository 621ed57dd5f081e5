"""`JSONLogger`."""

from __future__ import annotations

import json
import math
import os

from trulysparse import _check, _files
from trulysparse.callbacks.base import Callback, Logs


class JSONLogger(Callback):
    """Write a line of JSON for each epoch, as log collectors and notebooks read it.

    A line is an object with ``epoch``, counted from 0, and the numbers of the logs, those of
    callbacks before this one included. What is not finite is null. Each line is complete at once.

    Parameters
    ----------
    filename
        The file to write. Its folder must exist.
    append
        Whether to add to a file that is there. Default False, which begins it anew.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong.
    OSError
        From `fit`, if the file cannot be written.

    Examples
    --------
    >>> import trulysparse as ts
    >>> ts.JSONLogger("log.jsonl", append=True)
    JSONLogger('log.jsonl', append=True)
    """

    def __init__(self, filename: str | os.PathLike[str], append: bool = False) -> None:
        self._filename = _check.path("filename", filename)
        self._append = _check.boolean("append", append)

    def on_train_begin(self, logs: Logs) -> None:
        """Begin the file."""
        if not self._append:
            self._write("w", "")

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Write a line."""
        numbers = {name: value if math.isfinite(value) else None for name, value in logs.items()}
        self._write("a", json.dumps({"epoch": epoch, **numbers}) + "\n")

    def _write(self, mode: str, text: str) -> None:
        path = self._filename
        with _files.writing(path), open(path, mode, encoding="utf-8") as file:
            file.write(text)
