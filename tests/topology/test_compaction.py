"""Compaction: the same predictions from fewer neurons, and where those came from."""

import itertools
import threading

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from helpers.oracle import (
    ACTIVATIONS,
    activate,
    from_model,
    hidden_slope,
    random_oracle,
    support_of,
)
from helpers.small_model import X, Y, fit, make_model, through_file
from hypothesis import given
from hypothesis import strategies as st


def model_of(oracle, **options):
    """A model with an oracle's weights; its output is the pre-activation."""
    weights = [sp.coo_array(layer.weight) for layer in oracle.layers]
    biases = [layer.bias for layer in oracle.layers]
    options = {"activation": oracle.activation, "slope": oracle.slope, "seed": 0} | options
    return ts.SparseMLP.from_scipy(weights, biases, loss="squared_error", **options)


@st.composite
def oracles(draw):
    """Networks so sparse that neurons lack connections, in any activation."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=2, max_size=6))
    return random_oracle(
        sizes,
        draw(st.sampled_from(ACTIVATIONS)),
        "squared_error",
        density=draw(st.sampled_from([0.0, 0.1, 0.2, 0.4, 1.0])),
        slope=draw(st.sampled_from([0.6, -0.3, 0.0, 1.0])),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def compacted_by_hand(oracle, inputs):
    """One neuron at a time, in any order, until nothing changes; the units that are left.

    The oracle is changed in place, but keeps its shapes: what is removed has no connections and
    is not in the lists.
    """
    units = [set(range(n)) for n in [len(oracle.layers[0].weight), *map(bias_len, oracle.layers)]]
    last = len(oracle.layers)
    while True:
        for level, unit in itertools.chain.from_iterable(
            itertools.product([level], sorted(units[level])) for level in range(last)
        ):
            after = oracle.layers[level]
            if level == 0:
                if inputs and not after.support[unit].any():
                    units[0].discard(unit)
                    break
                continue
            before = oracle.layers[level - 1]
            if not before.support[:, unit].any():
                slope = hidden_slope(oracle.activation, oracle.slope, level - 1)
                constant = activate(oracle.activation, before.bias[unit], slope)
                after.bias = after.bias + after.weight[unit] * constant
            elif after.support[unit].any():
                continue
            before.weight[:, unit], before.support[:, unit] = 0, False
            after.weight[unit], after.support[unit] = 0, False
            units[level].discard(unit)
            break
        else:
            return [sorted(kept) or [0] for kept in units]


def bias_len(layer):
    return len(layer.bias)


@given(oracles(), st.booleans(), st.booleans())
def test_compaction_removes_what_one_by_one_removal_does(oracle, inputs, standardize):
    model = model_of(oracle, standardize=standardize)
    x = np.random.default_rng(0).normal(3, 5, size=(20, model.layer_sizes[0])).astype(np.float32)
    if standardize:  # statistics come with the first data; no epoch trains
        targets = np.zeros((20, model.layer_sizes[-1]))
        model.fit(x, targets, epochs=1, optimizer=ts.SGD(1e-6), progress=False)
    oracle = from_model(model)  # its rounding to float32
    before, sizes, nnz = model.predict(x), model.layer_sizes, [la.nnz for la in model.layers]
    supports = [la.support.copy() for la in oracle.layers]
    momentum = [la.momentum.copy() for la in oracle.layers]
    units = compacted_by_hand(oracle, inputs)
    report = model.compact(inputs=inputs)

    assert [model.units(i).tolist() for i in range(len(sizes))] == units
    assert model.layer_sizes == [len(kept) for kept in units]
    assert model.original_layer_sizes == sizes
    for i, layer in enumerate(model.layers):
        rows, columns = units[i], units[i + 1]
        expected = oracle.layers[i].support[np.ix_(rows, columns)]
        assert np.array_equal(support_of(layer.weight), expected)
        part = oracle.layers[i].weight[np.ix_(rows, columns)]
        assert np.array_equal(layer.weight.toarray(), part)
        np.testing.assert_allclose(
            layer.momentum.toarray(), np.where(expected, momentum[i][np.ix_(rows, columns)], 0)
        )
        np.testing.assert_allclose(layer.bias, oracle.layers[i].bias[columns], rtol=2e-6, atol=2e-6)
        assert layer.bias_momentum.shape == layer.bias.shape

    assert [entry["layer"] for entry in report] == list(range(len(sizes)))
    for level, entry in enumerate(report):
        assert entry["neurons"] == sizes[level] - len(units[level])
        left = model.layers[level - 1].nnz if level else 0
        assert entry["connections"] == (nnz[level - 1] - left if level else 0)
        assert 0 <= entry["constant"] <= entry["neurons"]
    if len(sizes) > 2:
        lonely = ~supports[0].any(axis=0)
        removed = sorted(set(np.flatnonzero(lonely)) - set(units[1]))
        assert report[1]["constant"] == len(removed)

    kept = x[:, units[0]]
    scale = max(1.0, np.abs(before).max())
    np.testing.assert_allclose(model.predict(kept), before, rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(model.predict(kept), oracle.logits(x), rtol=1e-4, atol=1e-5 * scale)
    if standardize:
        assert model.mean.shape == model.scale.shape == (len(units[0]),)
    # Nothing is left to remove, and the numbers stay those of the original.
    again = model.compact(inputs=inputs)
    assert all(entry["neurons"] == entry["connections"] == 0 for entry in again)
    assert [model.units(i).tolist() for i in range(len(sizes))] == units
    expected = from_model(model).feature_importance("path")
    assert np.array_equal(model.feature_importance() > 0, expected > 0)


def test_without_anything_to_remove_nothing_changes(state_of):
    model = make_model(density=1.0)
    before = state_of(model)
    assert all(entry["neurons"] == 0 for entry in model.compact(inputs=True))
    assert state_of(model) == before
    assert model.original_layer_sizes == model.layer_sizes
    assert np.array_equal(model.units(1), np.arange(20))
    assert model.units(1).dtype == np.int64


def test_training_goes_on_after_compaction_and_files_shrink(tmp_path, state_of):
    model = make_model(standardize=True, dropout=0.2)
    fit(model)
    model.save(tmp_path / "whole")
    model.prune(percentile=50)
    predicted = model.predict(X)
    report = model.compact()
    assert 10 <= sum(entry["neurons"] for entry in report) < 35
    np.testing.assert_allclose(model.predict(X), predicted, rtol=1e-5, atol=1e-6)
    model.save(tmp_path / "compact")
    assert (tmp_path / "compact").stat().st_size < 0.7 * (tmp_path / "whole").stat().st_size
    (tmp_path / "next").mkdir()
    loaded = through_file(model, tmp_path / "next")
    assert state_of(loaded) == state_of(model)
    losses = []
    for one in (model, loaded):
        losses.append(fit(one, epochs=5).history["loss"])
    assert losses[0] == losses[1]
    assert state_of(loaded) == state_of(model)
    # A second time the numbers are still those of the original network.
    first = model.units(1)
    model.prune(percentile=30)
    model.compact()
    assert len(model.units(1)) < len(first)
    assert set(model.units(1)) <= set(first)
    assert model.original_layer_sizes == [6, 20, 15, 4]


def test_removed_inputs_are_no_columns_any_more():
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(6, 8))
    dense[[1, 4]] = 0
    weights = [sp.csc_array(dense), sp.csc_array(rng.normal(size=(8, 4)))]
    model = ts.SparseMLP.from_scipy(weights, standardize=True, dropout=0, seed=0)
    fit(model, topology=None)
    predicted, mean, scores = model.predict(X), model.mean, model.feature_importance()
    report = model.compact(inputs=True)
    assert report[0] == {"layer": 0, "neurons": 2, "constant": 0, "connections": 0}
    kept = [0, 2, 3, 5]
    assert model.units(0).tolist() == kept
    assert model.predict(X[:, kept]).tobytes() == predicted.tobytes()
    assert np.array_equal(model.mean, mean[kept])
    assert np.array_equal(model.feature_importance(), scores[kept])
    with pytest.raises(ValueError, match=r"x has shape \(50, 6\): expected \(samples, 4\)"):
        model.predict(X)
    model.fit(X[:, kept], Y, epochs=1, progress=False)


def test_layers_that_cannot_matter_keep_one_neuron():
    model = ts.SparseMLP.from_scipy([sp.csc_array((6, 5)), sp.csc_array((5, 4))], seed=0)
    report = model.compact(inputs=True)
    assert model.layer_sizes == [1, 1, 4]
    assert [entry["neurons"] for entry in report] == [5, 4, 0]
    model.fit(X[:, :1], Y, epochs=2, progress=False)
    assert model.compact()[1]["neurons"] == 0


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_same_bits_for_any_threads(threads, state_of):
    def run(threads):
        model = ts.SparseMLP([200, 400, 300, 4], epsilon=3, seed=1, threads=threads)
        x = np.random.default_rng(0).normal(size=(64, 200))
        model.fit(x, np.arange(64) % 4, epochs=3, progress=False)
        report = model.prune(percentile=35), model.compact(inputs=True)
        return report, state_of(model)

    assert run(threads) == run(1)


def test_bad_arguments_of_compaction():
    model = make_model()
    with pytest.raises(TypeError, match="inputs = 2: expected True or False"):
        model.compact(inputs=2)
    for layer in (-1, 4):
        with pytest.raises(ValueError, match="layer"):
            model.units(layer)


def test_predictions_beside_a_compaction_are_errors_or_right():
    """A call that had the old sizes says so; none crashes."""
    x = np.random.default_rng(0).normal(size=(4000, 300)).astype(np.float32)
    problems, stop = [], threading.Event()
    model = ts.SparseMLP([300, 500, 500, 3], epsilon=5, seed=0, threads=1)

    def predict():
        while not stop.is_set():
            try:
                model.predict(x[:, model.units(0)], batch_size=7)
            except (RuntimeError, ValueError) as error:
                problems.append(str(error))

    thread = threading.Thread(target=predict)
    thread.start()
    for percentile in (10, 30, 50, 70):
        model.prune(percentile=percentile)
        model.compact(inputs=True)
    stop.set()
    thread.join(limits.CHILD)
    assert not thread.is_alive()
    assert all("compacted while" in p or "features" in p or "shape" in p for p in problems)
    assert model.predict(x[:, model.units(0)]).shape == (4000, 3)
