"""Losses of samples that store few values, and of the same samples as dense arrays.

Networks of one seed train ten epochs on either, in five shapes and by every update rule. Printed is
the largest relative difference of the training loss in any epoch, without evolution and, after a
slash, with SET: `python experiments/few_values.py` (a minute).
"""

import argparse
import warnings
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
import trulysparse as ts
from trulysparse.optim import Optimizer

RULES = {
    "SGD": ts.SGD(0.05, weight_decay=0),
    "Nesterov, cosine, decay": ts.SGD(0.05, nesterov=True, schedule="cosine", weight_decay=1e-3),
    "SGD, L1": ts.SGD(0.05, l1=1e-3),
    "Adam": ts.Adam(0.003),
    "Adam, cosine, decay": ts.Adam(0.003, weight_decay=0.1, schedule="cosine"),
    "Adam, L1": ts.Adam(0.003, l1=1e-3),
    "Lion": ts.Lion(0.001),
    "Lion, decay": ts.Lion(0.001, weight_decay=0.1),
    "Lion, L1": ts.Lion(0.001, l1=1e-3),
}

# Samples, features, values a sample, hidden layers, and what else differs. Single samples train at
# a tenth of the rate.
SHAPES = {
    "one-hot": (1000, 4000, 10, [50], {"values": "ones"}),
    "words": (600, 10_000, 100, [100], {"values": "counts"}),
    "rare, deep": (1000, 20_000, 3, [60, 40, 30], {"activation": "tanh", "dropout": 0.2}),
    "one layer": (800, 3000, 8, [], {}),
    "single samples": (300, 2000, 5, [30], {"batch_size": 1}),
}


def samples(n: int, features: int, each: int, values: str) -> tuple[sp.csr_array, np.ndarray]:
    """Give CSR samples, frequent and rare features, and labels that depend on them linearly."""
    rng = np.random.default_rng(0)
    share = 1 / np.arange(1, features + 1) ** 0.7
    columns = rng.choice(features, n * each, p=share / share.sum())
    data = rng.normal(size=n * each) if values == "normal" else np.ones(n * each)
    at = np.repeat(np.arange(n), each), columns
    x = sp.csr_array((data, at), shape=(n, features), dtype=np.float32)
    x.sum_duplicates()
    if values == "ones":
        x.data[:] = 1
    scores = np.asarray(x @ rng.normal(size=(features, 3)))
    return x, (scores - scores.mean(0)).argmax(1)


def difference(shape: str, optimizer: Optimizer, topology: ts.SET | None) -> float:
    """Give the largest relative difference of the losses of ten epochs."""
    n, features, each, hidden, others = SHAPES[shape]
    others = dict(others)
    x, y = samples(n, features, each, others.pop("values", "normal"))
    batch_size = others.pop("batch_size", 32)
    if batch_size == 1:
        optimizer = replace(optimizer, learning_rate=optimizer.learning_rate / 10)
    options = {"batch_size": batch_size, "optimizer": optimizer, "topology": topology}
    losses = []
    for form in (x, x.toarray()):
        model = ts.SparseMLP([features, *hidden, 3], epsilon=5, seed=0, **others)
        history = model.fit(form, y, epochs=10, progress=False, **options)
        losses.append(np.array(history.history["loss"]))
    return float(np.abs(losses[0] / losses[1] - 1).max())


def main() -> None:
    """Print the table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    warnings.simplefilter("ignore", ts.ExplosionWarning)
    print("| |", " | ".join(SHAPES), "|\n|---|" + "---|" * len(SHAPES))
    for name, optimizer in RULES.items():
        cells = []
        for shape in SHAPES:
            both = [difference(shape, optimizer, topology) for topology in (None, ts.SET(0.3))]
            cells.append(" / ".join(f"{found:.0e}" for found in both))
        print(f"| {name} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
