"""Noise on the inputs: its distribution, its randomness, and a step with it against the oracle."""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle as o
from helpers.judged import close, models_agree
from helpers.larger_model import X, fit, make_model, predicted


def linear(features, outputs, noise, seed=0, weight=1e-30, **options):
    weights = [sp.csc_array(np.full((features, outputs), weight, np.float32))]
    return ts.SparseMLP.from_scipy(
        weights, loss="squared_error", input_noise=noise, seed=seed, **options
    )


def drawn_noise(model, batch):
    """(batch, features) noise of the model's next step, read off its gradient.

    The weights are too small to matter, so with targets -I the output deltas are I and weight
    (j, k) moves by input j of sample k alone; the inputs are zeros and the noise.
    """
    x, y = np.zeros((batch, model.layer_sizes[0])), -np.eye(batch)
    model.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    return -batch * model.layers[0].weight.toarray().T.astype(np.float64)


@pytest.mark.parametrize("batch", [1, 3, 8, 16, 37])
@pytest.mark.parametrize("deviation", [1e-3, 0.2, 1.5])
def test_noise_is_gaussian_and_independent(deviation, batch):
    noise = drawn_noise(linear(4000, batch, deviation, seed=1), batch) / deviation
    bound = 5 / np.sqrt(noise.size)
    assert abs(noise.mean()) < bound
    assert abs((noise**2).mean() - 1) < np.sqrt(2) * bound
    assert abs((noise**3).mean()) < np.sqrt(15) * bound
    assert abs((noise**4).mean() - 3) < np.sqrt(96) * bound
    # Neighbouring samples, the two draws of one word, neighbouring features, and their squares.
    pairs = [(noise[:, 1:], noise[:, :-1])]
    pairs += [(noise[k:], noise[:-k]) for k in (1, 8) if batch > k]
    for a, b in pairs:
        assert abs((a * b).mean()) < 5 / np.sqrt(a.size)
        assert abs(((a**2 - 1) * (b**2 - 1)).mean()) < 5 * 2 / np.sqrt(a.size)


def test_noise_differs_by_step_and_seed_only():
    def draws(seed, steps):
        model = linear(500, 4, 0.3, seed)
        still = ts.SGD(1e-37, momentum=0.0, weight_decay=0.0)
        for _ in range(steps):
            model.train_on_batch(np.zeros((4, 500)), -np.eye(4), optimizer=still)
        return drawn_noise(model, 4).tobytes()

    assert len({draws(0, 0), draws(0, 1), draws(0, 2), draws(1, 0)}) == 4
    assert draws(0, 1) == draws(0, 1)


@pytest.mark.parametrize("standardize", [False, True])
def test_step_with_noise_follows_the_oracle(standardize):
    # Noise belongs to seed and step, not to weights: read it from a model with tiny ones.
    noise = drawn_noise(linear(6, 8, 0.5, seed=2), 8)
    options = {"standardize": standardize, "input_noise": 0.5, "seed": 2}
    model = ts.SparseMLP([6, 20, 3], loss="squared_error", dropout=0.0, **options)
    x, y = o.random_data("squared_error", 8, 6, 3)
    oracle = o.from_model(model)
    if standardize:
        x = 5 * x + 3  # the noise is added to what standardisation makes of this
        oracle.mean, oracle.scale = o.standardisation(x)
    result = model.train_on_batch(x, y, optimizer=ts.SGD(0.1))
    noisy = oracle.standardise(x) + noise
    statistics, oracle.mean, oracle.scale = (oracle.mean, oracle.scale), None, None
    assert result["loss"] == pytest.approx(oracle.evaluate(noisy, y), rel=3e-6)
    oracle.step(noisy, y, lr=0.1)
    models_agree(model, oracle)
    # Neither prediction nor evaluation adds any.
    oracle.mean, oracle.scale = statistics
    close(model.predict(x), oracle.predict(x))
    assert model.evaluate(x, y)["loss"] == pytest.approx(oracle.evaluate(x, y), rel=1e-5)


def test_any_number_of_threads_gives_the_same_noise(state_of):
    results = []
    for threads in (1, 2, 3, 7):
        model = fit(make_model(threads=threads, input_noise=0.3))
        results.append((state_of(model), predicted(model)))
    assert all(result == results[0] for result in results)
    quiet, loud = fit(make_model()), fit(make_model(input_noise=1e-4))
    assert state_of(quiet) != state_of(loud)
    # The rest of a step's randomness is that of a model without noise.
    np.testing.assert_allclose(quiet.predict(X), loud.predict(X), atol=0.05)


def test_a_denoising_autoencoder_reconstructs_what_it_was_not_given():
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(600, 2))
    x = hidden @ rng.normal(size=(2, 30))
    x /= x.std(axis=0)
    model = ts.SparseMLP(
        [30, 40, 30], density=0.5, loss="squared_error", activation="identity", dropout=0.0,
        input_noise=1.0, seed=0,
    )  # fmt: skip
    model.fit(x, x, epochs=40, batch_size=50, optimizer=ts.SGD(0.01), progress=False)
    noisy = x + rng.normal(size=x.shape)
    assert ((model.predict(noisy) - x) ** 2).mean() < 0.5
