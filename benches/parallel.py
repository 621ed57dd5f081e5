"""Samples per second on several workers: `python benches/parallel.py`.

Phase 1 on artificial samples of three networks' shapes, the candidates in turns. Printed is a
table, and ``--out FOLDER`` draws pictures (extra `plot`). On Linux ``taskset`` sets the cores.
"""

import argparse
import os
import statistics
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import trulysparse as ts

CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

# Layers, epsilon, batch size, slope, samples and epochs of one turn. A turn takes about half a
# second; the real Madelon has 2,000 samples for training, which is an epoch of 6 milliseconds.
SHAPES = {
    "madelon": ([500, 400, 100, 400, 2], 10, 32, 0.5, 20_000, 8),
    "madelon-2000": ([500, 400, 100, 400, 2], 10, 32, 0.5, 2_000, 80),
    "higgs": ([28, 1000, 1000, 1000, 2], 10, 128, 0.05, 50_000, 2),
    "fashion": ([784, 1000, 1000, 1000, 10], 20, 128, 0.6, 60_000, 1),
}
# The weights hardly move: a perfect fit of noise would end in subnormal numbers, which are slow.
TIMED_SGD = ts.SGD(1e-6)
KINDS = {"WASSP": ts.WASSP, "WASAP": ts.WASAP}


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print Markdown."""
    heads = list(heads)
    for cells in (heads, ["---"] * len(heads), *rows):
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


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


def compare(options: argparse.Namespace) -> None:
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
    parser.add_argument("--workers", type=int, nargs="+", default=[2])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="for pictures")
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
