"""What the parts of the comparison of selections share: who is asked, and work that is kept."""

import argparse
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

from rows import RESULTS, Rows
from threadpoolctl import threadpool_limits

T = TypeVar("T")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Asked:
    """What the command line asks for; it goes to other processes.

    Attributes
    ----------
    ours
        What is tried, each ``NAME=EXPRESSION``.
    define
        A Python file with names for them.
    methods
        Those to run or to show; none for all.
    seeds
        Of what a seed matters to.
    results
        The folder that new rows are written to.
    jobs
        Processes.
    data
        The folder of the tables.
    """

    ours: tuple[str, ...] = ()
    define: str | None = None
    methods: tuple[str, ...] = ()
    seeds: int = 3
    results: Path = RESULTS
    jobs: int = 1
    data: Path | None = None

    @property
    def tried(self) -> dict[str, str]:
        """The expressions of `ours` by their names."""
        wrong = [one for one in self.ours if not one.partition("=")[0] or "=" not in one]
        if wrong:
            raise ValueError(f"--ours {wrong[0]!r}: expected NAME=EXPRESSION")
        return dict(one.split("=", 1) for one in self.ours)

    def chosen(self, known: Mapping[str, T], default: Iterable[str]) -> dict[str, T]:
        """Give the methods to run: those named, or the default ones and what is tried."""
        wanted = self.methods or [*default, *self.tried]
        unknown = [name for name in wanted if name not in known]
        if unknown:
            raise ValueError(f"--methods {unknown[0]!r}: expected of {', '.join(known)}")
        return {name: known[name] for name in wanted}


@dataclass
class Kept:
    """Rows of the repository, and of another folder where new ones are written.

    Parameters
    ----------
    name, keys, columns
        Those of `Rows`.
    folder
        Where new rows are written.
    """

    name: str
    keys: list[str]
    columns: list[str]
    folder: Path = RESULTS
    _files: list[Rows] = field(init=False)

    def __post_init__(self) -> None:
        folders = [self.folder, *([RESULTS] if self.folder.resolve() != RESULTS.resolve() else [])]
        self._files = [Rows(self.name, self.keys, self.columns, folder) for folder in folders]
        self._done = {self._key(row) for row in self.rows}

    @property
    def rows(self) -> list[dict[str, str]]:
        """All rows, those of the repository first."""
        return [row for file in self._files[::-1] for row in file.rows]

    def has(self, **key: Any) -> bool:
        """Tell whether a run was done."""
        return self._key(key) in self._done

    def add(self, **row: Any) -> None:
        """Write a row to the file at once."""
        self._done.add(self._key(self._files[0].add(**row)))

    def _key(self, row: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(str(row[name]) for name in self.keys)


def carry_out(
    tasks: Iterable[tuple[T, Callable[[], Result]]], jobs: int
) -> Iterator[tuple[T, Result]]:
    """Do tasks in some processes, each with one thread, and give the results in their order.

    Parameters
    ----------
    tasks
        Each with a label. With more than one process pickle must know the functions.
    jobs
        Processes; with 1 this one.
    """
    if jobs == 1:
        for label, task in tasks:
            yield label, alone(task)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        waiting = [(label, pool.submit(alone, task)) for label, task in tasks]
        for label, future in waiting:
            yield label, future.result()


def alone(task: Callable[[], Result]) -> Result:
    """Do a task with one thread, without warnings."""
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return task()


def timed(job: Callable[[], Result]) -> tuple[Result, float]:
    """Give a result, and the seconds that the processor took for it."""
    started = time.process_time()
    found = job()
    return found, time.process_time() - started


def add_options(parser: argparse.ArgumentParser, *, seeds: int = 3) -> None:
    """Add the options that `Asked` takes."""
    parser.add_argument(
        "--ours", action="append", default=[], metavar="NAME=EXPRESSION", help="what is tried"
    )
    parser.add_argument("--define", metavar="FILE", help="Python names for the expressions")
    parser.add_argument("--methods", nargs="+", default=[], help="only these; default: all")
    parser.add_argument("--seeds", type=int, default=seeds, help="default: %(default)s")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where new rows are kept")
    parser.add_argument("--jobs", type=int, default=1, help="processes; default: %(default)s")
    parser.add_argument("--data", type=Path, metavar="FOLDER", help="of the tables")


def asked(options: argparse.Namespace) -> Asked:
    """Read the options of `add_options`."""
    return Asked(
        tuple(options.ours), options.define, tuple(options.methods), options.seeds,
        options.results, options.jobs, options.data,
    )  # fmt: skip
