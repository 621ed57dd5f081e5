"""What held-out samples decide: whether features are left out, and how sure probabilities are.

A network is trained on three quarters of the samples. Where features leave while others train on
them, and those that are left at some point predict the other quarter clearly better than that
network, as many are kept, chosen anew from all samples. Smoothing and dropout make probabilities
too even, few samples make them too sure: what the softmax gets is divided by the temperature at
which the held-out samples are likeliest.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from trulysparse import _check
from trulysparse.estimators import _automatic, _support
from trulysparse.estimators._eliminating import halves
from trulysparse.estimators._making import Making
from trulysparse.estimators._targets import Array
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP
from trulysparse.selection import temperature
from trulysparse.selection.elimination import Diverged, Round, Task, eliminate, judged
from trulysparse.selection.features import Indices
from trulysparse.streams import RowBlocks

# Without as many features there is little to gain, and with fewer samples no telling.
_FEWEST_FEATURES, _FEWEST_SAMPLES = 100, 120
# Where there are more samples a feature, a network finds out by itself.
_MOST_SAMPLES = 20
# Standard errors of the mean difference of losses: the best of many rounds is better by chance.
_CLEARLY = 2.0

# Samples by which a temperature is told; with more, probabilities are right by themselves.
_FEWEST_TOLD, _MOST_TOLD = 20, 5000


def choose(
    making: Making, samples: WeightedSamples, encoded: Array, seed: int
) -> tuple[Indices | None, float]:
    """Give the features to keep, None for all, and the factor of what the softmax gets.

    Raises
    ------
    ValueError
        If the parameters ask for what cannot be.
    """
    selects = _selects(making.estimator, samples)
    calibrates = _calibrates(making, samples, encoded)
    if not (selects or calibrates):
        return None, 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the fit that follows says the same
        return _chosen(making, samples, encoded, seed, selects=selects, calibrates=calibrates)


def _chosen(
    making: Making,
    samples: WeightedSamples,
    encoded: Array,
    seed: int,
    *,
    selects: bool,
    calibrates: bool,
) -> tuple[Indices | None, float]:
    target = making.learnt.target
    some, others = halves(encoded, seed, stratified=LOSSES[target.loss].takes_classes)
    training, held_out = (_task(making, samples, encoded).of(rows) for rows in (some, others))
    part, weight = samples.some(some), training.weight
    if weight is not None and not weight.any():
        return None, 1.0
    model = _trained(making, part, training.y, seed)
    kept = None
    if selects:
        kept = _kept(making, training, held_out, judged(model, held_out.X, held_out.y)[0], seed)
    if kept is not None and calibrates:
        model = _trained(making, part, training.y, seed, kept)
    factor = 1.0
    if calibrates:
        factor = 1 / temperature.best(model.predict(held_out.X), held_out.y, held_out.weight)[0]
    if kept is None:
        return None, factor
    task = _task(making, samples, encoded)
    varying = np.flatnonzero(~_support.constant_features(task.X))
    least = min(len(kept), len(varying))
    last = list(eliminate(task, varying, least=least, **_how(making, seed)))[-1]
    return last.features, factor


def _selects(estimator: Any, samples: WeightedSamples) -> bool:
    """Tell whether features may be left out, by the parameter and the data."""
    value, X = estimator.feature_selection, samples.X
    is_array = isinstance(X, np.ndarray)
    evolves = isinstance(estimator.topology, str) and estimator.topology == "auto"
    if isinstance(value, str):
        _check.choice("feature_selection", value, ("auto",))
        count, features = X.shape
        return (
            is_array
            and evolves
            and estimator.pruning is None
            and features >= _FEWEST_FEATURES
            and _FEWEST_SAMPLES <= count <= _MOST_SAMPLES * features
        )
    if not _check.boolean("feature_selection", value):
        return False
    if not is_array or not evolves:
        raise ValueError(
            "feature_selection = True: expected an array or a frame of numbers for X, and "
            "topology='auto', or feature_selection=False"
        )
    if len(X) < 4:
        raise ValueError(f"feature_selection = True: expected 4 samples or more, got {len(X)}")
    return True


def _calibrates(making: Making, samples: WeightedSamples, encoded: Array) -> bool:
    """Tell whether a temperature is told: of classes, unless parameters say how to train."""
    given = making.estimator
    return (
        making.learnt.target.loss == "cross_entropy"
        and not isinstance(samples.X, RowBlocks)
        and _automatic.is_auto(given.label_smoothing)
        and _automatic.is_auto(given.max_iter)
        and _FEWEST_TOLD <= len(encoded) <= _MOST_TOLD
    )


def _task(making: Making, samples: WeightedSamples, encoded: Array) -> Task:
    scaling, target = making.learnt.scaling, making.learnt.target
    return Task(
        samples.X,
        encoded,
        samples.weight,
        target.loss,
        target.outputs,
        scaling.standardize,
        scaling.clip,
    )


def _how(making: Making, seed: int) -> dict[str, Any]:
    return {"seeds": [seed], "threads": _support.threads(making.estimator.n_jobs)}


def _kept(
    making: Making, training: Task, held_out: Task, whole: Array, seed: int
) -> Indices | None:
    """Give the features that are left where held-out samples are predicted clearly better."""
    varying = np.flatnonzero(~_support.constant_features(training.X))
    if len(varying) < 2:
        return None
    how = _how(making, seed)
    try:
        rounds = list(eliminate(training, varying, least=1, held_out=held_out, **how))
    except Diverged:
        return None
    best = min(rounds, key=_mean_loss)
    assert best.losses is not None
    better = whole - best.losses
    error = better.std(ddof=1) / np.sqrt(len(better))
    return best.features if better.mean() > _CLEARLY * error else None


def _mean_loss(found: Round) -> float:
    assert found.losses is not None
    return float(found.losses.mean())


def _trained(
    making: Making,
    samples: WeightedSamples,
    encoded: Array,
    seed: int,
    features: Indices | None = None,
) -> SparseMLP:
    """Train a network as the one that will be kept, but on some samples."""
    model = making.network(samples, seed, features=features)
    rate, *_ = making.rates(retry=False)
    making.train(
        model,
        samples,
        encoded,
        rate=rate,
        schedule=making.estimator.learning_rate,
        epochs=_automatic.epochs(making.estimator.max_iter, making.preset),
        topology=making.topology() if features is None else None,
        progress=False,
    )
    return model
