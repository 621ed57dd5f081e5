"""Fits on batches that an iterator gives."""

import itertools
import tracemalloc

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.judged import models_agree
from helpers.small_model import RNG, SIZES, Log, X, Y, make_model
from trulysparse.training import loop, progress, stream_driver

EVOLVING = {"epochs": 3, "steps_per_epoch": 4, "progress": False}
STATIC = EVOLVING | {"topology": None}


def forever(x=X, y=Y, size=16):
    """Batches in order, around and around, the last of a round shorter."""
    while True:
        for start in range(0, len(x), size):
            yield x[start : start + size], y[start : start + size]


class Loader:
    """An iterable of batches that starts anew, as PyTorch's DataLoader does."""

    def __init__(self, batches):
        self.batches, self.passes = list(batches), 0

    def __iter__(self):
        self.passes += 1
        return iter(self.batches)

    def __len__(self):
        return len(self.batches)


class Endless:
    """An iterable without a length, as a DataLoader of a stream is."""

    def __iter__(self):
        return forever()

    def __len__(self):
        raise TypeError("no length")


@pytest.mark.parametrize(
    ("schedule", "decays"), [("constant", False), ("cosine", False), ("cosine", True)]
)
@pytest.mark.parametrize("loss", o.LOSSES)
def test_steps_are_those_of_the_oracle(loss, schedule, decays):
    model = make_model(loss=loss, dropout=0.0)
    oracle = o.from_model(model)
    settings = {"momentum": 0.8, "weight_decay": 0.02, "nesterov": True}
    sgd = ts.SGD(0.05, schedule=schedule, schedule_decay=decays, **settings)
    batches = [
        o.random_data(loss, n, SIZES[0], SIZES[-1], seed=n) for n in (5, 16, 3, 9, 33, 1, 8, 12)
    ]
    options = STATIC | {"epochs": 4, "initial_epoch": 2}
    history = model.fit(iter(batches), optimizer=sgd, **options)
    assert history.epoch == [2, 3]
    done = 0
    for epoch in range(2):
        losses, hits, samples = 0.0, 0.0, 0
        for x, y in batches[4 * epoch : 4 * epoch + 4]:
            losses += len(x) * oracle.evaluate(x, y)
            hits += len(x) * oracle.accuracy(x, y)
            samples += len(x)
            rate = o.learning_rate(schedule, 0.05, 8 + done, 16)
            decay = 0.02 * rate / 0.05 if decays else 0.02
            oracle.step(x, y, lr=rate, **settings | {"weight_decay": decay})
            done += 1
        logs = {name: values[epoch] for name, values in history.history.items()}
        assert logs["loss"] == pytest.approx(losses / samples, rel=2e-5)
        if loss not in o.WITHOUT_ACCURACY:
            assert logs["accuracy"] == pytest.approx(hits / samples, abs=1e-6)
        assert logs["learning_rate"] == pytest.approx(rate, rel=1e-6)
    models_agree(model, oracle, 2e-5)
    assert (model.epochs_trained, model.steps_trained, model.evolutions) == (2, 8, 0)


@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_the_bits_depend_on_the_seed_only(memory, state_of):
    states = []
    for threads in (1, 2):
        model = make_model(threads=threads, standardize=True)
        model.fit(forever(), memory=memory, **EVOLVING)
        states.append(state_of(model))
    assert states[0] == states[1]
    other = make_model(seed=4, standardize=True)
    other.fit(forever(), **EVOLVING)
    assert state_of(other) != states[0]


def test_topology_pruning_validation_and_callbacks_are_those_of_a_fit():
    log, recorder = Log(), ts.TopologyRecorder()
    model = make_model()
    pruning = ts.ImportancePruning(start=1, every=1, percentile=10)
    history = model.fit(
        forever(), validation_data=(X, Y), pruning=pruning, callbacks=[log, recorder],
        topology=ts.SET(zeta=0.5), **EVOLVING,
    )  # fmt: skip
    assert history is model.history
    assert log.calls[1:3] == [("epoch_begin", 0), ("epoch_end", 0)]
    assert set(history.history) == {
        "loss", "accuracy", "val_loss", "val_accuracy", "connections", "neurons",
        "learning_rate", "seconds", *loop.COSTS,
    }  # fmt: skip
    assert history.history["val_loss"][-1] == model.evaluate(X, Y)["loss"]
    assert model.evolutions == 2
    connections = history.history["connections"]
    assert connections[0] > connections[1] > connections[2]
    assert recorder.epochs == [0, 1, 2, 3]
    stopping = ts.EarlyStopping("connections", mode="min", restore_best_weights=True)
    model.fit(forever(), callbacks=[stopping], **EVOLVING)
    assert stopping.stopped_epoch == 1
    assert model.epochs_trained == 4


def test_a_fit_that_goes_on_goes_on_with_the_same_bits(state_of, tmp_path):
    whole, parts = make_model(), make_model()
    batches = list(itertools.islice(forever(), 12))
    whole.fit(iter(batches), **EVOLVING)
    given = iter(batches)
    parts.fit(given, **EVOLVING | {"epochs": 2})
    parts.save(tmp_path / "model.safetensors")
    parts = ts.load(tmp_path / "model.safetensors")
    parts.evolve()
    parts.fit(given, initial_epoch=2, **EVOLVING)
    assert state_of(parts) == state_of(whole)
    assert next(given, None) is None  # no batch was drawn that was not trained on


def test_an_iterable_starts_anew_and_its_length_is_an_epoch(state_of):
    batches = list(itertools.islice(forever(), 4))
    loader, model, by_hand = Loader(batches), make_model(), make_model()
    model.fit(loader, epochs=3, progress=False)
    assert loader.passes == 3
    assert model.steps_trained == 12
    by_hand.fit(iter(batches * 3), **EVOLVING)
    assert state_of(model) == state_of(by_hand)
    # With a number of steps it goes on where the last epoch has stopped.
    again, loader = make_model(), Loader(batches)
    again.fit(loader, **EVOLVING | {"epochs": 4, "steps_per_epoch": 3})
    assert loader.passes == 3
    assert again.steps_trained == 12


def test_a_data_loader_of_pytorch_is_such_an_iterable(state_of):
    reason = "needs PyTorch: pip install 'trulysparse[torch]'"
    torch = pytest.importorskip("torch", reason=reason)
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    model, by_hand = make_model(), make_model()
    model.fit(torch.utils.data.DataLoader(data, batch_size=16), epochs=3, progress=False)
    by_hand.fit(forever(), **EVOLVING)
    assert state_of(model) == state_of(by_hand)


def test_the_standardisation_follows_the_batches():
    model = make_model(standardize=True)
    drawn = list(itertools.islice(forever(), STATIC["epochs"] * STATIC["steps_per_epoch"]))
    model.fit(iter(drawn), **STATIC)
    mean, scale = o.standardisation(np.concatenate([x for x, _ in drawn]))
    np.testing.assert_allclose(model.mean, mean, rtol=1e-6)
    np.testing.assert_allclose(model.scale, scale, rtol=1e-6)


def test_one_batch_is_in_memory_at_a_time():
    rows, features = 200, 5000
    size = rows * features * 4

    def batches():
        while True:
            yield np.ones((rows, features), np.float32), np.arange(rows) % 3

    model = ts.SparseMLP([features, 5, 3], density=0.01, seed=0)
    tracemalloc.start()
    try:
        model.fit(batches(), epochs=2, steps_per_epoch=10, topology=None, progress=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # The generator's own batch lives until it has made the next one.
    assert size < peak < 2.5 * size


def test_learns_digits(digits):
    x_train, y_train, x_test, y_test = digits
    rng = np.random.default_rng(0)

    def batches():
        while True:
            rows = rng.integers(0, len(x_train), 32)
            yield x_train[rows], y_train[rows]

    model = ts.SparseMLP([64, 200, 100, 10], fan="real", standardize=True, dropout=0.1, seed=0)
    model.fit(
        batches(), epochs=8, steps_per_epoch=80, optimizer=ts.SGD(0.02, weight_decay=2e-5),
        progress=False,
    )  # fmt: skip
    assert model.evaluate(x_test, y_test)["accuracy"] > 0.9


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"x": forever()}, ValueError, "steps_per_epoch is missing"),
        ({"x": Endless()}, ValueError, "steps_per_epoch is missing: .* Endless x"),
        ({"x": forever(), "steps_per_epoch": 0}, ValueError, "steps_per_epoch = 0"),
        ({"x": forever(), "steps_per_epoch": 2.5}, TypeError, "steps_per_epoch = 2.5"),
        ({"x": forever(), "y": Y, "steps_per_epoch": 1}, TypeError, "y: expected None"),
        ({"x": X, "y": Y, "steps_per_epoch": 1}, ValueError, "steps_per_epoch = 1: .* arrays"),
        ({"x": X}, TypeError, "y is missing: .* ndarray x"),
        ({"x": [[0.0] * SIZES[0]]}, TypeError, "y is missing: .* list x"),
        (
            {"x": forever(), "steps_per_epoch": 1, "strategy": ts.WASSP(workers=2)},
            ValueError,
            "strategy: expected None",
        ),
        ({"x": iter([]), "steps_per_epoch": 1}, ValueError, "x ended after 0 batches"),
        ({"x": Loader([]), "steps_per_epoch": 1}, ValueError, "x ended after 0 batches"),
        ({"x": iter([X]), "steps_per_epoch": 1}, TypeError, "batch 1 of x is a ndarray"),
        ({"x": iter([(X,)]), "steps_per_epoch": 1}, ValueError, "batch 1 of x has 1 items"),
        ({"x": iter([(X[:, 1:], Y)]), "steps_per_epoch": 1}, ValueError, r"x has shape \(50, 5\)"),
        ({"x": iter([(X, Y[1:])]), "steps_per_epoch": 1}, ValueError, "y has 49 samples"),
        ({"x": iter([(X[:0], Y[:0])]), "steps_per_epoch": 1}, ValueError, "at least one sample"),
        ({"x": iter([(X * np.nan, Y)]), "steps_per_epoch": 1}, ValueError, "batch 1 of x: x = NaN"),
        ({"x": iter([(X, Y + 9)]), "steps_per_epoch": 1}, ValueError, r"batch 1 of x: y\[0\]"),
        (
            {"x": iter([(X, Y, np.ones(3))]), "steps_per_epoch": 1},
            ValueError,
            r"batch 1 of x: sample_weight has shape \(3,\)",
        ),
        (
            {"x": iter([(X, Y, -np.ones(len(X)))]), "steps_per_epoch": 1},
            ValueError,
            "batch 1 of x: sample_weight",
        ),
        (
            {"x": forever(), "steps_per_epoch": 1, "callbacks": [ts.EarlyStopping()]},
            ValueError,
            "val_loss",
        ),
    ],
)
def test_mistakes_are_named_and_change_nothing(options, error, match, state_of):
    model = make_model(standardize=True)
    before = state_of(model)
    with pytest.raises(error, match=match):
        model.fit(epochs=2, progress=False, **options)
    assert state_of(model) == before
    model.fit(X, Y, epochs=1, progress=False)


def test_no_epochs_draw_no_batches(state_of):
    model, batches = make_model(standardize=True), forever()
    before = state_of(model)
    assert model.fit(batches, epochs=0, steps_per_epoch=3, progress=False).epoch == []
    assert state_of(model) == before
    assert next(batches)[0] is not None


def test_batches_that_end_early_or_go_bad_leave_the_last_completed_step():
    model = make_model()
    message = (
        r"x ended after 7 batches: expected steps_per_epoch = 4 of them in every epoch, and epoch "
        r"2 got 3"
    )
    with pytest.raises(ValueError, match=message):
        model.fit(itertools.islice(forever(), 7), **EVOLVING)
    assert (model.steps_trained, model.epochs_trained) == (7, 1)
    assert model.history.epoch == [0]
    bad = [*itertools.islice(forever(), 5), (X[:, 1:], Y)]
    with pytest.raises(ValueError, match="batch 6 of x: x has shape"):
        model.fit(iter(bad), **EVOLVING)
    assert model.steps_trained == 12

    def failing():
        yield from itertools.islice(forever(), 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(failing(), **EVOLVING)
    assert model.steps_trained == 14
    model.fit(X, Y, epochs=1, progress=False)


def test_an_iterator_that_uses_the_model_may_read_but_not_change_it():
    model = make_model()

    def batches():
        for x, y in forever():
            model.predict(x)
            with pytest.raises(ts.ModelBusyError):
                model.train_on_batch(x, y)
            yield x, y

    model.fit(batches(), **EVOLVING)
    assert model.steps_trained == 12


def test_the_bar_moves_with_the_steps(capsys, monkeypatch):
    seen = []
    monkeypatch.setattr(progress.EpochBar, "_move", lambda self, at: seen.append(at))
    monkeypatch.setattr(stream_driver, "_TICK", 1e9)  # no more of them on a slow machine
    make_model().fit(forever(), **STATIC | {"progress": True})
    assert seen == [1.0, 1, 2.0, 2, 3.0, 3]


def test_other_sizes_of_batches_and_targets():
    model = make_model(loss="squared_error")
    y = RNG.normal(size=(len(X), SIZES[-1]))
    batches = ((list(map(list, X[:n])), y[:n]) for n in (1, 50, 2, 33))
    history = model.fit(batches, epochs=1, steps_per_epoch=4, progress=False)
    always = {"connections", "neurons", "learning_rate", "seconds", *loop.COSTS}
    assert set(history.history) == {"loss"} | always


def test_a_scheduler_sets_the_rate_of_every_epoch():
    model = make_model()
    scheduler = ts.LearningRateScheduler(lambda epoch, rate: rate / 2)
    history = model.fit(
        itertools.repeat((X, Y)), steps_per_epoch=2, epochs=3, callbacks=[scheduler],
        optimizer=ts.SGD(0.4), progress=False,
    )  # fmt: skip
    np.testing.assert_allclose(history.history["learning_rate"], [0.2, 0.1, 0.05])


def test_a_schedule_may_end_at_zero():
    model = make_model()
    sgd = ts.SGD(0.1, schedule=ts.StepDecay(every=0.001, factor=0.01))
    history = model.fit(
        itertools.repeat((X, Y)), steps_per_epoch=60, epochs=4, optimizer=sgd, progress=False
    )
    assert history.history["learning_rate"][-1] == 0
    assert all(np.isfinite(history.history["loss"]))
