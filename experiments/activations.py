"""All-ReLU against ReLU, leaky ReLU and SReLU in sparse networks of 3, 6 and 10 hidden layers.

The paper's second contribution (arXiv 2102.01732): accuracy on test data, mean and
standard deviation over seeds, and the norm of each layer's gradient over the epochs, to --out as
activations.csv and, with matplotlib, as a picture for each data set. Leaky ReLU has All-ReLU's
slope, so that these two differ in its alternating sign only.

    python experiments/activations.py --data-dir FOLDER            # of madelon.npz or UCI's files
    python experiments/activations.py digits breast_cancer --preset paper

Deep networks diverge at the recipe's learning rate of 0.05, so that 0.02 is the default here.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from trulysparse import datasets

ACTIVATIONS = ("all_relu", "relu", "leaky_relu", "srelu")
PROBED = 500  # training samples whose gradients are taken

# Hidden layers are repeated up to the depth; slopes are the paper's, or its most common one.
DATA: dict[str, dict[str, Any]] = {
    "digits": {"hidden": [200], "slope": 0.6, "epochs": 30, "batch_size": 32},
    "breast_cancer": {"hidden": [100], "slope": 0.6, "epochs": 40, "batch_size": 32},
    "madelon": {"hidden": [400, 100], "slope": 0.5, "epochs": 60, "batch_size": 32},
    "fashion-mnist": {"hidden": [1000], "slope": 0.6, "epochs": 8, "batch_size": 128},
}

# The presets of the command line, but for the recipe's learning rate.
PRESETS: dict[str, dict[str, Any]] = {
    "recipe": {
        "model": {"init": "lecun_uniform", "fan": "real", "dropout": 0.2},
        "sgd": ts.SGD(0.02, nesterov=True, weight_decay=2e-5, schedule="cosine"),
        "topology": ts.SET(grow_init=0.1),
    },
    "paper": {"model": {}, "sgd": ts.SGD(), "topology": ts.SET()},
}


class Norms(ts.Callback):
    """Writes down the norms of the layers' gradients before the first and after every epoch."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.data, self.norms = (x, y), []

    def on_epoch_begin(self, epoch: int, logs: Any) -> None:
        if epoch == 0:
            self.norms.append(self.model.gradient_norms(*self.data))

    def on_epoch_end(self, epoch: int, logs: Any) -> None:
        self.norms.append(self.model.gradient_norms(*self.data))


def load(name: str, options: argparse.Namespace) -> tuple[np.ndarray, ...]:
    """Training samples and labels, then those of the test."""
    if name == "breast_cancer":
        x, y = load_breast_cancer(return_X_y=True)
        parts = train_test_split(x, y, test_size=0.3, random_state=0, stratify=y)
        return parts[0], parts[2], parts[1], parts[3]
    # Fashion-MNIST only where Debian's package has put it: nothing is downloaded.
    folders = {"madelon": options.data_dir, "fashion-mnist": datasets.FASHION_MNIST_FOLDER}
    data = datasets.resolve(name, folders.get(name))
    count = options.samples if name == "fashion-mnist" else None
    return data.x_train[:count], data.y_train[:count], data.x_test, data.y_test


def train(name: str, parts: tuple[np.ndarray, ...], activation: str, depth: int, **how: Any) -> Any:
    """The test accuracy in percent, and the norms, (epochs + 1, layers)."""
    settings, preset = DATA[name], PRESETS[how["preset"]]
    x, y, x_test, y_test = parts
    hidden = list(itertools.islice(itertools.cycle(settings["hidden"]), depth))
    model = ts.SparseMLP(
        [x.shape[1], *hidden, int(y.max()) + 1],
        epsilon=10 if name == "madelon" else 20,
        activation=activation,
        slope=settings["slope"],
        standardize=True,
        seed=how["seed"],
        threads=1,
        **preset["model"],
    )
    norms, sgd = Norms(x[:PROBED], y[:PROBED]), preset["sgd"]
    model.fit(
        x,
        y,
        epochs=how["epochs"] or settings["epochs"],
        batch_size=settings["batch_size"],
        optimizer=sgd if how["rate"] is None else replace(sgd, learning_rate=how["rate"]),
        topology=preset["topology"],
        callbacks=[norms],
        progress=False,
    )
    return 100 * model.evaluate(x_test, y_test)["accuracy"], np.array(norms.norms)


def picture(name: str, norms: dict[tuple[str, int], np.ndarray], depths: list[int]) -> Any:
    """A panel for each activation and depth: the layers' norms over the epochs."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3 * len(ACTIVATIONS), 2.4 * len(depths)), layout="constrained")
    panels = figure.subplots(len(depths), len(ACTIVATIONS), sharex=True, sharey=True, squeeze=False)
    for (row, depth), (column, activation) in itertools.product(
        enumerate(depths), enumerate(ACTIVATIONS)
    ):
        ax, curves = panels[row][column], norms[activation, depth]
        for layer, values in enumerate(curves.T):
            color = colormaps["viridis"](layer / (curves.shape[1] - 1))
            label = {0: "first layer", curves.shape[1] - 1: "output layer"}.get(layer)
            ax.plot(np.maximum(values, 1e-12), color=color, linewidth=1.2, label=label)
        ax.set_yscale("log")
        ax.set_title(f"{activation}, {depth} hidden layers", fontsize=9)
        if row == len(depths) - 1:
            ax.set_xlabel("epoch")
        if column == 0:
            ax.set_ylabel("norm of the gradient")
    panels[0][0].legend(fontsize=7)
    figure.suptitle(f"{name}: gradients of the layers, first to last from dark to light")
    return figure


def run(name: str, options: argparse.Namespace, writer: Any) -> None:
    """Print the rows of one data set and draw its picture."""
    parts, start, means = load(name, options), time.perf_counter(), {}
    for depth, activation in itertools.product(options.depths, ACTIVATIONS):
        accuracies, curves = [], []
        for seed in range(options.seeds):
            how = {"preset": options.preset, "seed": seed, "epochs": options.epochs}
            how["rate"] = options.learning_rate
            accuracy, norms = train(name, parts, activation, depth, **how)
            accuracies.append(accuracy)
            curves.append(norms)
            for epoch, layer in np.ndindex(norms.shape):
                row = [name, options.preset, depth, activation, seed, accuracy]
                writer.writerow([*row, epoch, layer + 1, norms[epoch, layer]])
        # The geometric mean of seeds, as norms go over orders of magnitude.
        mean = means[activation, depth] = np.exp(np.log(np.maximum(curves, 1e-12)).mean(axis=0))
        ratios = [mean[epoch, 0] / mean[epoch, -1] for epoch in (0, -1)]
        cells = [name, depth, activation, f"{np.mean(accuracies):.1f}", f"{np.std(accuracies):.1f}"]
        cells += [f"{min(accuracies):.1f}", *(f"{ratio:.2g}" for ratio in ratios)]
        print(" ".join(f"{cell:>13}" for cell in cells), flush=True)
    print(f"# {name}: {time.perf_counter() - start:.0f} s", flush=True)
    try:
        figure = picture(name, means, options.depths)
    except ImportError:
        return
    figure.savefig(options.out / f"gradients-{name}-{options.preset}.png", dpi=100)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="*", default=list(DATA), help="(default: all)")
    parser.add_argument("--preset", choices=PRESETS, default="recipe")
    parser.add_argument("--depths", type=int, nargs="+", default=[3, 6, 10])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, help="(default: by data)")
    parser.add_argument("--learning-rate", type=float, help="(default: by preset)")
    parser.add_argument("--samples", type=int, default=12_000, help="of Fashion-MNIST's training")
    parser.add_argument("--data-dir", type=Path, help="of madelon")
    parser.add_argument("--out", type=Path, default=Path("activations"))
    options = parser.parse_args()
    if unknown := set(options.data) - set(DATA):
        parser.error(f"unknown data {sorted(unknown)}: expected some of {', '.join(DATA)}")
    options.out.mkdir(parents=True, exist_ok=True)
    heads = ["data", "hidden layers", "activation", "accuracy", "deviation", "worst"]
    print(" ".join(f"{head:>13}" for head in [*heads, "ratio before", "ratio after"]))
    print("# ratio: the gradient's norm of the first layer over that of the last one")
    with open(options.out / f"activations-{options.preset}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        row = ["data", "preset", "depth", "activation", "seed", "accuracy"]
        writer.writerow([*row, "epoch", "layer", "norm"])
        for name in options.data:
            try:
                run(name, options, writer)
            except FileNotFoundError as error:
                print(f"# {name} was left out: {error}")


if __name__ == "__main__":
    main()
