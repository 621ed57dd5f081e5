"""A small network, its data and its dense gradients, for rules of growth."""

import numpy as np
import trulysparse as ts

from helpers import oracle as o

SIZES = [12, 20, 15, 4]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))
OPTIONS = {"epochs": 5, "batch_size": 16, "progress": False}


def make_model(**options):
    return ts.SparseMLP(
        SIZES, **({"density": 0.3, "seed": 3, "threads": 2, "dropout": 0.0} | options)
    )


def trained(**options):
    model = make_model(**options)
    model.fit(X, Y, epochs=2, batch_size=16, topology=None, progress=False)
    return model


def dense_gradients(model, x, y):
    """Gradients of the mean loss at all places, in float64, by the oracle."""
    oracle = o.from_model(model)
    for layer in oracle.layers:
        layer.support = np.ones_like(layer.support)
    return [gradient for gradient, _ in oracle.gradients(x, y)]
