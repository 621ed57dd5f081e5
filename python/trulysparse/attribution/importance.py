"""`SparseMLP.feature_importance`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core, names, scoring
from trulysparse.config import Config
from trulysparse.data.columns import Named, ordered
from trulysparse.data.samples import Samples, inputs_of
from trulysparse.importance import KINDS

CONTRIBUTION = "contribution"
_BATCH = 128  # samples


def feature_importance(
    self: Named, kind: names.Importance = "path", x: Samples | None = None
) -> npt.NDArray[np.float64]:
    """Score the input features, by weights or by what they do to the outputs for samples.

    Compare scores by weights only of features on one scale (``standardize=True``). The guide
    compares the kinds.

    Parameters
    ----------
    kind
        ``"path"`` (default): the absolute values of the weights multiplied along every path
        from the feature to an output, and summed over the paths; as Garson (1991) and SynFlow
        (Tanaka et al., 2020) do. ``"strength"``: the sum of the absolute values of the
        feature's own weights, as QuickSelection does (Atashgahi et al., 2022).
        ``"contribution"``, with `x`: the absolute value of the gradient times the input as the
        network gets it, standardised and clipped, in the mean over samples and outputs; of
        probabilities that is the gradient of the log-odds, as in `explain`. What rarely differs
        from its mean contributes little, also with large weights.
    x
        Samples, as `predict` takes them; only with ``"contribution"``. Of many samples some
        thousands are enough: each costs a pass forward, and one back for each output.

    Returns
    -------
    float64 array of shape (n_0,)
        At least 0; 0 for a feature without connections, or a constant one. After
        ``compact(inputs=True)`` of the features that remain, ``units(0)``.

    Raises
    ------
    ValueError, TypeError
        If the kind is none of these, comes without `x` or with one that it does not take, or `x`
        is none that `predict` would take.
    """
    core: _core.Network = self._core
    kind = _check.choice("kind", kind, (*KINDS, CONTRIBUTION))
    if (x is not None) != (kind == CONTRIBUTION):
        given = "without x: expected samples" if x is None else "with x: expected weights alone"
        raise ValueError(f"kind = {kind!r} {given}, as only 'contribution' is of samples")
    if x is None:
        return scoring.feature_importance(core, KINDS[kind](core))
    inputs = inputs_of(core, "x", ordered(self, x))
    outputs = list(range(Config.of(core).layer_sizes[-1]))
    data = _core.Data(core, inputs)
    sums = core.gradient_sums(data, outputs, "log_odds", min(_BATCH, inputs.shape[0]))
    scores = sums.product_size.sum(axis=0) / (sums.samples * len(outputs))
    return scoring.feature_importance(core, scores)
