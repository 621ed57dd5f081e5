"""A network with biases of order one, and sizes of batches, for steps beside the oracle."""

import numpy as np
import trulysparse as ts

SIZES = [7, 12, 9, 10, 5]
BATCHES = (1, 3, 5, 8, 16, 17, 33)


def make_model(activation="all_relu", loss="cross_entropy", sizes=SIZES, **options):
    options = {"density": 0.6, "dropout": 0.0, "seed": 5, "threads": 2} | options
    model = ts.SparseMLP(sizes, activation=activation, loss=loss, **options)
    # Biases start at zero, which would hide a missing bias: rebuild with biases of order one.
    rng = np.random.default_rng(1)
    biases = [rng.normal(size=n).astype(np.float32) for n in sizes[1:]]
    del options["density"]
    weights = [layer.weight for layer in model.layers]
    return ts.SparseMLP.from_scipy(weights, biases, activation=activation, loss=loss, **options)
