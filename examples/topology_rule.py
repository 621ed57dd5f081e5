"""A rule of your own by which the topology evolves: `python examples/topology_rule.py`."""

import numpy as np
import trulysparse as ts
from sklearn.datasets import load_digits


class GradientSign(ts.TopologyRule):
    """Drop the weights closest to zero; grow against the gradient where that is large."""

    def __init__(self, fraction=0.3, step=0.01):
        self.fraction, self.step = fraction, step

    def evolve(self, layer):
        """Replace a fraction of the connections, and let new ones begin with a small step."""
        count = int(self.fraction * layer.nnz)
        drop = np.argsort(np.abs(layer.weight.data), kind="stable")[:count]
        rows, columns = layer.empty(min(3 * count, layer.vacancies))
        gradient = layer.gradient(rows, columns)
        best = np.argsort(-np.abs(gradient), kind="stable")[:count]
        values = -self.step * np.sign(gradient[best])
        return drop, rows[best], columns[best], values


def main():
    """Train on scikit-learn's digits; the last 360 of them are for the test."""
    x, y = load_digits(return_X_y=True)
    model = ts.SparseMLP([64, 200, 200, 10], density=0.1, fan="real", standardize=True, seed=0)
    sgd = ts.SGD(0.05, nesterov=True, schedule="cosine")
    rule = GradientSign()
    model.fit(x[:-360], y[:-360], epochs=20, optimizer=sgd, topology=rule, progress=False)
    scores = model.evaluate(x[-360:], y[-360:])
    print(f"accuracy {scores['accuracy']:.3f} with {model.nnz:,} connections")
    return model, scores


if __name__ == "__main__":
    main()
