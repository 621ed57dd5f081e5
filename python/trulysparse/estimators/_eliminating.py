"""Scores of columns by targets: features leave while networks train."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.model_selection import train_test_split

from trulysparse import _check, _core
from trulysparse.data.blocks import Blocks
from trulysparse.estimators import _selection, _support
from trulysparse.estimators._scaling import LIMIT
from trulysparse.estimators._tables import Encoder
from trulysparse.estimators._targets import Array, Targets
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.history import History
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP
from trulysparse.selection import ranking
from trulysparse.selection.elimination import Diverged, Round, Settings, Task, eliminate
from trulysparse.selection.features import Indices, spread
from trulysparse.selection.ranking import Step
from trulysparse.selection.screening import screened

MOST = 1000
"""Networks at most."""

HELD_OUT = 0.25
"""The share of the samples by which the number of columns is chosen."""


class Found(NamedTuple):
    """What an elimination found.

    Attributes
    ----------
    scores
        Of the columns, 0 for those with one value.
    selected
        How many are selected.
    varying
        How many have more than one value.
    model, first
        One of the networks, which takes all features: when those were left that are selected, and
        after the first round, when it had connections from all of them.
    path
        The loss of held-out samples by columns; None if their number was given.
    history
        Of that network in the last round.
    q_values
        With a false discovery rate: the lowest one at which each column is selected.
    frequency
        How often each column is selected, with shadows or of halves of the samples; or None.
    """

    scores: Array
    selected: int
    varying: int
    model: SparseMLP
    first: SparseMLP
    path: list[Step] | None
    history: History | None
    q_values: Array | None = None
    frequency: Array | None = None


class Given(NamedTuple):
    """What an elimination begins with.

    Attributes
    ----------
    task
        What is learnt.
    features
        Those that vary and are worth a network's time, ascending.
    columns, varying
        How many columns there are, and how many vary.
    groups
        For each feature its column; None if features are columns.
    how
        Arguments of `eliminate`.
    """

    task: Task
    features: Indices
    columns: int
    varying: int
    groups: Indices | None
    how: dict[str, Any]


def settings(selector: Any) -> Settings:
    """Give the settings of the networks: parameters, or what was chosen where they are None."""
    hidden = selector.hidden_layer_sizes
    given = {
        "activation": selector.activation,
        "epsilon": selector.epsilon,
        "dropout": selector.dropout,
        "noise": selector.noise,
        "rate": selector.learning_rate,
        "decay": selector.weight_decay,
        "score": selector.importance,
    }
    found: dict[str, Any] = {name: v for name, v in given.items() if v is not None}
    if hidden is not None:
        found["hidden"] = tuple(_support.hidden_sizes(hidden))
    for name, value in (("epochs", selector.epochs), ("batch_size", selector.batch_size)):
        if value is not None:
            found[name] = _check.integer(name, value, 1)
    if selector.noise is not None:
        _check.real("noise", selector.noise, "a number of at least 0", low=0)
    zeta = _check.real("zeta", selector.zeta, "a number in [0, 1)", low=0, high=1, high_open=True)
    return replace(Settings(), zeta=zeta, **found)


def given(selector: Any, samples: WeightedSamples, target: Targets, constant: Array) -> Given:
    """Tell what an elimination begins with.

    Parameters
    ----------
    selector
        With the parameters.
    samples
        All of them.
    target
        How their targets are encoded.
    constant
        Which features have one value.
    """
    encoder: Encoder | None = selector._encoder
    groups = None if encoder is None else _groups(encoder, samples.X.shape[1])
    task = _task(selector, samples, target)
    how: dict[str, Any] = {
        "seeds": seeds(selector),
        "threads": _support.threads(selector.n_jobs),
        "settings": settings(selector),
        "groups": groups,
    }
    # Of columns with one value none is better than the others.
    some = np.flatnonzero(~constant) if not constant.all() else np.arange(len(constant))
    columns = samples.X.shape[1] if encoder is None else len(encoder.columns_)
    varying = _count(np.flatnonzero(~constant), groups)
    return Given(task, screened(task, some), columns, varying, groups, how)


def found(
    selector: Any,
    samples: WeightedSamples,
    target: Targets,
    constant: Array,
    count: Callable[[int], int] | None,
) -> Found:
    """Score columns.

    Parameters
    ----------
    selector, samples, target, constant
        As in `given`.
    count
        Gives how many of a number of columns are selected; None: as held-out samples say.
    """
    task, features, columns, varying, groups, how = given(selector, samples, target, constant)
    live = _count(features, groups)
    path = None
    try:
        if count is None:
            path = _path(task, features, target, how)
            selected = min(ranking.fewest(path), live)
        else:
            selected = count(columns)
        # Also of those that are selected some leave, so that scores tell them apart.
        stop = max(min(selected, live), 1)
        rounds = list(eliminate(task, features, least=1, stops=[stop], **how))
    except Diverged:
        raise _support.diverged("learning_rate", how["settings"].rate) from None
    scores = ranking.scores(rounds, columns, groups)
    if constant.all():
        scores[:] = 0
    end = next(one for one in rounds if _count(one.features, groups) == stop)
    first, last = (whole(one, samples.X.shape[1]) for one in (rounds[0], end))
    return Found(scores, selected, varying, last, first, path, end.histories[0])


def _task(selector: Any, samples: WeightedSamples, target: Targets) -> Task:
    X = samples.X
    has_levels = isinstance(X, Blocks) or (issparse(X) and selector._encoder is not None)
    asked = "auto" if selector.standardize is None else selector.standardize
    standardize = _selection.standardizes(asked, is_sparse=issparse(X), has_levels=has_levels)
    clip = None if standardize is False or issparse(X) else LIMIT
    y = target.encode(samples.y, "y")
    return Task(X, y, samples.weight, target.loss, target.outputs, standardize, clip)


def seeds(selector: Any) -> list[int]:
    """Draw a seed for each member."""
    members = _check.integer("n_members", selector.n_members, 1, MOST)
    random = _support.random(selector.random_state)
    return [_support.draw_seed(random) for _ in range(members)]


def _groups(encoder: Encoder, features: int) -> Indices:
    """Give the column of each feature."""
    found = np.zeros(features, np.int64)
    for column, places in enumerate(encoder.places()):
        found[places] = column
    return found


def _count(features: Indices, groups: Indices | None) -> int:
    return len(features) if groups is None else len(np.unique(groups[features]))


def _path(task: Task, features: Indices, target: Targets, how: dict[str, Any]) -> list[Step]:
    """Give the losses of held-out samples by the number of columns."""
    parts = halves(task.y, how["seeds"][0], stratified=LOSSES[target.loss].takes_classes)
    training, held_out = map(task.of, parts)
    varying = features[~_support.constant_features(training.X)[features]]
    features = varying if len(varying) else features  # none is better than the others then
    rounds = list(eliminate(training, features, least=1, held_out=held_out, **how))
    path = ranking.steps(rounds, how["groups"])
    _say_no_better(min(path, key=lambda step: step.loss), training.y, held_out.y, target.loss)
    return path


def _say_no_better(best: Step, known: Any, y: Any, loss: str) -> None:
    """Warn if held-out targets are not predicted clearly better than by a constant."""
    known, y = (one.toarray() if issparse(one) else np.asarray(one) for one in (known, y))
    if LOSSES[loss].takes_classes:
        counts = np.bincount(known, minlength=int(y.max()) + 1)
        constant = float(-np.log(np.maximum(counts, 0.5) / counts.sum())[y].mean())
    elif loss == "binary_cross_entropy":
        there = ~np.isnan(known)
        p = np.where(there, known, 0).sum(axis=0) / np.maximum(there.sum(axis=0), 1)
        p = np.clip(p, 1e-7, 1 - 1e-7)
        each = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        constant = float(np.nansum(each, axis=1).mean())
    else:
        constant = best.loss / (1 - best.score) if best.score < 1 else np.inf  # by what R2 is
    if best.loss + best.error >= constant:
        warnings.warn(
            "n_features_to_select = 'auto': no number of columns predicts the held-out samples "
            f"clearly better than a constant does (losses {best.loss:.3g} and {constant:.3g}, "
            f"standard error {best.error:.2g}), so those selected may tell nothing",
            UserWarning,
            stacklevel=6,
        )


def halves(
    encoded: Array, seed: int, *, stratified: bool, held_out: float = HELD_OUT
) -> list[Indices]:
    """Give the rows to train on, and those that are held out, by classes where that can be."""
    count = encoded.shape[0]
    held = max(round(held_out * count), 1)
    fits = False
    if stratified:
        sizes = np.unique(encoded, return_counts=True)[1]
        fits = sizes.min() >= 2 and len(sizes) <= min(held, count - held)
    parts: list[Indices] = train_test_split(
        np.arange(count),
        test_size=held,
        random_state=np.random.RandomState(seed % 2**32),
        stratify=encoded if fits else None,
    )
    return parts


def whole(last: Round, features: int) -> SparseMLP:
    """Give one of the networks with an input for each feature; the others have no connections."""
    model = last.models[0]
    (first, *weights), biases = model.to_scipy()
    known = model._core.input_statistics()
    first = spread(first, last.features, features)
    settings = {
        name: getattr(model, name)
        for name in (
            "activation", "slope", "loss", "label_smoothing", "init", "fan", "dropout",
            "input_noise", "standardize", "clip", "standardize_targets", "seed", "threads",
        )
    }  # fmt: skip
    found = SparseMLP.from_scipy([first, *weights], biases, **settings)
    statistics = None
    if known is not None:
        mean, scale = np.zeros(features), np.zeros(features)
        mean[last.features], scale[last.features] = known.mean, known.scale
        statistics = _core.Statistics(mean, scale, 0.0)
    found._core.set_statistics(statistics, model._core.target_statistics())
    return found
