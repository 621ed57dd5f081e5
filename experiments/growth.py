"""Ways to grow compared by epochs to an accuracy: `python experiments/growth.py fashion`.

`fashion` needs Fashion-MNIST (``--data-dir``, as `trulysparse train --data fashion-mnist`),
`digits` nothing more. ``--validate`` scores the last sixth of the training samples, which then
are not trained on, instead of the test samples: for choosing settings.
"""

import argparse

import numpy as np
import trulysparse as ts
from trulysparse import datasets

# The recipe of the command line; only how connections grow differs.
MODEL = {"init": "lecun_uniform", "fan": "real", "dropout": 0.2, "standardize": True}
SGD = ts.SGD(0.05, nesterov=True, weight_decay=2e-5, schedule="cosine")

RULES = {
    "static": None,
    "SET": ts.SET(0.3, grow_init=0.1),
    "SET, cosine": ts.SET(0.3, grow_init=0.1, schedule="cosine"),
    "gradient": ts.GradientGrowth(0.3),
    "gradient, cosine": ts.GradientGrowth(0.3, schedule="cosine"),
}
# Layers, epsilon, batch size, epochs, and the accuracies that the epochs are counted to.
FASHION = ([1000, 1000, 1000], 20, 128, 10, (86, 87, 87.5))
DIGITS = ([200, 200, 200], 5, 32, 20, (90, 95, 97))


def parts(options: argparse.Namespace) -> tuple:
    """Inputs and labels to train on, and to score."""
    if options.data == "digits":
        data = datasets.load_digits()
    else:
        data = datasets.load_fashion_mnist(options.data_dir)
    if not options.validate:
        return data, data.x_train, data.y_train, data.x_test, data.y_test
    cut = len(data.x_train) * 5 // 6
    x, y = data.x_train, data.y_train
    return data, x[:cut], y[:cut], x[cut:], y[cut:]


def rules(options: argparse.Namespace) -> dict:
    """The rules to compare, and those that were asked for."""
    chosen = {name: RULES[name] for name in options.rules}
    for samples in options.samples:
        chosen[f"gradient, {samples:g} candidates"] = ts.GradientGrowth(0.3, samples=samples)
    for size in options.growth_batch:
        chosen[f"gradient, batch {size}"] = ts.GradientGrowth(0.3, batch_size=size)
    for zeta in options.zeta:
        chosen[f"SET, zeta {zeta:g}"] = ts.SET(zeta, grow_init=0.1)
        chosen[f"gradient, zeta {zeta:g}"] = ts.GradientGrowth(zeta)
    for grow_init in options.grow_init:
        chosen[f"SET, init {grow_init:g}"] = ts.SET(0.3, grow_init=grow_init)
        chosen[f"gradient, init {grow_init:g}"] = ts.GradientGrowth(0.3, grow_init=grow_init)
    return chosen


def main() -> None:
    """Print accuracies by epoch, and the epochs to some accuracies, of each rule."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", choices=["fashion", "digits"])
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rules", nargs="*", choices=list(RULES), default=list(RULES))
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--epsilon", type=float)
    parser.add_argument("--accuracies", type=float, nargs="*", help="to count epochs to")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--validate", action="store_true")
    for name, kind in [("samples", float), ("growth-batch", int), ("zeta", float)]:
        parser.add_argument(f"--{name}", type=kind, nargs="*", default=[])
    parser.add_argument("--grow-init", type=float, nargs="*", default=[])
    options = parser.parse_args()
    hidden, epsilon, batch, epochs, targets = FASHION if options.data == "fashion" else DIGITS
    epsilon, epochs = options.epsilon or epsilon, options.epochs or epochs
    targets = options.accuracies or targets
    data, x, y, x_test, y_test = parts(options)
    sizes = [data.n_features, *hidden, data.n_classes]
    for name, rule in rules(options).items():
        curves = []
        for seed in options.seeds:
            model = ts.SparseMLP(
                sizes, epsilon=epsilon, seed=seed, threads=options.threads, **MODEL
            )
            history = model.fit(
                x,
                y,
                epochs=epochs,
                batch_size=batch,
                validation_data=(x_test, y_test),
                optimizer=SGD,
                topology=rule,
                progress=False,
            ).history
            curves.append(100 * np.array(history["val_accuracy"]))
        print(f"{name}: {model.nnz:,} connections", flush=True)
        for seed, curve in zip(options.seeds, curves, strict=True):
            print(f"  seed {seed}: " + " ".join(f"{a:.1f}" for a in curve))
        print("  mean:   " + " ".join(f"{a:.1f}" for a in np.mean(curves, 0)))
        for target in targets:
            first = [np.flatnonzero(c >= target)[:1] + 1 for c in curves]
            shown = [str(f[0]) if len(f) else "never" for f in first]
            print(f"  epochs to {target:g} %: {', '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
