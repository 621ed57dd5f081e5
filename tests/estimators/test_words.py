"""Words of other libraries in the estimators: errors name the user's class, and what is meant."""

import copy
import inspect
import pickle
import re

import numpy as np
import pytest
import trulysparse as ts
from sklearn.base import clone
from trulysparse import SparseFeatureSelector, SparseMLP, SparseMLPClassifier, SparseMLPRegressor
from trulysparse.estimators import _words

X = np.random.default_rng(0).normal(size=(30, 4))
Y = np.arange(30) % 2
KINDS = (SparseMLPClassifier, SparseMLPRegressor, SparseFeatureSelector)
METHODS = ("fit", "partial_fit", "predict", "predict_proba", "predict_log_proba", "score")


@pytest.fixture(scope="module")
def fitted():
    quick = {"hidden_layer_sizes": (4,), "random_state": 0}
    return [
        SparseMLPClassifier(max_iter=2, **quick).fit(X, Y),
        SparseMLPRegressor(max_iter=2, **quick).fit(X, Y),
        SparseFeatureSelector(epochs=2, n_members=1, **quick).fit(X, Y),
    ]


def test_each_word_names_the_class_of_the_user(fitted):
    class Own(SparseMLPRegressor):
        pass

    for kind in (*KINDS, Own):
        for word in {*_words.ALIASES, *_words.TOLD, "colour"}:
            if word in inspect.signature(kind).parameters:
                continue
            with pytest.raises(TypeError, match=rf"^{kind.__name__} has no argument '{word}': exp"):
                kind(**{word: 0})
    for model in fitted:
        before = pickle.dumps(model)
        name = type(model).__name__
        for method in {*METHODS, "explain", "report"}:
            if hasattr(model, method):
                more = (
                    {"y": Y} if "y" in inspect.signature(getattr(model, method)).parameters else {}
                )
                with pytest.raises(TypeError, match=rf"^{name}.{method} has no argument 'colour'"):
                    getattr(model, method)(X, colour=1, **more)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: SparseMLPRegressor(alpha=1e-4), "weight_decay"),
        (lambda: SparseMLPClassifier(n_estimators=9), "n_members"),
        (lambda: SparseMLPClassifier(seed=9), "random_state"),
        (lambda: SparseMLPClassifier(hidden_layer_size=9), "hidden_layer_sizes"),
        (lambda: SparseFeatureSelector(max_iter=9), "epochs"),
        (lambda: SparseFeatureSelector(lr=9), "learning_rate"),
        (lambda: SparseMLPRegressor(X_val=X), r"fit\(..., X_val=...\)"),
        (lambda: SparseMLPRegressor(class_weight="balanced"), r"fit\(..., sample_weight=...\)"),
        (
            lambda: SparseMLPClassifier().fit(X, Y, epochs=3),
            r"SparseMLPClassifier\(..., max_iter=...\)",
        ),
        (lambda: SparseMLPClassifier().fit(X, Y, eval_set=[(X, Y)]), r"fit\(..., X_val=..., y_val"),
        (lambda: SparseMLPClassifier().fit(X, labels=Y), "y$"),
    ],
)
def test_what_is_meant(call, expected):
    with pytest.raises(TypeError, match=rf"has no argument '\w+': expected {expected}"):
        call()


def test_too_many_values_name_the_class():
    for kind in KINDS:
        with pytest.raises(TypeError, match=rf"^{kind.__name__}.__init__\(\) takes"):
            kind(1, 2, 3)


def test_attributes(fitted):
    for model in fitted:
        is_selector = isinstance(model, SparseFeatureSelector)
        words = _words.OF_SELECTOR if is_selector else _words.ATTRIBUTES
        for word, instead in words.items():
            with pytest.raises(
                AttributeError, match=rf"'{type(model).__name__}' .*'{word}': "
            ) as e:
                getattr(model, word)
            assert str(e.value).endswith(instead)
        for word in ("summary", "to_torch", "nnz"):
            assert hasattr(SparseMLP, word)
            with pytest.raises(AttributeError, match=rf"'{word}': model_ is the network.*{word}$"):
                getattr(model, word)
        with pytest.raises(AttributeError, match=r"has no attribute 'colour'$"):
            _ = model.colour


def test_what_is_named_is_there(fitted):
    classifier, _, selector = fitted
    for words in _words._ALIASES.values():
        for word in words.split():
            kinds = [k for k in KINDS for m in ("__init__", "fit", "explain", "save")
                     if word in _words._parameters(k, m)]  # fmt: skip
            assert kinds, word
    said = " ".join((*_words.TOLD.values(), *_words.ATTRIBUTES.values()))
    for name in re.findall(r"trulysparse\.(\w+)", said):
        assert hasattr(ts, name), name
    for model, table in ((classifier, _words.ATTRIBUTES), (selector, _words.OF_SELECTOR)):
        for name in re.findall(r"(?<![.\w])(\w+_)(?!\w)", " ".join(table.values())):
            assert hasattr(model, name) or name == "feature_names_in_", name


def test_scikit_learn_sees_no_unknown(fitted):
    for model in fitted:
        kind = type(model)
        assert "unknown" not in kind._get_param_names()
        for method in ("__init__", *METHODS, "explain", "report", "save"):
            if hasattr(kind, method):
                assert "unknown" not in inspect.signature(getattr(kind, method)).parameters
        assert clone(model).get_params() == model.get_params()
        assert copy.deepcopy(model).n_features_in_ == 4
        assert not hasattr(kind(), "n_features_in_")
