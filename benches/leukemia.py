"""An epoch of Leukemia's shape: `python benches/leukemia.py`, 1,397 x 54,675, 18 classes.

The samples are artificial: every class has 200 genes that are raised. The settings are the
paper's (``ts.preset("paper", "leukemia")``). Printed are the seconds of an epoch of each kind, and
the memory beside the samples with what the plan had said.
"""

import argparse
import statistics

import numpy as np
import process
import trulysparse as ts

SAMPLES, GENES, CLASSES, OWN = 1397, 54_675, 18, 200


def main() -> None:
    """Train, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.normal(size=(SAMPLES, GENES)).astype(np.float32)
    y = np.arange(SAMPLES) % CLASSES
    for label in range(CLASSES):
        x[np.ix_(y == label, rng.choice(GENES, OWN, replace=False))] += 1
    preset = ts.preset("paper", "leukemia")
    process.forget_peak()
    before = process.memory("VmRSS")
    layers = [GENES, *preset.hidden, CLASSES]
    model = ts.SparseMLP(layers, seed=0, threads=options.threads, **preset.model)
    print(f"{'-'.join(map(str, layers))}, {model.nnz:,} connections, {model.threads} threads")
    fit = {**preset.fit, "epochs": options.epochs}
    planned = model.plan(fit["batch_size"]).total
    history = model.fit(x, y, progress=False, **fit).history
    peak = process.memory("VmHWM") - before
    median = {key: statistics.median(history[key][1:]) for key in ("seconds", "evolution_seconds")}
    print(f"an epoch trains for {median['seconds']:.2f} s in batches of {fit['batch_size']},")
    print(f"and evolves for {median['evolution_seconds']:.2f} s (medians of {options.epochs - 1})")
    print(f"memory: {x.nbytes / 1e9:.2f} GB of samples, and {peak / 1e6:.0f} MB more at the peak;")
    print(f"the plan had {planned / 1e6:.0f} MB")
    losses = history["loss"]
    print(f"loss {losses[0]:.2f} to {losses[-1]:.2f}, accuracy {history['accuracy'][-1]:.3f}")


if __name__ == "__main__":
    main()
