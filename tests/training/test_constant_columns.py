"""A column with one value is as if it were zeros: the same bits for every value."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.command_line import write_csv
from trulysparse import _core
from trulysparse.cli import main

CONSTANTS = [12.0, 2024.0, -1e6, 0.1, 1e30, -3e38, 1e-40]
SAMPLES, FEATURES = 120, 5
PLACE = 2
RNG = np.random.default_rng(3)
REST = RNG.normal(3, 2, size=(SAMPLES, FEATURES)) * (RNG.random((SAMPLES, FEATURES)) < 0.6)
Y = (REST[:, 0] > 2).astype(int)
OPTIONS = {"epochs": 4, "batch_size": 16, "progress": False}


def table(constant):
    return np.insert(REST, PLACE, constant, axis=1)


def make_model(**options):
    settings = {"density": 0.7, "standardize": True, "seed": 1, "threads": 1} | options
    return ts.SparseMLP([FEATURES + 1, 20, 2], **settings)


def batches(x):
    while True:
        for start in range(0, SAMPLES, 30):
            yield x[start : start + 30], Y[start : start + 30]


def steps(model, x):
    for start in range(0, SAMPLES, 30):
        model.train_on_batch(x[start : start + 30], Y[start : start + 30])


WAYS = {
    "fit": lambda model, x: model.fit(x, Y, **OPTIONS),
    "adam": lambda model, x: model.fit(x, Y, **OPTIONS, optimizer=ts.Adam(0.01)),
    "gradient": lambda model, x: model.fit(x, Y, **OPTIONS, topology=ts.GradientGrowth(0.3)),
    "wassp": lambda model, x: model.fit(x, Y, **OPTIONS, strategy=ts.WASSP(workers=2)),
    "iterator": lambda model, x: model.fit(batches(x), **OPTIONS, steps_per_epoch=4),
    "train_on_batch": steps,
    "evolve": lambda model, x: model.evolve(ts.GradientGrowth(0.3), x, Y),
}


def content(model, x):
    """What there is of a model but the statistics of the constant column."""
    layers = [part for layer in model.layers for part in (layer.weight.toarray(), layer.bias)]
    return [*layers, np.delete(model.mean, PLACE), model.scale, model.predict(x)]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_its_value_does_not_matter(way, kind):
    expected, zero = make_model(), kind(table(0.0))
    WAYS[way](expected, zero)
    assert (expected.mean[PLACE], expected.scale[PLACE]) == (0, 0)
    for constant in CONSTANTS:
        model, x = make_model(), kind(table(constant))
        WAYS[way](model, x)
        assert (model.mean[PLACE], model.scale[PLACE]) == (constant, 0)
        for mine, other in zip(content(model, x), content(expected, zero), strict=True):
            assert np.array_equal(mine, other), constant
        scores = model.evaluate(x, Y)
        assert np.isfinite(scores["loss"])
        assert scores == expected.evaluate(zero, Y)


@pytest.mark.parametrize("constant", [0.25, 2024.0])
def test_another_value_later_does_not_matter(constant):
    model = make_model()
    model.fit(table(constant), Y, **OPTIONS)
    other = table(constant)
    other[::2, PLACE] = 0  # which a sparse matrix does not store
    other[1::4, PLACE] += 1
    standardised = (other.astype(np.float32) - model.mean) * model.scale
    plain = ts.SparseMLP.from_scipy(
        [layer.weight for layer in model.layers],
        [layer.bias for layer in model.layers],
        activation=model.activation,
        slope=model.slope,
    )
    dense = model.predict(other)
    np.testing.assert_allclose(dense, plain.predict(standardised), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.predict(sp.csr_array(other)), dense, atol=1e-5)


@pytest.mark.parametrize("constant", [2024.0, 1e30])
def test_it_comes_back_from_files(constant, tmp_path):
    model, x = make_model(), sp.csr_array(table(constant))
    model.fit(x, Y, **OPTIONS)
    model.save(tmp_path / "model.safetensors")
    model.export_npz(tmp_path / "arrays")
    for again in (
        ts.load(tmp_path / "model.safetensors"),
        ts.SparseMLP.from_npz(tmp_path / "arrays"),
    ):
        assert np.array_equal(again.mean, model.mean)
        for kind in (sp.csr_array, np.asarray):
            found = kind(table(constant))
            assert np.array_equal(again.predict(found), model.predict(found))
    # Gone on with: the same bits as without the save.
    again = ts.load(tmp_path / "model.safetensors")
    again.fit(x, Y, **OPTIONS)
    model.fit(x, Y, **OPTIONS)
    assert np.array_equal(again.predict(x), model.predict(x))


def test_statistics_of_older_files_stay():
    """There a constant column had mean 0, and a deviation of 1 by chance meant nothing more."""
    model = make_model()
    mean, scale = np.zeros(FEATURES + 1), np.ones(FEATURES + 1)
    mean[3] = 1.0
    model._core.set_statistics(_core.Statistics(mean, scale, None), None)
    x = table(0.5)
    x[:, 3] = np.arange(SAMPLES) % 2 * 2
    plain = ts.SparseMLP.from_scipy(
        [la.weight for la in model.layers], [la.bias for la in model.layers],
        activation=model.activation, slope=model.slope,
    )  # fmt: skip
    assert np.array_equal(model.predict(x), plain.predict(x - mean))
    np.testing.assert_allclose(model.predict(sp.csr_array(x)), model.predict(x), atol=1e-5)


ESTIMATORS = [ts.SparseMLPClassifier, ts.SparseMLPRegressor]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_estimators(estimator, kind):
    settings = {"random_state": 0, "max_iter": 3, "standardize": True}
    for verb in ("fit", "partial_fit"):
        found = []
        for constant in (0.0, 12.0, 2024.0, 1e30):
            x = kind(table(constant))
            fitted = estimator((20,), **settings)
            getattr(fitted, verb)(x, Y)
            found.append(fitted.predict(x))
        assert all(np.array_equal(each, found[0]) for each in found[1:])


@pytest.mark.parametrize("labels", [True, False])
def test_the_selector(labels):
    scores = []
    for constant in (0.0, 2024.0, 1e30):
        selector = ts.SparseFeatureSelector(2, random_state=0, epochs=3)
        scores.append(selector.fit(table(constant), Y if labels else None).scores_)
        assert scores[-1][PLACE] == 0
    assert all(np.array_equal(each, scores[0]) for each in scores[1:])


def test_on_the_command_line(tmp_path, capsys):
    said = set()
    for constant in (0, 12, 2024, 1e30):
        path = write_csv(
            tmp_path / "table.csv", table(constant), np.array(["no", "yes"])[Y], "abcdefy"
        )
        arguments = f"train --data {path} --hidden 30 --epochs 5 --out {tmp_path / 'run'}"
        assert main(arguments.split()) == 0
        assert main(["evaluate", str(tmp_path / "run/model.safetensors"), "--data", str(path)]) == 0
        said.add(capsys.readouterr().out.split("test: ")[-1])
    assert len(said) == 1
    assert "accuracy" in said.pop()


# --- a column that varies in a later fit ----------------------------------------------------------

SECOND = {
    name: way for name, way in WAYS.items() if name in ("fit", "adam", "gradient", "wassp")
} | {
    "wasap": lambda model, x: model.fit(x, Y, **OPTIONS, strategy=ts.WASAP(workers=1)),
    "local": lambda model, x: model.fit(
        x, Y, **OPTIONS, strategy=ts.WASSP(workers=2, local_fraction=1)
    ),
    "iterator": WAYS["iterator"],
}
VARIED = np.random.default_rng(8).normal(2024.0, 3.0, SAMPLES)


@pytest.mark.parametrize("way", SECOND)
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_it_becomes_a_feature_in_a_later_fit(way, kind):
    model, constant = make_model(dropout=0.0), kind(table(2024.0))
    model.fit(constant, Y, **OPTIONS)
    others = np.delete(model.mean, PLACE), np.delete(model.scale, PLACE)
    SECOND[way](model, kind(table(VARIED)))
    # Half of what the statistics are of is the one value.
    assert 2020 < model.mean[PLACE] < 2028
    assert 2 < 1 / model.scale[PLACE] < 4
    if way != "iterator":  # whose statistics follow
        assert np.array_equal(np.delete(model.mean, PLACE), others[0])
        assert np.array_equal(np.delete(model.scale, PLACE), others[1])
    high, low = table(2030.0), table(2018.0)
    assert not np.allclose(model.predict(kind(high)), model.predict(kind(low)), atol=1e-4)


def test_predictions_stay_where_it_has_its_old_value():
    model, x = make_model(dropout=0.0), table(2024.0)
    model.fit(x, Y, **OPTIONS)
    before = model.predict(x)
    model._core.take_up_constants(_core.Data(model._core, table(VARIED)))
    assert model.scale[PLACE] > 0
    np.testing.assert_allclose(model.predict(x), before, atol=1e-5)


def test_it_stays_out_where_it_has_its_value_again():
    model, x = make_model(), table(2024.0)
    model.fit(x, Y, **OPTIONS)
    model.fit(x, Y, **OPTIONS)
    assert model.scale[PLACE] == 0


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("standardize", [True, False])
def test_warm_start_takes_it_up(estimator, standardize):
    settings = {"max_iter": 4, "standardize": standardize, "warm_start": True, "random_state": 0}
    fitted = estimator((20,), **settings).fit(table(1.0), Y)
    high, low = table(3.0), table(-1.0)
    assert np.array_equal(fitted.predict(high), fitted.predict(low))
    varied = np.where(Y > 0, 3.0, -1.0)
    for _ in range(3):
        fitted.fit(table(varied), Y)
    assert fitted.model_.scale[PLACE] > 0
    assert not np.array_equal(fitted.predict(high), fitted.predict(low))
