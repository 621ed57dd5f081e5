"""Some features of samples, and how much features vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csr_array, issparse

from trulysparse.data.blocks import Blocks
from trulysparse.model import SparseMLP

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_AT_ONCE = 1 << 22  # values whose copies are in memory


def some(X: Any, features: Indices) -> Any:
    """Give some features, in ascending order: an array, a CSR matrix or blocks, as X is.

    Blocks of which one has no feature left are the other.
    """
    if not isinstance(X, Blocks):
        return X if len(features) == X.shape[1] else X[:, features]
    count = X.dense.shape[1]
    first = int(np.searchsorted(features, count))
    dense, sparse = some(X.dense, features[:first]), some(X.sparse, features[first:] - count)
    if not first:
        return sparse
    return Blocks(dense, sparse) if first < len(features) else dense


def spread(weights: Any, features: Indices, count: int) -> csr_array:
    """Give weights of some features, (len(features), n_out), as those of all, (count, n_out)."""
    entries = weights.tocoo()
    at = features[entries.row], entries.col
    found: csr_array = coo_array((entries.data, at), shape=(count, weights.shape[1])).tocsr()
    return found


def deviations(model: SparseMLP, X: Any) -> Floats:
    """Give the standard deviations of features as the network gets them, (n_features,).

    That of a standardised feature is 1, unless few samples differ: the clip leaves little of them.
    """
    count = X.dense.shape[1] if isinstance(X, Blocks) else 0 if issparse(X) else X.shape[1]
    statistics = model._core.input_statistics()
    features = X.shape[1]
    mean = np.zeros(features) if statistics is None else statistics.mean
    scale = np.ones(features) if statistics is None else statistics.scale
    found = np.empty(features)
    dense = X.dense if isinstance(X, Blocks) else X
    step = max(_AT_ONCE // max(len(dense) if count else 1, 1), 1)
    for start in range(0, count, step):
        at = slice(start, min(start + step, count))
        # In this order, as sums go by it.
        z = (np.asarray(dense[:, at], np.float64, order="C") - mean[at]) * scale[at]
        if model.clip is not None:
            z /= np.sqrt(1 + (z / model.clip) ** 2)
        found[at] = z.std(axis=0)
    sparse = X.sparse if isinstance(X, Blocks) else X
    if count < features:
        found[count:] = of_sparse(sparse) * scale[count:]
    return found


def of_sparse(X: Any) -> Floats:
    """Give the standard deviations of the columns of a CSR matrix, (n_features,)."""
    rows, columns = X.shape
    values = X.data.astype(np.float64)
    mean, square = (
        np.bincount(X.indices, weights=weights, minlength=columns) / rows
        for weights in (values, values**2)
    )
    found: Floats = np.sqrt(np.maximum(square - mean**2, 0))
    return found
