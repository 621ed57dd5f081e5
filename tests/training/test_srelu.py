"""SReLU, whose four parameters per neuron are trained: against the oracle and its own promises."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle as o
from helpers.dropout_masks import drawn_masks, one_connection_each
from helpers.judged import close, models_agree
from helpers.model_file import resummed
from helpers.parallel_fit import content
from trulysparse.model import _from_bytes

SIZES = [7, 12, 9, 10, 5]
MIXED = ["srelu", "all_relu", "srelu"]
BATCHES = (1, 3, 8, 16, 17, 33)
START = [0.0, 0.2, 1.0, 1.0]


def make_model(activation: Any = "srelu", loss: str = "cross_entropy", **options: Any) -> Any:
    options = {"density": 0.6, "dropout": 0.0, "seed": 5, "threads": 2} | options
    model = ts.SparseMLP(SIZES, activation=activation, loss=loss, **options)
    return with_parameters(model)


def with_parameters(model: Any, seed: int = 0) -> Any:
    """The same model with parameters of all signs, slopes of 0 and thresholds that have crossed.

    A file's arrays are changed in its bytes, as nothing but training changes them otherwise.
    """
    cls, (_, data, threads) = model.__reduce__()[0], model.__reduce__()[1]
    assert cls is _from_bytes
    length = int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8 : 8 + length]), bytearray(data[8 + length :])
    rng = np.random.default_rng(seed)
    for i, layer in enumerate(model.layers):
        start, end = header.get(f"layers.{i}.bias", {"data_offsets": (0, 0)})["data_offsets"]
        body[start:end] = rng.normal(size=layer.n_out).astype("<f4").tobytes()
        if layer.srelu is None:
            continue
        values = rng.normal(size=(layer.n_out, 4)).astype("<f4")
        values[:, 2] += 1
        values[::3, 1], values[1::3, 3] = 0, 0
        start, end = header[f"layers.{i}.srelu"]["data_offsets"]
        assert end - start == values.nbytes
        body[start:end] = values.tobytes()
    return _from_bytes(type(model), resummed(data[: 8 + length] + bytes(body)), threads)


def parameters(model: Any) -> list[npt.NDArray[np.float32]]:
    return [layer.srelu for layer in model.layers if layer.srelu is not None]


def test_where_it_starts() -> None:
    model = ts.SparseMLP(SIZES, activation=MIXED, seed=0)
    for layer, name in zip(model.layers, [*MIXED, "softmax"], strict=True):
        assert layer.activation == name
        if name != "srelu":
            assert layer.srelu is None
            assert layer.srelu_momentum is None
            continue
        assert layer.slope is None
        assert layer.srelu.dtype == np.float32
        np.testing.assert_array_equal(layer.srelu, np.tile(np.float32(START), (layer.n_out, 1)))
        assert not layer.srelu_momentum.any()
        with pytest.raises(ValueError, match="read-only"):
            layer.srelu[0, 0] = 1
    # It starts as a leaky ReLU.
    leaky = ts.SparseMLP(SIZES, activation="leaky_relu", slope=0.2, seed=0)
    model = ts.SparseMLP(SIZES, activation="srelu", seed=0)
    x = np.random.default_rng(0).normal(size=(20, SIZES[0]))
    np.testing.assert_allclose(model.predict(x), leaky.predict(x), rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_the_oracles_gradient_is_the_central_difference(seed: int) -> None:
    oracle = o.from_model(with_parameters(make_model(MIXED), seed))
    x, y = o.random_data("cross_entropy", 8, SIZES[0], SIZES[-1], seed=seed)
    h, masks = (
        1e-6,
        [np.random.default_rng(i).integers(0, 2, n) * 1.5 for i, n in enumerate(SIZES[1:-1])],
    )
    for chosen in (None, masks):
        weights, srelus = oracle.all_gradients(x, y, chosen)
        assert sorted(srelus) == [0, 2]
        points = [(oracle.layers[i].srelu, g) for i, g in srelus.items()]
        points += [(la.weight, g) for la, (g, _) in zip(oracle.layers, weights, strict=True)]
        points += [(la.bias, g) for la, (_, g) in zip(oracle.layers, weights, strict=True)]
        for values, gradient in points:
            for at in np.ndindex(values.shape):
                if values.ndim == 2 and values.shape[1] != 4 and values[at] == 0:
                    continue  # no connection
                before, losses = values[at], []
                for sign in (1, -1):
                    values[at] = before + sign * h
                    losses.append(oracle.evaluate(x, y, chosen))
                values[at] = before
                difference = (losses[0] - losses[1]) / (2 * h)
                assert difference == pytest.approx(gradient[at], rel=1e-5, abs=1e-8)
    assert max(np.abs(g).max() for g in srelus.values()) > 1e-3


@pytest.mark.parametrize("activation", ["srelu", MIXED])
@pytest.mark.parametrize("n", BATCHES)
def test_forward_and_gradient(n: int, activation: Any) -> None:
    model = make_model(activation)
    oracle = o.from_model(model)
    x, y = o.random_data("cross_entropy", n, SIZES[0], SIZES[-1], seed=n)
    close(model.predict(x), oracle.predict(x))
    assert model.evaluate(x, y)["loss"] == pytest.approx(oracle.evaluate(x, y), rel=3e-6)
    weights, srelus = oracle.all_gradients(x, y)
    before = o.from_model(model)
    model.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    after = o.from_model(model)
    for i, (old, new) in enumerate(zip(before.layers, after.layers, strict=True)):
        moves = [(old.weight - new.weight, weights[i][0], old.weight)]
        moves.append((old.bias - new.bias, weights[i][1], old.bias))
        if i in srelus:
            moves.append((old.srelu - new.srelu, srelus[i], old.srelu))
        for move, gradient, value in moves:
            scale = np.abs(gradient).max() + np.abs(value).max()
            np.testing.assert_allclose(move, gradient, rtol=0, atol=2e-6 * scale)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
@pytest.mark.parametrize("loss", o.LOSSES)
def test_several_steps(loss: str, memory: str, nesterov: bool) -> None:
    model = make_model(loss=loss)
    oracle = o.from_model(model)
    settings: dict[str, Any] = {"momentum": 0.8, "weight_decay": 0.01, "nesterov": nesterov}
    for step, n in enumerate(BATCHES):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=step)
        model.train_on_batch(x, y, optimizer=ts.SGD(0.01, **settings), memory=memory)
        oracle.step(x, y, lr=0.01, **settings)
        models_agree(model, oracle, 5e-6 * (step + 1))
    moved = [
        np.abs(p - q).max(axis=0)
        for p, q in zip(parameters(model), parameters(make_model(loss=loss)), strict=True)
    ]
    assert np.min(moved) > 0  # every kind of parameter of every layer is trained


@pytest.mark.parametrize("batch", [8, 33])
def test_step_with_dropout_follows_the_oracle(batch: int) -> None:
    # Masks belong to seed, layer and step: they are those of a model that shows them.
    mask = drawn_masks(one_connection_each(40, batch, 1, 0.4, seed=2), batch)
    weights = [np.ones((1, 40)), np.full((40, batch), 0.5)]
    model = ts.SparseMLP.from_scipy(
        [sp.csc_array(w) for w in weights],
        activation="srelu",
        loss="squared_error",
        dropout=0.4,
        seed=2,
    )
    model = with_parameters(model)
    oracle = o.from_model(model)
    x, y = o.random_data("squared_error", batch, 1, batch)
    result = model.train_on_batch(x, y, optimizer=ts.SGD(0.1))
    assert result["loss"] == pytest.approx(oracle.evaluate(x, y, [mask]), rel=3e-6)
    oracle.step(x, y, lr=0.1, masks=[mask])
    models_agree(model, oracle)


@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_the_same_bits_for_any_number_of_threads(memory: str, tmp_path: Any) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 40)).astype(np.float32), rng.integers(0, 4, 300)
    results = set()
    for threads in (1, 2, 3):
        model = ts.SparseMLP(
            [40, 600, 500, 600, 4], activation="srelu", epsilon=5, seed=1, threads=threads
        )
        model.fit(x, y, epochs=2, batch_size=64, memory=memory, progress=False)
        results.add(content(model, tmp_path / str(threads)))
    assert len(results) == 1


def test_saved_and_loaded_it_goes_on(tmp_path: Any, state_of: Any) -> None:
    model = make_model(MIXED, dropout=0.2)
    x, y = o.random_data("cross_entropy", 64, SIZES[0], SIZES[-1])
    model.fit(x, y, epochs=2, batch_size=16, progress=False)
    assert all(layer.srelu_momentum.any() for layer in model.layers if layer.srelu is not None)
    model.save(tmp_path / "m.safetensors")
    loaded = ts.load(tmp_path / "m.safetensors", threads=2)
    assert state_of(loaded) == state_of(model)
    for each in (model, loaded):
        each.fit(x, y, epochs=2, batch_size=16, progress=False)
    assert state_of(loaded) == state_of(model)


def test_a_file_without_its_parameters_is_refused(tmp_path: Any) -> None:
    data = make_model().__reduce__()[1][1]
    damaged = data.replace(b'"layers.1.srelu"', b'"layers.1.sreLU"')
    assert damaged != data
    with pytest.raises(ValueError, match=r"layers.1.srelu is missing"):
        _from_bytes(ts.SparseMLP, resummed(damaged), 1)


def test_pruning_and_compaction_keep_each_neurons_parameters() -> None:
    model = make_model(loss="squared_error", density=0.3)
    x = np.random.default_rng(2).normal(size=(50, SIZES[0])).astype(np.float32)
    model.prune(percentile=30)
    before, rows = model.predict(x), [layer.srelu for layer in model.layers[:-1]]
    momentum = [layer.srelu_momentum for layer in model.layers[:-1]]
    model.compact()
    assert model.layer_sizes != SIZES
    close(model.predict(x), before, 1e-5)
    for i, layer in enumerate(model.layers[:-1]):
        np.testing.assert_array_equal(layer.srelu, rows[i][model.units(i + 1)])
        np.testing.assert_array_equal(layer.srelu_momentum, momentum[i][model.units(i + 1)])
    y = np.random.default_rng(3).normal(size=(50, SIZES[-1]))
    model.fit(x, y, epochs=2, progress=False)


def test_the_plan_counts_its_parameters_and_buffers() -> None:
    sizes = [20, 300, 200, 400, 3]
    plain = ts.plan(sizes, activation="identity", batch_size=32)
    assert "parameters of SReLU with momentum" not in plain.parts
    plan = ts.plan(sizes, activation=["srelu", "identity", "srelu"], batch_size=32)
    more = {name: size for name, size in plan.parts.items() if name not in plain.parts}
    assert more == {
        "parameters of SReLU with momentum": 700 * 32,
        "pre-activations": 700 * 4 * 32,
        "gradients of SReLU": 400 * 16,
    }
    model = ts.SparseMLP(sizes, activation=["srelu", "identity", "srelu"], seed=0)
    assert more.items() <= model.plan(32).parts.items()


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
def test_one_worker_gives_the_bits_of_the_sequential_fit(kind: Any, state_of: Any) -> None:
    x, y = o.random_data("cross_entropy", 100, SIZES[0], SIZES[-1])
    states = []
    for strategy in (None, kind(workers=1)):
        model = make_model(MIXED, dropout=0.2)
        model.fit(x, y, epochs=4, batch_size=16, strategy=strategy, progress=False)
        states.append(state_of(model))
    assert states[0] == states[1]


@pytest.mark.parametrize("kind", [ts.WASSP, ts.WASAP])
def test_several_workers_train_and_average_the_parameters(kind: Any) -> None:
    x, y = o.random_data("cross_entropy", 100, SIZES[0], SIZES[-1])
    model = make_model()
    before = parameters(model)
    strategy = kind(workers=2, local_fraction=0.5)
    history = model.fit(x, y, epochs=4, batch_size=16, strategy=strategy, progress=False)
    assert np.isfinite(history.history["loss"]).all()
    for p, q in zip(parameters(model), before, strict=True):
        assert np.isfinite(p).all()
        assert (p != q).any()
