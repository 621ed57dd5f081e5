"""Lion against the float64 oracle; what all optimisers have is in test_optimizers.py."""

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.biased_model import BATCHES, SIZES, make_model
from helpers.judged import close
from helpers.model_file import resummed

RNG = np.random.default_rng(7)
X = RNG.normal(size=(60, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))


def step_agrees(model, oracle, decisive, tolerance=1e-6):
    """Where rounding does not decide the sign; returns how often it could."""
    close_to_zero = 0
    for layer, expected, numbers in zip(model.layers, oracle.layers, decisive, strict=True):
        close(layer.momentum.toarray(), expected.momentum, 1e-5)
        close(layer.bias_momentum, expected.bias_momentum, 1e-5)
        found = (layer.weight.toarray(), layer.bias)
        for actual, wanted, c in zip(found, (expected.weight, expected.bias), numbers, strict=True):
            clear = (np.abs(c) > 1e-5 * np.abs(c).max(initial=0)) | (c == 0)
            np.testing.assert_allclose(actual[clear], wanted[clear], rtol=0, atol=tolerance)
            close_to_zero += (~clear).sum()
    return close_to_zero


@pytest.mark.parametrize("layer_rates", ["equal", "fan_in"])
@pytest.mark.parametrize("loss", o.LOSSES)
def test_steps(loss, layer_rates):
    settings = {"beta_1": 0.8, "beta_2": 0.95, "weight_decay": 0.3, "l1": 0.05}
    model, unclear = make_model("all_relu", loss), 0
    lion = ts.Lion(0.02, layer_rates=layer_rates, **settings)
    for step, n in enumerate(BATCHES):
        x, y = o.random_data(loss, n, SIZES[0], SIZES[-1], seed=step)
        oracle = o.from_model(model)  # of every step, as a sign that rounding decides moves far
        model.train_on_batch(x, y, optimizer=lion)
        by_fan_in = layer_rates == "fan_in"
        decisive = oracle.lion_step(x, y, lr=0.02, by_fan_in=by_fan_in, **settings)
        unclear += step_agrees(model, oracle, decisive)
    assert unclear < 10


def test_the_first_step_is_the_rate_times_the_sign_of_the_gradient():
    model = make_model()
    before = o.from_model(model)
    gradient = before.flat_gradient(X, Y)
    model.train_on_batch(X, Y, optimizer=ts.Lion())
    moved = o.from_model(model).flat() - before.flat()
    there = np.abs(gradient) > 1e-6
    assert there.sum() > 100
    np.testing.assert_allclose(moved[there], -0.0001 * np.sign(gradient[there]), rtol=2e-3)


def test_a_parameter_without_a_gradient_stays():
    model = make_model()
    before = model.layers[0].weight.toarray()
    x = X.copy()
    x[:, 2] = 0
    model.train_on_batch(x, Y, optimizer=ts.Lion(0.01))
    moved = model.layers[0].weight.toarray() != before
    assert not moved[2].any()
    assert moved[:2].any()


def test_a_fit_follows_its_schedule():
    model = make_model()
    lion = ts.Lion(0.01, schedule=ts.Cosine(final=0.1, warmup=0.25))
    options = {"batch_size": len(X), "topology": None, "progress": False}
    oracles = []

    class Compare(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            oracles.append(o.from_model(model))

        def on_epoch_end(self, epoch, logs):
            lr = o.learning_rate("cosine", 0.01, epoch, 8, warmup_steps=2, final=0.1)
            decisive = oracles[-1].lion_step(X, Y, lr=lr)
            assert step_agrees(model, oracles[-1], decisive) < 5

    model.fit(X, Y, epochs=8, optimizer=lion, callbacks=[Compare()], **options)
    assert len(oracles) == 8


def test_digits_are_learnt(digits):
    x_train, y_train, x_test, y_test = digits
    model = ts.SparseMLP([64, 200, 100, 10], fan="real", standardize=True, dropout=0.1, seed=0)
    lion = ts.Lion(0.003, schedule="cosine")
    model.fit(x_train, y_train, epochs=8, batch_size=32, optimizer=lion, progress=False)
    assert model.evaluate(x_test, y_test)["accuracy"] > 0.9


@pytest.mark.parametrize("other", [ts.SGD(), ts.Adam()])
def test_it_starts_from_nothing_after_another(other):
    used, fresh = make_model(), make_model()
    used.train_on_batch(X, Y, optimizer=other)
    weights, biases = ([getattr(la, n) for la in used.layers] for n in ("weight", "bias"))
    fresh = ts.SparseMLP.from_scipy(weights, biases, dropout=0.0, seed=5)
    for model in (used, fresh):
        model.train_on_batch(X, Y, optimizer=ts.Lion())
    for one, two in zip(used.layers, fresh.layers, strict=True):
        assert one.weight.data.tobytes() == two.weight.data.tobytes()
        assert one.momentum.data.tobytes() == two.momentum.data.tobytes()
        assert one.second_moment is None
    used.train_on_batch(X, Y)  # and SGD after it
    oracle = o.from_model(fresh)
    for layer in oracle.layers:
        layer.momentum, layer.bias_momentum = 0 * layer.weight, 0 * layer.bias
    oracle.step(X, Y)
    for layer, expected in zip(used.layers, oracle.layers, strict=True):
        close(layer.weight.toarray(), expected.weight, 1e-5)


def test_zeros_and_denormal_numbers_in_the_samples(state_of):
    x = X.copy()
    x[:, :3] = np.float32(1e-42)
    x[::2] = 0
    states = []
    for threads in (1, 3):
        model = make_model(threads=threads)
        model.fit(x, Y, epochs=3, batch_size=7, optimizer=ts.Lion(0.01), progress=False)
        assert all(np.isfinite(layer.weight.data).all() for layer in model.layers)
        states.append(state_of(model))
    assert states[0] == states[1]


def test_divergence_is_seen():
    model = make_model(loss="squared_error")
    targets = np.eye(SIZES[-1], dtype=np.float32)[Y] * np.float32(1e30)
    with pytest.warns(RuntimeWarning):
        model.fit(X * 1e20, targets, epochs=3, optimizer=ts.Lion(), progress=False)


def test_a_file_of_a_rule_that_is_not_known_names_it(tmp_path):
    model = make_model()
    model.train_on_batch(X, Y, optimizer=ts.Lion())
    model.save(tmp_path / "model.safetensors")
    whole = (tmp_path / "model.safetensors").read_bytes()
    assert whole.count(b"lion") == 1
    (tmp_path / "model.safetensors").write_bytes(resummed(whole.replace(b"lion", b"wolf")))
    with pytest.raises(ValueError, match="unknown variant `wolf`"):
        ts.load(tmp_path / "model.safetensors")
