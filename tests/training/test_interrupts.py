"""Ctrl-C is never lost: a call raises it, or is complete and Python raises it then."""

from __future__ import annotations

import _thread
import itertools
import os
import pickle
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from helpers.interrupting import interrupted, moments

STEP = cases.some(7, 2)  # from one moment of a fit that is interrupted to the next
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 12)).astype(np.float32), np.arange(60) % 3
Call = Callable[[], Any]


def make(**options: Any) -> ts.SparseMLP:
    return ts.SparseMLP([12, 20, 3], **{"epsilon": 3, "seed": 0, "threads": 2, **options})


def batches() -> Iterator[tuple[Any, Any]]:
    while True:
        yield X[:20], Y[:20]


class OwnRule(ts.TopologyRule):
    def evolve(self, layer: Any) -> Any:
        return np.arange(3), layer.rows[:3], layer.columns[:3]


FITS: dict[str, dict[str, Any]] = {
    "sequential": {},
    "validated and pruned": {
        "validation_data": (X, Y),
        "pruning": ts.ImportancePruning(start=1, every=1, percentile=5),
    },
    "by gradient": {"topology": ts.GradientGrowth()},
    "WASSP": {"strategy": ts.WASSP(workers=2)},
    "WASAP": {"strategy": ts.WASAP(workers=2)},
    "with a bar": {"progress": True},
}


def fit(model: ts.SparseMLP, **options: Any) -> Any:
    return model.fit(X, Y, **{"epochs": 2, "batch_size": 20, "progress": False, **options})


CHANGES: dict[str, Callable[[ts.SparseMLP], Any]] = {
    **{
        f"fit, {name}": lambda model, options=options: fit(model, **options)
        for name, options in FITS.items()
    },
    "fit, batches": lambda model: model.fit(batches(), epochs=2, steps_per_epoch=2, progress=False),
    "train_on_batch": lambda model: model.train_on_batch(X, Y),
    "evolve": lambda model: model.evolve(),
    "evolve by gradient": lambda model: model.evolve(ts.GradientGrowth(), X, Y),
    "prune": lambda model: model.prune(percentile=10),
    "compact": lambda model: model.compact(inputs=True),
}
LOOKS: dict[str, Callable[[ts.SparseMLP], Any]] = {
    "predict": lambda model: model.predict(X),
    "evaluate": lambda model: model.evaluate(X, Y),
    "pickle": lambda model: pickle.loads(pickle.dumps(model)),
    "pruning_curve": lambda model: model.pruning_curve(X, Y, [0, 50]),
    "gradient_norms": lambda model: model.gradient_norms(X, Y),
    "importance": lambda model: (model.importance(1), model.feature_importance()),
    "from_scipy": lambda model: ts.SparseMLP.from_scipy([la.weight for la in model.layers]),
    "making": lambda model: make(),
    "making with a bar": lambda model: make(progress=True),
}


def is_whole(model: ts.SparseMLP) -> None:
    """Nothing is half done: what is known of the model agrees, and it can be changed."""
    features = len(model.units(0))
    x = X[:, model.units(0)]
    biases = [model._core.bias(layer)[0] for layer in range(len(model.layers))]
    assert model.layer_sizes[1:] == list(map(len, biases))
    assert model.layer_sizes[0] == features
    assert np.isfinite(model.predict(x)).all()
    history = model.history
    assert all(len(values) == len(history.epoch) for values in history.history.values())
    assert model._driver is None
    model.train_on_batch(x, Y)  # not busy


@pytest.mark.cases
@pytest.mark.parametrize("name", CHANGES)
def test_every_moment_of_a_change(name: str, state_of: Callable[..., Any]) -> None:
    change = CHANGES[name]
    fitted = name.startswith("fit")
    before = make(standardize=True)
    if name == "compact":
        before.prune(percentile=50)
    old = state_of(before)
    saved = pickle.dumps(before)
    model = pickle.loads(saved)
    change(model)
    states = [old, state_of(model)]
    models = [pickle.loads(saved)]

    tried = 0
    for raised in moments(lambda: change(models[-1]), step=STEP if fitted else 1):
        assert raised
        model = models.pop()
        # A single step has taken the statistics of its samples already.
        if not fitted and name != "train_on_batch":
            assert state_of(model) in states
        is_whole(model)
        models.append(pickle.loads(saved))
        tried += 1
    assert tried > 5


@pytest.mark.parametrize("name", LOOKS)
def test_every_moment_of_a_look(name: str, state_of: Callable[..., Any]) -> None:
    model = make()
    before = state_of(model)
    results = list(moments(lambda: LOOKS[name](model)))
    assert len(results) > 5
    assert all(results)
    assert state_of(model) == before


@pytest.mark.parametrize("progress", [False, True])
def test_every_moment_of_a_file(progress: bool, tmp_path: Path) -> None:
    path = tmp_path / "model"
    make(seed=1).save(path)
    old = path.read_bytes()
    model = make()
    model.save(tmp_path / "other")
    new = (tmp_path / "other").read_bytes()
    (tmp_path / "other").unlink()
    for raised in moments(lambda: model.save(path, progress=progress)):
        assert raised
        assert path.read_bytes() in (old, new)
        assert list(tmp_path.iterdir()) == [path]
        path.write_bytes(old)
    assert all(moments(lambda: ts.load(path, progress=progress)))


def by_signal() -> None:
    os.kill(os.getpid(), signal.SIGINT)


SENDERS = (
    [_thread.interrupt_main]
    if sys.platform == "win32"
    else [
        _thread.interrupt_main,
        by_signal,
    ]
)


def delays(call: Call, repeats: int) -> list[tuple[float, Callable[[], object]]]:
    """Moments from a call's beginning to just after its end, and how to interrupt it then."""
    started = time.perf_counter()
    call()
    whole = time.perf_counter() - started
    # Half of them around the end.
    parts = [*np.linspace(0, 1, repeats // 2), *np.linspace(0.97, 1.03, repeats - repeats // 2)]
    return list(zip((whole * part for part in parts), itertools.cycle(SENDERS)))


LARGE = {"seed": 0, "threads": 2, "loss": "squared_error"}


@pytest.mark.cases
def test_saving_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "model"
    large, small = ts.SparseMLP([3000, 1000], density=1, **LARGE), make()
    small.save(path)
    old = path.read_bytes()
    ends = delays(lambda: large.save(path), cases.some(16, 60))
    new = path.read_bytes()
    for delay, send in ends:
        path.write_bytes(old)
        within = interrupted(lambda: large.save(path), delay, send)
        assert list(tmp_path.iterdir()) == [path]
        found = path.read_bytes()
        assert found == new or (within and found == old)


@pytest.mark.cases
def test_loading_making_and_packing_at_any_time(tmp_path: Path) -> None:
    path = tmp_path / "model"
    large = ts.SparseMLP([2000, 1000], density=1, **LARGE)
    large.save(path)
    for call in (
        lambda: ts.load(path),
        lambda: ts.SparseMLP([2000, 1000], density=1, **LARGE),
        lambda: pickle.loads(pickle.dumps(large)),
    ):
        for delay, send in delays(call, cases.some(8, 40)):
            interrupted(call, delay, send)


@pytest.mark.cases
@pytest.mark.parametrize("name", CHANGES)
def test_changing_at_any_time(name: str) -> None:
    change = CHANGES[name]
    saved = pickle.dumps(make(standardize=True))
    for delay, send in delays(lambda: change(pickle.loads(saved)), cases.some(6, 30)):
        model = pickle.loads(saved)
        interrupted(lambda: change(model), delay, send)  # noqa: B023
        is_whole(model)


@pytest.mark.cases
@pytest.mark.parametrize("name", LOOKS)
def test_looking_at_any_time(name: str, state_of: Callable[..., Any]) -> None:
    model = make()
    before = state_of(model)
    for delay, send in delays(lambda: LOOKS[name](model), cases.some(4, 30)):
        interrupted(lambda: LOOKS[name](model), delay, send)
    assert state_of(model) == before


MANY = np.repeat(X, 1500, axis=0), np.repeat(Y, 1500)
IN_THE_CORE: dict[str, Callable[[ts.SparseMLP], Any]] = {
    "fit": lambda model: model.fit(*MANY, epochs=1, batch_size=4, progress=False),
    **{
        kind.__name__: lambda model, kind=kind: model.fit(
            *MANY, epochs=1, batch_size=4, progress=False, strategy=kind(workers=2)
        )
        for kind in (ts.WASSP, ts.WASAP)
    },
    "predict": lambda model: model.predict(MANY[0], batch_size=1),
    "evaluate": lambda model: model.evaluate(*MANY, batch_size=1),
}


@pytest.mark.cases
@pytest.mark.parametrize("name", IN_THE_CORE)
def test_long_calls_at_any_time(name: str) -> None:
    for delay, send in delays(lambda: IN_THE_CORE[name](make()), cases.some(6, 30)):
        model = make()
        within = interrupted(lambda: IN_THE_CORE[name](model), delay, send)  # noqa: B023
        assert within or model.epochs_trained == (name not in ("predict", "evaluate"))
        is_whole(model)
