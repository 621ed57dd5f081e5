"""Some features of samples, their deviations, and which are screened."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given, settings
from hypothesis import strategies as st
from trulysparse.selection.elimination import Task
from trulysparse.selection.features import deviations, some, spread
from trulysparse.selection.screening import screened

RNG = np.random.default_rng(0)
DENSE = np.where(RNG.random((40, 9)) < 0.4, RNG.normal(size=(40, 9)), 0).astype(np.float32)


def whole(x):
    if isinstance(x, ts.Blocks):
        return np.hstack([x.dense, x.sparse.toarray()])
    return x.toarray() if sp.issparse(x) else x


@given(st.sets(st.integers(0, 8), min_size=1), st.integers(1, 8))
def test_some_features(features, cut):
    at = np.array(sorted(features))
    csr = sp.csr_array(DENSE)
    for x in (DENSE, csr, ts.Blocks(DENSE[:, :cut], csr[:, cut:])):
        np.testing.assert_array_equal(whole(some(x, at)), DENSE[:, at])


def test_weights_of_some_are_those_of_all():
    weights = sp.random_array((3, 4), density=0.6, rng=RNG, format="csr")
    at = np.array([0, 5, 6])
    expected = np.zeros((8, 4))
    expected[at] = weights.toarray()
    np.testing.assert_array_equal(spread(weights, at, 8).toarray(), expected)


@pytest.mark.parametrize("clip", [None, 3.0])
def test_deviations_are_of_what_the_network_gets(clip):
    rare = np.zeros(500)
    rare[:2] = 1
    x = np.column_stack([RNG.normal(5, 3, 500), rare, RNG.random(500) < 0.5]).astype(np.float32)
    model = ts.SparseMLP([3, 4, 2], density=1.0, standardize=True, clip=clip, seed=0)
    model.fit(x, np.arange(500) % 2, epochs=1, progress=False)
    z = (x - x.mean(axis=0, dtype=float)) / x.std(axis=0, dtype=float)
    z = z if clip is None else z / np.sqrt(1 + (z / clip) ** 2)
    np.testing.assert_allclose(deviations(model, x), z.std(axis=0), rtol=1e-5)
    if clip is not None:
        assert deviations(model, x)[1] < 0.3
    csr = sp.csr_array(x)
    plain = ts.SparseMLP([3, 4, 2], density=1.0, seed=0)
    np.testing.assert_allclose(deviations(plain, csr), x.std(axis=0), rtol=1e-5)
    both = ts.Blocks(x[:, :1], csr[:, 1:])
    np.testing.assert_allclose(deviations(plain, both), x.std(axis=0), rtol=1e-5)


@settings(deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30), st.sampled_from(["classes", "numbers", "labels"]))
def test_screening_is_as_a_naive_one(seed, most, kind):
    rng = np.random.default_rng(seed)
    x = rng.integers(-2, 3, size=(30, 20)).astype(np.float64)
    y = {
        "classes": rng.integers(0, 3, 30),
        "numbers": rng.normal(size=30),
        "labels": rng.integers(0, 2, (30, 4)).astype(float),
    }[kind]
    loss = {"classes": "cross_entropy", "numbers": "squared_error"}.get(
        kind, "binary_cross_entropy"
    )
    targets = np.eye(3)[y] if kind == "classes" else y.reshape(30, -1)
    features = np.flatnonzero(x.std(axis=0) > 0)

    def share(column):
        with np.errstate(invalid="ignore", divide="ignore"):
            found = [np.corrcoef(column, t)[0, 1] ** 2 for t in targets.T]
        return np.nan_to_num(found).max()

    plain = np.array([share(c) for c in x.T])
    curved = np.array([share((c - c.mean()) ** 2) for c in x.T])
    for table, scores in ((x, np.maximum(plain, curved)), (sp.csr_array(x), plain)):
        found = screened(Task(table, y, None, loss, 3), features, most)
        assert len(found) == min(most, len(features))
        assert (np.diff(found) > 0).all()
        left = np.setdiff1d(features, found)
        if len(left):
            assert scores[found].min() >= scores[left].max() - 1e-9
