"""Forward, loss, gradients, steps and `fit` of the package against the float64 oracle.

Tolerances: one float32 operation is good to 6e-8 relative; the networks here sum at most some
twenty terms per element through four layers, so errors stay within a few 1e-6 of an array's
largest magnitude, and grow by about that much with every step.
"""

import math

import numpy as np
import oracle as o
import pytest
import scipy.sparse as sp
import trulysparse as ts

SIZES = [7, 12, 9, 10, 5]
BATCHES = (1, 3, 5, 8, 16, 17, 33)
COMBINATIONS = [(a, loss) for a in o.ACTIVATIONS for loss in o.LOSSES]


def make_model(activation="all_relu", loss="cross_entropy", sizes=SIZES, **options):
    options = {"density": 0.6, "dropout": 0.0, "seed": 5, "threads": 2} | options
    model = ts.SparseMLP(sizes, activation=activation, loss=loss, **options)
    # Biases start at zero, which would hide a missing bias: rebuild with biases of order one.
    rng = np.random.default_rng(1)
    biases = [rng.normal(size=n).astype(np.float32) for n in sizes[1:]]
    del options["density"]
    weights = [layer.weight for layer in model.layers]
    return ts.SparseMLP.from_scipy(weights, biases, activation=activation, loss=loss, **options)


def close(actual, expected, tolerance=3e-6):
    """Equal within ``tolerance`` of the expected array's largest magnitude."""
    expected = np.asarray(expected)
    largest = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * largest)


def models_agree(model, oracle, tolerance=3e-6):
    for layer, expected in zip(o.from_model(model).layers, oracle.layers, strict=True):
        assert np.array_equal(layer.support, expected.support)
        close(layer.weight, expected.weight, tolerance)
        close(layer.bias, expected.bias, tolerance)
        # Velocities are sums of gradients, smaller than the weights that rounding acts on.
        close(layer.momentum, expected.momentum, 10 * tolerance)
        close(layer.bias_momentum, expected.bias_momentum, 10 * tolerance)


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
        if loss == "squared_error":
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


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize(("activation", "loss"), COMBINATIONS)
def test_several_steps(activation, loss, nesterov):
    model = make_model(activation, loss)
    oracle = o.from_model(model)
    sgd = ts.SGD(learning_rate=0.01, momentum=0.8, weight_decay=0.01, nesterov=nesterov)
    for step, n in enumerate(BATCHES):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=step, soft=step % 2 == 1)
        expected = {"loss": oracle.evaluate(x, y)}
        if loss != "squared_error":
            expected["accuracy"] = oracle.accuracy(x, y)
        # The report is of the batch before its own update.
        assert model.train_on_batch(x, y, optimizer=sgd) == pytest.approx(expected, rel=1e-5)
        oracle.step(x, y, lr=0.01, momentum=0.8, weight_decay=0.01, nesterov=nesterov)
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


class Orders(ts.Callback):
    """Reads, from the weights alone, at which step of an epoch each sample was used.

    Sample i is the i-th unit vector and every target is 1, so its step adds about the learning
    rate to weight i, and each later step takes a tenth of it away again (weight_decay = 0.1).
    """

    SGD = ts.SGD(1e-3, momentum=0.0, weight_decay=0.1)

    def __init__(self, n, batch_size):
        self.n, self.batch_size = n, batch_size
        self.steps, self.orders = math.ceil(n / batch_size), []

    def weight(self):
        return self.model.layers[0].weight.toarray()[:, 0].astype(np.float64)

    def on_epoch_begin(self, epoch, logs=None):
        self.before = self.weight()

    def on_epoch_end(self, epoch, logs=None):
        added = self.weight() - self.before * 0.9**self.steps
        sizes = [self.batch_size] * (self.steps - 1)
        sizes.append(self.n - sum(sizes))
        expected = [1e-3 / m * 0.9 ** (self.steps - 1 - t) for t, m in enumerate(sizes)]
        # Nearest step by ratio; targets minus outputs stay within 2 % of 1.
        ratio = np.abs(np.log(added[:, None] / np.array(expected)))
        assert ratio.min(axis=1).max() < 0.03
        self.orders.append(ratio.argmin(axis=1).tolist())


def read_orders(n, batch_size, seed, epochs=2, fits=1):
    weight = sp.csc_array(np.full((n, 1), 1e-30, np.float32))
    model = ts.SparseMLP.from_scipy([weight], loss="squared_error", seed=seed, dropout=0.3)
    orders = Orders(n, batch_size)
    for _ in range(fits):
        model.fit(
            np.eye(n), np.ones(n), epochs=epochs, batch_size=batch_size, topology=None,
            optimizer=Orders.SGD, callbacks=[orders], progress=False,
        )  # fmt: skip
    assert model.steps_trained == fits * epochs * math.ceil(n / batch_size)
    return orders.orders


@pytest.mark.parametrize(("n", "batch_size"), [(12, 1), (12, 5), (13, 4), (7, 7), (7, 9)])
def test_every_sample_is_used_once_an_epoch_and_the_last_batch_may_be_short(n, batch_size):
    expected = [i // batch_size for i in range(n)]
    for order in read_orders(n, batch_size, seed=3):
        assert sorted(order) == expected


def test_shuffling_follows_the_seed_and_differs_by_epoch_and_fit():
    first = read_orders(12, 1, seed=3, fits=2)
    assert first == read_orders(12, 1, seed=3, fits=2)
    assert first == read_orders(12, 1, seed=3, epochs=4)
    assert len({tuple(order) for order in first}) == 4
    assert first[0] != read_orders(12, 1, seed=4)[0]


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


def one_connection_each(n_hidden, n_out, hidden_layers, rate, seed, output_weight=1e-30):
    """Each hidden unit passes on one unit of the layer below; outputs see every hidden unit."""
    weights = [sp.csc_array(np.ones((1, n_hidden), np.float32))]
    weights += [sp.csc_array(sp.eye_array(n_hidden, dtype=np.float32))] * (hidden_layers - 1)
    weights.append(sp.csc_array(np.full((n_hidden, n_out), output_weight, np.float32)))
    return ts.SparseMLP.from_scipy(
        weights, activation="identity", loss="squared_error", dropout=rate, seed=seed
    )


def drawn_masks(model, batch):
    """(batch, hidden) multipliers of dropout in the model's next step, read off its gradient.

    The output weights are too small to matter, so with targets -I the output deltas are I and
    output weight (j, k) moves by hidden activation j of sample k alone.
    """
    x, y = np.ones((batch, 1)), -np.eye(batch)
    model.train_on_batch(x, y, optimizer=ts.SGD(1.0, momentum=0.0, weight_decay=0.0))
    mask = -batch * model.layers[-1].weight.toarray().T.astype(np.float64)
    return np.where(np.abs(mask) < 1e-20, 0.0, mask)  # what the tiny weights themselves left


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
    assert model.mean[1] == model.mean[4] == 0
    assert model.scale[1] == model.scale[4] == 1
    close(model.predict(x), o.from_model(model).predict(x), 1e-5)
    # The statistics are those of the first training data, whatever comes later.
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
