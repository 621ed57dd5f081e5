"""What a model's neurons and features are worth, and what can be done about those worth little."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse._scoring import Scoring
from trulysparse._tolerance import Tolerance, furthest
from trulysparse.pruning import OVER, amount, core_rule

# A kind of feature importance is one entry here and a line in `feature_importance`.
_FEATURE_IMPORTANCE: dict[str, Callable[[_core.Network], npt.NDArray[np.float64]]] = {
    "path": lambda core: core.path_strength(),
    "strength": lambda core: core.outgoing_strength(0),
}


class Neurons(Scoring):
    """The side of a model that scores, prunes and removes neurons."""

    if TYPE_CHECKING:

        def _exclusive(self, what: str) -> AbstractContextManager[None]: ...

    def importance(self, layer: int) -> npt.NDArray[np.float32]:
        """Give the importance of a layer's neurons (importance pruning, arXiv 2102.01732).

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
        gets, large weights. A feature that is constant in training keeps the random weights that
        it was given, as it has no gradients: leave such columns out.

        Parameters
        ----------
        kind
            ``"path"`` (default): the absolute values of the weights multiplied along every path
            from the feature to an output, and summed over the paths. It tells a strong connection
            to a neuron that matters from one to a neuron that does not, as the relative
            importances of Garson (1991) and the sensitivity of synapses in SynFlow (Tanaka et
            al., 2020) do; activations and signs are left out. ``"strength"``: the sum of the
            absolute values of the feature's own weights, the neuron strength of QuickSelection
            (Atashgahi et al., 2022). Of Madelon's 20 features with signal the 20 best by path were
            17.6 on pruned networks, by strength 16.4, by mean absolute gradients 17.2; on networks
            that were not pruned 13.4, 12.0 and 14.8 (``benches/importance.py``).

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

    def prune(
        self,
        *,
        percentile: float | None = None,
        threshold: float | None = None,
        tolerance: float | None = None,
        validation_data: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
        regrow: bool = False,
        over: str = "all",
        batch_size: int = 128,
    ) -> list[dict[str, int]]:
        """Remove all incoming connections of the hidden neurons that matter least, now.

        These are the neurons of each hidden layer whose `importance` is at or below the threshold
        (arXiv 2102.01732, "Importance pruning"). Weights go with their momentum, biases stay, so a
        pruned neuron's output is a constant, which `compact` takes out. `pruning_curve` helps to
        choose, and ``fit(pruning=ImportancePruning(...))`` prunes while training.

        Parameters
        ----------
        percentile
            The threshold as a percentile, above 0 and below 100, of the importances of the layer's
            neurons, interpolated linearly as by `numpy.percentile`.
        threshold
            The threshold itself, at least 0.
        tolerance
            Prune as far as costs at most that much accuracy on `validation_data`, in [0, 1); 0.003
            is 0.3 points. First all layers alike, then each beside the others. Without accuracy
            (squared error) the loss may grow by that share. Exactly one of `percentile`,
            `threshold` and `tolerance` must be given.
        validation_data
            ``(x, y)`` that `tolerance` is measured on: not those that are reported later. None
            (default) without it.
        regrow
            Whether SET may grow connections to the pruned neurons again. Default False.
        over
            As of `ImportancePruning`. Default ``"all"``.
        batch_size
            Samples of `validation_data` that are computed together. Default 128.

        Returns
        -------
        list of dict
            For each hidden layer ``layer``, its number from 1, and the ``neurons`` and their
            ``connections`` that were pruned.

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; nothing was changed.
        ModelBusyError
            If a fit of this model is running.
        MemoryError
            If the new layers do not fit into memory beside the old ones; nothing was changed.

        Warns
        -----
        RuntimeWarning
            If a layer is left alone: fewer than two connected neurons would be left, or fewer than
            both the number of outputs and a tenth of the layer; an output would no longer depend
            on any input; or an importance is not finite.
        """
        percentile, threshold, tolerance = amount(percentile, threshold, tolerance, required=True)
        regrow = _check.boolean("regrow", regrow)
        over = _check.choice("over", over, OVER)
        batch_size = _check.integer("batch_size", batch_size, 1)
        if (tolerance is None) != (validation_data is None):
            shown = "None" if validation_data is None else "(x, y)"
            raise ValueError(
                f"tolerance = {tolerance!r} and validation_data = {shown}: expected both or none"
            )
        with self._exclusive("prune"):
            percentiles: float | list[float] | None = percentile
            if tolerance is not None:
                data = self._validation(validation_data)
                limit = Tolerance(tolerance, has_accuracy=self.loss != "squared_error")
                percentiles, over = (
                    furthest(self._core, data, batch_size, limit) or 0.0,
                    "connected",
                )
            rule = core_rule(percentile=percentiles, threshold=threshold, over=over, regrow=regrow)
            return self._prune(rule, stacklevel=3)

    def _validation(self, given: Any) -> _core.Data:
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise TypeError("validation_data: expected a tuple (x, y)")
        x, y = given
        return self._data(x, y, ("validation_data[0] (x)", "validation_data[1] (y)")).data

    def _prune(
        self,
        rule: dict[str, Any],
        stacklevel: int,
        by: Callable[[dict[str, Any]], list[Any]] | None = None,
    ) -> list[dict[str, int]]:
        report = []
        pruned = (by or self._core.prune)(rule)
        for layer, (neurons, connections, refused) in enumerate(pruned, start=1):
            report.append({"layer": layer, "neurons": neurons, "connections": connections})
            if refused is not None:
                message = f"layer {layer} was not pruned: {refused}"
                warnings.warn(message, RuntimeWarning, stacklevel=stacklevel)
        return report

    def pruning_curve(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        percentiles: Iterable[float] = tuple(range(0, 100, 5)),
        *,
        batch_size: int = 128,
    ) -> dict[str, npt.NDArray[Any]]:
        """Score the model as it would be after ``prune(percentile=p)``, for each p.

        The model stays as it is; every percentile is pruned from it anew. It takes the memory of
        a copy. A layer that pruning would ruin is left alone, without a warning.

        Parameters
        ----------
        x, y
            Samples and targets, as `evaluate` takes them.
        percentiles
            Numbers from 0 to below 100; 0 stands for the model as it is. Default 0, 5, ..., 95.
        batch_size
            Samples that are computed together. Default 128.

        Returns
        -------
        dict of arrays of shape (len(percentiles),)
            ``percentile`` (float64); what is left then, ``connections`` and ``neurons`` (int64;
            hidden neurons with incoming connections); ``refused`` (int64), how many layers were
            left alone; ``loss`` and ``accuracy`` (float64, as
            `evaluate` has them; no accuracy with a squared error).

        Raises
        ------
        ValueError, TypeError
            If an argument is wrong; the message names it.
        MemoryError
            If the copy or the buffers for `batch_size` samples do not fit into memory.
        """
        batch_size = _check.integer("batch_size", batch_size, 1)
        listed = _check.sequence("percentiles", percentiles, "a sequence of numbers")
        if not listed:
            raise ValueError("percentiles is empty: expected at least one number")
        expected = "a number from 0 to below 100"
        checked = [
            _check.real(f"percentiles[{i}]", p, expected, low=0, high=100, high_open=True)
            for i, p in enumerate(listed)
        ]
        data = self._data(x, y).data
        curve: dict[str, list[float]] = {}
        whole = self._core.copy()  # the same for every percentile, whatever other threads do
        for percentile in checked:
            core = whole.copy()
            report = []
            if percentile > 0:
                report = core.prune(core_rule(percentile=percentile, regrow=False))
            row = {
                "percentile": percentile,
                "connections": sum(core.nnz()),
                "neurons": sum(core.connected_neurons()[:-1]),
                "refused": sum(reason is not None for _, _, reason in report),
                **self._scores(core.evaluate(data, batch_size)),
            }
            for name, value in row.items():
                curve.setdefault(name, []).append(value)
        return {name: np.array(values) for name, values in curve.items()}

    def gradient_norms(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """How strongly each layer is pulled: Euclidean norms of gradients.

        Of the mean loss over these samples, without dropout and noise, by the weights of each
        layer. The samples are one batch, and memory is taken for its activations. The model stays
        as it is.

        Parameters
        ----------
        x, y
            Samples and targets, as `fit` takes them.

        Returns
        -------
        float64 array of shape (layers,)

        Raises
        ------
        ValueError, TypeError, MemoryError
            As `evaluate`.
        """
        return np.array(self._core.gradient_norms(self._data(x, y).data))

    def compact(self, *, inputs: bool = False) -> list[dict[str, int]]:
        """Remove the neurons that cannot matter; the model computes the same without them.

        A hidden neuron without incoming connections has the constant output f(bias): its
        contribution is added to the next layer's biases and it goes. A hidden neuron without
        outgoing connections goes as it is. Both go on until there are none left, so removals
        travel through the layers. Outputs stay, and a hidden layer that would lose all of its
        neurons keeps one, without connections.

        Predictions agree with those before to the rounding of the biases. Training can go on, in a
        smaller network: momentum is kept, and dropout, which draws by the neurons' numbers, draws
        anew. It also no longer drops the constants: a neuron without connections that dropout
        switched on and off was noise in training, and is none once its output is in the biases.

        Parameters
        ----------
        inputs
            Also remove the inputs without outgoing connections (but for one, if none has any).
            The model then takes the remaining columns only: ``x[:, model.units(0)]``. Default
            False.

        Returns
        -------
        list of dict
            For each layer ``layer``, its number (0 for the inputs), ``neurons`` removed,
            ``constant``, those of them without incoming connections, and ``connections``, the
            incoming ones of the layer that were removed.

        Raises
        ------
        TypeError
            If `inputs` is not True or False.
        ModelBusyError
            If a fit of this model is running.
        MemoryError
            If the new layers do not fit into memory beside the old ones; nothing was changed.
        """
        inputs = _check.boolean("inputs", inputs)
        with self._exclusive("compact"):
            removed = self._core.compact(inputs)
        return [
            {
                "layer": layer,
                "neurons": one.neurons,
                "constant": one.constant,
                "connections": one.connections,
            }
            for layer, one in enumerate(removed)
        ]

    def units(self, layer: int) -> npt.NDArray[np.int64]:
        """Give the numbers that a layer's neurons had before any compaction.

        Parameters
        ----------
        layer
            0 for the inputs, 1 for the first hidden layer; the last is the output layer.

        Returns
        -------
        int64 array of shape (neurons,)
            Ascending, from 0; all of them if the layer was never compacted.

        Raises
        ------
        ValueError, TypeError
            If there is no such layer.
        """
        layer = _check.integer("layer", layer, 0, len(self.layer_sizes) - 1)
        origin = self._core.origin()
        if origin is None or len(origin[1][layer]) == 0:
            return np.arange(self.layer_sizes[layer])
        return origin[1][layer].astype(np.int64)
