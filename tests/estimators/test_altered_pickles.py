"""Pickles of estimators in which something is missing, or is something else: refused in words."""

import copy
import pickle

import numpy as np
import pytest
import trulysparse as ts

X = np.random.default_rng(1).normal(size=(30, 4))
QUICK = {"hidden_layer_sizes": (5,), "random_state": 0}
FITTED = {
    "classes": ts.SparseMLPClassifier(max_iter=2, **QUICK).fit(X, np.arange(30) % 3),
    "text": ts.SparseMLPClassifier(max_iter=2, **QUICK).fit(
        X, np.array(["u", "v"])[X[:, 0].astype(int) % 2]
    ),
    "labels": ts.SparseMLPClassifier(max_iter=2, **QUICK).fit(X, (X[:, :2] > 0).astype(int)),
    "number": ts.SparseMLPRegressor(max_iter=2, **QUICK).fit(X, X[:, 0]),
    "numbers": ts.SparseMLPRegressor(max_iter=2, **QUICK).partial_fit(X, X[:, :2]),
    "selector": ts.SparseFeatureSelector(epochs=1, **QUICK).fit(X, np.arange(30) % 2),
}
OTHERS = [None, 3, -1.5, "text", b"x", [1, "x"], {}, object(), np.zeros((2, 2)), np.array([7, 9])]
USES = {
    "predict": lambda e: e.predict(X),
    "predict_proba": lambda e: e.predict_proba(X),
    "score": lambda e: e.score(X, e.predict(X)),
    "transform": lambda e: e.transform(X),
    "get_support": lambda e: e.get_support(),
    "feature_importances_": lambda e: e.feature_importances_,
    "fit": lambda e: copy.deepcopy(e).set_params(warm_start=True).fit(X, e.predict(X)),
}
IN_WORDS = (ValueError, TypeError)


def read(estimator, state):
    made = type(estimator).__new__(type(estimator))
    made.__setstate__(state)
    return made


def results(estimator):
    """What it answers, by use; a raw AttributeError or the like goes through."""
    estimator, found = copy.copy(estimator), {}
    for name, use in USES.items():
        if hasattr(type(estimator), name) and not (name == "fit" and "transform" in dir(estimator)):
            try:
                found[name] = use(estimator)
            except IN_WORDS as error:
                found[name] = str(error)
    return found


@pytest.mark.parametrize("name", FITTED)
def test_whole_ones_are_taken(name):
    again, expected = pickle.loads(pickle.dumps(FITTED[name])), results(FITTED[name])
    for use, found in results(again).items():
        if use != "fit":
            np.testing.assert_array_equal(found, expected[use])


@pytest.mark.parametrize("name", FITTED)
def test_missing_state_is_refused(name):
    whole = FITTED[name].__getstate__()
    needed = {}
    for key in whole.keys() - {"_sklearn_version"}:
        state = {k: v for k, v in whole.items() if k != key}
        try:
            results(read(FITTED[name], state))
        except ValueError as error:
            needed[key] = str(error)
    assert len(needed) > 15
    assert all(key in text for key, text in needed.items())


@pytest.mark.parametrize("name", FITTED)
def test_other_state_is_refused(name):
    whole = FITTED[name].__getstate__()
    learnt = [k for k in whole if k.endswith("_") or k in ("_target", "_sparse")]
    refused = []
    for key in learnt:
        for other in OTHERS:
            try:
                results(read(FITTED[name], whole | {key: other}))
            except IN_WORDS as error:
                refused.append(str(error))
    assert len(refused) > len(learnt)
    assert all(text.startswith("the pickled Sparse") for text in refused)
    for key in ("model_", "n_features_in_"):
        with pytest.raises(ValueError, match=f"has {key} = 'text': expected"):
            read(FITTED[name], whole | {key: "text"})


@pytest.mark.parametrize("name", FITTED)
def test_parts_of_another_estimator_are_refused(name):
    whole = FITTED[name].__getstate__()
    wide = ts.SparseMLP([9, 5, whole["model_"].layer_sizes[-1]], loss=whole["model_"].loss)
    with pytest.raises(ValueError, match="n_features_in_ = 4: expected 9, as its network has"):
        read(FITTED[name], whole | {"model_": wide})
    for other in FITTED.values():
        if (
            "_target" in whole
            and hasattr(other, "_target")
            and other.n_outputs_ != whole["n_outputs_"]
        ):
            with pytest.raises(ValueError, match=r"(outputs|loss) of _target"):
                read(FITTED[name], whole | {"_target": other._target})


@pytest.mark.parametrize("state", [None, 3, [], {"model_": 1}, {3: 4}])
def test_what_is_no_state(state):
    for kind in (ts.SparseMLPClassifier, ts.SparseMLPRegressor, ts.SparseFeatureSelector):
        with pytest.raises(IN_WORDS, match="the pickled Sparse"):
            kind.__new__(kind).__setstate__(state)
