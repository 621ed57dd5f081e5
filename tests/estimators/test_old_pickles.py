"""Pickles of estimators that version 0.1.0 wrote, from before modules were moved.

``pickles_0_1_0.bin`` has fitted estimators, the data they saw and what they then predicted.
"""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts

FILE = Path(__file__).with_name("pickles_0_1_0.bin")
KINDS = {
    "classes": ts.SparseMLPClassifier,
    "labels": ts.SparseMLPClassifier,
    "numbers": ts.SparseMLPRegressor,
    "selector": ts.SparseFeatureSelector,
    "selector without labels": ts.SparseFeatureSelector,
}

# What was automatic in 0.1.0, for dense samples.
THEN = {"optimizer": "sgd", "topology": ts.SET(0.3, grow_init=0.1)}
# Defaults of 0.1.0 that are "auto" or None today.
NETWORKS = {"hidden_layer_sizes": (100,), "dropout": 0.2, "max_iter": 100}
SELECTORS = {
    "hidden_layer_sizes": (200,),
    "epsilon": 13,
    "noise": 0.2,
    "epochs": 50,
    "batch_size": 32,
    "standardize": True,
}


@pytest.fixture(scope="module")
def old():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the selector's old module
        return pickle.loads(FILE.read_bytes())


@pytest.mark.parametrize("name", KINDS)
def test_predicts_the_same(old, name):
    estimator = old["estimators"][name]
    assert type(estimator) is KINDS[name]
    selects = "selector" in name
    found = estimator.get_support() if selects else estimator.predict(old["x"])
    np.testing.assert_array_equal(found, old["predicted"][name])


def test_outputs_have_the_same_bits(old):
    x, estimators, outputs = old["x"], old["estimators"], old["outputs"]
    for name in ("classes", "labels"):
        assert estimators[name].predict_proba(x).tobytes() == outputs[name].tobytes()
    assert estimators["numbers"].predict(x).tobytes() == outputs["numbers"].tobytes()
    assert estimators["selector"].scores_.tobytes() == outputs["scores"].tobytes()


def test_training_goes_on_with_the_same_bits(old):
    """With what was automatic then; what is automatic is today's."""
    x, y = old["x"], old["y"]

    def further(**settings):
        again = pickle.loads(pickle.dumps(old["estimators"]["numbers"]))
        return again.set_params(**settings).fit(x, y).predict(x).tobytes()

    assert further(**THEN) == old["outputs"]["numbers further"].tobytes()
    now = {"optimizer": "adam", "learning_rate_init": 0.004, "weight_decay": 0.3}
    assert further(**now, topology="gradient") == further() != further(**THEN)


@pytest.mark.parametrize("name", ["classes", "labels", "numbers"])
def test_parameters_train_the_same(old, name):
    """Optimisers, schedules, rules and prunings among the parameters mean what they meant."""
    # Numbers that are learnt are standardised with less rounding since.
    close = 1e-3 if name == "numbers" else 0
    x, estimator = old["x"], old["estimators"][name]
    signs = (x[:, :2] > 0).astype(int)
    y = {
        "classes": np.array(["few", "more", "most"])[signs.sum(axis=1)],
        "labels": signs,
        "numbers": old["y"],
    }
    # What was no parameter then.
    later = {"input_gain": 1, "label_smoothing": 0, "clip": None}
    given = estimator.get_params() | later | (THEN if name == "numbers" else {})
    again = type(estimator)(**given).fit(x, y[name])
    predicted, expected = again.predict(x), old["predicted"][name]
    if not close:
        np.testing.assert_array_equal(predicted, expected)
    else:
        np.testing.assert_allclose(predicted, expected, atol=close * np.ptp(expected))
    for one, two in zip(again.coefs_, estimator.coefs_, strict=True):
        np.testing.assert_allclose(one.data, two.data, rtol=0, atol=close)


def test_unfitted_ones_keep_their_numbers(old):
    """What is a number in the file stays; all else has today's meaning."""
    for estimator in old["estimators"]["not fitted"]:
        today = type(estimator)().get_params()
        found = estimator.get_params()
        assert found.keys() == today.keys()
        kept = SELECTORS if type(estimator) is ts.SparseFeatureSelector else NETWORKS
        assert found == today | kept
        assert repr(estimator) == repr(type(estimator)(**kept))
        fitted = pickle.loads(pickle.dumps(estimator)).set_params(random_state=0)
        fitted.fit(old["x"], old["y"] > np.median(old["y"]))
        assert fitted.model_.layer_sizes[1:-1] == list(kept["hidden_layer_sizes"])


def test_a_column_that_stays_out_is_said(old):
    x, again = old["x"].copy(), pickle.loads(pickle.dumps(old["estimators"]["numbers"]))
    column = 2
    again._constant = np.arange(x.shape[1]) == column
    with pytest.warns(RuntimeWarning, match=f"columns {column} of X vary.*stay out"):
        again.fit(x, old["y"])
    x[:, column] = 3.0
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        again.fit(x, old["y"])
