"""Dropout: its rate, its randomness, and a step with it against the oracle."""

import math

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.dropout_masks import drawn_masks, one_connection_each
from helpers.judged import close, models_agree


@pytest.mark.parametrize("hidden_layers", [1, 2])
@pytest.mark.parametrize("batch", [1, 3, 16, 17])
@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_keeps_the_mean(rate, batch, hidden_layers):
    units = 4000
    masks = drawn_masks(one_connection_each(units, batch, hidden_layers, rate, seed=1), batch)
    keep = (1 - round(rate * 65536) / 65536) ** hidden_layers  # layers drop independently
    kept = masks != 0
    np.testing.assert_allclose(masks[kept], 1 / keep, rtol=1e-6)
    spread = math.sqrt(keep * (1 - keep))
    assert abs(kept.mean() - keep) < 5 * spread / math.sqrt(kept.size)
    # Neighbouring samples, neighbouring units: their agreement is that of independent draws.
    for a, b in ((kept[1:], kept[:-1]), (kept[:, 1:], kept[:, :-1])):
        covariance = ((a - keep) * (b - keep)).mean() if a.size else 0.0
        assert abs(covariance) < 5 * spread**2 / math.sqrt(max(a.size, 1))


@pytest.mark.parametrize("rate", [1 - 1e-6, 1 - 1 / 65536])
def test_dropout_just_below_one_stays_finite(rate):
    model = one_connection_each(40, 4, 1, rate, seed=0, output_weight=0.5)
    for _ in range(3):
        model.train_on_batch(np.ones((4, 1)), np.eye(4))
    assert all(np.isfinite(la.weight.data).all() for la in model.layers)


def test_dropout_differs_by_step_and_seed_only():
    def draws(seed, steps):
        model = one_connection_each(500, 4, 1, 0.3, seed)
        still = ts.SGD(1e-37, momentum=0.0, weight_decay=0.0)
        for _ in range(steps):
            model.train_on_batch(np.ones((4, 1)), -np.eye(4), optimizer=still)
        return drawn_masks(model, 4).tobytes()

    assert len({draws(0, 0), draws(0, 1), draws(0, 2), draws(1, 0)}) == 4
    assert draws(0, 1) == draws(0, 1)


def test_step_with_dropout_follows_the_oracle():
    # Masks belong to seed, layer and step, not to weights: read them from a model whose output
    # weights are tiny, then use them to check a step of one with ordinary weights.
    mask = drawn_masks(one_connection_each(40, 8, 1, 0.4, seed=2), 8)
    assert 0 < (mask == 0).mean() < 1
    model = one_connection_each(40, 8, 1, 0.4, seed=2, output_weight=0.5)
    oracle = o.from_model(model)
    x, y = o.random_data("squared_error", 8, 1, 8)
    result = model.train_on_batch(x, y, optimizer=ts.SGD(0.1))
    assert result["loss"] == pytest.approx(oracle.evaluate(x, y, [mask]), rel=3e-6)
    oracle.step(x, y, lr=0.1, masks=[mask])
    models_agree(model, oracle)
    # Neither prediction nor evaluation drops anything.
    close(model.predict(x), oracle.predict(x))
    assert model.evaluate(x, y)["loss"] == pytest.approx(oracle.evaluate(x, y), rel=1e-5)
