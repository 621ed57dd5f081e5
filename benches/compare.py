"""Compare two builds of the package by the training step: instructions and times.

    python benches/compare.py BEFORE AFTER

BEFORE and AFTER are folders that each hold a built package `trulysparse`, such as ``python/`` of a
working tree. Instructions are counted by callgrind, on one thread and with AVX2, as valgrind knows
no AVX-512: a fit of 2 n steps less one of n, which leaves out what a fit does once. They are the
same on a busy machine. Times are of fits in two processes that take turns; they want an idle
machine. Needs Linux, valgrind with its headers and a C compiler.

The exit status is 1 if a ratio is beyond its limit or if the builds compute different bits.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COUNT_LIMIT, TIME_LIMIT = 0.03, 0.07
REPEATS = 15


@dataclass(frozen=True)
class Shape:
    """A network with its batch, and the steps that are counted and timed at once."""

    sizes: tuple[int, ...]
    batch: int
    counted: int
    timed: int
    adam: bool = False


SHAPES = {
    "fashion": Shape((784, 1000, 1000, 1000, 10), 128, 3, 30),
    "cifar": Shape((3072, 4000, 1000, 4000, 10), 128, 2, 10),
    "table": Shape((20000, 100, 2), 32, 4, 20),
    "tiny": Shape((20, 100, 2), 1, 400, 10000),
    "deep": Shape((784, *[256] * 10, 10), 64, 4, 40, adam=True),
}

# What callgrind is asked by the program that it runs.
REQUESTS = """
#include <valgrind/callgrind.h>
void start(void) { CALLGRIND_START_INSTRUMENTATION; }
void stop(void) { CALLGRIND_STOP_INSTRUMENTATION; }
void zero(void) { CALLGRIND_ZERO_STATS; }
void dump(const char *label) { CALLGRIND_DUMP_STATS_AT(label); }
"""


# --- in the process that trains -------------------------------------------------------------------


class Training:
    """A model of a shape that trains for a number of steps when it is told to."""

    def __init__(self, shape: Shape, steps: int, threads: int) -> None:
        import numpy as np
        import trulysparse as ts

        folder = Path(os.environ["PYTHONPATH"]).resolve()
        if folder not in Path(ts.__file__).resolve().parents:
            raise SystemExit(f"{ts.__file__} was imported: expected a package in {folder}")
        self.shape = shape
        rng = np.random.default_rng(0)
        rows = shape.batch * steps
        self.x = rng.standard_normal((rows, shape.sizes[0]), dtype=np.float32)
        self.y = rng.integers(0, shape.sizes[-1], rows)
        self.model = ts.SparseMLP(shape.sizes, epsilon=20, dropout=0.3, seed=0, threads=threads)
        # A rate at which thousands of steps neither diverge nor end in vanishing gradients.
        self.optimizer = ts.Adam(1e-6) if shape.adam else ts.SGD(1e-6, momentum=0.9)
        self.train(1)

    def train(self, steps: int) -> None:
        """Train for one epoch of that many steps; the topology stays."""
        rows = steps * self.shape.batch
        self.model.fit(
            self.x[:rows],
            self.y[:rows],
            epochs=1,
            batch_size=self.shape.batch,
            optimizer=self.optimizer,
            topology=None,
            progress=False,
        )

    def bits(self) -> str:
        """The hash of what the model predicts."""
        return hashlib.sha256(self.model.predict(self.x[:64]).tobytes()).hexdigest()


def count_here(shapes: list[str], library: str) -> None:
    """Train under callgrind, which writes a file after each fit."""
    requests = ctypes.CDLL(library)
    bits = {}
    for name in shapes:
        steps = SHAPES[name].counted
        training = Training(SHAPES[name], 2 * steps, threads=1)
        for factor in (1, 2):
            requests.start()
            requests.zero()
            training.train(factor * steps)
            requests.dump(f"{name} {factor}".encode())
            requests.stop()
        bits[name] = training.bits()
    print(json.dumps(bits))


def time_here(name: str, threads: int) -> None:
    """Train whenever a line comes in, and answer with the seconds; at the end with the bits."""
    steps = SHAPES[name].timed
    training = Training(SHAPES[name], steps, threads)
    training.train(steps)
    for line in sys.stdin:
        if line.strip() == "end":
            print(training.bits(), flush=True)
            return
        start = time.perf_counter()
        training.train(steps)
        print(time.perf_counter() - start, flush=True)


# --- in the process that compares -----------------------------------------------------------------


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a process that trains with the package in `folder`."""
    steady = {"PYTHONHASHSEED": "0", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(folder)}
    return os.environ | steady | more


def instructions(folders: list[Path], shapes: list[str]) -> dict[str, tuple[list[float], bool]]:
    """For each shape the instructions of a step, by folder, and whether the bits are the same."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary)
        (out / "requests.c").write_text(REQUESTS)
        library = out / "requests.so"
        compiler = os.environ.get("CC", "cc")
        source = str(out / "requests.c")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
        runs = []
        for i, folder in enumerate(folders):
            valgrind = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no"]
            valgrind += [f"--callgrind-out-file={out}/{i}"]
            command = [sys.executable, __file__, "--count-here", str(library), "--shapes", *shapes]
            runs.append(
                subprocess.Popen(
                    [*valgrind, *command],
                    env=environment(folder, TRULYSPARSE_ISA="avx2"),
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        bits = [json.loads(run.communicate()[0] or "{}") for run in runs]
        if any(run.returncode for run in runs):
            raise SystemExit("callgrind failed")
        totals = [_totals(out, i) for i in range(len(folders))]
    return {
        name: (
            [(t[f"{name} 2"] - t[f"{name} 1"]) / SHAPES[name].counted for t in totals],
            len({b[name] for b in bits}) == 1,
        )
        for name in shapes
    }


def _totals(out: Path, run: int) -> dict[str, int]:
    """The instructions of each fit of a run, by its label."""
    totals = {}
    for path in out.glob(f"{run}.*"):
        text = path.read_text()
        label = re.search(r"^desc: Trigger: Client Request: (.+)$", text, re.MULTILINE)
        total = re.search(r"^(?:totals|summary): (\d+)", text, re.MULTILINE)
        if label and total:
            totals[label[1]] = int(total[1])
    return totals


def seconds(folders: list[Path], name: str, threads: int) -> tuple[list[float], bool]:
    """The median seconds of a step by folder, and whether the bits are the same."""
    command = [sys.executable, __file__, "--time-here", name, "--threads", str(threads)]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, env=environment(f), **pipes) for f in folders]

    def ask(worker: subprocess.Popen[str], what: str) -> str:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(what + "\n")
        worker.stdin.flush()
        answer = worker.stdout.readline()
        if not answer:
            raise SystemExit("a process that is timed has failed")
        return answer.strip()

    taken: list[list[float]] = [[] for _ in folders]
    order = list(range(len(folders)))
    for _ in range(REPEATS):
        for i in order:
            taken[i].append(float(ask(workers[i], "go")) / SHAPES[name].timed)
        order.reverse()
    bits = {ask(worker, "end") for worker in workers}
    for worker in workers:
        worker.communicate()
    return [statistics.median(times) for times in taken], len(bits) == 1


def report(title: str, limit: float, shapes: list[str], of: Callable[[str], Any]) -> bool:
    """Print a table, a row as soon as it is measured, and tell whether all of it is good."""
    print(f"\n{title:30} {'before':>14} {'after':>14} {'ratio':>7}  within {limit:.0%}", flush=True)
    good = True
    for name in shapes:
        (before, after), same = of(name)
        ratio = after / before
        within = ratio <= 1 + limit
        good = good and within and same
        words = ("yes" if within else "NO") + ("" if same else ", BITS DIFFER")
        print(f"{name:30} {before:14,.1f} {after:14,.1f} {ratio:7.3f}  {words}", flush=True)
    return good


def main() -> int:
    """Compare, or be one of the processes that train."""
    parser = argparse.ArgumentParser(description="Compare the training step of two builds.")
    parser.add_argument("folders", nargs="*", type=Path, metavar="BEFORE AFTER")
    parser.add_argument("--only", choices=["instructions", "times"])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--threads", type=int, default=1, help="of what is timed; default 1")
    parser.add_argument("--count-here", help=argparse.SUPPRESS)
    parser.add_argument("--time-here", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.count_here:
        count_here(arguments.shapes, arguments.count_here)
        return 0
    if arguments.time_here:
        time_here(arguments.time_here, arguments.threads)
        return 0
    folders = [folder.resolve() for folder in arguments.folders]
    if len(folders) != 2 or not all((folder / "trulysparse").is_dir() for folder in folders):
        parser.error("expected two folders that each hold a package trulysparse")
    good = True
    if arguments.only != "times":
        counted = instructions(folders, arguments.shapes)
        title = "instructions a step"
        good &= report(title, COUNT_LIMIT, arguments.shapes, counted.__getitem__)
    if arguments.only != "instructions":

        def microseconds(name: str) -> tuple[list[float], bool]:
            medians, same = seconds(folders, name, arguments.threads)
            return [1e6 * median for median in medians], same

        title = f"microseconds a step, threads={arguments.threads}"
        good &= report(title, TIME_LIMIT, arguments.shapes, microseconds)
    return int(not good)


if __name__ == "__main__":
    raise SystemExit(main())
