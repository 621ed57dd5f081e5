"""Mistakes with sparse samples: what is said of them, by every call that takes samples."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st

ROWS, FEATURES = 30, 40
X = sp.random_array((ROWS, FEATURES), density=0.2, format="csr", rng=0, dtype=np.float32)
Y = np.arange(ROWS) % 2
QUICK = {"hidden_layer_sizes": (5,), "max_iter": 1, "random_state": 0}
NETWORK = ts.SparseMLP([FEATURES, 5, 2], seed=0)
CLASSIFIER = ts.SparseMLPClassifier(**QUICK)
SELECTOR = ts.SparseFeatureSelector(3, epochs=1, random_state=0)


@pytest.fixture(scope="module", autouse=True)
def fitted():
    CLASSIFIER.fit(X, Y)
    SELECTOR.fit(X, Y)


def labels(x):
    return Y[: x.shape[0] if hasattr(x, "shape") else len(x)]


def stream(x):
    return NETWORK.fit(iter([(x, labels(x))]), epochs=1, steps_per_epoch=1, progress=False)


CALLS = {
    "fit": lambda x: NETWORK.fit(x, labels(x), epochs=1, progress=False),
    "fit of an iterator": stream,
    "train_on_batch": lambda x: NETWORK.train_on_batch(x, labels(x)),
    "predict": lambda x: NETWORK.predict(x),
    "evaluate": lambda x: NETWORK.evaluate(x, labels(x)),
    "classifier.fit": lambda x: ts.SparseMLPClassifier(**QUICK).fit(x, labels(x)),
    "classifier.partial_fit": lambda x: ts.SparseMLPClassifier(**QUICK).partial_fit(
        x, labels(x), classes=[0, 1]
    ),
    "classifier.predict": lambda x: CLASSIFIER.predict(x),
    "regressor.fit": lambda x: ts.SparseMLPRegressor(**QUICK).fit(x, labels(x)),
    "selector.fit": lambda x: ts.SparseFeatureSelector(3, epochs=1).fit(x, labels(x)),
    "selector.transform": lambda x: SELECTOR.transform(x),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", [sp.csr_array, sp.coo_array])
def test_a_row_as_a_vector_is_named_with_the_remedy(call, kind):
    row = kind(X[0])
    assert row.ndim == 1
    with pytest.raises(ValueError, match=r"[xX] has shape \(40,\): .*A is A\[\[0\]\], not A\[0\]"):
        CALLS[call](row)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("rows", [[X[[0]], X[[1]]], (X[0], X[1]), [X[[0]].toarray()[0], X[[1]]]])
def test_rows_in_a_list_are_named_with_the_remedy(call, rows):
    boxed = np.empty(2, object)
    boxed[:] = rows
    for given_rows in (rows, boxed):
        with pytest.raises(TypeError, match=r"[xX] holds a c.._array: .*scipy\.sparse\.vstack"):
            CALLS[call](given_rows)


@pytest.mark.parametrize("call", CALLS)
@given(at=st.integers(0, X.nnz - 1), value=st.sampled_from([np.nan, np.inf, -np.inf, 1e300]))
def test_a_value_that_is_no_number_is_named_by_row_and_column_once(call, at, value):
    wide = value == 1e300
    if wide and call == "selector.transform":  # which only selects columns
        return
    if np.isnan(value) and call.startswith(
        ("classifier", "regressor", "selector")
    ):  # a missing cell
        return
    bad = X.astype(np.float64) if wide else X.copy()
    bad.data[at] = value
    column = bad.indices[at]
    row = int(np.searchsorted(bad.indptr, at, side="right")) - 1
    for matrix in (bad, bad.tocsc(), bad.tocoo()):
        with pytest.raises(ValueError, match="expected") as caught:
            CALLS[call](matrix)
        text = str(caught.value)
        assert f"[{row}, {column}] " in text
        assert text.count("expected") == 1
        assert "data" not in text


@pytest.mark.parametrize("call", ["predict", "classifier.predict"])
def test_numbers_as_objects_are_computed_with_as_numbers(call):
    boxed = X.copy()
    boxed.data = boxed.data.astype(object)
    assert np.array_equal(CALLS[call](boxed), CALLS[call](X))
    networks = [ts.SparseMLP([FEATURES, 5, 2], seed=0) for _ in range(2)]
    for network, x in zip(networks, (boxed, X), strict=True):
        network.fit(x, Y, epochs=1, progress=False)
    assert np.array_equal(networks[0].predict(X), networks[1].predict(X))
    boxed.data[3] = "0.5"
    for refused in CALLS.values():
        with pytest.raises(TypeError, match=r"data\[3\] = '0.5'"):
            refused(boxed)
