"""What a model's neurons and features are worth, and what can be done about those worth little."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse._described import Described

# A kind of feature importance is one entry here and a line in `feature_importance`.
_FEATURE_IMPORTANCE: dict[str, Callable[[_core.Network], npt.NDArray[np.float64]]] = {
    "path": lambda core: core.path_strength(),
    "strength": lambda core: core.outgoing_strength(0),
}


class Neurons(Described):
    """The side of a model that scores, prunes and removes neurons."""

    def importance(self, layer: int) -> npt.NDArray[np.float32]:
        """Give the importance of a layer's neurons (the paper's section 4).

        Parameters
        ----------
        layer
            1 is the first hidden layer; the last is the output layer.

        Returns
        -------
        float32 array of shape (neurons,)
            The incoming strength: the sum of the absolute values of a neuron's incoming weights.

        Raises
        ------
        ValueError, TypeError
            If there is no such layer.
        """
        last = len(self.layer_sizes) - 1
        return self._core.importance(_check.integer("layer", layer, 1, last) - 1)

    def feature_importance(self, kind: str = "path") -> npt.NDArray[np.float64]:
        """Score the input features by the weights that leave them.

        Weights multiply features, so the scores of two features can be compared only if both were
        standardised (``standardize=True``, or before `fit`); a feature in a small unit needs, and
        gets, large weights.

        Parameters
        ----------
        kind
            ``"path"`` (default): the absolute values of the weights multiplied along every path
            from the feature to an output, and summed over the paths. It tells a strong connection
            to a neuron that matters from one to a neuron that does not, as the relative
            importances of Garson (1991) and the sensitivity of synapses in SynFlow (Tanaka et
            al., 2020) do; activations and signs are left out. ``"strength"``: the sum of the
            absolute values of the feature's own weights, the neuron strength of QuickSelection
            (Atashgahi et al., 2022).

        Returns
        -------
        float64 array of shape (n_0,)
            At least 0; 0 for a feature without connections. After ``compact(inputs=True)`` of the
            features that remain: ``units(0)`` says which.

        Raises
        ------
        ValueError, TypeError
            If there is no such kind.
        """
        score = _FEATURE_IMPORTANCE[_check.choice("kind", kind, tuple(_FEATURE_IMPORTANCE))]
        return score(self._core)
