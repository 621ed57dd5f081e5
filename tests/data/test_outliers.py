"""Columns whose outliers leave the other values no spread: named once; others are not."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse.data.outliers import squeezed

NAMES = list("abcdefgh")


def normal(samples=400, seed=0):
    x = np.random.default_rng(seed).normal(size=(samples, 8))
    return x, (x[:, 1] > 0).astype(int)


def model(**settings):
    return ts.SparseMLP([8, 20, 2], seed=0, **({"standardize": True, "density": 1} | settings))


def fit(network, x, y):
    return network.fit(x, y, epochs=1, progress=False)


@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(30, 3000),
    size=st.floats(3, 30),
    scale=st.floats(-20, 20),
    offset=st.sampled_from([0.0, -3.0, 1e3]),
    sign=st.sampled_from([-1, 1]),
)
def test_a_far_value_is_found_in_any_units(seed, samples, size, scale, offset, sign):
    x, _ = normal(samples, seed)
    far = np.random.default_rng(seed).integers(samples)
    x[far, 3] = sign * 10**size * max(1, np.sqrt(samples) / 30)
    x = (x + offset) * 10**scale
    (found,) = squeezed(x)
    assert found.column == 3
    assert found.farthest == x[far, 3]
    assert x[:, 3].min() <= found.low < found.high <= x[:, 3].max()


@pytest.mark.parametrize("samples", [25, 300, 20000])
@pytest.mark.parametrize(
    "draw",
    [
        lambda r, size: r.normal(size=size),
        lambda r, size: np.exp(r.normal(size=size)),
        lambda r, size: r.standard_t(3, size=size),
        lambda r, size: r.exponential(size=size),
        lambda r, size: r.poisson(0.01, size),
        lambda r, size: r.poisson(3, size),
        lambda r, size: 1000 * r.poisson(0.001, size),
        lambda r, size: r.random(size) < 2 / size[0],
        lambda r, size: np.eye(8)[r.integers(0, 8, size[0])],
        lambda r, size: np.exp(r.normal(size=size)) * (r.random(size) < 0.4),
        lambda r, size: 1e9 + r.normal(size=size),
        lambda r, size: np.ones(size),
    ],
)
def test_columns_as_they_come_are_left_alone(draw, samples):
    for seed in range(5):
        x = draw(np.random.default_rng(seed), (samples, 8))
        assert squeezed(np.asarray(x, np.float32)) == []
        assert squeezed(np.asarray(x, np.float64)) == []


def test_a_few_values_and_both_ends_are_found():
    x, _ = normal(1000)
    x[::150, 2] = 1e6
    x[::150, 5] = -1e6
    x[::2, 6] = 1e6  # half of them: two clouds
    assert [one.column for one in squeezed(x)] == [2, 5]


def test_numbers_at_the_ends_of_float64_say_nothing_else():
    x, _ = normal()
    x[:, 4] *= 1e307
    x[3, 5] = 1e308
    x[4, 5] = -1e308
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [one.column for one in squeezed(x)] == [5]


def test_one_column_of_thousands_is_no_matter():
    x = np.random.default_rng(0).normal(size=(60, 5000))
    x[5, 4500] = 1e6
    assert squeezed(x) == []
    x[5, 4400:4500] = 1e6
    assert len(squeezed(x)) == 101


class TestSaid:
    def test_by_models_once(self):
        x, y = normal()
        x[7, :7] = 1e4
        network = model()
        message = "x has outliers: column 'a' has 10000, .* columns 'b', 'c', 'd', 'e' and 2 more"
        with pytest.warns(RuntimeWarning, match=message) as caught:
            fit(network, pd.DataFrame(x, columns=NAMES), y)
        assert len(caught) == 1
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fit(network, pd.DataFrame(x, columns=NAMES), y)

    @pytest.mark.parametrize(
        "estimator",
        [
            ts.SparseMLPClassifier(max_iter=1, scale="standard"),
            ts.SparseMLPRegressor(max_iter=1, scale="standard"),
            ts.SparseFeatureSelector(epochs=1),
        ],
    )
    def test_by_estimators_once(self, estimator):
        x, y = normal()
        x[7, 2] = 1e4
        for given_x, name in ((x, "2"), (pd.DataFrame(x, columns=NAMES), "'c'")):
            with pytest.warns(RuntimeWarning, match=f"X has outliers: column {name} has") as caught:
                estimator.fit(given_x, y)
            assert len(caught) == 1
            assert caught[0].filename == __file__

    def test_as_an_error_leaves_the_model_as_it_was(self, state_of):
        x, y = normal()
        x[7, 2] = 1e4
        network = model()
        before = state_of(network)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning, match="has outliers"):
                fit(network, x, y)
        assert state_of(network) == before

    def test_not_where_nothing_is_standardised(self):
        x, y = normal()
        x[7, 2] = 1e4
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ts.ExplosionWarning)
            fit(model(standardize=False), x, y)
            fit(model(standardize=True), sp.csr_array(np.where(abs(x) > 0.5, x, 0)), y)

    @pytest.mark.parametrize("settings", [{}, {"standardize_targets": True}])
    def test_of_targets_whose_errors_are_squared(self, settings):
        x, y = normal()
        y = y + x[:, 0]
        y[7] = 1e4
        network = ts.SparseMLP([8, 20, 1], loss="squared_error", seed=0, density=1, **settings)
        options = {"epochs": 1, "progress": False, "optimizer": ts.SGD(1e-6)}
        with pytest.warns(RuntimeWarning, match="y has outliers: a target is 10000, ") as caught:
            network.fit(x, y, **options)
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            ts.SparseMLP([8, 20, 1], loss="huber", seed=0, density=1).fit(x, y, **options)
            y[7] = 3
            ts.SparseMLP([8, 20, 1], loss="squared_error", seed=0, density=1).fit(x, y, **options)
        y[7] = 1e6
        with pytest.warns(RuntimeWarning) as caught:
            ts.SparseMLPRegressor(max_iter=1).fit(x, y)
        assert len(caught) == 1  # its own words
