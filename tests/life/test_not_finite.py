"""Finite inputs that give no finite results are said."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import _core, cli
from trulysparse.loading import network

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(10, 4)), np.arange(10) % 3
HUGE = X.copy()
HUGE[[3, 7]] = [[3e38, -3e38, 3e38, 3e38], [-2e38, 3e38, 0, 1]]
ROWS = (
    r"gives no finite numbers for 2 of 10 rows; the first of them is row 3, counted from 0: inputs"
)


def make(**options: Any) -> ts.SparseMLP:
    return ts.SparseMLP([4, 8, 3], **{"density": 1, "seed": 0, "threads": 1} | options)


Call = Callable[[ts.SparseMLP, Any], Any]
OF_ROWS: dict[str, Call] = {
    "predict": lambda model, x: model.predict(x),
    "predict sparse": lambda model, x: model.predict(sp.csr_array(x)),
    "evaluate": lambda model, x: model.evaluate(x, Y),
    "test_on_batch": lambda model, x: model.test_on_batch(x, Y),
}
OF_WEIGHTS: dict[str, Call] = {
    **OF_ROWS,
    "importance": lambda model, x: model.importance(1),
    "path": lambda model, x: model.feature_importance(),
    "strength": lambda model, x: model.feature_importance("strength"),
    "gradient_norms": lambda model, x: model.gradient_norms(x, Y),
    "pruning_curve": lambda model, x: model.pruning_curve(x, Y, [0, 50]),
    "train_on_batch": lambda model, x: model.train_on_batch(x, Y),
}


def said(call: Callable[[], Any]) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call()
    assert all(w.category is RuntimeWarning for w in caught)
    # At the line of the user.
    assert {Path(w.filename).name for w in caught} <= {Path(__file__).name}
    return [str(w.message) for w in caught]


@pytest.mark.parametrize("name", OF_ROWS)
def test_rows_are_counted_and_the_first_is_named(name: str) -> None:
    model = make()
    assert said(lambda: OF_ROWS[name](model, X)) == []
    with pytest.warns(RuntimeWarning, match=ROWS):
        OF_ROWS[name](model, HUGE)
    assert len(said(lambda: OF_ROWS[name](model, HUGE))) == 1


@pytest.mark.parametrize("name", ["gradient_norms", "pruning_curve", "train_on_batch"])
def test_scores_of_all_rows_are_said(name: str) -> None:
    found = said(lambda: OF_WEIGHTS[name](make(), HUGE))
    assert len(found) == 1
    assert found[0].startswith(name)
    assert "finite" in found[0]


@pytest.mark.parametrize("name", OF_WEIGHTS)
def test_weights_that_are_not_finite_are_said(name: str) -> None:
    model = make()
    with pytest.warns(RuntimeWarning):
        model.train_on_batch(HUGE, Y)
    found = said(lambda: OF_WEIGHTS[name](model, X))
    assert len(found) == 1
    assert "weights or biases of layers[0, 1] are not finite" in found[0]


def scale(model: ts.SparseMLP, by: float) -> None:
    model._core.set_statistics(_core.Statistics(np.zeros(4), np.full(4, by), 0.0), None)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_activations_do_not_hide_an_overflow(activation: str, sparse: bool) -> None:
    model = make(activation=activation)
    x = sp.csr_array(HUGE) if sparse else HUGE
    expected = ": 2 of 10 rows have inputs beyond 1e+30, the first of them is row 3, counted from 0"
    for name, call in OF_ROWS.items():
        assert said(lambda call=call: call(model, X)) == []
        [found] = said(lambda call=call: call(model, x))
        assert expected in found, name
    scaled = make(activation=activation, standardize=True)
    scale(scaled, 1e-38)
    assert said(lambda: scaled.predict(x)) == []
    scale(scaled, 1e-7)
    assert len(said(lambda: scaled.predict(x))) == 1


@given(
    exponents=st.lists(st.floats(-40, 38.5), min_size=1, max_size=12),
    activation=st.sampled_from(["all_relu", "relu", "silu", "gelu", "srelu"]),
    loss=st.sampled_from(["cross_entropy", "squared_error", "binary_cross_entropy"]),
)
def test_a_warning_comes_exactly_with_what_is_not_finite(
    exponents: list[float], activation: str, loss: str
) -> None:
    x = np.outer(10.0 ** np.array(exponents), [1, -1, 0.5, -0.3])
    model = make(activation=activation, loss=loss)
    outputs: list[Any] = []
    found = said(lambda: outputs.append(model.predict(x)))
    bad = np.flatnonzero(~np.isfinite(outputs[0]).all(axis=1))
    assert len(found) == (len(bad) > 0)
    if found:
        expected = f"for {len(bad)} of {len(x)} rows; the first of them is row {bad[0]}, "
        assert expected in found[0]


def nearly_too_large(model: ts.SparseMLP) -> Any:
    """Samples two of which float32 holds once they are standardised, but not their sums."""
    assert model.mean is not None
    assert model.scale is not None
    x = X.astype(np.float64)
    x[[3, 7]] = model.mean + np.array([[1, -1, 1, 1], [-1, 1, 1, -1]]) * (3e38 / model.scale)
    return x


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_estimators_say_it_too(kind: str) -> None:
    if kind == "classifier":
        fitted = ts.SparseMLPClassifier(max_iter=2, clip=None, input_gain=1, random_state=0).fit(
            X, Y
        )
        calls = [fitted.predict, fitted.predict_proba]
    else:
        fitted = ts.SparseMLPRegressor(max_iter=2, clip=None, input_gain=1, random_state=0).fit(
            X, X[:, 0]
        )
        calls = [fitted.predict]
    for call in calls:
        with pytest.warns(RuntimeWarning, match="predict gives no finite numbers for 2 of 10 rows"):
            call(nearly_too_large(fitted.model_))


def write(path: Path, x: Any, labels: bool) -> str:
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "b", "c", "d", "y"][: 5 if labels else 4])
        for row, label in zip(x.tolist(), Y, strict=True):
            writer.writerow([*row, str(label)][: 5 if labels else 4])
    return str(path)


@pytest.mark.filterwarnings("default::RuntimeWarning")
def test_the_command_line_says_it_too(tmp_path: Path, capsys: Any) -> None:
    train = write(tmp_path / "train.csv", X, True)
    quick = ["--hidden", "8", "--epochs", "1", "--quiet", "--out", str(tmp_path)]
    quick += [
        "--task",
        "regression",
        "--input-gain",
        "1",
    ]  # values of classes are clipped, so that none is too large
    assert cli.main(["train", "--data", train, *quick]) == 0
    capsys.readouterr()
    model, out = str(tmp_path / "model.safetensors"), tmp_path / "out.csv"
    rows = write(tmp_path / "rows.csv", nearly_too_large(network(model)), False)
    assert cli.main(["predict", model, "--data", rows, "--out", str(out)]) == 0
    text = capsys.readouterr().err
    assert text.startswith("trulysparse: warning: predict gives no finite numbers for 2 of 10 rows")
    with open(out, newline="") as file:
        classes = [row[0] for row in csv.reader(file)][1:]
    assert [i for i, v in enumerate(classes) if not np.isfinite(float(v or "nan"))] == [3, 7]
    data = write(tmp_path / "test.csv", nearly_too_large(network(model)), True)
    assert cli.main(["evaluate", model, "--data", data]) == 0
    assert "trulysparse: warning: evaluate gives no finite" in capsys.readouterr().err
