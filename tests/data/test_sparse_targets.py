"""Sparse targets: as their array, up to a size that is told."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from trulysparse.data import arrays

RNG = np.random.default_rng(9)
X = RNG.normal(size=(45, 5))
LABELS = (X[:, :3] > 0.4).astype(np.int64)
VALUES = np.where(LABELS, X[:, :3], 0)
KINDS = ["csr", "csc", "coo", "lil", "dok", "bsr", "dia"]
QUICK = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": 8}


def sparse(kind, array):
    return getattr(sp, f"{kind}_array")(array)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "loss", ["binary_cross_entropy", "squared_error", "huber", "cross_entropy"]
)
def test_a_model_takes_them_as_their_array(kind, loss):
    y = {"binary_cross_entropy": LABELS, "cross_entropy": np.eye(3)[LABELS.sum(axis=1) % 3]}
    y = y.get(loss, VALUES)

    def run(y):
        model = ts.SparseMLP([5, 9, 3], loss=loss, seed=0, threads=1)
        model.fit(X, y, epochs=2, validation_data=(X, y), progress=False)
        model.train_on_batch(X, y)
        model.evolve(ts.GradientGrowth(), X, y)
        return model._core.to_bytes({}), model.evaluate(X, y), model.gradient_norms(X, y).tobytes()

    assert run(sparse(kind, y)) == run(y)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("estimator", "y"), [(ts.SparseMLPClassifier, LABELS), (ts.SparseMLPRegressor, VALUES)]
)
def test_estimators_take_them_as_their_array(kind, estimator, y):
    def run(y):
        fitted = estimator(**QUICK).fit(X, y, X_val=X, y_val=y)
        fitted.partial_fit(X, y)
        return fitted.predict(X).tobytes(), fitted.validation_scores_, fitted.score(X, y)

    assert run(sparse(kind, y)) == run(y)


def test_batches_of_them():
    def run(*batches):
        model = ts.SparseMLP([5, 9, 3], loss="binary_cross_entropy", seed=0)
        model.fit(iter(batches * 3), steps_per_epoch=2, epochs=2, progress=False)
        return model._core.to_bytes({})

    dense = [(X[:20], LABELS[:20]), (X[20:], LABELS[20:])]
    assert run(*((x, sp.csr_array(y)) for x, y in dense)) == run(*dense)


def test_too_large_ones_are_refused_before_memory_is_taken():
    wide = 2**30
    y = sp.csr_array(([1.0], [5], np.r_[0, np.ones(45, int)]), shape=(45, wide))
    model = ts.SparseMLP([5, 9, 3], loss="binary_cross_entropy")
    for call in (
        lambda: model.fit(X, y, progress=False),
        lambda: model.evaluate(X, y),
        lambda: ts.SparseMLPClassifier(**QUICK).fit(X, y),
        lambda: ts.SparseMLPRegressor(**QUICK).fit(X, y),
        lambda: ts.SparseFeatureSelector().fit(X, y),
    ):
        with pytest.raises(ValueError, match=r"y is sparse, and would take 386.5 GB.*batches"):
            call()


def test_the_limit_is_of_their_own_type(monkeypatch):
    monkeypatch.setattr(arrays, "MOST_DENSE", 45 * 3)
    assert arrays.dense("y", sp.csr_array(LABELS.astype(np.int8))).dtype == np.int8
    with pytest.raises(ValueError, match="y is sparse"):
        arrays.dense("y", sp.csr_array(LABELS))


@pytest.mark.parametrize("shape", [(44, 3), (45, 2), (45, 1)])
def test_other_shapes_are_named(shape):
    model = ts.SparseMLP([5, 9, 3], loss="binary_cross_entropy")
    with pytest.raises(ValueError, match=r"y has (44 samples|shape \(45, \d\))"):
        model.fit(X, sp.csr_array(np.ones(shape)), progress=False)


def test_values_that_are_none_are_refused():
    bad = sp.csr_array(VALUES)
    bad.data[2] = np.nan
    calls = {
        "model": lambda: ts.SparseMLP([5, 9, 3], loss="huber").fit(X, bad, progress=False),
        "regressor": lambda: ts.SparseMLPRegressor(**QUICK).fit(X, bad),
        "classifier": lambda: ts.SparseMLPClassifier(**QUICK).fit(X, bad),
    }
    for call in calls.values():
        with pytest.raises(ValueError, match=r"y\[.*|NaN"):
            call()
    with pytest.raises(TypeError, match="sample_weight is a sparse matrix"):
        ts.SparseMLPClassifier(**QUICK).fit(X, LABELS, sp.csr_array(np.ones((45, 1))))


@pytest.mark.parametrize("one", [True, False])
def test_frames_of_pandas_sparse_types(one):
    pd = pytest.importorskip("pandas", reason="pip install pandas")
    rng = np.random.default_rng(8)
    x = rng.normal(size=(40, 5))
    labels = (x[:, :2] > 0).astype(float)
    if one:
        y, labels = pd.Series(pd.arrays.SparseArray(labels[:, 0])), labels[:, 0]
    else:
        y = pd.DataFrame.sparse.from_spmatrix(sp.csr_matrix(labels))
    classifier, other = (
        ts.SparseMLPClassifier(max_iter=2, random_state=0).fit(x, targets)
        for targets in (y, labels)
    )
    np.testing.assert_array_equal(classifier.predict_proba(x), other.predict_proba(x))
    assert classifier.score(x, y) == other.score(x, labels)
    selectors = (
        ts.SparseFeatureSelector(2, epochs=2, random_state=0).fit(x, targets)
        for targets in (y, labels)
    )
    np.testing.assert_array_equal(*(selector.scores_ for selector in selectors))
