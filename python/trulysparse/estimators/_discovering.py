"""Selection that knows how sure it is: shadow columns, and halves of the samples."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from trulysparse import _check
from trulysparse.estimators import _eliminating, _support
from trulysparse.estimators._eliminating import Found
from trulysparse.estimators._targets import Array, Targets
from trulysparse.estimators._weighted import WeightedSamples
from trulysparse.losses import LOSSES
from trulysparse.selection import discoveries, ranking
from trulysparse.selection.elimination import Diverged, eliminate
from trulysparse.selection.features import Indices

MEMBERS = 10
"""Networks at least, each with shadows that the others do not have."""

_COPIES = 10  # shadows of a column, at most


def rate(selector: Any, y: Any) -> float | None:
    """Give the false discovery rate that is asked for, or None."""
    if selector.fdr is None:
        return None
    found = _check.real(
        "fdr", selector.fdr, "None or a number in (0, 1)", low=0, high=1, low_open=True,
        high_open=True,
    )  # fmt: skip
    if y is None:
        raise ValueError(f"fdr = {found} without y: expected targets for columns to tell about")
    if selector.n_features_to_select is not None:
        raise ValueError(
            f"fdr = {found} and n_features_to_select = {selector.n_features_to_select!r}: expected "
            "one of these, as each says how many columns are selected"
        )
    return found


def subsamples(selector: Any, y: Any) -> int:
    """Give how many halves of the samples are asked for."""
    found = _check.integer("n_subsamples", selector.n_subsamples, 0)
    if found and y is None:
        raise ValueError(f"n_subsamples = {found} without y: expected targets, or 0")
    return found


def found(
    selector: Any, samples: WeightedSamples, target: Targets, constant: Array, fdr: float
) -> Found:
    """Score columns beside shadows of columns, as `_eliminating.found` does without."""
    made = _eliminating.given(selector, samples, target, constant)
    how = made.how | {"seeds": made.how["seeds"][:1]}
    members = max(len(made.how["seeds"]), MEMBERS)
    copies = _COPIES if fdr * members * _COPIES <= 1 else math.ceil(1 / (fdr * members))
    random = np.random.default_rng([made.how["seeds"][0], 2])
    seeds = [*made.how["seeds"], *random.integers(2**63, size=members).tolist()][:members]
    try:
        first = next(eliminate(made.task, made.features, least=1, **how))
        orders = []
        if not constant.all():
            given = made.how | {"seeds": seeds, "columns": made.columns, "copies": copies}
            orders = list(discoveries.orders(made.task, np.flatnonzero(~constant), **given))
        sure = discoveries.sure(orders, copies) if orders else _nothing(made.columns)
        selected = int(np.count_nonzero(sure.q_values <= fdr))
        chosen = _chosen(sure.scores, selected)
        features = chosen if made.groups is None else np.flatnonzero(np.isin(made.groups, chosen))
        features = np.intersect1d(features, made.features)
        last = next(eliminate(made.task, features, least=1, **how)) if selected else first
    except Diverged:
        raise _support.diverged("learning_rate", made.how["settings"].rate) from None
    if not selected:
        warnings.warn(
            f"fdr = {fdr}: no column of X is far enough ahead of shuffled ones, so none is "
            f"selected; the lowest rate with one is {sure.q_values.min():.3g}",
            UserWarning,
            stacklevel=4,
        )
    frequency = np.mean([one.ranks < selected for one in orders], axis=0) if orders else None
    features_in = samples.X.shape[1]
    return Found(
        sure.scores,
        selected,
        made.varying,
        _eliminating.whole(last, features_in),
        _eliminating.whole(first, features_in),
        None,
        last.histories[0],
        q_values=sure.q_values,
        frequency=np.zeros(made.columns) if frequency is None else frequency,
    )


def frequency(
    selector: Any, samples: WeightedSamples, target: Targets, selected: int, count: int
) -> Array:
    """Give the share of random halves of the samples in which each column is selected.

    Each half is without replacement, by classes where that can be (stability selection, as in
    Meinshausen and Buehlmann, 2010), and has one network.

    Parameters
    ----------
    selector, samples, target
        As in `found`.
    selected
        How many columns are selected of each half.
    count
        Of halves.
    """
    encoded, total = target.encode(samples.y, "y"), None
    seeds = np.random.default_rng([_eliminating.seeds(selector)[0], 3])
    for _ in range(count):
        seed = int(seeds.integers(2**63))
        rows = _eliminating.halves(
            encoded, seed, stratified=LOSSES[target.loss].takes_classes, held_out=0.5
        )[0]
        half = samples.some(np.sort(rows))
        made = _eliminating.given(selector, half, target, _support.constant_features(half.X))
        how = made.how | {"seeds": [seed]}
        try:
            rounds = list(eliminate(made.task, made.features, least=max(selected, 1), **how))
        except Diverged:
            raise _support.diverged("learning_rate", how["settings"].rate) from None
        scores = ranking.scores(rounds, made.columns, made.groups)
        is_chosen = np.zeros(made.columns)
        is_chosen[_chosen(scores, selected)] = 1
        is_chosen[scores == 0] = 0  # such as have one value in this half
        total = is_chosen if total is None else total + is_chosen
    assert total is not None
    shares: Array = total / count
    return shares


def _nothing(columns: int) -> discoveries.Sure:
    return discoveries.Sure(np.zeros(columns), np.ones(columns))


def _chosen(scores: Array, count: int) -> Indices:
    """Give the columns with the highest scores, ascending."""
    found: Indices = np.sort(np.argsort(-scores, kind="stable")[:count])
    return found
