"""The order of an asynchronous fit's events, as a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from trulysparse import _files


class Record:
    """The file of a `WASAP.record`: a line that says what it is of, then a line per epoch."""

    def __init__(self, path: str | os.PathLike[str], about: dict[str, int]) -> None:
        self._path = Path(path)
        with _files.writing(path):
            self._path.write_text(json.dumps({"format": "trulysparse-wasap", **about}) + "\n")

    def append(self, events: list[int]) -> None:
        """Add an epoch."""
        with _files.writing(self._path), self._path.open("a") as file:
            file.write(json.dumps(events, separators=(",", ":")) + "\n")


def read_record(path: str | os.PathLike[str], about: dict[str, int]) -> list[list[int]]:
    """Read the events of each epoch of a record that is about the same."""
    lines = Path(path).read_text().splitlines()
    expected = {"format": "trulysparse-wasap", **about}
    try:
        found, *epochs = [_files.parsed(line) for line in lines]
        good = all(
            isinstance(epoch, list)
            and all(type(event) is int and 0 <= event < 2**32 for event in epoch)
            for epoch in epochs
        )
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"replay = {os.fspath(path)!r}: expected a file that WASAP has recorded")
    if found != expected:
        raise ValueError(f"replay = {os.fspath(path)!r}: is of {found}, expected {expected}")
    return epochs
