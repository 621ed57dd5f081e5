"""Fashion-MNIST with the paper's settings, 500 epochs: ``python experiments/fashion.py``.

All-ReLU, ReLU and SReLU; sequential, WASSP and WASAP with two workers; with and without importance
pruning; and a dense network of the same widths, ``--dense``, with fewer epochs. Test accuracies of
one seed each. Each run keeps a row in ``results/fashion.csv``; a run that is broken off goes on.
``--table`` prints the rows that there are.
"""

import argparse
from typing import Any

import runs
import trulysparse as ts
from rows import Rows
from trulysparse import datasets

LAYERS = [784, 1000, 1000, 1000, 10]
STRATEGIES = {"sequential": None, "WASSP": ts.WASSP, "WASAP": ts.WASAP}
WORKERS = 2
# Strategy, activation, pruning: each choice beside the paper's own.
RUNS = [
    ("sequential", "all_relu", True),
    ("sequential", "all_relu", False),
    ("sequential", "relu", False),
    ("sequential", "srelu", False),
    ("WASSP", "all_relu", False),
    ("WASAP", "all_relu", False),
    ("WASSP", "all_relu", True),
    ("WASAP", "all_relu", True),
    ("sequential", "relu", True),
    ("sequential", "srelu", True),
]
KEYS = ["strategy", "activation", "pruning", "epochs", "seed"]


def show(table: Rows) -> None:
    """Print Markdown; seconds are those of training, evolution, pruning and validation."""
    names = ["trained", "activation", "pruned", "epochs", "accuracy", "best epoch", "connections"]
    names += ["left", "multiply-adds", "seconds"]
    print("| " + " | ".join(names) + " |")
    print("|---" * len(names) + "|")
    for row in table.rows:
        start, end = int(row["connections_start"]), int(row["connections_end"])
        kinds = ("seconds", "evolution_seconds", "pruning_seconds", "validation_seconds")
        cells = [row["strategy"], row["activation"], "yes" if row["pruning"] == "True" else ""]
        cells += [row["epochs"], f"{row['accuracy']} %", f"{row['best']} %", f"{start:,}"]
        cells += [f"{end / start:.0%}", row["multiply_adds"]]
        cells.append(" + ".join(f"{float(row[key]):.0f}" for key in kinds))
        print("| " + " | ".join(cells) + " |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--data-dir", help="as `trulysparse train` takes")
    parser.add_argument("--dense", action="store_true", help="the dense network, ten epochs")
    parser.add_argument("--table", action="store_true", help="of the rows that there are, no runs")
    options = parser.parse_args()
    table = Rows("fashion", KEYS, runs.COLUMNS)
    if options.table:
        return show(table)
    data = datasets.load_fashion_mnist(options.data_dir)
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    preset = ts.preset("paper", "fashion-mnist")
    chosen = [("dense", "relu", False)] if options.dense else RUNS
    for strategy, activation, prunes in chosen:
        epochs = options.epochs
        key = {"strategy": strategy, "activation": activation, "pruning": prunes}
        key |= {"epochs": epochs, "seed": options.seed}
        name = "-".join(["fashion", *map(str, key.values())])
        model: dict[str, Any] = {**preset.model, "activation": activation}
        fit: dict[str, Any] = {**preset.fit, "epochs": epochs}
        if strategy == "dense":
            model |= {"epsilon": None, "density": 1.0}
            fit["topology"] = None
        elif STRATEGIES[strategy] is not None:
            checkpoint = runs.UNFINISHED / f"{name}.checkpoint"
            fit["strategy"] = STRATEGIES[strategy](workers=WORKERS, checkpoint=checkpoint)
            fit["batch_size"] //= WORKERS
        if prunes:
            fit["pruning"] = ts.ImportancePruning()

        def job(name: str = name, model: Any = model, fit: Any = fit) -> dict[str, Any]:
            def make() -> ts.SparseMLP:
                return ts.SparseMLP(LAYERS, seed=options.seed, threads=options.threads, **model)

            return runs.train(name, make, parts, **fit)

        print(*table.run(job, **key).values(), flush=True)
    show(table)


if __name__ == "__main__":
    main()
