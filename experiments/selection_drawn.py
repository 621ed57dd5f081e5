"""Drawn tables whose true columns are known, and how many of these a selection finds."""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import selection_summary as summary
from selection_ways import Array, ways
from selection_work import Asked, Kept, add_options, asked, carry_out, timed
from sklearn.datasets import make_classification

ROWS, COLUMNS, TABLES = 200, 3000, 30
METHODS = ("f_classif", "L1", "random forest", "RFE")
KEYS = ["kind", "table", "method", "seed"]


@dataclass(frozen=True)
class Drawn:
    """A table and what is true of it.

    Attributes
    ----------
    x, y
        The samples, (rows, columns), and their classes.
    blocks
        The number of the block of columns that each belongs to; a column is a block where columns
        do not correlate.
    true
        The blocks that tell the class.
    """

    x: Array
    y: Array
    blocks: Array
    true: Array

    def is_true(self, columns: Array) -> Array:
        """Tell of columns whether they belong to a true block."""
        return np.isin(self.blocks[columns], self.true)


def halved(z: Array) -> Array:
    """Make two classes of a number: beyond its median or not."""
    return (z > np.median(z)).astype(np.int64)


def _of(x: Array, z: Array, true: Array) -> Drawn:
    return Drawn(x.astype(np.float32), halved(z), np.arange(x.shape[1]), np.sort(true))


def linear(rng: np.random.Generator, rows: int, columns: int, true: int = 10) -> Drawn:
    """Sum `true` normal columns with signs, and normal noise of standard deviation 1."""
    x = rng.normal(size=(rows, columns))
    at = rng.choice(columns, true, replace=False)
    z = x[:, at] @ rng.choice([-1.0, 1.0], true) + rng.normal(size=rows)
    return _of(x, z, at)


def informative(rng: np.random.Generator, rows: int, columns: int, true: int = 10) -> Drawn:
    """Draw two classes of two clusters each, at corners of a cube of `true` columns.

    scikit-learn's `make_classification` without redundant columns; the rest is normal noise.
    """
    x, y = make_classification(
        rows, columns, n_informative=true, n_redundant=0, flip_y=0, shuffle=False,
        random_state=int(rng.integers(2**31)),
    )  # fmt: skip
    order, samples = rng.permutation(columns), rng.permutation(rows)
    at = np.flatnonzero(order < true)
    return Drawn(x[samples][:, order].astype(np.float32), y[samples], np.arange(columns), at)


def mixed(rng: np.random.Generator, rows: int, columns: int) -> Drawn:
    """Sum eight terms of nine normal columns a to i, each of variance 1, and noise.

    The terms: a, b and -c; ``|d|``, ``-|e|`` and ``f**2``, centred and scaled; ``g h`` and
    ``h i``. The noise is normal, with a standard deviation of 0.5.
    """
    x = rng.normal(size=(rows, columns))
    at = rng.choice(columns, 9, replace=False)
    a, b, c, d, e, f, g, h, i = x[:, at].T
    deviation = np.sqrt(1 - 2 / np.pi)  # of |d|; the means cancel
    z = a + b - c + (np.abs(d) - np.abs(e)) / deviation + (f**2 - 1) / np.sqrt(2) + g * h + h * i
    return _of(x, z + 0.5 * rng.normal(size=rows), at)


KINDS: dict[str, Callable[[np.random.Generator, int, int], Drawn]] = {
    "linear": linear,
    "informative": informative,
    "mixed": mixed,
}


def find(work: Asked, kind: str, table: int, method: str, seed: int) -> dict[str, Any]:
    """Select as many columns as are true, and give the share of the true ones."""
    drawn = KINDS[kind](np.random.default_rng([list(KINDS).index(kind), table]), ROWS, COLUMNS)
    count = len(drawn.true)
    found, seconds = timed(
        lambda: ways(work)[method].choose(drawn.x, drawn.y, [count], seed)[count]
    )
    return {"share": f"{drawn.is_true(found).mean():.4f}", "seconds": f"{seconds:.2f}"}


def open_rows(work: Asked) -> Kept:
    """Open the rows of drawn tables."""
    return Kept("selection-synthetic", KEYS, ["share", "seconds"], work.results)


def tasks(work: Asked, kept: Kept, count: int) -> Iterator[Any]:
    """Give the runs that have no rows yet."""
    chosen = work.chosen(ways(work), METHODS)
    for table in range(count):
        for kind in KINDS:
            for method, way in chosen.items():
                for seed in range(work.seeds if way.is_drawn else 1):
                    key = {"kind": kind, "table": table, "method": method, "seed": seed}
                    if not kept.has(**key):
                        yield key, partial(find, work, kind, table, method, seed)


def lines(work: Asked) -> Iterator[str]:
    """Give the share of the true columns by kind and method."""
    return summary.means(open_rows(work).rows, ["kind"], ["share", "seconds"], work.methods)


def run(options: argparse.Namespace) -> None:
    """Run what has no rows, and print the means."""
    work = asked(options)
    kept = open_rows(work)
    for key, row in carry_out(tasks(work, kept, options.count), work.jobs):
        kept.add(**key, **row)
        print(*key.values(), *row.values(), sep=" | ", flush=True)
    print(*lines(work), sep="\n")


def add_parser(parts: Any) -> None:
    """Add the subcommand."""
    part = parts.add_parser("synthetic", help="true columns of drawn tables")
    part.add_argument("--count", type=int, default=TABLES, help="tables of a kind")
    add_options(part, seeds=1)
