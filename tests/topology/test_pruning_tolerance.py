"""Pruning as far as held-out samples allow, beside a search written in NumPy."""

import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers.oracle import from_model
from helpers.small_model import X, Y, fit, make_model
from sklearn.datasets import load_digits

DIGITS = load_digits()
IMAGES, LABELS = DIGITS.data / 16, DIGITS.target


@pytest.fixture(scope="module")
def trained():
    model = ts.SparseMLP([64, 60, 50, 10], epsilon=10, seed=0)
    model.fit(IMAGES[:1200], LABELS[:1200], epochs=15, batch_size=32, progress=False)
    return model


def accuracy(model):
    return model.evaluate(IMAGES[1200:], LABELS[1200:])["accuracy"]


def copied(model):
    clone = ts.SparseMLP.__new__(ts.SparseMLP)
    clone._attach(model._core.copy(), {})
    return clone


def without(layers, percentiles):
    """Accuracy, in float64, without the connected neurons at or below these percentiles."""
    values = IMAGES[1200:]
    for layer, p in zip(layers[:-1], percentiles, strict=True):
        connected = layer.support.any(axis=0)
        importance = np.abs(layer.weight).sum(axis=0).astype(np.float32).astype(np.float64)
        gone = connected & (importance <= np.percentile(importance[connected], p)) & (p > 0)
        if (connected & ~gone).sum() < max(2, min(10, -(-len(gone) // 10))):
            return -1.0  # the layer would be refused
        z = values @ np.where(gone, 0, layer.weight) + layer.bias
        values = np.where(z > 0, z, z * layer.slope)
    z = values @ layers[-1].weight + layers[-1].bias
    return float((z.argmax(axis=1) == LABELS[1200:]).mean())


def bisected(low, will_do):
    high = 99
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if will_do(middle) else (low, middle - 1)
    return low


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.1])
def test_the_search_is_the_one_written_in_numpy(trained, tolerance):
    model = copied(trained)
    layers = from_model(model).layers
    for number, layer in enumerate(layers):  # the sign of the slope alternates
        layer.slope = -0.6 if number % 2 == 0 else 0.6
    worst = without(layers, [0, 0]) - tolerance
    common = bisected(0, lambda p: without(layers, [p, p]) >= worst)
    first = bisected(common, lambda p: without(layers, [p, common]) >= worst)
    second = bisected(common, lambda p: without(layers, [first, p]) >= worst)
    before = accuracy(model)
    report = model.prune(tolerance=tolerance, validation_data=(IMAGES[1200:], LABELS[1200:]))
    for entry, layer, p in zip(report, layers, [first, second], strict=False):
        importance = np.abs(layer.weight).sum(axis=0).astype(np.float32)
        expected = (importance <= np.percentile(importance.astype(np.float64), p)).sum() * (p > 0)
        assert entry["neurons"] == expected
    assert accuracy(model) >= before - tolerance


def test_more_tolerance_prunes_more(trained):
    left = []
    for tolerance in (0.0, 0.1, 0.4):
        model = copied(trained)
        model.prune(tolerance=tolerance, validation_data=(IMAGES[1200:], LABELS[1200:]))
        left.append(model.nnz)
    assert trained.nnz >= left[0] > left[1] > left[2]


def test_a_fit_keeps_within_the_tolerance_of_its_best(state_of):
    def run(threads, **options):
        model = ts.SparseMLP([64, 60, 50, 10], epsilon=10, seed=0, threads=threads)
        history = model.fit(
            IMAGES[:1200],
            LABELS[:1200],
            epochs=12,
            batch_size=32,
            validation_data=(IMAGES[1200:], LABELS[1200:]),
            progress=False,
            **options,
        )
        return model, history.history

    pruning = ts.ImportancePruning(start=6, every=3, tolerance=0.01)
    model, history = run(1, pruning=pruning, topology=None)
    changed = np.flatnonzero(np.diff(history["connections"])) + 1
    assert changed.tolist() == [6, 9]
    assert state_of(run(3, pruning=pruning, topology=None)[0]) == state_of(model)
    # The network right after the first pruning scores within the tolerance.
    model = ts.SparseMLP([64, 60, 50, 10], epsilon=10, seed=0)
    scores = []

    class Look(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            scores.append(accuracy(self.model))

    model.fit(
        IMAGES[:1200],
        LABELS[:1200],
        epochs=8,
        batch_size=32,
        validation_data=(IMAGES[1200:], LABELS[1200:]),
        pruning=pruning,
        topology=None,
        callbacks=[Look()],
        progress=False,
    )
    assert scores[6] >= max(scores[1:6]) - 0.01
    assert model.history.history["connections"][6] < model.history.history["connections"][5]


@pytest.mark.parametrize("strategy", [ts.WASSP(2), ts.WASAP(2)])
def test_workers_prune_within_a_tolerance_too(strategy):
    model = ts.SparseMLP([64, 60, 50, 10], epsilon=10, seed=0)
    model.fit(
        IMAGES[:1200],
        LABELS[:1200],
        epochs=10,
        batch_size=16,
        validation_data=(IMAGES[1200:], LABELS[1200:]),
        pruning=ts.ImportancePruning(start=3, every=2, tolerance=0.05),
        strategy=strategy,
        progress=False,
    )
    connections = model.history.history["connections"]
    assert connections[-1] < connections[0]


def test_a_loss_without_accuracy_may_grow_by_the_tolerance():
    model = make_model(loss="squared_error")
    targets = np.eye(4)[Y]
    fit(model, 20, y=targets)
    before = model.evaluate(X, targets)["loss"]
    report = model.prune(tolerance=0.2, validation_data=(X, targets))
    assert any(entry["neurons"] for entry in report)
    assert model.evaluate(X, targets)["loss"] <= before * 1.2


def test_bad_calls(state_of):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match=r"tolerance = 0.1 and validation_data = None: expected"):
        model.prune(tolerance=0.1)
    with pytest.raises(ValueError, match=r"tolerance = None and validation_data = \(x, y\)"):
        model.prune(percentile=10, validation_data=(X, Y))
    with pytest.raises(TypeError, match=r"validation_data = .*: expected a tuple \(x, y\)"):
        model.prune(tolerance=0.1, validation_data=X)
    with pytest.raises(ValueError, match=r"validation_data\[1\] \(y\)"):
        model.prune(tolerance=0.1, validation_data=(X, Y[:3]))
    with pytest.raises(ValueError, match="validation_data = None: expected held-out samples"):
        fit(model, pruning=ts.ImportancePruning(1, 1, tolerance=0.1))
    assert state_of(model) == before


def cut_off(seed):
    """Noise, of which a constant prediction is as good: pruning takes nearly all."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(400, 12)), rng.integers(0, 2, 400)
    model = ts.SparseMLP([12, 60, 50, 2], epsilon=8, seed=seed)
    pruning = ts.ImportancePruning(start=1, every=2, tolerance=0.02)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(x, y, epochs=12, pruning=pruning, validation_data=(x, y), progress=False)
    warned = any("no path from the inputs to the outputs" in str(w.message) for w in caught)
    return warned, not model.feature_importance().any()


def test_a_network_that_lost_all_paths_is_warned_of():
    found = [cut_off(seed) for seed in range(6)]
    assert (True, True) in found
    assert (True, False) not in found
    assert (False, True) not in found
