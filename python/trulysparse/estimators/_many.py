"""Several networks in one: members that train side by side, and snapshots of one run.

What they give is one network, whose output before the softmax or the sigmoid is the mean of theirs:
hidden layers lie beside each other, and the last layer has all weights, divided by their number.
Probabilities are the normalised geometric means of theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trulysparse import _check, _core
from trulysparse.callbacks import Callback, Logs
from trulysparse.model import SparseMLP, of_core
from trulysparse.optim.schedules import Cycles
from trulysparse.streams import RowBlocks

MOST = 1000
"""The most networks in one."""


def counts(estimator: Any) -> tuple[int, int]:
    """Give the numbers of members and of snapshots, checked."""
    members = _check.integer("n_members", estimator.n_members, 1, MOST)
    return members, _check.integer("n_snapshots", estimator.n_snapshots, 1, MOST)


def check(estimator: Any, X: Any, *, stops: bool) -> None:
    """Raise ValueError for parameters of a `fit` that exclude several networks in one."""
    members, snapshots = counts(estimator)
    for name, count in (("n_members", members), ("n_snapshots", snapshots)):
        if count > 1 and estimator.warm_start:
            raise ValueError(
                f"warm_start = True and {name} = {count}: expected False, as the networks are one "
                "after a fit, or 1"
            )
    if members > 1 and isinstance(X, RowBlocks):
        raise ValueError(
            f"n_members = {members}: expected 1 with rows of a file, or n_snapshots, which takes "
            "as many passes over it as one network"
        )
    if members > 1 and getattr(estimator.pruning, "tolerance", None) is not None:
        raise ValueError(
            f"n_members = {members} and pruning with a tolerance: expected 1, or a pruning without"
        )
    if snapshots == 1:
        return
    if stops:
        raise ValueError(
            f"early_stopping = True and n_snapshots = {snapshots}: expected False, as snapshots "
            "are taken up to the last epoch, or 1"
        )
    if estimator.learning_rate != "cosine":
        raise ValueError(
            f"learning_rate = {_check.shown(estimator.learning_rate)} and n_snapshots = "
            f"{snapshots}: expected 'cosine', along which the rate falls before every snapshot"
        )
    if not isinstance(estimator.optimizer, str | None):
        raise ValueError(
            f"optimizer = {estimator.optimizer!r} and n_snapshots = {snapshots}: expected the name "
            "of an optimiser, whose rate then goes by the snapshots"
        )


def refuse_batches(estimator: Any) -> None:
    """Raise ValueError for parameters with which no batches can follow."""
    for name, count in zip(("n_members", "n_snapshots"), counts(estimator), strict=True):
        if count > 1:
            raise ValueError(
                f"{name} = {count}: expected 1 with partial_fit, as the networks are one "
                "after a fit"
            )


def together(make: Callable[[int], SparseMLP], seed: int, count: int) -> SparseMLP:
    """Make the network to train, with a function of its seed, or several and their mean.

    The next fit of the mean trains the networks, and makes it their mean again.
    """
    if count == 1:
        return make(seed)
    models = [make(each) for each in seeds(seed, count)]
    mean = merged(models)
    mean._members = [model._core for model in models]
    return mean


def seeds(seed: int, count: int) -> list[int]:
    """Give a seed for each of several networks; the first has the given one."""
    drawn = np.random.SeedSequence(seed).generate_state(count - 1, np.uint64)
    return [seed, *map(int, drawn)]


def merged(models: Sequence[SparseMLP]) -> SparseMLP:
    """Give the network whose output before the softmax or the sigmoid is the mean of the models'.

    They differ in seeds, connections and the sizes of hidden layers only. Its memory is that of all
    of them together. With hidden layers the ``"path"`` score of a feature is the mean of theirs,
    and its ``"strength"`` the sum.

    Raises
    ------
    ValueError
        If two have other inputs, outputs, numbers of layers, settings or statistics, or one is
        compacted.
    """
    core = _core.Network.merged([model._core for model in models])
    return of_core(core, dict(models[0].metadata))


class Snapshots(Callback):
    """Keeps the network at the end of each cycle of the learning rate; `merge` makes them one.

    Parameters
    ----------
    count
        How many.
    epochs
        Of the fit, at least `count`.
    """

    def __init__(self, count: int, epochs: int) -> None:
        if epochs < count:
            raise ValueError(
                f"n_snapshots = {count}: expected no more than the epochs, of which there are "
                f"{epochs}"
            )
        # All cycles end with an epoch, and what is left comes first.
        length = max(epochs // (count + 1), 1)
        self._first = epochs - count * length
        self._ends = range(self._first + length - 1, epochs, length)
        self._epochs = epochs
        self._kept: list[_core.Network] = []

    @property
    def schedule(self) -> Cycles:
        """How the learning rate changes."""
        return Cycles(self._first / self._epochs, len(self._ends))

    def on_train_begin(self, logs: Logs) -> None:
        """Forget an earlier fit."""
        self._kept = []

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Keep the network, if a cycle ends."""
        if epoch in self._ends:
            model: Any = self.model
            self._kept.append(model._core.copy())

    def merge(self, model: SparseMLP) -> None:
        """Make a network the mean of what was kept, unless the fit ended before the last cycle."""
        if len(self._kept) == len(self._ends):
            model._core.become(_core.Network.merged(self._kept))
        self._kept = []
