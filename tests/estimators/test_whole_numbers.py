"""Classes and targets beyond 2**53, where float64 does not hold every integer."""

import numpy as np
import pytest
from trulysparse import SparseFeatureSelector, SparseMLP, SparseMLPClassifier, SparseMLPRegressor

pd = pytest.importorskip("pandas", reason="pip install pandas")

X = np.random.default_rng(5).normal(size=(24, 3))
IDS = [2**60 + 3, 2**60 + 4, 2**60 + 6]
Y = np.array(IDS)[np.arange(24) % 3]


def forms(values):
    values = np.asarray(values)
    yield from (values, values.tolist(), pd.Series(values), pd.Series(values, dtype="Int64"))
    yield pd.Series(values, dtype="UInt64", index=range(5, 5 + len(values)))


@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_classes_stay_apart():
    for y in (*forms(Y), pd.DataFrame({"id": pd.array(Y, dtype="Int64")})):
        model = SparseMLPClassifier(6, max_iter=2, random_state=0).fit(X, y)
        assert model.classes_.tolist() == IDS
        right = np.mean(model.predict(X) == Y)
        assert model.score(X, y) == right
        assert (
            SparseFeatureSelector(epochs=1, task="classification").fit(X, y).classes_.tolist()
            == IDS
        )


def test_classes_named_beforehand_stay_apart():
    for classes, y in zip(forms(IDS), forms(Y), strict=True):
        model = SparseMLPClassifier(6, random_state=0).partial_fit(X, y, classes=classes)
        model.partial_fit(X, y, classes=classes)
        assert model.classes_.tolist() == IDS
        other = np.where(IDS[0] == Y, IDS[0] - 1, Y)
        for unknown in (other, other.astype(np.uint64), other.astype(np.float64)):
            with pytest.raises(ValueError, match="y has the classes"):
                model.partial_fit(X, unknown)


def test_targets_that_become_one_are_refused():
    for y in forms(Y):
        for fit in (
            SparseMLPRegressor(6, max_iter=1).fit,
            SparseMLPRegressor(6).partial_fit,
            SparseMLP([3, 6, 1], loss="squared_error", standardize_targets=True).fit,
        ):
            with pytest.raises(
                ValueError, match=r"y lies between 1152921504606846979 and .*differ"
            ):
                fit(X, y)
    two = np.c_[np.arange(24), Y]
    with pytest.raises(ValueError, match="column 1 of y lies between"):
        SparseMLPRegressor(6, max_iter=1).fit(X, two)


def test_targets_far_apart_are_taken():
    y = 2**60 + np.arange(24) * 2**40
    model = SparseMLPRegressor(6, max_iter=1, random_state=0).fit(X, pd.Series(y, dtype="Int64"))
    assert model.y_scale_[0] == pytest.approx(np.arange(24).std() * 2**40)
