"""Numbers of a user reach the first weight without loss."""

import io
import warnings
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.cli import main
from trulysparse.estimators import (
    SparseFeatureSelector,
    SparseMLPClassifier,
    SparseMLPRegressor,
)

# Offsets that float32 does not hold beside a step of 1: of prices, ids and times.
OFFSETS = {"prices": 123456.78, "ids": 2.0**25, "seconds": 1.7e9, "milliseconds": 1.7e12}


def hills(samples=160):
    """Two features with steps of 1, and a class that depends on both."""
    rng = np.random.default_rng(0)
    x = rng.permutation(np.arange(2.0 * samples)).reshape(samples, 2)
    return x, (x[:, 0] > x[:, 1]).astype(int)


def trained(x, y, outputs=2, **settings):
    settings = {"standardize": True, "dropout": 0.0, "seed": 3, "density": 1} | settings
    model = ts.SparseMLP([x.shape[1], 30, outputs], **settings)
    options = {"epochs": 8, "batch_size": 16, "optimizer": ts.SGD(0.02), "progress": False}
    model.fit(x, y, **options)
    return model


@pytest.mark.parametrize("name", OFFSETS)
def test_an_offset_changes_nothing(name):
    x, y = hills()
    moved = x + OFFSETS[name]
    plain, other = trained(x, y), trained(moved, y)
    np.testing.assert_allclose(other.predict(moved), plain.predict(x), atol=2e-4)
    np.testing.assert_allclose(other.scale, plain.scale, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.int64, np.uint32, np.float64, object])
def test_whole_numbers_of_any_type(dtype):
    x, y = hills()
    moved = (x + 2.0**31).astype(dtype)
    np.testing.assert_array_equal(
        trained(moved, y).predict(moved), trained(x + 2.0**31, y).predict(x + 2.0**31)
    )


def test_nanoseconds():
    days = np.arange(200)
    x = (1_700_000_000 + 86_400 * days)[:, np.newaxis] * 10**9
    classifier = SparseMLPClassifier(max_iter=30, random_state=0).fit(x, days >= 100)
    assert classifier.score(x, days >= 100) > 0.98


@given(offset=st.floats(-1e12, 1e12), step=st.floats(1e-2, 1e3))
def test_statistics_are_those_of_float64(offset, step):
    x = offset + step * np.random.default_rng(0).normal(size=(50, 2))
    model = ts.SparseMLP([2, 3, 2], standardize=True, seed=0)
    model.fit(x, np.arange(50) % 2, epochs=1, topology=None, progress=False)
    centred = x - x[0]
    np.testing.assert_allclose(model.mean - x[0], centred.mean(axis=0), atol=2e-4 + 1e-9 * step)
    np.testing.assert_allclose(1 / model.scale, centred.std(axis=0), rtol=1e-9)


def test_a_column_with_one_value_counts_for_nothing():
    x, y = hills()
    for value in (0.0, 12.0, 2024.0, 1.7e9):
        table = np.c_[x, np.full(len(x), value)]
        other = table.copy()
        other[:, 2] = value + 1e6
        for given_x in (table, sp.csr_array(table)):
            model = trained(given_x, y)
            assert model.scale[2] == 0
            np.testing.assert_array_equal(model.predict(table), model.predict(other))
            np.testing.assert_array_equal(
                model.predict(sp.csr_array(table)), model.predict(sp.csr_array(other))
            )


@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
def test_what_an_estimator_leaves_out_its_network_leaves_out(standardize, kind, tmp_path):
    x, y = hills()
    table = np.c_[x / 100, np.full(len(x), 7.0)]
    classifier = SparseMLPClassifier(standardize=standardize, max_iter=5, random_state=0)
    classifier.fit(kind(table), y)
    table[:, 2] = -3.0
    classifier.model_.save(tmp_path / "m.safetensors")
    again = ts.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(again.predict(kind(table)), classifier.predict_proba(kind(table)))
    table[:, 2] = 7.0
    np.testing.assert_array_equal(again.predict(kind(table)), classifier.predict_proba(kind(table)))
    assert classifier.feature_importances_[2] == 0


class TestFollowing:
    """Statistics follow the batches that come; what the model answers stays where it can."""

    @pytest.mark.parametrize("optimizer", [ts.SGD(0.01), ts.Adam(0.01), ts.Lion(0.001)])
    def test_answers_stay_where_they_were(self, optimizer):
        rng = np.random.default_rng(1)
        x, y = rng.normal(1e6, 3, size=(60, 4)), rng.integers(0, 2, 60)
        model = ts.SparseMLP([4, 20, 2], standardize=True, dropout=0.0, seed=0)
        for _ in range(10):
            model.train_on_batch(x, y, optimizer=optimizer)
        before, scale = model.predict(x), model.scale
        settings = {"momentum": 0.0} if isinstance(optimizer, ts.SGD) else {}
        still = type(optimizer)(1e-30, weight_decay=0.0, **settings)  # the steps change nothing
        for _ in range(5):
            model.train_on_batch(rng.normal(1e6 + 5, 60, size=(40, 4)), y[:40], optimizer=still)
        assert (model.scale < 0.8 * scale).all()
        np.testing.assert_allclose(model.predict(x), before, atol=2e-5)

    @pytest.mark.parametrize(
        "column",
        [
            lambda i, _: 1.7e9 + 60 * i,
            lambda _, noise: np.cumsum(noise),
            lambda i, noise: np.exp(i / 500) * noise,
            lambda i, _: np.exp(i / 400),
        ],
        ids=["clock", "walk", "growing noise", "growth"],
    )
    @pytest.mark.parametrize("optimizer", [ts.SGD(0.02), ts.SGD(0.002), ts.Adam(0.003)])
    def test_a_column_that_grows_and_grows_lets_others_be_learnt(self, column, optimizer):
        rng = np.random.default_rng(5)
        x = rng.normal(size=(4000, 6))
        x[:, 5] = column(np.arange(4000), rng.normal(size=4000))
        y = x[:, 0] + np.sin(x[:, 1])
        settings = {"loss": "squared_error", "standardize": True, "standardize_targets": True}
        model = ts.SparseMLP([6, 50, 1], epsilon=20, seed=0, **settings)
        for _ in range(4):
            for part in np.array_split(np.arange(4000), 40):
                model.train_on_batch(x[part], y[part], optimizer=optimizer)
        errors = model.predict(x)[:, 0] - y
        assert np.mean(errors**2) < 0.7 * y.var()

    def test_they_become_those_of_all_samples(self):
        rng = np.random.default_rng(2)
        x = rng.normal([5.0, -1e4], [2.0, 7.0], size=(300, 2))
        for form in (np.asarray, sp.csr_array):
            model = ts.SparseMLP([2, 8, 2], standardize=True, seed=0)
            for part in np.array_split(x, 7):
                model.train_on_batch(form(part.astype(np.float32)), np.zeros(len(part), int))
            expected = x.astype(np.float32).astype(np.float64)
            np.testing.assert_allclose(model.mean, expected.mean(axis=0), rtol=1e-12)
            np.testing.assert_allclose(1 / model.scale, expected.std(axis=0), rtol=1e-6)

    def test_a_column_that_begins_to_vary_becomes_a_feature(self):
        rng = np.random.default_rng(3)
        x = np.c_[rng.normal(size=(400, 2)), np.full(400, 1e6)]
        model = ts.SparseMLP(
            [3, 30, 2], standardize=True, dropout=0.0, init="lecun_uniform", seed=0
        )
        for part in np.array_split(x[:100], 4):
            model.train_on_batch(part, (part[:, 0] > 0).astype(int), optimizer=ts.SGD(0.05))
        assert model.scale[2] == 0
        x[:, 2] += 50 * rng.normal(size=400)
        y = (x[:, 2] > 1e6).astype(int)
        for _ in range(15):
            for part in np.array_split(np.arange(400), 10):
                model.train_on_batch(x[part], y[part], optimizer=ts.SGD(0.05))
        assert model.evaluate(x, y)["accuracy"] > 0.9

    def test_of_streams_too(self):
        rng = np.random.default_rng(4)
        x, y = rng.normal(3e6, 5, size=(200, 3)), rng.integers(0, 2, 200)
        batches = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 200, 20)]
        model = ts.SparseMLP([3, 8, 2], standardize=True, seed=0)
        model.fit(batches.__iter__(), steps_per_epoch=10, epochs=1, progress=False)
        np.testing.assert_allclose(model.mean, x.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(1 / model.scale, x.std(axis=0), rtol=1e-9)

    def test_a_constant_first_batch_of_targets(self):
        rng = np.random.default_rng(5)
        x = rng.normal(size=(300, 3))
        y = 1000 + 300 * x[:, 0]
        regressor = SparseMLPRegressor(random_state=0)
        regressor.partial_fit(x[:2], [1.0, 1.0])
        for _ in range(30):
            for part in np.array_split(np.arange(300), 5):
                regressor.partial_fit(x[part], y[part])
        assert regressor.score(x, y) > 0.8


class TestTargets:
    """A model that standardises targets speaks in their units."""

    def data(self):
        rng = np.random.default_rng(6)
        x = rng.normal(size=(200, 3))
        return x, np.c_[1e9 + 20 * x[:, 0], 1e-6 * x[:, 1]]

    def test_predictions_are_in_units_wherever_they_come_from(self, tmp_path):
        x, y = self.data()
        model = trained(x, y, 2, loss="squared_error", standardize_targets=True)
        predicted = model.predict(x)
        assert predicted.dtype == np.float64
        assert np.abs(predicted - y).mean(axis=0)[0] < 10
        model.save(tmp_path / "m.safetensors")
        np.testing.assert_array_equal(ts.load(tmp_path / "m.safetensors").predict(x), predicted)
        model.export_npz(tmp_path / "files")
        again = ts.SparseMLP.from_npz(tmp_path / "files")
        np.testing.assert_array_equal(again.predict(x), predicted)
        assert again.evaluate(x, y) == model.evaluate(x, y)

    def test_the_command_line_predicts_what_the_estimator_does(self, tmp_path):
        x, y = self.data()
        regressor = SparseMLPRegressor(max_iter=5, random_state=0).fit(x, y)
        regressor.model_.save(tmp_path / "m.safetensors")
        np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c", comments="")
        call = ["predict", "m.safetensors", "--data", "x.csv", "--out", "p.csv"]
        call = [str(tmp_path / part) if "." in part else part for part in call]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            assert main(call) == 0
        found = np.loadtxt(tmp_path / "p.csv", delimiter=",", skiprows=1)
        np.testing.assert_allclose(
            found,
            regressor.predict(np.loadtxt(tmp_path / "x.csv", delimiter=",", skiprows=1)),
            rtol=1e-15,
        )

    def test_the_network_goes_on_where_the_estimator_was(self):
        x, y = self.data()
        regressor = SparseMLPRegressor(max_iter=20, random_state=0).fit(x, y[:, 0])
        before = regressor.score(x, y[:, 0])
        regressor.model_.fit(
            x, y[:, :1], epochs=5, optimizer=ts.SGD(0.001), topology=None, progress=False
        )
        assert regressor.score(x, y[:, 0]) > before - 0.05

    def test_workers_learn_the_same_targets(self):
        x, y = self.data()
        model = ts.SparseMLP([3, 20, 2], loss="squared_error", standardize_targets=True, seed=0)
        model.fit(
            x, y, epochs=3, strategy=ts.WASAP(workers=2), optimizer=ts.SGD(0.001), progress=False
        )
        assert np.abs(model.predict(x) - y).mean(axis=0)[0] < 100

    def test_needs_targets_of_any_size(self):
        with pytest.raises(
            ValueError, match="standardize_targets = True and loss = 'cross_entropy'"
        ):
            ts.SparseMLP([2, 3, 2], standardize_targets=True)

    def test_outliers_are_said(self):
        x, y = self.data()
        y = y[:, 0].copy()
        y[7] = 1e15
        with pytest.warns(RuntimeWarning, match=r"y has outliers.*1e\+15"):
            SparseMLPRegressor(max_iter=1, random_state=0).fit(x, y)

    @pytest.mark.parametrize("draw", ["normal", "lognormal", "poisson", "standard_cauchy"])
    def test_long_tails_are_none(self, draw):
        rng = np.random.default_rng(0)
        y = getattr(rng, draw)(size=300)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            SparseMLPRegressor(max_iter=1, random_state=0).fit(rng.normal(size=(300, 2)), y)


class TestTinyUnits:
    """Numbers in a unit whose squares float64 does not hold."""

    @pytest.mark.parametrize("unit", [1e-30, 1e-100, 1e-140])
    def test_units_that_float64_holds_change_nothing(self, unit):
        x, _ = hills()
        options = {"max_iter": 3, "random_state": 0}
        plain = SparseMLPRegressor(9, **options).fit(x, x[:, 0])
        other = SparseMLPRegressor(9, **options).fit(x * unit, x[:, 0] * unit)
        np.testing.assert_allclose(other.predict(x * unit) / unit, plain.predict(x), rtol=1e-4)

    @pytest.mark.parametrize("unit", [1e-149, 1e-165, 1e-250, 1e-319])
    @pytest.mark.parametrize("shift", [0, 1])
    def test_others_are_refused(self, unit, shift):
        x, _ = hills()
        y = np.linspace(-1, 3, len(x)) * unit + shift * unit
        for fit in (SparseMLPRegressor(9).fit, SparseMLPRegressor(9).partial_fit):
            with pytest.raises(ValueError, match=r"^y lies between .*: float64 does not hold"):
                fit(x, y)
        with pytest.raises(ValueError, match=r"^column 1 of y lies between"):
            SparseMLPRegressor(9).fit(x, np.c_[x[:, 0], y])
        settings = {"loss": "squared_error", "standardize_targets": True}
        with pytest.raises(ValueError, match=r"^y lies between"):
            trained(x, y, 1, **settings)
        with pytest.raises(ValueError, match=r"^column 2 of x lies between"):
            trained(np.c_[x, y], x[:, 0] > 9)

    def test_what_is_constant_is_taken(self):
        x, y = hills()
        model = SparseMLPRegressor(9, max_iter=1, random_state=0).fit(x, np.full(len(x), 3e-200))
        assert model.y_mean_.tolist() == [3e-200]
        trained(np.c_[x, np.full(len(x), 7e-300)], y)


class TestWhatIsLost:
    """A model that computes in float32 says which numbers it does not tell apart."""

    @pytest.mark.parametrize("offset", [1e8, 1.7e9])
    def test_of_samples_and_targets(self, offset):
        x, y = hills()
        with pytest.warns(RuntimeWarning, match="column 1 of x lies between.*standardize=True"):
            trained(np.c_[x[:, 0], x[:, 1] + offset], y, standardize=False)
        with pytest.warns(RuntimeWarning, match="y lies between.*standardize_targets=True"):
            trained(x, y + offset, 1, loss="squared_error")
        table = sp.csr_array(np.c_[x, x[:, 0] + offset])
        with pytest.warns(RuntimeWarning, match="column 2 of x lies between.*standardize=True"):
            trained(table, y, standardize=False)

    def test_the_remedy_is_one(self):
        """What is advised is not what the model has already."""
        x, y = hills()
        far = np.c_[x[:, 0], x[:, 1] + 3e8]
        old = ts.load(Path(__file__).parents[1] / "compatibility" / "sgd.safetensors")
        assert old.standardize
        rows = np.tile(far[:, :1], old.layer_sizes[0]) + 3e8
        with pytest.warns(RuntimeWarning, match="a new model, .*version 1") as said:
            old.train_on_batch(rows, np.zeros(len(rows), int))
        assert "standardize=True" not in str(said[0].message)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trained(sp.csr_array(far), y, standardize=True)

    @pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
    def test_estimators_say_it_once(self, form):
        """For all tries and all epochs whose samples are scored."""
        x, y = hills()
        far = form(np.c_[x[:, 0], x[:, 1] + 7e8])
        for estimator in (
            SparseMLPClassifier(
                8,
                max_iter=3,
                standardize=False,
                early_stopping=True,
                random_state=0,
                learning_rate_init="auto",
            ),
            SparseFeatureSelector(epochs=2, standardize=False),
        ):
            with warnings.catch_warnings(record=True) as said:
                warnings.simplefilter("always")
                with suppress(ValueError):  # unscaled samples of 7e8 may diverge
                    estimator.fit(far, y)
            messages = [str(warning.message) for warning in said]
            assert sum("lies between" in message for message in messages) == 1, messages
            assert any("column 1 of X" in message for message in messages)

    def test_nothing_is_said_of_numbers_that_are_told_apart(self):
        x, y = hills()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            trained(x / 1e3, y, standardize=False)
            trained(x + 1e9, y)
            trained(sp.csr_array(x + 1e9), y)
            trained(np.c_[x / 1e3, np.full(len(x), 1e9)].astype(np.float32), y)


def test_samples_beyond_float32_once_standardised_are_refused():
    x, y = hills()
    model = trained(x, y)
    with pytest.raises(ValueError, match=r"in row 1, column 0.*once they are standardised"):
        model.predict(np.array([[1.0, 2.0], [1e300, 2.0]]))


OPTIONS = {"batch_size": 16, "optimizer": ts.SGD(0.002, schedule="cosine"), "progress": False}


class TestGoingOn:
    """Saving after some epochs and going on gives the bits of the uninterrupted fit."""

    @pytest.mark.parametrize("rule", [ts.SET(0.3), ts.GradientGrowth(0.3), None])
    @pytest.mark.parametrize("stop", [1, 3])
    def test_the_obvious_way(self, rule, stop, tmp_path):
        x, y = hills()
        x = x / 100
        whole, path = ts.SparseMLP([2, 30, 20, 2], seed=0), tmp_path / "m.safetensors"
        part = ts.SparseMLP([2, 30, 20, 2], seed=0)

        class Save(ts.Callback):
            def on_epoch_end(self, epoch, logs):
                if epoch + 1 == stop:
                    self.model.save(path)

        whole.fit(x, y, epochs=5, topology=rule, callbacks=[Save()], **OPTIONS)
        part = ts.load(path)
        part.fit(x, y, epochs=5, initial_epoch=stop, topology=rule, **OPTIONS)
        for one, two in zip(whole.layers, part.layers, strict=True):
            np.testing.assert_array_equal(one.weight.indices, two.weight.indices)
            np.testing.assert_array_equal(one.weight.data, two.weight.data)

    def test_without_the_optimizer_it_says_so(self):
        x, y = hills()
        model = ts.SparseMLP([2, 9, 2], seed=0)
        model.fit(x, y, epochs=1, optimizer=ts.Adam(), progress=False)
        with pytest.warns(RuntimeWarning, match="Adam has trained the model"):
            model.fit(x, y, epochs=1, progress=False)
