"""What users watch a fit with: callbacks, and scikit-learn's scorers on held-out rows."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils import _safe_indexing

from trulysparse import _check
from trulysparse.callbacks import Callback, Logs
from trulysparse.callbacks.given import callbacks as checked
from trulysparse.data.frames import is_frame
from trulysparse.estimators._targets import Array, Classes, Targets
from trulysparse.losses import LOSSES
from trulysparse.model import SparseMLP

Scorers: TypeAlias = dict[str, Callable[[Any, Any, Any], Any]]

_EXPECTED = (
    "the name of a scorer (sklearn.metrics.get_scorer_names()), a function of an estimator, X and "
    "y, or several: a list of names, or a dict from names to scorers"
)


@dataclass
class Held:
    """Held-out rows.

    Attributes
    ----------
    X, y
        As scorers get them: samples as `fit` got them, and their targets.
    samples
        As the network takes them.
    """

    X: Any
    y: Any
    samples: Any
    _found: Array | None = None

    def outputs(self, model: SparseMLP) -> Array:
        """Give the outputs of the network, computed once after each epoch."""
        if self._found is None:
            self._found = model.predict(self.samples)
        return self._found

    def forget(self) -> None:
        """Compute them anew the next time."""
        self._found = None


class Watching(NamedTuple):
    """What a `fit` was asked to do after each epoch."""

    callbacks: list[Callback]
    scorers: Scorers

    @classmethod
    def of(cls, estimator: Any, callbacks: Any, scoring: Any, *, is_scored: bool) -> Watching:
        """Check the arguments of `fit`; `is_scored` if rows are held out."""
        found = [] if callbacks is None else checked(callbacks)
        setter = next((one for one in found if one.sets_learning_rate), None)
        is_named = isinstance(estimator.optimizer, str | None)
        if setter is not None and is_named and estimator.learning_rate != "constant":
            raise ValueError(
                f"learning_rate = {_check.shown(estimator.learning_rate)}: expected 'constant' "
                f"with a {type(setter).__name__}"
            )
        scorers = {} if scoring is None else _scorers(scoring)
        if scorers and not is_scored:
            raise ValueError(
                f"scoring = {_check.shown(scoring)}: expected rows that are held out to score, by "
                "early_stopping=True, or by X_val and y_val of fit"
            )
        return cls(found, scorers)

    def after(self, estimator: Any, target: Targets, held: Held | None) -> list[Callback]:
        """Give what runs after the epochs of the network that is kept, scores first."""
        if not self.scorers or held is None:
            return self.callbacks
        return [Scoring(_as_fitted(estimator, target, held), held, self.scorers), *self.callbacks]


class Scoring(Callback):
    """Put what scorers say of held-out rows into the logs, each under ``val_`` and its name.

    Parameters
    ----------
    view
        An estimator as it would be if its fit ended now, but for its network.
    held
        The rows.
    scorers
        By their names.
    """

    def __init__(self, view: Any, held: Held, scorers: Scorers) -> None:
        has_accuracy = LOSSES[view._target.loss].has_accuracy
        taken = ("loss", "accuracy") if has_accuracy else ("loss",)
        for name in taken:
            # The accuracy of one class per sample is what scikit-learn's scorer gives.
            same = name == "accuracy" and isinstance(view._target, Classes)
            if name in scorers and not (same and repr(scorers[name]) == repr(get_scorer(name))):
                raise ValueError(
                    f"scoring has {name!r}: expected another name, as val_{name} is the network's"
                )
        self._view, self._held = view, held
        self._scorers = {name: score for name, score in scorers.items() if name not in taken}
        self.metrics = [f"val_{name}" for name in self._scorers]

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        """Score."""
        self._view.model_ = self.model
        self._held.forget()
        for name, scorer in self._scorers.items():
            value = _check.plain(scorer(self._view, self._held.X, self._held.y))
            if not _check.is_number(value):
                raise TypeError(
                    f"scoring: {name} gave {_check.shown(value)}: expected a number; several "
                    "scores are a dict from names to scorers"
                )
            logs[f"val_{name}"] = float(value)
        self._held.forget()


def of_split(estimator: Any, X: Any, held_out: Any) -> Held:
    """Give held-out rows as scorers get them; X is what they are rows of, as `fit` got it."""
    known = X
    if estimator._encoder is None and not is_frame(X):
        known = held_out.X  # it is taken as it is
    elif held_out.rows is not None:
        known = X.take(held_out.rows) if hasattr(X, "column_names") else None
        known = _safe_indexing(X, held_out.rows) if known is None else known
    return Held(known, held_out.y, held_out.X)


def _as_fitted(estimator: Any, target: Targets, held: Held) -> Any:
    """Give an estimator that scorers can ask for predictions while its network trains."""
    view = object.__new__(type(estimator))
    vars(view).update(vars(estimator))
    view._target, view._held = target, held
    view.n_outputs_ = target.outputs
    vars(view).update(target.attributes())
    return view


def _scorers(scoring: Any) -> Scorers:
    """Give scorers by their names."""
    if isinstance(scoring, str):
        return {scoring: _scorer(scoring)}
    if callable(scoring):
        return {"score": _function(scoring)}
    if isinstance(scoring, Mapping):
        found = {}
        for name, item in scoring.items():
            if not isinstance(name, str):
                raise TypeError(f"scoring has the key {_check.shown(name)}: expected a name")
            found[name] = _function(item) if callable(item) else _scorer(item)
    elif isinstance(scoring, Sequence | Set):
        found = {name: _scorer(name) for name in _check.sequence("scoring", scoring, _EXPECTED)}
    else:
        raise TypeError(f"scoring = {_check.shown(scoring)}: expected {_EXPECTED}")
    if not found:
        raise ValueError(f"scoring = {_check.shown(scoring)}: expected one scorer or more")
    return found


def _function(function: Any) -> Any:
    """Give a scorer; a TypeError for a metric, which is a function of y_true and y_pred."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # of a function that does not tell
        return function
    try:
        signature.bind(None, None, None)
    except TypeError:
        pass
    else:
        if not _is_metric(function):
            return function
    name = getattr(function, "__name__", "metric")
    stem = name.removesuffix("_score")
    known = {stem, f"neg_{stem}", *_METRICS.get(name, ())} & set(get_scorer_names())
    also = "".join(f", or {one!r}" for one in sorted(known))
    raise TypeError(
        f"scoring has {name}, which is no function of an estimator, X and y: expected "
        f"sklearn.metrics.make_scorer({name}){also}"
    )


def _is_metric(function: Any) -> bool:
    """Tell a function of true and predicted targets by the name of the first."""
    try:
        first = next(iter(inspect.signature(function).parameters), "")
    except (ValueError, TypeError):
        return False
    return first in _OF_METRICS


_OF_METRICS = ("y_true", "y_pred", "y_score", "y_test")
_METRICS = {
    "roc_auc_score": ("roc_auc_ovr",),
    "root_mean_squared_error": ("neg_root_mean_squared_error",),
    "brier_score_loss": ("neg_brier_score",),
}


def _scorer(name: Any) -> Any:
    if callable(name) and _is_metric(name):
        _function(name)
    if not isinstance(name, str):
        raise TypeError(f"scoring = {_check.shown(name)}: expected {_EXPECTED}")
    if name not in get_scorer_names():
        raise ValueError(
            f"scoring = {name!r}: expected a name of sklearn.metrics.get_scorer_names(), such as "
            "'roc_auc', 'neg_log_loss' or 'r2'"
        )
    return get_scorer(name)
