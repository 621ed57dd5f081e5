"""Scores of neurons and features against the oracle, and pruning by them."""

import numpy as np
import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from oracle import from_model
from small_model import X, fit, make_model
from test_topology_properties import structure


@st.composite
def models(draw, **options):
    """A network whose weights were drawn; some neurons have no connections."""
    sizes = draw(st.lists(st.integers(1, 12), min_size=2, max_size=5))
    return ts.SparseMLP(
        sizes,
        density=draw(st.sampled_from([0.05, 0.2, 0.5, 1.0])),
        seed=draw(st.integers(0, 2**32)),
        threads=draw(st.sampled_from([1, 2, 3])),
        loss="squared_error",
        **options,
    )


@given(models())
def test_importance_agrees_with_the_oracle(model):
    oracle = from_model(model)
    for kind in ("path", "strength"):
        scores = model.feature_importance(kind)
        assert scores.dtype == np.float64
        assert scores.shape == (model.layer_sizes[0],)
        expected = oracle.feature_importance(kind)
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
        assert np.array_equal(scores == 0, expected == 0)
        assert not np.signbit(scores).any()
    for number, layer in enumerate(oracle.layers, start=1):
        expected = np.abs(layer.weight).sum(axis=0)
        np.testing.assert_allclose(model.importance(number), expected, rtol=1e-6)


def test_path_importance_is_the_default_and_a_walk_over_all_paths():
    model = make_model()
    weights = [np.abs(layer.weight.toarray().astype(np.float64)) for layer in model.layers]
    by_hand = [
        sum(
            weights[0][i, j] * weights[1][j, k] * weights[2][k, o]
            for j in range(20)
            for k in range(15)
            for o in range(4)
        )
        for i in range(6)
    ]
    np.testing.assert_allclose(model.feature_importance(), by_hand, rtol=1e-12)
    assert not np.allclose(model.feature_importance("strength"), by_hand)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_importance_has_the_same_bits_for_any_threads(threads):
    def scores(threads):
        model = ts.SparseMLP([500, 800, 600, 5], epsilon=20, seed=0, threads=threads)
        features = [model.feature_importance(kind).tobytes() for kind in ("path", "strength")]
        return features + [model.importance(layer).tobytes() for layer in (1, 2, 3)]

    assert scores(threads) == scores(1)


def test_the_feature_that_decides_has_the_highest_score():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1000, 20)) * 10.0 ** rng.integers(-2, 3, size=20)
    y = (x[:, 7] > 0).astype(int)
    model = ts.SparseMLP([20, 60, 2], density=0.3, dropout=0, standardize=True, seed=0)
    model.fit(x, y, epochs=20, batch_size=32, optimizer=ts.SGD(0.05), progress=False)
    for kind in ("path", "strength"):
        assert np.argmax(model.feature_importance(kind)) == 7
