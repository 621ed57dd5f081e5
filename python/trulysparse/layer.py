"""Read-only views of a model's layers."""

from __future__ import annotations

import copyreg
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import scipy

from trulysparse import _core, _hints, _html
from trulysparse.activations import ACTIVATIONS
from trulysparse.config import Config
from trulysparse.losses import LOSSES

_Array = npt.NDArray[Any]
T = TypeVar("T")
_INT32 = np.iinfo(np.int32).max


class Layer:
    """One layer of a model, as it is at the moment of looking.

    Every array is a read-only snapshot: training that goes on does not change it. The values and
    indices of `weight` share memory with the model until training changes them.
    """

    def __init__(self, core: _core.Network, index: int) -> None:
        self._core = core
        self._index = index

    @property
    def _config(self) -> Config:
        return Config.of(self._core)

    @property
    def n_in(self) -> int:
        """Input neurons."""
        return self._config.layer_sizes[self._index]

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return self._config.layer_sizes[self._index + 1]

    @property
    def nnz(self) -> int:
        """Connections."""
        return self._core.nnz()[self._index]

    @property
    def density(self) -> float:
        """Connections as a fraction of all possible ones."""
        return self.nnz / (self.n_in * self.n_out)

    @property
    def is_output(self) -> bool:
        """Whether this is the last layer."""
        return self._index == len(self._config.layer_sizes) - 2

    @property
    def activation(self) -> str:
        """The activation's name; that of the output layer follows from the loss."""
        if self.is_output:
            return LOSSES[self._config.loss].output
        names = self._config.activation
        return names if isinstance(names, str) else names[self._index]

    @property
    def slope(self) -> float | None:
        """The slope on the negative side, its sign included, where the activation has one.

        All-ReLU's first hidden layer has the negative slope, its second the positive one, and so
        on (arXiv 2102.01732).
        """
        slope = ACTIVATIONS[self.activation].slope
        if self.is_output or slope is None:
            return None
        return slope(self._config.slope, self._index)

    @property
    def weight(self) -> scipy.sparse.csc_array:
        """Weights, a float32 `csc_array` of shape (n_in, n_out).

        ``x @ layer.weight + layer.bias`` is the pre-activation. Connections that were grown at 0
        are stored zeros of it, which ``weight != 0`` and dense copies lose: take `mask`.
        """
        own = self._core.weights(self._index)
        return self._matrix(own.indptr, np.asarray(own.indices), np.asarray(own.values))

    @property
    def mask(self) -> scipy.sparse.csc_array:
        """The connections that exist, those of weight 0 included, as True; the others are absent.

        A bool `csc_array` of shape (n_in, n_out) with the structure of `weight`; ``mask.nonzero()``
        gives the inputs and the outputs of the connections.
        """
        own = self._core.weights(self._index)
        indices = np.asarray(own.indices)
        return self._matrix(own.indptr, indices, np.ones(len(indices), dtype=bool))

    @property
    def momentum(self) -> scipy.sparse.csc_array:
        """The momentum of each weight, with the structure of `weight`; a copy.

        `SGD`'s velocity ``v``; of other optimisers the mean of gradients ``m``.
        """
        return self._matrix(*self._beside_weights(lambda: self._core.momentum(self._index)))

    @property
    def second_moment(self) -> scipy.sparse.csc_array | None:
        """`Adam`'s mean of squared gradients of each weight, structured as `weight`; a copy.

        None if Adam has not trained the model, or another optimiser has since.
        """
        indptr, indices, (moments, of_biases) = self._beside_weights(
            lambda: self._core.second_moments(self._index)
        )
        return self._matrix(indptr, indices, moments) if len(of_biases) else None

    @property
    def bias(self) -> npt.NDArray[np.float32]:
        """Biases, float32 of shape (n_out,); a copy."""
        return read_only(self._core.bias(self._index)[0])

    @property
    def bias_momentum(self) -> npt.NDArray[np.float32]:
        """The momentum of the biases, float32 of shape (n_out,); a copy."""
        return read_only(self._core.bias(self._index)[1])

    @property
    def bias_second_moment(self) -> npt.NDArray[np.float32] | None:
        """The same of the biases, float32 of shape (n_out,); a copy, or None."""
        moments = self._core.second_moments(self._index)[1]
        return read_only(moments) if len(moments) else None

    @property
    def srelu(self) -> npt.NDArray[np.float32] | None:
        """SReLU's parameters (Jin et al., 2016), float32 of shape (n_out, 4), or None; a copy.

        Columns: the lower threshold, the slope below it, the upper threshold, the slope above it.
        Between the thresholds SReLU is the identity. They start as 0, 0.2, 1 and 1, and take the
        optimiser's steps without its weight decay. A pre-activation at or above the upper threshold
        has the upper slope, even if training has moved the thresholds past each other.
        """
        parameters = self._core.srelu(self._index)
        return None if parameters is None else read_only(parameters[0].reshape(-1, 4))

    @property
    def srelu_momentum(self) -> npt.NDArray[np.float32] | None:
        """The momentum of `srelu`, in its shape, or None; a copy."""
        parameters = self._core.srelu(self._index)
        return None if parameters is None else read_only(parameters[1].reshape(-1, 4))

    @property
    def pruned(self) -> npt.NDArray[np.bool_]:
        """The neurons that pruning closed to growth, bool of shape (n_out,); a copy."""
        flags = self._core.pruned(self._index)
        return read_only(flags if len(flags) else np.zeros(self.n_out, dtype=bool))

    def _beside_weights(self, read: Callable[[], T]) -> tuple[_Array, _Array, T]:
        """Give offsets, indices and what is read of the same moment: another thread may evolve."""
        own = self._core.weights(self._index)
        while True:
            values = read()
            before, own = own, self._core.weights(self._index)
            indices, after = np.asarray(before.indices), np.asarray(own.indices)
            # Memory that `before` holds is not used again.
            if len(indices) == len(after) == 0 or indices.ctypes.data == after.ctypes.data:
                return before.indptr, indices, values

    def _matrix(self, indptr: _Array, indices: _Array, data: _Array) -> scipy.sparse.csc_array:
        # SciPy wants offsets and indices of one type; narrow offsets keep the indices shared.
        if max(len(data), self.n_in) <= _INT32:
            indptr = indptr.astype(np.int32)
        arrays = (read_only(data), read_only(indices), read_only(indptr))
        matrix = scipy.sparse.csc_array(arrays, shape=(self.n_in, self.n_out))
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        return matrix

    if not TYPE_CHECKING:  # which would then take any name
        __getattr__, __setattr__ = _hints.attribute, _hints.assign

    def __repr__(self) -> str:
        return (
            f"Layer({self.n_in} -> {self.n_out}, {self.activation}, "
            f"{self.nnz:,} connections, density {self.density:.4g})"
        )

    def _repr_html_(self) -> str:
        """Show the layer in a notebook."""
        return _html.titled(repr(self), _html.table(_NAMES, [_row(self._index, self, self.nnz)], 3))


def _unpickled(data: bytes, threads: int) -> _core.Network:
    return _core.Network.from_bytes(data, threads)[0]


# For pickles and deep copies of layers, which then have a network of their own.
copyreg.pickle(_core.Network, lambda core: (_unpickled, (core.to_bytes({}), core.threads)))


def read_only(array: _Array) -> _Array:
    """Give an array to which nothing can be written, as that would not change the model."""
    array.flags.writeable = False
    return array


def layers(core: _core.Network) -> list[Layer]:
    """Give the layers of a network."""
    return [Layer(core, index) for index in range(len(core.nnz()))]


def table(layers: Sequence[Layer]) -> list[str]:
    """Give the lines of a table of the layers."""
    rows = [("layer", "shape", "activation", "connections", "density")]
    connections = layers[0]._core.nnz()  # once, as another thread may evolve
    for index, (layer, nnz) in enumerate(zip(layers, connections, strict=True), start=1):
        slope = layer.slope
        name = f"{layer.activation} ({slope:+.3g})" if slope else layer.activation
        shape = f"{layer.n_in:,} -> {layer.n_out:,}"
        density = nnz / (layer.n_in * layer.n_out)
        rows.append((str(index), shape, name, f"{nnz:,}", f"{density:.3%}"))
    neurons = layers[0].n_in + sum(layer.n_out for layer in layers)
    nnz = sum(connections)
    density = nnz / sum(layer.n_in * layer.n_out for layer in layers)
    rows.append(("all", f"{neurons:,} neurons", "", f"{nnz:,}", f"{density:.3%}"))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = []
    for number, row in enumerate(rows):
        padded = (
            cell.rjust(width) if i > 2 else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join(padded).rstrip())
        if number in (0, len(rows) - 2):
            lines.append("  ".join("-" * width for width in widths))
    if density == 1:
        lines.append("dense: every connection that there can be exists")
    return lines


_NAMES = ("layer", "sizes", "activation", "connections", "density", "", "in-degrees")


def as_html(head: str, layers: Sequence[Layer]) -> str:
    """Give a table of the layers for notebooks, whose size is bounded."""
    connections = layers[0]._core.nnz()  # once, as another thread may evolve
    rows: list[Sequence[object]] = []
    for index, (layer, nnz) in enumerate(zip(layers, connections, strict=True)):
        is_shown = min(index, len(layers) - 1 - index) < _html.MOST_ROWS // 2
        rows.append(_row(index, layer, nnz) if is_shown else ())
    return _html.titled(head, _html.table(_NAMES, rows, 3))


def _row(index: int, layer: Layer, nnz: int) -> Sequence[object]:
    density = nnz / (layer.n_in * layer.n_out)
    sizes = f"{layer.n_in:,} \N{RIGHTWARDS ARROW} {layer.n_out:,}"
    degrees = np.diff(layer._core.weights(layer._index).indptr)
    histogram = _html.histogram(degrees, f"incoming connections of {layer.n_out:,} neurons")
    share = _html.bar(density)
    return index + 1, sizes, layer.activation, f"{nnz:,}", f"{density:.3%}", share, histogram
