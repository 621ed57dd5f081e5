"""`SparseMLPClassifier` and `SparseMLPRegressor`: what they learn and what they tell."""

import numpy as np
import pytest
import trulysparse as ts
from scipy import sparse
from sklearn.datasets import make_multilabel_classification
from sklearn.exceptions import DataConversionWarning, NotFittedError
from trulysparse import SparseMLPClassifier, SparseMLPRegressor

QUICK = {"hidden_layer_sizes": (20,), "max_iter": 5, "random_state": 0}
BOTH = pytest.mark.parametrize("estimator", [SparseMLPClassifier, SparseMLPRegressor])


def xor(n=600, features=10, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, features))
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def standard(estimator, x):
    """The features as the network sees them, float64."""
    model = estimator.model_
    x = np.where(np.ptp(x, axis=0) == 0, 0, x)
    z = (x - model.mean) * model.scale
    return z if model.clip is None else z / np.sqrt(1 + (z / model.clip) ** 2)


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
    np.testing.assert_array_equal(again.predict(x[400:]).toarray(), predicted)


def test_numbers(diabetes):
    x, x_test, y, y_test = diabetes
    regressor = SparseMLPRegressor(random_state=0).fit(x, y)
    assert regressor.score(x_test, y_test) > 0.3
    np.testing.assert_allclose(regressor.y_mean_, [y.mean()])
    np.testing.assert_allclose(regressor.y_scale_, [y.std()])
    expected = by_hand(regressor, x_test)[:, 0] * y.std() + y.mean()
    np.testing.assert_allclose(regressor.predict(x_test), expected, rtol=1e-4)
    np.testing.assert_array_equal(regressor.model_.predict(x_test)[:, 0], regressor.predict(x_test))


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
    settings |= {"optimizer": "sgd", "weight_decay": 1e-3, "learning_rate": "constant"}
    by_name = estimator(**QUICK, **settings).fit(x, y)
    sgd = ts.SGD(0.03, momentum=0.5, weight_decay=1e-3)
    given = estimator(**QUICK, optimizer=sgd).fit(x, y)
    assert by_name.loss_curve_ == given.loss_curve_
    assert by_name.loss_curve_ != estimator(**QUICK).fit(x, y).loss_curve_

    settings = {"learning_rate_init": 0.003, "momentum": 0.8, "weight_decay": 0.1}
    for name, kind in {"adam": ts.Adam, "lion": ts.Lion}.items():
        by_name = estimator(**QUICK, **settings, optimizer=name).fit(x, y)
        given = kind(0.003, beta_1=0.8, weight_decay=0.1, schedule="cosine")
        assert by_name.loss_curve_ == estimator(**QUICK, optimizer=given).fit(x, y).loss_curve_
        by_name = estimator(**QUICK, optimizer=name).fit(x, y)
        # "auto" is what suits Adam, which is the default, and else what the optimiser has.
        suited = {"learning_rate": 0.004, "weight_decay": 0.3} if name == "adam" else {}
        given = kind(schedule="cosine", **suited)
        assert by_name.loss_curve_ == estimator(**QUICK, optimizer=given).fit(x, y).loss_curve_
        is_usual = by_name.loss_curve_ == estimator(**QUICK).fit(x, y).loss_curve_
        assert is_usual == (name == "adam")


@BOTH
def test_the_topology_is_that_of_the_parameters(estimator, wine):
    x, _, y, _ = wine

    def fit(**settings):
        fitted = estimator(**QUICK, epsilon=3, **settings).fit(x, y)
        return fitted.model_.evolutions, fitted.predict(x).tobytes()

    assert fit(topology=None)[0] == 0
    # An epoch has 8 steps, so that connections evolve after two.
    evolving = fit(topology="set", zeta=0.1, grow_init=0.5)
    assert evolving == fit(topology=ts.SET(0.1, grow_init=0.5, every=2))
    assert evolving[0] == fit()[0] == 2
    assert fit() == fit(topology="gradient") != fit(topology="set")
    assert fit() != fit(zeta=0.1) == fit(topology=ts.GradientGrowth(0.1, every=2))
    # Each is after one epoch where it has as many steps.
    assert fit(batch_size=6) == fit(batch_size=6, topology=ts.GradientGrowth(0.3))
    assert fit(batch_size=6)[0] == 4


@BOTH
def test_pruning(estimator, wine):
    x, _, y, _ = wine
    rule = ts.ImportancePruning(start=2, every=1, percentile=20)
    fitted = estimator(**QUICK, pruning=rule).fit(x, y)
    connections = fitted.history_.history["connections"]
    assert connections[-1] < connections[0]
    before = fitted.predict(x)
    fitted.model_.compact()
    np.testing.assert_allclose(fitted.predict(x), before, rtol=1e-4)
    assert fitted.feature_importances_.shape == (13,)


@BOTH
def test_pruning_within_a_tolerance(estimator, wine):
    x, held_x, y, held_y = wine
    rule = ts.ImportancePruning(start=1, every=1, tolerance=0.5)
    stopped = estimator(**QUICK, pruning=rule, early_stopping=True).fit(x, y)
    given = estimator(**QUICK, pruning=rule).fit(x, y, X_val=held_x, y_val=held_y)
    for fitted in (stopped, given):
        connections = fitted.history_.history["connections"]
        assert connections[-1] < connections[0]


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


# --- sparse features --------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("clip", [None, 3.0])
def test_sparse_features_are_what_dense_ones_are(estimator, clip):
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(300, 40)) * (rng.random((300, 40)) < 0.1)
    dense[:, 7] = 0  # constant
    y = (dense.sum(1) > 0).astype(int)
    settings = QUICK | {"optimizer": "sgd", "topology": "set", "standardize": True, "clip": clip}
    expected = estimator(**settings).fit(dense, y)
    for kind in (sparse.csr_array, sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        found = estimator(**settings).fit(kind(dense), y, X_val=kind(dense), y_val=y)
        np.testing.assert_allclose(
            found.model_.predict(dense), expected.model_.predict(dense), atol=2e-3
        )
        # Numbers are of size 1, and some are nearly 0.
        np.testing.assert_allclose(
            found.predict(kind(dense)), found.predict(dense), rtol=1e-4, atol=1e-6
        )
        assert found.feature_importances_[7] == 0
    other = dense.copy()
    other[:, 7] = 1e6
    np.testing.assert_array_equal(
        found.predict(sparse.csr_array(other)), found.predict(sparse.csr_array(dense))
    )


@BOTH
def test_sparse_features_have_defaults_of_their_own(estimator):
    rng = np.random.default_rng(0)
    table = sparse.random_array((200, 300), density=0.05, format="csr", rng=rng)
    y = (table[:, [0]].toarray().ravel() > 0).astype(int)
    is_classifier = estimator is SparseMLPClassifier
    usual = {
        "optimizer": "adam",
        "learning_rate_init": 0.004,
        "topology": "gradient",
        "dropout": 0.5,
        "input_gain": 0.1,
        "label_smoothing": 0.1 if is_classifier else 0,
        "feature_selection": False,
    }
    sparse_only = {"standardize": False, "clip": None, "weight_decay": 1 if is_classifier else 0.3}
    table.data += 0.1  # of a usual size
    automatic = estimator(**QUICK).fit(table, y)
    given = estimator(**QUICK, **usual, **sparse_only).fit(table, y)
    assert automatic.loss_curve_ == given.loss_curve_
    assert automatic.features_used_ is None
    assert not automatic.model_.mean.any()
    assert (automatic.model_.scale == 1).all()
    dense_only = {"standardize": True, "clip": 3 if is_classifier else None, "weight_decay": 0.3}
    expected = estimator(**QUICK, **usual, **dense_only).fit(table.toarray(), y).loss_curve_
    for name in ("auto", None):
        dense = estimator(**QUICK, optimizer=name, feature_selection=False)
        assert dense.fit(table.toarray(), y).loss_curve_ == expected
    # SReLU, which Adam does not train, is left to SGD.
    for activation in ("srelu", ["srelu"]):
        assert estimator(**QUICK, activation=activation).fit(table, y).n_iter_ == 5


@BOTH
@pytest.mark.parametrize("sparse_first", [True, False])
def test_defaults_stay_those_of_the_first_data(estimator, sparse_first):
    rng = np.random.default_rng(0)
    table = sparse.random_array((200, 50), density=0.1, format="csr", rng=rng)
    y = (table[:, [0]].toarray().ravel() > 0).astype(int)
    table.data += 0.1  # of a usual size
    first, then = (table, table.toarray()) if sparse_first else (table.toarray(), table)
    is_classifier = estimator is SparseMLPClassifier
    settings = {"optimizer": "adam", "topology": "gradient", "standardize": not sparse_first}
    settings["clip"] = 3 if is_classifier and not sparse_first else None
    settings["weight_decay"] = 1 if is_classifier and sparse_first else 0.3
    automatic = estimator(**QUICK, warm_start=True).fit(first, y).fit(then, y)
    given = estimator(**QUICK, **settings, warm_start=True).fit(first, y).fit(then, y)
    assert automatic.loss_curve_ == given.loss_curve_
    automatic.partial_fit(then, y)
    # A batch alone does not tell for how long to train: dense ones are left to SGD.
    batches = {} if sparse_first else {"optimizer": "sgd"}
    given.set_params(**batches, weight_decay="auto").partial_fit(then, y)
    assert automatic.loss_curve_ == given.loss_curve_
