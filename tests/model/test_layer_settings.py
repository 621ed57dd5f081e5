"""Settings of single layers, and a density that is spread over them."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle as o
from helpers.judged import close, models_agree
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import cli
from trulysparse.config import Config
from trulysparse.model import _from_bytes

SIZES = [7, 12, 9, 10, 5]
MIXED = ["tanh", "all_relu", "leaky_relu"]


@pytest.mark.parametrize("activation", [MIXED, ["all_relu", "sigmoid", "all_relu"], tuple(MIXED)])
def test_each_layer_has_its_activation(activation: Any) -> None:
    model = ts.SparseMLP(SIZES, activation=activation, density=0.6, dropout=0.0, seed=5)
    assert model.activation == list(activation)
    assert [layer.activation for layer in model.layers] == [*activation, "softmax"]
    for layer, name, sign in zip(model.layers, activation, (-1, 1, -1), strict=False):
        expected = {"all_relu": sign * 0.6, "leaky_relu": 0.6}.get(name)
        assert layer.slope == expected
    oracle = o.from_model(model)
    for step, n in enumerate((3, 16, 33)):
        x, y = o.random_data("cross_entropy", n, SIZES[0], SIZES[-1], seed=n)
        close(model.predict(x), oracle.predict(x), 5e-6)
        model.train_on_batch(x, y, optimizer=ts.SGD(0.05))
        oracle.step(x, y, lr=0.05)
        models_agree(model, oracle, 5e-6 * (step + 1))


def test_a_list_of_the_same_is_the_same() -> None:
    x, y = o.random_data("cross_entropy", 50, SIZES[0], SIZES[-1])
    predictions = []
    for settings in (
        {"activation": "all_relu", "dropout": 0.3, "density": 0.5},
        {"activation": ["all_relu"] * 3, "dropout": np.full(3, 0.3), "density": (0.5,) * 4},
    ):
        model = ts.SparseMLP(SIZES, seed=1, **settings)  # type: ignore[arg-type]
        model.fit(x, y, epochs=3, batch_size=16, progress=False)
        predictions.append(model.predict(x).tobytes())
    assert predictions[0] == predictions[1]


def test_each_layer_has_its_dropout() -> None:
    # Squared errors of 0 would leave everything as it is: only dropped units move the last biases.
    eye = sp.csc_array(sp.eye_array(1000, dtype=np.float32))
    ones = sp.csc_array(np.ones((1, 1000), np.float32))
    for rates in ([0.0, 0.5], [0.25, 0.0], [0.5, 0.5]):
        model = ts.SparseMLP.from_scipy(
            [ones, eye, eye], activation="identity", loss="squared_error", dropout=rates, seed=0
        )
        sgd = ts.SGD(1.0, momentum=0.0, weight_decay=0.0)
        model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1000)), optimizer=sgd)
        kept = np.abs(model.layers[-1].bias) > 1e-6
        expected = (1 - rates[0]) * (1 - rates[1])
        assert abs(kept.mean() - expected) < 5 * np.sqrt(expected * (1 - expected) / 1000)
        assert model.dropout == rates


def test_each_layer_has_its_density_or_epsilon() -> None:
    sizes = [300, 400, 500, 10]
    model = ts.SparseMLP(sizes, density=[0.02, 0.1, 1.0], seed=0)
    expected = np.array([0.02, 0.1, 1.0])
    np.testing.assert_allclose([la.density for la in model.layers], expected, rtol=0.1)
    assert model.layers[2].density == 1
    model = ts.SparseMLP(sizes, epsilon=[2, 20, 0.5], seed=0)
    assert model.epsilon == [2, 20, 0.5]
    expected = np.array([2 * 700, 20 * 900, 0.5 * 510])
    np.testing.assert_allclose([la.nnz for la in model.layers], expected, rtol=0.2)
    plan = ts.plan(sizes, epsilon=[2, 20, 0.5])
    assert plan.connections == round(expected.sum())


@given(
    sizes=st.lists(st.integers(1, 2000), min_size=2, max_size=6),
    density=st.floats(0.001, 1),
    allocation=st.sampled_from(["er", "erk", "uniform"]),
)
def test_the_density_of_the_network_comes_out_right(
    sizes: list[int], density: float, allocation: str
) -> None:
    options: dict[str, Any] = {"density": density, "loss": "squared_error"}
    plan = ts.plan(sizes, allocation=allocation, **options)
    places = sum(a * b for a, b in itertools.pairwise(sizes))
    assert plan.connections == pytest.approx(density * places, abs=0.51)


def test_allocations() -> None:
    sizes = [784, 1000, 1000, 10]
    places = [a * b for a, b in itertools.pairwise(sizes)]
    er = ts.SparseMLP(sizes, density=0.05, allocation="er", seed=0)
    same = ts.SparseMLP(sizes, density=0.05, allocation="erk", seed=0)
    assert er.allocation == same.allocation == "er"
    assert er.nnz == pytest.approx(0.05 * sum(places), rel=0.02)
    assert [la.nnz for la in er.layers] == [la.nnz for la in same.layers]
    # The output layer would be more than full, and the others share what is left as by one epsilon.
    assert er.layers[2].density == 1
    epsilons = [la.nnz / (la.n_in + la.n_out) for la in er.layers[:2]]
    assert epsilons[0] == pytest.approx(epsilons[1], rel=0.05)
    uniform = ts.SparseMLP(sizes, density=0.05, allocation="uniform", seed=0)
    plain = ts.SparseMLP(sizes, density=0.05, seed=0)
    assert (uniform.allocation, plain.allocation) == ("uniform", None)
    assert [la.nnz for la in uniform.layers] == [la.nnz for la in plain.layers]


@pytest.mark.parametrize(
    "settings",
    [
        {"activation": MIXED, "dropout": [0.1, 0.0, 0.5], "density": [0.9, 0.5, 0.5, 1.0]},
        {"epsilon": [1, 2, 3, 4.5]},
        {"density": 0.4, "allocation": "er"},
        {"density": 0.4, "allocation": "uniform"},
    ],
)
def test_settings_are_saved(settings: dict[str, Any], tmp_path: Any, state_of: Any) -> None:
    model = ts.SparseMLP(SIZES, seed=2, **settings)
    model.save(tmp_path / "m")
    loaded = ts.load(tmp_path / "m")
    for key in ("activation", "dropout", "epsilon", "allocation"):
        assert getattr(loaded, key) == getattr(model, key)
        if key in settings:
            assert getattr(loaded, key) == settings[key]
    assert Config.of(loaded._core) == Config.of(model._core)
    x, y = o.random_data("cross_entropy", 50, SIZES[0], SIZES[-1])
    for each in (model, loaded):
        each.fit(x, y, epochs=3, batch_size=16, progress=False)
    assert state_of(model) == state_of(loaded)


def test_the_file_of_one_setting_for_all_is_as_before() -> None:
    # Files of earlier versions have plain values, and so have those of models without lists.
    data = ts.SparseMLP(SIZES, seed=2).__reduce__()[1][1]
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["trulysparse"])
    assert header["config"]["activation"] == {"kind": "all_relu", "slope": 0.6}
    assert header["config"]["dropout"] == 0.3
    assert header["config"]["sparsity"] == {"epsilon": 20.0}
    assert _from_bytes(ts.SparseMLP, data, 1).activation == "all_relu"


def test_a_list_that_is_read_cannot_change_the_model() -> None:
    model = ts.SparseMLP(SIZES, activation=MIXED, seed=0)
    assert isinstance(model.activation, list)
    model.activation[0] = "relu"
    assert model.activation == MIXED


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"activation": ["relu"]}, ValueError, "activation has 1 values: expected one .* or 3"),
        ({"activation": ["relu", "x", "relu"]}, ValueError, r"activation\[1\] = 'x': expected"),
        ({"activation": ["relu", 3, "relu"]}, TypeError, r"activation\[1\] = 3: expected"),
        ({"activation": {"relu": 1}}, TypeError, "activation = {'relu': 1}: expected"),
        ({"dropout": [0.1] * 4}, ValueError, "dropout has 4 values: expected one .* or 3"),
        ({"dropout": [0.1, 1.0, 0.1]}, ValueError, r"dropout\[1\] = 1.0: expected a number in"),
        ({"dropout": "0.1"}, TypeError, "dropout = '0.1': expected a number"),
        ({"density": [0.1] * 3}, ValueError, "density has 3 values: expected one .* or 4"),
        ({"density": [0.1, 0.1, 0, 0.1]}, ValueError, r"density\[2\] = 0: expected a number in"),
        ({"epsilon": [1] * 5}, ValueError, "epsilon has 5 values: expected one .* or 4"),
        ({"epsilon": [1, 1, 1, -1]}, ValueError, r"epsilon\[3\] = -1: expected a positive"),
        ({"allocation": "er"}, ValueError, "allocation = 'er': expected density as well"),
        ({"allocation": "er", "epsilon": 3}, ValueError, "allocation = 'er': expected density"),
        ({"allocation": "x", "density": 0.1}, ValueError, "allocation = 'x': expected one of 'er'"),
        ({"allocation": "er", "density": [0.1] * 4}, TypeError, r"density = \[0.1, .*: expected"),
    ],
)
def test_mistakes_are_named(settings: dict[str, Any], error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        ts.SparseMLP(SIZES, **settings)
    with pytest.raises(error, match=message):
        ts.plan(SIZES, **settings)


def test_from_scipy_takes_lists_too() -> None:
    weights = [sp.eye_array(4)] * 3
    model = ts.SparseMLP.from_scipy(weights, activation=["tanh", "srelu"], dropout=[0, 0.5])
    assert (model.activation, model.dropout) == (["tanh", "srelu"], [0, 0.5])
    assert model.layers[1].srelu is not None
    with pytest.raises(ValueError, match=r"dropout has 3 values: expected one .* or 2"):
        ts.SparseMLP.from_scipy(weights, dropout=[0, 0.5, 0.5])


@pytest.mark.parametrize("loss", o.LOSSES)
def test_gradient_norms_are_those_of_the_oracle(loss: str, state_of: Any) -> None:
    options: dict[str, Any] = {"density": 0.6, "dropout": 0.5, "input_noise": 1.0, "seed": 5}
    activation = ["all_relu", "srelu", "tanh"]
    model = ts.SparseMLP(SIZES, activation=activation, loss=loss, standardize=True, **options)
    x, y = o.random_data(loss, 33, SIZES[0], SIZES[-1])
    model.fit(x, y, epochs=2, progress=False)
    before = state_of(model)
    norms = model.gradient_norms(x, y)
    assert state_of(model) == before
    assert norms.dtype == np.float64
    expected = [np.linalg.norm(w) for w, _ in o.from_model(model).gradients(x, y)]
    np.testing.assert_allclose(norms, expected, rtol=1e-5)
    model.threads = 3
    assert np.array_equal(model.gradient_norms(x, y), norms)
    with pytest.raises(ValueError, match="x"):
        model.gradient_norms(x[:, :3], y)


def test_on_the_command_line(tmp_path: Any, capsys: Any) -> None:
    out = ["--out", str(tmp_path), "--epochs", "1", "--quiet", "--hidden", "30", "20"]
    flags = ["--activation", "tanh", "srelu", "--density", "0.3", "--allocation", "er"]
    assert cli.main(["train", *out, *flags]) == 0
    model = ts.load(tmp_path / "model.safetensors")
    assert (model.activation, model.allocation) == (["tanh", "srelu"], "er")
    assert model.density == pytest.approx(0.3, rel=0.1)
    capsys.readouterr()
    assert cli.main(["train", *out, "--activation", "tanh", "relu", "relu"]) == 2
    assert "activation has 3 values" in capsys.readouterr().err
    assert cli.main(["train", *out, "--allocation", "er"]) == 2
    assert "expected density as well" in capsys.readouterr().err
    plan = ["plan", "--features", "784", "--hidden", "2x1000", "--classes", "10"]
    assert cli.main([*plan, "--density", "0.05", "--allocation", "erk"]) == 0
    assert f"{round(0.05 * (784e3 + 1e6 + 1e4)):,} connections" in capsys.readouterr().out
