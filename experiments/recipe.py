"""How the recipe is to end: ``python experiments/recipe.py digits madelon``.

Each data set's preset ``recipe``, with zeta constant or on a cosine, to the last epoch or stopped
at three quarters, and with a decay that falls with the learning rate; accuracy on a part of the
training samples. Each run keeps a row in ``results/recipe.csv``; all rows are printed as a table.
"""

import argparse
import statistics
from dataclasses import replace
from typing import Any

import numpy as np
import trulysparse as ts
from rows import Rows
from sklearn.model_selection import train_test_split
from trulysparse import datasets

ENDS: dict[str, dict[str, Any]] = {
    "constant": {},
    "constant, stopped": {"stop": 0.75},
    "cosine": {"schedule": "cosine"},
    "cosine, stopped": {"schedule": "cosine", "stop": 0.75},
}
DECAYS = "cosine, stopped, decay too"
ENDS[DECAYS] = ENDS["cosine, stopped"]
EPOCHS = {"digits": [100], "madelon": [100], "fashion-mnist": [10, 40], "cifar10": [40]}
KEYS = ["data", "end", "epochs", "seed"]


def run(data: datasets.Dataset, name: str, end: str, epochs: int, seed: int) -> dict[str, Any]:
    """Train on the training samples but for those that the accuracy is of."""
    parts = (data.x_train, data.y_train)
    share = 0.2 if len(data.x_train) < 10_000 else 1 / 6
    x, x_held, y, y_held = train_test_split(
        *parts, test_size=share, random_state=0, stratify=parts[1]
    )
    preset = ts.preset("recipe", name, samples=len(x))
    layers = [x.shape[1], *preset.hidden, data.n_classes]
    model = ts.SparseMLP(layers, **preset.model, seed=seed, threads=1)
    plain = ts.SET(zeta=preset.zeta, grow_init=preset.grow_init)
    fit = {**preset.fit, "epochs": epochs, "topology": replace(plain, **ENDS[end])}
    fit["optimizer"] = replace(fit["optimizer"], schedule_decay=end == DECAYS)
    model.fit(x, y, **fit, progress=False)
    return {"accuracy": f"{100 * model.evaluate(x_held, y_held)['accuracy']:.2f}"}


def load(name: str, folder: str | None) -> datasets.Dataset:
    """Read a data set of the recipe."""
    return datasets.resolve(name, None if name == "digits" else folder)


def show(table: Rows) -> None:
    """Print the means over seeds as a table in Markdown."""
    groups: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in table.rows:
        ends = groups.setdefault((row["data"], row["epochs"]), {})
        ends.setdefault(row["end"], []).append(float(row["accuracy"]))
    print("| data | epochs | seeds | " + " | ".join(ENDS) + " |")
    print("|---" * (3 + len(ENDS)) + "|")
    for (data, epochs), ends in groups.items():
        means = [f"{statistics.mean(ends[end]):.2f}" if end in ends else "" for end in ENDS]
        print(f"| {data} | {epochs} | {len(ends['constant'])} | " + " | ".join(means) + " |")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="*", help=f"of {', '.join(EPOCHS)}; none prints the table")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, nargs="+")
    parser.add_argument("--data-dir", help="as `trulysparse train` takes; for one data set")
    options = parser.parse_args()
    table = Rows("recipe", KEYS, ["accuracy"])
    for name in options.data:
        data = load(name, options.data_dir)
        for epochs in options.epochs or EPOCHS[name]:
            for seed, end in np.ndindex(options.seeds, len(ENDS)):
                key = {"data": name, "end": list(ENDS)[end], "epochs": epochs, "seed": seed}
                row = table.run(
                    lambda key=key, data=data: run(
                        data, key["data"], key["end"], key["epochs"], key["seed"]
                    ),
                    **key,
                )
                print(*row.values(), flush=True)
    show(table)


if __name__ == "__main__":
    main()
