"""CIFAR-10 with the layers of the paper: ``python experiments/cifar.py paper``.

``paper``: the paper's settings, 500 epochs. ``recipe``: ours, with the same connections.
``activations``: All-ReLU, ReLU and SReLU over 60 epochs. ``choose``: settings of the recipe on
5,000 training images. Images are augmented in all of them. Each run keeps a row in
``results/cifar.csv`` and a curve in ``results/curves``; a run that is broken off goes on.
``picture`` draws the curves.
"""

import argparse
import csv
from pathlib import Path
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


# The best of the settings that were tried with `choose`.
RECIPE = "rate=0.1"


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


def name_of(kind: str, variant: str, epochs: int, seed: int, judged: str = "test") -> str:
    """The name of a run's files."""
    variant = variant.replace("=", "").replace(",", "-")
    return f"cifar-{kind}-{variant}-{epochs}-{seed}" + ("-chosen" if judged != "test" else "")


ACTIVATIONS = {"all_relu": "All-ReLU", "relu": "ReLU", "srelu": "SReLU"}
LONG = {
    ("paper", ""): "the paper's settings",
    ("recipe", "schedule_decay=0"): "recipe, rate 0.05, constant decay",
    ("recipe", RECIPE): "recipe",
}


def draw(path: Path) -> None:
    """Draw test accuracy over epochs, of the long runs and of the activations."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 3, figsize=(12, 4), sharey=True, layout="constrained")
    panels: list[tuple[str, int, dict[tuple[str, str], str]]] = [("500 epochs", 500, LONG)]
    for kind, title in (("paper", "the paper's settings"), ("recipe", "recipe, rate 0.05")):
        lines = {(kind, f"activation={key}"): label for key, label in ACTIVATIONS.items()}
        panels.append((f"60 epochs, {title}", 60, lines))
    for axis, (title, epochs, lines) in zip(axes, panels, strict=True):
        for (kind, variant), label in lines.items():
            with (runs.CURVES / f"{name_of(kind, variant, epochs, 0)}.csv").open() as file:
                rows = list(csv.DictReader(file))
            accuracy = [100 * float(row["val_accuracy"]) for row in rows]
            axis.plot([int(row["epoch"]) for row in rows], accuracy, label=label)
        axis.set(title=title, xlabel="Epoch")
        axis.grid(color="0.9")
        axis.legend(frameon=False, loc="lower right")
    axes[0].set_ylabel("Test accuracy, %")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["paper", "recipe", "activations", "choose", "picture"])
    parser.add_argument("--data-dir", help="CIFAR-10, as `trulysparse train` takes")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--variant", action="append", help="of the settings: key=value,key=value")
    parser.add_argument("--out", type=Path, default=Path("cifar.png"), help="of the picture")
    options = parser.parse_args()
    if options.what == "picture":
        return draw(options.out)
    data = datasets.load_cifar10(options.data_dir)
    parts = (data.x_train, data.y_train, data.x_test, data.y_test)
    table = Rows("cifar", ["settings", "variant", "epochs", "seed", "judged"], runs.COLUMNS)
    default = {"paper": 500, "recipe": 500, "activations": 60, "choose": 40}[options.what]
    epochs = options.epochs or default
    variants = options.variant or [RECIPE if options.what == "recipe" else ""]
    if options.what == "activations":
        variants = [f"activation={name}" for name in ACTIVATIONS]
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
            name = name_of(kind, variant, epochs, options.seed, judged)

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
