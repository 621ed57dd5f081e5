"""The interpreter ends while threads are at work."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import limits

START = """
import sys, threading, time
import numpy as np
import trulysparse as ts

x, y = np.random.default_rng(0).normal(size=(2000, 20)), np.arange(2000) % 3
model = ts.SparseMLP([20, 100, 100, 3], density=0.5, seed=0, threads=2)
begun = threading.Event()

class Begun(ts.Callback):
    def on_epoch_end(self, epoch, logs=None):
        begun.set()

def batches():
    while True:
        yield x, y

def again(work):
    def run():
        while True:
            work()
            begun.set()
    return run

def fit(**options):
    chosen = dict(epochs=10**6, progress=False, callbacks=[Begun()]) | options
    return lambda: model.fit(x, y, **chosen)

folder = sys.argv[1]
WORK = {
    "fit": fit(),
    "fit with a bar": fit(progress=True),
    "WASSP": fit(strategy=ts.WASSP(workers=2)),
    "WASAP": fit(strategy=ts.WASAP(workers=2)),
    "local": fit(strategy=ts.WASSP(workers=2, local_fraction=1)),
    "batches": lambda: model.fit(batches(), epochs=10**6, steps_per_epoch=2, progress=False,
                                 callbacks=[Begun()]),
    "predict": again(lambda: model.predict(x)),
    "evaluate": again(lambda: model.evaluate(x, y)),
    "evolve": again(lambda: model.evolve()),
    "save": again(lambda: model.save(folder + "/model")),
    "load": again(lambda: (model.save(folder + "/model"), ts.load(folder + "/model"))),
    "making": again(lambda: ts.SparseMLP([300, 3000, 3], density=0.5, seed=0, threads=2)),
}
thread = threading.Thread(target=WORK[sys.argv[2]], daemon=True)
thread.start()
assert begun.wait(100)
"""
NAMES = (
    "fit",
    "fit with a bar",
    "WASSP",
    "WASAP",
    "local",
    "batches",
    "predict",
    "evaluate",
    "evolve",
    "save",
    "load",
    "making",
)


def ended(end: str, name: str, folder: Path) -> subprocess.CompletedProcess[Any]:
    return subprocess.run(
        [sys.executable, "-c", START + end, str(folder), name],
        capture_output=True,
        text=True,
        timeout=limits.CHILD,
    )


ENDS = {
    "falls off": ("print('end')", 0),
    "sys.exit": ("print('end', flush=True); sys.exit(3)", 3),
    "raises": ("print('end', flush=True); raise KeyError(5)", 1),
}
BAD = ("panicked", "Fatal Python error", "Segmentation", "Exception ignored", "terminate called")


@pytest.mark.parametrize(("name", "end"), [*zip(NAMES, [*ENDS] * 4, strict=True)])
def test_a_daemon_thread_is_at_work(name: str, end: str, tmp_path: Path) -> None:
    script, status = ENDS[end]
    done = ended(script, name, tmp_path)
    assert done.returncode == status, done.stderr
    assert done.stdout.split() == ["end"]
    assert not [bad for bad in BAD if bad in done.stderr], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("name", ["fit", "WASAP", "predict"])
def test_ctrl_c_ends_the_main_thread_beside_a_daemon(name: str, tmp_path: Path) -> None:
    end = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(100)
"""
    done = ended(end, name, tmp_path)
    assert done.returncode == -signal.SIGINT, done.stderr
    assert "KeyboardInterrupt" in done.stderr
    assert not [bad for bad in BAD if bad in done.stderr], done.stderr
