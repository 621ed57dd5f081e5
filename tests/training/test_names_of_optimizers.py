"""Optimisers by name are those with their defaults."""

import warnings

import numpy as np
import pytest
import trulysparse as ts
from helpers.biased_model import SIZES, make_model
from trulysparse.optim.optimizers import BY_NAME

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))


def trained(optimizer):
    """Give the bytes of a model after a fit and a step."""
    model = make_model()
    model.fit(X, Y, epochs=2, batch_size=16, optimizer=optimizer, progress=False)
    model.train_on_batch(X, Y, optimizer=optimizer)
    return model._core.to_bytes({})


def test_a_name_is_the_optimiser_with_its_defaults():
    for name, make in BY_NAME.items():
        assert trained(name) == trained(make())
        assert make_model().plan(optimizer=name).parts == make_model().plan(optimizer=make()).parts
    assert len({trained(name) for name in BY_NAME}) == len(BY_NAME)


def test_a_schedule_without_effect_is_said_once_per_model():
    model = ts.SparseMLP([4, 6, 2], density=1, seed=0, threads=1)
    x = np.random.default_rng(0).normal(size=(8, 4))
    y = np.arange(8) % 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.train_on_batch(x, y, optimizer=ts.SGD(0.5, schedule="cosine"))
        model.train_on_batch(x, y, optimizer=ts.SGD(schedule=ts.Constant(warmup=0.1)))
    assert "learning_rate = 0.5, and schedule = 'cosine' is for fit" in str(caught[0].message)
    assert [w.filename for w in caught] == [__file__]
    other = ts.SparseMLP([4, 6, 2], density=1, seed=0, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for optimizer in (None, ts.SGD(), ts.SGD(schedule=ts.Constant())):
            other.train_on_batch(x, y, optimizer=optimizer)
        with pytest.raises(UserWarning, match=r"trulysparse\.Lion"):
            other.train_on_batch(x, y, optimizer=ts.Lion(schedule="step"))
    assert other.steps_trained == 3
