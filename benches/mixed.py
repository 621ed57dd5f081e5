"""A large mixed table by `trulysparse`, LightGBM and scikit-learn: score, time and memory.

    python benches/mixed.py FOLDER --make              # a million rows, and 100,000 to score on
    python benches/mixed.py FOLDER --epochs 3          # each in a fresh process, in turn

The table has 20 numbers, of which 5 % are missing, and 10 category columns of together a million
levels. The label depends on numbers and one of their products, on numbers that are missing, and on
the levels of a small, a middling and a large column. Each reads the file itself: `read_table`, and
pandas for the others. Who is not installed is left out.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROWS, HELD_OUT = 1_000_000, 100_000
NUMBERS, MISSING = 20, 0.05
LEVELS = (5, 10, 40, 150, 800, 4_000, 15_000, 60_000, 220_000, 700_000)
# By the place of a column, how far apart the levels of it put the log odds.
SPREAD = {1: 0.7, 4: 0.7, 7: 0.7}


def make(folder: Path, rows: int, held_out: int) -> None:
    """Write the files."""
    import polars as pl

    rng = np.random.default_rng(0)
    total = rows + held_out
    x = rng.normal(size=(total, NUMBERS)).astype(np.float32)
    odds = 0.6 * x[:, 0] - 0.5 * x[:, 1] + 0.4 * np.abs(x[:, 2]) + 0.5 * x[:, 3] * x[:, 4] - 0.3
    missing = rng.random(x.shape) < MISSING
    odds += 0.8 * missing[:, 5]
    table: dict[str, Any] = {}
    for place in range(NUMBERS):
        cells = pl.Series(x[:, place].round(4), dtype=pl.Float32)
        table[f"n{place}"] = pl.select(
            pl.when(pl.Series(missing[:, place])).then(None).otherwise(cells)
        ).to_series()
    for place, count in enumerate(LEVELS):
        # Each occurs once, and the others by a power law, as names and products do.
        count = max(2, count * rows // ROWS)
        more = np.minimum(count * rng.random(total - count) ** 3, count - 1).astype(np.int64)
        codes = np.concatenate([np.arange(count), more])
        rng.shuffle(codes)
        odds += SPREAD.get(place, 0.0) * rng.normal(size=count)[codes]
        table[f"c{place}"] = pl.Series(codes).cast(pl.String).str.pad_start(7, "k")
    table["label"] = np.where(rng.random(total) < 1 / (1 + np.exp(-odds)), "yes", "no")
    folder.mkdir(parents=True, exist_ok=True)
    frame = pl.DataFrame(table)
    frame[:rows].write_csv(folder / "train.csv")
    frame[rows:].write_csv(folder / "test.csv")


def trulysparse(folder: Path, epochs: int) -> dict[str, Any]:
    """Read with `read_table` and train the classifier."""
    import trulysparse as ts

    start = time.perf_counter()
    table = ts.read_table(folder / "train.csv", label="label")
    read = time.perf_counter() - start
    model = ts.SparseMLPClassifier(max_iter=epochs, random_state=0, n_jobs=-1)
    model.fit(table.x, table.y)
    fit = time.perf_counter() - start - read
    peak = peak_memory()
    epoch = float(np.median(model.history_.history["seconds"]))
    test = ts.read_table(folder / "test.csv", label="label")
    said = {"read": read, "fit": fit, "epoch": epoch, "peak": peak}
    return said | scores(test.y == "yes", model.predict_proba(test.x)[:, 1])


def frames(folder: Path) -> tuple[Any, Any, float]:
    """Read both files with pandas, categories as such with the levels of training."""
    import pandas as pd

    start = time.perf_counter()
    kinds = {f"c{place}": "category" for place in range(len(LEVELS))}
    train = pd.read_csv(folder / "train.csv", dtype=kinds)
    read = time.perf_counter() - start
    test = pd.read_csv(folder / "test.csv")
    for name in kinds:
        test[name] = pd.Categorical(test[name], categories=train[name].cat.categories)
    return train, test, read


def fitted(model: Any, folder: Path) -> dict[str, Any]:
    """Fit a model of scikit-learn's interface."""
    train, test, read = frames(folder)
    x, y = train.drop(columns="label"), (train.label == "yes").to_numpy()
    start = time.perf_counter()
    model.fit(x, y)
    fit = time.perf_counter() - start
    said = {"read": read, "fit": fit, "peak": peak_memory()}
    odds = model.predict_proba(test.drop(columns="label"))[:, 1]
    return said | scores((test.label == "yes").to_numpy(), odds)


def lightgbm(folder: Path, epochs: int) -> dict[str, Any]:
    """LightGBM with its defaults and native categories."""
    from lightgbm import LGBMClassifier

    return fitted(LGBMClassifier(random_state=0, verbose=-1), folder)


def logistic(folder: Path, epochs: int) -> dict[str, Any]:
    """One-hot levels of two rows or more beside standardised numbers."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    levels = OneHotEncoder(min_frequency=2, handle_unknown="infrequent_if_exist")
    numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    columns = make_column_transformer(
        (numbers, [f"n{place}" for place in range(NUMBERS)]),
        (levels, [f"c{place}" for place in range(len(LEVELS))]),
    )
    return fitted(make_pipeline(columns, LogisticRegression()), folder)


def boosting(folder: Path, epochs: int) -> dict[str, Any]:
    """scikit-learn's boosting, which takes at most 255 levels of a column."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
    return fitted(model, folder)


def scores(truth: Any, odds: Any) -> dict[str, float]:
    """Give AUC and log loss."""
    order = np.argsort(odds, kind="stable")
    ordered, truth = odds[order], np.asarray(truth, np.float64)
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    sizes = np.diff(starts, append=len(ordered))
    ranks = np.repeat(starts + (sizes + 1) / 2, sizes)
    ones = truth.sum()
    auc = (ranks @ truth[order] - ones * (ones + 1) / 2) / (ones * (len(truth) - ones))
    odds = np.clip(odds.astype(np.float64), 1e-7, 1 - 1e-7)
    loss = -(truth * np.log(odds) + (1 - truth) * np.log(1 - odds)).mean()
    return {"auc": float(auc), "log_loss": float(loss)}


def peak_memory() -> float:
    """Give the peak of resident memory in GB."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


PEERS: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "trulysparse": trulysparse,
    "lightgbm": lightgbm,
    "logistic": logistic,
    "boosting": boosting,
}


def compare(folder: Path, epochs: int, names: list[str]) -> None:
    """Run each in another process, and print a table."""
    print("| | AUC | log loss | read s | fit s | an epoch s | peak GB |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        command = [sys.executable, __file__, "--one", name, str(folder), "--epochs", str(epochs)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"| {name} | {done.stderr.strip().splitlines()[-1]} |")
            continue
        said = json.loads(done.stdout.splitlines()[-1])
        cells = [f"{said['auc']:.4f}", f"{said['log_loss']:.4f}"]
        cells += [f"{said[key]:.1f}" if key in said else "" for key in ("read", "fit", "epoch")]
        print(f"| {name} | {' | '.join(cells)} | {said['peak']:.2f} |")


def main() -> None:
    """Make the files, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--make", action="store_true", help="write the files")
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=list(PEERS))
    parser.add_argument("--one", choices=PEERS)
    given = parser.parse_args()
    if given.make:
        make(given.folder, given.rows, given.rows * HELD_OUT // ROWS)
    elif given.one:
        print(json.dumps(PEERS[given.one](given.folder, given.epochs)))
    else:
        compare(given.folder, given.epochs, given.peers)


if __name__ == "__main__":
    main()
