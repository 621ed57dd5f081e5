"""Parameters that change between two calls of an estimator that goes on."""

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st

RNG = np.random.default_rng(23)
X = RNG.normal(size=(40, 5))
Y = RNG.integers(0, 2, size=40)
BOTH = (ts.SparseMLPClassifier, ts.SparseMLPRegressor)
# What a network is made with: the first value, and another.
FIXED = {
    "hidden_layer_sizes": ((8, 6), (8, 7)),
    "activation": ("relu", ["relu", "tanh"]),
    "slope": (0.25, 0.5),
    "epsilon": (4, 5),
    "density": (0.5, 0.6),
    "dropout": (0.1, [0.1, 0.2]),
    "input_noise": (0.0, 0.05),
    "standardize": (True, False),
}
FREE = {
    "batch_size": 7,
    "learning_rate": "constant",
    "learning_rate_init": 0.003,
    "momentum": 0.5,
    "nesterovs_momentum": False,
    "weight_decay": 0.01,
    "optimizer": "adam",
    "max_iter": 3,
    "topology": None,
    "zeta": 0.1,
    "grow_init": 0.5,
    "random_state": 9,
    "n_jobs": 2,
}


def fitted(kind, **given):
    options = {"hidden_layer_sizes": (8, 6), "max_iter": 2, "random_state": 1, "warm_start": True}
    return kind(**options | given).fit(X, Y)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("verb", ["fit", "partial_fit"])
def test_what_a_network_is_made_with_stays(kind, name, verb):
    first, other = FIXED[name]
    estimator = fitted(kind, **{name: first})
    before = estimator.predict(X)
    with pytest.raises(ValueError, match=rf"{name} = .*, but the network.*warm_start=False"):
        getattr(estimator.set_params(**{name: other}), verb)(X, Y)
    np.testing.assert_array_equal(estimator.predict(X), before)
    # The same value is none that has changed, and a new fit takes the other one.
    getattr(estimator.set_params(**{name: first}), verb)(X, Y)
    estimator.set_params(**{name: other}, warm_start=False).fit(X, Y)
    assert estimator.model_.epochs_trained == estimator.n_iter_ == 2


@given(st.sets(st.sampled_from(sorted(FREE)), min_size=1), st.sampled_from(["fit", "partial_fit"]))
@settings(max_examples=cases.drawn(25))
def test_what_training_takes_may_change(names, verb):
    estimator = fitted(ts.SparseMLPClassifier)
    epochs = estimator.n_iter_
    getattr(estimator.set_params(**{name: FREE[name] for name in names}), verb)(X, Y)
    assert estimator.n_iter_ == epochs + (estimator.max_iter if verb == "fit" else 1)
    if "learning_rate_init" in names:
        assert estimator.history_.history["learning_rate"][0] <= 0.003
    if "n_jobs" in names:
        assert estimator.model_.threads == 2


@pytest.mark.parametrize("standardize", ["auto", True, False])
def test_standardising_as_before_is_no_change(standardize):
    x = X.copy()
    x[:, 1] = 4.0  # left out by statistics, also of a network that does not standardise
    for verb in ("fit", "partial_fit"):
        estimator = ts.SparseMLPClassifier(
            (8,), max_iter=2, random_state=1, warm_start=True, standardize=standardize
        ).fit(x, Y)
        getattr(estimator, verb)(x, Y)
        getattr(estimator, verb)(X, Y)
        with pytest.raises(ValueError, match="standardize = "):
            getattr(estimator.set_params(standardize=standardize is False), verb)(x, Y)


def test_one_value_for_all_layers_is_one_for_each():
    estimator = fitted(ts.SparseMLPClassifier, activation="tanh", dropout=0.2, epsilon=3)
    estimator.set_params(activation=["tanh", "tanh"], dropout=[0.2, 0.2], epsilon=[3, 3, 3])
    assert estimator.fit(X, Y).n_iter_ == 4
    # A density takes the place of epsilon, which then says nothing.
    estimator = fitted(ts.SparseMLPClassifier, density=0.5).set_params(epsilon=9)
    assert estimator.fit(X, Y).n_iter_ == 4
    with pytest.raises(ValueError, match="epsilon = 9"):
        estimator.set_params(density=None).fit(X, Y)


def test_a_pruned_network_goes_on():
    estimator = fitted(ts.SparseMLPClassifier, hidden_layer_sizes=(30, 20))
    estimator.model_.prune(percentile=40, regrow=False)
    estimator.model_.compact()
    assert estimator.fit(X, Y).n_iter_ == 4


@pytest.mark.parametrize("name", ["slope", "epsilon"])
def test_a_setting_that_equals_the_one_before_is_checked(name):
    estimator = ts.SparseMLPClassifier((6,), random_state=0, **{name: 1.0})
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40) % 2
    for _ in range(3):
        estimator.partial_fit(x, y, classes=[0, 1])
    estimator.set_params(**{name: True})
    with pytest.raises(TypeError, match=f"{name} = True"):
        estimator.partial_fit(x, y)
