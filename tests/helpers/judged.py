"""Models and arrays compared with the oracle's."""

import numpy as np

from helpers import oracle as o


def close(actual, expected, tolerance=3e-6):
    """Equal within ``tolerance`` of the expected array's largest magnitude."""
    expected = np.asarray(expected)
    largest = np.abs(expected).max(initial=0.0)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance * largest)


def models_agree(model, oracle, tolerance=3e-6):
    for layer, expected in zip(o.from_model(model).layers, oracle.layers, strict=True):
        assert np.array_equal(layer.support, expected.support)
        close(layer.weight, expected.weight, tolerance)
        close(layer.bias, expected.bias, tolerance)
        # Velocities are sums of gradients, smaller than the weights that rounding acts on.
        close(layer.momentum, expected.momentum, 10 * tolerance)
        close(layer.bias_momentum, expected.bias_momentum, 10 * tolerance)
        assert (layer.srelu is None) == (expected.srelu is None)
        if layer.srelu is not None:
            close(layer.srelu, expected.srelu, tolerance)
            close(layer.srelu_momentum, expected.srelu_momentum, 10 * tolerance)


def structure(matrix):
    return matrix.indptr.tolist(), matrix.indices.tolist()
