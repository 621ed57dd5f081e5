"""The order of an asynchronous fit's events, as a file."""

from __future__ import annotations

import json
import os
from pathlib import Path

from trulysparse import _files

# Epochs after which the core may refuse a gradient for the changes of the topology in between; what
# follows is judged as it is replayed.
_FORGOTTEN_AFTER = 3


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


def read_record(
    path: str | os.PathLike[str], about: dict[str, int], max_staleness: int | None, least: int
) -> list[list[int]]:
    """Read the events of each epoch, at least `least`, of a record that is about the same.

    They are all checked now, as the core would find out in the middle of a fit.
    """
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
    wrong = _wrong(epochs, about, max_staleness)
    if wrong is None and len(epochs) < least:
        wrong = f"ends too early, after {len(epochs)} epochs of {least}"
    if wrong is not None:
        raise ValueError(
            f"replay = {os.fspath(path)!r}: {wrong}: expected the unchanged record of this very fit"
        )
    return epochs


def _wrong(epochs: list[list[int]], about: dict[str, int], max_staleness: int | None) -> str | None:
    """Say what no fit can have recorded."""
    workers, samples, batch_size = (about[name] for name in ("workers", "samples", "batch_size"))
    shares = [len(range(worker, samples, workers)) for worker in range(workers)]
    per_epoch = sum(-(-share // batch_size) for share in shares)
    # The epoch and the updates before each worker's last pull, until it pushes.
    pulled: dict[int, tuple[int, int]] = {}
    updates = 0
    for epoch, events in enumerate(epochs, start=1):
        due = updates + per_epoch
        for place, event in enumerate(events, start=1):
            worker, pushes = event >> 1, event & 1
            at = f"event {place} of line {epoch + 1}"
            if worker >= workers:
                return f"{at} is of worker {worker} of {workers}"
            if updates == due:
                return f"{at} is after the epoch's last update"
            if pushes != (worker in pulled):
                return f"{at} is a {'push without a pull' if pushes else 'pull without a push'}"
            if not pushes:
                pulled[worker] = epoch, updates
                continue
            since, before = pulled.pop(worker)
            if epoch - since > _FORGOTTEN_AFTER:
                return None
            updates += max_staleness is None or updates - before <= max_staleness
        if updates < due:
            return f"line {epoch + 1} has {updates - due + per_epoch} updates of {per_epoch}"
    return None
