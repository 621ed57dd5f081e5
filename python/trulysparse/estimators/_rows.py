"""Fits of estimators to rows of a file, of which a part is in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from trulysparse import _check
from trulysparse.data.blocks import Blocks
from trulysparse.estimators import _tables
from trulysparse.estimators._targets import Array, Classes, Labels, Targets
from trulysparse.estimators._watching import Held, of_split
from trulysparse.streams.held import rows_of
from trulysparse.streams.rows import RowBlocks
from trulysparse.tables.encoder import TableEncoder

_SOME = 10_000  # rows by whose labels the kind of targets is told


class Prepared(NamedTuple):
    """Rows whose targets are encoded, what was learnt of them, and what scores a model."""

    rows: RowBlocks
    target: Targets
    is_sparse: bool
    is_csr: bool
    validation: Any
    score: Callable[[Any], float] | None
    held: Held | None


def prepare(estimator: Any, rows: RowBlocks, X_val: Any, y_val: Any, *, stops: bool) -> Prepared:
    """Learn of rows what a fit needs; a ValueError if the estimator asks for what they do not give.

    Parameters
    ----------
    estimator
        Which gets the names of the columns.
    rows
        To train on.
    X_val, y_val
        Held-out samples, also as rows.
    stops
        Whether the score of these ends the fit.
    """
    if _check.boolean("warm_start", estimator.warm_start):
        raise ValueError("warm_start = True: expected False with rows of a file")
    if stops and X_val is None:
        raise ValueError(
            "early_stopping = True: expected X_val with rows of a file, such as "
            "fit(rows[:900], X_val=rows[900:])"
        )
    rows._need_labels()
    target = _target(estimator, rows)
    factors = _class_factors(estimator, rows, target)
    sample = rows._read(rows._start, rows._start + 1, wide=True, labelled=False).x
    learn_names(estimator, rows)
    encoded = rows._with(_encode=_encoder(estimator, target))
    if factors is not None:
        if rows._weight is not None:
            raise ValueError("class_weight: expected None with rows that have weights")
        encoded = encoded._with(_factors=factors)
    elif rows._weight is not None:
        mean = rows._weight[rows._start : rows._stop].astype(np.float64).mean()
        encoded = encoded._with(_weight=(rows._weight / mean).astype(np.float32))
    is_sparse = issparse(sample) or isinstance(sample, Blocks)
    held_out = _held_out(estimator, target, X_val, y_val)
    return Prepared(encoded, target, is_sparse, issparse(sample), *held_out)


def _target(estimator: Any, rows: RowBlocks) -> Targets:
    first = np.asarray(rows._source.labels(rows._start, min(rows._start + _SOME, rows._stop)))
    if estimator._counts_classes and (first.ndim == 1 or first.shape[1] == 1):
        known = rows.classes
    else:
        known = first
    found: Targets = estimator._learn(estimator._checked(known, "y"), None)
    return found


def _encoder(estimator: Any, target: Targets) -> Callable[[Array], Array]:
    def encode(y: Array) -> Array:
        if isinstance(target, Classes):
            y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        elif isinstance(target, Labels):
            if not np.isin(y, (0, 1)).all():
                raise ValueError("y has other values than 0 and 1: expected labels")
        else:
            y = estimator._checked(y, "y")
        return target.encode(y, "y")

    return encode


def _class_factors(estimator: Any, rows: RowBlocks, target: Targets) -> Array | None:
    """Give the weight of each class, (classes,), such that the mean of all samples is 1."""
    given = getattr(estimator, "class_weight", None)
    if given is None:
        return None
    if not isinstance(target, Classes):
        raise ValueError("class_weight: expected None with several labels of rows of a file")
    classes, counts = rows.class_counts
    if isinstance(given, Mapping):
        unknown = [name for name in given if name not in classes.tolist()]
        if unknown:
            raise ValueError(f"class_weight has {unknown}: expected classes, {classes.tolist()}")
        factors = np.array([float(given.get(name, 1)) for name in classes.tolist()])
    else:
        _check.choice("class_weight", given, ("balanced",))
        factors = counts.sum() / (len(classes) * np.maximum(counts, 1))
    if not (np.isfinite(factors).all() and (factors >= 0).all() and factors @ counts > 0):
        raise ValueError(f"class_weight = {given!r}: expected numbers of at least 0, some above")
    found: Array = (factors * counts.sum() / (factors @ counts)).astype(np.float32)
    return found


def learn_names(estimator: Any, rows: RowBlocks) -> None:
    """Note the names of the columns, and what became of them."""
    estimator._encoder = rows.columns_
    features = rows._source.columns
    _tables.learn_names(estimator, features, list(rows.names or ()))


def _held_out(
    estimator: Any, target: Targets, X_val: Any, y_val: Any
) -> tuple[Any, Callable[[Any], float] | None, Held | None]:
    """Give held-out samples as `SparseMLP.fit` takes them, what scores a model by them, and as
    scorers get them.
    """
    rows = None if X_val is None else rows_of(X_val, y_val)
    if rows is None:
        arrays = estimator._held_out(X_val, y_val)
        if arrays is None:
            return None, None, None
        score = lambda model: target.score(arrays.y, model.predict(arrays.X), arrays.weight)  # noqa: E731
        held = of_split(estimator, X_val, arrays)
        return (arrays.X, target.encode(arrays.y, "y_val")), score, held
    rows = as_learnt(estimator, rows)._with(_encode=_encoder(estimator, target))
    truth = labels(rows)
    held = Held(rows, truth, rows)
    return rows, lambda model: target.score(truth, model.predict(rows), None), held


def as_learnt(estimator: Any, rows: RowBlocks) -> RowBlocks:
    """Give rows whose columns become what they became in the fit."""
    if rows.columns_ is None and estimator._encoder is None:
        return rows
    if isinstance(estimator._encoder, TableEncoder) and rows.names is None:
        raise TypeError("the rows have no names of columns: expected a table, as in fit")
    return rows._with(columns_=estimator._encoder)


def labels(rows: RowBlocks) -> Array:
    """Read all targets."""
    rows._need_labels()
    found: Array = np.asarray(rows._source.labels(rows._start, rows._stop))
    return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found
