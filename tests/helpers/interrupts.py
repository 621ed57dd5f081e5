#!/usr/bin/env python3
"""Interrupt each long call at random moments, beside busy threads and processes, and print a table.

``PYTHONPATH=tests python tests/helpers/interrupts.py`` takes some minutes. Of each call it tells
how many interrupts came within it, how long the slowest took from the signal to the
KeyboardInterrupt, and how many were lost or left a model that is at no completed step. Exit status
1 if any did.
"""

from __future__ import annotations

import argparse
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import trulysparse as ts

from helpers import interrupting, limits

# Sends a signal after a delay and tells when; another process, which no thread of ours holds up.
SENDER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    at = time.monotonic()
    os.kill(os.getppid(), signal.SIGINT)
    print(at, flush=True)
"""
SPIN = """
import os
parent = os.getppid()
while os.getppid() == parent:
    sum(range(100_000))
"""


@dataclass
class Work:
    """Models and samples for the calls; `size` scales how long they take."""

    size: float
    folder: Path
    x: Any = field(init=False)
    y: Any = field(init=False)
    saved: bytes = field(init=False)
    large: bytes = field(init=False)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(0)
        rows = max(200, int(60_000 * self.size))
        self.x = rng.normal(size=(rows, 40)).astype(np.float32)
        self.y = np.arange(rows) % 3
        self.saved = pickle.dumps(self.make())
        side = max(50, int(2500 * self.size**0.5))
        self.sizes = [side, side, side, 3]
        self.epochs = max(8, min(30, int(100 * self.size)))
        self.large = pickle.dumps(ts.SparseMLP(self.sizes, density=0.3, seed=1, threads=2))

    @staticmethod
    def make(**options: Any) -> ts.SparseMLP:
        return ts.SparseMLP([40, 100, 100, 3], **{"epsilon": 8, "seed": 0, "threads": 2} | options)

    def fit(self, model: ts.SparseMLP, **options: Any) -> None:
        model.fit(self.x, self.y, **{"epochs": 3, "batch_size": 64, "progress": False} | options)

    def steps(self, model: ts.SparseMLP, **options: Any) -> None:
        """A step an epoch, so that the state after each step can be known."""
        x, y = next(self.batches())
        chosen = {"batch_size": len(x), "epochs": self.epochs, "topology": None, "progress": False}
        model.fit(x, y, **chosen | options)

    def batches(self) -> Iterator[Any]:
        part = len(self.x) // 10
        while True:
            for start in range(0, 10 * part, part):
                yield self.x[start : start + part], self.y[start : start + part]


Call = Callable[[Work, ts.SparseMLP], Any]
# Calls of a small model that change it: after an interrupt it has the state of a completed step.
STEPS: dict[str, Call] = {
    "fit": lambda work, model: work.steps(model),
    "fit, WASSP": lambda work, model: work.steps(
        model, strategy=ts.WASSP(workers=2, local_fraction=0)
    ),
    "fit, batches": lambda work, model: model.fit(
        work.batches(), epochs=work.epochs, steps_per_epoch=1, topology=None, progress=False
    ),
}
# Of these the order of steps is not known: the model is whole.
FITS: dict[str, Call] = {
    "fit, many steps": lambda work, model: work.fit(model),
    "fit, WASAP": lambda work, model: work.fit(model, strategy=ts.WASAP(workers=2)),
    "fit, local phase": lambda work, model: work.fit(
        model, strategy=ts.WASSP(workers=2, local_fraction=1)
    ),
}
# Calls of a large model that change it at once: it is as before, or as after the whole call.
CHANGES: dict[str, Call] = {
    "train_on_batch": lambda work, model: model.train_on_batch(
        np.ones((4, work.sizes[0]), np.float32), [0, 1, 2, 0]
    ),
    "evolve": lambda work, model: model.evolve(),
    "prune": lambda work, model: model.prune(percentile=20),
    "compact": lambda work, model: model.compact(inputs=True),
}
# Calls that leave the model alone; of a small one, and of a large one.
LOOKS: dict[str, Call] = {
    "predict": lambda work, model: model.predict(work.x, batch_size=16),
    "evaluate": lambda work, model: model.evaluate(work.x, work.y, batch_size=16),
}
LARGE_LOOKS: dict[str, Call] = {
    "importance": lambda work, model: (model.importance(1), model.feature_importance()),
    "save": lambda work, model: model.save(work.folder / "saved"),
    "load": lambda work, model: ts.load(work.folder / "model"),
    "pickle": lambda work, model: pickle.loads(pickle.dumps(model)),
    "making": lambda work, model: ts.SparseMLP(work.sizes, density=0.3, seed=1, threads=2),
}
CALLS = STEPS | FITS | CHANGES | LOOKS | LARGE_LOOKS


def state(model: ts.SparseMLP) -> int:
    """A hash of all that is saved."""
    return hash(pickle.dumps(model))


def is_whole(work: Work, model: ts.SparseMLP) -> bool:
    """Whether all parts of a model agree, and it can be trained on."""
    numbers = [part for layer in model.layers for part in (layer.weight.data, layer.bias)]
    history = model.history
    good = all(len(values) == len(history.epoch) for values in history.history.values())
    good &= all(np.isfinite(part).all() for part in numbers)
    before = model.steps_trained
    model.train_on_batch(work.x[:10], work.y[:10])
    return bool(good and model.steps_trained == before + 1)


@dataclass
class Outcome:
    """What became of the interrupts of one call."""

    tried: int = 0
    within: int = 0  # the others came just after the call's end
    lost: int = 0
    wrong: int = 0
    slowest: float = 0.0


# What orders an interrupt after a delay, and what waits for when it was sent.
Sender: TypeAlias = tuple[Callable[[float], None], Callable[[], float]]


@contextmanager
def load(processes: int, threads: int = 2) -> Iterator[None]:
    """Keep the processors and the interpreter busy."""
    stop = threading.Event()
    model, x = Work.make(seed=3), np.ones((500, 40), np.float32)

    def look() -> None:
        while not stop.is_set():
            model.predict(x)

    def count() -> None:
        while not stop.is_set():
            sum(range(1000))

    running = [threading.Thread(target=(look, count)[i % 2], daemon=True) for i in range(threads)]
    for thread in running:
        thread.start()
    spinning = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        stop.set()
        for process in spinning:
            process.kill()
            process.wait(limits.CHILD)
        for thread in running:
            thread.join(limits.CHILD)


@contextmanager
def sender() -> Iterator[Sender]:
    """Give a function that orders an interrupt, and one that waits for when it was sent.

    Processes that a shell starts in the background ignore interrupts, so that all would be lost.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-c", SENDER]
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    # Ctrl-C of a terminal would reach it as well.
    with subprocess.Popen(command, **pipes, start_new_session=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to, of = process.stdin, process.stdout

        def order(delay: float) -> None:
            to.write(f"{delay}\n")
            to.flush()

        try:
            yield order, lambda: float(of.readline())
        finally:
            to.close()
            signal.signal(signal.SIGINT, before)


def reference(work: Work, name: str) -> set[int]:
    """The states that a model can have after an interrupt of a call."""
    model = pickle.loads(work.saved if name in STEPS else work.large)
    states = {state(model)}

    class Note(ts.Callback):
        def on_epoch_end(self, epoch: int, logs: Any) -> None:
            states.add(state(self.model))

    usual = ts.SparseMLP.fit

    def noted(self: ts.SparseMLP, *arguments: Any, **options: Any) -> Any:
        return usual(self, *arguments, **options, callbacks=[Note()])

    ts.SparseMLP.fit = noted  # type: ignore[method-assign]
    try:
        CALLS[name](work, model)
    finally:
        ts.SparseMLP.fit = usual  # type: ignore[method-assign]
    states.add(state(model))
    return states


def attempt(work: Work, name: str, by: Sender, delay: float) -> tuple[Any, bool | None, float]:
    """Interrupt a call: its model, whether it was within the call (None: lost), and the seconds."""
    small = name in STEPS or name in FITS or name in LOOKS
    model = pickle.loads(work.saved if small else work.large)
    order, sent = by
    within: bool | None = True
    with interrupting.heard():
        try:
            order(delay)
            CALLS[name](work, model)
            within = False
            try:
                interrupting.await_interrupt()
            except AssertionError:
                within = None
            raised = time.monotonic()
        except KeyboardInterrupt:
            raised = time.monotonic()
        for _ in range(100):  # a second one would come here
            time.sleep(0)
        at = sent()
    return model, within, raised - at


def run(work: Work, name: str, moments: int, draw: random.Random, by: Sender) -> Outcome:
    """Interrupt a call at random moments."""
    states = set() if name in FITS or name in LOOKS or name in LARGE_LOOKS else None
    if states is None:
        states = reference(work, name)
    model = pickle.loads(work.large)
    model.save(work.folder / "model")
    model.save(work.folder / "saved")
    before = (work.folder / "saved").read_bytes()
    small = name in STEPS or name in FITS or name in LOOKS
    model = pickle.loads(work.saved if small else work.large)
    started = time.monotonic()
    CALLS[name](work, model)
    whole = time.monotonic() - started
    unchanged = state(pickle.loads(work.saved if name in LOOKS else work.large))
    outcome = Outcome()
    attempt(work, name, by, 0.0)  # the first one is slow
    for _ in range(moments):
        outcome.tried += 1
        try:
            model, within, seconds = attempt(work, name, by, draw.uniform(0, whole))
        except AssertionError:  # dropped where Python can raise nothing
            outcome.lost += 1
            continue
        outcome.within += within is True
        outcome.lost += within is None
        outcome.slowest = max(outcome.slowest, seconds if within else 0.0)
        if name in FITS:
            good = is_whole(work, model)
        elif states:
            good = state(model) in states
        else:
            good = state(model) == unchanged
            good &= (work.folder / "saved").read_bytes() == before
            good &= {path.name for path in work.folder.iterdir()} == {"model", "saved"}
        outcome.wrong += not good
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--moments", type=int, default=50, help="of each call")
    parser.add_argument("--size", type=float, default=0.3, help="of models and samples")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="busy ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--calls", nargs="+", default=list(CALLS), choices=list(CALLS))
    arguments = parser.parse_args()
    draw = random.Random(arguments.seed)
    print("| call | interrupts | within it | slowest | lost | at no completed step |")
    print("|---|---|---|---|---|---|", flush=True)
    bad = 0
    with tempfile.TemporaryDirectory() as folder, load(arguments.processes), sender() as by:
        work = Work(arguments.size, Path(folder))
        for name in arguments.calls:
            found = run(work, name, arguments.moments, draw, by)
            slowest = f"{found.slowest * 1000:.0f} ms"
            cells = [name, found.tried, found.within, slowest, found.lost, found.wrong]
            print("|", " | ".join(map(str, cells)), "|", flush=True)
            bad += found.lost + found.wrong
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
