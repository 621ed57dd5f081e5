"""What a fit recorded."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from trulysparse import _check, _files, _html
from trulysparse.explosion import Baseline, Trouble

LOSSES_OF_AN_EPOCH = ("loss", "val_loss")
"""What must be finite."""


def numbers_of(logs: Mapping[Any, Any]) -> dict[str, float]:
    """Give what a callback put into logs, as floats; a TypeError for what is no number."""
    found = {}
    for name, value in logs.items():
        if not isinstance(name, str) or name == "epoch":  # which names a column of files
            raise TypeError(f"logs has the key {_check.shown(name)}: expected another name")
        if not _check.is_number(_check.plain(value)):
            raise TypeError(f"logs[{name!r}] = {_check.shown(value)}: expected a number")
        found[name] = float(_check.plain(value))
    return found


class History:
    """Numbers per epoch of one fit.

    ``pandas.DataFrame(history)`` has a row per epoch, as iterating gives them: a dict with
    ``epoch`` and the numbers of `history`.

    Attributes
    ----------
    epoch : list of int
        The epochs, counted from 0.
    history : dict of str to list of float
        ``loss`` and ``accuracy`` of the training samples as they were met, with dropout;
        ``val_loss`` and ``val_accuracy`` if there are validation data; ``connections``, the number
        of connections that the epoch trained, and ``neurons``, that of hidden neurons with incoming
        connections; ``learning_rate`` at the epoch's end; what it cost, as below. `WASAP` adds the
        numbers that it names. Models whose outputs are values have no accuracy.
        Costs: ``seconds`` that training took, and beside them ``validation_seconds`` and, of the
        changes between the epoch before and this one, ``pruning_seconds`` and
        ``evolution_seconds``; 0 where there was none. ``multiply_adds``, multiplications with
        additions of the training so far; ``peak_memory``, the most bytes that the process has had
        so far, with `comm` that of rank 0.

        A sample costs 3 multiply-adds for each connection that it trains, the products of the
        outputs, of the deltas and of the gradient; those of the first layer, which passes no
        deltas on, 2. ``memory="least"`` adds 1 for layers whose outputs are computed twice. Of
        sparse samples the first layer's connections count from the features that the batch has.
        Biases, activations, the optimiser's step, validation and evolution do not count.
    staleness_histogram : list of int, or None
        How many gradients of a `WASAP` fit had staleness 0, 1, 2 and so on, refused ones included,
        over all of its epochs so far; the last of 1024 numbers, if there are that many, counts all
        beyond. None for other fits. It has no place in `to_csv`, which is by epoch.
    baseline : Baseline, or None
        What losses are compared with: ``baseline.loss`` is that of the best constant prediction of
        the training targets. None before there are targets, and on workers of an MPI job.
    trouble : Trouble, or None
        What is wrong with the network at the end: its `message` was said in an `ExplosionWarning`,
        which has the rules. None if nothing is.
    kept_epoch : int or None
        The epoch, of `epoch`, whose network the fit ended with: that of the best score, by
        `EarlyStopping` with ``restore_best_weights=True``, or by `early_stopping` of an estimator.
        None: the last one.
    limited_steps : int
        Gradients for which weights of samples were limited, as the guide says. 0 with an MPI job.
    """

    # Also of histories that were pickled without them.
    staleness_histogram: list[int] | None = None
    baseline: Baseline | None = None
    trouble: Trouble | None = None
    kept_epoch: int | None = None
    limited_steps: int = 0

    def __init__(self) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list[float]] = {}

    def append(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Add an epoch; every epoch has the same keys. Ctrl-C adds all of it or nothing."""
        try:
            for key, value in logs.items():
                self.history.setdefault(key, []).append(value)
            for key in self.history.keys() - logs.keys():  # of callbacks, perhaps not in this epoch
                self.history[key].append(math.nan)
            self.epoch.append(epoch)
        except BaseException:
            for values in self.history.values():
                del values[len(self.epoch) :]
            raise

    def add(self, numbers: Mapping[str, Any]) -> None:
        """Add numbers of callbacks to the last epoch; NaN stands where an epoch has none.

        Raises
        ------
        TypeError, ValueError
            If a key is no name or a value no number, or before the first epoch; then nothing is
            added.
        """
        if not isinstance(numbers, Mapping):
            raise TypeError(f"numbers = {_check.shown(numbers)}: expected a dict")
        if numbers and not self.epoch:
            raise ValueError("numbers: expected none before the first epoch")
        found = numbers_of(numbers)
        for name, value in found.items():
            values = self.history.setdefault(name, [math.nan] * len(self.epoch))
            values[-1] = value

    def is_finite(self) -> bool:
        """Whether every loss is finite: one that is not means that training has diverged."""
        losses = (self.history.get(key, []) for key in LOSSES_OF_AN_EPOCH)
        return all(map(math.isfinite, chain.from_iterable(losses)))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a line per epoch, under a header with the names.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        path = _check.path("path", path)
        with _files.writing(path), open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["epoch", *self.history])
            writer.writerows(zip(self.epoch, *self.history.values(), strict=True))

    def __iter__(self) -> Iterator[dict[str, float]]:
        """Give a dict per epoch."""
        names = ("epoch", *self.history)
        for numbers in zip(self.epoch, *self.history.values(), strict=True):
            yield dict(zip(names, numbers, strict=True))

    def _repr_html_(self) -> str:
        """Show each number's course in a notebook."""
        rows: list[Sequence[object]] = [
            (name, f"{values[0]:,.4g}", f"{values[-1]:,.4g}", _html.line(values, name))
            for name, values in self.history.items()
            if values
        ]
        head = f"History: {len(self.epoch):,} epochs"
        if not rows:
            return _html.titled(head)
        return _html.titled(head, _html.table(("", "first", "last", ""), rows))

    def __repr__(self) -> str:
        return f"History(epochs={len(self.epoch)}, keys={list(self.history)})"
