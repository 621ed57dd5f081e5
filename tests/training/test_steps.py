"""Forward, loss, gradients, steps and `fit` of the package against the float64 oracle.

Tolerances: one float32 operation is good to 6e-8 relative; the networks here sum at most some
twenty terms per element through four layers, so errors stay within a few 1e-6 of an array's
largest magnitude, and grow by about that much with every step.
"""

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import oracle as o
from helpers.biased_model import BATCHES, SIZES, make_model
from helpers.judged import close, models_agree

COMBINATIONS = [(a, loss) for a in o.ACTIVATIONS for loss in o.LOSSES]


def flat_difference(before, after):
    return o.from_model(before).flat() - o.from_model(after).flat()


@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
@pytest.mark.parametrize("n", BATCHES)
def test_forward_and_loss(activation, loss, n):
    model = make_model(activation, loss)
    oracle = o.from_model(model)
    for soft in (False, True):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=n, soft=soft)
        prediction = model.predict(x)
        assert prediction.dtype == np.float32
        close(prediction, oracle.predict(x))
        result = model.evaluate(x, y)
        assert result == pytest.approx(model.test_on_batch(x, y), rel=1e-6)
        assert result["loss"] == pytest.approx(oracle.evaluate(x, y), rel=3e-6)
        if loss in o.WITHOUT_ACCURACY:
            assert set(result) == {"loss"}
        else:
            assert set(result) == {"loss", "accuracy"}
            assert result["accuracy"] == pytest.approx(oracle.accuracy(x, y), abs=1e-7)


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy"])
def test_loss_of_huge_logits_is_exact_and_trains(loss):
    # -log p from a rounded p would be infinite or clipped.
    weight = sp.csc_array(np.array([[400.0, -400.0]], dtype=np.float32))
    model = ts.SparseMLP.from_scipy([weight], loss=loss, seed=0)
    x = np.ones((3, 1), np.float32)
    y = np.array([[0.0, 1.0]] * 3, dtype=np.float32)
    assert model.evaluate(x, y)["loss"] == pytest.approx(800.0, rel=1e-6)
    # A denormal instead of zero is as good: the exponential may stop where float32 does.
    np.testing.assert_allclose(model.predict(x), [[1.0, 0.0]] * 3, rtol=0, atol=1e-37)
    model.train_on_batch(x, y)
    assert all(np.isfinite(layer.weight.data).all() for layer in model.layers)


@pytest.mark.parametrize("d", [0.0, 0.25, -0.25, 1.0, -1.0, 1.0001, 3.0, -1e3, 1e30])
def test_huber_of_one_number(d):
    model = ts.SparseMLP.from_scipy([sp.csc_array(np.ones((1, 1)))], loss="huber", seed=0)
    x, y = np.zeros((1, 1), np.float32), np.array([[-d]], np.float32)
    d = -float(y[0, 0])
    expected = d * d / 2 if abs(d) <= 1 else abs(d) - 0.5
    plain = ts.SGD(1.0, momentum=0.0, weight_decay=0.0)
    assert model.train_on_batch(x, y, optimizer=plain) == {"loss": expected}
    assert model.layers[0].bias[0] == -np.clip(np.float32(d), -1, 1)


def test_huber_follows_the_many_and_not_an_outlier():
    """The best constant is near the median; that of the squared error is the mean."""
    x, y = np.zeros((9, 1)), np.array([0.0] * 8 + [90.0])
    found = {}
    for loss in ("huber", "squared_error"):
        weights = [sp.csc_array(np.ones((1, 1)))]
        model = ts.SparseMLP.from_scipy(weights, loss=loss, seed=0)
        sgd = ts.SGD(0.1, momentum=0.0, weight_decay=0.0)
        model.fit(x, y, epochs=300, batch_size=9, optimizer=sgd, topology=None, progress=False)
        found[loss] = float(model.predict(x)[0, 0])
    assert found == pytest.approx({"huber": 1 / 8, "squared_error": 10}, abs=1e-3)


def test_a_sigmoid_with_squared_error_learns_the_proof_of_concepts_madelon():
    """A network of its kind: ReLU, xavier, one sigmoid output, labels of 0 and 1."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 20)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(int)
    model = ts.SparseMLP(
        [20, 60, 30, 1], epsilon=20, activation="relu", init="xavier", dropout=0,
        loss="squared_error_sigmoid", seed=0,
    )  # fmt: skip
    history = model.fit(x, y, epochs=30, batch_size=16, optimizer=ts.SGD(0.1), progress=False)
    p = model.predict(x)
    assert p.shape == (400, 1)
    scores = model.evaluate(x, y)
    assert scores["accuracy"] == ((p[:, 0] > 0.5) == y).mean() > 0.95
    assert scores["loss"] == pytest.approx(0.5 * np.mean((p[:, 0] - y) ** 2), rel=1e-6)
    assert history.history["accuracy"][-1] > history.history["accuracy"][0]


@pytest.mark.parametrize("layer_rates", ["equal", "fan_in"])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_several_steps(activation, loss, nesterov, layer_rates):
    model = make_model(activation, loss)
    oracle = o.from_model(model)
    settings = {"momentum": 0.8, "weight_decay": 0.01, "nesterov": nesterov}
    sgd = ts.SGD(learning_rate=0.01, layer_rates=layer_rates, **settings)
    for step, n in enumerate(BATCHES):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=step, soft=step % 2 == 1)
        expected = {"loss": oracle.evaluate(x, y)}
        if loss not in o.WITHOUT_ACCURACY:
            expected["accuracy"] = oracle.accuracy(x, y)
        # The report is of the batch before its own update.
        assert model.train_on_batch(x, y, optimizer=sgd) == pytest.approx(expected, rel=1e-5)
        oracle.step(x, y, lr=0.01, by_fan_in=layer_rates == "fan_in", **settings)
        models_agree(model, oracle, 3e-6 * (step + 1))
    assert model.steps_trained == len(BATCHES)
    assert model.epochs_trained == 0


def test_default_optimizer_is_the_papers():
    model = make_model()
    oracle = o.from_model(model)
    for seed in range(2):
        x, y = o.random_data("cross_entropy", 8, SIZES[0], SIZES[-1], seed=seed)
        model.train_on_batch(x, y)
        oracle.step(x, y, lr=0.01, momentum=0.9, weight_decay=2e-4)
    models_agree(model, oracle)


@pytest.mark.parametrize("n", BATCHES)
@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_gradient(activation, loss, n):
    """One plain step with rate 1 shows the gradient, up to the rounding of the weights."""
    before, after = make_model(activation, loss), make_model(activation, loss)
    x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=n)
    after.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    gradient = flat_difference(before, after)
    expected = o.from_model(before).flat_gradient(x, y)
    scale = np.abs(expected).max() + np.abs(o.from_model(before).flat()).max()
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-6 * scale)


@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_gradient_is_the_finite_difference_of_evaluate(activation, loss):
    """No oracle formula involved: the package's own loss along random directions."""
    model, h = make_model(activation, loss), 2.0**-7
    oracle = o.from_model(model)
    x, y = o.random_data(loss, 2000, SIZES[0], SIZES[-1], seed=2)
    # Only samples that no move of length h takes across a kink of an activation.
    nearest = np.min([np.abs(z).min(axis=1) for z in oracle.pass_through(x)[1][:-1]], axis=0)
    x, y = x[nearest > 0.08][:17], y[nearest > 0.08][:17]
    assert len(x) == 17
    trained = make_model(activation, loss)
    trained.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    gradient, point = flat_difference(model, trained), oracle.flat()
    rng, losses = np.random.default_rng(0), {}
    for _ in range(5):
        direction = rng.normal(size=len(point))
        direction /= np.linalg.norm(direction)
        for sign in (1, -1, 0):
            oracle.set_flat(point + sign * h * direction)
            weights = [sp.csc_array(la.weight.astype(np.float32)) for la in oracle.layers]
            biases = [la.bias.astype(np.float32) for la in oracle.layers]
            moved = ts.SparseMLP.from_scipy(
                weights, biases, activation=activation, loss=loss, dropout=0.0
            )
            losses[sign] = moved.evaluate(x, y)["loss"]
        difference = (losses[1] - losses[-1]) / (2 * h)
        # The loss is rounded to about 1e-7 of itself, and the third derivative enters with h^2.
        tolerance = 2e-7 * losses[0] / h + 1e-3 * np.linalg.norm(gradient)
        assert abs(difference - gradient @ direction) < tolerance


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("loss", o.LOSSES)
def test_full_batch_fit(loss, schedule):
    model = make_model("all_relu", loss)
    oracle = o.from_model(model)
    x, y = o.random_data(loss, 33, SIZES[0], SIZES[-1], seed=9)
    sgd = ts.SGD(0.1, momentum=0.5, weight_decay=1e-3, schedule=schedule)
    history = model.fit(x, y, epochs=4, batch_size=50, optimizer=sgd, topology=None, progress=False)
    for step in range(4):
        lr = o.learning_rate(schedule, 0.1, step, 4)
        # A whole-batch epoch reports the loss of its only step, before the update.
        assert history.history["loss"][step] == pytest.approx(oracle.evaluate(x, y), rel=1e-5)
        assert history.history["learning_rate"][step] == pytest.approx(lr, rel=1e-6)
        oracle.step(x, y, lr=lr, momentum=0.5, weight_decay=1e-3)
    models_agree(model, oracle, 1e-5)


def test_cosine_counts_steps_over_the_whole_fit_from_initial_epoch():
    x, y = o.random_data("squared_error", 10, SIZES[0], SIZES[-1])
    model = make_model("tanh", "squared_error")
    x[:], y[:] = x[0], y[0]  # equal samples: the order within an epoch cannot matter
    oracle = o.from_model(model)
    sgd = ts.SGD(0.1, momentum=0.5, weight_decay=0.0, schedule="cosine")
    model.fit(
        x, y, epochs=5, initial_epoch=2, batch_size=4, optimizer=sgd, topology=None, progress=False
    )
    for step in range(2 * 3, 5 * 3):  # three steps of 4, 4 and 2 samples an epoch
        lr = o.learning_rate("cosine", 0.1, step, 5 * 3)
        oracle.step(x, y, lr=lr, momentum=0.5, weight_decay=0.0)
    models_agree(model, oracle, 1e-5)
    assert model.steps_trained == 9
    assert model.epochs_trained == 3


@pytest.mark.parametrize("batch_size", [1, 7, 33, 64])
def test_epoch_loss_is_the_mean_over_samples(batch_size):
    model = make_model()
    x, y = o.random_data("cross_entropy", 33, SIZES[0], SIZES[-1])
    still = ts.SGD(1e-30, momentum=0.0, weight_decay=0.0)  # weights do not move
    expected = model.evaluate(x, y, batch_size=5)
    history = model.fit(
        x, y, epochs=1, batch_size=batch_size, optimizer=still, topology=None, progress=False,
        validation_data=(x[:9], y[:9]),
    )  # fmt: skip
    got = {key: values[0] for key, values in history.history.items()}
    assert got["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert got["accuracy"] == pytest.approx(expected["accuracy"], abs=1e-7)
    assert got["val_loss"] == pytest.approx(model.evaluate(x[:9], y[:9])["loss"], rel=1e-6)


def awkward_features(n=1000):
    """Ordinary, constant (0.1 is no binary fraction), far from zero, tiny, constant zero."""
    rng = np.random.default_rng(0)
    columns = [rng.normal(2, 3, n), np.full(n, 0.1), rng.normal(1e4, 1, n)]
    return np.stack([*columns, rng.normal(0, 1e-6, n), np.zeros(n)], axis=1).astype(np.float32)


def test_standardisation():
    x = awkward_features()
    y = np.random.default_rng(1).integers(0, 3, len(x))
    model = ts.SparseMLP([5, 8, 3], density=1.0, standardize=True, dropout=0.0, seed=0)
    assert model.mean is None
    assert model.scale is None
    model.fit(x, y, epochs=1, batch_size=100, progress=False)
    mean, scale = o.standardisation(x)
    np.testing.assert_allclose(model.mean, mean, rtol=1e-6, atol=1e-6 * x.std(axis=0)[0])
    np.testing.assert_allclose(model.scale, scale, rtol=1e-6)
    assert model.mean[1] == np.float32(0.1)
    assert model.mean[4] == 0
    assert model.scale[1] == model.scale[4] == 0
    close(model.predict(x), o.from_model(model).predict(x), 1e-5)
    # The statistics are those of the first training data, not of later ones.
    before = np.array(model.mean), np.array(model.scale)
    model.fit(x[:50], y[:50], epochs=1, progress=False)
    assert np.array_equal(model.mean, before[0])
    assert np.array_equal(model.scale, before[1])


def test_standardised_training_is_training_on_standardised_data():
    x = awkward_features(40)[:, :2]
    y = np.random.default_rng(1).integers(0, 3, len(x))
    options = {"density": 1.0, "dropout": 0.0, "seed": 0}
    model = ts.SparseMLP([2, 8, 3], standardize=True, **options)
    plain = ts.SparseMLP([2, 8, 3], **options)
    mean, scale = o.standardisation(x)
    model.fit(x, y, epochs=3, batch_size=16, topology=None, progress=False)
    plain.fit((x - mean) * scale, y, epochs=3, batch_size=16, topology=None, progress=False)
    models_agree(model, o.from_model(plain), 1e-5)


def test_first_batch_sets_the_standardisation():
    model = ts.SparseMLP([5, 8, 3], standardize=True, seed=0)
    x = awkward_features(20)
    model.train_on_batch(x, np.arange(20) % 3)
    np.testing.assert_allclose(model.scale, o.standardisation(x)[1], rtol=1e-6)


def test_learns_digits(digits):
    x_train, y_train, x_test, y_test = digits
    model = ts.SparseMLP([64, 200, 100, 10], fan="real", standardize=True, dropout=0.1, seed=0)
    optimizer = ts.SGD(0.02, weight_decay=2e-5)
    model.fit(x_train, y_train, epochs=8, batch_size=32, optimizer=optimizer, progress=False)
    assert model.evaluate(x_test, y_test)["accuracy"] > 0.9
    prediction = model.predict(x_test)
    assert (prediction.argmax(axis=1) == y_test).mean() > 0.9
