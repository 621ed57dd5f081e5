"""The estimators with `warm_start` and `partial_fit`, and mistakes."""

import warnings

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

QUICK = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
BOTH = pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])


# --- going on ---------------------------------------------------------------------------------


@BOTH
def test_warm_start_goes_on(estimator, wine):
    x, _, y, _ = wine
    fitted = estimator(**QUICK, warm_start=True).fit(x, y)
    first = fitted.loss_curve_
    model = fitted.model_
    fitted.fit(x, y)
    assert fitted.model_ is model
    assert model.epochs_trained == fitted.n_iter_ == 10
    assert fitted.loss_curve_[:5] == first
    assert fitted.loss_curve_[5] < first[0]
    assert len(fitted.history_.epoch) == 5
    fitted.set_params(warm_start=False).fit(x, y)
    assert fitted.loss_curve_ == first
    assert fitted.model_ is not model


@BOTH
def test_warm_start_with_something_else(estimator, wine):
    x, _, y, _ = wine
    fitted = estimator(**QUICK, warm_start=True).fit(x, y)
    before = fitted.predict(x)
    with pytest.raises(ValueError, match="features"):
        fitted.fit(x[:, :5], y)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes = \(7,\)"):
        fitted.set_params(hidden_layer_sizes=(7,)).fit(x, y)
    fitted.set_params(hidden_layer_sizes=(20,))
    wrong = y + 1 if estimator is SparseMLPClassifier else np.stack([y, y], 1)
    with pytest.raises(ValueError, match=r"classes \[3\]|2 columns"):
        fitted.fit(x, wrong)
    np.testing.assert_array_equal(fitted.predict(x), before)


@BOTH
def test_partial_fit_learns(estimator, wine):
    x, x_test, y, y_test = wine
    fitted = estimator(random_state=0)
    for epoch in range(40):
        for part in np.array_split(np.random.default_rng(epoch).permutation(len(y)), 2):
            assert fitted.partial_fit(x[part], y[part]) is fitted
    assert fitted.n_iter_ == len(fitted.loss_curve_) == 80
    assert fitted.score(x_test, y_test) > 0.8
    rate = 0.05 if estimator is SparseMLPClassifier else 0.02
    assert fitted.history_.history["learning_rate"] == [pytest.approx(rate)]


@BOTH
def test_partial_fit_after_fit_goes_on(estimator, wine):
    x, _, y, _ = wine
    fitted = estimator(**QUICK).fit(x, y)
    model = fitted.model_
    fitted.partial_fit(x[:1], y[:1])
    assert fitted.model_ is model
    assert fitted.n_iter_ == 6


def test_partial_fit_with_classes_that_come_later(wine):
    x, _, y, _ = wine
    classifier = SparseMLPClassifier(**QUICK)
    classifier.partial_fit(x[y == 0], y[y == 0], classes=[0, 1, 2])
    assert classifier.classes_.tolist() == [0, 1, 2]
    classifier.partial_fit(x, y).partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match=r"y has the classes \[5, 10\]"):
        classifier.partial_fit(x, y * 5)
    with pytest.raises(ValueError, match=r"classes = \[0, 1\]"):
        classifier.partial_fit(x, y, classes=[0, 1])


def test_partial_fit_takes_weights_as_they_are(wine):
    x, x_test, y, _ = wine

    def fit(factor):
        regressor = SparseMLPRegressor(**QUICK, momentum=0, nesterovs_momentum=False, dropout=0)
        regressor.partial_fit(x, y, np.ones(len(y)))
        return regressor.partial_fit(x, y, np.full(len(y), factor)).predict(x_test)

    assert np.abs(fit(2.0) - fit(1.0)).max() > 1e-4


@pytest.mark.parametrize("classes", ["012", b"012", {0: 1, 1: 2}, 3, np.str_("012")])
def test_classes_are_a_sequence(wine, classes):
    x, _, y, _ = wine
    first, later = SparseMLPClassifier(**QUICK), SparseMLPClassifier(**QUICK).partial_fit(x, y)
    for classifier in (first, later):
        with pytest.raises(TypeError, match=r"^classes = .*: expected a sequence of classes"):
            classifier.partial_fit(x, y, classes=classes)
    assert first.partial_fit(x, y, classes={2, 0, 1}).classes_.tolist() == [0, 1, 2]


def test_a_first_batch_of_one_class_names_classes(wine):
    x, _, y, _ = wine
    one = y == 1
    with pytest.raises(
        ValueError, match=r"^y has one class, \[1\]: .* or classes=\[...\], all that"
    ):
        SparseMLPClassifier(**QUICK).partial_fit(x[one], y[one])
    with pytest.raises(ValueError, match=r"^y has one class, \[1\]: expected two or more$"):
        SparseMLPClassifier(**QUICK).fit(x[one], y[one])
    with pytest.raises(ValueError, match=r"^classes has one class, \[1\]: expected two or more"):
        SparseMLPClassifier(**QUICK).partial_fit(x[one], y[one], classes=[1])


def test_partial_fit_cannot_balance_classes(wine):
    x, _, y, _ = wine
    with pytest.raises(ValueError, match="class_weight = 'balanced'"):
        SparseMLPClassifier(class_weight="balanced").partial_fit(x, y)


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": "20"}, "layer_sizes"),
        ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes = 2.5"),
        ({"hidden_layer_sizes": (0,)}, "layer_sizes"),
        ({"activation": "swish"}, "activation = 'swish'"),
        ({"slope": "steep"}, "slope"),
        ({"epsilon": 0}, "epsilon"),
        ({"density": 2}, "density = 2"),
        ({"dropout": 1}, "dropout"),
        ({"input_noise": -1}, "input_noise = -1"),
        ({"batch_size": 0}, "batch_size = 0"),
        ({"batch_size": "all"}, "batch_size = 'all'"),
        ({"learning_rate": "adaptive"}, "learning_rate = 'adaptive'"),
        ({"learning_rate_init": 0}, "learning_rate_init = 0"),
        ({"learning_rate_init": "adaptive"}, "learning_rate_init = 'adaptive'"),
        ({"momentum": 1}, "momentum = 1"),
        ({"nesterovs_momentum": 2}, "nesterovs_momentum = 2"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"weight_decay": "none"}, "weight_decay = 'none'"),
        ({"optimizer": "lbfgs"}, "optimizer = 'lbfgs': expected 'auto', 'sgd', 'adam', 'lion' or"),
        ({"optimizer": "adam", "momentum": 1}, "momentum = 1"),
        ({"optimizer": "adam", "weight_decay": -1}, "weight_decay = -1"),
        ({"max_iter": 0}, "max_iter = 0"),
        ({"topology": "grow"}, "topology = 'grow'"),
        ({"topology": 3}, "topology = 3"),
        ({"zeta": 1}, "zeta = 1"),
        ({"grow_init": -1}, "grow_init = -1"),
        ({"pruning": 20}, "pruning = 20"),
        (
            {"pruning": ts.ImportancePruning(0.2, 0.2, tolerance=0.1)},
            "pruning with tolerance = 0.1: expected early_stopping=True, or X_val and y_val of",
        ),
        ({"standardize": "yes"}, "standardize = 'yes': expected 'auto' or True or False"),
        ({"early_stopping": 2}, "early_stopping = 2"),
        ({"early_stopping": True, "validation_fraction": 1}, "validation_fraction = 1"),
        ({"n_iter_no_change": 0}, "n_iter_no_change = 0"),
        ({"tol": -1}, "tol = -1"),
        ({"warm_start": "no"}, "warm_start = 'no'"),
        ({"verbose": 2}, "verbose = 2"),
        ({"learning_rate_init": 1e9}, "training diverged: expected a learning_rate_init lower"),
    ],
)
@BOTH
def test_mistakes_are_named(estimator, parameters, message, wine):
    x, _, y, _ = wine
    with pytest.raises((ValueError, TypeError), match=message):
        estimator(**({"max_iter": 5} | parameters)).fit(x, y)
    # A fitted estimator stays as it was.
    fitted = estimator(**QUICK).fit(x, y)
    before = fitted.predict(x)
    with pytest.raises((ValueError, TypeError), match=message):
        fitted.set_params(**parameters).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), before)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros(124, int), "one class"),
        (np.random.default_rng(0).normal(size=124), "continuous"),
        (np.arange(123), "inconsistent numbers of samples"),
        (np.arange(248).reshape(124, 2) % 3, "several columns of classes"),
    ],
)
def test_wrong_classes(y, message, wine):
    with pytest.raises(ValueError, match=message):
        SparseMLPClassifier(**QUICK).fit(wine[0], y)


def test_wrong_numbers(wine):
    x, _, y, _ = wine
    with pytest.raises(ValueError, match=r"could not convert|expected numbers"):
        SparseMLPRegressor(**QUICK).fit(x, np.array(["a", "b"])[y % 2])
    with pytest.raises(ValueError, match=r"y: row 3 is missing"):
        SparseMLPRegressor(**QUICK).fit(x, np.where(np.arange(len(y)) == 3, np.nan, y))


@BOTH
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.full(124, -1.0), "[Nn]egative"),
        (np.zeros(124), "zero"),
        (np.ones(5), r"shape"),
        (np.full(124, np.nan), "NaN"),
    ],
)
def test_wrong_weights(estimator, weight, message, wine):
    with pytest.raises(ValueError, match=message):
        estimator(**QUICK).fit(wine[0], wine[2], weight)


def heavy_tails(n=300):
    x = np.random.default_rng(0).normal(size=(n, 10))
    return np.exp(3 * x), np.exp(x[:, 0] + x[:, 1])


def test_a_diverged_network_is_not_kept_silently():
    x, y = heavy_tails()
    plain = QUICK | {"optimizer": "sgd"}  # steps of Adam are no longer for larger gradients
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            SparseMLPRegressor(**plain, learning_rate_init=1).fit(x, y)
        slow = {"learning_rate_init": 1e-4, "max_iter": 1, "warm_start": True}
        fitted = SparseMLPRegressor(**plain | slow).fit(x, y)
        before = fitted.predict(x)
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            fitted.set_params(learning_rate_init=1, max_iter=5).fit(x, y)
        np.testing.assert_array_equal(fitted.predict(x), before)
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            fitted.partial_fit(x, y)
        with pytest.raises(ValueError, match=r"diverged with optimizer = SGD\("):
            SparseMLPRegressor(**QUICK, optimizer=ts.SGD(1)).fit(x, y)


def test_automatic_rates_come_down_until_training_converges():
    x, y = heavy_tails()
    settings = {"max_iter": 100, "scale": "standard", "optimizer": "sgd", "random_state": 0}
    fitted = SparseMLPRegressor(**settings).fit(x, y)
    rate = fitted.history_.history["learning_rate"][0]
    tried = [0.02 / 4**k for k in range(1, 5)]
    assert any(rate == pytest.approx(r, rel=0.01) for r in tried)
    # It is what would have been trained with that rate from the start.
    rate = min(tried, key=lambda r: abs(r - rate))
    given = SparseMLPRegressor(**settings, learning_rate_init=rate).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), given.predict(x))
    assert len(fitted.loss_curve_) == 100


def test_automatic_decay_is_a_share_per_epoch():
    """Of a network without gradients only the decay is left."""
    for samples in (20, 200):
        x = np.random.default_rng(0).normal(size=(samples, 3))
        still = {"learning_rate_init": 1e-30, "topology": None, "optimizer": "sgd"}
        still |= {"batch_size": 10, "random_state": 0}
        fitted = SparseMLPRegressor((), max_iter=30, **still).fit(x, x[:, 0])
        start = SparseMLPRegressor((), max_iter=1, weight_decay=0, **still).fit(x, x[:, 0])
        np.testing.assert_allclose(
            fitted.coefs_[0].data, start.coefs_[0].data * np.exp(-0.005 * 30), rtol=1e-3
        )
