"""What contributions are counted from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.data import frames
from trulysparse.data.arrays import Inputs
from trulysparse.data.blocks import BlockArrays, Blocks, CsrArrays, DoubleArray
from trulysparse.data.numeric import numeric
from trulysparse.data.samples import inputs_of

NAMED = ("mean", "zero")


def baseline(
    core: _core.Network,
    given: Any,
    inputs: Inputs,
    made: Callable[[Any], Any],
    shares: DoubleArray | None = None,
) -> DoubleArray:
    """Give the baseline's features in the user's units, (features,).

    Parameters
    ----------
    core
        The network.
    given
        One of `NAMED`, or rows, whose mean it is.
    inputs
        The samples that are explained, as arrays.
    made
        Makes samples of rows, such as a table's.
    shares
        The means of the sparse features in training, if they are known.

    Raises
    ------
    ValueError, TypeError
        If it is none of these, or the rows are not of the network's features.
    """
    features = Config.of(core).layer_sizes[0]
    if given is None or (np.isscalar(given) and not isinstance(given, str)):
        named = " or ".join(map(repr, NAMED))
        raise TypeError(f"baseline = {_check.shown(given)}: expected {named}, or rows of samples")
    if not isinstance(given, str):
        return _mean(core, made(_as_rows(given)))
    if _check.choice("baseline", given, NAMED) == "zero":
        return np.zeros(features)
    statistics = core.input_statistics()
    found: DoubleArray = np.zeros(features) if statistics is None else statistics.mean.copy()
    # What sparse samples do not store is absent: a mean of it would be no sample, and not sparse.
    if isinstance(inputs, CsrArrays):
        found[:] = 0 if shares is None else shares
    elif isinstance(inputs, BlockArrays):
        found[inputs.dense.shape[1] :] = 0 if shares is None else shares
    return found


def _as_rows(given: Any) -> Any:
    if frames.is_frame(given) or isinstance(given, Blocks) or scipy.sparse.issparse(given):
        return given
    if hasattr(type(given), "__arrow_c_stream__"):
        return given
    rows = numeric("baseline", given)
    return rows[None] if rows.ndim == 1 else rows


def _mean(core: _core.Network, rows: Any) -> DoubleArray:
    inputs = inputs_of(core, "baseline", rows)
    _core.Data(core, inputs, names=("baseline", "y"))  # checks the numbers
    parts = inputs if isinstance(inputs, BlockArrays) else (inputs,)
    return np.concatenate([_mean_of(part) for part in parts])


def _mean_of(part: Any) -> DoubleArray:
    if not isinstance(part, CsrArrays):
        found: DoubleArray = part.mean(axis=0, dtype=np.float64)
        return found
    values = part.data if part.exact is None else part.exact
    sums = np.bincount(part.indices, weights=values, minlength=part.features)
    return sums / part.shape[0]
