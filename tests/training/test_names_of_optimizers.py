"""Optimisers by name are those with their defaults."""

import numpy as np
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
