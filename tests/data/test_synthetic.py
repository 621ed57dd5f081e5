"""Artificial data of any width."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import datasets


def test_a_specification_gives_both_parts():
    data = datasets.resolve("synthetic:130:40", seed=3)
    assert (data.name, data.n_features, data.n_classes) == ("synthetic:130", 130, 2)
    assert data.x_train.shape == (40, 130)
    assert data.x_test.shape == (8, 130)
    assert data.x_train.dtype == np.float32
    assert np.bincount(data.y_train).tolist() == [20, 20]
    again = datasets.resolve("synthetic:130:40", seed=3)
    assert (again.x_train == data.x_train).all()
    assert not (datasets.resolve("synthetic:130:40", seed=4).x_train == data.x_train).any()


def test_one_feature_in_64_tells_the_classes_apart():
    data = datasets.load_synthetic(256, 2000)
    shift = data.x_train[data.y_train == 1].mean(0) - data.x_train[data.y_train == 0].mean(0)
    assert sorted(np.round(shift).astype(int)) == [0] * 252 + [2] * 4
    test_shift = data.x_test[data.y_test == 1].mean(0) - data.x_test[data.y_test == 0].mean(0)
    assert set(np.argsort(test_shift)[-4:]) == set(np.argsort(shift)[-4:])
    assert len(datasets.load_synthetic(1, 2).x_train) == 2


@pytest.mark.parametrize(
    "bad", ["synthetic:", "synthetic:0", "synthetic:x", "synthetic:3:0", "synthetic:-1"]
)
def test_wrong_specifications_are_named(bad):
    with pytest.raises(ValueError, match=r"synthetic.*expected synthetic:FEATURES"):
        datasets.resolve(bad)
    with pytest.raises(ValueError, match="data_dir"):
        datasets.resolve("synthetic:3", data_dir="x")


def test_a_deep_network_with_two_connections_a_neuron_learns():
    """Its last layer has a fan-in of thousands: at equal rates it diverges."""
    data = datasets.load_synthetic(512, 600)
    losses = {}
    for rates in ("equal", "fan_in"):
        model = ts.SparseMLP(
            [512, *[4000] * 6, 2],
            epsilon=1,
            init="lecun_uniform",
            fan="real",
            activation="leaky_relu",
            dropout=0,
            seed=0,
        )
        sgd = ts.SGD(0.3, weight_decay=0, layer_rates=rates)
        with np.errstate(all="ignore"), pytest.warns() if rates == "equal" else nullcontext():
            model.fit(
                data.x_train,
                data.y_train,
                epochs=4,
                batch_size=32,
                optimizer=sgd,
                topology=ts.SET(grow_init=0.1),
                progress=False,
            )
        losses[rates] = model.history.history["loss"]
    assert losses["fan_in"][-1] < 0.5 * losses["fan_in"][0]
    assert not losses["equal"][-1] < losses["equal"][0]
