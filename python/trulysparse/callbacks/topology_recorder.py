"""How the connections of a network are distributed while it trains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from trulysparse import _check
from trulysparse.callbacks.base import Callback, Logs

_CHUNK = 2**20  # indices that are counted at once


class TopologyRecorder(Callback):
    """Record how many connections the layers and their neurons have, over the epochs of a fit.

    A record is made before the first epoch and after each epoch, of the connections that the epoch
    has trained: pruning and evolution, which change them, come after it. So the first two records
    hold the same topology, and the last one that of the trained model. Every fit starts anew.

    It costs a pass over the indices of the connections per record; weights are not read. A record
    with degrees takes, for each layer, 1 byte per input neuron if there are at most 255 output
    neurons, 2 if there are at most 65,535, else 4; and as much per output neuron, by the number of
    input neurons: 13 kB for 784-1000-1000-1000-10.

    Parameters
    ----------
    every
        Record after each `every`-th epoch, and in any case before the first and after the last.
        Default 1.
    layers
        The indices in ``model.layers`` of those to record: 0 leads to the first hidden layer.
        All if None, the default.
    degrees
        Whether to record the degrees too, not only how many connections and neurons there are.
        Default True.

    Attributes
    ----------
    epochs : list of int
        For each record, the epochs completed by then: 0 before training, or `initial_epoch` of a
        fit that goes on. ``history.epoch`` is one less for the same epoch.
    connections : dict of int to list of int
        ``connections[layer][i]``: the layer's connections in record ``i``, at ``epochs[i]``.
    neurons : dict of int to list of int
        ``neurons[layer][i]``: the layer's output neurons with at least one incoming connection.
    in_degrees : dict of int to list of arrays
        ``in_degrees[layer][i]``: the incoming connections of each output neuron; unsigned integers
        of shape (n_out,). Without layers if `degrees` is False.
    out_degrees : dict of int to list of arrays
        ``out_degrees[layer][i]``: the outgoing connections of each input neuron, (n_in,). Those of
        layer 0 say which features the network looks at.
    layer_sizes : list of int
        Of the model; empty before the first fit.

    Raises
    ------
    ValueError, TypeError
        If an argument is wrong; for a layer that the model does not have, when `fit` starts.

    Examples
    --------
    >>> import numpy as np, trulysparse as ts
    >>> x = np.random.default_rng(0).normal(size=(500, 20))
    >>> model = ts.SparseMLP([20, 100, 2], epsilon=10, seed=0)
    >>> recorder = ts.TopologyRecorder(every=5)
    >>> history = model.fit(x, x[:, 0] > 0, epochs=12, callbacks=[recorder], progress=False)
    >>> recorder.epochs
    [0, 5, 10, 12]
    >>> recorder.out_degrees[0][-1].shape
    (20,)
    """

    def __init__(
        self, every: int = 1, *, layers: Sequence[int] | None = None, degrees: bool = True
    ) -> None:
        self._every = _check.integer("every", every, 1)
        self._layers = None if layers is None else _indices(layers)
        self._degrees = _check.boolean("degrees", degrees)
        self._start([], [])

    def _start(self, layers: Sequence[int], layer_sizes: list[int]) -> None:
        self.layer_sizes = layer_sizes
        self.epochs: list[int] = []
        self.connections: dict[int, list[int]] = {layer: [] for layer in layers}
        self.neurons: dict[int, list[int]] = {layer: [] for layer in layers}
        with_degrees = layers if self._degrees else ()
        self.in_degrees: dict[int, list[npt.NDArray[np.unsignedinteger]]]
        self.out_degrees: dict[int, list[npt.NDArray[np.unsignedinteger]]]
        self.in_degrees = {layer: [] for layer in with_degrees}
        self.out_degrees = {layer: [] for layer in with_degrees}

    def on_train_begin(self, logs: Logs) -> None:
        """Forget the records of another fit."""
        sizes = self.model.layer_sizes
        for layer in self._layers or ():
            _check.integer("layers: one", layer, 0, len(sizes) - 2)
        self._start(self._layers or range(len(sizes) - 1), sizes)
        self._completed = -1

    def on_epoch_begin(self, epoch: int, logs: Logs) -> None:
        """Record the topology before the first epoch."""
        if not self.epochs:
            self._record(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Record the topology that the epoch has trained."""
        self._completed = epoch + 1
        if self._completed % self._every == 0:
            self._record(self._completed)

    def on_train_end(self, logs: Logs) -> None:
        """Record the last topology, unless that is done."""
        if self.epochs and self.epochs[-1] != self._completed:
            self._record(self._completed)

    def _record(self, epoch: int) -> None:
        self.epochs.append(epoch)
        for layer in self.connections:
            n_in, n_out = self.layer_sizes[layer : layer + 2]
            # Released on return: training would copy what is still shared.
            weight = self.model.layers[layer].weight
            indptr, indices = weight.indptr, weight.indices
            degrees = np.diff(indptr)
            self.connections[layer].append(int(indptr[-1]))
            self.neurons[layer].append(int(np.count_nonzero(degrees)))
            if self._degrees:
                counts = _counts(indices, n_in)
                self.in_degrees[layer].append(degrees.astype(np.min_scalar_type(n_in)))
                self.out_degrees[layer].append(counts.astype(np.min_scalar_type(n_out)))

    def __repr__(self) -> str:
        return f"TopologyRecorder(epochs={self.epochs}, layers={list(self.connections)})"


def _indices(layers: Sequence[int]) -> list[int]:
    listed = _check.sequence("layers", layers, "a sequence of integers")
    if not listed:
        raise ValueError(f"layers = {_check.shown(layers)}: expected at least one layer")
    return sorted({_check.integer(f"layers[{i}]", item, 0) for i, item in enumerate(listed)})


def _counts(indices: npt.NDArray[np.integer], size: int) -> npt.NDArray[np.int64]:
    """Count how often each of ``0..size-1`` occurs."""
    counts = np.zeros(size, dtype=np.int64)
    # In pieces: bincount makes 8 bytes of each index. No shorter than what is added up for each.
    chunk = max(_CHUNK, size)
    for start in range(0, len(indices), chunk):
        counts += np.bincount(indices[start : start + chunk], minlength=size)
    return counts
