"""Training on several workers beside sequential runs: `python experiments/parallel.py`.

Fashion-MNIST with the paper's settings. Beside each parallel run stand sequential ones of as many
updates, with and without its learning rate, so that what the workers change is seen apart from
what the batch, the number of updates and the rate do. ``--validate`` holds out the last 10,000
training images and scores them, to choose settings; otherwise the test images are scored.
"""

import argparse
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trulysparse as ts
from rows import Rows
from trulysparse import datasets

SIZES = [784, 1000, 1000, 1000, 10]
BATCH = 128
RATE = ts.SGD().learning_rate
WARMUP = ts.WASSP().warmup_epochs
LOCAL = ts.WASSP().local_fraction

WASSP = {
    "WASSP": {},
    "WASSP, velocity": {"momentum_correction": True},
    "WASSP, rate": {"scale_local_rate": True},
    "WASSP, velocity, rate": {"momentum_correction": True, "scale_local_rate": True},
}
SEQUENTIAL = "sequential"
RATE_TO_THE_END = "sequential, rate as WASSP, rate"
RATE_IN_PHASE_1 = "sequential, rate as WASSP"
LIKE_WASAP = "sequential, updates as WASAP"


@dataclass(frozen=True)
class Run:
    """One training: what it is called, of how many workers it is or has the rate, and its batch.

    The batch is a worker's, or the whole one of a sequential run.
    """

    training: str
    workers: int
    batch: int

    def key(self, epochs: int, seed: int, scored: str) -> dict[str, Any]:
        """The columns that name it."""
        return {**vars(self), "epochs": epochs, "seed": seed, "scored": scored}


def beside(workers: int, batch: int) -> list[Run]:
    """Runs of workers, and sequential ones of as many updates."""
    whole = workers * batch
    return [
        Run("WASSP", workers, batch),
        Run(SEQUENTIAL, 1, whole),
        Run(RATE_IN_PHASE_1, workers, whole),
        Run(RATE_TO_THE_END, workers, whole),
        Run("WASAP", workers, batch),
        Run(LIKE_WASAP, workers, batch),
        *(Run(name, workers, batch) for name in list(WASSP)[1:]),
    ]


def train(run: Run, epochs: int, seed: int, data: tuple[Any, ...], threads: int) -> dict[str, Any]:
    """Train, and score what was learned."""
    x, y, x_scored, y_scored = data
    model = ts.SparseMLP(SIZES, standardize=True, seed=seed, threads=threads)
    common = {"x": x, "y": y, "batch_size": run.batch, "progress": False}
    local_from = epochs - round(LOCAL * epochs)

    def rate(epoch: int, _: float) -> float:
        if run.training == RATE_IN_PHASE_1 and epoch >= local_from:
            return RATE
        return RATE * (1 + (run.workers - 1) * min(epoch / WARMUP, 1))

    if run.training == LIKE_WASAP:
        # Phase 1 makes an update of each batch; in phase 2 every worker makes those of its share.
        model.fit(**common, epochs=local_from)
        model.evolve()
        common["batch_size"] = run.workers * run.batch
        model.fit(**common, initial_epoch=local_from, epochs=epochs)
    elif run.training in (RATE_IN_PHASE_1, RATE_TO_THE_END):
        model.fit(**common, epochs=epochs, callbacks=[ts.LearningRateScheduler(rate)])
    elif run.training == SEQUENTIAL:
        model.fit(**common, epochs=epochs)
    elif run.training == "WASAP":
        model.fit(**common, epochs=epochs, strategy=ts.WASAP(workers=run.workers))
    else:
        strategy = ts.WASSP(workers=run.workers, **WASSP[run.training])
        model.fit(**common, epochs=epochs, strategy=strategy)
    accuracy = model.evaluate(x_scored, y_scored)["accuracy"]
    return {"updates": model.steps_trained, "accuracy": f"{accuracy:.4f}"}


def print_table(runs: Iterable[Run], found: Mapping[Run, list[dict[str, str]]]) -> None:
    """Print Markdown: means and ranges over the seeds."""
    for cells in (["training", "batch", "updates", "accuracy, %", "from", "to"], ["---"] * 6):
        print("| " + " | ".join(cells) + " |")
    for run in dict.fromkeys(runs):
        if rows := found.get(run):
            scores = [100 * float(row["accuracy"]) for row in rows]
            numbers = (statistics.mean(scores), min(scores), max(scores))
            cells = [run.training, f"{run.batch}", f"{int(rows[0]['updates']):,}"]
            cells += [f"{number:.1f}" for number in numbers]
            print("| " + " | ".join(cells) + " |")


def batch_of(kind: str, workers: int) -> int:
    """A worker's batch."""
    return max(BATCH // workers, 1) if kind == "divided" else BATCH


def draw(found: Mapping[Run, list[dict[str, str]]], kind: str, path: Path) -> None:
    """Draw the accuracies of both strategies over the number of workers (extra `plot`)."""
    from trulysparse.plot import accuracy_over_workers

    curves: dict[str, dict[int, list[float]]] = {"WASSP": {}, "WASAP": {}}
    for run, rows in found.items():
        scores = [float(row["accuracy"]) for row in rows]
        if run == Run(SEQUENTIAL, 1, BATCH):
            for curve in curves.values():
                curve[1] = scores
        elif run.training in curves and run.batch == batch_of(kind, run.workers):
            curves[run.training][run.workers] = scores
    drawn = {name: curve for name, curve in curves.items() if curve}
    accuracy_over_workers(drawn).figure.savefig(path, dpi=150)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 5])
    parser.add_argument(
        "--batch", choices=["divided", "same"], nargs="+", default=["divided", "same"],
        help="of a worker: 128 divided by the workers, or 128 for each",
    )  # fmt: skip
    parser.add_argument("--validate", action="store_true", help="WASSP's options, to choose them")
    parser.add_argument("--threads", type=int, help="(default: all cores)")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--table", action="store_true", help="of the rows that there are, no runs")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="of accuracy over workers")
    options = parser.parse_args()

    groups: dict[str, list[Run]] = {"one worker": [Run(SEQUENTIAL, 1, BATCH)]}
    for workers in options.workers:
        for kind in options.batch:
            batch = batch_of(kind, workers)
            runs = beside(workers, batch)
            if options.validate:
                runs = [run for run in runs if run.training in WASSP]
            groups[f"{workers} workers, batches of {batch}"] = runs

    rows = Rows(
        "parallel",
        ["training", "workers", "batch", "epochs", "seed", "scored"],
        ["updates", "accuracy"],
    )
    scored = "validation" if options.validate else "test"
    every = list(dict.fromkeys(run for runs in groups.values() for run in runs))
    found: dict[Run, list[dict[str, str]]] = {}
    if not options.table:
        data = datasets.load_fashion_mnist(options.data_dir)
        parts: tuple[Any, ...] = (data.x_train, data.y_train, data.x_test, data.y_test)
        if options.validate:
            x, y = parts[:2]
            parts = (x[:50_000], y[:50_000], x[50_000:], y[50_000:])
    for seed in options.seeds:
        for run in every:
            key = run.key(options.epochs, seed, scored)
            row = rows.find(**key)
            if row is None and not options.table:
                row = rows.add(**key, **train(run, options.epochs, seed, parts, options.threads))
            if row is not None:
                found.setdefault(run, []).append(row)
    print(f"{options.epochs} epochs, seeds {options.seeds}, accuracy of the {scored} images")
    for title, runs in groups.items():
        print(f"\n{title}\n")
        print_table(runs, found)
    if options.picture:
        draw(found, options.batch[0], options.picture)


if __name__ == "__main__":
    main()
