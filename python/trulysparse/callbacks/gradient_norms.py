"""A callback that records how strongly the layers are pulled."""

from __future__ import annotations

import warnings
from typing import Any

import numpy.typing as npt

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs, Model


class GradientNorms(Callback):
    """Record the norms of the layers' gradients over the epochs of a fit: its gradient flow.

    It takes `SparseMLP.gradient_norms` of the same samples before the first epoch and after each
    epoch. The connections are those that the epoch has trained, as pruning and evolution come after
    it. The fit has the same bits as without. `trulysparse.plot.gradient_flow` draws the record.
    Every fit starts anew.

    Parameters
    ----------
    x, y
        Samples and targets, as `fit` takes them. They are one batch, whose activations take memory,
        and a record takes as long as a step on them. Some hundreds of samples are enough.
    every
        Record after each `every`-th epoch, and in any case before the first and after the last.
        Default 1.

    Attributes
    ----------
    epochs : list of int
        For each record, the epochs completed by then: 0 before training, or `initial_epoch` of a
        fit that goes on. ``history.epoch`` is one less for the same epoch.
    norms : dict of int to list of float
        ``norms[layer][i]``: the Euclidean norm of the gradient of the mean loss by the weights of
        ``model.layers[layer]`` in record ``i``, at ``epochs[i]``. Empty before the first fit.

    Raises
    ------
    ValueError, TypeError
        If `every` is wrong; when `fit` starts, for samples that the model does not take.

    Examples
    --------
    >>> import numpy as np, trulysparse as ts
    >>> x = np.random.default_rng(0).normal(size=(500, 20))
    >>> y = x[:, 0] > 0
    >>> model = ts.SparseMLP([20, 100, 2], epsilon=10, seed=0)
    >>> flow = ts.GradientNorms(x[:100], y[:100], every=5)
    >>> history = model.fit(x, y, epochs=12, callbacks=[flow], progress=False)
    >>> flow.epochs
    [0, 5, 10, 12]
    >>> len(flow.norms[0])
    4
    """

    def __init__(self, x: Any, y: npt.ArrayLike, every: int = 1) -> None:
        self._x, self._y = x, y
        self._every = _check.integer("every", every, 1)
        self.epochs: list[int] = []
        self.norms: dict[int, list[float]] = {}

    def set_model(self, model: Model) -> None:
        """Take the model, if it takes the samples."""
        try:
            with warnings.catch_warnings():  # of statistics that the fit is going to take
                warnings.filterwarnings("ignore", category=RuntimeWarning)
                model.test_on_batch(self._x, self._y)
        except (ValueError, TypeError) as error:
            raise type(error)(f"GradientNorms: {error}") from None
        super().set_model(model)

    def on_train_begin(self, logs: Logs) -> None:
        """Forget the records of another fit."""
        self.epochs, self._completed = [], -1
        self.norms = {layer: [] for layer in range(len(self.model.layer_sizes) - 1)}

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Record before the first epoch."""
        if not self.epochs:
            self._record(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Record what the epoch has trained."""
        self._completed = epoch + 1
        if self._completed % self._every == 0:
            self._record(self._completed)

    def on_train_end(self, logs: Logs) -> None:
        """Record the end, unless that is done."""
        if self.epochs and self.epochs[-1] != self._completed:
            self._record(self._completed)

    def _record(self, epoch: int) -> None:
        for layer, norm in enumerate(self.model.gradient_norms(self._x, self._y).tolist()):
            self.norms[layer].append(norm)
        self.epochs.append(epoch)

    def __repr__(self) -> str:
        return f"GradientNorms(epochs={self.epochs}, layers={list(self.norms)})"
