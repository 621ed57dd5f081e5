"""Frames of which the columns are labelled by numbers, tuples or dates, and frames of targets."""

import copy

import numpy as np
import pytest
from trulysparse import SparseFeatureSelector, SparseMLPClassifier, SparseMLPRegressor

pd = pytest.importorskip("pandas", reason="pip install pandas")

RNG = np.random.default_rng(4)
X = RNG.normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)
QUICK = {"hidden_layer_sizes": (6,), "max_iter": 2, "random_state": 0}
LABELS = {
    "counted": range(4),
    "numbers": [2010, 2015, 2020, 2025],
    "shifted": [1, 2, 3, 4],
    "fractions": [0.5, 1.5, 2.5, 3.5],
    "tuples": pd.MultiIndex.from_tuples([("u", 1), ("u", 2), ("v", 1), ("v", 2)]),
    "dates": pd.date_range("2023-02-01", periods=4),
}
NAMED = LABELS | {"names": ["width", "height", "depth", "age"]}
ORDER = [3, 0, 2, 1]


def frame(labels, x=X):
    return pd.DataFrame(x, columns=labels)


@pytest.mark.parametrize("name", NAMED)
def test_columns_are_matched_by_label(name):
    x = frame(NAMED[name])
    moved = x.iloc[:, ORDER]
    classifier = SparseMLPClassifier(**QUICK).fit(x, Y)
    for call in (
        classifier.predict,
        classifier.predict_proba,
        lambda x: classifier.score(x, Y),
        lambda x: (
            SparseMLPClassifier(**QUICK)
            .fit(frame(NAMED[name]), Y, X_val=x, y_val=Y)
            .validation_scores_
        ),
        lambda x: copy.deepcopy(classifier).partial_fit(x, Y).predict_proba(x),
    ):
        expected = call(x)
        np.testing.assert_array_equal(call(moved), expected)
        with pytest.raises(ValueError, match="2 columns named"):
            call(x.iloc[:, [0, 1, 2, 2]])
        with pytest.raises(
            ValueError, match=r"other columns than in fit|expecting 4 features|yet now"
        ):
            call(x.iloc[:, :3])
    np.testing.assert_array_equal(
        SparseMLPClassifier(**QUICK).fit(moved, Y).predict_proba(moved),
        SparseMLPClassifier(**QUICK).fit(X[:, ORDER], Y).predict_proba(X[:, ORDER]),
    )


@pytest.mark.parametrize("name", LABELS)
def test_a_selector_refuses_another_order(name):
    x = frame(LABELS[name])
    selector = SparseFeatureSelector(epochs=1, random_state=0).fit(x, Y)
    with pytest.raises(ValueError, match=r"^X has the columns in another order than in"):
        selector.transform(x.iloc[:, ORDER])


@pytest.mark.parametrize("name", LABELS)
def test_other_columns_are_refused_and_arrays_go_by_position(name):
    regressor = SparseMLPRegressor(**QUICK).fit(frame(LABELS[name]), X[:, 0])
    expected = regressor.predict(X)
    for other, labels in LABELS.items():
        x = frame(labels)
        if other == name or ("counted" in (other, name) and "shifted" not in (other, name)):
            np.testing.assert_array_equal(regressor.predict(x), expected)
        else:
            with pytest.raises(ValueError, match=r"^X has other columns than in fit"):
                regressor.predict(x)


def test_after_arrays_only_another_order_is_refused():
    regressor = SparseMLPRegressor(**QUICK).fit(X, X[:, 0])
    for labels in LABELS.values():
        regressor.predict(frame(labels))
    with pytest.raises(ValueError, match="another order"):
        regressor.predict(frame(range(4)).iloc[:, ORDER])


@pytest.mark.parametrize("labels", [["width", "height"], [7, 5], ["b", 3]])
def test_targets_in_another_order_are_refused(labels):
    y = pd.DataFrame(X[:, :2] * [1, 50], columns=labels)
    moved = y.iloc[:, ::-1]
    regressor = SparseMLPRegressor(**QUICK).fit(X, y)
    before = regressor.predict(X)
    assert regressor.score(X, y) == regressor.score(X, y.to_numpy())
    for call in (
        lambda y: regressor.score(X, y),
        lambda y: regressor.partial_fit(X, y),
        lambda y: SparseMLPRegressor(**QUICK, early_stopping=True).fit(
            X, moved.iloc[:, ::-1], X_val=X, y_val=y
        ),
        lambda y: regressor.set_params(warm_start=True).fit(X, y),
    ):
        with pytest.raises(ValueError, match=r"^y(_val)? has the columns in another order than in"):
            call(moved)
    with pytest.raises(ValueError, match=r"^y has other columns than in fit"):
        regressor.score(X, y.set_axis(["width", "depth"], axis=1))
    np.testing.assert_array_equal(regressor.predict(X), before)
    regressor.partial_fit(X, y)


def test_labels_of_samples_in_another_order_are_refused():
    y = pd.DataFrame((X[:, :3] > 0).astype(int), columns=["red", "green", "blue"])
    classifier = SparseMLPClassifier(**QUICK).fit(X, y)
    with pytest.raises(ValueError, match=r"^y has the columns in another order"):
        classifier.score(X, y[["blue", "green", "red"]])


@pytest.mark.filterwarnings("ignore:A column-vector y")
def test_one_target_may_be_called_anything():
    regressor = SparseMLPRegressor(**QUICK).fit(X, pd.DataFrame({"price": X[:, 0]}))
    regressor.partial_fit(X, pd.DataFrame({"cost": X[:, 0]}))
    assert np.isfinite(regressor.score(X, pd.DataFrame({"worth": X[:, 0]})))
