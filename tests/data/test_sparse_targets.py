"""Sparse targets: what their array is, but in the memory of what they store."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from sklearn.metrics import accuracy_score, r2_score
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
        return fitted.model_.predict(X), fitted.validation_scores_, fitted.score(X, y)

    # Of sparse numbers the units are summed in another order.
    for found, expected in zip(run(sparse(kind, y)), run(y), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


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
    for call in (lambda: model.fit(X, y, progress=False), lambda: model.evaluate(X, y)):
        with pytest.raises(ValueError, match=r"y has shape \(45, 1073741824\)"):
            call()
    with pytest.raises(ValueError, match=r"y is sparse, and would take 386.5 GB.*batches"):
        ts.SparseFeatureSelector().fit(X, y)


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
    bad, labels = sp.csr_array(VALUES), sp.csr_array(LABELS.astype(float))
    bad.data[2] = labels.data[2] = np.inf
    calls = {
        "model": lambda: ts.SparseMLP([5, 9, 3], loss="huber").fit(X, bad, progress=False),
        "regressor": lambda: ts.SparseMLPRegressor(**QUICK).fit(X, bad),
        "classifier": lambda: ts.SparseMLPClassifier(**QUICK).fit(X, labels),
    }
    for call in calls.values():
        with pytest.raises(ValueError, match=r"y\[\d+, \d\] = inf"):
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


# --- never dense --------------------------------------------------------------------------------

WIDE = """
import json, os, sys
import numpy as np, scipy.sparse as sp, trulysparse as ts

rows, labels = 20_000, 30_000
rng = np.random.default_rng(0)
x = rng.normal(size=(rows, 8)).astype(np.float32)
columns = np.sort(rng.permuted(np.tile(np.arange(300), (rows, 1)), axis=1)[:, :3] * 100, axis=1)
ends = np.arange(0, 3 * rows + 1, 3)
y = sp.csr_array((np.ones(3 * rows), columns.reshape(-1), ends), (rows, labels))
weight = np.r_[np.ones(40), np.zeros(rows - 40)]

def peak_kib():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

warm = ts.SparseMLPClassifier(4, max_iter=1, random_state=0).fit(x[:9, :3], y[:9, :300] + 0)
warm.predict(x[:9, :3])
for name, work in json.loads(sys.argv[1]).items():
    child = os.fork()  # which has not to import all of it
    if child == 0:
        before = peak_kib()
        exec(work)
        print(name, peak_kib() - before, flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, name
"""
WORK = {
    "model": """
model = ts.SparseMLP([8, 4, labels], loss="binary_cross_entropy", epsilon=1, seed=0)
batches = ((x[i : i + 16], y[i : i + 16]) for i in range(0, 64, 16))
model.fit(batches, steps_per_epoch=2, epochs=1, progress=False, validation_data=(x[:9], y[:9]))
data = ts._core.Data(model._core, x, ts.data.arrays.targets(
    "y", y, rows, labels, "binary_cross_entropy"))
model._core.constant(data)
""",
    "classifier": """
given = {"class_weight": "balanced", "early_stopping": True, "batch_size": 16}
found = ts.SparseMLPClassifier(4, epsilon=1, max_iter=1, random_state=0, **given)
found.fit(x, y, weight).predict(x[:1000])
found.score(x[:500], y[:500])
found.partial_fit(x[:20], y[:20]) if found.set_params(class_weight=None) else None
""",
    "regressor": """
found = ts.SparseMLPRegressor(4, epsilon=1, max_iter=1, random_state=0, batch_size=16)
found.fit(x, y * 1.5, weight, X_val=x[:20], y_val=y[:20] * 1.5)
found.partial_fit(x[:20], y[:20])
""",
}


@pytest.fixture(scope="module")
def peaks():
    """The memory that each work takes at most, in KiB."""
    command = [sys.executable, "-c", WIDE, json.dumps(WORK)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc"
)
@pytest.mark.parametrize("name", WORK)
def test_memory_is_that_of_batches(name, peaks):
    """As an array in float32 the labels would take 2,289 MB."""
    assert 0 < int(peaks[name]) < 300 * 1024


def test_nothing_makes_all_of_them_dense(monkeypatch):
    asked = []

    def toarray(self, *args, **how):
        asked.append(self.shape[0])
        return real(self, *args, **how)

    real = sp.csr_array.toarray
    monkeypatch.setattr(sp.csr_array, "toarray", toarray)
    monkeypatch.setattr("trulysparse.estimators._partial._BLOCK", 3 * 10)
    y = sp.csr_array(LABELS)
    for estimator in (ts.SparseMLPClassifier(**QUICK, early_stopping=True), regressor()):
        estimator.fit(X, y).score(X, y)
        estimator.partial_fit(X, y).predict(X)
    assert asked
    assert max(asked) <= 10


def regressor():
    return ts.SparseMLPRegressor(**QUICK, early_stopping=True)


# --- what users get -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "csr_matrix"])
@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint32, np.float32, np.float64])
def test_predictions_are_sparse_as_the_labels_were(kind, dtype, monkeypatch):
    y = getattr(sp, kind)(LABELS.astype(dtype))
    found = ts.SparseMLPClassifier(**QUICK).fit(X, y)
    dense = ts.SparseMLPClassifier(**QUICK).fit(X, LABELS)
    expected = dense.predict(X)
    for size in (1 << 23, 3 * 7):
        monkeypatch.setattr("trulysparse.estimators._partial._BLOCK", size)
        predicted = found.predict(X)
        assert sp.issparse(predicted)
        assert (predicted.format, predicted.shape) == ("csr", (45, 3))
        np.testing.assert_array_equal(predicted.toarray(), expected)
        assert set(predicted.data.tolist()) <= {1}
        for labels in (y, LABELS):
            assert found.score(X, labels) == accuracy_score(LABELS, expected)
            assert dense.score(X, labels) == found.score(X, labels)
    np.testing.assert_array_equal(found.predict_proba(X), dense.predict_proba(X))
    assert found.predict(X[:1]).shape == (1, 3)


@pytest.mark.parametrize("estimator", ["classifier", "regressor"])
def test_scores_are_those_of_scikit_learn(estimator, monkeypatch):
    monkeypatch.setattr("trulysparse.estimators._partial._BLOCK", 3 * 7)
    weight = RNG.random(45)
    if estimator == "classifier":
        found = ts.SparseMLPClassifier(**QUICK).fit(X, sp.csr_array(LABELS))
        expected = accuracy_score(LABELS, found.predict(X).toarray(), sample_weight=weight)
        assert np.isclose(found.score(X, sp.csr_array(LABELS), weight), expected)
    else:
        values = np.c_[VALUES, np.full(45, 3.0)]
        found = ts.SparseMLPRegressor(**QUICK).fit(X, sp.csr_array(values))
        expected = r2_score(values, found.predict(X), sample_weight=weight)
        assert np.isclose(found.score(X, sp.csr_array(values), weight), expected)


@pytest.mark.parametrize("weights", ["balanced", [{0: 1, 1: 3}, {1: 0.5}, {0: 2}]])
def test_classes_weigh_as_those_of_dense_labels(weights):
    fitted = [
        ts.SparseMLPClassifier(**QUICK, class_weight=weights).fit(X, y)
        for y in (LABELS, sp.csr_array(LABELS))
    ]
    np.testing.assert_allclose(*(f.predict_proba(X) for f in fitted), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("weights", [{0: 1, 1: 3}, [{0: 1}], "even", [1, 2, 3]])
def test_other_weights_of_classes_are_refused(weights):
    classifier = ts.SparseMLPClassifier(**QUICK, class_weight=weights)
    with pytest.raises(ValueError, match="class_weight"):
        classifier.fit(X, sp.csr_array(LABELS))


@pytest.mark.parametrize("value", [2, 0.5, -1])
def test_labels_are_zeros_and_ones(value):
    y = sp.csr_array(LABELS.astype(float))
    y.data[5] = value
    with pytest.raises(ValueError, match=r"y\[\d+, \d\] = .*expected zeros and ones"):
        ts.SparseMLPClassifier(**QUICK).fit(X, y)


def test_one_hot_rows_train_a_softmax():
    classes = LABELS.sum(axis=1) % 3
    rows = sp.csr_array(np.eye(3)[classes])
    models = [ts.SparseMLP([5, 9, 3], seed=0) for _ in range(2)]
    for model, y in zip(models, (np.eye(3)[classes], rows), strict=True):
        model.fit(X, y, epochs=2, progress=False)
    assert models[0]._core.to_bytes({}) == models[1]._core.to_bytes({})
    rows.data[7] = 0.25
    with pytest.raises(ValueError, match=r"row 7 with sum 0\.25"):
        models[0].fit(X, rows, progress=False)


@pytest.mark.parametrize("strategy", [ts.WASSP(workers=2), ts.WASAP(workers=1)])
def test_workers_take_them(strategy):
    models = [ts.SparseMLP([5, 9, 3], loss="binary_cross_entropy", seed=0) for _ in range(2)]
    for model, y in zip(models, (LABELS, sp.csc_array(LABELS)), strict=True):
        model.fit(X, y, epochs=3, batch_size=8, strategy=strategy, progress=False)
    assert models[0]._core.to_bytes({}) == models[1]._core.to_bytes({})


def test_an_estimators_file_predicts_them(tmp_path):
    found = ts.SparseMLPClassifier(**QUICK).fit(X, sp.csr_array(LABELS))
    found.save(tmp_path / "labels.safetensors")
    again = ts.load(tmp_path / "labels.safetensors")
    assert (again.predict(X) != found.predict(X)).nnz == 0
    again.partial_fit(X, sp.csr_array(LABELS))
    assert sp.issparse(again.predict(X))


def test_one_column_of_labels_is_a_class_for_each_sample():
    y = sp.csr_array(LABELS[:, :1])
    with pytest.warns(UserWarning, match="column"):
        found = ts.SparseMLPClassifier(**QUICK).fit(X, y)
    assert found.predict(X).shape == (45,)
