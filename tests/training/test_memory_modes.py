"""`memory` of a fit: what it saves, and that it changes no bit."""

from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse.data import arrays

MODES = ("fast", "lean", "least")


def trained(
    mode: str, sizes: list[int], batch: int, threads: int, **settings: object
) -> list[np.ndarray]:
    """Return all parameters after some epochs with evolutions."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(23, sizes[0])).astype(np.float32)
    y = rng.integers(0, sizes[-1], 23)
    model = ts.SparseMLP(sizes, density=0.4, seed=3, threads=threads, **settings)
    model.fit(x, y, epochs=3, batch_size=batch, memory=mode, progress=False)
    layers = [(m.weight.data, m.weight.indices, m.bias) for m in model.layers]
    return [np.asarray(array) for layer in layers for array in layer]


@settings(max_examples=cases.drawn(25))
@given(
    hidden=st.lists(st.integers(1, 12), max_size=11),
    batch=st.sampled_from([1, 3, 8, 16, 23]),
    activation=st.sampled_from(["all_relu", "leaky_relu", "sigmoid", "tanh", "silu", "gelu"]),
    dropout=st.sampled_from([0.0, 0.3]),
    threads=st.sampled_from([1, 2, 3]),
)
def test_the_bits_are_the_same(
    hidden: list[int], batch: int, activation: str, dropout: float, threads: int
) -> None:
    sizes = [5, *hidden, 3]
    settings = {"activation": activation, "dropout": dropout}
    fast = trained("fast", sizes, batch, 1, **settings)
    for mode in MODES:
        other = trained(mode, sizes, batch, threads, **settings)
        assert all(np.array_equal(a, b) for a, b in zip(fast, other, strict=True))


def test_large_layers_on_several_threads_have_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(16, 300)).astype(np.float32), rng.integers(0, 2, 16)
    results = []
    for mode, threads in (("fast", 1), ("lean", 2), ("least", 3)):
        model = ts.SparseMLP([300, 20_000, 20_000, 20_000, 2], epsilon=1, seed=0, threads=threads)
        for _ in range(2):
            model.train_on_batch(x, y, memory=mode)
        results.append([layer.weight.data for layer in model.layers])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_each_takes_less_than_the_one_before() -> None:
    sizes = [100, *[100_000] * 10, 2]
    plans = {mode: ts.plan(sizes, epsilon=1, batch_size=16, memory=mode) for mode in MODES}
    assert "transpose index" in plans["fast"].parts
    assert "transpose index" not in plans["lean"].parts
    assert plans["lean"].parts["activations"] == plans["fast"].parts["activations"]
    # Of ten layers at most five are there at once.
    assert plans["least"].parts["activations"] < 0.55 * plans["lean"].parts["activations"]
    model = ts.SparseMLP(sizes, epsilon=1, seed=0)
    for mode, plan in plans.items():
        own = model.plan(16, memory=mode)
        assert own.total == pytest.approx(plan.total, rel=0.01)


def test_lean_takes_twelve_bytes_a_connection_and_sixteen_a_neuron() -> None:
    connections, neurons = 0.0, 0
    sizes = [4000] * 5
    plan = ts.plan(sizes, density=0.1, batch_size=1, memory="lean", evolves=False)
    for name, size in plan.parts.items():
        if name in ("weights and their columns", "momentum"):
            connections += size
        elif name.startswith("biases"):
            neurons += size
    assert connections / plan.connections == pytest.approx(12)
    assert neurons / sum(sizes[1:]) == pytest.approx(16)


def test_what_is_wrong_is_named() -> None:
    x, y = np.zeros((4, 2), np.float32), np.zeros(4, int)
    model = ts.SparseMLP([2, 3, 2], density=1, seed=0)
    for call in (
        lambda: model.fit(x, y, memory="little"),
        lambda: model.train_on_batch(x, y, memory="little"),
        lambda: model.plan(memory="little"),
        lambda: ts.plan([2, 2], density=1, memory="little"),
    ):
        with pytest.raises(ValueError, match="memory = 'little': expected one of 'fast', 'lean'"):
            call()
    with pytest.raises(ValueError, match="memory = 'lean': expected 'fast' with a strategy"):
        model.fit(x, y, memory="lean", strategy=ts.WASSP(workers=2))
    assert model.steps_trained == 0


@pytest.mark.parametrize("hidden", [[], [7], [7, 9, 2], [2, 2, 2]])
def test_validation_in_the_buffers_of_training_is_evaluation(hidden: list[int]) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 6)).astype(np.float32), rng.integers(0, 5, 40)
    model = ts.SparseMLP([6, *hidden, 5], density=0.8, seed=0)
    for epochs in (1, 3):
        history = model.fit(
            x, y, epochs=epochs, batch_size=8, validation_data=(x[:13], y[:13]), progress=False
        )
        scores = model.evaluate(x[:13], y[:13], batch_size=8)
        assert history.history["val_loss"][-1] == scores["loss"]
        assert history.history["val_accuracy"][-1] == scores["accuracy"]


def test_a_memory_mapped_array_is_read_where_it_is(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 30)).astype(np.float32), rng.integers(0, 2, 50)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    assert np.shares_memory(arrays.samples("x", mapped, 30), mapped)
    models = [ts.SparseMLP([30, 20, 2], density=0.3, seed=0) for _ in range(2)]
    for model, samples in zip(models, (x, mapped), strict=True):
        model.fit(samples, y, epochs=2, batch_size=16, progress=False)
    assert np.array_equal(models[0].predict(mapped), models[1].predict(x))
