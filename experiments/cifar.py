"""CIFAR-10 with the layers of the paper: ``python experiments/cifar.py paper``.

``paper``: the paper's settings, 500 epochs. ``recipe``: ours, with the same connections.
``activations``: All-ReLU, ReLU and SReLU over 60 epochs. ``choose``: settings of the recipe on the
last 5,000 training images. Images are augmented in all of them. Each run keeps a row in
``results/cifar.csv`` and a curve in ``results/curves``; a run that is broken off goes on.
"""

import argparse
from typing import Any

import numpy as np
import runs
import trulysparse as ts
from rows import Rows
from trulysparse import datasets

LAYERS = [3072, 4000, 1000, 4000, 10]
HELD_OUT = 5000

PAPER: dict[str, Any] = {
    "model": {"epsilon": 20, "slope": 0.75, "dropout": 0.3, "standardize": True},
    "fit": {"optimizer": ts.SGD(0.01, weight_decay=2e-4), "topology": ts.SET()},
    "augment": ts.ImageAugmentation(),
}


def recipe(
    epochs: int, *, dropout: float = 0.1, rotation: float = 10.0, schedule: str = "cosine",
    stop: float = 0.75, rate: float = 0.05, activation: str = "all_relu", slope: float = 0.6,
    decay: float = 2e-5, schedule_decay: float = 1,
) -> dict[str, Any]:  # fmt: skip
    """Ours: decay as the rate, evolution on a cosine that ends at a share `stop` of the epochs."""
    last = max(round(stop * epochs), 1) if stop < 1 else None
    return {
        "model": {
            "epsilon": 20, "init": "lecun_uniform", "fan": "real", "dropout": dropout,
            "activation": activation, "slope": slope, "standardize": True,
        },
        "fit": {
            "optimizer": ts.SGD(
                rate, nesterov=True, weight_decay=decay, schedule="cosine",
                schedule_decay=bool(schedule_decay),
            ),
            "topology": ts.SET(grow_init=0.1, schedule=schedule, stop=last),
        },
        "augment": ts.ImageAugmentation(rotation=rotation),
    }  # fmt: skip


def settings(what: str, variant: str, epochs: int) -> dict[str, Any]:
    """Those of a run by name; a variant is ``key=value,key=value``."""
    options: dict[str, Any] = {}
    for item in filter(None, variant.split(",")):
        key, value = item.split("=")
        options[key] = value if key in ("schedule", "activation") else float(value)
    if what == "paper":
        found = {**PAPER, "model": {**PAPER["model"], **options}}
        return found
    return recipe(epochs, **options)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["paper", "recipe", "activations", "choose"])
    parser.add_argument("--data-dir", required=True, help="CIFAR-10, as `trulysparse train` takes")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--variant", action="append", help="of the settings: key=value,key=value")
    options = parser.parse_args()
    data = datasets.load_cifar10(options.data_dir)
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    table = Rows("cifar", ["settings", "variant", "epochs", "seed", "judged"], runs.COLUMNS)
    default = {"paper": 500, "recipe": 500, "activations": 60, "choose": 40}[options.what]
    epochs = options.epochs or default
    variants = options.variant or [""]
    if options.what == "activations":
        variants = [f"activation={name}" for name in ("all_relu", "relu", "srelu")]
    judged = "test"
    if options.what == "choose":
        judged = "held out"
        order = np.random.default_rng(0).permutation(len(data.x_train))  # files may be by class
        train, held = np.sort(order[HELD_OUT:]), order[:HELD_OUT]
        parts = (data.x_train[train], data.y_train[train], data.x_train[held], data.y_train[held])
    kinds = ["paper", "recipe"] if options.what == "activations" else [options.what]
    for kind in kinds:
        kind = "recipe" if kind == "choose" else kind
        for variant in variants:
            chosen = settings(kind, variant, epochs)
            key = {"settings": kind, "variant": variant, "epochs": epochs, "seed": options.seed}
            name = "-".join(
                str(v).replace("=", "").replace(",", "-") for v in ("cifar", *key.values())
            )
            name += "-chosen" if judged != "test" else ""

            def job(name: str = name, chosen: dict[str, Any] = chosen) -> dict[str, Any]:
                def make() -> ts.SparseMLP:
                    model = chosen["model"]
                    return ts.SparseMLP(LAYERS, seed=options.seed, threads=options.threads, **model)

                augment = chosen["augment"]
                return runs.train(
                    name, make, parts, epochs=epochs, augment=augment, **chosen["fit"]
                )

            row = table.run(job, **key, judged=judged)
            print(row["settings"], row["variant"], row["accuracy"], row["best"], flush=True)


if __name__ == "__main__":
    main()
