"""Estimators whose training explodes: lower rates, what is said, and extreme class weights."""

import warnings

import numpy as np
import pytest
import trulysparse as ts
from scipy import sparse
from sklearn.metrics import roc_auc_score
from trulysparse import SparseMLPClassifier, SparseMLPRegressor


def rare(samples=6000, share=0.004):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(samples, 12))
    y = (rng.random(samples) < share).astype(int)
    x[y == 1, :4] += 2
    return x, y


def correlated(samples=80, columns=3000):
    """One factor in all columns, as in wide tables: the first rate is too high for it."""
    rng = np.random.default_rng(0)
    factor = rng.normal(size=(samples, 1))
    x = factor + 0.3 * rng.normal(size=(samples, columns))
    return x, (factor[:, 0] > 0).astype(int)


@pytest.mark.parametrize("seed", range(3))
def test_balanced_weights_of_rare_classes_rank_as_well(seed):
    x, y = rare()
    half = len(x) // 2
    scores = {}
    for weight in (None, "balanced"):
        fitted = SparseMLPClassifier(max_iter=15, class_weight=weight, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            fitted.fit(x[:half], y[:half])
        scores[weight] = roc_auc_score(y[half:], fitted.predict_proba(x[half:])[:, 1])
        assert fitted.n_retries_ == 0
        assert max(fitted.loss_curve_) < 2
    assert scores["balanced"] > scores[None] - 0.03


def test_a_lower_rate_is_tried_where_the_loss_explodes():
    x = np.random.default_rng(4).normal(size=(300, 10))
    x, y = np.exp(3 * x), np.exp(x[:, 0] + x[:, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = SparseMLPRegressor(
            max_iter=60,
            scale="standard",
            optimizer="sgd",
            dropout=0.2,
            input_gain=1,
            random_state=0,
        ).fit(x, y)
    assert fitted.n_retries_ > 0
    rate = fitted.history_.history["learning_rate"][0]
    assert rate == pytest.approx(0.02 / 4**fitted.n_retries_, rel=0.01)
    assert max(fitted.loss_curve_) < 10 * fitted.history_.baseline.usual


def test_no_other_rate_where_nothing_explodes(wine):
    x, _, y, _ = wine
    for estimator in (SparseMLPClassifier(max_iter=1), SparseMLPRegressor(max_iter=1)):
        assert estimator.set_params(random_state=0).fit(x, y).n_retries_ == 0


def test_a_rate_that_was_given_is_kept_and_the_explosion_said():
    x, y = correlated()
    estimator = SparseMLPClassifier(learning_rate_init=1.2, max_iter=3, random_state=0)
    with pytest.warns(ts.ExplosionWarning, match="has exploded") as caught:
        estimator.fit(x, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert estimator.n_retries_ == 0
    with pytest.warns(ts.ExplosionWarning):
        estimator.partial_fit(x, y)


def test_batches_of_partial_fit_say_nothing(wine):
    x, _, y, _ = wine
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        classifier = SparseMLPClassifier(random_state=0)
        regressor = SparseMLPRegressor(random_state=0)
        for start in range(0, 120, 40):
            rows = slice(start, start + 40)
            classifier.partial_fit(x[rows], y[rows], classes=[0, 1, 2])
            regressor.partial_fit(x[rows], y[rows])


def test_the_best_network_is_judged_with_early_stopping():
    x, y = correlated()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fitted = SparseMLPClassifier(
            early_stopping=True, n_iter_no_change=3, max_iter=20, random_state=0
        ).fit(x, y)
    assert fitted.score(x, y) > 0.9


def test_a_selector_says_it_too():
    x, y = correlated()
    with pytest.warns(ts.ExplosionWarning, match="has (come to nothing|exploded)") as caught:
        ts.SparseFeatureSelector(learning_rate=10, epochs=2, weight_decay=0.01, random_state=0).fit(
            x, y
        )
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ts.SparseFeatureSelector(epochs=3, random_state=0).fit(x, y)
        ts.SparseFeatureSelector(epochs=3, random_state=0).fit(x[:, :200])


@pytest.mark.parametrize("constant", [0, 700])
def test_sparse_samples_of_a_small_scale_learn_little_and_it_is_said(constant):
    """Where the scale is given; by themselves they are scaled."""
    rng = np.random.default_rng(0)
    x = sparse.random_array((500, 900), density=0.01, rng=rng, data_sampler=rng.normal).tocsc()
    x = sparse.hstack([x, sparse.csc_array((500, constant))]).tocsr()
    y = x[:, :20].sum(axis=1) + 0.1 * rng.normal(size=500)
    estimator = SparseMLPRegressor(max_iter=60, standardize=False, random_state=0)
    with pytest.warns(ts.ExplosionWarning, match="learnt .* have a typical size of 0.00") as caught:
        estimator.fit(0.01 * x, y)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert estimator.n_retries_ == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        estimator.fit(x, y)
        SparseMLPRegressor(max_iter=60, random_state=0).fit(1e-4 * x, y)
