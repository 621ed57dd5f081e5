"""Importance and pruning on real data: `python experiments/importance.py madelon`.

`madelon` needs the data set (``--data-dir``, as `trulysparse train --data madelon`), `fashion`
needs Fashion-MNIST. What a step gains from pruning is in ``benches/compact.py``.
"""

import argparse
from pathlib import Path

import numpy as np
import trulysparse as ts
from sklearn.neighbors import KNeighborsClassifier
from trulysparse import datasets

# Chosen by the accuracy on 400 held-out training samples, the mean of ten such splits, from rates
# of 0.01 to 0.05, decays of 5e-4 to 1.6e-3, percentiles of 10 to 25, every 5 to 20 epochs.
MADELON = {
    "model": {
        "epsilon": 10,
        "init": "normal",
        "slope": 0.5,
        "dropout": 0.3,
        "standardize": True,
    },
    "sgd": ts.SGD(0.03, weight_decay=1.2e-3),
    "fit": {"epochs": 300, "batch_size": 32},
    "pruning": ts.ImportancePruning(start=100, every=5, percentile=15, over="connected"),
}

# The presets of the command line, the recipe with half of its zeta. Pruning was chosen on the last
# 10,000 training images so that it takes half of the connections.
FASHION = {
    "paper": {
        "model": {"standardize": True},
        "sgd": ts.SGD(),
        "topology": ts.SET(),
        "pruning": ts.ImportancePruning(start=2, every=1, percentile=10, over="connected"),
    },
    "recipe": {
        "model": {"init": "lecun_uniform", "fan": "real", "dropout": 0.2, "standardize": True},
        "sgd": ts.SGD(0.05, nesterov=True, weight_decay=2e-5, schedule="cosine"),
        "topology": ts.SET(zeta=0.15, grow_init=0.1),
        "pruning": ts.ImportancePruning(start=2, every=1, percentile=16, over="connected"),
    },
}
SIGNAL = 20  # features of Madelon that carry any


def gradient(model: ts.SparseMLP, x: np.ndarray) -> np.ndarray:
    """Mean absolute derivative of the difference of the two outputs by each input, (features,)."""
    weights = [layer.weight.astype(np.float64) for layer in model.layers]
    x = (x - x.mean(0)) / x.std(0)
    slopes = []
    for layer, w in zip(model.layers[:-1], weights, strict=False):
        x = (w.T @ x.T).T + layer.bias
        slopes.append(np.where(x > 0, 1.0, layer.slope))
        x *= slopes[-1]
    delta = np.tile([-1.0, 1.0], (len(x), 1))
    for w, slope in zip(weights[:0:-1], slopes[::-1], strict=True):
        delta = (w @ delta.T).T * slope
    return np.abs((weights[0] @ delta.T).T).mean(0)


def squared_paths(model: ts.SparseMLP) -> np.ndarray:
    """Squared weights multiplied along the paths to the outputs, (features,)."""
    strength = np.ones(model.layer_sizes[-1])
    for layer in model.layers[::-1]:
        strength = layer.weight.astype(np.float64).power(2) @ strength
    return strength


def top(scores: np.ndarray) -> np.ndarray:
    """Give the features with the highest scores."""
    return np.argsort(-scores, kind="stable")[:SIGNAL]


def madelon(options: argparse.Namespace) -> None:
    """Features found and accuracy, with and without pruning."""
    data = datasets.load_madelon(options.data_dir)
    correlation = np.abs(np.corrcoef(data.x_train.T))
    np.fill_diagonal(correlation, 0)
    signal = set(top(correlation.max(0)))
    shape = [500, 400, 100, 400, 2]
    print("of the 20 features that carry signal, those among the 20 of the highest score:")
    heads = ["pruning", "seed", "accuracy", "connections", "neurons"]
    kinds = ["path", "strength", "squared", "gradient"]
    print(" ".join(f"{head:>12}" for head in heads + kinds))
    selected = []
    for pruning in (None, MADELON["pruning"]):
        rows = []
        for seed in range(options.seeds):
            model = ts.SparseMLP(shape, seed=seed, threads=1, **MADELON["model"])
            history = model.fit(
                data.x_train,
                data.y_train,
                optimizer=MADELON["sgd"],
                pruning=pruning,
                progress=False,
                **MADELON["fit"],
            )
            scores = [model.feature_importance(kind) for kind in kinds[:2]]
            scores += [squared_paths(model), gradient(model, data.x_train.astype(np.float64))]
            accuracy = 100 * model.evaluate(data.x_test, data.y_test)["accuracy"]
            found = [len(signal & set(top(s))) for s in scores]
            rows.append([accuracy, model.nnz, history.history["neurons"][-1], *found])
            cells = ["yes" if pruning else "no", seed, *(f"{v:.4g}" for v in rows[-1])]
            print(" ".join(f"{cell:>12}" for cell in cells))
            if pruning:
                selected.append(top(model.feature_importance()))
        means = ["yes" if pruning else "no", "mean", *(f"{v:.4g}" for v in np.mean(rows, 0))]
        print(" ".join(f"{cell:>12}" for cell in means))

    def neighbours(features: np.ndarray) -> float:
        knn = KNeighborsClassifier().fit(data.x_train[:, features], data.y_train)
        return 100 * knn.score(data.x_test[:, features], data.y_test)

    means = [neighbours(features) for features in selected]
    print(f"\nscikit-learn's KNeighborsClassifier on all 500: {neighbours(np.arange(500)):.1f} %")
    print(f"on the 20 of the highest score: {np.mean(means):.1f} % (mean of {len(means)} seeds)")


def fashion(options: argparse.Namespace) -> None:
    """Accuracy and what is left, with and without pruning."""
    data = datasets.load_fashion_mnist(options.data_dir)
    settings = FASHION[options.preset]
    print(" ".join(f"{h:>12}" for h in ["pruning", "seed", "accuracy", "connections", "neurons"]))
    for pruning in (None, settings["pruning"]):
        rows = []
        for seed in range(options.seeds):
            model = ts.SparseMLP([784, 1000, 1000, 1000, 10], seed=seed, **settings["model"])
            history = model.fit(
                data.x_train,
                data.y_train,
                epochs=options.epochs,
                optimizer=settings["sgd"],
                topology=settings["topology"],
                pruning=pruning,
                progress=False,
            )
            accuracy = 100 * model.evaluate(data.x_test, data.y_test)["accuracy"]
            rows.append([accuracy, model.nnz, history.history["neurons"][-1]])
            cells = ["yes" if pruning else "no", seed, *(f"{v:.6g}" for v in rows[-1])]
            print(" ".join(f"{cell:>12}" for cell in cells), flush=True)
        means = ["yes" if pruning else "no", "mean", *(f"{v:.6g}" for v in np.mean(rows, 0))]
        print(" ".join(f"{cell:>12}" for cell in means), flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["madelon", "fashion"])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=30, help="of fashion")
    parser.add_argument("--preset", choices=FASHION, default="paper", help="of fashion")
    parser.add_argument("--data-dir", type=Path)
    options = parser.parse_args()
    {"madelon": madelon, "fashion": fashion}[options.what](options)


if __name__ == "__main__":
    main()
