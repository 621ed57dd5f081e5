"""Read tables of text with `read_table`, polars, pandas and pyarrow: time, memory, what is right.

    python benches/reading.py --make FOLDER            # 200 x 50,000, 10^6 x 30 and 10^5 x 10^3
    python benches/reading.py FOLDER --repeats 3       # each in a fresh process, in turn
    python benches/reading.py --dialects 90            # files of one known table, as tests draw

pandas and pyarrow are left out where they are not installed. All readers have their defaults.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.util
import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIZES = {"wide": (200, 50_000), "long": (1_000_000, 30), "mid": (100_000, 1_000)}
CHUNK = 2_000_000  # cells that are drawn at once


def make(folder: Path) -> None:
    """Write the files."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True, exist_ok=True)
    for name, (rows, columns) in SIZES.items():
        with open(folder / f"{name}.csv", "w", encoding="utf-8") as file:
            file.write(",".join([*(f"c{k}" for k in range(columns)), "label"]) + "\n")
            step = max(1, CHUNK // columns)
            for first in range(0, rows, step):
                block = rng.normal(size=(min(step, rows - first), columns))
                for row in block:
                    cells = [f"{value:.5g}" for value in row.tolist()]
                    file.write(",".join([*cells, "ab"[int(row[0] > 0)]]) + "\n")


def readers() -> dict[str, Callable[[str], Any]]:
    """Give the readers that are installed."""

    def ours(path: str) -> Any:
        import trulysparse as ts

        return ts.read_table(path, label=False).x

    def polars(path: str) -> Any:
        import polars as pl

        return pl.read_csv(path)

    def pandas(path: str) -> Any:
        import pandas as pd

        return pd.read_csv(path)

    def pyarrow(path: str) -> Any:
        from pyarrow import csv

        return csv.read_csv(path)

    every = {"trulysparse": ours, "polars": polars, "pandas": pandas, "pyarrow": pyarrow}
    return {name: read for name, read in every.items() if importlib.util.find_spec(name)}


def one(reader: str, path: str) -> None:
    """Read a file, and print seconds, those of all CPUs, and the peak of memory in MiB."""
    import resource

    read = readers()[reader]
    small = Path(tempfile.mkdtemp()) / "small.csv"
    small.write_text("a,b\n1.5,x\n2.5,y\n")
    read(str(small))  # imports are not counted
    start, work = time.perf_counter(), time.process_time()
    read(path)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([seconds, work, peak]))


def compare(folder: Path, repeats: int) -> None:
    """Read each file with all readers in turn, and print the medians."""
    print("| file | reader | seconds | of the fastest | CPU seconds | peak MiB | of the table |")
    print("|---|---|---|---|---|---|---|")
    for name, (rows, columns) in SIZES.items():
        table = 8 * rows * columns / 2**20  # as float64
        path = folder / f"{name}.csv"
        found: dict[str, list[list[float]]] = {}
        for _ in range(repeats):
            for reader in readers():
                command = [sys.executable, __file__, "--one", reader, str(path)]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                found.setdefault(reader, []).append(json.loads(done.stdout.splitlines()[-1]))
        medians = {
            reader: [statistics.median(part) for part in zip(*runs, strict=True)]
            for reader, runs in found.items()
        }
        best = min(seconds for r, (seconds, *_) in medians.items() if r != "trulysparse")
        for reader, (seconds, work, peak) in medians.items():
            print(
                f"| {name} | {reader} | {seconds:.2f} | {seconds / best:.2f} | {work:.2f} | "
                f"{peak:.0f} | {peak / table:.2f} |"
            )


def plain(value: Any) -> Any:
    """Make values of libraries comparable."""
    value = value.item() if hasattr(value, "item") else value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, datetime.datetime):
        return value.date() if value.time() == datetime.time() else value
    return value


def cells(frame: Any) -> list[list[Any]]:
    """Give the columns of a frame of any library."""
    if hasattr(frame, "to_pydict"):
        return [[plain(v) for v in column] for column in frame.to_pydict().values()]
    names = list(frame.columns)
    return [
        [
            None if v is not v or str(v) in ("<NA>", "NaT") else plain(v)
            for v in frame[name].tolist()
        ]
        if hasattr(frame[name], "tolist")
        else [plain(v) for v in frame[name].to_list()]
        for name in names
    ]


def same(got: list[Any], want: list[Any]) -> bool:
    """Tell whether two columns are the same; whole floats may stand for integers."""
    return len(got) == len(want) and all(
        a == b
        and isinstance(a, bool) == isinstance(b, bool)
        and isinstance(a, str) == isinstance(b, str)
        for a, b in zip(got, want, strict=True)
    )


def dialects(count: int) -> None:
    """Print of how many files each reader reads all columns, and of how many columns."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
    from helpers import dialects as drawn

    folder = Path(tempfile.mkdtemp())
    print("| reader | files right | columns right | refused or failed |\n|---|---|---|---|")
    for reader, read in readers().items():
        right = columns = total = refused = 0
        for seed in range(count):
            dialect = drawn.draw(seed)
            table = drawn.table(seed, plain=dialect.is_blanks)
            path = folder / f"t{seed}.csv{'.gz' if dialect.packed else ''}"
            path.write_bytes(drawn.write(table, dialect))
            total += len(table)
            try:
                got = cells(read(str(path)))
            except Exception:  # each library has its own
                refused += 1
                continue
            hits = sum(any(same(one, want) for one in got) for want in table.values())
            columns += hits
            right += hits == len(table)
        print(f"| {reader} | {right} of {count} | {columns} of {total} | {refused} |")


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--make", type=Path)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dialects", type=int)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        one(*args.one)
    elif args.make:
        make(args.make)
    elif args.dialects:
        dialects(args.dialects)
    elif args.folder:
        compare(args.folder, args.repeats)
    else:
        parser.error("expected a folder, --make or --dialects")


if __name__ == "__main__":
    main()
