"""Defaults on wide tables, ours beside everybody's: `python experiments/wide.py --data FOLDER`.

Twelve wide tables, a few small ones, CSR and regression (`wide_tables.py`). Every estimator has its
defaults, in the pipeline that most users would write (`wide_rivals.py`). The folder has
``wide/NAME.npz`` and ``madelon.npz``. Rivals, and tables that packages bring, need
``pip install -r experiments/wide-requirements.txt`` and Debian's ``r-cran-pls`` and
``r-cran-caret``, or these two in a folder that ``R_LIBS`` names. What is missing is left out.

A table is cut into five folds, always the same: a fold is the test set of estimators that were
trained on the others. Of large tables (more than 5,000,000 cells or 2,500 samples) only the first
two folds are tested. Estimators that draw random numbers run with three seeds, others once. Slow
ones, which are MLP, RealMLP, TabM and CatBoost, run on the first two folds with one seed. A run
that fails scores below all others. So does one that takes more than 600 seconds of the CPU;
then its estimator's other runs on that table are not tried, and score the same.
"""

import argparse
import functools
import itertools
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rows import Rows
from scipy.stats import rankdata
from sklearn.model_selection import KFold, StratifiedKFold
from wide_rivals import FAILED, OURS, RIVALS, TIMEOUT, in_a_process, measure
from wide_tables import CELLS, GROUPS, LARGE, SAMPLES, TABLES, Absent

KEYS = ["table", "rival", "fold", "seed"]
COLUMNS = ["score", "log_loss", "ece", "seconds", "rows"]
EMPTY = dict.fromkeys(COLUMNS, "")
FOLDS, FEW, SEEDS = 5, 2, 3
NEAR = 0.005  # of the first: half a point of accuracy
LIMIT = 600  # seconds of the CPU for a run

Run = tuple[int, int]  # a fold and a seed
Kept = dict[tuple[str, str], dict[Run, dict[str, str]]]


def plan(table: str, rival: str) -> list[Run]:
    """Give the runs of an estimator on a table, none if it does not take such tables."""
    which, what = RIVALS[rival], TABLES[table]
    if (which.regressor if what.regression else which.classifier) is None:
        return []
    if what.csr and not which.csr:
        return []
    few = which.slow or table in LARGE
    seeds = SEEDS if which.random and not which.slow else 1
    return [(fold, seed) for fold in range(FEW if few else FOLDS) for seed in range(seeds)]


def by_run(rows: list[dict[str, str]]) -> Kept:
    """Give the rows by table and estimator, then by run."""
    found: Kept = {}
    for row in rows:
        runs = found.setdefault((row["table"], row["rival"]), {})
        runs[int(row["fold"]), int(row["seed"])] = row
    return found


@functools.lru_cache(maxsize=4)
def loaded(table: str, folder: Path) -> tuple[Any, np.ndarray, list[tuple[np.ndarray, np.ndarray]]]:
    """Load a table and cut it into folds: samples to train on and samples to test with."""
    x, y = TABLES[table].load(folder)
    if (table in LARGE) != (x.shape[0] * x.shape[1] > CELLS or x.shape[0] > SAMPLES):
        raise ValueError(f"{table}: expected LARGE to have exactly the large tables")
    cut = (KFold if TABLES[table].regression else StratifiedKFold)(
        FOLDS, shuffle=True, random_state=0
    )
    with warnings.catch_warnings():  # classes with fewer samples than folds
        warnings.simplefilter("ignore")
        return x, y, list(cut.split(x, y))


def run(table: str, rival: str, which: Run, options: argparse.Namespace) -> dict[str, Any]:
    """Do a run; a word about what went wrong goes to the standard error."""
    x, y, folds = loaded(table, options.data)
    (fold, seed), regression = which, TABLES[table].regression
    # So that the import costs no run anything.
    RIVALS[rival].make(seed, regression, TABLES[table].csr)
    found = in_a_process(
        lambda: measure(RIVALS[rival], x, y, *folds[fold], seed, regression), options.limit
    )
    if isinstance(found, str):
        print(f"{table}, {rival}: {found}", file=sys.stderr, flush=True)
        late = {"score": TIMEOUT, "seconds": options.limit}
        return {**EMPTY, **(late if found == TIMEOUT else {"score": FAILED})}
    return found


def run_all(kept: Rows, options: argparse.Namespace) -> None:
    """Do what is planned and has no row, estimators in their order, until the time is up."""
    end = time.monotonic() + options.hours * 3600
    done = by_run(kept.rows)
    absent: set[str] = set()  # estimators and tables
    for rival, table in itertools.product(options.only, options.tables):
        runs = done.setdefault((table, rival), {})
        for which in plan(table, rival):
            if which in runs:
                continue
            if {rival, table} & absent:
                break
            if time.monotonic() > end:
                return
            late = any(row["score"] == TIMEOUT for row in runs.values())
            try:
                row = {**EMPTY, "score": TIMEOUT} if late else run(table, rival, which, options)
            except (Absent, ImportError) as error:
                absent.add(table if isinstance(error, Absent) else rival)
                print(f"{table}, {rival}: {error}", file=sys.stderr, flush=True)
                break
            named = dict(zip(KEYS, (table, rival, *which), strict=True))
            runs[which] = kept.add(**named, **row)
            print(*runs[which].values(), sep=" | ", flush=True)


def plan_lines(done: Kept, options: argparse.Namespace) -> Iterator[str]:
    """Give what is planned, what has a row, and what the rest would cost, as Markdown."""
    yield "| estimator | runs | done | CPU minutes so far | of the rest, about | tables not tried |"
    yield "|---|---|---|---|---|---|"
    sums = np.zeros(4)
    for rival in options.only:
        counts, untried = np.zeros(4), 0
        for table in options.tables:
            planned, runs = plan(table, rival), done.get((table, rival), {})
            spent = [float(row["seconds"]) for row in runs.values() if row["seconds"]]
            left = len(planned) - len(runs)
            late = any(row["score"] == TIMEOUT for row in runs.values())
            untried += bool(planned) and not runs
            rest = left * np.mean(spent) if spent and not late else 0
            counts += [len(planned), len(runs), sum(spent) / 60, rest / 60]
        sums += counts
        yield f"| {rival} | {counts[0]:.0f} | {counts[1]:.0f} | {counts[2]:.1f} | " + (
            f"{counts[3]:.1f} | {untried} |"
        )
    yield f"| all | {sums[0]:.0f} | {sums[1]:.0f} | {sums[2]:.1f} | {sums[3]:.1f} | |"


def number(row: dict[str, str], column: str = "score") -> float:
    """Give a number of a row; of a run without a score one below all, of an empty cell NaN."""
    if column == "score" and row["score"] in (TIMEOUT, FAILED):
        return -np.inf
    return float(row[column]) if row[column] else np.nan


class Summary:
    """Scores of estimators that have all planned runs on all tables of a group.

    Parameters
    ----------
    done
        The rows.
    tables, rivals
        Of which it is.
    folds
        Only runs on the first folds are looked at.
    """

    def __init__(
        self, done: Kept, tables: Sequence[str], rivals: Sequence[str], folds: int
    ) -> None:
        self.tables, self.folds = list(tables), folds
        self.missing: dict[str, int] = {}
        self.rivals = []
        for rival in rivals:
            plans = {table: self._runs(table, rival) for table in tables}
            if not all(plans.values()) or (RIVALS[rival].slow and folds > FEW):
                continue
            gone = sum(r not in done.get((t, rival), {}) for t in plans for r in plans[t])
            if gone:
                self.missing[rival] = gone
            else:
                self.rivals.append(rival)
        self.done = done

    def _runs(self, table: str, rival: str) -> list[Run]:
        return [which for which in plan(table, rival) if which[0] < self.folds]

    def numbers(self, table: str, rival: str, column: str = "score") -> list[float]:
        """Give a column of an estimator's rows on a table."""
        rows = self.done[table, rival]
        return [number(rows[which], column) for which in self._runs(table, rival)]

    def means(self, column: str = "score") -> np.ndarray:
        """Give the means of the runs, (tables, estimators), rounded so that equal ones tie."""
        means = [[np.mean(self.numbers(t, r, column)) for r in self.rivals] for t in self.tables]
        return np.round(means, 9)

    def ranks_of_runs(self) -> np.ndarray:
        """Give the mean rank of each estimator over table, fold and seed."""
        ranks = []
        for table in self.tables:
            folds = {fold for rival in self.rivals for fold, _ in self._runs(table, rival)}
            for fold in sorted(folds):
                for seed in range(SEEDS):
                    rows = [self.done[table, rival] for rival in self.rivals]
                    # Estimators with one seed have the same score for all.
                    scores = [number(r.get((fold, seed), r.get((fold, 0), {}))) for r in rows]
                    ranks.append(rankdata(-np.array(scores)))
        return np.mean(ranks, axis=0)


def score_lines(summary: Summary) -> Iterator[str]:
    """Give the mean score of each estimator on each table, as Markdown."""
    yield "| table | " + " | ".join(summary.rivals) + " |"
    yield "|---" * (len(summary.rivals) + 1) + "|"
    for table, means in zip(summary.tables, summary.means(), strict=True):
        cells = [f"{mean:.3f}" if np.isfinite(mean) else "no score" for mean in means]
        yield f"| {table} | " + " | ".join(cells) + " |"


def rank_lines(summary: Summary, regression: bool) -> Iterator[str]:
    """Give a row for each estimator with its ranks and means over the tables, as Markdown."""
    what = "R2, at least 0" if regression else "accuracy"
    more = "" if regression else " log loss | calibration error |"
    yield (
        f"| estimator | rank, by table | by run | {what} |{more} median CPU seconds "
        "| near the first |"
    )
    yield "|---" * (6 if regression else 8) + "|"
    means = summary.means()
    by_table = rankdata(-means, axis=1).mean(axis=0)
    by_one = summary.ranks_of_runs()
    near = (means >= np.round(means.max(axis=1, keepdims=True) - NEAR, 9)).sum(axis=0)
    scores = np.maximum(means, 0).mean(axis=0) if regression else means.mean(axis=0)
    columns = [scores]
    columns += [] if regression else [summary.means(c).mean(axis=0) for c in ("log_loss", "ece")]
    for k in np.argsort(by_table, kind="stable"):
        rival = summary.rivals[k]
        spent = [s for t in summary.tables for s in summary.numbers(t, rival, "seconds")]
        spent = [s for s in spent if np.isfinite(s)] or [0.0]  # none if all failed
        said = [f"{c[k]:.3f}" if np.isfinite(c[k]) else "-" for c in columns]
        yield (
            f"| {rival} | {by_table[k]:.2f} | {by_one[k]:.2f} | {' | '.join(said)} "
            f"| {np.median(spent):.2f} | {near[k]} of {len(means)} |"
        )


def common_lines(done: Kept, title: str, summary: Summary) -> Iterator[str]:
    """Give the two folds of the tables that all estimators have, if some are not complete."""
    found = []
    for table in summary.tables:
        some = [r for r in summary.missing if any((t, r) in done for t in summary.tables)]
        if some and not Summary(done, [table], some, FEW).missing:
            found.append(table)
    if not found:
        return
    few = Summary(done, found, [*summary.rivals, *some], FEW)
    yield from ["", f"### {title}, two folds of those that all have run on", ""]
    yield from score_lines(few)
    yield ""
    yield from rank_lines(few, TABLES[found[0]].regression)


def csr_lines(done: Kept, options: argparse.Namespace) -> Iterator[str]:
    """Give what CSR changes in the accuracy of each estimator, as Markdown."""
    pairs = [(f"{name} (CSR)", name) for name in ("BASEHOCK", "PCMAC")]
    found = []
    for rival in options.only:
        summary = Summary(done, [name for pair in pairs for name in pair], [rival], FEW)
        if summary.rivals:
            means = summary.means()[:, 0]
            found.append(f"| {rival} | {means[0] - means[1]:+.4f} | {means[2] - means[3]:+.4f} |")
    if found:
        yield from ["", "CSR minus dense:", "", "| estimator | BASEHOCK | PCMAC |", "|---|---|---|"]
        yield from found


def table_lines(done: Kept, options: argparse.Namespace) -> Iterator[str]:
    """Give the summaries of all groups of tables, as Markdown."""
    for group, title in GROUPS.items():
        tried = {table for table, _ in done}
        tables = [t for t in options.tables if TABLES[t].group == group]
        without = [t for t in tables if t not in tried]
        tables = [t for t in tables if t in tried]
        if not tables:
            continue
        # Of large tables there are two folds in any case.
        views = [FEW] if all(t in LARGE for t in tables) else [FOLDS, FEW]
        for folds in views:
            summary = Summary(done, tables, options.only, folds)
            slow = any(RIVALS[r].slow for r in [*summary.rivals, *summary.missing])
            if folds == FEW < views[0] and not slow:
                continue
            if folds == FEW:
                yield from common_lines(done, title, summary)
            yield from ["", f"### {title}, {'all folds' if folds == FOLDS else 'two folds'}", ""]
            if summary.rivals:
                yield from score_lines(summary)
                yield ""
                yield from rank_lines(summary, TABLES[tables[0]].regression)
            gone = [f"{name} ({count} runs)" for name, count in summary.missing.items()]
            yield from ["", f"Not complete: {', '.join(gone)}."] if gone else []
            yield from ["", f"Without a row: {', '.join(without)}."] if without else []
    yield from csr_lines(done, options)


def parsed() -> argparse.Namespace:
    """Give the options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, default=Path("data"), help="the folder of data (default: data)")
    add("--tables", nargs="+", default=list(TABLES), choices=TABLES, metavar="TABLE")
    add("--only", nargs="+", default=list(RIVALS), choices=RIVALS, metavar="NAME",
        help=f"of {', '.join(RIVALS)}")  # fmt: skip
    add("--again", nargs="+", default=[], choices=RIVALS, metavar="NAME",
        help=f"delete the rows of these, such as {OURS}; no other process may run")  # fmt: skip
    add("--hours", type=float, default=np.inf, help="start no run after that")
    add("--limit", type=int, default=LIMIT, help=f"seconds of the CPU for a run ({LIMIT})")
    add("--table", action="store_true", help="only print what results/ holds")
    add("--plan", action="store_true", help="only print what is planned and what it costs")
    return parser.parse_args()


def main() -> int:
    """Do the runs, or print what the results hold."""
    options = parsed()
    kept = Rows("wide", KEYS, COLUMNS)
    for rival in options.again:
        for table in options.tables:
            kept.drop(table=table, rival=rival)
    if options.plan:
        print(*plan_lines(by_run(kept.rows), options), sep="\n")
        return 0
    if not options.table:
        run_all(kept, options)
    print(*table_lines(by_run(kept.rows), options), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
