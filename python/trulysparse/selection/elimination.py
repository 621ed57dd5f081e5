"""Recursive elimination of features by networks that go on training.

As in NeuroFS (Atashgahi et al., 2023), features leave while a network trains, and connections of
those that leave grow elsewhere; as in recursive feature elimination (Guyon et al., 2002), ever
fewer stay. Scores are those of weights that learnt something: initial ones are small, and scores of
earlier rounds count less and less.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from trulysparse import names, presets
from trulysparse.attribution.importance import CONTRIBUTION
from trulysparse.history import History
from trulysparse.model import SparseMLP
from trulysparse.optim import Adam
from trulysparse.selection import temperature
from trulysparse.selection.features import Floats, Indices, deviations, some
from trulysparse.topology import SET

LEAST_EPOCHS = 12
"""Passes over the samples in a round, as far as the parameters name none."""

_MOST_SCORED = 2_000  # samples whose gradients make a score


@dataclass(frozen=True)
class Settings:
    """How networks are trained while features leave.

    Chosen by trials within training rows; `experiments/selection.py tables` judges them and others.

    Attributes
    ----------
    hidden, activation, slope
        Of the network; one hidden layer or more.
    epsilon
        As in `SparseMLP`; the connections of features that left grow elsewhere up to it.
    gain
        `input_gain`, small: what nothing has trained must not count.
    dropout
        As `SparseMLP` takes it.
    smoothing
        `label_smoothing` of more than two classes; of two it costs true columns.
    noise
        `input_noise` of dense samples; it would make sparse ones dense.
    rate, decay
        Of Adam, constant. None is 3 for two classes, 12 if there are as many samples as features,
        and 1 for all else. Decay lets features that tell the same share their weights.
    zeta
        Of SET, after every epoch.
    epochs, steps
        Of a round: passes over the samples, or None for as many as make this number of steps, and
        at least `LEAST_EPOCHS`.
    batch_size
        Samples per step; None goes by their number.
    keep
        The share of the features that stay after a round.
    memory
        What a score of the round before counts for, beside that of this round.
    score
        The kind of `SparseMLP.feature_importance`.
    """

    hidden: tuple[int, ...] = (100,)
    activation: str = "relu"
    slope: float = 0.6
    epsilon: float = 7
    gain: float = 0.05
    dropout: float = 0.35
    noise: float = 0.3
    smoothing: float = 0.1
    rate: float = 0.004
    decay: float | None = None
    zeta: float = 0.3
    epochs: int | None = None
    steps: int = 200
    batch_size: int | None = None
    keep: float = 0.7
    memory: float = 0.8
    score: names.Importance = "path"


class Diverged(Exception):
    """A network is no number any more: expected a lower rate."""


class Task(NamedTuple):
    """What is learnt, and from what.

    Attributes
    ----------
    X
        Samples: an array, a CSR matrix or blocks, (n_samples, n_features).
    y
        Encoded targets, as `SparseMLP.fit` takes them.
    weight
        Of the samples, or None.
    loss, outputs
        Of the network.
    standardize, clip
        As `SparseMLP` takes them.
    """

    X: Any
    y: Any
    weight: Any
    loss: str
    outputs: int
    standardize: bool | str = True
    clip: float | None = 3.0

    def of(self, rows: Indices) -> Task:
        """Give some samples."""
        weight = None if self.weight is None else self.weight[rows]
        return self._replace(X=self.X[rows], y=self.y[rows], weight=weight)


class Round(NamedTuple):
    """What was left at the end of a round, which is that of the networks until the next.

    Attributes
    ----------
    features
        Numbers of the features, ascending.
    scores
        Of these, (len(features),), with a sum of 1.
    losses
        Of held-out samples, (n_samples,); None without such.
    score
        Of held-out samples, as in `judged`, the mean of the networks; NaN without such.
    models, histories
        The networks, which take these features only, and how they trained in the round.
    """

    features: Indices
    scores: Floats
    losses: Floats | None
    score: float
    models: list[SparseMLP]
    histories: list[History]


def eliminate(
    task: Task,
    features: Indices,
    *,
    least: int,
    seeds: Sequence[int],
    threads: int,
    settings: Settings = Settings(),
    groups: Indices | None = None,
    stops: Sequence[int] = (),
    held_out: Task | None = None,
) -> Iterator[Round]:
    """Let features leave, and give what is left after each round, at last `least` of them.

    Parameters
    ----------
    task
        What is learnt.
    features
        Those to begin with, ascending; such as have one value are none of them.
    least
        How many are left in the end, at least 1.
    seeds
        A network for each.
    threads
        Of each network.
    settings
        How they are trained.
    groups
        For each feature of `task.X` the number of its column, if columns are what counts.
    stops
        Numbers that must not be passed over.
    held_out
        Samples whose losses are wanted.
    """
    members = [_Member(task, features, seed, threads, settings) for seed in seeds]
    scores = np.zeros(len(features))
    while True:
        X = some(task.X, features)
        now = np.zeros(len(features))
        for member in members:
            now += member.train(task, X)
        scores = settings.memory * scores + now / now.sum() if now.any() else scores
        total = scores.sum() or 1.0
        losses, score = _mean_of(members, held_out, features)
        models, histories = [m.model for m in members], [m.history for m in members]
        yield Round(features, scores / total, losses, score, models, histories)
        column = np.arange(len(features)) if groups is None else groups[features]
        live, place = np.unique(column, return_inverse=True)
        count = _next(len(live), least, settings.keep, stops)
        if count == len(live):
            return
        squares = np.bincount(place, weights=scores**2)
        stay = np.sort(np.argsort(-squares, kind="stable")[:count])
        kept = np.flatnonzero(np.isin(place, stay))
        features, scores = features[kept], scores[kept]
        for member in members:
            member.keep(kept)


def _next(count: int, least: int, keep: float, stops: Sequence[int]) -> int:
    """Give how many columns stay."""
    floor = max((stop for stop in (*stops, least) if stop < count), default=count)
    return max(min(int(count * keep), count - 1), floor) if floor < count else count


def _mean_of(
    members: Sequence[_Member], held_out: Task | None, features: Indices
) -> tuple[Floats | None, float]:
    """Give the mean losses of held-out samples, and the mean score."""
    if held_out is None:
        return None, np.nan
    X = some(held_out.X, features)
    losses, scores = zip(*(judged(m.model, X, held_out.y) for m in members), strict=True)
    return np.mean(losses, axis=0), float(np.mean(scores))


def judged(model: SparseMLP, X: Any, y: Any) -> tuple[Floats, float]:
    """Give the loss of each sample, (n_samples,), and the score of all; what is missing counts not.

    Losses of classes are those at the best temperature: how sure a network is depends on how it was
    trained. The score of classes and labels is the share that is right. Of numbers it is R2, the
    mean over outputs that vary.
    """
    outputs = np.asarray(model.predict(X), np.float64)
    if model.loss == "cross_entropy":
        right = outputs.argmax(axis=1) == y
        return temperature.best(outputs, y)[1], float(right.mean())
    y = np.asarray(y.toarray() if sparse.issparse(y) else y, np.float64).reshape(outputs.shape)
    if model.loss == "binary_cross_entropy":
        p = np.clip(outputs, 1e-7, 1 - 1e-7)
        each = -(y * np.log(p) + (1 - y) * np.log(1 - p))
        known = ~np.isnan(y)
        score = float(((outputs > 0.5) == (y > 0.5))[known].mean()) if known.any() else np.nan
    else:
        units = model._core.target_statistics()
        each = (outputs - y) ** 2
        score = _r2(each, y)
        each *= 1.0 if units is None else units.scale**2
    summed: Floats = np.nansum(each, axis=1)
    return summed, score


def _r2(squares: Floats, y: Floats) -> float:
    """Give R2 by the squared errors of known targets, both (n_samples, n_outputs)."""
    of_constant = np.nansum((y - _known_means(y)) ** 2, axis=0)
    varies = of_constant > 0
    if not varies.any():
        return np.nan
    return float((1 - np.nansum(squares, axis=0)[varies] / of_constant[varies]).mean())


def _known_means(y: Floats) -> Floats:
    known = np.maximum((~np.isnan(y)).sum(axis=0), 1)
    means: Floats = np.nansum(y, axis=0) / known
    return means


class _Member:
    """A network whose features leave."""

    def __init__(
        self, task: Task, features: Indices, seed: int, threads: int, settings: Settings
    ) -> None:
        self._settings, self._random = settings, np.random.default_rng(seed)
        is_classes, has_two = task.loss == "cross_entropy", task.outputs == 2
        smoothing = settings.smoothing if is_classes and not has_two else 0.0
        usual = 1.0
        if is_classes and has_two:
            usual = 12.0 if task.X.shape[0] >= len(features) else 3.0
        self._decay = usual if settings.decay is None else settings.decay
        self._how: dict[str, Any] = {
            "activation": settings.activation,
            "slope": settings.slope,
            "loss": task.loss,
            "label_smoothing": smoothing,
            "init": "lecun_uniform",
            "fan": "real",
            "dropout": settings.dropout,
            "input_noise": settings.noise if isinstance(task.X, np.ndarray) else 0.0,
            "standardize": task.standardize,
            "clip": task.clip if task.standardize else None,
            "standardize_targets": task.loss == "squared_error",
            "seed": seed,
            "threads": threads,
        }
        sizes = [len(features), *settings.hidden, task.outputs]
        self.model = SparseMLP(
            sizes, epsilon=settings.epsilon, input_gain=settings.gain, **self._how
        )
        self.history = History()
        self._deviations: Floats | None = None

    def train(self, task: Task, X: Any) -> Floats:
        """Train for a round; give the scores of the features, with a sum of 1 if there are some."""
        settings, samples = self._settings, X.shape[0]
        size = min(settings.batch_size or presets.batch_size(samples), samples)
        enough = max(-(-settings.steps // -(-samples // size)), LEAST_EPOCHS)
        epochs = settings.epochs or enough
        with warnings.catch_warnings():
            # Each round would say the same; `history` has what is wrong with the network.
            warnings.simplefilter("ignore")
            self.history = self.model.fit(
                X,
                task.y,
                sample_weight=task.weight,
                epochs=epochs,
                batch_size=size,
                optimizer=Adam(settings.rate, weight_decay=self._decay),
                topology=SET(settings.zeta, grow_init=0.1),
                progress=False,
            )
        if self._deviations is None:
            self._deviations = deviations(self.model, X)
        with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # an error follows
            if settings.score == CONTRIBUTION:
                rows = X[:: -(-samples // _MOST_SCORED)]
                scores = self.model.feature_importance(CONTRIBUTION, rows)
            else:
                scores = self.model.feature_importance(settings.score) * self._deviations
            total = scores.sum()
        if not np.isfinite(total):
            raise Diverged
        found: Floats = scores / (total or 1.0)
        return found

    def keep(self, places: Indices) -> None:
        """Leave the other features out; connections grow in their place, without a weight."""
        assert self._deviations is not None
        self._deviations = self._deviations[places]
        (first, *others), biases = self.model.to_scipy()
        weights = first.tocsr()[places].tocoo()
        hidden = weights.shape[1]
        wanted = self._settings.epsilon * sum(weights.shape)
        empty = self._places(weights, int(min(wanted, 0.8 * len(places) * hidden)) - weights.nnz)
        data = np.append(weights.data, np.zeros(len(empty), np.float32))
        rows = np.append(weights.row, empty // hidden)
        columns = np.append(weights.col, empty % hidden)
        grown = sparse.coo_array((data, (rows, columns)), shape=weights.shape)
        # The same one would drop and shuffle as in the round before.
        self._how["seed"] = int(self._random.integers(2**63))
        self.model = SparseMLP.from_scipy([grown.tocsr(), *others], biases, **self._how)

    def _places(self, weights: Any, count: int) -> Indices:
        """Draw places without a connection, at most `count`, as numbers row * columns + column."""
        if count <= 0:
            return np.zeros(0, np.int64)
        rows, columns = weights.shape
        taken = weights.row.astype(np.int64) * columns + weights.col
        drawn = np.unique(self._random.integers(rows * columns, size=2 * count))
        free = np.setdiff1d(drawn, taken, assume_unique=True)
        found: Indices = self._random.permutation(free)[:count]
        return found
