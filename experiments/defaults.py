"""How the defaults for tables were chosen: `python experiments/defaults.py --data FOLDER`.

Cross-validation within the training rows of the first fold of each table of `wide.py`, which never
sees the rows that this fold tests. Each variant changes one setting of the preset "table"; the
score is accuracy or R2, beside the log loss at the temperature that is best for these rows.
Variants from "estimator" on are of the estimators: with columns, steps and a temperature that
held-out rows decide on, and the log loss of their probabilities. Folders and packages are those of
`wide.py`; tables that are missing are left out.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts
from rows import Rows
from scipy.sparse import issparse
from sklearn.model_selection import KFold, StratifiedKFold
from trulysparse.presets import BATCHES, TABLE, Preset
from trulysparse.selection import temperature
from wide import loaded
from wide_tables import TABLES, Absent

SGD = {
    "optimizer": "sgd",
    "learning_rate": BATCHES.learning_rate,
    "weight_decay": None,
    "epochs": 100,
    "grow": "random",
    "dropout": BATCHES.dropout,
    "input_gain": 1.0,
    "label_smoothing": 0.0,
}
# What a variant has instead of the preset's.
VARIANTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "SGD, as before": SGD,
    "no smoothing": {"label_smoothing": 0.0},
    "smoothing 0.05": {"label_smoothing": 0.05},
    "dropout 0.2": {"dropout": 0.2},
    "dropout 0.7": {"dropout": 0.7},
    "decay 0.1": {"weight_decay": 0.1},
    "decay 1": {"weight_decay": 1.0},
    "gain 0.03": {"input_gain": 0.03},
    "gain 1": {"input_gain": 1.0},
    "rate 0.002": {"learning_rate": 0.002},
    "rate 0.008": {"learning_rate": 0.008},
    "SET": {"grow": "random"},
    "evolution after every epoch": {"evolve_every": 1},
    "no clip": {"clip": None},
    "clip 3": {"clip": 3.0},
    "100 neurons": {"hidden": (100,)},
    "300 neurons": {"hidden": (300,)},
    "twice the steps": {"twice": True},
}
# Estimators as they are, with all that held-out rows decide, and what these have instead.
ESTIMATORS: dict[str, dict[str, Any]] = {
    "estimator": {},
    "3 snapshots": {"n_snapshots": 3},
    "3 members": {"n_members": 3},
    "all columns": {"feature_selection": False},
}
KEYS, COLUMNS = ["table", "variant"], ["score", "log_loss", "seconds"]
LEAST = 1e-15  # probability in a log loss
FEW_CELLS, FEW_ROWS = 3_000_000, 1500  # of tables with four folds; others have two


def preset(samples: int, loss: str, *, sparse: bool, **changes: Any) -> Preset:
    """Give the preset for a number of samples with some settings changed."""
    own = {name: value for name, value in changes.items() if name not in ("clip", "twice")}
    chosen = replace(TABLE._for(samples, sparse=sparse, loss=loss), **own)._for(samples)
    if loss == "squared_error":
        chosen = replace(chosen, label_smoothing=0.0)
        if chosen.optimizer == "sgd":
            chosen = replace(chosen, learning_rate=0.02)
    if "label_smoothing" in own and loss != "squared_error":
        chosen = replace(chosen, label_smoothing=own["label_smoothing"])
    if "weight_decay" in own and own["weight_decay"] is not None:
        chosen = replace(chosen, weight_decay=own["weight_decay"])
    epochs = chosen.epochs or 1
    return replace(chosen, epochs=2 * epochs) if changes.get("twice") else chosen


def trained(x: Any, y: np.ndarray, outputs: int, seed: int, changes: dict[str, Any]) -> Any:
    """Train a network as the estimators do, but for what held-out rows decide."""
    loss = "cross_entropy" if outputs > 1 else "squared_error"
    chosen = preset(x.shape[0], loss, sparse=issparse(x), **changes)
    usual = 3.0 if outputs > 1 and not issparse(x) else None
    settings = chosen.model | {
        "standardize": "auto" if issparse(x) else True,
        "clip": changes.get("clip", usual),
        "standardize_targets": outputs == 1,
    }
    hidden = chosen.hidden or ()
    model = ts.SparseMLP(
        [x.shape[1], *hidden, outputs], **settings, loss=loss, seed=seed, threads=1
    )
    model.fit(x, y, **chosen.fit, progress=False)
    return model


def folds(table: str, folder: Path) -> Iterator[tuple[Any, ...]]:
    """Give rows to train on and rows to score, all of them training rows of the first fold."""
    x, y, outer = loaded(table, folder)
    rows = outer[0][0]
    small = x.shape[0] * x.shape[1] < FEW_CELLS and x.shape[0] < FEW_ROWS
    kind = KFold if TABLES[table].regression else StratifiedKFold
    cut = kind(4 if small else 2, shuffle=True, random_state=1)
    for train, test in cut.split(np.zeros(len(rows)), y[rows]):
        yield x, y, rows[train], rows[test]


def of_network(variant: str, x: Any, y: np.ndarray, test: Any, classes: int, seed: int) -> Any:
    """Train the network of a variant and predict: numbers, or probabilities at temperature 1."""
    model = trained(x, y, classes or 1, seed, VARIANTS[variant])
    predicted = model.predict(test)
    return predicted if classes else predicted[:, 0]


def of_estimator(variant: str, x: Any, y: np.ndarray, test: Any, classes: int, seed: int) -> Any:
    """Train an estimator and predict: numbers, or probabilities of all classes."""
    kind = ts.SparseMLPClassifier if classes else ts.SparseMLPRegressor
    fitted = kind(**ESTIMATORS[variant], random_state=seed).fit(x, y)
    if not classes:
        return fitted.predict(test)
    every = np.zeros((test.shape[0], classes), np.float32)
    every[:, fitted.classes_.astype(int)] = fitted.predict_proba(test)
    return every


def run(table: str, variant: str, folder: Path) -> dict[str, float]:
    """Score a variant on a table."""
    found, start = [], time.process_time()
    predict = of_estimator if variant in ESTIMATORS else of_network
    for seed, (x, y, train, test) in enumerate(folds(table, folder)):
        classes = 0 if TABLES[table].regression else int(y.max()) + 1
        predicted = predict(variant, x[train], y[train], x[test], classes, seed)
        if not classes:
            error = ((predicted - y[test]) ** 2).sum()
            found.append((1 - error / ((y[test] - y[test].mean()) ** 2).sum(), 0.0))
            continue
        labels = y[test].astype(np.int64)
        if variant in ESTIMATORS:
            own = predicted[np.arange(len(test)), labels]
            loss = -np.log(np.maximum(own, LEAST)).mean()
        else:
            loss = temperature.best(predicted, labels)[1].mean()
        found.append(((predicted.argmax(axis=1) == labels).mean(), loss))
    score, loss = np.mean(found, axis=0)
    seconds = (time.process_time() - start) / len(found)
    return {
        "score": round(float(score), 4),
        "log_loss": round(float(loss), 4),
        "seconds": round(seconds, 2),
    }


def show(kept: Rows) -> None:
    """Print the means of each variant beside those of the preset, over tables that both have."""
    by = {(row["variant"], row["table"]): row for row in kept.rows}
    usuals = dict.fromkeys(VARIANTS, "as it is") | dict.fromkeys(ESTIMATORS, "estimator")
    print("| variant | wide: accuracy | log loss | CSR | R2 | small | seconds |")
    print("|---|---|---|---|---|---|---|")
    for variant, usual in usuals.items():
        there = [table for table in TABLES if (variant, table) in by and (usual, table) in by]
        cells = []
        for column, groups in (
            ("score", ("wide",)),
            ("log_loss", ("wide",)),
            ("score", ("CSR",)),
            ("score", ("wide regression",)),
            ("score", ("small", "small regression", "CSR regression")),
            ("seconds", tuple({TABLES[table].group for table in there})),
        ):
            some = [table for table in there if TABLES[table].group in groups]
            if not some:
                cells.append("")
                continue
            ours, theirs = (
                statistics.mean(float(by[name, table][column]) for table in some)
                for name in (variant, usual)
            )
            changed = "" if variant == usual else f" ({ours - theirs:+.3f})"
            cells.append(f"{ours:.3f}{changed}")
        print(f"| {variant} | {' | '.join(cells)} |")


def main() -> None:
    """Do the runs that have no row."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--tables", nargs="+", default=list(TABLES), metavar="NAME")
    parser.add_argument("--variants", nargs="+", default=[*VARIANTS, *ESTIMATORS],
                        metavar="NAME")  # fmt: skip
    parser.add_argument("--hours", type=float, default=3.0, help="(default: %(default)s)")
    parser.add_argument("--table", action="store_true", help="only print what there is")
    options = parser.parse_args()
    kept, end = Rows("defaults", KEYS, COLUMNS), time.monotonic() + options.hours * 3600
    warnings.simplefilter("ignore")
    for variant in () if options.table else options.variants:
        for table in options.tables:
            if time.monotonic() > end:
                break
            try:
                kept.run(lambda: run(table, variant, options.data), table=table, variant=variant)  # noqa: B023
            except (Absent, ImportError) as error:
                print(f"{table}: {error}")
    show(kept)


if __name__ == "__main__":
    main()
