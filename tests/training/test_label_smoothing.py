"""Label smoothing: what training learns, what scores leave alone, and what files hold."""

import itertools
import json
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import biased_model, cases, small_model
from helpers import oracle as o
from helpers.judged import close, models_agree
from helpers.small_model import X, Y
from hypothesis import given, settings
from hypothesis import strategies as st

PLAIN = ts.SGD(1.0, momentum=0.0, weight_decay=0.0)
CLASSES = small_model.SIZES[-1]


def by_hand(y, s, classes=CLASSES):
    return (1 - s) * np.eye(classes)[y] + s / classes


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("s", [0.0, 0.1, 0.9])
def test_steps_and_scores_are_those_of_the_oracle(s, soft):
    model = biased_model.make_model("tanh", label_smoothing=s)
    assert model.label_smoothing == s
    oracle = o.from_model(model)
    sizes = biased_model.SIZES
    for step, n in enumerate(biased_model.BATCHES):
        x, y = o.random_data("cross_entropy", n, sizes[0], sizes[-1], seed=step, soft=soft)
        scores = model.evaluate(x, y)
        accuracy = oracle.accuracy(x, y)
        expected = {"loss": oracle.evaluate(x, y), "accuracy": accuracy}
        assert scores == pytest.approx(expected, rel=1e-5)
        assert model.test_on_batch(x, y) == pytest.approx(scores, rel=1e-6)
        norms = [np.linalg.norm(weight) for weight, _ in oracle.gradients(x, y)]
        np.testing.assert_allclose(model.gradient_norms(x, y), norms, rtol=1e-4)
        expected = {"loss": oracle.training_loss(x, y), "accuracy": accuracy}
        optimizer = ts.SGD(0.01, momentum=0.8, weight_decay=0.01)
        assert model.train_on_batch(x, y, optimizer=optimizer) == pytest.approx(expected, rel=1e-5)
        oracle.step(x, y, lr=0.01, momentum=0.8, weight_decay=0.01)
        models_agree(model, oracle, 3e-6 * (step + 1))


@settings(max_examples=cases.drawn(50))
@given(
    s=st.floats(0, 1, exclude_max=True),
    classes=st.integers(2, 40),
    dense=st.booleans(),
    data=st.data(),
)
def test_the_gradient_is_softmax_less_targets_that_sum_to_one(s, classes, dense, data):
    """All outputs are alike at first, so that the first step shows the targets."""
    label = data.draw(st.integers(0, classes - 1))
    model = ts.SparseMLP.from_scipy(
        [sp.csc_array(np.ones((1, classes)))], label_smoothing=s, seed=0
    )
    y = np.eye(classes)[[label]] if dense else [label]
    scores = model.train_on_batch(np.zeros((1, 1)), y, optimizer=PLAIN)
    assert scores["loss"] == pytest.approx(np.log(classes), rel=1e-6)
    targets = model.layers[0].bias + 1 / classes
    np.testing.assert_allclose(targets, by_hand([label], s, classes)[0], rtol=0, atol=2e-7)
    assert targets.sum() == pytest.approx(1, abs=1e-6)
    if dense:
        return
    other = ts.SparseMLP.from_scipy([sp.csc_array(np.ones((1, classes)))], seed=0)
    other.train_on_batch(np.zeros((1, 1)), by_hand([label], s, classes), optimizer=PLAIN)
    np.testing.assert_allclose(other.layers[0].bias, model.layers[0].bias, rtol=0, atol=2e-7)


WAYS = {
    "labels": {},
    "weights": {"sample_weight": np.linspace(0.5, 1.5, len(X))},
    "lean": {"memory": "lean"},
    "least": {"memory": "least"},
    "WASSP": {"strategy": ts.WASSP(workers=2)},
    "WASAP": {"strategy": ts.WASAP(workers=1)},
    "Adam": {"optimizer": ts.Adam(0.001)},
    "sparse": {"x": sp.csr_array(X)},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_fit_learns_targets_smoothed_by_hand(way):
    options = {"epochs": 3, "topology": None, "progress": False, "batch_size": 16} | WAYS[way]
    x = options.pop("x", X)
    smooth = small_model.make_model(label_smoothing=0.2)
    plain = small_model.make_model()
    first = smooth.fit(x, Y, **options, validation_data=(x, Y)).history
    second = plain.fit(x, by_hand(Y, 0.2), **options, validation_data=(x, Y)).history
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        np.testing.assert_allclose(first[name], second[name], rtol=2e-4)
    for mine, other in zip(smooth.layers, plain.layers, strict=True):
        close(mine.weight.toarray(), other.weight.toarray(), 1e-4)
    assert first["val_loss"][-1] == smooth.evaluate(x, Y)["loss"]


def test_an_iterator_too():
    batches = [(X[i : i + 10], Y[i : i + 10]) for i in range(0, 50, 10)]
    smooth = small_model.make_model(label_smoothing=0.2)
    plain = small_model.make_model()
    options = {"epochs": 2, "steps_per_epoch": 5, "topology": None, "progress": False}
    smooth.fit(itertools.cycle(batches), **options)
    plain.fit(itertools.cycle([(x, by_hand(y, 0.2)) for x, y in batches]), **options)
    for mine, other in zip(smooth.layers, plain.layers, strict=True):
        close(mine.weight.toarray(), other.weight.toarray(), 1e-4)


@pytest.mark.parametrize("topology", [ts.SET(0.3), ts.GradientGrowth(0.3)])
def test_the_bits_depend_on_neither_memory_nor_threads(topology, state_of):
    states = []
    for memory, threads in (("fast", 1), ("fast", 2), ("lean", 1), ("least", 2)):
        model = small_model.make_model(label_smoothing=0.1, threads=threads)
        small_model.fit(model, topology=topology, memory=memory)
        states.append(state_of(model))
    assert states.count(states[0]) == len(states)
    plain = small_model.make_model()
    small_model.fit(plain, topology=topology)
    assert state_of(plain) != states[0]


def config_in(path):
    """The settings in a model file, whose head is a JSON text."""
    whole = path.read_bytes()
    head = json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])
    return json.loads(head["__metadata__"]["trulysparse"])["config"]


def test_it_goes_through_files(tmp_path):
    smooth, plain = (small_model.make_model(label_smoothing=s) for s in (0.1, 0))
    path = tmp_path / "model.safetensors"
    plain.save(path)
    assert config_in(path)["label_smoothing"] == 0
    assert ts.load(path).label_smoothing == 0
    smooth.save(path)
    assert config_in(path)["label_smoothing"] == 0.1
    smooth.export_npz(tmp_path / "arrays")
    for again in (
        ts.load(path),
        pickle.loads(pickle.dumps(smooth)),
        ts.SparseMLP.from_npz(tmp_path / "arrays"),
    ):
        assert again.label_smoothing == 0.1
