"""`SparseMLP.explain`."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np

from trulysparse import _core, names
from trulysparse.attribution.baselines import baseline as baseline_of
from trulysparse.attribution.contributions import Dense, Sparse, asked, compute, explained
from trulysparse.attribution.explanation import Explanation
from trulysparse.config import Config
from trulysparse.data.columns import Columns, Named, ordered
from trulysparse.data.samples import Samples, inputs_of


def explain(
    self: Named,
    x: Samples,
    *,
    baseline: Any = "mean",
    of: names.Explained = "logits",
    outputs: Any = None,
) -> Explanation:
    """Tell what each column contributes to the outputs for samples.

    Contributions are integrated gradients (Sundararajan et al., 2017): the gradient of an output
    times the input less a baseline, integrated along the straight path between the two, without
    dropout. They sum to the output of the sample less that of the baseline. The path has as many
    points as make the sum right to 1 %, at most 4,096; a RuntimeWarning names what is missing
    then. The work goes by the connections, for each sample, point and output. Columns are those of
    `x`, before they are standardised and clipped. The model stays as it is.

    Parameters
    ----------
    x
        Samples, as `predict` takes them.
    baseline
        What contributions are counted from. ``"mean"`` (default): the mean of the first training
        data, if the model standardises, and zeros if not; of sparse samples always zeros, so that
        only what they store contributes. ``"zero"``: zeros. Or a row, or several rows, such as
        training data, whose mean it is.
    of
        What is explained of an output. ``"logits"`` (default): the output before its softmax or
        sigmoid, as contributions to a probability shrink where it is near 0 or 1.
        ``"log_odds"``: log(p / (1 - p)) of a probability p; unlike the logits of a softmax these
        do not have a part that says nothing, as it is the same for all classes. ``"outputs"``:
        what `predict` gives. Where outputs are values, all three are these, in the units of the
        targets.
    outputs
        Numbers of the outputs, such as classes, to explain, ascending; or one number, for results
        without a dimension of outputs. None (default): all.

    Returns
    -------
    Explanation
        Its `values` are float64 of shape (n_samples, n_columns, n_outputs), or (n_samples,
        n_columns) for one output. Of sparse samples they are sparse.

    Raises
    ------
    ValueError, TypeError
        As `predict` does, and for an argument out of its range.
    MemoryError
        If the contributions do not fit into memory.
    """
    core, columns = self._core, Columns(self)
    wanted = asked(core, of, outputs)
    inputs = inputs_of(core, "x", ordered(self, x))
    made = partial(columns.ordered, "baseline")
    start = baseline_of(core, baseline, inputs, made)
    taker = (Dense if isinstance(inputs, np.ndarray) else Sparse)(wanted, inputs.shape)
    found = compute(core, inputs, start, wanted, [taker])
    names = _names(core, columns.remaining, inputs.shape[1])
    return explained(taker, found, wanted, x, names, _output_names(self))


def _names(core: _core.Network, known: list[str] | None, features: int) -> list[str]:
    """Name the features; by their numbers before any compaction where there are no names."""
    if known is not None and len(known) == features:
        return known
    origin = core.origin()
    numbers = origin[1][0] if origin is not None and len(origin[1][0]) else range(features)
    return [f"x{number}" for number in numbers]


def _output_names(model: Named) -> list[str]:
    """Name the outputs: classes that the metadata name, or numbers."""
    count = Config.of(model._core).layer_sizes[-1]
    try:
        known = json.loads(model.metadata.get("class_names", ""))
    except (ValueError, RecursionError):
        known = None
    if isinstance(known, list) and len(known) == count:
        return list(map(str, known))
    return list(map(str, range(count)))
