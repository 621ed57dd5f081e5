"""What a model predicts for the same numbers does not depend on what holds them."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st

KINDS = {
    "array": np.asarray,
    "frame": pd.DataFrame,
    **{f"{name}": getattr(sp, f"{name}_array") for name in ("csr", "csc", "coo", "lil", "dok")},
    "matrix": sp.csr_matrix,
}
FIT = {"epochs": 3, "batch_size": 16, "optimizer": ts.SGD(0.02), "progress": False}


def table(offset, step, seed=0, samples=60):
    """A column far from 0, one that is mostly 0, one that is constant, and a plain one."""
    rng = np.random.default_rng(seed)
    far = offset + step * rng.integers(-50, 50, samples)
    counts = rng.poisson(0.3, samples) * rng.random(samples)
    x = np.c_[far, counts, np.full(samples, offset / 3), rng.normal(size=samples)]
    return x, (far > np.median(far)).astype(int)


def trained(kind, x, y, verb="fit"):
    model = ts.SparseMLP([4, 20, 2], standardize=True, dropout=0.0, density=0.8, seed=3, threads=1)
    if verb == "fit":
        model.fit(kind(x), y, **FIT)
    else:
        for start in range(0, len(x), 20):
            model.train_on_batch(kind(x[start : start + 20]), y[start : start + 20])
    return model


@given(
    first=st.sampled_from(list(KINDS)),
    verb=st.sampled_from(["fit", "train_on_batch"]),
    offset=st.sampled_from([0.0, -7.3, 123456.78, 2.0**25, -1.7e9, 1.7e12, 1.7e15]),
    step=st.sampled_from([1.0, 0.25, 4.0]),
    seed=st.integers(0, 5),
)
def test_predictions_agree(first, verb, offset, step, seed):
    x, y = table(offset, step, seed)
    model = trained(KINDS[first], x, y, verb)
    expected = model.predict(x)
    for name, kind in KINDS.items():
        np.testing.assert_allclose(model.predict(kind(x)), expected, atol=2e-5, err_msg=name)
        # Alone a row says nothing of how far apart the values are.
        single = model.predict(kind(x[7:8]))
        np.testing.assert_allclose(single, expected[7:8], atol=2e-5, err_msg=name)
    assert model.evaluate(sp.csr_array(x), y)["loss"] == pytest.approx(
        model.evaluate(x, y)["loss"], abs=1e-4
    )


@pytest.mark.parametrize("offset", [0.0, 1.7e9, 1.7e12])
def test_statistics_agree(offset):
    x, y = table(offset, 1.0)
    dense, sparse = trained(np.asarray, x, y), trained(sp.csr_array, x, y)
    np.testing.assert_allclose(dense.mean, sparse.mean, rtol=1e-12, atol=1e-6)
    np.testing.assert_allclose(dense.scale, sparse.scale, rtol=1e-6)
    assert dense.scale[2] == sparse.scale[2] == 0


def test_whole_numbers_beyond_float32_in_sparse_matrices():
    ids = 2**40 + np.random.default_rng(0).permutation(np.arange(64))[:, np.newaxis]
    y = (ids[:, 0] % 64 > 31).astype(int)
    model = ts.SparseMLP([1, 20, 2], standardize=True, dropout=0.0, density=1.0, seed=0)
    model.fit(sp.csr_array(ids), y, **FIT)
    assert len(np.unique(model.predict(sp.csr_array(ids))[:, 0])) == 64
    assert np.array_equal(model.predict(ids), model.predict(sp.coo_array(ids)))


@pytest.mark.parametrize("kind", [ts.SparseMLPClassifier, ts.SparseMLPRegressor])
def test_estimators_agree(kind):
    x, y = table(1.7e9, 1.0)
    for first in (np.asarray, sp.csr_array):
        estimator = kind((20,), max_iter=3, standardize=True, random_state=0).fit(first(x), y)
        outputs = [estimator.predict(as_(x)) for as_ in (np.asarray, sp.csr_array, sp.csc_array)]
        np.testing.assert_allclose(outputs[1], outputs[0], atol=1e-4)
        np.testing.assert_allclose(outputs[2], outputs[0], atol=1e-4)


def test_values_that_float32_tells_apart_stay_float32():
    """The bits of a sparse fit are those that they were: rounded first."""
    x, y = table(0.0, 0.1)
    rounded = x.astype(np.float32)
    one, other = trained(sp.csr_array, x, y), trained(sp.csr_array, rounded, y)
    assert np.array_equal(one.predict(sp.csr_array(x)), other.predict(sp.csr_array(rounded)))
