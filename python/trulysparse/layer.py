"""Read-only views of a model's layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array

if TYPE_CHECKING:
    from trulysparse._described import Described

_Array = npt.NDArray[Any]
_INT32 = np.iinfo(np.int32).max


class Layer:
    """One layer of a model, as it is at the moment of looking.

    Every array is a read-only snapshot: training that goes on does not change it. The values and
    indices of `weight` share memory with the model until training changes them.
    """

    def __init__(self, model: Described, index: int) -> None:
        self._model = model
        self._index = index

    @property
    def n_in(self) -> int:
        """Input neurons."""
        return self._model.layer_sizes[self._index]

    @property
    def n_out(self) -> int:
        """Output neurons."""
        return self._model.layer_sizes[self._index + 1]

    @property
    def nnz(self) -> int:
        """Connections."""
        return self._model._core.nnz()[self._index]

    @property
    def density(self) -> float:
        """Connections as a fraction of all possible ones."""
        return self.nnz / (self.n_in * self.n_out)

    @property
    def is_output(self) -> bool:
        """Whether this is the last layer."""
        return self._index == len(self._model.layer_sizes) - 2

    @property
    def activation(self) -> str:
        """The activation's name; that of the output layer follows from the loss."""
        if self.is_output:
            return {
                "cross_entropy": "softmax",
                "binary_cross_entropy": "sigmoid",
                "squared_error": "identity",
                "squared_error_sigmoid": "sigmoid",
            }[self._model.loss]
        names = self._model.activation
        return names if isinstance(names, str) else names[self._index]

    @property
    def slope(self) -> float | None:
        """The slope on the negative side, its sign included, where the activation has one.

        All-ReLU's first hidden layer has the negative slope, its second the positive one, and so
        on (arXiv 2102.01732).
        """
        if self.is_output:
            return None
        sign = -1.0 if self.activation == "all_relu" and self._index % 2 == 0 else 1.0
        return {
            "all_relu": sign * self._model.slope,
            "leaky_relu": self._model.slope,
            "relu": 0.0,
        }.get(self.activation)

    @property
    def weight(self) -> csc_array:
        """Weights, a float32 `csc_array` of shape (n_in, n_out).

        ``x @ layer.weight + layer.bias`` is the pre-activation.
        """
        own = self._model._core.weights(self._index)
        return self._matrix(own.indptr, np.asarray(own.indices), np.asarray(own.values))

    @property
    def momentum(self) -> csc_array:
        """The momentum of each weight, with the structure of `weight`; a copy."""
        own, momentum = (
            self._model._core.weights(self._index),
            self._model._core.momentum(self._index),
        )
        return self._matrix(own.indptr, np.asarray(own.indices), momentum)

    @property
    def second_moment(self) -> csc_array | None:
        """`Adam`'s mean of squared gradients of each weight, structured as `weight`; a copy.

        None if Adam has not trained the model, or `SGD` has since.
        """
        moments, of_biases = self._model._core.second_moments(self._index)
        if len(of_biases) == 0:
            return None
        own = self._model._core.weights(self._index)
        return self._matrix(own.indptr, np.asarray(own.indices), moments)

    @property
    def bias(self) -> npt.NDArray[np.float32]:
        """Biases, float32 of shape (n_out,); a copy."""
        return _read_only(self._model._core.bias(self._index)[0])

    @property
    def bias_momentum(self) -> npt.NDArray[np.float32]:
        """The momentum of the biases, float32 of shape (n_out,); a copy."""
        return _read_only(self._model._core.bias(self._index)[1])

    @property
    def bias_second_moment(self) -> npt.NDArray[np.float32] | None:
        """The same of the biases, float32 of shape (n_out,); a copy, or None."""
        moments = self._model._core.second_moments(self._index)[1]
        return _read_only(moments) if len(moments) else None

    @property
    def srelu(self) -> npt.NDArray[np.float32] | None:
        """SReLU's parameters, float32 of shape (n_out, 4), or None; a copy.

        Columns: the lower threshold, the slope below it, the upper threshold, the slope above it.
        A pre-activation at or above the upper threshold has the upper slope, even if training has
        moved the thresholds past each other.
        """
        parameters = self._model._core.srelu(self._index)
        return None if parameters is None else _read_only(parameters[0].reshape(-1, 4))

    @property
    def srelu_momentum(self) -> npt.NDArray[np.float32] | None:
        """The momentum of `srelu`, in its shape, or None; a copy."""
        parameters = self._model._core.srelu(self._index)
        return None if parameters is None else _read_only(parameters[1].reshape(-1, 4))

    @property
    def pruned(self) -> npt.NDArray[np.bool_]:
        """The neurons that pruning closed to growth, bool of shape (n_out,); a copy."""
        flags = self._model._core.pruned(self._index)
        return _read_only(flags if len(flags) else np.zeros(self.n_out, dtype=bool))

    def _matrix(self, indptr: _Array, indices: _Array, data: _Array) -> csc_array:
        # SciPy wants offsets and indices of one type; narrow offsets keep the indices shared.
        if max(len(data), self.n_in) <= _INT32:
            indptr = indptr.astype(np.int32)
        arrays = (_read_only(data), _read_only(indices), _read_only(indptr))
        matrix = csc_array(arrays, shape=(self.n_in, self.n_out))
        matrix.has_sorted_indices = True
        matrix.has_canonical_format = True
        return matrix

    def __repr__(self) -> str:
        return (
            f"Layer({self.n_in} -> {self.n_out}, {self.activation}, "
            f"{self.nnz:,} connections, density {self.density:.4g})"
        )


def _read_only(array: _Array) -> _Array:
    array.flags.writeable = False
    return array
