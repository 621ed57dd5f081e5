"""`SparseFeatureSelector` where little varies, numbers are extreme or few samples count."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from trulysparse import Blocks, SparseFeatureSelector

RNG = np.random.default_rng(5)
X = RNG.normal(size=(40, 6))
Y = (X[:, 3] > 0).astype(int)
WAYS = [{}, {"n_features_to_select": "auto"}, {"fdr": 0.3}, {"n_subsamples": 2}]


def selector(**options):
    return SparseFeatureSelector(**({"epochs": 2, "n_members": 1, "random_state": 0} | options))


def fitted(x, y=Y, weight=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return selector(**options).fit(x, y, weight)


@pytest.mark.parametrize("make", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("way", WAYS)
def test_columns_that_vary_in_no_row_or_in_one(make, way):
    for row in (None, 0, 39):
        x = np.zeros((40, 6))
        if row is not None:
            x[row, 4] = 1
        for seed in range(3):
            scores = fitted(make(x), random_state=seed, **way).scores_
            assert np.flatnonzero(scores).tolist() == ([] if row is None else [4])


def test_a_column_without_a_score_is_selected_in_no_half():
    x = np.zeros((40, 6))
    x[:, 5] = Y
    x[[0, 1], [3, 4]] = 1  # each has one value in about half of the halves
    shares = fitted(sp.csr_array(x), n_features_to_select=3, n_subsamples=12).selection_frequency_
    assert (shares[:3] == 0).all()
    assert shares[5] == 1
    assert (shares[3:5] < 1).all()


@pytest.mark.parametrize("way", WAYS)
def test_the_order_in_memory_changes_no_bit(way):
    one, other = fitted(X, **way), fitted(np.asfortranarray(X), **way)
    frame = fitted(pd.DataFrame(X), **way)
    assert one.scores_.tolist() == other.scores_.tolist() == frame.scores_.tolist()
    assert one.path_ == other.path_ == frame.path_


def test_the_order_in_memory_changes_no_bit_of_a_screening():
    from trulysparse.selection.elimination import Task
    from trulysparse.selection.screening import in_common

    tasks = [Task(x, Y, None, "cross_entropy", 2) for x in (X, np.asfortranarray(X))]
    assert in_common(tasks[0]).tolist() == in_common(tasks[1]).tolist()


@pytest.mark.parametrize("y", [Y, None], ids=["classes", "none"])
def test_places_of_extreme_numbers_are_those_of_the_user(y):
    x = X.copy()
    x[:, 0], x[7, 2] = 1, -1e39  # networks take no constant column
    weight = np.ones(40)
    weight[3] = 0
    names = list("abcdef")
    with pytest.raises(ValueError, match=r"X\[7, 2\] = -1e\+39: expected .* float32's range"):
        selector().fit(x, y, weight)
    with pytest.raises(ValueError, match=r"X\[7, 'c'\] = -1e\+39"):
        selector().fit(pd.DataFrame(x, columns=names), y)
    text = pd.DataFrame(x, columns=names).assign(a=np.where(Y, "p", "q"))
    with pytest.raises(ValueError, match=r"X\[7, 'c'\] = -1e\+39"):
        selector().fit(text[["a", "c"]], y)
    for held in (sp.csr_array(x), Blocks(X[:, :1], sp.csr_array(x[:, 1:]))):
        with pytest.raises(ValueError, match=r"X\[7, 2\] = -1e\+39"):
            selector().fit(held, y)
    x[:, 2] = 1e-300 * X[:, 2]
    with pytest.raises(ValueError, match=r"column 2 of X lies between"):
        selector().fit(x, y)
    with pytest.raises(ValueError, match=r"column 'c' of X lies between"):
        selector().fit(pd.DataFrame(x, columns=names), y)


def test_numbers_that_round_to_float32s_largest_are_taken():
    x = np.where(X > 0, np.nextafter(np.float64(np.finfo(np.float32).max), np.inf), X)
    assert fitted(x).scores_.max() == 1


@pytest.mark.parametrize("way", WAYS)
def test_targets_that_are_the_same_in_rows_that_count(way):
    for y, what in ((Y, "class, 1"), (Y + 0.5, "value, 1.5")):
        with pytest.raises(ValueError, match=f"y has one {what} where sample_weight is above 0"):
            selector(**way).fit(X, y, Y.astype(float))
    with pytest.raises(ValueError, match="1 of 40 samples has a weight above 0: expected at least"):
        selector().fit(X, None, np.eye(40)[0])
    with pytest.raises(ValueError, match="y has one value, 1: expected two or more"):
        selector(task="regression", **way).fit(X, np.ones(40, int))


def test_rates_below_all_that_can_be_told():
    for rate in (1e-3, 5e-324):
        with pytest.warns(UserWarning, match="none is selected; the lowest rate with one is 0.01"):
            chosen = selector(fdr=rate, epochs=20).fit(X, X[:, 3])
        assert chosen.n_features_ == 0
        assert chosen.q_values_[3] == chosen.q_values_.min() == pytest.approx(0.01)


@pytest.mark.parametrize("y", [Y, None], ids=["classes", "none"])
def test_too_many_columns_are_said_once(y):
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        assert selector(n_features_to_select=9).fit(X, y).n_features_ == 6
    told = [one for one in said if "but there are 6 features" in str(one.message)]
    assert [one.filename for one in told] == [__file__]


def test_huge_counts_are_refused_or_take_no_memory():
    with pytest.raises(ValueError, match="n_members = 1001: expected an integer from 1 to 1000"):
        selector(n_members=1001).fit(X, Y)


def test_targets_without_an_order_are_named():
    with pytest.raises(TypeError, match="y has labels of the types int, str: expected one"):
        selector().fit(X, np.array([1, "a"] * 20, object))


def test_missing_numbers_go_back():
    x = X.copy()
    x[3] = np.nan
    chosen = fitted(x)
    back = chosen.inverse_transform(chosen.transform(x))
    mask = chosen.get_support()
    np.testing.assert_array_equal(back, np.where(mask, x, 0))
    with pytest.raises(ValueError, match="X has 2 columns: expected 3, as many as are selected"):
        chosen.inverse_transform(x[:, :2])


def test_a_frame_without_columns():
    with pytest.raises(ValueError, match="X has no columns: expected at least one"):
        selector().fit(pd.DataFrame(index=range(40)), Y)
