"""Growth by gradients, and when a topology evolves: judged by the oracle and by definitions."""

import math

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.growing_model import OPTIONS, SIZES, X, Y, dense_gradients, make_model, trained
from hypothesis import example, given
from hypothesis import strategies as st

ALL = 100  # candidates for each connection: all empty places


def supports(model):
    return [layer.support for layer in o.from_model(model).layers]


def survivors_of_set(weight, zeta):
    """The support that SET's drop leaves of a csc matrix, by sorting."""
    data, keep = weight.data, weight.data != 0
    for sign in (1, -1):
        matching = np.flatnonzero(np.sign(data) == sign)
        order = matching[np.argsort(np.abs(data[matching]), kind="stable")]
        keep[order[: math.floor(zeta * len(order))]] = False
    columns = np.repeat(np.arange(weight.shape[1]), np.diff(weight.indptr))
    support = np.zeros(weight.shape, dtype=bool)
    support[weight.indices[keep], columns[keep]] = True
    return support


@pytest.mark.parametrize("loss", o.LOSSES)
@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
def test_the_places_with_the_largest_gradients_grow(loss, standardize, memory):
    x, y = o.random_data(loss, 40, SIZES[0], SIZES[-1], seed=1)
    model = make_model(loss=loss, standardize=standardize)
    options = {"epochs": 2, "batch_size": 16, "topology": None, "progress": False}
    model.fit(x, y, optimizer=ts.SGD(0.001), **options)
    gradients = dense_gradients(model, x, y)
    survivors = [survivors_of_set(layer.weight, 0.4) for layer in model.layers]
    momenta = [layer.momentum.toarray() for layer in model.layers]
    rule = ts.GradientGrowth(0.4, samples=ALL, batch_size=1000)
    report = model.evolve(rule, x, y, memory=memory)
    assert report[-1] == {"dropped": 0, "grown": 0}
    for layer, gradient, kept, before, numbers in zip(
        model.layers[:-1], gradients, survivors, momenta, report, strict=False
    ):
        support = o.support_of(layer.weight)
        grown = support & ~kept
        assert np.all(support[kept])
        assert grown.sum() == numbers["grown"] == numbers["dropped"] > 0
        assert np.all(layer.weight.toarray()[grown] == 0)
        assert np.all(layer.momentum.toarray()[grown] == 0)
        np.testing.assert_array_equal(layer.momentum.toarray()[kept], before[kept])
        magnitude = np.abs(gradient)
        left_out = magnitude[~support].max()
        # Rounding may decide between places whose gradients are as good as equal.
        assert magnitude[grown].min() >= left_out - 1e-5 * magnitude.max()


def test_ties_grow_in_the_order_of_storage():
    # All inputs are zero, so the first layer's gradients are.
    model = trained()
    kept = survivors_of_set(model.layers[0].weight, 0.5)
    rule = ts.GradientGrowth(0.5, samples=ALL)
    count = model.evolve(rule, np.zeros_like(X), Y)[0]["grown"]
    outputs, inputs = np.nonzero(~kept.T)
    grown = o.support_of(model.layers[0].weight) & ~kept
    expected = np.zeros_like(grown)
    expected[inputs[:count], outputs[:count]] = True
    np.testing.assert_array_equal(grown, expected)


def test_one_candidate_for_each_is_growth_at_random():
    model, twin = trained(), trained()
    model.evolve(ts.GradientGrowth(0.3, samples=1, grow_init=0.5), X, Y)
    twin.evolve(ts.SET(0.3, grow_init=0.5))
    for layer, other in zip(model.layers, twin.layers, strict=True):
        assert layer.weight.data.tobytes() == other.weight.data.tobytes()
        assert layer.weight.indices.tobytes() == other.weight.indices.tobytes()


def test_more_candidates_have_larger_gradients():
    means = []
    for samples in (1, 3, ALL):
        model = trained()
        gradient, before = np.abs(dense_gradients(model, X, Y)[1]), supports(model)[1]
        model.evolve(ts.GradientGrowth(0.3, samples=samples, batch_size=60), X, Y)
        means.append(gradient[supports(model)[1] & ~before].mean())
    assert means[0] < means[1] < means[2]


def test_pruned_neurons_grow_nothing():
    model = trained()
    model.prune(percentile=40)
    closed = [layer.pruned for layer in model.layers[:-1]]
    assert all(flags.any() for flags in closed)
    model.evolve(ts.GradientGrowth(0.5, samples=ALL), X, Y)
    for layer, flags in zip(model.layers, closed, strict=False):
        assert not np.diff(layer.weight.indptr)[flags].any()
        np.testing.assert_array_equal(layer.pruned, flags)


RULES = [
    ts.GradientGrowth(0.3, samples=2),
    ts.GradientGrowth(0.3, samples=2, batch_size=25, grow_init=0.1, schedule="cosine"),
    ts.SET(0.3, schedule="cosine", start=2),
    ts.SET(0.3, every=2),
]


@pytest.mark.parametrize("rule", RULES)
def test_the_bits_are_the_same_for_any_threads_and_memory(state_of, rule):
    # Large enough for several threads to have something to do.
    sizes, options = [len(X), 500, 400, 4], {"density": 0.3, "dropout": 0.3, "seed": 3}
    states = []
    for threads, memory in [(1, "fast"), (2, "lean"), (3, "least")]:
        model = ts.SparseMLP(sizes, threads=threads, **options)
        model.fit(X @ X.T, Y, topology=rule, memory=memory, **(OPTIONS | {"epochs": 3}))
        states.append(state_of(model))
    assert states[0] == states[1] == states[2]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("epoch", [1, 2, 4])
def test_a_checkpoint_goes_on_with_the_same_bits(tmp_path, state_of, rule, epoch):
    class Checkpoint(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            self.model.save(tmp_path / f"{epoch + 1}")

    whole = make_model(dropout=0.3, standardize=True)
    whole.fit(X, Y, topology=rule, callbacks=[Checkpoint()], **OPTIONS)
    model = ts.load(tmp_path / str(epoch))
    now = rule.at(model.epochs_trained, epochs=5)
    if now is not None:
        model.evolve(now, X, Y, batch_size=16)
    model.fit(X, Y, topology=rule, initial_epoch=epoch, **OPTIONS)
    assert state_of(model) == state_of(whole)


def test_the_larger_growth_batch_changes_no_step():
    # Growth by one candidate for each looks at gradients of any batch in vain.
    models = [make_model(dropout=0.3) for _ in range(2)]
    for model, size in zip(models, (None, 60), strict=True):
        rule = ts.GradientGrowth(0.3, samples=1, batch_size=size)
        model.fit(X, Y, topology=rule, validation_data=(X, Y), **OPTIONS)
    assert models[0].history.history["val_loss"] == models[1].history.history["val_loss"]


@given(
    start=st.integers(1, 8),
    stop=st.none() | st.integers(1, 12),
    every=st.integers(1, 4),
    epochs=st.integers(1, 12),
)
@example(start=3, stop=None, every=1, epochs=4)
def test_schedules_by_their_definition(start, stop, every, epochs):
    if stop is not None and stop < start:
        with pytest.raises(ValueError, match="stop"):
            ts.SET(start=start, stop=stop)
        return
    last = min(epochs - 1, epochs if stop is None else stop)
    due = [e for e in range(start, last + 1) if (e - start) % every == 0]
    constant = ts.SET(0.3, start=start, stop=stop, every=every)
    cosine = ts.GradientGrowth(0.3, schedule="cosine", start=start, stop=stop, every=every)
    for epoch in range(1, epochs + 1):
        rules = constant.at(epoch, epochs), cosine.at(epoch, epochs)
        if epoch not in due:
            assert rules == (None, None)
            continue
        assert rules[0].zeta == 0.3
        assert type(rules[1]) is ts.GradientGrowth
        part = (epoch - due[0]) / (due[-1] - due[0]) if len(due) > 1 else 0.0
        assert rules[1].zeta == pytest.approx(0.15 * (1 + math.cos(math.pi * part)), abs=1e-15)
    if len(due) > 1:
        assert cosine.at(due[-1], epochs).zeta == 0


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2), ts.WASAP(workers=1)])
def test_a_fit_evolves_when_it_should(strategy):
    model = make_model()
    rule = ts.SET(0.3, start=2, stop=5, every=2)
    # Of parallel fits the last local epochs evolve networks of their own.
    changed, options = [], OPTIONS | {"epochs": 20, "strategy": strategy}

    class Watch(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            changed.append(self.model.evolutions)

    model.fit(X, Y, topology=rule, callbacks=[Watch()], **options)
    assert changed[:7] == [0, 0, 1, 1, 2, 2, 2]
    assert model.evolutions == 2


@pytest.mark.parametrize("strategy", [ts.WASSP(workers=2), ts.WASAP(workers=2)])
def test_strategies_know_only_set(state_of, strategy):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match=r"topology = GradientGrowth.*SET with a strategy"):
        model.fit(X, Y, topology=ts.GradientGrowth(), strategy=strategy)
    with pytest.raises(ValueError, match=r"topology = .*TopologyRule.*SET with a strategy"):
        model.fit(X, Y, topology=ts.TopologyRule(), strategy=strategy)
    assert state_of(model) == before


WRONG = [
    ("samples", 0.9), ("samples", math.inf), ("samples", math.nan), ("samples", "3"),
    ("batch_size", 0), ("batch_size", 1.5), ("zeta", 1), ("grow_init", -1),
    ("schedule", "linear"), ("schedule", 3), ("start", 0), ("start", 1.5), ("stop", 0),
    ("every", 0), ("every", True),
]  # fmt: skip


@pytest.mark.parametrize(("argument", "value"), WRONG)
def test_wrong_settings_are_named(argument, value):
    with pytest.raises((ValueError, TypeError), match=f"^{argument} = "):
        ts.GradientGrowth(**{argument: value})


def test_gradients_need_samples(state_of):
    model = make_model()
    before = state_of(model)
    for options, name in [({}, "x"), ({"x": X}, "y"), ({"y": Y}, "x")]:
        with pytest.raises(ValueError, match=f"^{name} = None: expected samples"):
            model.evolve(ts.GradientGrowth(), **options)
    with pytest.raises(ValueError, match="x has"):
        model.evolve(ts.GradientGrowth(), X[:, :3], Y)
    with pytest.raises(ValueError, match="batch_size"):
        model.evolve(ts.GradientGrowth(), X, Y, batch_size=0)
    assert state_of(model) == before


def test_a_network_without_hidden_layers_has_nothing_to_evolve():
    model = ts.SparseMLP([12, 4], density=0.5, seed=0)
    assert model.evolve(ts.GradientGrowth(), X, Y) == [{"dropped": 0, "grown": 0}]
    model.fit(X, Y, topology=ts.GradientGrowth(), **OPTIONS)


def test_the_plan_counts_candidates():
    model = make_model()
    plain, guided = (model.plan(16, evolves=e) for e in (ts.SET(), ts.GradientGrowth(0.3)))
    largest = max(16 * 0.9 * la.nnz + 8 * (la.n_out + 1) for la in model.layers[:-1])
    assert guided.parts["candidates for growth"] == math.ceil(largest)
    assert guided.total - plain.total == math.ceil(largest)
    assert plain.parts == model.plan(16, evolves=True).parts
    everything = model.plan(16, evolves=ts.GradientGrowth(samples=1e30))
    places = max(16 * la.n_in * la.n_out + 8 * (la.n_out + 1) for la in model.layers[:-1])
    assert everything.parts["candidates for growth"] == places
    huge = ts.SparseMLP([1_000_000, 1_000_000, 2], density=1e-8, seed=0)
    x, y = np.zeros((2, 1_000_000), np.float32), np.array([0, 1])
    with pytest.raises(MemoryError, match=r"candidates for growth 16000\.0"):
        huge.evolve(ts.GradientGrowth(samples=1e30), x, y)


def test_candidates_are_a_few_of_many_places():
    # 10^12 places: nothing but the connections and some candidates fits.
    model = ts.SparseMLP([1_000_000, 1_000_000, 2], density=1e-8, seed=0, standardize=False)
    x = np.zeros((2, 1_000_000), np.float32)
    x[0, ::3] = x[1, ::7] = 1
    report = model.evolve(ts.GradientGrowth(0.3, samples=5), x, np.array([0, 1]))
    assert report[0]["grown"] == report[0]["dropped"] > 2000
    assert model.layers[0].weight.has_canonical_format
