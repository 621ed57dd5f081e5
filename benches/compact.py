"""A training step after pruning and compaction: `python benches/compact.py`.

The networks have Fashion-MNIST's shape and take turns on artificial samples. Printed are the
medians, and the share of the unpruned network's step beside the share of its connections.
"""

import argparse
import statistics
import time

import numpy as np
import trulysparse as ts

BATCH, BATCHES, EPOCHS = 128, 16, 4


def main() -> None:
    """Train the networks in turns, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--percentiles", type=float, nargs="+", default=[50, 75, 90])
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((BATCH * BATCHES, 784)).astype(np.float32)
    y = rng.integers(0, 10, len(x))
    runs: dict[float, tuple[ts.SparseMLP, list[float]]] = {}
    for percentile in (0, *options.percentiles):
        model = ts.SparseMLP([784, 1000, 1000, 1000, 10], seed=0)
        if percentile:
            model.prune(percentile=percentile)
            model.compact()
        runs[percentile] = (model, [])
    for _ in range(options.turns):
        for model, times in runs.values():
            start = time.perf_counter()
            model.fit(x, y, epochs=EPOCHS, batch_size=BATCH, topology=None, progress=False)
            times.append((time.perf_counter() - start) / (EPOCHS * BATCHES))
    heads = ["percentile", "connections", "neurons", "step in ms", "share"]
    print(" ".join(f"{head:>12}" for head in heads))
    whole, steps = runs[0][0], {key: statistics.median(times) for key, (_, times) in runs.items()}
    for percentile, (model, _) in runs.items():
        neurons = sum(model.layer_sizes[1:-1])
        share = f"{steps[percentile] / steps[0]:.2f} of {model.nnz / whole.nnz:.2f}"
        step = 1e3 * steps[percentile]
        print(f"{percentile:>12g} {model.nnz:>12} {neurons:>12} {step:>12.3f} {share:>12}")


if __name__ == "__main__":
    main()
