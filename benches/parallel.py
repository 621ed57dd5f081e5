"""Training on several workers, by accuracy and by speed: `python benches/parallel.py accuracy`.

`accuracy` trains on Fashion-MNIST with the paper's settings, one run after the other on all
threads; `speed` times phase 1 on made-up samples of three networks' shapes, the candidates in
turns. Both print a table and, with ``--out FOLDER``, draw pictures (extra `plot`). On Linux the
number of cores that a run has is set by ``taskset``.
"""

import argparse
import os
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import trulysparse as ts
from trulysparse import datasets

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
FASHION = [784, 1000, 1000, 1000, 10]

# Layers, epsilon, batch size, slope, samples and epochs of one turn. A turn takes about half a
# second; the real Madelon has 2,000 samples for training, which is an epoch of 6 milliseconds.
SHAPES = {
    "madelon": ([500, 400, 100, 400, 2], 10, 32, 0.5, 20_000, 8),
    "madelon-2000": ([500, 400, 100, 400, 2], 10, 32, 0.5, 2_000, 80),
    "higgs": ([28, 1000, 1000, 1000, 2], 10, 128, 0.05, 50_000, 2),
    "fashion": (FASHION, 20, 128, 0.6, 60_000, 1),
}
# The weights hardly move: a perfect fit of noise would end in subnormal numbers, which are slow.
TIMED_SGD = ts.SGD(1e-6)
KINDS = {"WASSP": ts.WASSP, "WASAP": ts.WASAP}


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print Markdown."""
    heads = list(heads)
    for cells in (heads, ["---"] * len(heads), *rows):
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def percents(values: Iterable[float]) -> str:
    """Accuracies of the seeds."""
    return ", ".join(f"{100 * value:.1f}" for value in values)


def settings(options: argparse.Namespace) -> dict[str, tuple[int, int, object]]:
    """Workers, batch size of each, and strategy, by what the table calls it."""
    found: dict[str, tuple[int, int, object]] = {"sequential": (1, options.batch_size, None)}
    more = {}
    if options.local_fraction is not None:
        more["local_fraction"] = options.local_fraction
    if options.warmup_epochs is not None:
        more["warmup_epochs"] = options.warmup_epochs
    for workers in options.workers:
        for name, kind in KINDS.items():
            if options.only in (None, name):
                chosen = {k: v for k, v in more.items() if k in kind.__dataclass_fields__}
                batch = options.worker_batch_size or options.batch_size
                found[f"{name}, {workers} workers"] = (
                    workers,
                    batch,
                    kind(workers=workers, **chosen),
                )
    return found


def accuracy(options: argparse.Namespace) -> None:
    """Test accuracy after some epochs, for each seed."""
    data = datasets.load_fashion_mnist(options.data_dir)
    x, y, x_test, y_test = data.x_train, data.y_train, data.x_test, data.y_test
    if options.held_out:
        x, y, x_test, y_test = x[:50_000], y[:50_000], x[50_000:], y[50_000:]
    curves: dict[str, dict[int, list[float]]] = {}
    print(f"{len(x):,} samples for training, {len(x_test):,} to score; {CORES} cores\n")
    rows = []
    for name, (workers, batch, strategy) in settings(options).items():
        scores, seconds = [], []
        for seed in range(options.seeds):
            model = ts.SparseMLP(FASHION, standardize=True, seed=seed)
            history = model.fit(
                x, y, epochs=options.epochs, batch_size=batch, strategy=strategy, progress=False
            )
            scores.append(model.evaluate(x_test, y_test)["accuracy"])
            seconds.append(sum(history.history["seconds"]))
        if strategy is None:
            curves = {kind: {1: scores} for kind in KINDS if options.only in (None, kind)}
        else:
            curves[name.split(",")[0]][workers] = scores
        mean, took = statistics.mean(scores), statistics.mean(seconds)
        rows.append([name, batch, f"{100 * mean:.2f}", percents(scores), f"{took:.1f}"])
    seeds = f"seeds 0 to {options.seeds - 1}"
    table(["training", "batch of a worker", "mean accuracy", seeds, "seconds"], rows)
    if options.out:
        from trulysparse.plot import accuracy_over_workers

        save(accuracy_over_workers(curves), options.out / "accuracy-over-workers.png")


def candidates(workers: Iterable[int]) -> dict[tuple[str, int], object]:
    """What is timed, by its name and number of workers (threads, for the sequential fit)."""
    found: dict[tuple[str, int], object] = {}
    for count in sorted({1, *workers}):
        found["sequential", count] = None
        for name, kind in KINDS.items():
            found[name, count] = kind(workers=count, local_fraction=0)
    return found


def time_shape(name: str, options: argparse.Namespace) -> dict[tuple[str, int], list[float]]:
    """Samples per second of each candidate, in turns."""
    sizes, epsilon, batch, slope, samples, epochs = SHAPES[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((samples, sizes[0]), dtype=np.float32)
    y = rng.integers(0, sizes[-1], samples)
    strategies = candidates(options.workers)
    build = {"epsilon": epsilon, "slope": slope, "seed": 0}
    models = {key: ts.SparseMLP(sizes, threads=key[1], **build) for key in strategies}
    speeds: dict[tuple[str, int], list[float]] = {key: [] for key in strategies}
    for turn in range(options.repeats + 1):
        for key, strategy in strategies.items():
            history = models[key].fit(
                x,
                y,
                epochs=epochs,
                batch_size=batch,
                optimizer=TIMED_SGD,
                strategy=strategy,
                progress=False,
            )
            if turn:  # the first one warms up
                speeds[key].append(samples * epochs / sum(history.history["seconds"]))
    return speeds


def ratios(speeds: dict[tuple[str, int], list[float]], of: object, by: object) -> list[float]:
    """How many times as fast as `by` is `of`, in each turn."""
    return [a / b for a, b in zip(speeds[of], speeds[by], strict=True)]


def speed(options: argparse.Namespace) -> None:
    """Samples per second of phase 1 and what several workers gain."""
    rows = []
    curves: dict[str, dict[str, dict[int, list[float]]]] = {kind: {} for kind in KINDS}
    for name in options.shapes:
        speeds = time_shape(name, options)
        for (kind, count), values in speeds.items():
            one, threads = (
                ratios(speeds, (kind, count), by) for by in ((kind, 1), ("sequential", count))
            )
            if kind in KINDS:
                curves[kind].setdefault(name, {})[count] = one
            low, _, high = np.percentile(one, [25, 50, 75])
            what = f"{kind}, {count} " + ("threads" if kind == "sequential" else "workers")
            median = statistics.median
            rows.append(
                [
                    name,
                    what if count > 1 else what[:-1],
                    f"{median(values):,.0f}",
                    f"{median(one):.2f} ({low:.2f} to {high:.2f})" if count > 1 else "",
                    f"{median(threads):.2f}" if kind != "sequential" else "",
                ]
            )
    print(f"medians of {options.repeats} turns, {CORES} cores\n")
    one = "times one of its kind (quartiles)"
    sequential = "times a sequential fit on as many threads"
    table(["shape", "training", "samples per second", one, sequential], rows)
    if options.out:
        from trulysparse.plot import speedup_over_workers

        for kind, shapes in curves.items():
            ax = speedup_over_workers(shapes)
            ax.set_title(kind, loc="right", fontsize="medium")
            save(ax, options.out / f"speedup-{kind.lower()}.png")


def save(ax: object, path: Path) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ax.figure.savefig(path, dpi=150)
    print(f"\nwrote {path}")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="what", required=True)
    both = argparse.ArgumentParser(add_help=False)
    both.add_argument("--workers", type=int, nargs="+", default=[2])
    both.add_argument("--out", type=Path, metavar="FOLDER", help="for pictures")

    one = commands.add_parser("accuracy", parents=[both], help="of Fashion-MNIST")
    one.add_argument("--seeds", type=int, default=3)
    one.add_argument("--epochs", type=int, default=10)
    one.add_argument("--batch-size", type=int, default=128)
    one.add_argument("--worker-batch-size", type=int, help="of a worker, if it is another")
    one.add_argument("--local-fraction", type=float, help="instead of the default")
    one.add_argument("--warmup-epochs", type=int, help="instead of the default")
    one.add_argument("--only", choices=KINDS, help="beside the sequential fit")
    one.add_argument(
        "--held-out",
        action="store_true",
        help="train without the last 10,000 training images and score these, to choose settings",
    )
    one.add_argument("--data-dir", type=Path)
    one.set_defaults(run=accuracy)

    two = commands.add_parser("speed", parents=[both], help="samples per second")
    two.add_argument("--repeats", type=int, default=9)
    two.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    two.set_defaults(run=speed)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
