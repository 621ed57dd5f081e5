"""What columns of a table are worth to an estimator's network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Doubles = npt.NDArray[np.float64]


def of_features(estimator: Any, kind: str = "path") -> Doubles:
    """Give the scores of the features of a network, also of those that were left out, which is 0.

    A score says what a change of 1 does. Numbers are standardised, levels of a category are 0 or 1:
    their scores are times the deviation that they had in training, as for numbers. Else sixty
    levels with few rows each would be worth more than a number that tells more.
    """
    model, encoder = estimator.model_, estimator._encoder
    scores = np.zeros(model.original_layer_sizes[0])
    scores[model.units(0)] = model.feature_importance(kind)
    if estimator._constant is not None:
        scores[estimator._constant] = 0
    shares = estimator._shares
    if encoder is not None and shares is not None and model.standardize is not True:
        scores[len(scores) - len(shares) :] *= np.sqrt(np.clip(shares * (1 - shares), 0, None))
    return scores


def of_columns(estimator: Any, kind: str = "path") -> Doubles:
    """Give the scores of the columns: of several features the root of the sum of their squares."""
    scores = of_features(estimator, kind)
    if estimator._encoder is None:
        return scores
    return np.array([np.sqrt((scores[at] ** 2).sum()) for at in estimator._encoder.places()])
