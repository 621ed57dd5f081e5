"""Time and memory of one selection from a million columns, sparse or in a file of 4 GB.

Each runs in a new process. Memory is the most that it held beside pages of mapped files, looked at
every few milliseconds, less what the process had before. Wide tables are never a dense array here.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import selection_summary as summary
from scipy import sparse
from selection_ways import OURS, Array, made
from selection_work import Asked, Kept, add_options, asked

KINDS = ("sparse", "dense")
ROWS, COLUMNS, TRUE = 1000, 1_000_000, 20
STORED = 0.001  # of the cells of a sparse table
KEYS = ["kind", "rows", "columns", "method", "seed"]
ONE = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
FOUND = ["found", "seconds", "wall", "grown_mb", "mapped_mb", "hwm_mb"]


def labels(rng: np.random.Generator, rows: int) -> Array:
    """Draw two classes, as many rows of each."""
    return rng.permutation(np.arange(rows) % 2)


def draw_sparse(rows: int, columns: int) -> tuple[sparse.csr_array, Array, Array]:
    """Draw a sparse table, its classes and its true columns.

    A true column is stored in 60 % of the rows of one class and in 20 % of the other; the rest in
    a thousandth. All values are exponential.
    """
    rng = np.random.default_rng(0)
    y, true = labels(rng, rows), np.sort(rng.choice(columns, TRUE, replace=False))
    x = sparse.random_array((rows, columns), density=STORED, rng=rng, dtype=np.float32)
    likes = rng.integers(0, 2, TRUE) == y[:, None]
    at, which = np.nonzero(rng.random((rows, TRUE)) < np.where(likes, 0.6, 0.2))
    values = rng.exponential(size=len(at)).astype(np.float32)
    more = sparse.coo_array((values, (at, true[which])), shape=x.shape)
    return (x + more).tocsr(), y, true


def write_dense(path: Path, rows: int, columns: int) -> tuple[Array, Array]:
    """Write a dense table row by row, and give its classes and its true columns.

    All columns are normal; the classes are 1 apart in the mean of the true ones.
    """
    rng = np.random.default_rng(1)
    y, true = labels(rng, rows), np.sort(rng.choice(columns, TRUE, replace=False))
    signs = rng.choice([-0.5, 0.5], TRUE)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, columns))
    for row in range(rows):
        out[row] = rng.standard_normal(columns, dtype=np.float32)
        out[row, true] += signs * (2 * y[row] - 1)
    out.flush()
    return y, true


# --- what is measured -----------------------------------------------------------------------------


def resident() -> tuple[int, int]:
    """Give the memory of this process: without mapped files, and the part that is mapped."""
    pages = Path("/proc/self/statm").read_text().split()[1:3]
    every, mapped = (int(count) * os.sysconf("SC_PAGESIZE") for count in pages)
    return every - mapped, mapped


def high_water() -> int:
    """Give the most memory that this process had, mapped files included."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Peak:
    """The most memory beside mapped files, and the most mapped, looked at again and again."""

    def __enter__(self) -> "Peak":
        self.most, self.mapped = resident()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends.wait(0.003):
            most, mapped = resident()
            self.most, self.mapped = max(self.most, most), max(self.mapped, mapped)


def select(job: dict[str, Any]) -> dict[str, Any]:
    """Select the first columns of a table by their scores, as in the new process."""
    y = np.load(f"{job['folder']}/y.npy")
    names = {"seed": job["seed"], "K": TRUE}
    small = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    warm = sparse.csr_array(small) if job["kind"] == "sparse" else small
    made(job["code"], job["define"], **names).fit(warm, np.arange(40) % 2)  # libraries are there
    if job["kind"] == "sparse":
        x = sparse.load_npz(f"{job['folder']}/x.npz")
    else:
        x = np.load(f"{job['folder']}/x.npy", mmap_mode="r")
    before = resident()[0]
    started = time.perf_counter(), time.process_time()
    with Peak() as peak:
        scores = made(job["code"], job["define"], **names).fit(x, y).scores_
    wall, seconds = time.perf_counter() - started[0], time.process_time() - started[1]
    first = np.argsort(-scores, kind="stable")[:TRUE]
    return {
        "found": len(set(first.tolist()) & set(job["true"])),
        "seconds": f"{seconds:.1f}",
        "wall": f"{wall:.1f}",
        "grown_mb": round((peak.most - before) / 1e6),
        "mapped_mb": round(peak.mapped / 1e6),
        "hwm_mb": round(high_water() / 1e6),
    }


def measure(
    work: Asked, kind: str, code: str, seed: int, sizes: tuple[int, int], folder: str | None
) -> dict[str, Any]:
    """Write a table, and select from it in a new process."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        if kind == "sparse":
            x, y, true = draw_sparse(*sizes)
            sparse.save_npz(f"{place}/x.npz", x, compressed=False)
            del x
        else:
            y, true = write_dense(Path(place) / "x.npy", *sizes)
        np.save(f"{place}/y.npy", y)
        job = {"kind": kind, "code": code, "define": work.define, "seed": seed, "folder": place}
        text = json.dumps({**job, "true": true.tolist()})
        command = [sys.executable, __file__, text]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, env={**os.environ, **ONE}
        )
    if done.returncode:
        raise RuntimeError(f"{kind}, {code}: {done.stderr.strip()[-600:]}")
    return json.loads(done.stdout)


def open_rows(work: Asked) -> Kept:
    """Open the rows of large tables."""
    return Kept("selection-scale", KEYS, FOUND, work.results)


def lines(work: Asked) -> Iterator[str]:
    """Give what was measured by kind and method."""
    keys = ["kind", "rows", "columns"]
    return summary.means(open_rows(work).rows, keys, FOUND, work.methods)


def run(options: argparse.Namespace) -> None:
    """Run what has no rows, and print what was measured."""
    work = asked(options)
    kept = open_rows(work)
    for kind in options.kinds:
        for method, code in work.chosen(OURS | work.tried, ["ours"]).items():
            for seed in range(work.seeds):
                key = {"kind": kind, "rows": options.rows, "columns": options.columns}
                key |= {"method": method, "seed": seed}
                if not kept.has(**key):
                    sizes = options.rows, options.columns
                    kept.add(**key, **measure(work, kind, code, seed, sizes, options.folder))
    print(*lines(work), sep="\n")


def add_parser(parts: Any) -> None:
    """Add the subcommand."""
    part = parts.add_parser("scale", help="time and memory with a million columns")
    part.add_argument("--folder", help="where the tables are written, 4 GB; default: for temporary")
    part.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    part.add_argument("--rows", type=int, default=ROWS)
    part.add_argument("--columns", type=int, default=COLUMNS)
    add_options(part, seeds=1)


if __name__ == "__main__":
    print(json.dumps(select(json.loads(sys.argv[1]))))
