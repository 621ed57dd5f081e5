"""Ways to select columns, side by side: `python experiments/selection.py tables --data FOLDER`.

``tables``: of twelve wide tables 25, 50 and 100 columns, chosen within training folds; the accuracy
of three classifiers on the test folds. ``madelon``: how many of its 20 columns with signal are
among the first 20. ``synthetic``: how many true columns of drawn tables are found. ``fdr``: false
discoveries, where a way itself says how many columns; ``real``: how many it says of real tables.
``scale``: time and memory with a million
columns. ``show`` prints what ``results`` holds of one of these.

Each run keeps a row, and is not repeated. ``--ours NAME=EXPRESSION`` tries a variant; its rows
belong in another folder, ``--results``. The folder of the tables has ``madelon.npz`` and
``wide/*.npz``, these with ``x`` and ``y``. Each process computes with one thread; seconds are those
of the processor.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import selection_drawn
import selection_fdr
import selection_scale
import selection_summary as summary
from selection_ways import RIVALS, Array, Found, ways
from selection_work import Asked, Kept, add_options, asked, carry_out, timed
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

COUNTS = (25, 50, 100)
LARGE = ("BASEHOCK", "PCMAC", "Isolet", "madelon", "arcene")
TABLES = (
    *("colon", "lymphoma", "GLIOMA", "ALLAML", "Yale", "warpAR10P", "TOX-171"),
    *("arcene", "madelon", "Isolet", "PCMAC", "BASEHOCK"),
)
SMALL = tuple(table for table in TABLES if table not in LARGE)
CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "svc": SVC,
    "knn": lambda: KNeighborsClassifier(1),
    "et": lambda: ExtraTreesClassifier(100, random_state=0, n_jobs=1),
}
SECONDS = "seconds"
ACCURACIES = [f"acc_{name}" for name in CLASSIFIERS]
RUN = ["method", "table", "fold", "seed", "K"]


# --- tables ---------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def load(folder: Path, name: str) -> tuple[Array, Array]:
    """Read a table, all its rows; of Madelon those of training and validation."""
    with np.load(folder / ("" if name == "madelon" else "wide") / f"{name}.npz") as file:
        parts = {key: file[key] for key in file.files}
    if "x" in parts:
        return parts["x"].astype(np.float32), parts["y"].astype(np.int64)
    x = np.concatenate([parts["x_train"], parts["x_test"]]).astype(np.float32)
    return x, np.concatenate([parts["y_train"], parts["y_test"]]).astype(np.int64)


def folds(name: str, x: Array, y: Array) -> list[tuple[Array, Array]]:
    """Give the rows to train and to test on: of large tables twice, of others five times."""
    cut = StratifiedKFold(folds_of(name), shuffle=True, random_state=0)
    return list(cut.split(x, y))


def folds_of(name: str) -> int:
    """Give the number of folds of a table."""
    return 2 if name in LARGE else 5


def accuracies(x: Array, y: Array, x_test: Array, y_test: Array) -> dict[str, str]:
    """Fit each classifier to columns, and score it on test rows."""
    scaler = StandardScaler().fit(x)
    x, x_test = scaler.transform(x), scaler.transform(x_test)
    return {
        f"acc_{name}": f"{make().fit(x, y).score(x_test, y_test):.4f}"
        for name, make in CLASSIFIERS.items()
    }


def written(found: Found) -> dict[int, str]:
    """Give columns as text; sets that begin the largest one are left out."""
    most = max(found)
    return {
        count: " ".join(map(str, columns))
        for count, columns in found.items()
        if count == most or not np.array_equal(columns, found[most][:count])
    }


def select(
    work: Asked, method: str, name: str, fold: int, seed: int
) -> tuple[list[dict[str, Any]], dict[int, str]]:
    """Select columns in a training fold, and give a row for each count and the columns."""
    x, y = load(work.data, name)
    train, test = folds(name, x, y)[fold]
    counts = [count for count in COUNTS if count <= x.shape[1]]
    way = ways(work)[method]
    found, seconds = timed(lambda: way.choose(x[train], y[train], counts, seed))
    rows = []
    for count, columns in found.items():
        parts = (x[train][:, columns], y[train], x[test][:, columns], y[test])
        rows.append({"K": count, **accuracies(*parts), SECONDS: f"{seconds:.2f}"})
    return rows, written(found)


def open_tables(work: Asked) -> tuple[Kept, Kept]:
    """Open the rows of accuracies, and those of columns."""
    kept = Kept("selection", RUN, [*ACCURACIES, SECONDS], work.results)
    return kept, Kept("selection-columns", RUN, ["columns"], work.results)


def table_tasks(work: Asked, kept: Kept, names: Sequence[str], most: int) -> Iterator[Any]:
    """Give the runs that have no rows yet, table by table and fold by fold."""
    chosen = work.chosen(ways(work), RIVALS)
    for name in names:
        for fold in range(min(folds_of(name), most)):
            for method, way in chosen.items():
                for seed in range(work.seeds if way.is_drawn else 1):
                    key = {"method": method, "table": name, "fold": fold, "seed": seed}
                    if not kept.has(K=COUNTS[0], **key):
                        yield key, partial(select, work, method, name, fold, seed)


def tables(options: argparse.Namespace) -> None:
    """Run what has no rows, and print the summary."""
    work = asked(options)
    kept, columns = open_tables(work)
    tasks = table_tasks(work, kept, options.tables, options.folds)
    for key, (rows, found) in carry_out(tasks, work.jobs):
        for count, text in found.items():
            columns.add(**key, K=count, columns=text)
        for row in reversed(rows):  # the first count, which tells that a run is complete, is last
            kept.add(**key, **row)
        said = " ".join(f"{row['K']}: {row['acc_svc']}" for row in rows)
        print(*key.values(), f"svc {said}", f"{rows[0][SECONDS]} s", sep=" | ", flush=True)
    print(*summary.lines(kept.rows, columns.rows, work.methods, options.tables), sep="\n")


# --- madelon --------------------------------------------------------------------------------------

SIGNAL = 20


def with_signal(x: Array) -> Array:
    """Find Madelon's columns that carry signal: combinations of five, so that they correlate.

    Raises
    ------
    ValueError
        If the columns whose largest correlation lies above the widest gap are not 20, or five
        directions do not hold nearly all of their variance.
    """
    correlation = np.abs(np.corrcoef(x.astype(np.float64).T))
    np.fill_diagonal(correlation, 0)
    largest = correlation.max(axis=0)
    order = np.argsort(-largest, kind="stable")
    gaps = -np.diff(largest[order])
    found = np.sort(order[: gaps.argmax() + 1])
    np.fill_diagonal(correlation, 1)
    spectrum = np.linalg.eigvalsh(np.corrcoef(x[:, found].astype(np.float64).T))[::-1]
    share = spectrum[:5].sum() / spectrum.sum()
    if len(found) != SIGNAL or share < 0.98:
        raise ValueError(
            f"{len(found)} columns correlate, five directions hold {share:.3f} of their variance: "
            f"expected {SIGNAL} columns and 0.98 or more"
        )
    return found


def find_signal(work: Asked, method: str, seed: int) -> dict[str, Any]:
    """Select 20 columns of Madelon's training rows, and give the columns of a row."""
    x, y = load(work.data, "madelon")
    rows = slice(0, 2000), slice(2000, None)  # training and validation, as published
    found, seconds = timed(
        lambda: ways(work)[method].choose(x[rows[0]], y[rows[0]], [SIGNAL], seed)[SIGNAL]
    )
    parts = [part for at in rows for part in (x[at][:, found], y[at])]
    accuracy = accuracies(*parts)
    true = len(set(found.tolist()) & set(with_signal(x[rows[0]]).tolist()))
    return {"found": true, "acc_knn": accuracy["acc_knn"], SECONDS: f"{seconds:.2f}"}


def open_madelon(work: Asked) -> Kept:
    """Open the rows of Madelon."""
    return Kept(
        "selection-madelon", ["method", "seed"], ["found", "acc_knn", SECONDS], work.results
    )


def madelon(options: argparse.Namespace) -> None:
    """Run what has no rows, and print the means over seeds."""
    work = asked(options)
    kept = open_madelon(work)
    tasks = [
        ({"method": method, "seed": seed}, partial(find_signal, work, method, seed))
        for method, way in work.chosen(ways(work), RIVALS).items()
        for seed in range(work.seeds if way.is_drawn else 1)
        if not kept.has(method=method, seed=seed)
    ]
    for key, row in carry_out(tasks, work.jobs):
        kept.add(**key, **row)
        print(*key.values(), *row.values(), sep=" | ", flush=True)
    print(*summary.means(kept.rows, [], ["found", "acc_knn", SECONDS], work.methods), sep="\n")


def real(options: argparse.Namespace) -> None:
    """Count the columns that are selected of real tables at a rate of false discoveries."""
    work = asked(options)
    keys = ["method", "table", "seed"]
    kept = Kept("selection-real", keys, ["selected", "columns", SECONDS], work.results)
    chosen = {name: selection_fdr.known(work)[name] for name in ("ours", "Benjamini-Hochberg")}
    for table in options.tables:
        x, y = load(work.data, table)
        for method, select in chosen.items():
            key = {"method": method, "table": table, "seed": 0}
            if not kept.has(**key):
                found, seconds = timed(partial(select, x, y, 0))
                row = {"selected": len(found), "columns": x.shape[1], SECONDS: f"{seconds:.2f}"}
                kept.add(**key, **row)
    print(*summary.means(kept.rows, ["table"], ["selected", "columns", SECONDS], []), sep="\n")


# --- the command line -----------------------------------------------------------------------------


def show(options: argparse.Namespace) -> None:
    """Print what the results hold."""
    work = asked(options)
    if options.what == "tables":
        kept, columns = open_tables(work)
        found = summary.lines(kept.rows, columns.rows, work.methods, options.tables)
    elif options.what == "madelon":
        columns = ["found", "acc_knn", SECONDS]
        found = summary.means(open_madelon(work).rows, [], columns, work.methods)
    elif options.what == "synthetic":
        found = selection_drawn.lines(work)
    elif options.what == "fdr":
        found = selection_fdr.lines(work)
    else:
        found = selection_scale.lines(work)
    print(*found, sep="\n")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_subparsers(dest="part", required=True)
    part = parts.add_parser("tables", help="accuracy on twelve wide tables")
    part.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES, metavar="TABLE")
    part.add_argument("--folds", type=int, default=5, help="only the first of them")
    add_options(part)
    part = parts.add_parser("madelon", help="the columns that carry signal")
    add_options(part, seeds=5)
    part = parts.add_parser("real", help="how many columns of real tables, at a rate of 0.1")
    part.add_argument("--tables", nargs="+", default=SMALL, choices=TABLES, metavar="TABLE")
    add_options(part, seeds=1)
    selection_drawn.add_parser(parts)
    selection_fdr.add_parser(parts)
    selection_scale.add_parser(parts)
    part = parts.add_parser("show", help="only print what the results hold")
    part.add_argument("what", choices=["tables", "madelon", "synthetic", "fdr", "scale"])
    part.add_argument("--tables", nargs="+", default=TABLES, choices=TABLES, metavar="TABLE")
    add_options(part)
    options = parser.parse_args()
    run = {
        "tables": tables,
        "madelon": madelon,
        "real": real,
        "synthetic": selection_drawn.run,
        "fdr": selection_fdr.run,
        "scale": selection_scale.run,
        "show": show,
    }
    run[options.part](options)


if __name__ == "__main__":
    main()
