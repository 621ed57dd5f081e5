"""Weights of samples: what counts more, and what is refused."""

import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers.judged import close
from helpers.oracle import LOSSES
from helpers.small_model import SIZES, X, Y, fit, make_model
from hypothesis import given
from hypothesis import strategies as st

RNG = np.random.default_rng(7)
PLAIN = {"dropout": 0.0}
SGD = ts.SGD(0.1, momentum=0.0, weight_decay=0.0)


def targets(loss, n):
    return {
        "cross_entropy": RNG.dirichlet(np.ones(SIZES[-1]), n),
        "binary_cross_entropy": RNG.integers(0, 2, (n, SIZES[-1])),
        "squared_error_sigmoid": RNG.random((n, SIZES[-1])),
        "huber": 3 * RNG.normal(size=(n, SIZES[-1])),
        "squared_error": RNG.normal(size=(n, SIZES[-1])),
    }[loss]


@pytest.mark.parametrize("loss", LOSSES)
def test_a_weight_is_so_many_copies(loss):
    """A sample of weight 3 does what three of it do in a batch of as many samples."""
    y = targets(loss, 4)
    weights = np.array([3, 0, 1, 4])
    weighted, copied = make_model(loss=loss, **PLAIN), make_model(loss=loss, **PLAIN)
    scores = weighted.train_on_batch(X[:4], y, sample_weight=weights, optimizer=SGD)
    # The mean divides by 4 samples there and by 8 here.
    many = np.repeat(np.arange(4), weights)
    twice = ts.SGD(0.2, momentum=0.0, weight_decay=0.0)
    same = copied.train_on_batch(X[many], y[many], optimizer=twice)
    assert np.isclose(scores["loss"], 2 * same["loss"], rtol=1e-6)
    for mine, other in zip(weighted.layers, copied.layers, strict=True):
        close(mine.weight.toarray(), other.weight.toarray())
        close(mine.bias, other.bias)


def test_labels_and_probabilities_count_alike():
    weights = RNG.random(len(X))
    models = [make_model(**PLAIN), make_model(**PLAIN)]
    one_hot = np.eye(SIZES[-1])[Y]
    losses = [
        fit(model, y=y, sample_weight=weights).history["loss"]
        for model, y in zip(models, (Y, one_hot), strict=True)
    ]
    np.testing.assert_allclose(*losses, rtol=1e-5)


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2)])
def test_weights_of_one_are_no_weights(state_of, strategy):
    plain, weighted = make_model(), make_model()
    fit(plain, strategy=strategy)
    fit(weighted, strategy=strategy, sample_weight=np.ones(len(X), int))
    assert state_of(plain) == state_of(weighted)


def test_samples_without_weight_do_not_matter(state_of):
    weights = (np.arange(len(X)) % 2).astype(bool)
    other = np.where(weights[:, None], X, RNG.normal(size=X.shape).astype(np.float32))
    models = [make_model(), make_model()]
    for model, x in zip(models, (X, other), strict=True):
        model.fit(x, Y, epochs=2, batch_size=8, sample_weight=weights, progress=False)
    assert state_of(models[0]) == state_of(models[1])


@given(st.lists(st.floats(0, 1e3, width=32), min_size=len(X), max_size=len(X)))
def test_the_loss_is_the_weighted_mean(weights):
    model = make_model()
    p = model.predict(X)
    each = -np.log(p[np.arange(len(X)), Y].astype(np.float64))
    scores = model.evaluate(X, Y, sample_weight=weights)
    assert np.isclose(scores["loss"], np.mean(weights * each), rtol=1e-4, atol=1e-6)
    assert scores["accuracy"] == model.evaluate(X, Y)["accuracy"]


def test_mistakes_are_named(state_of):
    model = make_model()
    before = state_of(model)
    for weights, message in [
        (np.ones(3), r"sample_weight has shape \(3,\): expected \(50,\)"),
        (np.ones((len(X), 1)), r"sample_weight has shape \(50, 1\)"),
        (np.full(len(X), -1.0), "sample_weight = -1 at 0"),
        (np.full(len(X), np.nan), r"sample_weight\[0\] = nan: expected finite"),
        (np.full(len(X), 1e300), r"sample_weight\[0\] = 1e\+300"),
    ]:
        with pytest.raises(ValueError, match=message):
            fit(model, sample_weight=weights)
    with pytest.raises(TypeError, match="sample_weight has dtype"):
        fit(model, sample_weight=["a"] * len(X))
    assert state_of(model) == before


def test_batches_of_an_iterator_can_have_weights():
    weights = RNG.random(len(X)).astype(np.float32)
    models = [make_model(**PLAIN), make_model(**PLAIN)]
    models[0].train_on_batch(X, Y, sample_weight=weights, optimizer=SGD)
    models[1].fit(
        iter([(X, Y, weights)]), steps_per_epoch=1, epochs=1, optimizer=SGD, topology=None,
        progress=False,
    )  # fmt: skip
    for mine, other in zip(models[1].layers, models[0].layers, strict=True):
        close(mine.weight.toarray(), other.weight.toarray())  # summed in another order
    with pytest.raises(TypeError, match="sample_weight: expected None"):
        models[1].fit(iter([(X, Y)]), steps_per_epoch=1, sample_weight=weights)


class TestExtremeRatios:
    def test_rare_and_heavy_samples_train(self):
        """1 to 100,000; the same network explodes where a batch is one such sample."""
        rng = np.random.default_rng(2)
        x = rng.normal(size=(4000, 10)).astype(np.float32)
        y = (rng.random(4000) < 0.01).astype(int)
        x[y == 1, :2] += 3
        weights = np.where(y == 1, 1e5, 1.0)
        model = ts.SparseMLP([10, 40, 2], density=0.5, seed=0)
        history = model.fit(
            x, y, sample_weight=weights / weights.mean(), epochs=15, optimizer=ts.SGD(0.05),
            progress=False,
        )  # fmt: skip
        assert history.trouble is None
        assert 0 < history.limited_steps < 15 * 32
        assert max(history.history["loss"]) < 5
        found = model.predict(x)[:, 1] > 0.5
        assert found[y == 1].mean() > 0.95

    @pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2), ts.WASAP(workers=2)])
    def test_steps_are_counted(self, strategy):
        weights = np.ones(len(X))
        moderate = fit(make_model(), sample_weight=4 * weights, strategy=strategy)
        assert moderate.limited_steps == 0
        weights[::7] = 1e5
        heavy = fit(make_model(), sample_weight=weights, strategy=strategy)
        assert heavy.limited_steps > 0

    def test_the_progress_bar_says_so(self, monkeypatch, capfd):
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
        weights = np.ones(len(X))
        fit(make_model(), sample_weight=weights, progress=True)
        assert "limited" not in capfd.readouterr().err
        weights[::7] = 1e5
        fit(make_model(), sample_weight=weights, progress=True)
        assert "weights limited in" in capfd.readouterr().err

    def test_weights_of_up_to_four_are_factors(self):
        """Of a step of plain SGD: without a weight four times the step."""
        for loss in LOSSES:
            y = targets(loss, len(X))
            models = [make_model(loss=loss, **PLAIN), make_model(loss=loss, **PLAIN)]
            four = ts.SGD(0.4, momentum=0.0, weight_decay=0.0)
            models[0].train_on_batch(X, y, optimizer=four)
            models[1].train_on_batch(X, y, sample_weight=np.full(len(X), 4), optimizer=SGD)
            for mine, other in zip(models[1].layers, models[0].layers, strict=True):
                close(mine.weight.toarray(), other.weight.toarray())
