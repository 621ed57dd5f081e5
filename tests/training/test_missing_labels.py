"""Labels that are missing, NaN in targets of several outputs: they do not count."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle as o
from helpers.judged import close
from hypothesis import given
from hypothesis import strategies as st

pytestmark = pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")

LOSSES = ["binary_cross_entropy", "squared_error", "huber", "squared_error_sigmoid"]
SIZES = [6, 9, 4]
PLAIN = {"weight_decay": 0.0, "momentum": 0.0}


def drawn(loss, rows, share, seed=0):
    x, y = o.random_data(loss, rows, SIZES[0], SIZES[-1], seed=seed)
    y = y.astype(np.float64)
    y[np.random.default_rng(seed + 1).random(y.shape) < share] = np.nan
    y[0, 0] = 1.0
    return x, y


def made(loss, **settings):
    return ts.SparseMLP(
        SIZES, loss=loss, activation="relu", dropout=0, seed=3, threads=1, **settings
    )


def content(model):
    return model._core.to_bytes({})


def same(model, other, tolerance=1e-6):
    for mine, theirs in zip(model.layers, other.layers, strict=True):
        close(mine.weight.toarray(), theirs.weight.toarray(), tolerance)
        close(mine.bias, theirs.bias, tolerance)


# --- numbers ------------------------------------------------------------------------------------


@given(st.sampled_from(LOSSES), st.integers(1, 40), st.floats(0, 1), st.integers(0, 99))
def test_losses_and_steps_are_those_of_the_oracle(loss, rows, share, seed):
    x, y = drawn(loss, rows, share, seed)
    model = made(loss)
    oracle = o.from_model(model)
    found = model.evaluate(x, y, batch_size=7)
    assert np.isclose(found["loss"], oracle.evaluate(x, y), rtol=1e-5)
    if "accuracy" in found:
        assert np.isclose(found["accuracy"], oracle.accuracy(x, y))
    scores = model.train_on_batch(x, y, optimizer=ts.SGD(0.05, **PLAIN))
    assert np.isclose(scores["loss"], found["loss"], rtol=1e-6)
    oracle.step(x, y, lr=0.05, momentum=0.0, weight_decay=0.0)
    for mine, theirs in zip(model.layers, oracle.layers, strict=True):
        close(mine.weight.toarray(), theirs.weight, 1e-5)
        close(mine.bias, theirs.bias, 1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_oracles_gradient_is_that_of_its_loss(loss):
    oracle = o.random_oracle(SIZES, "tanh", loss, seed=1)
    x, y = drawn(loss, 9, 0.5)
    assert (~np.isnan(y)).mean() > 1 / o.MOST_PULL
    start, gradient = oracle.flat(), oracle.flat_gradient(x, y)
    for i in range(0, len(start), 5):
        losses = []
        for move in (1e-5, -1e-5):
            moved = start.copy()
            moved[i] += move
            oracle.set_flat(moved)
            losses.append(oracle.evaluate(x, y))
        assert np.isclose((losses[0] - losses[1]) / 2e-5, gradient[i], rtol=1e-4, atol=1e-7)


@given(st.sampled_from(LOSSES), st.floats(0, 0.95), st.integers(0, 99))
def test_stored_nan_is_missing_and_what_is_not_stored_is_zero(loss, share, seed):
    x, y = drawn(loss, 30, share, seed)
    y[np.random.default_rng(seed).random(y.shape) < 0.5] = 0
    y[0, 0] = 1.0
    results = []
    for targets in (y, sp.csr_array(y), sp.csc_array(y), sp.coo_array(y)):
        model = made(loss)
        history = model.fit(x, targets, epochs=2, batch_size=8, progress=False)
        results.append((content(model), history.history["loss"], model.evaluate(x, targets)))
    assert results[1:] == results[:1] * 3


@given(st.sampled_from(LOSSES), st.integers(0, 99))
def test_a_row_without_labels_has_no_effect(loss, seed):
    x, y = drawn(loss, 20, 0.3, seed)
    more = np.insert(x, [5, 11], 3.0, axis=0), np.insert(y, [5, 11], np.nan, axis=0)
    models = [made(loss), made(loss)]
    scores = [
        model.train_on_batch(*data, optimizer=ts.SGD(0.05, **PLAIN))
        for model, data in zip(models, ((x, y), more), strict=True)
    ]
    assert np.isclose(scores[0]["loss"], scores[1]["loss"], rtol=1e-6)
    same(*models)
    found = [models[0].evaluate(*data) for data in ((x, y), more)]
    np.testing.assert_allclose(*(list(scores.values()) for scores in found), rtol=1e-12)


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=3), ts.WASAP(workers=2)])
def test_a_fit_never_looks_at_the_missing_ones(strategy):
    """What an output predicts is learnt from its own labels, here of another half of the rows."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    y = (x[:, :4] > 0).astype(np.float64)
    whole = y.copy()
    y[:200, :2] = y[200:, 2:] = np.nan
    model = made("binary_cross_entropy")
    model.fit(
        x, y, epochs=40, batch_size=16, strategy=strategy, progress=False,
        optimizer=ts.SGD(0.1, momentum=0.5),
    )  # fmt: skip
    assert ((model.predict(x) > 0.5) == whole).mean(axis=0).min() > 0.85


@pytest.mark.parametrize("loss", LOSSES)
def test_the_baseline_is_the_best_constant_for_the_labels_that_are_there(loss):
    x, y = drawn(loss, 300, 0.4)
    for targets in (y, sp.csr_array(y)):
        history = made(loss).fit(x, targets, epochs=1, progress=False)
        grid = np.linspace(-6, 6, 2401)
        losses = [
            min(o.mean_loss(loss, np.full((len(known), 1), z), known[:, None]) for z in grid)
            * len(known)
            for known in (column[~np.isnan(column)] for column in y.T)
        ]
        expected = sum(losses) / (~np.isnan(y)).sum() * SIZES[-1]
        assert np.isclose(history.baseline.loss, expected, rtol=1e-3)


@pytest.mark.parametrize("of", [np.asarray, sp.csr_array])
def test_units_are_those_of_the_labels_that_are_there(of):
    x, y = drawn("squared_error", 200, 0.4)
    y = 1000 + 7 * y
    y[:, 1] = np.where(np.isnan(y[:, 1]), np.nan, 40.0)
    model = made("squared_error", standardize_targets=True)
    model.fit(x, of(y), epochs=1, progress=False)
    units = model._core.target_statistics()
    np.testing.assert_allclose(units.mean, np.nanmean(y, axis=0), rtol=1e-12)
    deviation = np.nanstd(y, axis=0)
    np.testing.assert_allclose(1 / units.scale[[0, 2, 3]], deviation[[0, 2, 3]], rtol=1e-12)
    assert units.scale[1] == 0


def test_units_follow_batches_without_labels_of_an_output():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 6)), 500 + 20 * rng.normal(size=(300, 4))
    y[100:200, 2] = np.nan
    model = made("squared_error", standardize_targets=True)
    for start in range(0, 300, 100):
        model.train_on_batch(x[start : start + 100], y[start : start + 100])
    units = model._core.target_statistics()
    np.testing.assert_allclose(units.mean, np.nanmean(y, axis=0), rtol=2e-2)
    np.testing.assert_allclose(1 / units.scale, np.nanstd(y, axis=0), rtol=0.1)


# --- spellings ----------------------------------------------------------------------------------


def spelled():
    rows = [[1, 0, None, 1], [0, None, 1, 1], [1, 1, 0, 0], [None, 0, 1, 0]] * 5
    gaps = np.array(rows, dtype=object)
    yield "list", rows
    yield "objects", gaps
    yield "NaN objects", np.where(gaps == None, np.nan, gaps)  # noqa: E711
    yield "float32", gaps.astype(np.float32)
    pd = pytest.importorskip("pandas", reason="pip install pandas")
    yield "NaT", np.where(gaps == None, pd.NaT, gaps)  # noqa: E711
    yield "pandas", pd.DataFrame(rows)
    yield "Int64", pd.DataFrame(rows).astype("Int64")
    yield "boolean", pd.DataFrame(rows).astype("boolean")
    yield "mixed", pd.DataFrame(rows).astype({0: "boolean", 1: "Float32", 2: "Int8"})
    pl = pytest.importorskip("polars", reason="pip install polars")
    columns = {str(k): list(column) for k, column in enumerate(zip(*rows, strict=True))}
    yield "polars", pl.DataFrame(columns)
    yield "polars booleans", pl.DataFrame(columns).cast(pl.Boolean)


def test_every_spelling_of_missing_is_the_same():
    x = np.random.default_rng(0).normal(size=(20, 6))
    models, classifiers, regressors = {}, {}, {}
    for name, y in spelled():
        model = made("binary_cross_entropy")
        model.fit(x, y, epochs=2, validation_data=(x, y), progress=False)
        model.train_on_batch(x, y)
        models[name] = content(model), model.evaluate(x, y)
        quick = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": 5}
        for kind, found in (
            (ts.SparseMLPClassifier, classifiers),
            (ts.SparseMLPRegressor, regressors),
        ):
            fitted = kind(**quick).fit(x, y, X_val=x, y_val=y)
            fitted.partial_fit(x, y)
            found[name] = fitted.predict(x).tobytes(), fitted.score(x, y)
    for found in (models, classifiers, regressors):
        assert len(found) > 9
        for name, result in found.items():
            assert result == found["list"], name


MISSING = {"None": None, "NaN": float("nan"), "NaT": np.datetime64("NaT")}


@pytest.mark.parametrize("name", MISSING)
@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_one_label_for_each_sample_must_be_there(name, shape):
    x = np.random.default_rng(0).normal(size=(20, 6))
    y = np.array([0, 1] * 10, dtype=object)
    y[17] = MISSING[name]
    y = y.reshape(shape)
    one = ts.SparseMLP([6, 3, 1], loss="squared_error")
    two = ts.SparseMLP([6, 3, 2])
    calls = [
        lambda: one.fit(x, y, progress=False),
        lambda: one.evaluate(x, y),
        lambda: one.train_on_batch(x, y),
        lambda: ts.SparseMLPClassifier().fit(x, y),
        lambda: ts.SparseMLPClassifier().partial_fit(x, y),
        lambda: ts.SparseMLPRegressor().fit(x, y),
        lambda: ts.SparseMLPRegressor().fit(x, x[:, 0]).score(x, y),
    ]
    if len(shape) == 1:
        calls += [lambda: two.fit(x, y, progress=False), lambda: two.fit(x, list(y))]
    for call in calls:
        with pytest.raises(ValueError, match=r"^y: row 17 is missing \((None|NaN|NaT)\)"):
            call()
    validation = (x, y)
    with pytest.raises(ValueError, match=r"^validation_data\[1\] \(y\): row 17 is missing"):
        one.fit(x, x[:, 0], validation_data=validation, progress=False)


def test_a_class_is_not_missing_in_parts():
    x, y = np.ones((4, 6)), np.eye(4)
    y[2, 1] = np.nan
    for targets in (y, sp.csr_array(y)):
        with pytest.raises(ValueError, match=r"^y: row 2 is missing"):
            ts.SparseMLP([6, 3, 4]).fit(x, targets, progress=False)


@pytest.mark.parametrize("loss", LOSSES)
def test_infinity_is_no_missing_label(loss):
    x, y = drawn(loss, 9, 0.2)
    y[3, 2] = np.inf
    for targets in (y, y.astype(np.float32), sp.csr_array(y)):
        with pytest.raises(ValueError, match=r"y\[3, 2\] = inf|y = inf in row 3, column 2"):
            made(loss).fit(x, targets, progress=False)


# --- nothing is there ---------------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_without_any_label_are_refused(loss):
    x, y = np.ones((5, 6)), np.full((5, 4), np.nan)
    model = made(loss)
    before = content(model)
    for call in (model.fit, model.evaluate, model.train_on_batch):
        with pytest.raises(ValueError, match="y = missing labels only"):
            call(x, y)
    assert content(model) == before
    for estimator in (ts.SparseMLPClassifier(), ts.SparseMLPRegressor()):
        with pytest.raises(ValueError, match="y: all labels are missing"):
            estimator.fit(x, y)


def test_a_column_without_labels_is_said():
    x, y = drawn("squared_error", 30, 0.2)
    y[:, 2] = np.nan
    for targets in (y, sp.csr_array(y)):
        with pytest.warns(RuntimeWarning, match="y: column 2 is missing in all rows: its output"):
            made("squared_error").fit(x, targets, epochs=1, progress=False)
    with pytest.warns(RuntimeWarning, match="y: column 2 is missing in all rows"):
        ts.SparseMLPRegressor(max_iter=2, random_state=0).fit(x, y)
    for call in (
        lambda: made("huber", standardize_targets=True).train_on_batch(x, y),
        lambda: ts.SparseMLPRegressor(max_iter=2).partial_fit(x, y),
    ):
        with pytest.raises(ValueError, match="column 2 is missing in all rows of the first batch"):
            call()


def test_streams_weigh_batches_by_their_labels():
    x, y = drawn("binary_cross_entropy", 60, 0.1)
    y[20:40, 1:] = np.nan
    batches = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 60, 20)]
    model = made("binary_cross_entropy")
    still = ts.SGD(1e-30, **PLAIN)
    history = model.fit(iter(batches), steps_per_epoch=3, epochs=1, progress=False, optimizer=still)
    assert np.isclose(history.history["loss"][0], model.evaluate(x, y)["loss"], rtol=1e-5)
    assert np.isclose(history.history["accuracy"][0], model.evaluate(x, y)["accuracy"])
