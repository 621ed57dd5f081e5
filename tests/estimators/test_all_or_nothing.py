"""A call of an estimator that fails or is interrupted leaves the estimator as it was."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.estimators import _base, _support
from trulysparse.training.loop import Loop

RNG = np.random.default_rng(4)
X, Y = RNG.normal(size=(60, 5)), np.arange(60) % 3
OTHER = RNG.normal(size=(40, 7)), np.arange(40) % 2
ERRORS = [KeyboardInterrupt, MemoryError, RuntimeError]
# Where a call can be at the moment: the function that raises, and after how many calls of it.
POINTS = [
    (Loop, "_epoch", 0),
    (Loop, "_epoch", 1),
    (Loop, "_change_topology", 0),
    (Loop, "end", 0),
    (Loop, "_judge", 0),
    (_support, "draw_seed", 0),
    (_support, "warn_of_trouble", 0),
    (_support, "write_names", 0),
    (_base.SparseMLP, "fit", 0),
]
KINDS = {
    "classifier": ts.SparseMLPClassifier,
    "regressor": ts.SparseMLPRegressor,
    "selector": ts.SparseFeatureSelector,
}


@contextmanager
def raising(where: Any, name: str, after: int, error: type[BaseException]) -> Iterator[None]:
    """Raise in a function of the package, once it has been called that often."""
    own, calls = getattr(where, name), [0]

    def instead(*args: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] > after:
            raise error("here")
        return own(*args, **named)

    setattr(where, name, instead)
    try:
        yield
    finally:
        setattr(where, name, own)


def make(kind: str, **more: Any) -> Any:
    settings: dict[str, Any] = {"random_state": 0, "hidden_layer_sizes": (12,)}
    settings["epochs" if kind == "selector" else "max_iter"] = 3
    return KINDS[kind](**settings | more)


def everything(estimator: Any) -> Any:
    """All of an estimator; of its network what a file has, and its history."""
    found = {name: value for name, value in vars(estimator).items() if name != "model_"}
    model = getattr(estimator, "model_", None)
    of_model = None
    if model is not None:
        content = model._core.to_bytes(dict(model.metadata))
        of_model = (id(model), content, list(model.history.epoch), model.threads)
    return pickle.dumps([{k: pickle.dumps(v) for k, v in sorted(found.items())}, of_model])


@given(
    kind=st.sampled_from(list(KINDS)),
    point=st.sampled_from(POINTS),
    error=st.sampled_from(ERRORS),
    before=st.sampled_from(["nothing", "fit", "partial_fit"]),
    verb=st.sampled_from(["fit", "warm", "partial_fit", "other"]),
)
def test_whatever_raises(
    kind: str, point: Any, error: type[BaseException], before: str, verb: str
) -> None:
    if kind == "selector":
        before = "fit" if before == "partial_fit" else before
        verb = "fit" if verb in ("warm", "partial_fit") else verb
    settings = {"warm_start": True} if verb == "warm" else {}
    estimator, twin = make(kind, **settings), make(kind, **settings)
    for each in (estimator, twin) if before != "nothing" else ():
        getattr(each, before)(X, Y)
        if kind != "selector":
            each.n_jobs = 2
    was = everything(estimator)
    call = "partial_fit" if verb == "partial_fit" else "fit"
    samples = OTHER if verb == "other" else (X * 2, Y)
    try:
        with raising(*point, error):
            getattr(estimator, call)(*samples)
    except error as raised:
        if str(raised) != "here":
            raise
    else:
        return  # this call does not come there
    assert everything(estimator) == was
    if before != "nothing":
        names = "transform" if kind == "selector" else "predict"
        assert np.array_equal(getattr(estimator, names)(X), getattr(twin, names)(X))
    # And the next call does what it would have done.
    getattr(estimator, call)(*samples)
    getattr(twin, call)(*samples)
    assert estimator.model_._core.to_bytes({}) == twin.model_._core.to_bytes({})


BAD = {
    "labels": (X, Y[:7], ValueError),
    "one class": (X, np.zeros(60, int), ValueError),
    "missing": (np.where(X > 2, np.nan, X), Y, ValueError),
    "text": (X, np.array(["a", "b", None] * 20, dtype=object), (ValueError, TypeError)),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fitted", [False, True])
def test_refused_data(kind: str, name: str, fitted: bool) -> None:
    x, y, error = BAD[name]
    estimator = make(kind)
    if fitted:
        estimator.fit(*OTHER)
    was = everything(estimator)
    for verb in ("fit", "partial_fit"):
        try:
            if hasattr(estimator, verb):
                getattr(estimator, verb)(x, y)
        except error:
            assert everything(estimator) == was
        else:  # a constant is fine for a regressor, and one class for a part
            estimator = make(kind)
            if fitted:
                estimator.fit(*OTHER)
            was = everything(estimator)


def test_a_training_that_diverges_leaves_warm_start_where_it_was() -> None:
    estimator = make("regressor", warm_start=True).fit(X, X[:, 0])
    was = everything(estimator)
    estimator.set_params(learning_rate_init=1e30)
    with pytest.raises(ValueError, match="diverged"):
        estimator.fit(X, X[:, 0])
    estimator.set_params(learning_rate_init="auto")
    assert everything(estimator) == was


def test_an_interrupt_in_scoring_of_held_out_samples() -> None:
    estimator = make("classifier", early_stopping=True)
    with raising(_base, "_scorer", 0, KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        estimator.fit(X, Y)
    assert not hasattr(estimator, "n_features_in_")
    assert not hasattr(estimator, "classes_")
