"""A fit that ends before its first step leaves everything as it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(5)
X, Y = RNG.normal(3, 2, size=(50, 4)), RNG.normal(7, 3, size=50)
FRAME = pd.DataFrame(X, columns=list("abcd"))
HOOKS = ("set_model", "set_params", "on_train_begin", "on_epoch_begin")


class Refuses(ts.Callback):
    """Raises in one of its methods, the first time that it is called."""

    def __init__(self, hook: str, error: type[BaseException]) -> None:
        def refuse(*_: Any) -> None:
            raise error("not now")

        setattr(self, hook, refuse)


def make() -> ts.SparseMLP:
    return ts.SparseMLP(
        [4, 12, 1],
        loss="squared_error",
        standardize=True,
        standardize_targets=True,
        density=0.6,
        seed=2,
        threads=1,
    )


def batches(x: Any) -> Iterator[Any]:
    while True:
        yield x[:25], Y[:25]
        yield x[25:], Y[25:]


def everything(model: ts.SparseMLP) -> Any:
    return (
        model._core.to_bytes(dict(model.metadata)),
        model.history,
        list(model.history.epoch),
        model.stop_training,
        model.learning_rate,
    )


SETTINGS: list[dict[str, Any]] = [
    {},
    {"strategy": ts.WASSP(workers=2)},
    {"strategy": ts.WASAP(workers=2, local_fraction=1)},
    {"optimizer": ts.Adam(0.01), "topology": ts.GradientGrowth(0.2)},
    {"validation_data": (FRAME, Y)},
]


@given(
    hook=st.sampled_from(HOOKS),
    error=st.sampled_from([RuntimeError, KeyboardInterrupt, ValueError]),
    settings=st.sampled_from(SETTINGS),
    form=st.sampled_from(["frame", "array", "iterator"]),
    before=st.sampled_from([0, 2]),
)
def test_whatever_refuses(
    hook: str, error: type[BaseException], settings: dict[str, Any], form: str, before: int
) -> None:
    model, twin = make(), make()
    options: dict[str, Any] = {"epochs": 2, "batch_size": 10, "progress": False}
    for each in (model, twin) if before else ():
        each.fit(X * 2, Y, **options)
        each.stop_training = True
    given_to_fit: dict[str, Any] = {"x": FRAME if form == "frame" else X, "y": Y} | settings
    if form == "iterator":
        given_to_fit |= {"x": batches(X), "y": None, "steps_per_epoch": 2, "strategy": None}
        if given_to_fit.get("topology") is not None:
            del given_to_fit["topology"]
    was = everything(model)
    with pytest.raises(error, match="not now"):
        model.fit(**given_to_fit, callbacks=[Refuses(hook, error)], **options)
    assert everything(model) == was
    # So the next fit is one that nothing came before.
    if form != "iterator" and not isinstance(settings.get("strategy"), ts.WASAP):
        model.fit(**given_to_fit, **options)
        twin.fit(**given_to_fit, **options)
        assert everything(model)[0] == everything(twin)[0]


def test_names_that_were_there_stay() -> None:
    model = make()
    model.metadata["feature_names"] = json.dumps(list("abcd"))
    with pytest.raises(RuntimeError):
        model.fit(FRAME, Y, callbacks=[Refuses("on_train_begin", RuntimeError)], progress=False)
    assert json.loads(model.metadata["feature_names"]) == list("abcd")


def test_a_column_that_would_have_come_in_stays_out() -> None:
    model = make()
    constant = X.copy()
    constant[:, 2] = 5
    model.fit(constant, Y, epochs=1, progress=False)
    was = everything(model)
    for hook in HOOKS:
        with pytest.raises(RuntimeError):
            model.fit(X, Y, callbacks=[Refuses(hook, RuntimeError)], progress=False)
        assert everything(model) == was


def test_what_has_begun_is_kept() -> None:
    class Second(ts.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            if epoch == 1:
                raise RuntimeError("later")

    model = make()
    with pytest.raises(RuntimeError):
        model.fit(FRAME, Y, epochs=3, callbacks=[Second()], progress=False)
    assert (model.epochs_trained, model.history.epoch) == (1, [0])
    assert model.mean is not None
    assert "feature_names" in model.metadata
