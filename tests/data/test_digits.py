"""Columns whose values fall together are said; close values that differ count."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.data.digits import in_float32, in_float64, merged, standardised
from trulysparse.data.readers import check_arrays, read_npz
from trulysparse.data.sparse import check_sparse
from trulysparse.datasets import load_csv

SAMPLES = 240
CONTAINERS = {"array": np.asarray, "sparse": sp.csr_array}


def classes():
    return np.random.default_rng(0).integers(0, 2, SAMPLES)


def beside(column, width=1):
    """A table of a column and noise."""
    return np.c_[column, np.random.default_rng(1).normal(size=(len(column), width)) + 9]


def network(features=2, outputs=2, **settings):
    settings = {"standardize": True, "seed": 0, "density": 1} | settings
    return ts.SparseMLP([features, 12, outputs], **settings)


def fit(model, x, y, epochs=1):
    return model.fit(x, y, epochs=epochs, topology=None, progress=False)


def by_batches(model, x, y):
    for part in np.array_split(np.arange(x.shape[0]), 4):
        model.train_on_batch(x[part], y[part])


def by_iterator(model, x, y):
    model.fit(iter([(x, y)]), steps_per_epoch=1, epochs=1, progress=False)


WAYS = {"fit": fit, "train_on_batch": by_batches, "iterator": by_iterator}


@pytest.fixture
def quiet():
    """Warnings are errors."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ts.ExplosionWarning)
        yield


class TestCloseValues:
    """A column that varies is a feature, unless rounding explains it."""

    @pytest.mark.parametrize("kind", CONTAINERS)
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(
        ("offset", "step"),
        [(2**49, 1), (-(2**50), 1), (2**52, 1), (1.3e15, 1.25), (3e15, 8), (6e-5, 2e-19)],
    )
    def test_are_features(self, offset, step, way, kind, quiet):
        x, model = beside(offset + step * classes()), network()
        WAYS[way](model, CONTAINERS[kind](x), classes())
        np.testing.assert_allclose(1 / model.scale[0], (x[:, 0] - offset).std(), rtol=0.02)

    @pytest.mark.parametrize("kind", CONTAINERS)
    def test_are_learnt(self, kind, quiet):
        x, y = CONTAINERS[kind](beside(2.0**49 + classes())), classes()
        settings = {"standardize": True, "random_state": 0, "max_iter": 20}
        classifier = ts.SparseMLPClassifier(**settings).fit(x, y)
        assert classifier.score(x, y) == 1
        assert classifier.feature_importances_.argmax() == 0

    @pytest.mark.parametrize("kind", CONTAINERS)
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize(
        ("one", "other"),
        [(0.1 + 0.2, 0.3), (1 / 49 * 49, 1.0), (0.1 * 7, 0.7), (-1e9 / 3, None)],
    )
    def test_that_rounding_explains_are_said(self, one, other, way, kind):
        other = np.nextafter(one, 0) if other is None else other
        assert one != other
        x, model = beside(np.where(classes(), one, other)), network()
        with pytest.warns(RuntimeWarning, match="column 0 of x is taken as constant") as said:
            WAYS[way](model, CONTAINERS[kind](x), classes())
        assert {warning.filename for warning in said} == {__file__}
        assert model.scale[0] == 0

    def test_are_named_by_estimators(self):
        x = pd.DataFrame(beside(np.where(classes(), 0.1 + 0.7, 0.8)), columns=["share", "b"])
        estimator = ts.SparseMLPClassifier(random_state=0, max_iter=2)
        with pytest.warns(RuntimeWarning, match="column 'share' of X is taken as constant") as said:
            estimator.fit(x, classes())
        assert [w.filename for w in said if "constant" in str(w.message)] == [__file__]
        with pytest.warns(RuntimeWarning, match="column 'share' of X is taken as constant"):
            estimator.partial_fit(x, classes())

    def test_of_targets(self):
        y = np.where(classes(), 0.1 + 0.2, 0.3)
        model = network(outputs=1, loss="squared_error", standardize_targets=True)
        with pytest.warns(RuntimeWarning, match="^y is taken as constant"):
            fit(model, beside(classes()), y)

    def test_a_column_that_was_constant_and_varies_later_is_none_of_them(self, quiet):
        model, x = network(), beside(np.full(SAMPLES, 7.0))
        fit(model, x, classes())
        x[:, 0] += classes()
        fit(model, x, classes())
        assert model.scale[0] > 0


class TestIntegers:
    """Integers beyond 2**53 that float64 merges."""

    def table(self, offset, dtype=np.int64):
        column = np.array(
            [offset + int(i) for i in np.random.default_rng(2).integers(0, 9, SAMPLES)]
        )
        return np.c_[column.astype(dtype), np.arange(SAMPLES).astype(dtype)]

    @pytest.mark.parametrize("kind", CONTAINERS)
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("offset", [2**54, -(2**57), 1_700_000_000_000_000_000])
    def test_are_said(self, offset, way, kind):
        with pytest.warns(RuntimeWarning, match="column 0 of .*x has 9 different integers"):
            WAYS[way](network(), CONTAINERS[kind](self.table(offset)), classes())

    def test_with_a_zero_for_none(self):
        table = self.table(2**60)
        table[::3, 0] = 0
        with pytest.warns(RuntimeWarning, match="column 0 of x has 10 different integers"):
            fit(network(), table, classes())

    @pytest.mark.parametrize("kind", [*CONTAINERS, "frame", "mixed frame", "nullable", "list"])
    @pytest.mark.parametrize(
        "estimator",
        [ts.SparseMLPClassifier(max_iter=1), ts.SparseFeatureSelector(1, epochs=1)],
    )
    def test_by_estimators(self, estimator, kind):
        table = self.table(2**61)
        frame = pd.DataFrame(table, columns=["id", "b"])
        forms = {
            "frame": frame,
            "mixed frame": frame.assign(b=frame.b / 3),
            "nullable": frame.astype("Int64"),
            "list": table.tolist(),
        }
        x = forms[kind] if kind in forms else CONTAINERS[kind](table)
        label = "'id'" if hasattr(x, "columns") else "0"
        with pytest.warns(RuntimeWarning, match=f"column {label} of X has 9 different integers"):
            estimator.fit(x, classes())

    def test_in_a_later_batch(self):
        table, y = self.table(2**60), classes()
        classifier = ts.SparseMLPClassifier(random_state=0)
        classifier.partial_fit(table[:1], y[:1], classes=[0, 1])
        with pytest.warns(RuntimeWarning, match="column 0 of X has 9 different integers"):
            classifier.partial_fit(table, y)

    @pytest.mark.parametrize("dtype", ["int64", "Int64"])
    def test_in_a_column_of_a_frame_with_fractions(self, dtype):
        frame = pd.DataFrame({"id": self.table(2**59)[:, 0], "b": classes() / 3})
        frame = frame.astype({"id": dtype})
        with pytest.warns(RuntimeWarning, match="column 'id' of x has 9 different integers"):
            fit(network(), frame, classes())

    def test_in_files(self, tmp_path):
        x = self.table(2**58)
        path = tmp_path / "t.csv"
        lines = [f"{a},{b},{c}" for (a, b), c in zip(x.tolist(), classes(), strict=True)]
        path.write_text("\n".join(["id,b,y", *lines, ""]))
        with pytest.warns(RuntimeWarning, match=r"column 'id' of .*t.csv has 9 different integers"):
            load_csv(path)
        np.savez(tmp_path / "t.npz", x_train=x, y_train=classes())
        path = tmp_path / "t.npz"
        with pytest.warns(RuntimeWarning, match="column 0 of x_train of .* 9 different integers"):
            check_arrays(path, read_npz(path))

    def test_others_are_not(self, quiet, tmp_path):
        rng = np.random.default_rng(3)
        for column in (
            rng.integers(0, 2**62, SAMPLES),
            2**52 + np.arange(SAMPLES),
            2**60 + 2**8 * rng.integers(0, 99, SAMPLES),
        ):
            table = np.c_[column, np.arange(SAMPLES)]
            fit(network(), table, classes())
            ts.SparseMLPClassifier(max_iter=1, random_state=0).fit(table, classes())
            np.savetxt(tmp_path / "t.csv", table, "%d", ",", header="a,b", comments="")
            load_csv(tmp_path / "t.csv")


class TestSentinels:
    """Values far from all others, beside which float32 merges those."""

    def column(self, none=0.0, part=0.25, offset=1.6e9, span=900, samples=SAMPLES):
        rng = np.random.default_rng(4)
        return np.where(rng.random(samples) < part, none, offset + rng.integers(0, span, samples))

    @pytest.mark.parametrize("kind", CONTAINERS)
    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("standardize", [True, False])
    @pytest.mark.parametrize("part", [0.25, 0.5])
    def test_are_said(self, kind, way, standardize, part):
        x = CONTAINERS[kind](beside(self.column(part=part)))
        with pytest.warns(RuntimeWarning, match="column 0 of .*x has .* different values") as said:
            WAYS[way](network(standardize=standardize), x, classes())
        texts = {str(warning.message): warning.filename for warning in said}
        (text,) = [text for text in texts if "different values" in text]
        assert " 0 is far" in text
        assert texts[text] == __file__

    @pytest.mark.parametrize("part", [0.05, 0.1, 0.9])
    def test_few_and_many(self, part):
        column = self.column(part=part, span=90)
        with pytest.warns(RuntimeWarning, match="different values"):
            fit(network(), beside(column), classes())

    @pytest.mark.parametrize("none", [-1.0, 1e18, -1e15])
    def test_of_any_value(self, none):
        with pytest.warns(RuntimeWarning, match="different values"):
            fit(network(), beside(self.column(none)), classes())

    def test_of_two_values(self):
        column = np.where(np.arange(SAMPLES) % 4 == 0, 0, 1e8 + classes())
        for standardize in (True, False):
            with pytest.warns(RuntimeWarning, match="has 3 different values .* tells 2 apart"):
                fit(network(standardize=standardize), beside(column), classes())

    def test_in_float32_samples_too(self):
        column = np.where(np.arange(SAMPLES) % 5 == 0, -1e15, np.arange(SAMPLES))
        with pytest.warns(RuntimeWarning, match="once standardised"):
            fit(network(), beside(column).astype(np.float32), classes())

    @pytest.mark.parametrize(
        "estimator",
        [
            ts.SparseMLPClassifier(max_iter=2, random_state=0, scale="standard"),
            ts.SparseMLPClassifier(max_iter=2, random_state=0, standardize=False),
            ts.SparseFeatureSelector(1, epochs=2, random_state=0),
        ],
    )
    def test_by_estimators_once(self, estimator):
        frame = pd.DataFrame(beside(self.column()), columns=["seen", "b"])
        with pytest.warns(RuntimeWarning, match="column 'seen' of X has") as said:
            estimator.fit(frame, classes())
        places = [w.filename for w in said if "different values" in str(w.message)]
        assert places == [__file__]

    def test_of_targets(self):
        y = self.column()
        for standardize in (True, False):
            model = network(outputs=1, loss="squared_error", standardize_targets=standardize)
            with pytest.warns(RuntimeWarning, match="^y has .* different values"):
                model.fit(beside(classes()), y, epochs=1, optimizer=ts.SGD(1e-30), progress=False)
        with pytest.warns(RuntimeWarning, match="^y has .* different values"):
            ts.SparseMLPRegressor(max_iter=1, random_state=0).fit(beside(classes()), y)

    def test_of_an_autoencoder_are_of_its_samples_only(self):
        selector = ts.SparseFeatureSelector(1, epochs=1, random_state=0)
        with pytest.warns(RuntimeWarning, match="column 0 of X has") as said:
            selector.fit(beside(self.column()))
        assert len(said) == 1

    def test_as_an_error_leaves_the_model_as_it_was(self, state_of):
        model = network()
        before = state_of(model)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning, match="different values"):
                fit(model, beside(self.column()), classes())
        assert state_of(model) == before


def ordinary(name, samples):
    rng = np.random.default_rng(5)
    return {
        "normal": lambda: rng.normal(size=samples),
        "cauchy": lambda: rng.standard_cauchy(samples),
        "lognormal": lambda: rng.lognormal(0, 3, samples),
        "pareto": lambda: rng.pareto(0.8, samples),
        "uniform": lambda: rng.random(samples),
        "counts": lambda: rng.poisson(0.1, samples).astype(float),
        "one-hot": lambda: (rng.random(samples) < 0.05).astype(float),
        "rare": lambda: np.where(rng.random(samples) < 0.02, rng.normal(size=samples), 0),
        "grid": lambda: rng.integers(0, 20, samples) * 0.1,
        "noisy grid": lambda: rng.integers(0, 9, samples) * (0.1 + 1e-16 * rng.random(samples)),
        "seconds": lambda: 1.7e9 + rng.integers(0, 10**6, samples),
        "amounts": lambda: np.round(rng.lognormal(5, 2, samples), 2),
        "none is -999": lambda: np.where(rng.random(samples) < 0.2, -999, rng.normal(size=samples)),
        "p values": lambda: rng.random(samples) ** 4,
    }[name]()


ORDINARY = ["normal", "cauchy", "lognormal", "pareto", "uniform", "counts", "one-hot", "rare"]
ORDINARY += ["grid", "noisy grid", "seconds", "amounts", "none is -999", "p values"]


@pytest.mark.parametrize("samples", [30, 400, 6000])
@pytest.mark.parametrize("name", ORDINARY)
def test_ordinary_columns_are_not_said(name, samples):
    column = ordinary(name, samples)[:, None]
    with np.errstate(divide="ignore"):
        scale = 1 / column.std(axis=0)
    statistics = ts._core.Statistics(column.mean(axis=0), np.where(scale < 1e300, scale, 0), 1.0)
    assert merged(column, standardised(statistics), statistics.scale > 0) == []
    if name != "seconds":
        assert merged(column, in_float32) == []


@given(
    values=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=6, unique=True),
    repeats=st.integers(5, 60),
)
def test_integers_are_said_only_where_some_merge(values, repeats):
    column = np.array(values * repeats)[:, None]
    found = merged(column, in_float64)
    assert bool(found) == (len(set(map(float, values))) < len(values))
    if found:
        assert found[0].before == len(values)
        assert found[0].after == len(set(map(float, values)))


class TestSparse:
    @pytest.mark.parametrize("size", [1e-46, 3e-42, 1e-60])
    def test_tiny_numbers_have_the_statistics_of_dense_ones(self, size, quiet):
        x = beside(size * classes())
        models = [network(dropout=0.0), network(dropout=0.0)]
        for model, form in zip(models, (np.asarray, sp.csr_array), strict=True):
            fit(model, form(x), classes(), epochs=9)
        np.testing.assert_allclose(models[0].scale, models[1].scale, rtol=1e-9)
        found = [model.evaluate(x, classes())["accuracy"] for model in models]
        assert found[0] == found[1]
        np.testing.assert_allclose(
            models[1].predict(sp.csr_array(x)), models[1].predict(x), atol=1e-5
        )

    @pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32])
    @pytest.mark.parametrize("kind", ["coo", "csr", "csc", "bsr"])
    def test_sums_of_duplicates_do_not_wrap(self, dtype, kind):
        large = np.iinfo(dtype).max
        data, columns = np.array([large, large, 3], dtype), np.array([1, 1, 0])
        matrix = {
            "coo": lambda: sp.coo_array((data, (np.zeros(3, int), columns)), shape=(1, 2)),
            "csr": lambda: sp.csr_array((data, columns, [0, 3]), shape=(1, 2)),
            "csc": lambda: sp.csc_array((data[[2, 0, 1]], [0, 0, 0], [0, 1, 3]), shape=(1, 2)),
            "bsr": lambda: sp.bsr_array((data[:, None, None], columns, [0, 3]), shape=(1, 2)),
        }[kind]()
        dense = np.array([[3.0, 2.0 * large]])
        model = network(standardize=False)
        np.testing.assert_array_equal(model.predict(matrix), model.predict(dense))
        weights = [sp.csr_array(matrix.T), np.ones((1, 2))]
        if kind == "coo":
            weights[0] = sp.coo_array((data, (columns, np.zeros(3, int))), shape=(2, 1))
            again = ts.SparseMLP.from_scipy(weights)
            stored = again.to_scipy()[0][0].toarray()
            np.testing.assert_array_equal(stored, dense.T.astype(np.float32))

    def test_sums_beyond_64_bits_are_refused(self):
        matrix = sp.coo_array(
            (np.full(3, 2**62), (np.zeros(3, int), np.ones(3, int))), shape=(1, 2)
        )
        with pytest.raises(ValueError, match=r"x has duplicates whose sum is 1\.38.*e\+19"):
            network(standardize=False).predict(matrix)

    def test_types_stay_where_sums_fit(self):
        data = np.array([3, 4], np.int8)
        matrix = sp.coo_array((data, ([0, 0], [1, 1])), shape=(1, 2))
        checked = check_sparse("x", matrix)
        assert (checked.dtype, checked.toarray().tolist()) == (np.int8, [[0, 7]])


class TestCoarseSamples:
    """Samples of a type that does not hold what a model was trained on."""

    def model(self):
        x, model = beside(1.5e9 + classes()), network()
        fit(model, x, classes())
        return model, x

    def test_are_said(self):
        model, x = self.model()
        narrow = x.astype(np.float32)
        for call in (
            lambda: model.predict(narrow),
            lambda: model.evaluate(narrow, classes()),
            lambda: model.predict(sp.csr_array(narrow)),
        ):
            with pytest.warns(
                RuntimeWarning, match="column 0 of x is float32.* steps of 128"
            ) as said:
                call()
            assert said[0].filename == __file__

    def test_others_are_not(self, quiet):
        model, x = self.model()
        model.predict(x)
        model.predict(sp.csr_array(x))
        far = beside(16_777_210 + 3 * classes()).astype(np.float32)
        other = network()
        fit(other, far, classes())
        other.predict(far)
        other.predict(far.astype(np.int64))
