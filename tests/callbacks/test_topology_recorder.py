"""What a TopologyRecorder records, against counts that are made naively."""

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import SIZES, Log, X, Y, fit, make_model
from scipy import sparse


class Naive(ts.Callback):
    """Degrees of dense copies of the weights' structure, before and after every epoch."""

    def __init__(self):
        self.before, self.after = [], []

    def structures(self):
        for layer in self.model.layers:
            w = layer.weight
            w = sparse.csc_array((np.ones(w.nnz), w.indices, w.indptr), shape=w.shape)
            yield w.toarray().astype(int)

    def on_epoch_begin(self, epoch, logs):
        self.before.append(list(self.structures()))

    def on_epoch_end(self, epoch, logs):
        self.after.append(list(self.structures()))


def assert_record_is(recorder, i, structures):
    for layer in recorder.connections:
        dense = structures[layer]
        assert recorder.connections[layer][i] == dense.sum()
        assert recorder.neurons[layer][i] == dense.any(axis=0).sum()
        np.testing.assert_array_equal(recorder.in_degrees[layer][i], dense.sum(axis=0))
        np.testing.assert_array_equal(recorder.out_degrees[layer][i], dense.sum(axis=1))


def test_records_the_topology_before_training_and_what_each_epoch_trained():
    model, recorder, naive = make_model(), ts.TopologyRecorder(), Naive()
    fit(model, 3, callbacks=[recorder, naive], topology=ts.SET(zeta=0.5))
    assert recorder.epochs == [0, 1, 2, 3]
    assert recorder.layer_sizes == SIZES
    assert list(recorder.connections) == list(recorder.out_degrees) == [0, 1, 2]
    for i, structures in enumerate([naive.before[0], *naive.after]):
        assert_record_is(recorder, i, structures)
    assert (recorder.out_degrees[0][0] == recorder.out_degrees[0][1]).all()
    assert (recorder.out_degrees[0][1] != recorder.out_degrees[0][2]).any()  # evolved in between
    final = np.diff(model.layers[1].weight.indptr)
    np.testing.assert_array_equal(recorder.in_degrees[1][-1], final)


def test_evolution_by_hand_between_two_fits_is_seen_by_the_second():
    model, recorder, naive = make_model(), ts.TopologyRecorder(), Naive()
    fit(model, 2, callbacks=[recorder], topology=None)
    assert (recorder.in_degrees[0][0] == recorder.in_degrees[0][-1]).all()
    model.evolve(ts.SET(zeta=0.9))
    fit(model, 3, initial_epoch=2, callbacks=[recorder, naive], topology=None)
    assert recorder.epochs == [2, 3]  # anew
    assert_record_is(recorder, 0, naive.before[0])


def test_neurons_and_inputs_without_connections():
    first = np.ones((4, 5))
    first[1] = 0  # no input neuron 1
    first[:, 3:] = 0  # neurons 3 and 4 are not fed
    weights = [sparse.csc_array(first), sparse.csc_array(np.ones((5, 2)))]
    model, recorder = ts.SparseMLP.from_scipy(weights, seed=0), ts.TopologyRecorder()
    model.fit(X[:, :4], Y % 2, epochs=1, callbacks=[recorder], progress=False)
    assert recorder.connections == {0: [9, 9], 1: [10, 10]}
    assert recorder.neurons == {0: [3, 3], 1: [2, 2]}
    assert recorder.in_degrees[0][0].tolist() == [3, 3, 3, 0, 0]
    assert recorder.out_degrees[0][0].tolist() == [3, 0, 3, 3]


@pytest.mark.parametrize(
    ("every", "epochs", "recorded"),
    [(1, 2, [0, 1, 2]), (2, 4, [0, 2, 4]), (3, 7, [0, 3, 6, 7]), (9, 2, [0, 2]), (1, 0, [])],
)
def test_every(every, epochs, recorded):
    recorder = ts.TopologyRecorder(every)
    fit(make_model(), epochs, callbacks=[recorder])
    assert recorder.epochs == recorded
    assert {len(records) for records in recorder.in_degrees.values()} == {len(recorded)}


def test_the_last_epoch_of_a_fit_that_was_stopped_is_recorded():
    recorder = ts.TopologyRecorder(5)
    stop = Log(("epoch_end", 2), lambda model: setattr(model, "stop_training", True))
    fit(make_model(), 20, callbacks=[recorder, stop])
    assert recorder.epochs == [0, 3]


def test_layers_and_no_degrees():
    recorder = ts.TopologyRecorder(layers=[2, 0, 2], degrees=False)
    model = make_model()
    fit(model, 1, callbacks=[recorder])
    assert recorder.connections == {i: [model.layers[i].nnz] * 2 for i in (0, 2)}
    assert recorder.in_degrees == recorder.out_degrees == {}
    assert "epochs=[0, 1], layers=[0, 2]" in repr(recorder)


def test_it_changes_nothing_and_is_as_narrow_as_it_can_be(state_of):
    watched, plain, recorder = make_model(), make_model(), ts.TopologyRecorder()
    fit(watched, 3, callbacks=[recorder])
    fit(plain, 3)
    assert state_of(watched) == state_of(plain)
    assert recorder.in_degrees[0][0].dtype == recorder.out_degrees[0][0].dtype == np.uint8
    wide = ts.SparseMLP([300, 2], density=1.0, seed=0)
    wide.fit(np.ones((2, 300)), [0, 1], epochs=1, callbacks=[recorder], progress=False)
    assert recorder.in_degrees[0][0].dtype == np.uint16
    assert recorder.in_degrees[0][0].tolist() == [300, 300]
    assert recorder.out_degrees[0][0].dtype == np.uint8


def test_counting_in_pieces(monkeypatch):
    from trulysparse.callbacks import topology_recorder as recorder

    monkeypatch.setattr(recorder, "_CHUNK", 7)
    indices = np.random.default_rng(0).integers(0, 5, 100)
    np.testing.assert_array_equal(recorder._counts(indices, 6), np.bincount(indices, minlength=6))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"every": 0}, ValueError, "every = 0: expected an integer at least 1"),
        ({"every": 1.5}, TypeError, "every = 1.5: expected an integer"),
        ({"layers": []}, ValueError, "layers = .*at least one layer"),
        ({"layers": 1}, TypeError, "layers = 1: expected a sequence of integers"),
        ({"layers": [0, -1]}, ValueError, r"layers\[1\] = -1"),
        ({"degrees": 2}, TypeError, "degrees = 2: expected True or False"),
    ],
)
def test_errors(options, error, message):
    with pytest.raises(error, match=message):
        ts.TopologyRecorder(**options)


def test_a_layer_that_the_model_does_not_have(state_of):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match="layers: one = 3: expected an integer from 0 to 2"):
        fit(model, callbacks=[ts.TopologyRecorder(layers=[0, 3])])
    assert state_of(model) == before
