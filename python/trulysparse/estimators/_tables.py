"""Tables that an estimator is given: what is learnt of their columns, and samples made of them."""

from __future__ import annotations

import json
from typing import Any, TypeAlias

import numpy as np
import scipy
from sklearn.utils.validation import _check_y, check_consistent_length

from trulysparse.data import frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.numeric import numeric, refuse_sparse
from trulysparse.data.sparse import check_sparse
from trulysparse.estimators import _scaling
from trulysparse.tables import telling
from trulysparse.tables.arrays import ArrayEncoder, has_missing
from trulysparse.tables.encoder import TableEncoder, say_empty
from trulysparse.tables.frame import is_table
from trulysparse.tables.parts import counts_rows

_SHOWN = 5  # features that a note names

Encoder: TypeAlias = TableEncoder | ArrayEncoder


def encoder(estimator: Any, name: str, X: Any, *, reset: bool) -> tuple[Encoder | None, Any]:
    """Give what makes samples of X, None if it is taken as it is; and samples, if they are made.

    Parameters
    ----------
    estimator
        What it is for.
    name
        The argument, for errors.
    X
        A user's samples.
    reset
        Whether its columns are learnt from X.
    """
    if not getattr(estimator, "_takes_tables", False):
        return None, None
    if not reset:
        return getattr(estimator, "_encoder", None) or _of_means(estimator, name, X), None
    fill = _scaling.fill(estimator)
    if is_table(X):
        if not _is_mixed(name, X):
            return None, None
        found = TableEncoder()
        return found, found._learn_samples(name, X, fill)
    X = check_sparse(name, X)
    is_missing = getattr(X, "ndim", 0) == 2 and has_missing(X)
    return ArrayEncoder.of(X, fill) if is_missing else None, None


def encoded(
    estimator: Any, encoder: Encoder, name: str, X: Any, y: Any, samples: Any, *, reset: bool
) -> tuple[Any, Any]:
    """Make samples, unless they are made, and check their targets as scikit-learn does."""
    if samples is None:
        samples = _samples(estimator, encoder, name, X)
    if not isinstance(y, str):
        y = _check_y(y, multi_output=True, estimator=estimator)
        check_consistent_length(samples, y)
    if reset:
        learn_names(
            estimator, len(encoder.columns_), frames.labels(X) if frames.is_frame(X) else []
        )
    return samples, y


def blocks(estimator: Any, name: str, X: Blocks, y: Any, *, reset: bool) -> tuple[Any, Any]:
    """Check samples of two blocks, and their targets."""
    if reset:
        learn_names(estimator, X.shape[1], [])
    elif X.shape[1] != estimator.n_features_in_:
        raise ValueError(
            f"{name} has {X.shape[1]} features: expected {estimator.n_features_in_}, as in fit"
        )
    if not np.isfinite(X.dense).all() or not np.isfinite(X.sparse.data).all():
        raise ValueError(f"{name} has NaN or infinity: expected finite numbers in both blocks")
    if not isinstance(y, str):
        y = _check_y(y, multi_output=True, estimator=estimator)
        check_consistent_length(X, y)
    return X, y


def learn_names(estimator: Any, features: int, labels: list[Any]) -> None:
    """Note how many columns there are, and their names, as scikit-learn does."""
    estimator.n_features_in_ = features
    estimator.__dict__.pop("feature_names_in_", None)
    if labels and all(isinstance(label, str) for label in labels):
        estimator.feature_names_in_ = np.array(labels, object)
    estimator._column_labels = None


def notes(estimator: Any, X: Any, y: Any, loss: str) -> list[str]:
    """Say which columns of the samples predict the targets by themselves.

    Parameters
    ----------
    estimator
        Which was given the table.
    X, y
        Samples, and targets as its network learns them.
    loss
        Of the network.
    """
    if not isinstance(y, np.ndarray):
        return []
    encoder, names = estimator._encoder, getattr(estimator, "feature_names_in_", None)
    if encoder is not None:
        names = [part.name for part in encoder.columns_]
    elif names is None:
        names = [f"x{i}" for i in range(estimator.n_features_in_)]
    task = "regression" if loss == "squared_error" else "classification"
    parts = None if encoder is None else encoder.columns_
    return list(map(str, telling.of_samples(names, X, y, task=task, parts=parts)))


def of_left_out(estimator: Any, used: Any, features: int) -> list[str]:
    """Say that `feature_selection` has left features out; nothing if it has not."""
    if used is None:
        return []
    encoder, names = estimator._encoder, getattr(estimator, "feature_names_in_", None)
    names = encoder.feature_names_ if encoder is not None else names
    shown = [f"x{i}" if names is None else str(names[i]) for i in used[:_SHOWN]]
    more = f" and {len(used) - _SHOWN} more" if len(used) > _SHOWN else ""
    return [
        f"feature_selection left out {features - len(used)} of {features} features, as held-out "
        f"rows are predicted clearly better without them; features_used_ are {', '.join(shown)}"
        f"{more}"
    ]


def _samples(estimator: Any, encoder: Encoder, name: str, X: Any) -> Any:
    if isinstance(X, Blocks):
        raise TypeError(f"{name} is two blocks: expected a table with the columns of fit")
    if isinstance(encoder, TableEncoder):
        if not is_table(X):
            raise TypeError(f"{name} is a {type(X).__name__}: expected a frame, as in fit")
        return encoder._encode(name, X, _labels_of(estimator), says=True)
    X = check_sparse(name, frames.numbers_of(X) if frames.is_frame(X) else X)
    if not scipy.sparse.issparse(X):
        X = numeric(name, X)
    _say_empty(estimator, encoder, name, X)
    samples = encoder.transform(X, name)
    _refuse_infinite(name, samples)
    return samples


def _say_empty(estimator: Any, encoder: ArrayEncoder, name: str, X: Any) -> None:
    """Warn of columns of which all cells are missing, and none was in fit."""
    if X.ndim != 2 or X.shape[0] < 2 or X.shape[1] != len(encoder.missing) or not has_missing(X):
        return
    if scipy.sparse.issparse(X):
        counts = np.bincount(X.tocsr().indices[np.isnan(X.tocsr().data)], minlength=X.shape[1])
    else:
        counts = np.isnan(X).sum(axis=0)
    known = getattr(estimator, "feature_names_in_", [f"x{i}" for i in range(X.shape[1])])
    empty = np.flatnonzero((counts == X.shape[0]) & (encoder.missing == 0))
    say_empty(name, [str(known[i]) for i in empty], X.shape[0])


def _labels_of(estimator: Any) -> frozenset[str]:
    """Name the columns of the labels, if the command line trained the network of a file."""
    model = getattr(estimator, "model_", None)
    try:
        found = json.loads(model.metadata["label"]) if model is not None else []
    except (KeyError, ValueError, RecursionError):
        return frozenset()
    names = [found] if isinstance(found, str) else found
    return frozenset(name for name in names if isinstance(name, str))


def _refuse_infinite(name: str, samples: Any) -> None:
    dense = samples.dense if isinstance(samples, Blocks) else samples
    values = dense.data if scipy.sparse.issparse(dense) else dense
    if not np.isfinite(values).all():
        raise ValueError(f"{name} has infinity: expected finite numbers, or NaN for missing ones")


def _is_mixed(name: str, X: Any) -> bool:
    """Tell a table that is more than numbers, has missing ones, or a column with row numbers."""
    if not frames.is_frame(X):
        return True
    refuse_sparse(name, X)
    if _is_known_to_be_mixed(X):
        return True
    if "SparseDtype" in [type(t).__name__ for t in X.dtypes]:
        return False
    try:
        frames.refuse(name, X)
        array = frames.as_array(name, X)
    except (ValueError, TypeError):
        return True
    return _has_row_numbers(array)


def _has_row_numbers(array: Any) -> bool:
    """Tell whether a column of an array numbers the rows, and there is another one."""
    if array.ndim != 2 or array.shape[1] < 2 or not len(array) or array.dtype.kind not in "iuf":
        return False
    first, last = array[0].astype(np.float64), array[-1].astype(np.float64)
    likely = np.flatnonzero(last - first == len(array) - 1)
    return any(counts_rows(array[:, column]) for column in likely)


def _is_known_to_be_mixed(X: Any) -> bool:
    """Tell so by the types of columns, without a look at their cells."""
    if any(type(dtype).__name__ in _NO_NUMBERS for dtype in X.dtypes):
        return True
    return not hasattr(X, "iloc") and any(column.null_count() for column in X.iter_columns())


_NO_NUMBERS = {
    "String",
    "Categorical",
    "Enum",
    "Date",
    "Datetime",
    "CategoricalDtype",
    "StringDtype",
}


def _of_means(estimator: Any, name: str, X: Any) -> ArrayEncoder | None:
    """Give what puts the means of training where numbers are missing that were not before."""
    model = getattr(estimator, "model_", None)
    if model is None or not model.standardize or model.mean is None:
        return None
    array = X
    if frames.is_frame(X):
        known = getattr(estimator, "feature_names_in_", None)
        if known is None or frames.labels(X) != known.tolist():
            return None
        array = frames.numbers_of(X)
    features = len(model.mean)
    if isinstance(array, np.ndarray) and array.shape[1:] != (features,):
        return None  # before a look at values, as there is no end of those that a view repeats
    if array is None or not has_missing(array):
        return None
    array = check_sparse(name, array)
    if array.ndim != 2 or array.shape[1] != features:
        return None
    return ArrayEncoder(model.mean, np.zeros(len(model.mean), np.int64))
