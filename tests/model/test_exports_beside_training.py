"""What is exported while another thread trains is the network of one moment."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits
from trulysparse.layer import Layer

RNG = np.random.default_rng(1)
X = RNG.normal(size=(64, 6)).astype(np.float32)
FRESH = RNG.normal(size=(9, 6)).astype(np.float32)
Y = X[:, :1] * X[:, 1:2]


def make() -> ts.SparseMLP:
    model = ts.SparseMLP(
        [6, 30, 30, 1],
        loss="squared_error",
        standardize=True,
        standardize_targets=True,
        dropout=0.0,
        density=0.5,
        seed=1,
        threads=1,
    )
    model.train_on_batch(X, Y)
    return model


def while_it_changes(model: ts.SparseMLP, look: Callable[[], Any], times: int) -> int:
    """Look `times` times while a thread trains and evolves, with statistics that move."""
    stop, errors, steps = threading.Event(), list[BaseException](), [0]

    def train() -> None:
        rng = np.random.default_rng(2)
        try:
            while not stop.is_set():
                x = (rng.normal(size=(32, 6)) * rng.uniform(1, 3) + rng.uniform(-2, 2)).astype("f")
                model.train_on_batch(x, 5 * x[:, :1] + 40, optimizer=ts.Adam(1e-3))
                model.evolve()
                steps[0] += 1
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=train, daemon=True)
    thread.start()
    try:
        for _ in range(times):
            before = steps[0]
            look()
            while steps[0] == before and thread.is_alive():
                pass
    finally:
        stop.set()
        thread.join(limits.CHILD)
    assert not errors
    return steps[0]


class Interleaved:
    """Lets the training go on between any two reads of a layer, as a slow export would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, model: ts.SparseMLP) -> None:
        self.changes = 0
        for name in ("weight", "bias"):
            own = getattr(Layer, name).fget

            def read(layer: Layer, own: Any = own) -> Any:
                self.change(model)
                return own(layer)

            monkeypatch.setattr(Layer, name, property(read))

    def change(self, model: ts.SparseMLP) -> None:
        self.changes += 1
        x = X * (1 + self.changes)
        model.train_on_batch(x, Y + 100 * self.changes, optimizer=ts.SGD(0.01))
        model.evolve()


@pytest.mark.parametrize("form", ["npz", "scipy", "torch", "dense"])
def test_of_one_moment(form: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = make()
    expected = model.predict(FRESH)
    before = [(la.weight.toarray(), la.bias) for la in model.layers]
    beside = Interleaved(monkeypatch, model)
    if form == "npz":
        model.export_npz(tmp_path)
        found = ts.SparseMLP.from_npz(tmp_path).predict(FRESH)
    elif form == "scipy":
        for (weight, bias), mine, own in zip(before, *model.to_scipy(), strict=True):
            assert np.array_equal(weight, mine.toarray())
            assert np.array_equal(bias, own)
        found = expected
    else:
        torch = pytest.importorskip("torch")
        module = model.to_torch(dense=form == "dense")
        found = module(torch.from_numpy(FRESH)).detach().numpy()
    assert beside.changes > 3
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert not np.allclose(model.predict(FRESH), expected, rtol=1e-2)  # it did change


def test_beside_a_thread_that_trains(tmp_path: Path) -> None:
    model = make()

    def look() -> None:
        model.export_npz(tmp_path)
        again = ts.SparseMLP.from_npz(tmp_path)
        # Statistics, weights and structure belong together: targets are near 40, or far from it.
        assert np.isfinite(again.predict(FRESH)).all()
        for weight, bias in zip(*model.to_scipy(), strict=True):
            assert weight.shape[1] == len(bias)
        for layer in model.layers:
            for matrix in (layer.momentum, layer.second_moment):
                assert matrix is None or matrix.nnz == len(matrix.data)
        lines: list[str] = []
        model.summary(lines.append)
        counts = [int(line.split()[-2].replace(",", "")) for line in lines if line[0].isdigit()]
        total = next(line for line in lines if "neurons" in line).split()[-2]
        assert sum(counts[-3:]) == int(total.replace(",", ""))

    assert while_it_changes(model, look, 12) >= 12


def test_moments_have_the_structure_of_their_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evolution between the two reads makes it read again."""
    model = make()
    model.train_on_batch(X, Y, optimizer=ts.Adam(0.01))
    layer = model.layers[0]
    own, evolutions = layer._core, [0]

    class Slow:
        def __getattr__(self, name: str) -> Any:
            if name in ("momentum", "second_moments") and evolutions[0] < 2:
                evolutions[0] += 1
                model.evolve()
            return getattr(own, name)

    monkeypatch.setattr(layer, "_core", Slow())
    for name in ("momentum", "second_moment"):
        evolutions[0] = 0
        found = getattr(layer, name)
        assert evolutions[0] == 2
        expected = getattr(model.layers[0], name)
        assert np.array_equal(found.toarray(), expected.toarray())
