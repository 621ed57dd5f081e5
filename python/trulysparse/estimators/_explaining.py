"""Explanations in the columns of an estimator's table."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from scipy.sparse import issparse

from trulysparse import _check
from trulysparse.attribution.baselines import baseline as baseline_of
from trulysparse.attribution.contributions import (
    Asked,
    Dense,
    Sparse,
    asked,
    compute,
    explained,
)
from trulysparse.attribution.explanation import Explanation
from trulysparse.config import Config
from trulysparse.data.blocks import Blocks, DoubleArray
from trulysparse.data.samples import inputs_of
from trulysparse.estimators import _support
from trulysparse.estimators._targets import Values
from trulysparse.streams import RowBlocks
from trulysparse.tables.encoder import TableEncoder


def explain(
    estimator: Any, X: Any, baseline: Any, of: Any, outputs: Any, levels: Any
) -> Explanation:
    """Do as `Looks.explain`."""
    levels, wanted = _check.boolean("levels", levels), asked(estimator.model_._core, of, outputs)
    samples = _samples(estimator, X, "X")
    return of_samples(estimator, samples, X, wanted, baseline=baseline, levels=levels)


def of_samples(
    estimator: Any,
    samples: Any,
    X: Any,
    wanted: Asked,
    *,
    baseline: Any = "mean",
    levels: bool = False,
) -> Explanation:
    """Do as `explain`, with samples that were made of `X`."""
    core = estimator.model_._core
    inputs = inputs_of(core, "X", samples)
    start = baseline_of(core, baseline, inputs, partial(_samples, estimator), estimator._shares)
    encoder, has_levels = estimator._encoder, not isinstance(inputs, np.ndarray)
    places = None if encoder is None else encoder.places()
    is_sparse = issparse(X) or isinstance(X, Blocks)
    takers = [(Sparse if is_sparse else Dense)(wanted, inputs.shape, places)]
    if levels and encoder is not None:
        takers.append((Sparse if has_levels else Dense)(wanted, inputs.shape))
    target = estimator._target
    units = (target.scale, target.mean) if isinstance(target, Values) else None
    found = compute(core, inputs, start, wanted, takers, units)
    names, of_levels = _output_names(estimator), None
    if len(takers) > 1:
        features = encoder.feature_names_
        of_levels = explained(takers[1], found, wanted, X, features, names)
    return explained(takers[0], found, wanted, X, _columns(estimator), names, of_levels)


def _samples(estimator: Any, X: Any, name: str = "baseline") -> Any:
    if isinstance(X, RowBlocks):
        raise TypeError(f"{name} is RowBlocks: expected rows that are read")
    samples = _support.validated(estimator, X, name=name, reset=False)
    return _support.without(samples, estimator._constant)


def shares(samples: Any, encoder: Any) -> DoubleArray | None:
    """Give the share of rows that have each level or indicator of a table; None without any."""
    if encoder is None:
        return None
    matrix = samples.sparse if isinstance(samples, Blocks) else samples
    if not issparse(matrix):
        return None
    return np.asarray(matrix.mean(axis=0, dtype=np.float64)).ravel()


def weighed(estimator: Any, scores: DoubleArray) -> DoubleArray:
    """Multiply the scores of levels and indicators, (features,), by their standard deviations.

    Numbers are scaled, to a deviation of about 1. The weights of a level are as large as those of a
    number, however rare it is, so a column with many levels would be the first, useful or not.
    Scores stay where the shares of levels are not known, after a fit to rows of a file.
    """
    encoder, known = estimator._encoder, estimator._shares
    if not isinstance(encoder, TableEncoder) or known is None:
        return scores
    first = encoder.n_dense_
    if len(known) != len(scores) - first:
        return scores
    found = scores.copy()
    found[first:] *= np.sqrt(np.clip(known * (1 - known), 0, None))
    return found


def _columns(estimator: Any) -> list[str]:
    if estimator._encoder is not None:
        names = [part.name for part in estimator._encoder.columns_]
        known = getattr(estimator, "feature_names_in_", names)
        return list(map(str, known if len(known) == len(names) else names))
    known = getattr(estimator, "feature_names_in_", None)
    if known is None:
        return [f"x{i}" for i in range(estimator.n_features_in_)]
    return list(map(str, known))


def _output_names(estimator: Any) -> list[str]:
    classes = getattr(estimator, "classes_", None)
    labels = estimator._target_labels
    count = Config.of(estimator.model_._core).layer_sizes[-1]
    if labels is not None and len(labels) == count:
        return list(map(str, labels))
    if classes is not None:
        return list(map(str, classes))
    return ["y"] if count == 1 else [f"y{k}" for k in range(count)]
