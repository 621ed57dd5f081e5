"""`SparseMLPClassifier` and `SparseMLPRegressor`: what they learn and what they tell."""

import json
import warnings

import numpy as np
import pytest
import trulysparse as ts
from scipy import sparse
from sklearn.datasets import load_diabetes, load_wine, make_multilabel_classification
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.model_selection import train_test_split
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

QUICK = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
BOTH = pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])


@pytest.fixture(scope="module")
def wine():
    x, y = load_wine(return_X_y=True)
    return train_test_split(x, y, stratify=y, test_size=0.3, random_state=0)


@pytest.fixture(scope="module")
def diabetes():
    return train_test_split(*load_diabetes(return_X_y=True), test_size=0.3, random_state=0)


def xor(n=600, features=10, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def standard(estimator, x):
    """The features as the network sees them, float64."""
    model = estimator.model_
    x = np.where(np.ptp(x, axis=0) == 0, 0, x)
    return (x - model.mean) * model.scale


def by_hand(estimator, x):
    """The outputs before the last activation, of `coefs_` and `intercepts_` alone, float64."""
    z = standard(estimator, x)
    layers = list(zip(estimator.coefs_, estimator.intercepts_, strict=True))
    for index, (coef, intercept) in enumerate(layers):
        z = z @ coef.toarray().astype(np.float64) + intercept
        if index < len(layers) - 1:
            # All-ReLU alternates between its slopes.
            slope = estimator.slope * (-1 if index % 2 == 0 else 1)
            slope = {"relu": 0, "all_relu": slope}[estimator.activation]
            z = np.where(z > 0, z, slope * z)
    return z


# --- what they learn --------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"hidden_layer_sizes": (50, 40, 30)}])
@pytest.mark.parametrize("activation", ["relu", "all_relu"])
def test_classes(settings, activation, wine):
    x, x_test, y, y_test = wine
    names = np.array(["barbera", "grignolino", "barolo"])
    classifier = SparseMLPClassifier(activation=activation, **settings, random_state=0)
    classifier.fit(x, names[y])
    assert classifier.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert classifier.score(x_test, names[y_test]) > 0.94
    proba = classifier.predict_proba(x_test)
    assert proba.shape == (54, 3)
    assert proba.dtype == np.float32
    np.testing.assert_allclose(proba.sum(1), 1, rtol=1e-6)
    assert (classifier.predict(x_test) == classifier.classes_[proba.argmax(1)]).all()
    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(classifier.predict_log_proba(x_test), np.log(proba))
    z = by_hand(classifier, x_test)
    expected = np.exp(z - z.max(1, keepdims=True))
    np.testing.assert_allclose(proba, expected / expected.sum(1, keepdims=True), atol=1e-5)


def test_two_classes_that_are_not_linear():
    x, y = xor()
    classifier = SparseMLPClassifier(random_state=0).fit(x[:400], y[:400])
    assert classifier.score(x[400:], y[400:]) > 0.85
    assert classifier.predict_proba(x).shape == (600, 2)
    assert classifier.model_.loss == "cross_entropy"


def test_several_labels_per_sample():
    x, y = make_multilabel_classification(600, 20, n_classes=4, random_state=0)
    classifier = SparseMLPClassifier(random_state=0).fit(x[:400], y[:400])
    assert classifier.classes_.tolist() == [0, 1, 2, 3]
    assert classifier.n_outputs_ == 4
    predicted = classifier.predict(x[400:])
    assert (predicted == y[400:]).mean() > 0.75
    assert classifier.score(x[400:], y[400:]) == (predicted == y[400:]).all(1).mean()
    proba = classifier.predict_proba(x[400:])
    np.testing.assert_array_equal(proba > 0.5, predicted)
    np.testing.assert_allclose(proba, 1 / (1 + np.exp(-by_hand(classifier, x[400:]))), atol=1e-5)
    again = SparseMLPClassifier(random_state=0).fit(x[:400], sparse.csr_array(y[:400]))
    np.testing.assert_array_equal(again.predict(x[400:]), predicted)


def test_numbers(diabetes):
    x, x_test, y, y_test = diabetes
    regressor = SparseMLPRegressor(random_state=0).fit(x, y)
    assert regressor.score(x_test, y_test) > 0.3
    np.testing.assert_allclose(regressor.y_mean_, [y.mean()])
    np.testing.assert_allclose(regressor.y_scale_, [y.std()])
    expected = by_hand(regressor, x_test)[:, 0] * y.std() + y.mean()
    np.testing.assert_allclose(regressor.predict(x_test), expected, rtol=1e-4)
    assert json.loads(regressor.model_.metadata["y_mean"]) == [y.mean()]


def test_several_numbers_of_any_unit():
    x = np.random.default_rng(0).normal(size=(500, 8))
    y = np.stack([x[:, 0], 1e-9 * x[:, 1] * x[:, 2], 1e9 + 1e6 * x[:, 3]], axis=1)
    regressor = SparseMLPRegressor(random_state=0).fit(x[:400], y[:400])
    predicted = regressor.predict(x[400:])
    error = ((predicted - y[400:]) ** 2).mean(0) / y[400:].var(0)
    assert predicted.shape == (100, 3)
    assert (error < [0.1, 0.5, 0.1]).all()


def test_the_unit_of_targets_does_not_matter(diabetes):
    x, x_test, y, _ = diabetes
    plain = SparseMLPRegressor(**QUICK).fit(x, y).predict(x_test)
    # A power of two leaves the bits of the scaled targets as they are.
    scaled = SparseMLPRegressor(**QUICK).fit(x, y * 1024).predict(x_test)
    np.testing.assert_array_equal(scaled, plain * 1024)


def test_a_constant_target_is_predicted():
    x = np.random.default_rng(0).normal(size=(50, 3))
    predicted = SparseMLPRegressor(random_state=0).fit(x, np.full(50, 7.1)).predict(x)
    np.testing.assert_allclose(predicted, 7.1, atol=0.05)


def test_one_column_is_taken_as_no_column(diabetes):
    x, x_test, y, _ = diabetes
    for estimator in (SparseMLPClassifier, SparseMLPRegressor):
        targets = y > 100 if estimator is SparseMLPClassifier else y
        plain = estimator(**QUICK).fit(x, targets).predict(x_test)
        with pytest.warns(DataConversionWarning):
            column = estimator(**QUICK).fit(x, targets[:, np.newaxis]).predict(x_test)
        np.testing.assert_array_equal(column, plain)


# --- what they tell ---------------------------------------------------------------------------


@BOTH
def test_attributes(estimator, wine):
    x, _, y, _ = wine
    fitted = estimator((30, 10), max_iter=7, random_state=0).fit(x, y)
    outputs = 3 if estimator is SparseMLPClassifier else 1
    shapes = [(13, 30), (30, 10), (10, outputs)]
    assert [c.shape for c in fitted.coefs_] == shapes
    assert [i.shape for i in fitted.intercepts_] == [(30,), (10,), (outputs,)]
    assert all(sparse.issparse(coef) for coef in fitted.coefs_)
    assert isinstance(fitted.model_, ts.SparseMLP)
    assert (fitted.n_iter_, fitted.n_features_in_, fitted.n_outputs_) == (7, 13, outputs)
    assert fitted.loss_curve_ == fitted.history_.history["loss"]
    assert len(fitted.loss_curve_) == 7
    assert (fitted.loss_, fitted.best_loss_) == (fitted.loss_curve_[-1], min(fitted.loss_curve_))
    assert fitted.validation_scores_ is None
    assert fitted.best_validation_score_ is None
    np.testing.assert_array_equal(
        fitted.feature_importances_, fitted.model_.feature_importance("path")
    )
    incoming = [abs(coef.astype(np.float64)).sum(axis=0) for coef in fitted.coefs_[:2]]
    for found, expected in zip(fitted.neuron_importances_, incoming, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert not hasattr(fitted, "feature_names_in_")


@BOTH
def test_nothing_before_fit(estimator):
    fresh = estimator()
    for name in ("coefs_", "intercepts_", "feature_importances_", "neuron_importances_"):
        assert not hasattr(fresh, name)
    with pytest.raises(NotFittedError):
        fresh.predict([[1.0]])
    if estimator is SparseMLPClassifier:
        for method in (fresh.predict_proba, fresh.predict_log_proba):
            with pytest.raises(NotFittedError):
                method([[1.0]])


@BOTH
def test_parameters_reach_the_network(estimator, wine):
    x, _, y, _ = wine
    fitted = estimator(
        17,
        "leaky_relu",
        slope=0.1,
        density=0.25,
        dropout=0.4,
        input_noise=0.3,
        standardize=False,
        n_jobs=2,
        random_state=5,
        max_iter=3,
        learning_rate_init=0.02,
        learning_rate="constant",
    ).fit(x / 100, y)
    model = fitted.model_
    assert model.layer_sizes[1:-1] == [17]
    assert (model.activation, model.dropout, model.input_noise) == ("leaky_relu", 0.4, 0.3)
    assert model.slope == pytest.approx(0.1)
    assert (model.standardize, model.threads) == (False, 2)
    assert (model.init, model.fan) == ("lecun_uniform", "real")
    assert fitted.history_.history["learning_rate"] == pytest.approx([0.02] * 3)
    assert fitted.coefs_[0].nnz < 0.5 * 13 * 17
    assert estimator(epsilon=2, **QUICK).fit(x, y).model_.epsilon == 2
    linear_model = estimator((), max_iter=3, random_state=0).fit(x, y)
    assert len(linear_model.coefs_) == 1
    assert linear_model.neuron_importances_ == []


@BOTH
def test_the_schedule_ends_at_zero(estimator, wine):
    x, _, y, _ = wine
    rates = estimator(**QUICK).fit(x, y).history_.history["learning_rate"]
    assert rates[0] > rates[-1]
    assert rates[-1] < 0.01 * rates[0]


@BOTH
def test_the_optimizer_is_that_of_the_parameters(estimator, wine):
    x, _, y, _ = wine
    settings = {"learning_rate_init": 0.03, "momentum": 0.5, "nesterovs_momentum": False}
    by_name = estimator(**QUICK, **settings, weight_decay=1e-3, learning_rate="constant").fit(x, y)
    sgd = ts.SGD(0.03, momentum=0.5, weight_decay=1e-3)
    given = estimator(**QUICK, optimizer=sgd).fit(x, y)
    assert by_name.loss_curve_ == given.loss_curve_
    assert by_name.loss_curve_ != estimator(**QUICK).fit(x, y).loss_curve_


@BOTH
def test_the_topology_is_that_of_the_parameters(estimator, wine):
    x, _, y, _ = wine

    def fit(**settings):
        fitted = estimator(**QUICK, epsilon=3, **settings).fit(x, y)
        return fitted.model_.evolutions, fitted.predict(x).tobytes()

    assert fit(topology=None)[0] == 0
    assert fit(zeta=0.1, grow_init=0.5) == fit(topology=ts.SET(0.1, grow_init=0.5))
    assert fit()[0] == 4
    assert fit() != fit(zeta=0.1)


@BOTH
def test_pruning(estimator, wine):
    x, _, y, _ = wine
    rule = ts.ImportancePruning(start=2, every=1, percentile=20)
    fitted = estimator(**QUICK, pruning=rule).fit(x, y)
    neurons = fitted.history_.history["neurons"]
    assert neurons[-1] < neurons[0]
    before = fitted.predict(x)
    fitted.model_.compact()
    np.testing.assert_allclose(fitted.predict(x), before, rtol=1e-4)
    assert fitted.feature_importances_.shape == (13,)


@BOTH
def test_same_seed_same_bits_for_any_number_of_jobs(estimator, wine):
    x, _, y, _ = wine

    def bits(seed, **settings):
        settings = QUICK | {"random_state": seed} | settings
        return estimator(**settings).fit(x, y).predict(x).tobytes(), settings

    assert bits(0)[0] == bits(0, n_jobs=2)[0] == bits(0, n_jobs=3)[0] != bits(1)[0]
    stopping = [bits(0, early_stopping=True, n_jobs=jobs)[0] for jobs in (1, 2)]
    assert stopping[0] == stopping[1]
    generator = np.random.RandomState(0)
    assert bits(generator)[0] != bits(generator)[0]


@pytest.mark.parametrize(("samples", "steps"), [(10, 1), (100, 7), (2000, 40), (6000, 47)])
def test_automatic_batches(samples, steps):
    x = np.random.default_rng(0).normal(size=(samples, 2))
    fitted = SparseMLPRegressor(5, max_iter=1, random_state=0).fit(x, x[:, 0])
    assert fitted.model_.steps_trained == steps


def test_batches_of_a_size():
    x = np.random.default_rng(0).normal(size=(50, 2))
    for size, steps in ((10, 5), (50, 1), (1000, 1)):
        fitted = SparseMLPRegressor(5, max_iter=1, batch_size=size).fit(x, x[:, 0])
        assert fitted.model_.steps_trained == steps


@BOTH
def test_features_that_were_constant_are_ignored(estimator, wine):
    x, x_test, y, _ = wine
    x, x_test = x.copy(), x_test.copy()
    x[:, [0, 5]] = 1e9, -3
    fitted = estimator(**QUICK).fit(x, y)
    assert fitted.feature_importances_[[0, 5]].tolist() == [0, 0]
    assert (np.delete(fitted.feature_importances_, [0, 5]) > 0).all()
    other = x_test.copy()
    other[:, [0, 5]] = 17, 1e6
    np.testing.assert_array_equal(fitted.predict(other), fitted.predict(x_test))
    assert x[0, 0] == 1e9
    assert other[0, 0] == 17


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
    assert max(scores[-4:]) < max(scores[:-4]) + 1e-4
    # The same without stopping has the same scores, and ends with another network.
    longer = estimator(max_iter=200, dropout=0, random_state=0)
    longer.fit(x[:200], y[:200], X_val=x[200:], y_val=y[200:])
    assert longer.validation_scores_[: len(scores)] == scores
    assert longer.n_iter_ == 200
    assert longer.score(x[200:], y[200:]) == longer.validation_scores_[-1]


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


# --- sparse features --------------------------------------------------------------------------


@BOTH
def test_sparse_features_are_what_dense_ones_are(estimator):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(300, 40)) * (rng.random((300, 40)) < 0.1)
    dense[:, 7] = 0  # constant
    y = (dense.sum(1) > 0).astype(int)
    expected = estimator(**QUICK).fit(dense, y)
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        found = estimator(**QUICK).fit(kind(dense), y, X_val=kind(dense), y_val=y)
        np.testing.assert_allclose(
            found.model_.predict(dense), expected.model_.predict(dense), atol=2e-3
        )
        np.testing.assert_allclose(found.predict(kind(dense)), found.predict(dense), rtol=1e-4)
        assert found.feature_importances_[7] == 0
    other = dense.copy()
    other[:, 7] = 1e6
    np.testing.assert_array_equal(
        found.predict(sparse.csr_array(other)), found.predict(sparse.csr_array(dense))
    )


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
        ({"nesterovs_momentum": 1}, "nesterovs_momentum = 1"),
        ({"weight_decay": -1}, "weight_decay"),
        ({"weight_decay": "none"}, "weight_decay = 'none'"),
        ({"optimizer": "adam"}, "optimizer = 'adam'"),
        ({"max_iter": 0}, "max_iter = 0"),
        ({"topology": "grow"}, "topology = 'grow'"),
        ({"topology": 3}, "topology = 3"),
        ({"zeta": 1}, "zeta = 1"),
        ({"grow_init": -1}, "grow_init = -1"),
        ({"pruning": 20}, "pruning = 20"),
        ({"standardize": "yes"}, "standardize = 'yes'"),
        ({"early_stopping": 1}, "early_stopping = 1"),
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
    with pytest.raises(TypeError, match="y is a sparse matrix"):
        SparseMLPRegressor(**QUICK).fit(x, sparse.csr_array(np.stack([y, y], 1)))


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
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            SparseMLPRegressor(**QUICK, learning_rate_init=1).fit(x, y)
        fitted = SparseMLPRegressor(**QUICK, learning_rate_init=1e-4, warm_start=True).fit(x, y)
        before = fitted.predict(x)
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            fitted.set_params(learning_rate_init=1).fit(x, y)
        np.testing.assert_array_equal(fitted.predict(x), before)
        with pytest.raises(ValueError, match=r"lower than 1\.0$"):
            fitted.partial_fit(x, y)
        with pytest.raises(ValueError, match=r"diverged with optimizer = SGD\("):
            SparseMLPRegressor(**QUICK, optimizer=ts.SGD(1)).fit(x, y)


def test_automatic_rates_come_down_until_training_converges():
    x, y = heavy_tails()
    fitted = SparseMLPRegressor(max_iter=100, random_state=0).fit(x, y)
    rate = fitted.history_.history["learning_rate"][0]
    tried = [0.02 / 4**k for k in range(1, 5)]
    assert any(rate == pytest.approx(r, rel=0.01) for r in tried)
    # It is what would have been trained with that rate from the start.
    rate = min(tried, key=lambda r: abs(r - rate))
    given = SparseMLPRegressor(max_iter=100, random_state=0, learning_rate_init=rate).fit(x, y)
    np.testing.assert_array_equal(fitted.predict(x), given.predict(x))
    assert len(fitted.loss_curve_) == 100


def test_automatic_decay_is_a_share_per_epoch():
    """Of a network without gradients only the decay is left."""
    for samples in (20, 200):
        x = np.random.default_rng(0).normal(size=(samples, 3))
        fitted = SparseMLPRegressor(
            (), max_iter=30, learning_rate_init=1e-30, topology=None, batch_size=10, random_state=0
        ).fit(x, x[:, 0])
        start = SparseMLPRegressor(
            (), max_iter=1, learning_rate_init=1e-30, weight_decay=0, batch_size=10, random_state=0
        ).fit(x, x[:, 0])
        np.testing.assert_allclose(
            fitted.coefs_[0].data, start.coefs_[0].data * np.exp(-0.005 * 30), rtol=1e-3
        )
