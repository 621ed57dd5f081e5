"""Small things that all estimators need, the selector too."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from scipy.sparse import issparse
from sklearn.utils.sparsefuncs import min_max_axis

from trulysparse import _check
from trulysparse.model import SparseMLP

Mask = npt.NDArray[np.bool_]


def threads(n_jobs: int | None) -> int:
    """Give the threads that joblib's rules make of `n_jobs`: 1 for None, all for -1."""
    return int(effective_n_jobs(n_jobs))


def draw_seed(random: np.random.RandomState) -> int:
    """Draw the seed of a network."""
    return int(random.randint(2**31 - 1))


def hidden_sizes(value: Any) -> list[Any]:
    """Give the sizes of hidden layers as a list; `SparseMLP` checks each of them."""
    return _check.sequence("hidden_layer_sizes", value, "a sequence of integers")


def constant_features(X: Any) -> Mask:
    """Tell which columns of an array or a CSR matrix have one value only, bool (n_features,)."""
    if issparse(X):
        low, high = min_max_axis(X, axis=0)
    else:
        low, high = X.min(axis=0), X.max(axis=0)
    constant: Mask = np.asarray(low == high)
    return constant


def without(X: Any, features: Mask | None) -> Any:
    """Give X with zeros in these columns; a copy only where there is something else in them."""
    if features is None:
        return X
    if issparse(X):
        kept = ~features[X.indices]
        if kept.all():
            return X
        X = X.copy()
        X.data *= kept
        X.eliminate_zeros()
        return X
    if not X[:, features].any():
        return X
    return np.where(features, X.dtype.type(0), X)


def write_names(model: SparseMLP, estimator: Any) -> None:
    """Write an estimator's names of features and classes where the command line looks for them."""
    for key, attribute in (("feature_names", "feature_names_in_"), ("class_names", "classes_")):
        if hasattr(estimator, attribute):
            names = [str(name) for name in getattr(estimator, attribute)]
            model.metadata[key] = json.dumps(names)


@contextmanager
def silent_divergence() -> Iterator[None]:
    """Train without the warnings of what is not finite: an error says so afterwards."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training has diverged", RuntimeWarning)
        warnings.filterwarnings("ignore", r"\w+ gives no finite", RuntimeWarning)
        yield


def diverged(argument: str, rate: object) -> ValueError:
    """Make the error of a training that diverged."""
    return ValueError(f"training diverged: expected a {argument} lower than {rate}")
