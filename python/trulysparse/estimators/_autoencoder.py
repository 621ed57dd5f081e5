"""Scores without targets: a sparse denoising autoencoder, as in QuickSelection.

Atashgahi et al., *Quick and Robust Feature Selection*, Machine Learning 2022.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from trulysparse import _check, names
from trulysparse.data.blocks import Blocks
from trulysparse.estimators import _selection, _support
from trulysparse.estimators._stopping import is_finite
from trulysparse.estimators._targets import Array
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.model import SparseMLP
from trulysparse.optim import SGD
from trulysparse.recipe import RECIPE
from trulysparse.topology import SET


class Settings(NamedTuple):
    """Of parameters that are None: QuickSelection's, but for those that were chosen.

    On synthetic tables (linear, XOR, make_classification, make_friedman1; correlated blocks).
    """

    importance: names.Importance = "strength"
    hidden_layer_sizes: Any = (200,)
    epsilon: float = 13
    activation: names.Activation = "sigmoid"
    dropout: float = 0.0
    noise: float = 0.2
    epochs: int = 50
    batch_size: int = 32
    learning_rate: float = 0.005
    weight_decay: float = 0.01


def trained(
    selector: Any, samples: WeightedSamples, settings: Settings, *, has_levels: bool
) -> SparseMLP:
    """Train an autoencoder.

    Parameters
    ----------
    selector
        With the other parameters.
    samples
        To train on.
    settings
        What the parameters are that may be None.
    has_levels
        Whether columns are levels, which stay as they are.
    """
    X = samples.X
    model = _made(selector, X, settings, has_levels=has_levels)
    _support.say_lost(model, X)
    given: dict[str, Any] = {"batch_size": settings.batch_size}
    is_sparse = issparse(X) or isinstance(X, Blocks)
    if is_sparse:
        noise = settings.noise if isinstance(X, Blocks) else 0.0
        given["x"] = _selection.Batches(model, samples, settings.batch_size, noise)
    else:
        given.update(x=X, y=X, sample_weight=samples.weight)
    optimizer = SGD(
        settings.learning_rate,
        nesterov=RECIPE.optimizer.nesterov,
        weight_decay=settings.weight_decay,
    )
    with _support.silent_divergence():
        history = model.fit(
            **given,
            epochs=_check.integer("epochs", settings.epochs, 1),
            optimizer=optimizer,
            topology=SET(selector.zeta, grow_init=RECIPE.topology.grow_init),
            progress=False,
        )
    if is_sparse and history.trouble is not None:
        history.trouble = history.trouble.of_sparse()
    if is_finite(history):  # else the scores are not, which is an error
        _support.warn_of_trouble(history, stacklevel=5)
        _support.say_merged(model, X, None, selector)
    return model


def scores(model: SparseMLP, settings: Settings) -> Array:
    """Give the scores of the features; ValueError if the network is no number any more."""
    with _support.silent_divergence():
        found = model.feature_importance(settings.importance)
    if not np.isfinite(found).all():
        raise _support.diverged("learning_rate", settings.learning_rate)
    return found


def _made(selector: Any, X: Any, settings: Settings, *, has_levels: bool) -> SparseMLP:
    _check.real("noise", settings.noise, "a number of at least 0", low=0)
    hidden = _support.hidden_sizes(settings.hidden_layer_sizes)
    # The loss is that of all columns, of which none shall outweigh the others.
    asked = True if selector.standardize is None else selector.standardize
    standardize = _selection.standardizes(asked, is_sparse=issparse(X), has_levels=has_levels)
    return SparseMLP(
        [X.shape[1], *hidden, X.shape[1]],
        epsilon=settings.epsilon,
        activation=settings.activation,
        loss="squared_error",
        init=RECIPE.init,
        fan=RECIPE.fan,
        dropout=settings.dropout,
        input_noise=0.0 if has_levels else settings.noise,
        standardize=standardize,
        standardize_targets=standardize is not False,
        seed=_support.draw_seed(_support.random(selector.random_state)),
        threads=_support.threads(selector.n_jobs),
    )
