"""How sure probabilities are, by held-out samples."""

import numpy as np
import pytest
import trulysparse as ts
from scipy.special import log_softmax, softmax
from trulysparse.selection import temperature

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("truth", [0.3, 1.0, 1.7])
def test_the_true_one_is_found(truth):
    logits = RNG.normal(size=(4000, 5))
    y = np.array([RNG.choice(5, p=p) for p in softmax(logits / truth, axis=1)])
    found, each = temperature.best(softmax(logits, axis=1), y)
    assert found == pytest.approx(truth, rel=0.1)
    expected = -log_softmax(logits / found, axis=1)[np.arange(4000), y]
    np.testing.assert_allclose(each, expected, rtol=1e-6)


def test_few_samples_say_little():
    sure = np.array([[0.999, 0.001]])
    assert temperature.best(sure, np.array([0]))[0] == pytest.approx(0.6, rel=0.1)
    assert 0.2 <= temperature.best(np.repeat(sure, 500, axis=0), np.ones(500, int))[0] <= 2.0


def test_weights_count():
    outputs = np.array([[0.7, 0.3]] * 200)
    y = np.arange(200) % 2
    right = temperature.best(outputs, y, np.where(y == 0, 9.0, 1.0))[0]
    assert right < temperature.best(outputs, y)[0]


@pytest.mark.parametrize("hidden", [(), (6,)])
@pytest.mark.parametrize("optimizer", [ts.SGD(0.05), ts.Adam(0.01)])
def test_sharper_outputs_are_those_of_larger_logits(hidden, optimizer):
    x, y = RNG.normal(size=(60, 4)), np.arange(60) % 3
    model = ts.SparseMLP([4, *hidden, 3], density=1.0, seed=0)
    model.fit(x, y, epochs=3, optimizer=optimizer, topology=None, progress=False)
    before = np.log(model.predict(x).astype(float))
    model._core.sharpen(1.7)
    np.testing.assert_allclose(model.predict(x), softmax(1.7 * before, axis=1), rtol=2e-5)
    model.fit(x, y, epochs=1, optimizer=optimizer, topology=None, progress=False)


@pytest.mark.parametrize("factor", [0.0, -1.0, np.nan, np.inf])
def test_no_factor(factor):
    model = ts.SparseMLP([4, 3], density=1.0, seed=0)
    before = model.predict(np.eye(4)).tobytes()
    with pytest.raises(ValueError, match="factor = "):
        model._core.sharpen(factor)
    assert model.predict(np.eye(4)).tobytes() == before
