"""`SparseFeatureSelector` on sparse tables, numbers, several labels and weighted samples."""

import warnings
from itertools import product

import numpy as np
import pytest
import scipy.sparse as sp
from helpers import cases
from trulysparse import SparseFeatureSelector

RNG = np.random.default_rng(21)
X = RNG.normal(size=(300, 50))
SPARSE = sp.csr_array(np.where(RNG.random(X.shape) < 0.3, np.abs(X) + 1, 0))
PLACES = [4, 31]
QUICK = {"epochs": 2, "hidden_layer_sizes": 10, "random_state": 0}


def selected(x, y=None, weight=None, count=2, **options):
    selector = SparseFeatureSelector(count, **({"random_state": 0} | options))
    return selector.fit(x, y, weight).get_support(indices=True).tolist()


def of_sparse(weights=(1, 1)):
    dense = SPARSE[:, PLACES].toarray()
    return dense @ np.asarray(weights)


@pytest.mark.parametrize("scale", [1e-3, 1, 1e5])
def test_numbers(scale):
    y = scale * (3 * X[:, 4] - 2 * X[:, 31] + 0.1 * RNG.normal(size=300)) + 7 * scale
    assert selected(X, y) == PLACES
    assert selected(X, y[:, np.newaxis].repeat(2, axis=1)) == PLACES
    selector = SparseFeatureSelector(2, **QUICK).fit(X, y)
    assert selector.model_.loss == "squared_error"
    assert not hasattr(selector, "classes_")


def test_whole_numbers_are_classes_unless_told():
    y = np.rint(20 * X[:, 4] - 20 * X[:, 31]).astype(int)
    assert selected(X, y, task="regression") == PLACES
    classes = SparseFeatureSelector(2, **QUICK).fit(X, y)
    assert classes.model_.layer_sizes[-1] == len(np.unique(y)) == len(classes.classes_)
    with pytest.raises(ValueError, match="task = 'ranking'"):
        selected(X, y, task="ranking")
    with pytest.raises(ValueError, match=r"dtype.*expected numbers with task='regression'"):
        selected(X, np.where(y > 0, "a", "b"), task="regression")
    with pytest.raises(ValueError, match="continuous"):
        selected(X, X[:, 0], task="classification")


@pytest.mark.parametrize(
    ("y", "suspected"),
    [
        (np.rint(1e3 * X[:, 4]), True),
        (np.rint(1e3 * X[:, 4]).astype(np.int32), True),
        (np.rint(10 * X[:, 4]).astype(str), False),
        (np.arange(300) % 60, False),
        (np.arange(300) % 61, True),
        (np.array([f"id{i // 2}" for i in range(300)]), False),
    ],
)
def test_whole_numbers_that_may_be_values_are_said(y, suspected):
    for task in ("auto", "classification"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            SparseFeatureSelector(2, task=task, **QUICK).fit(X, y)
        found = [one for one in caught if "and they are numbers" in str(one.message)]
        assert len(found) == (suspected and task == "auto")
        assert all(one.filename == __file__ for one in found)


@pytest.mark.parametrize("kind", ["dense", "csr", "csc", "coo"])
def test_several_labels(kind):
    labels = np.c_[X[:, 4] > 0.2, X[:, 31] > -0.2, X[:, 4] + X[:, 31] > 0].astype(int)
    y = labels if kind == "dense" else getattr(sp, f"{kind}_array")(labels)
    assert selected(X, y) == PLACES
    selector = SparseFeatureSelector(2, **QUICK).fit(X, y)
    assert selector.model_.loss == "binary_cross_entropy"
    assert selector.classes_.tolist() == [0, 1, 2]


# Each format with one of the noises.
FORMATS = cases.some(
    [("csr", 0), ("csc", 0.2), ("coo", 0)], list(product(["csr", "csc", "coo"], [0, 0.2]))
)


@pytest.mark.cases
@pytest.mark.parametrize(("kind", "noise"), FORMATS)
def test_sparse_tables(kind, noise):
    table = getattr(sp, f"{kind}_array")(SPARSE)
    y = of_sparse() > np.median(of_sparse())
    assert selected(table, y, noise=noise) == PLACES
    assert selected(table, of_sparse((3, -2)), noise=noise) == PLACES
    selector = SparseFeatureSelector(2, **QUICK).fit(table, y)
    assert selector.model_.input_noise == 0  # it would leave no zeros
    assert sp.issparse(selector.transform(table))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("standardize", [False, True])
def test_sparse_tables_without_labels_are_as_dense_ones(standardize, weighted):
    hidden = RNG.random(300) < 0.4
    block = hidden[:, np.newaxis] * (1 + RNG.random((300, 8)))
    table = np.c_[block, np.where(RNG.random((300, 32)) < 0.3, 2 * RNG.random((300, 32)), 0)]
    weight = RNG.integers(0, 3, size=300) if weighted else None
    settings = {"count": 8, "standardize": standardize, "weight": weight}
    dense = selected(table, **settings)
    sparse = selected(sp.csr_array(table), **settings)
    assert len(set(dense) & set(range(8))) >= 6
    assert len(set(sparse) & set(range(8))) >= 6
    again = SparseFeatureSelector(8, standardize=standardize, **QUICK)
    scores = [again.fit(sp.csr_array(table)).scores_.tobytes() for _ in range(2)]
    assert scores[0] == scores[1]
    assert again.model_.input_noise == 0.2
    np.testing.assert_allclose(
        again.model_.predict(sp.csr_array(table)), again.model_.predict(table), atol=1e-4
    )


def test_constant_columns_of_sparse_tables_come_last():
    table = SPARSE.toarray()
    table[:, [0, 20]] = 5, 0
    for y in (None, of_sparse() > 2):
        selector = SparseFeatureSelector(48, **QUICK).fit(sp.csr_array(table), y)
        assert selector.scores_[[0, 20]].tolist() == [0, 0]


def test_samples_of_weight_zero_are_absent():
    y = X[:, 4] > 0
    weight = np.repeat([1.0, 0.0], 150)
    wrong = np.where(weight > 0, y, RNG.random(300) < 0.5)
    for table in (X, SPARSE):
        for targets in (wrong, wrong + 0.5, None):
            whole = SparseFeatureSelector(2, **QUICK).fit(table, targets, weight)
            some = None if targets is None else targets[:150]
            part = SparseFeatureSelector(2, **QUICK).fit(table[:150], some)
            assert whole.scores_.tobytes() == part.scores_.tobytes()


def test_weights_say_what_matters():
    first, second = X[:, 4] > 0, X[:, 31] > 0
    y = np.where(np.arange(300) < 150, first, second)
    heavy = np.where(np.arange(300) < 150, 1.0, 1e-3)
    assert selected(X, y, heavy, count=1) == [4]
    assert selected(X, y, heavy[::-1], count=1) == [31]
    scaled = [SparseFeatureSelector(2, **QUICK).fit(X, y, c * heavy).scores_ for c in (1, 8)]
    np.testing.assert_array_equal(*scaled)
