"""Samples that the estimators hold out, and those with weights."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import make_multilabel_classification
from trulysparse import SparseFeatureSelector, SparseMLP, SparseMLPClassifier, SparseMLPRegressor
from trulysparse.plot import learning_curves

QUICK = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
BOTH = pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])


# --- validation -------------------------------------------------------------------------------


@BOTH
def test_early_stopping_keeps_the_best_network(estimator):
    # Labels that are noise: what is learnt from them is worth nothing elsewhere.
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 10)), rng.integers(2, size=300)
    fitted = estimator(
        early_stopping=True, n_iter_no_change=4, max_iter=200, dropout=0, random_state=0
    ).fit(x[:200], y[:200], X_val=x[200:], y_val=y[200:])
    scores = fitted.validation_scores_
    assert fitted.n_iter_ == len(scores) == len(fitted.loss_curve_) < 200
    best = int(np.argmax(scores))
    assert fitted.best_validation_score_ == scores[best] == fitted.score(x[200:], y[200:])
    assert fitted.best_epoch_ == fitted.history_.kept_epoch == best < len(scores) - 1
    assert max(scores[-4:]) < max(scores[:-4]) + 1e-4
    # The same without stopping has the same scores, and ends with another network.
    longer = estimator(max_iter=200, dropout=0, random_state=0)
    longer.fit(x[:200], y[:200], X_val=x[200:], y_val=y[200:])
    assert longer.validation_scores_[: len(scores)] == scores
    assert longer.n_iter_ == 200
    assert longer.score(x[200:], y[200:]) == longer.validation_scores_[-1]
    assert longer.best_epoch_ == int(np.argmax(longer.validation_scores_))
    assert longer.history_.kept_epoch is None


def test_the_picture_marks_the_network_that_is_kept():
    pytest.importorskip("matplotlib", reason="pip install 'trulysparse[plot]'")
    from matplotlib.figure import Figure

    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 6))
    y = (x[:, 0] + 1.5 * rng.normal(size=400) > 2).astype(int)  # few of class 1
    fitted = SparseMLPClassifier(
        early_stopping=True, class_weight="balanced", max_iter=30, random_state=0, dropout=0
    ).fit(x[:200], y[:200], X_val=x[200:], y_val=y[200:])
    accuracies = fitted.history_.history["val_accuracy"]
    assert fitted.best_epoch_ != int(np.argmax(accuracies))  # which has no class weights
    axes = Figure().subplots()
    learning_curves(fitted, axes)
    kept = accuracies[fitted.best_epoch_]
    title = f"kept: validation {100 * kept:.1f} %, epoch {fitted.best_epoch_ + 1}"
    assert axes.figure.axes[1].get_title(loc="right") == title


@BOTH
def test_early_stopping_holds_samples_out(estimator, wine):
    x, x_test, y, y_test = wine
    fitted = estimator(
        early_stopping=True, validation_fraction=0.25, max_iter=30, random_state=0
    ).fit(x, y)
    assert len(fitted.validation_scores_) == fitted.n_iter_
    # 93 of 124 samples, 16 at a time.
    assert fitted.model_.steps_trained % 6 == 0
    assert fitted.score(x_test, y_test) > 0.8
    assert "val_loss" in fitted.history_.history


def test_few_samples_are_enough_for_early_stopping():
    x = np.random.default_rng(0).normal(size=(12, 3))
    for y, held in ((np.arange(12) % 2, 2), (np.arange(12) % 4, 4)):
        fitted = SparseMLPClassifier(**QUICK, early_stopping=True, batch_size=1).fit(x, y)
        assert fitted.model_.steps_trained % (12 - held) == 0
    fitted = SparseMLPRegressor(**QUICK, early_stopping=True, batch_size=1).fit(x, x[:, 0])
    assert fitted.model_.steps_trained % 10 == 0


@BOTH
def test_validation_data_are_scored_without_stopping(estimator, wine):
    x, x_test, y, y_test = wine
    fitted = estimator(**QUICK).fit(x, y, X_val=x_test, y_val=y_test)
    plain = estimator(**QUICK).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), plain.predict(x))
    assert len(fitted.validation_scores_) == 5
    assert fitted.validation_scores_[-1] == fitted.score(x_test, y_test)
    assert len(fitted.history_.history["val_loss"]) == 5
    if estimator is SparseMLPClassifier:
        assert fitted.history_.history["val_accuracy"] == pytest.approx(fitted.validation_scores_)


@BOTH
def test_wrong_validation_data(estimator, wine):
    x, x_test, y, y_test = wine
    fresh = estimator(**QUICK)
    with pytest.raises(ValueError, match="X_val without y_val"):
        fresh.fit(x, y, X_val=x_test)
    with pytest.raises(ValueError, match="y_val without X_val"):
        fresh.fit(x, y, y_val=y_test)
    with pytest.raises(ValueError, match="features"):
        fresh.fit(x, y, X_val=x_test[:, :3], y_val=y_test)
    with pytest.raises(ValueError, match="inconsistent"):
        fresh.fit(x, y, X_val=x_test, y_val=y_test[:5])
    if estimator is SparseMLPClassifier:
        with pytest.raises(ValueError, match=r"y_val has the classes \[7\]"):
            fresh.fit(x, y, X_val=x_test, y_val=np.full(len(y_test), 7))


# --- weights ----------------------------------------------------------------------------------


@BOTH
def test_samples_of_weight_zero_are_not_seen(estimator, wine):
    x, x_test, y, _ = wine
    weight = np.ones(len(y))
    weight[::3] = 0
    kept = weight > 0
    expected = estimator(**QUICK).fit(x[kept], y[kept], weight[kept]).predict(x_test)
    spoiled = np.where(kept[:, np.newaxis], x, 1e9)
    found = estimator(**QUICK).fit(spoiled, y, weight).predict(x_test)
    np.testing.assert_array_equal(found, expected)


@BOTH
def test_only_the_proportions_of_weights_matter(estimator, wine):
    x, x_test, y, _ = wine
    weight = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    fitted = [estimator(**QUICK).fit(x, y, weight * factor) for factor in (1, 1024)]
    np.testing.assert_array_equal(fitted[0].predict(x_test), fitted[1].predict(x_test))
    unweighted = estimator(**QUICK).fit(x, y).predict(x_test)
    ones = estimator(**QUICK).fit(x, y, np.full(len(y), 3.0)).predict(x_test)
    np.testing.assert_allclose(ones, unweighted, rtol=1e-4)
    assert fitted[0].loss_curve_ != estimator(**QUICK).fit(x, y).loss_curve_


def test_weights_decide_between_contradictions():
    x = np.repeat(np.random.default_rng(0).normal(size=(50, 3)), 2, axis=0)
    y = np.tile([0, 1], 50)
    for heavy in (0, 1):
        weight = np.where(y == heavy, 3.0, 1.0)
        proba = SparseMLPClassifier(random_state=0).fit(x, y, weight).predict_proba(x)
        assert proba[:, heavy].mean() == pytest.approx(0.75, abs=0.05)
        values = SparseMLPRegressor(random_state=0).fit(x, y, weight)
        assert values.predict(x).mean() == pytest.approx(0.25 + 0.5 * heavy, abs=0.05)
        np.testing.assert_allclose(values.y_mean_, [0.25 + 0.5 * heavy])


def test_class_weights():
    rng = np.random.default_rng(0)
    y = (rng.random(600) < 0.1).astype(int)
    x = rng.normal(size=(600, 5)) + 0.5 * y[:, np.newaxis]

    def caught(class_weight, labels=y):
        classifier = SparseMLPClassifier(max_iter=30, random_state=0, class_weight=class_weight)
        return classifier.fit(x, labels).predict(x)[y == 1].mean()

    assert caught("balanced") > caught(None) + 0.2
    assert caught({0: 1, 1: 9}) > caught(None) + 0.2
    # A class's weight is the weight of each of its samples.
    fitted = SparseMLPClassifier(**QUICK, class_weight={0: 1, 1: 4}).fit(x, y)
    given = SparseMLPClassifier(**QUICK).fit(x, y, np.where(y == 1, 4.0, 1.0))
    np.testing.assert_array_equal(fitted.predict_proba(x), given.predict_proba(x))
    product = SparseMLPClassifier(**QUICK, class_weight={0: 1, 1: 4})
    product.fit(x, y, np.where(y == 1, 0.25, 1.0))
    plain = SparseMLPClassifier(**QUICK).fit(x, y)
    np.testing.assert_array_equal(product.predict_proba(x), plain.predict_proba(x))


def test_class_weights_decide_when_to_stop():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), (rng.random(200) < 0.1).astype(int)
    weights = {0: 1e-4, 1: 1000}
    settings = QUICK | {"max_iter": 30, "early_stopping": True, "class_weight": weights}
    fitted = SparseMLPClassifier(**settings).fit(x, y)
    assert (fitted.predict(x) == 1).mean() > 0.9
    # As if a sample of class 1 were all that counts.
    assert fitted.best_validation_score_ > 0.99
    fitted.fit(x, y, X_val=x, y_val=y)
    expected = np.average(fitted.predict(x) == y, weights=np.where(y == 1, 1000, 1e-4))
    assert fitted.best_validation_score_ == pytest.approx(expected)


def test_class_weights_of_several_labels():
    x, y = make_multilabel_classification(200, 10, n_classes=2, random_state=0)
    weights = [{0: 1, 1: 3}, {0: 1, 1: 1}]
    fitted = SparseMLPClassifier(**QUICK, class_weight=weights).fit(x, y)
    given = SparseMLPClassifier(**QUICK).fit(x, y, np.where(y[:, 0] == 1, 3.0, 1.0))
    np.testing.assert_array_equal(fitted.predict_proba(x), given.predict_proba(x))
    SparseMLPClassifier(**QUICK, class_weight="balanced").fit(x, y)


@pytest.mark.parametrize("kind", [list, np.array, np.float32])
def test_weights_that_are_all_zero_are_named(kind):
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.arange(12) % 2
    zeros = kind([0.0] * 12)
    numbers = SparseMLP([3, 4, 1], loss="squared_error")
    regressor = SparseMLPRegressor(4, max_iter=1).fit(x, y)
    classifier = SparseMLPClassifier(4, max_iter=1).fit(x, y)
    for call in (
        numbers.fit,
        SparseMLPRegressor(4).fit,
        SparseMLPRegressor(4).partial_fit,
        regressor.score,
        SparseMLPClassifier(4).fit,
        SparseMLPClassifier(4).partial_fit,
        classifier.score,
        SparseFeatureSelector().fit,
    ):
        with pytest.raises(ValueError, match=r"^sample_weight is zero for all samples"):
            call(x, y, sample_weight=zeros)
    with pytest.raises(ValueError, match=r"class_weight, .* is zero for all samples"):
        SparseMLPClassifier(4, class_weight={0: 0, 1: 0}).fit(x, y)


@pytest.mark.parametrize("tiny", [1e-300, 5e-324, 3e-50])
def test_weights_that_float32_makes_zeros_of(tiny):
    """Where only proportions matter they are as good as others; elsewhere they are refused."""
    x, y = np.random.default_rng(0).normal(size=(12, 3)), np.linspace(2, 5, 12)
    weight = np.full(12, tiny)
    plain = SparseMLPRegressor(4, max_iter=3, random_state=0).fit(x, y)
    same = SparseMLPRegressor(4, max_iter=3, random_state=0).fit(x, y, sample_weight=weight)
    np.testing.assert_array_equal(same.predict(x), plain.predict(x))
    assert same.score(x, y, weight) == pytest.approx(plain.score(x, y))
    numbers = SparseMLP([3, 4, 1], loss="squared_error")
    for call in (numbers.fit, numbers.train_on_batch, SparseMLPRegressor(4).partial_fit):
        with pytest.raises(
            ValueError, match=r"^sample_weight has no number above .*larger weights"
        ):
            call(x, y, sample_weight=weight)
    beside_one = np.where(np.arange(12) == 0, 1, weight)
    SparseMLP([3, 4, 1], loss="squared_error").fit(
        x, y, epochs=1, sample_weight=beside_one, progress=False
    )


# --- what is no weight ------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("bad", [-1.0, -1e-300, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17])
def test_score_refuses_the_weights_that_fit_refuses(estimator, bad, place):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(30, 4)), rng.integers(2, size=30)
    fitted = estimator(**QUICK).fit(x, y)
    weight = rng.random(30)
    weight[place] = bad
    for call in (fitted.score, fitted.fit, fitted.partial_fit):
        with pytest.raises(ValueError, match=rf"sample_weight\[{place}\] = .*finite numbers of at"):
            call(x, y, sample_weight=weight)
    # Those that cancel out gave a ZeroDivisionError.
    with pytest.raises(ValueError, match=r"sample_weight\[1\] = -1.0 is negative"):
        fitted.score(x, y, np.tile([1.0, -1.0], 15))


def outliers_said(x, far, high, weight):
    """Fit each kind of model to outliers; give what was said of them."""
    options = {"loss": "squared_error", "standardize": True, "standardize_targets": True}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        SparseMLPRegressor(**QUICK, scale="standard").fit(far, high, weight)
        for inputs, targets, settings in ((far, high, options), (x, high.tolist(), {})):
            model = SparseMLP([4, 9, 1], **{"loss": "squared_error"} | settings, seed=0)
            model.fit(inputs, targets, sample_weight=weight, epochs=1, progress=False)
    return [str(w.message) for w in said if "has outliers" in str(w.message)]


@pytest.mark.parametrize("rows", [[3], [0, 150]])
def test_samples_of_weight_zero_are_no_outliers(rows):
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(200, 4)), rng.normal(size=200)
    far, high, weight = x.copy(), y.copy(), np.ones(200)
    far[rows], high[rows], weight[rows] = 1e7, -1e5, 0
    assert outliers_said(x, far, high, weight) == []
    said = outliers_said(x, far, high, np.ones(200))
    # Of the regressor's X and y, of the first model's, and of the other's targets.
    assert [message[0] for message in said] == ["y", "X", "x", "y", "y"]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8])
def test_weights_of_any_type_are_taken_without_a_warning(dtype):
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        SparseMLPClassifier((4,), max_iter=1, random_state=0).fit(x, y, np.ones(20, dtype))
