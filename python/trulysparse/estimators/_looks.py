"""What can be looked at in a fitted estimator."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import csc_array
from sklearn.utils.validation import check_is_fitted

from trulysparse.estimators import _scaling, _support
from trulysparse.estimators._tables import Encoder
from trulysparse.model import SparseMLP
from trulysparse.tables.parts import Part


class Looks:
    """Weights and importances of an estimator, by the names of its table."""

    model_: SparseMLP
    _constant: _support.Mask | None
    _encoder: Encoder | None

    @property
    def coefs_(self) -> list[csc_array]:
        """The weights of each layer, (n_in, n_out)."""
        check_is_fitted(self, "model_")
        return [layer.weight for layer in self.model_.layers]

    @property
    def intercepts_(self) -> list[npt.NDArray[np.float32]]:
        """The biases of each layer."""
        check_is_fitted(self, "model_")
        return [layer.bias for layer in self.model_.layers]

    @property
    def feature_importances_(self) -> npt.NDArray[np.float64]:
        """What each feature is worth, by the name that scikit-learn's tools look for.

        Of a column that became several features, it is the root of the sum of their squares.
        """
        check_is_fitted(self, "model_")
        scores = np.zeros(self.model_.original_layer_sizes[0])
        scores[self.model_.units(0)] = self.model_.feature_importance()
        if self._constant is not None:
            scores[self._constant] = 0
        if self._encoder is None:
            return scores
        return np.array([np.sqrt((scores[at] ** 2).sum()) for at in self._encoder.places()])

    @property
    def level_importances_(self) -> dict[str, dict[str, float]]:
        """What each feature of a column is worth: its levels, its number, that it is missing."""
        check_is_fitted(self, "model_")
        if self._encoder is None:
            raise AttributeError("level_importances_: expected a fit to a table with categories")
        scores = np.zeros(self.model_.original_layer_sizes[0])
        scores[self.model_.units(0)] = self.model_.feature_importance()
        names = self._encoder.feature_names_
        columns = zip(self._encoder.columns_, self._encoder.places(), strict=True)
        return {part.name: {names[i]: float(scores[i]) for i in at} for part, at in columns}

    @property
    def columns_(self) -> tuple[Part, ...]:
        """What became of each column of the table that `fit` saw, and how it is scaled."""
        check_is_fitted(self, "model_")
        return _scaling.columns(self)

    @property
    def neuron_importances_(self) -> list[npt.NDArray[np.float32]]:
        """What the neurons of each hidden layer are worth."""
        check_is_fitted(self, "model_")
        return [self.model_.importance(i) for i in range(1, len(self.model_.layer_sizes) - 1)]
