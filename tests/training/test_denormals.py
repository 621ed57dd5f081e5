"""No fit leaves denormal numbers in a model, however long its values have decayed.

Every coefficient here is 0.7: what decays by it passes the least normal number after 250 steps, and
would stay at the least denormal one for ever, as 0.7 of that rounds to itself.
"""

import numpy as np
import pytest
import trulysparse as ts
from helpers.model_file import tensors_of
from trulysparse.activations import HIDDEN

KEPT = 0.7
LOST = 1 - KEPT  # by the decay of a step
SGD = {"learning_rate": 0.05, "momentum": KEPT, "weight_decay": LOST}
OPTIMIZERS = {
    "SGD": ts.SGD(**SGD),
    "Nesterov": ts.SGD(**SGD, nesterov=True),
    "L1": ts.SGD(**SGD, l1=1e-30),
    "momentum only": ts.SGD(0.05, momentum=KEPT, weight_decay=0.0),
    "Adam": ts.Adam(0.01, beta_1=KEPT, beta_2=KEPT, weight_decay=LOST / 0.01),
    "Adam without decay": ts.Adam(0.01, beta_1=KEPT, beta_2=KEPT),
    "Lion": ts.Lion(0.001, beta_1=KEPT, beta_2=KEPT, weight_decay=LOST / 0.001),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 12)).astype(np.float32)
X[:, 0] = 5  # a constant feature
Y = X[:, 1:5].argmax(axis=1)
DEAD = X.copy()
DEAD[:, 6:] = 0  # features that die: their weights have no gradient any more


def fitted(optimizer=OPTIMIZERS["SGD"], epochs=60, model=None, **options):
    """A model whose features die after some epochs, and which goes on without them."""
    settings = {"epsilon": 4, "seed": 2, "threads": 2} | (model or {})
    made = ts.SparseMLP([12, 16, 16, 4], **settings)
    options = {"topology": None, "batch_size": 8, "optimizer": optimizer} | options
    made.fit(X, Y, epochs=3, progress=False, **options)
    made.fit(DEAD, Y, epochs=epochs, progress=False, **options)
    return made


def hold_none(model, tmp_path):
    """Hold every tensor of the model's file to be without denormal numbers; some became 0."""
    path = tmp_path / "model.safetensors"
    model.save(path)
    _, found = tensors_of(path)
    tensors = {n: np.frombuffer(raw, "<f4") for n, (kind, _, raw) in found.items() if kind == "F32"}
    least = np.finfo(np.float32).smallest_normal
    counts = {name: int(((v != 0) & (abs(v) < least)).sum()) for name, v in tensors.items()}
    assert len(counts) >= 4 * len(model.layers)
    assert {name: count for name, count in counts.items() if count} == {}
    moments = [v for name, v in tensors.items() if "momentum" in name]
    assert any((v == 0).any() for v in moments)


pytestmark = pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")


@pytest.mark.parametrize("standardize", [False, True])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_update_rules(name, standardize, tmp_path):
    model = fitted(OPTIMIZERS[name], model={"standardize": standardize})
    hold_none(model, tmp_path)


@pytest.mark.parametrize("activation", HIDDEN)
def test_activations(activation, tmp_path):
    hold_none(fitted(model={"activation": activation, "dropout": 0.3}), tmp_path)


@pytest.mark.parametrize("activation", ["relu", "srelu"])
def test_without_decay(activation, tmp_path):
    model = {"activation": activation, "dropout": 0.3}
    hold_none(fitted(OPTIMIZERS["momentum only"], model=model), tmp_path)


@pytest.mark.parametrize("topology", [None, ts.SET(0.05)])
@pytest.mark.parametrize("strategy", [ts.WASSP, ts.WASAP])
def test_workers(strategy, topology, tmp_path):
    model = fitted(strategy=strategy(workers=2), topology=topology, epochs=120)
    hold_none(model, tmp_path)


@pytest.mark.parametrize("memory", ["fast", "least"])
def test_deltas_that_vanish(memory, tmp_path):
    # Outputs far from 0 are sure, and so their deltas are all but 0.
    optimizer = ts.Adam(0.3, beta_1=KEPT, beta_2=KEPT)
    hold_none(fitted(optimizer, epochs=80, memory=memory), tmp_path)


def test_predictions_keep_them():
    weights = [np.full((1, 1), 1e-20, np.float32), np.ones((1, 1), np.float32)]
    model = ts.SparseMLP.from_scipy(weights, activation="relu", loss="squared_error")
    x = np.full((1, 1), 1e-20, np.float32)
    assert 0 < model.predict(x)[0, 0] < np.finfo(np.float32).smallest_normal
