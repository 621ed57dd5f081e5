"""False discoveries of ways that say themselves how many columns tell the class.

A column is a false discovery if it does not belong to a true block. `OURS` is asked for a rate of
0.1, if this version can be.
"""

import argparse
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any
from zlib import crc32

import numpy as np
import selection_summary as summary
import trulysparse as ts
from scipy.stats import binom, false_discovery_control
from selection_drawn import Drawn, halved, mixed
from selection_ways import Array, made, standard
from selection_work import Asked, Kept, add_options, asked, carry_out, timed
from sklearn.covariance import ledoit_wolf
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LassoCV

RATE = 0.1  # of false discoveries, at most, on average
OURS = "ts.SparseFeatureSelector(fdr=0.1, random_state=seed)"
ROWS, COLUMNS, COUNT = (200, 500), 1000, 25
BLOCK, SHARED = 10, 0.7  # columns of a block, and their correlation
TREES = 100  # of a round of `by_shadows`
KEYS = ["kind", "rows", "table", "method", "seed"]
FOUND = ["selected", "false", "fdp", "power", "seconds"]

Selects = Callable[[Array, Array, int], Array]


# --- drawn tables ---------------------------------------------------------------------------------


def linear(rng: np.random.Generator, rows: int, columns: int) -> Drawn:
    """Sum 20 normal columns, ten with a weight of 1 and ten of 1/2, and noise of deviation 1."""
    x, at = rng.normal(size=(rows, columns)), rng.choice(columns, 20, replace=False)
    weights = rng.choice([-1.0, 1.0], 20) * np.repeat([1, 0.5], 10)
    z = x[:, at] @ weights + rng.normal(size=rows)
    return Drawn(x.astype(np.float32), halved(z), np.arange(columns), np.sort(at))


def correlated(rng: np.random.Generator, rows: int, columns: int) -> Drawn:
    """Sum one column, with a sign, of ten blocks, and noise of standard deviation 1.

    Ten columns are a block; the correlation of any two of a block is 0.7.
    """
    blocks = np.arange(columns) // BLOCK
    common = rng.normal(size=(rows, blocks[-1] + 1))[:, blocks]
    x = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * rng.normal(size=(rows, columns))
    true = np.sort(rng.choice(blocks[-1] + 1, 10, replace=False))
    at = BLOCK * true + rng.integers(0, BLOCK, 10)
    z = x[:, at] @ rng.choice([-1.0, 1.0], 10) + rng.normal(size=rows)
    order = rng.permutation(columns)
    return Drawn(x[:, order].astype(np.float32), halved(z), blocks[order], true)


def none(rng: np.random.Generator, rows: int, columns: int) -> Drawn:
    """Draw normal columns, and classes that they do not tell."""
    x = rng.normal(size=(rows, columns)).astype(np.float32)
    return Drawn(x, halved(rng.normal(size=rows)), np.arange(columns), np.empty(0, np.intp))


KINDS: dict[str, Callable[[np.random.Generator, int, int], Drawn]] = {
    "linear": linear,
    "correlated": correlated,
    "mixed": mixed,
    "none": none,
}


# --- rivals ---------------------------------------------------------------------------------------


def by_f(x: Array, y: Array, seed: int) -> Array:
    """Apply the procedure of Benjamini and Hochberg to the p-values of F tests."""
    return np.flatnonzero(false_discovery_control(f_classif(x.astype(np.float64), y)[1]) <= RATE)


def knockoff_copies(z: Array, rng: np.random.Generator) -> Array:
    """Draw Gaussian model-X knockoffs of standardised columns, equicorrelated.

    Each column has the same distance s to its knockoff, the largest that keeps the joint covariance
    positive. The covariance of the columns is that of Ledoit and Wolf.
    """
    covariance, _ = ledoit_wolf(z)
    scale = np.sqrt(np.diag(covariance))
    covariance /= np.outer(scale, scale)
    s = 0.99 * min(1.0, 2 * np.linalg.eigvalsh(covariance)[0])
    inverse = np.linalg.inv(covariance)
    mean = z - s * z @ inverse
    root = np.linalg.cholesky(2 * s * np.eye(len(inverse)) - s**2 * inverse)
    return mean + rng.normal(size=z.shape) @ root.T


def knockoff_threshold(statistics: Array, rate: float) -> float:
    """Give the least threshold at which knockoff+ estimates at most this rate."""
    for threshold in np.sort(np.abs(statistics[statistics != 0])):
        false = 1 + (statistics <= -threshold).sum()
        if false <= rate * max(1, (statistics >= threshold).sum()):
            return float(threshold)
    return np.inf


def by_knockoffs(x: Array, y: Array, seed: int) -> Array:
    """Compare each column's weight in a lasso with that of its knockoff (knockoff+)."""
    # Not the stream of `seed` alone: columns drawn from that would be their own knockoffs.
    z, rng = standard(x), np.random.default_rng([seed, crc32(b"knockoffs")])
    both = np.hstack([z, knockoff_copies(z, rng)])
    order = rng.permutation(both.shape[1])  # the lasso prefers none for its place
    weights = np.empty(len(order))
    lasso = LassoCV(alphas=30, cv=5, max_iter=2000)
    weights[order] = np.abs(lasso.fit(both[:, order], y - y.mean()).coef_)
    statistics = weights[: x.shape[1]] - weights[x.shape[1] :]
    return np.flatnonzero(statistics >= knockoff_threshold(statistics, RATE))


def by_shadows(x: Array, y: Array, seed: int, rounds: int = 25) -> Array:
    """Compare columns with shuffled ones in random forests, as Boruta does.

    In a round a column scores a hit if it is more important than all shuffled ones. Columns with
    too few hits leave, those with enough are selected: by binomial tests at 0.05, for which
    Benjamini and Hochberg correct over the columns, and Bonferroni over the rounds.
    """
    rng, kept = np.random.default_rng(seed), np.arange(x.shape[1])
    hits, is_sure = np.zeros(x.shape[1], np.int64), np.zeros(x.shape[1], bool)
    for done in range(1, rounds + 1):
        shuffled = kept if len(kept) >= 5 else rng.choice(x.shape[1], 5, replace=False)
        both = np.hstack([x[:, kept], rng.permuted(x[:, shuffled], axis=0)])
        forest = RandomForestClassifier(TREES, max_depth=5, random_state=int(rng.integers(2**31)))
        importance = forest.fit(both, y).feature_importances_
        hits[kept] += importance[: len(kept)] > importance[len(kept) :].max()
        is_sure[kept] |= _passes(binom.sf(hits[kept] - 1, done, 0.5), done)
        kept = kept[is_sure[kept] | ~_passes(binom.cdf(hits[kept], done, 0.5), done)]
        if is_sure[kept].all():
            break
    return kept[is_sure[kept]]


def _passes(p: Array, tests: int) -> Array:
    return (false_discovery_control(p) <= 0.05) & (p <= 0.05 / tests)


RIVALS: dict[str, Selects] = {
    "Benjamini-Hochberg": by_f,
    "knockoffs": by_knockoffs,
    "Boruta": by_shadows,
}


def ours(expression: str, define: str | None) -> Selects:
    """Make a way of a Python expression.

    It gives a selector with ``fit`` and ``get_support``, or a function of (x, y) that gives
    columns; ``seed`` and ``ts`` may stand in it, and what the file `define` does.
    """

    def select(x: Array, y: Array, seed: int) -> Array:
        one = made(expression, define, seed=seed)
        if not hasattr(one, "fit"):
            return np.asarray(one(x, y), dtype=np.intp)
        return one.fit(x, y).get_support(indices=True)

    return select


def known(work: Asked) -> dict[str, Selects]:
    """Give the rivals, ours if it takes a rate, and what is tried."""
    can = "fdr" in inspect.signature(ts.SparseFeatureSelector).parameters
    tried = ({"ours": OURS} if can else {}) | work.tried
    return RIVALS | {name: ours(code, work.define) for name, code in tried.items()}


# --- what is counted ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Table:
    """A drawn table, by its kind, size and number."""

    kind: str
    rows: int
    number: int

    def draw(self) -> Drawn:
        """Draw the table, always the same one."""
        seed = [100 + list(KINDS).index(self.kind), self.rows, self.number]
        return KINDS[self.kind](np.random.default_rng(seed), self.rows, COLUMNS)


def counted(drawn: Drawn, found: Array) -> dict[str, Any]:
    """Count discoveries: the share of false ones, and of the true blocks that have one."""
    is_true = drawn.is_true(found)
    false, power = int((~is_true).sum()), ""
    if len(drawn.true):
        power = f"{len(np.unique(drawn.blocks[found[is_true]])) / len(drawn.true):.4f}"
    share = f"{false / max(1, len(found)):.4f}"
    return {"selected": len(found), "false": false, "fdp": share, "power": power}


def discover(work: Asked, table: Table, method: str, seed: int) -> dict[str, Any]:
    """Select columns of a table, and give the columns of a row."""
    drawn = table.draw()
    found, seconds = timed(lambda: known(work)[method](drawn.x, drawn.y, seed))
    return {**counted(drawn, found), "seconds": f"{seconds:.2f}"}


def open_rows(work: Asked) -> Kept:
    """Open the rows of false discoveries."""
    return Kept("selection-fdr", KEYS, FOUND, work.results)


def tasks(work: Asked, kept: Kept, options: argparse.Namespace) -> Iterator[Any]:
    """Give the runs that have no rows yet."""
    methods = known(work)
    chosen = work.chosen(methods, [name for name in methods if name not in work.tried])
    for number in range(options.count):
        for kind in options.kinds:
            for rows in options.rows:
                for method in chosen:
                    for seed in range(work.seeds):
                        key = {"kind": kind, "rows": rows, "table": number}
                        key |= {"method": method, "seed": seed}
                        if not kept.has(**key):
                            table = Table(kind, rows, number)
                            yield key, partial(discover, work, table, method, seed)


def lines(work: Asked) -> Iterator[str]:
    """Give means by kind, rows and method; of the share of false discoveries 2 standard errors."""
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    kept = open_rows(work)
    names = summary.chosen(kept.rows, work.methods)
    for row in kept.rows:
        if row["method"] in names:
            groups.setdefault((row["kind"], row["rows"], row["method"]), []).append(row)
    body = []
    for group in sorted(groups, key=lambda one: (list(KINDS).index(one[0]), int(one[1]))):
        rows = groups[group]
        parts = {key: [float(row[key]) for row in rows if row[key]] for key in FOUND}
        fdp = np.array(parts["fdp"])
        error = 2 * fdp.std(ddof=1) / np.sqrt(len(fdp)) if len(fdp) > 1 else np.nan
        power = f"{np.mean(parts['power']):.3f}" if parts["power"] else ""
        empty = np.mean([count == 0 for count in parts["selected"]])
        cells = [*group, str(len(rows)), f"{fdp.mean():.3f} ± {error:.3f}", power]
        cells += [f"{np.mean(parts['selected']):.1f}", f"{empty:.2f}"]
        body.append([*cells, f"{np.mean(parts['seconds']):.1f}"])
    head = ["kind", "rows", "method", "tables", "FDP", "power", "selected", "empty", "seconds"]
    yield from summary.grid(head, body)


def run(options: argparse.Namespace) -> None:
    """Run what has no rows, and print the means."""
    work = asked(options)
    kept = open_rows(work)
    for key, row in carry_out(tasks(work, kept, options), work.jobs):
        kept.add(**key, **row)
        print(*key.values(), *row.values(), sep=" | ", flush=True)
    print(*lines(work), sep="\n")


def add_parser(parts: Any) -> None:
    """Add the subcommand."""
    part = parts.add_parser("fdr", help="false discoveries")
    part.add_argument("--count", type=int, default=COUNT, help="tables of a kind and size")
    part.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    part.add_argument("--rows", nargs="+", type=int, default=ROWS)
    add_options(part, seeds=1)
