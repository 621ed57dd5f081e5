"""Few samples: a fit, or an error with counts; one row is a batch for `partial_fit`."""

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from trulysparse import SparseFeatureSelector, SparseMLPClassifier, SparseMLPRegressor

RNG = np.random.default_rng(8)
X = RNG.normal(size=(40, 5))
VALUES = X[:, 0] - X[:, 1]
WORDS = np.where(X[:, 2] > 0, "up", "down")
LABELS = (X[:, :3] > 0).astype(int)
QUICK = {"max_iter": 2, "random_state": 0, "hidden_layer_sizes": 8}
SEVERAL = {"classifier": (SparseMLPClassifier, WORDS), "regressor": (SparseMLPRegressor, VALUES)}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("kind", SEVERAL)
def test_rows_one_by_one(kind, sparse):
    estimator, y = SEVERAL[kind]
    first = {"classes": ["up", "down"]} if kind == "classifier" else {}
    trained = estimator(**QUICK)
    for row in range(6):
        x = X[row : row + 1]
        given = sp.csr_array(x) if sparse else x
        trained.partial_fit(given, y[row : row + 1], **(first if row == 0 else {}))
    assert trained.n_iter_ == 6
    assert trained.predict(X).shape == (40,)
    assert np.isfinite(trained.loss_curve_).all()


def test_one_row_of_labels():
    trained = SparseMLPClassifier(**QUICK)
    for row in range(3):
        trained.partial_fit(X[row : row + 1], LABELS[row : row + 1])
    assert trained.predict(X).shape == LABELS.shape


@pytest.mark.parametrize("kind", [*SEVERAL, "selector"])
def test_one_sample_is_too_few_for_fit(kind):
    estimator, y = SEVERAL.get(kind, (lambda **_: SparseFeatureSelector(), WORDS))
    for given in (X[:1], X[:1].tolist(), sp.csr_array(X[:1])):
        with pytest.raises(ValueError, match="X has 1 sample: expected at least 2"):
            estimator(**QUICK).fit(given, y[:1])
    with pytest.raises(ValueError, match="X has 0 samples: expected at least 2"):
        estimator(**QUICK).fit(X[:0], y[:0])


@pytest.mark.parametrize("kind", SEVERAL)
def test_samples_of_weight_zero_do_not_count(kind):
    estimator, y = SEVERAL[kind]
    with pytest.raises(ValueError, match="1 of 40 samples has a weight above 0: expected at least"):
        estimator(**QUICK).fit(X, y, np.eye(40)[3])
    estimator(**QUICK).partial_fit(X, y, sample_weight=np.eye(40)[3])


@pytest.mark.parametrize("samples", range(2, 12))
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_early_stopping_with_few_samples(samples, classes):
    y = np.array([f"class {i % classes}" for i in range(samples)])
    known, sizes = np.unique(y, return_counts=True)
    if len(known) < 2:
        return
    estimator = SparseMLPClassifier(early_stopping=True, **QUICK)
    if min(sizes) >= 2:
        estimator.fit(X[:samples], y)
        assert len(estimator.validation_scores_) == 2
        return
    lone = int((sizes == 1).sum())
    message = rf"{lone} of {len(known)} classes have one sample \('class.*X_val and y_val"
    with pytest.raises(ValueError, match=message):
        estimator.fit(X[:samples], y)


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("samples", range(2, 8))
@pytest.mark.parametrize("kind", ["regressor", "labels"])
def test_early_stopping_leaves_something_to_train_on(kind, samples, fraction):
    kinds = {"regressor": (SparseMLPRegressor, VALUES), "labels": (SparseMLPClassifier, LABELS)}
    estimator, y = kinds[kind]
    stopping = estimator(early_stopping=True, validation_fraction=fraction, **QUICK)
    held_out = max(int(np.ceil(fraction * samples)), 2)
    if held_out < samples:
        stopping.fit(X[:samples], y[:samples])
        return
    message = rf"validation_fraction = {fraction} holds out {held_out} of {samples} samples"
    with pytest.raises(ValueError, match=message):
        stopping.fit(X[:samples], y[:samples])


def test_a_large_fraction_leaves_one_of_each_class():
    y = np.arange(12) % 3
    with pytest.raises(ValueError, match=r"holds out 11 of 12 samples: expected one of each class"):
        SparseMLPClassifier(early_stopping=True, validation_fraction=0.9, **QUICK).fit(X[:12], y)
    SparseMLPClassifier(early_stopping=True, validation_fraction=0.75, **QUICK).fit(X[:12], y)


def test_one_held_out_sample_has_no_r2():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match="X_val has 1 sample: expected at least 2"):
            SparseMLPRegressor(**QUICK).fit(X, VALUES, X_val=X[:1], y_val=VALUES[:1])
        classifier = SparseMLPClassifier(**QUICK).fit(X, WORDS, X_val=X[:1], y_val=WORDS[:1])
    assert set(classifier.validation_scores_) <= {0.0, 1.0}
    with pytest.raises(ValueError, match="X_val has 0 samples: expected at least 1"):
        SparseMLPClassifier(**QUICK).fit(X, WORDS, X_val=X[:0], y_val=WORDS[:0])
