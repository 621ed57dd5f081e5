"""Importance pruning, what it takes and what it costs: ``python experiments/pruning.py digits``.

``digits``: 64-3x200-10 over 500 epochs, five seeds: unpruned, by the defaults, in each older way,
and within a tolerance. ``fashion``: Fashion-MNIST with the paper's settings over 500 epochs, 29
prunings. ``madelon``: the features found and the accuracy, with the default pruning. ``choose``:
Madelon's dropout, rate and decay, on parts of the training set. ``table`` prints what ``results``
holds. Each run keeps a row; a run of Fashion-MNIST that is broken off goes on.
"""

import argparse
import itertools
import statistics
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import runs
import trulysparse as ts
from rows import Rows
from sklearn.model_selection import train_test_split
from trulysparse import datasets

WAYS = {
    "none": None,
    "default": ts.ImportancePruning(),
    "tolerance 0.003": ts.ImportancePruning(tolerance=0.003),
    "closed": ts.ImportancePruning(regrow=False),
    "connected": ts.ImportancePruning(over="connected"),
    "connected, closed": ts.ImportancePruning(over="connected", regrow=False),
}
# Chosen by `choose`: the best of its grid, to which dropout came late (docs/results.md). Others
# decay to nothing: a rate of 0.01, and at a dropout of 0.4 a rate of 0.02 with more than 0.0008.
MADELON = {
    "model": {"epsilon": 10, "init": "normal", "slope": 0.5, "dropout": 0.4, "standardize": True},
    "optimizer": ts.SGD(0.04, weight_decay=1.6e-3),
}
SIGNAL = 20  # features of Madelon that carry any

KEYS = ["data", "way", "epochs", "seed"]
COLUMNS = [*runs.COLUMNS, "neurons", "found"]


def held_out(data: datasets.Dataset, size: float) -> tuple[np.ndarray, ...]:
    """Training samples and labels without a part of them, then that part."""
    x, x_held, y, y_held = train_test_split(
        data.x_train, data.y_train, test_size=size, random_state=0, stratify=data.y_train
    )
    return x, y, x_held, y_held


def run(
    name: str,
    data: datasets.Dataset,
    make: Callable[[], ts.SparseMLP],
    way: str,
    *,
    found: Callable[[ts.SparseMLP], object] = lambda model: "",
    **options: Any,
) -> dict[str, Any]:
    """Train and give the columns of a row; accuracies are those of the test set."""
    pruning = WAYS[way]
    made: list[ts.SparseMLP] = []

    class Last(ts.Callback):
        def on_train_end(self, logs: dict[str, float]) -> None:
            made.append(self.model)

    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    if pruning is not None and pruning.tolerance is not None:
        parts = held_out(data, 0.1)  # the tolerance is measured on training samples
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "layer . was not pruned", RuntimeWarning)
        row = runs.train(name, make, parts, pruning=pruning, callbacks=[Last()], **options)
    model = made[0]
    row["accuracy"] = f"{100 * model.evaluate(data.x_test, data.y_test)['accuracy']:.2f}"
    row["neurons"] = sum(
        int(np.diff(la.weight.indptr).astype(bool).sum()) for la in model.layers[:-1]
    )
    row["found"] = found(model)
    return row


def digits(options: argparse.Namespace, table: Rows) -> None:
    """Small enough for five seeds of every way."""
    data = datasets.load_digits()
    for way in WAYS:
        for seed in range(options.seeds or 5):

            def make(seed: int = seed) -> ts.SparseMLP:
                layers = [64, 200, 200, 200, 10]
                return ts.SparseMLP(layers, epsilon=10, standardize=True, seed=seed, threads=1)

            epochs = options.epochs or 500
            key = {"data": "digits", "way": way, "epochs": epochs, "seed": seed}
            name = f"digits-{way.replace(' ', '-').replace(',', '')}-{epochs}-{seed}"
            row = table.run(
                lambda name=name, make=make, way=way, epochs=epochs: run(
                    name, data, make, way, epochs=epochs, thin=25
                ),
                **key,
            )
            print(*row.values(), flush=True)


def fashion(options: argparse.Namespace, table: Rows) -> None:
    """The paper's settings."""
    data = datasets.load_fashion_mnist(options.data_dir)
    epochs = options.epochs or 500
    for way in options.ways or ["none", "default", "tolerance 0.003"]:
        for seed in range(options.seeds or 1):

            def make(seed: int = seed) -> ts.SparseMLP:
                layers, threads = [784, 1000, 1000, 1000, 10], options.threads
                return ts.SparseMLP(layers, standardize=True, seed=seed, threads=threads)

            key = {"data": "fashion", "way": way, "epochs": epochs, "seed": seed}
            name = f"fashion-{way.replace(' ', '-').replace(',', '')}-{epochs}-{seed}"
            row = table.run(
                lambda name=name, make=make, way=way: run(name, data, make, way, epochs=epochs),
                **key,
            )
            print(*row.values(), flush=True)


def top(scores: np.ndarray) -> np.ndarray:
    """Give the features with the highest scores."""
    return np.argsort(-scores, kind="stable")[:SIGNAL]


def madelon(options: argparse.Namespace, table: Rows) -> None:
    """Features that carry signal among the 20 of the highest score."""
    data = datasets.load_madelon(options.data_dir)
    correlation = np.abs(np.corrcoef(data.x_train.T))
    np.fill_diagonal(correlation, 0)
    signal = set(top(correlation.max(0)))
    for way in options.ways or ["none", "default"]:
        for seed in range(options.seeds or 5):

            def make(seed: int = seed) -> ts.SparseMLP:
                layers = [500, 400, 100, 400, 2]
                return ts.SparseMLP(layers, seed=seed, threads=1, **MADELON["model"])

            epochs = options.epochs or 500
            key = {"data": "madelon", "way": way, "epochs": epochs, "seed": seed}
            name = f"madelon-{way.replace(' ', '-').replace(',', '')}-{epochs}-{seed}"
            row = table.run(
                lambda name=name, make=make, way=way, epochs=epochs: run(
                    name, data, make, way, epochs=epochs, batch_size=32, thin=25,
                    optimizer=MADELON["optimizer"],
                    found=lambda model: len(signal & set(top(model.feature_importance()))),
                ),
                **key,
            )  # fmt: skip
            print(*row.values(), flush=True)


def choose(options: argparse.Namespace) -> None:
    """Dropout, rate and decay for Madelon, by five splits that hold out 400 training samples."""
    data = datasets.load_madelon(options.data_dir)
    keys = ["dropout", "learning_rate", "weight_decay", "epochs", "split"]
    table = Rows("pruning-madelon", keys, ["accuracy", "connections"])
    epochs = options.epochs or 500
    rates, decays = (0.01, 0.02, 0.03, 0.04), (8e-4, 1.2e-3, 1.6e-3, 2e-3)
    for dropout, rate, decay in itertools.product((0.3, 0.4), rates, decays):
        rows = []
        settings = {**MADELON["model"], "dropout": dropout}
        for split in range(5):

            def job(
                rate: float = rate,
                decay: float = decay,
                split: int = split,
                settings: dict[str, Any] = settings,
            ) -> dict[str, Any]:
                x, x_held, y, y_held = train_test_split(
                    data.x_train, data.y_train, test_size=400, random_state=split,
                    stratify=data.y_train,
                )  # fmt: skip
                layers = [500, 400, 100, 400, 2]
                model = ts.SparseMLP(layers, seed=split, threads=1, **settings)
                model.fit(
                    x, y, epochs=epochs, batch_size=32, pruning=ts.ImportancePruning(),
                    optimizer=ts.SGD(rate, weight_decay=decay), progress=False,
                )  # fmt: skip
                accuracy = model.evaluate(x_held, y_held)["accuracy"]
                return {"accuracy": f"{100 * accuracy:.2f}", "connections": model.nnz}

            key = {"dropout": dropout, "learning_rate": rate, "weight_decay": decay}
            key |= {"epochs": epochs, "split": split}
            rows.append(table.run(job, **key))
        mean = statistics.mean(float(row["accuracy"]) for row in rows)
        print(f"dropout {dropout}, rate {rate:g}, decay {decay:g}: {mean:.2f} %", flush=True)


def show(table: Rows) -> None:
    """Print the means over seeds as a table in Markdown."""
    print("| data | pruning | epochs | seeds | accuracy | connections | left | neurons | found |")
    print("|---|---|---|---|---|---|---|---|---|")
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for row in table.rows:
        groups.setdefault((row["data"], row["way"], row["epochs"]), []).append(row)
    for (data, way, epochs), rows in groups.items():

        def mean(key: str, rows: list[dict[str, str]] = rows) -> float:
            return statistics.mean(float(row[key] or "nan") for row in rows)

        start, end = mean("connections_start"), mean("connections_end")
        found = f"{mean('found'):.1f}" if rows[0]["found"] else ""
        print(
            f"| {data} | {way} | {epochs} | {len(rows)} | {mean('accuracy'):.2f} % | {end:,.0f} of "
            f"{start:,.0f} | {100 * end / start:.0f} % | {mean('neurons'):.0f} | {found} |"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["digits", "fashion", "madelon", "choose", "table"])
    parser.add_argument("--seeds", type=int, help="default: 5, of fashion 1")
    parser.add_argument("--epochs", type=int, help="default: 500")
    parser.add_argument("--threads", type=int, help="of fashion")
    parser.add_argument("--ways", nargs="+", choices=WAYS, help="of fashion and madelon")
    parser.add_argument("--data-dir", help="as `trulysparse train` takes")
    options = parser.parse_args()
    if options.what == "choose":
        return choose(options)
    table = Rows("pruning", KEYS, COLUMNS)
    if options.what != "table":
        {"digits": digits, "fashion": fashion, "madelon": madelon}[options.what](options, table)
    show(table)


if __name__ == "__main__":
    main()
