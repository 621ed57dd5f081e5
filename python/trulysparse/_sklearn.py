"""What the estimators in scikit-learn's interface share (extra ``sklearn``).

They import scikit-learn by way of this module, which says what to install.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse

try:
    from joblib import effective_n_jobs
    from sklearn.base import BaseEstimator, ClassifierMixin, MultiOutputMixin, RegressorMixin
    from sklearn.feature_selection import SelectorMixin
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.class_weight import compute_sample_weight
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.sparsefuncs import min_max_axis
    from sklearn.utils.validation import (
        _check_sample_weight as check_sample_weight,
    )
    from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data
except ImportError as error:
    raise ImportError(
        "trulysparse's estimators (SparseMLPClassifier, SparseMLPRegressor, SparseFeatureSelector) "
        "need scikit-learn 1.6 or later: pip install 'trulysparse[sklearn]'"
    ) from error

from trulysparse import _check
from trulysparse.model import SparseMLP

__all__ = [
    "BaseEstimator",
    "ClassifierMixin",
    "MultiOutputMixin",
    "RegressorMixin",
    "SelectorMixin",
    "accuracy_score",
    "check_classification_targets",
    "check_is_fitted",
    "check_random_state",
    "check_sample_weight",
    "column_or_1d",
    "compute_sample_weight",
    "constant_features",
    "diverged",
    "draw_seed",
    "hidden_sizes",
    "name",
    "r2_score",
    "silent_divergence",
    "threads",
    "train_test_split",
    "type_of_target",
    "validate_data",
    "without",
]

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


def name(model: SparseMLP, estimator: Any) -> None:
    """Write an estimator's names of features and classes where the command line looks for them."""
    for key, attribute in (("feature_names", "feature_names_in_"), ("class_names", "classes_")):
        if hasattr(estimator, attribute):
            names = [str(name) for name in getattr(estimator, attribute)]
            model.metadata[key] = json.dumps(names)


@contextmanager
def silent_divergence() -> Iterator[None]:
    """Train without the warning of a loss that is not finite: an error says so afterwards."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "training has diverged", RuntimeWarning)
        yield


def diverged(argument: str, rate: object) -> ValueError:
    """Make the error of a training that diverged."""
    return ValueError(f"training diverged: expected a {argument} lower than {rate}")
