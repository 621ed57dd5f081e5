"""What the feature selector learns from: classes, labels, numbers, or the samples themselves."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import issparse
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from trulysparse import _check, _core, names
from trulysparse.data import arrays, classes, frames
from trulysparse.data.blocks import Blocks
from trulysparse.data.numeric import numeric
from trulysparse.data.precision import refuse_tiny
from trulysparse.estimators._tables import Encoder
from trulysparse.estimators._targets import Array, Classes, Labels, Numbers, Targets
from trulysparse.estimators._weighted import WeightedSamples, refuse_huge
from trulysparse.model import SparseMLP
from trulysparse.selection.features import of_sparse
from trulysparse.tables.encoder import TableEncoder
from trulysparse.tables.frame import as_frame

TASKS = ("auto", "classification", "regression")


def target(task: Any, y: Any, weight: Array | None) -> tuple[Targets, Array]:
    """Tell how to learn these targets, and give them as an array.

    Parameters
    ----------
    task
        One of `TASKS`.
    y
        The targets, validated.
    weight
        Of the samples; of those with 0 nothing is learnt.
    """
    task = _check.choice("task", task, TASKS)
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = column_or_1d(y, warn=True)
    if task == "regression" and y.dtype == object:
        y = numeric("y", y)
    classes.refuse_kinds("y", y)
    refuse_huge("y", y)
    with np.errstate(invalid="ignore"):  # it makes integers of numbers to see whether they are some
        kind = type_of_target(y, input_name="y")
    _refuse_constant(y, weight, is_class=y.ndim == 1 and y.dtype.kind != "f" and task != TASKS[2])
    if task == "regression" or (task == "auto" and kind.startswith("continuous")):
        if y.dtype.kind not in "biuf":
            raise ValueError(f"y has dtype {y.dtype}: expected numbers with task='regression'")
        return Numbers.of(y), y.astype(np.float64)
    if kind == "multilabel-indicator":
        return Labels(y.shape[1]), y
    if y.ndim != 1 or kind.startswith("continuous"):
        raise ValueError(
            f"y of shape {y.shape} is {kind}: expected one class per sample, columns of zeros and "
            "ones, or numbers (task='regression')"
        )
    found = np.unique(y)
    if task == "auto" and y.dtype.kind != "b" and classes.look_like_values(found, len(y)):
        warnings.warn(
            f"y has {classes.said(len(found), len(y))}: task='regression' if they are values, "
            "task='classification' if not",
            UserWarning,
            stacklevel=3,
        )
    return Classes(found), y


def _refuse_constant(y: Array, weight: Array | None, *, is_class: bool) -> None:
    """Raise ValueError for targets that are the same in all rows that count."""
    known = y if weight is None else y[weight > 0]
    if (known != known[0]).any():
        return
    where = "" if (y == y[0]).all() else " where sample_weight is above 0"
    raise ValueError(
        f"y has one {'class' if is_class else 'value'}, {known[0].tolist()}{where}: expected two "
        "or more, or no y"
    )


def feature_names(selector: Any) -> Sequence[str] | None:
    """Give the names of what networks take, if there are such."""
    if isinstance(selector._encoder, TableEncoder):
        return selector._encoder.feature_names_
    return None if selector._encoder is not None else getattr(selector, "feature_names_in_", None)


def refuse_extremes(X: Any, names: Sequence[str] | None, *, standardizes: bool) -> None:
    """Raise ValueError for samples that networks of some features would refuse, by their places.

    Parameters
    ----------
    X
        Samples, as they are given to networks.
    names
        Of their features, if they have such.
    standardizes
        Whether dense features are standardised.
    """
    start = 0
    for part in (X.dense, X.sparse) if isinstance(X, Blocks) else (X,):
        values: Any = part.data if issparse(part) else part
        if values.dtype == np.float64 and values.size:
            if max(values.max(), -values.min()) > np.finfo(np.float32).max:
                _refuse_beyond(part, start, names)
            if standardizes and not issparse(part):
                refuse_tiny("X", part, names)
        start += part.shape[1]


def _refuse_beyond(part: Any, start: int, names: Sequence[str] | None) -> None:
    """Raise ValueError for the first number beyond float32; `start` features are before these."""
    entries = part.tocoo() if issparse(part) else None
    values = part.ravel() if entries is None else entries.data
    with np.errstate(over="ignore"):
        beyond = np.flatnonzero(~np.isfinite(values.astype(np.float32)))
    if not len(beyond):
        return
    at = int(beyond[0])
    row, column = (
        divmod(at, part.shape[1])
        if entries is None
        else (int(entries.row[at]), int(entries.col[at]))
    )
    place = start + column if names is None else repr(str(names[start + column]))
    raise ValueError(
        f"X[{row}, {place}] = {values[at]}: expected finite numbers in float32's range"
    )


def standardizes(value: Any, *, is_sparse: bool, has_levels: bool) -> names.Standardize:
    """Give `SparseMLP`'s standardize; where columns have levels these are left as they are."""
    if isinstance(value, str):
        _check.choice("standardize", value, ("auto",))
        return "auto" if is_sparse or has_levels else True
    is_asked = _check.boolean("standardize", value)
    return "auto" if is_asked and has_levels else is_asked


class Batches:
    """Dense batches of a sparse table, which would be too large as an array; blocks stay blocks.

    The targets are the samples.
    """

    def __init__(
        self,
        model: SparseMLP,
        samples: WeightedSamples,
        size: Any,
        noise: float = 0.0,
    ) -> None:
        self._X, self._weight = samples.X, samples.weight
        self._size = _check.integer("batch_size", size, 1)
        self._random = np.random.default_rng(model.seed)
        self._noise: Any = noise
        if model.standardize:
            inputs = arrays.samples("X", samples.X, samples.X.shape[1], wide=True)
            model._core.standardize_on(_core.Data(model._core, inputs))
            statistics = model._core.input_statistics()
            model._core.set_statistics(None, statistics)
            if noise and statistics is not None:
                scale = statistics.scale[: samples.X.dense.shape[1]]
                self._noise = noise / np.where(scale > 0, scale, np.inf)

    def __len__(self) -> int:
        samples: int = self._X.shape[0]
        return math.ceil(samples / self._size)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        """Give the batches of an epoch, in a new order."""
        order = self._random.permutation(self._X.shape[0])
        for start in range(0, len(order), self._size):
            rows = order[start : start + self._size]
            x = self._X[rows]
            if isinstance(x, Blocks):
                whole = np.hstack([x.dense, x.sparse.toarray()])
                noise = self._noise * self._random.normal(size=x.dense.shape)
                x = Blocks(x.dense + noise, x.sparse)
            else:
                x = whole = x.toarray()
            yield (x, whole) if self._weight is None else (x, whole, self._weight[rows])


# --- columns --------------------------------------------------------------------------------------


def of_columns(
    encoder: Encoder | None, model: SparseMLP, X: Any, scores: Array, varies: npt.NDArray[np.bool_]
) -> tuple[Array, int]:
    """Give the scores of columns, and how many of them vary.

    A level, or that a cell is missing, counts by its score times its standard deviation, as numbers
    do that are standardised; those of a column by the root of the sum of their squares. A plain sum
    would prefer columns with many levels, useful or not.

    Parameters
    ----------
    encoder
        What made features of columns; None if they are the same.
    model
        The network that was trained.
    X
        The samples.
    scores
        Of the features.
    varies
        Which features vary.
    """
    if encoder is None:
        return scores, int(varies.sum())
    sparse = X.sparse if isinstance(X, Blocks) else X
    if issparse(sparse):
        first = scores.size - sparse.shape[1]
        deviations = np.append(np.ones(first), of_sparse(sparse))
        statistics = model._core.input_statistics()
        if statistics is not None:
            deviations[first:] *= statistics.scale[first:]
        deviations[: encoder.n_dense_] = 1
        scores = scores * deviations
    places = encoder.places()
    found = np.array([np.sqrt((scores[at] ** 2).sum()) for at in places])
    return found, sum(bool(varies[at].any()) for at in places)


def of_blocks(X: Blocks, mask: npt.NDArray[np.bool_]) -> Any:
    """Give some columns of blocks: blocks, or one block if the other has none of them."""
    count = X.dense.shape[1]
    dense, sparse = X.dense[:, mask[:count]], X.sparse[:, mask[count:]]
    if not dense.shape[1]:
        return sparse
    return Blocks(dense, sparse) if sparse.shape[1] else dense


def of_table(X: Any, mask: npt.NDArray[np.bool_], names: list[str] | None) -> Any:
    """Give some columns of a table, by their names if there are such, as a table of its library."""
    if not frames.is_frame(X) and not hasattr(X, "column_names"):
        X = as_frame("X", X)
    places = np.flatnonzero(mask).tolist()
    if names is not None:
        given = X.columns if frames.is_frame(X) else X.column_names
        found = {str(label): place for place, label in enumerate(given)}
        wanted = [names[place] for place in places]
        missing = [name for name in wanted if name not in found]
        if missing:
            raise ValueError(f"X lacks columns that are selected: {missing[:5]}")
        places = [found[name] for name in wanted]
    if hasattr(X, "iloc"):
        return X.iloc[:, places]
    return X[:, places] if frames.is_frame(X) else X.select(places)  # of pyarrow
