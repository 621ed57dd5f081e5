"""A network of some thousand connections, its data and a fit, for tests on bits and noise."""

import numpy as np
import trulysparse as ts

SIZES = [60, 300, 200, 150, 7]
RNG = np.random.default_rng(42)
X = RNG.normal(size=(333, SIZES[0])).astype(np.float32)
Y = RNG.integers(0, SIZES[-1], size=len(X))


def make_model(seed=1, threads=2, **options):
    options = {"epsilon": 8, "dropout": 0.3, "standardize": True} | options
    return ts.SparseMLP(SIZES, seed=seed, threads=threads, **options)


def fit(model, x=X, y=Y, epochs=3, **options):
    options = {"batch_size": 50, "topology": ts.SET(0.3), "progress": False} | options
    model.fit(x, y, epochs=epochs, **options)
    return model


def predicted(model, x=X, **options):
    return model.predict(x, **options).tobytes()
