"""Selection at a false discovery rate, and how often columns are selected."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from sklearn.base import clone

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 40)).astype(np.float32)
TRUE = [3, 7, 9]
VALUES = X[:, 3] + X[:, 7] - X[:, 9] + 0.3 * RNG.normal(size=300)
CLASSES = (VALUES > 0).astype(int)
QUICK = {"random_state": 0, "hidden_layer_sizes": 30}
NO_COLUMN = "no column of X is far enough ahead"


def selector(**how):
    return ts.SparseFeatureSelector(**(QUICK | how))


def found(x, y, **how):
    return selector(fdr=0.1, **how).fit(x, y)


@pytest.fixture(scope="module")
def sure():
    return found(X, CLASSES)


@pytest.fixture(scope="module")
def noise():
    with pytest.warns(UserWarning, match=NO_COLUMN):
        return found(X[:150, :20], RNG.integers(0, 2, 150))


def test_those_that_tell_are_selected(sure):
    assert set(TRUE) <= set(sure.get_support(indices=True)) <= {*TRUE, *np.argsort(sure.q_values_)}
    assert sure.n_features_ == (sure.q_values_ <= 0.1).sum() == sure.get_support().sum() < 6
    assert (sure.scores_[TRUE] > 0.2).all()
    assert sure.q_values_[TRUE].max() <= 0.1 < np.median(sure.q_values_) <= 1
    assert (sure.selection_frequency_[TRUE] == 1).all()
    assert sure.selection_frequency_.sum() == pytest.approx(sure.n_features_)
    assert sure.path_ is None
    # The network knows the selected columns only.
    others = X.copy()
    others[:, ~sure.get_support()] = 5
    assert np.array_equal(sure.model_.predict(X), sure.model_.predict(others))
    assert ((sure.model_.predict(X).argmax(axis=1) == CLASSES).mean()) > 0.85


def test_none_is_selected_of_noise(noise):
    assert noise.n_features_ == 0
    assert not noise.get_support().any()
    assert not noise.selection_frequency_.any()
    with pytest.warns(UserWarning, match="No features were selected"):
        assert noise.transform(X[:5, :20]).shape == (5, 0)
    assert pickle.loads(pickle.dumps(noise)).n_features_ == 0


def test_a_table_without_selected_columns_has_none():
    table = pd.DataFrame(X[:60, :4]).add_prefix("g").assign(h=list("abc") * 20)
    with pytest.warns(UserWarning, match=NO_COLUMN):
        chosen = found(table, RNG.integers(0, 2, 60))
    assert chosen.transform(table).shape == (60, 0)


def test_numbers_and_labels_are_told_too():
    assert set(TRUE) <= set(found(X, VALUES).get_support(indices=True))
    labels = np.stack([X[:, 3] > 0, X[:, 7] > 0], axis=1).astype(int)
    assert {3, 7} <= set(found(X, labels).get_support(indices=True))


def test_sparse_samples_and_columns_of_tables():
    rare = sp.random_array((400, 30), density=0.3, format="csr", random_state=1)
    y = (rare.toarray()[:, 2] > 0).astype(int)
    assert found(rare, y).get_support(indices=True)[0] == 2
    letters = RNG.choice(list("abcd"), 300)
    table = pd.DataFrame(X[:, 10:16]).add_prefix("g").assign(
        letter=letters, other=RNG.choice(list("pqrstuvw"), 300)
    )  # fmt: skip
    chosen = found(table, np.isin(letters, ["a", "b"]).astype(int))
    assert list(chosen.transform(table).columns) == ["letter"]


def test_nothing_depends_on_threads():
    one, two = (found(X[:80, :12], CLASSES[:80], n_jobs=jobs, epochs=2) for jobs in (1, 2))
    assert np.array_equal(one.q_values_, two.q_values_)
    assert np.array_equal(one.scores_, two.scores_)


def test_a_constant_column_is_never_selected():
    x = X[:, :8].copy()
    x[:, 2] = 4
    chosen = found(x, CLASSES)
    assert chosen.q_values_[2] == 1
    assert chosen.scores_[2] == 0


def test_weights_count():
    x, y = np.vstack([X, X]), np.append(CLASSES, RNG.permutation(CLASSES))
    weight = np.repeat([1.0, 0.0], 300)
    weighted = selector(fdr=0.1).fit(x, y, sample_weight=weight)
    assert set(TRUE) <= set(weighted.get_support(indices=True))


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, np.nan, "0.1", True])
def test_a_rate_is_between_0_and_1(rate):
    with pytest.raises((ValueError, TypeError), match="fdr"):
        selector(fdr=rate).fit(X, CLASSES)


def test_what_excludes_what():
    with pytest.raises(ValueError, match=r"fdr = 0.1 and n_features_to_select = 5"):
        selector(fdr=0.1, n_features_to_select=5).fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"fdr = 0.1 without y"):
        selector(fdr=0.1).fit(X)
    with pytest.raises(ValueError, match="n_subsamples = 2 without y"):
        selector(n_subsamples=2).fit(X)
    with pytest.raises(ValueError, match="n_subsamples"):
        selector(n_subsamples=-1).fit(X, CLASSES)


@pytest.mark.parametrize("rows", [2, 3, 4, 7])
def test_few_samples_are_not_enough_to_be_sure(rows):
    y = np.arange(rows) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = found(X[:rows, :5], y, n_subsamples=2)
    assert chosen.n_features_ == 0


def test_all_columns_constant():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = found(np.ones((20, 3)), np.arange(20) % 2)
    assert chosen.n_features_ == 0
    assert (chosen.q_values_ == 1).all()


def test_halves_of_the_samples_tell_how_often():
    chosen = selector(n_features_to_select=3, n_members=1, n_subsamples=4).fit(X, CLASSES)
    shares = chosen.selection_frequency_
    assert shares.sum() == pytest.approx(3)
    assert (shares[TRUE] >= 0.75).all()
    assert set(np.unique(4 * shares)) <= {0, 1, 2, 3, 4}
    # Of the halves nothing is in what is selected.
    plain = selector(n_features_to_select=3, n_members=1).fit(X, CLASSES)
    assert plain.selection_frequency_ is None
    assert np.array_equal(plain.scores_, chosen.scores_)
    again = clone(chosen).fit(X, CLASSES)
    assert np.array_equal(again.selection_frequency_, shares)
