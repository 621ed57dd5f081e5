"""The interpreter ends while threads are at work."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


ENDS = {
    "falls off": ("print('end')", 0),
    "sys.exit": ("print('end', flush=True); sys.exit(3)", 3),
    "raises": ("print('end', flush=True); raise KeyError(5)", 1),
}
BAD = ("panicked", "Fatal Python error", "Segmentation", "Exception ignored", "terminate called")


CTRL_C = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
os.kill(os.getpid(), signal.SIGINT)
time.sleep(100)
"""
AT_WORK = [*zip(NAMES, [*ENDS] * 4, strict=True)]
INTERRUPTED = ["fit", "WASAP", "predict"]
# Runs each script in a process of which imports are the parent's. A child that hangs is killed.
EACH = """
import json, os, signal, sys
import numpy, trulysparse
for folder, name, script in json.loads(sys.argv[1]):
    child = os.fork()
    if child == 0:
        signal.alarm(100)
        for number, stream in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(f"{folder}/{stream}", os.O_WRONLY | os.O_CREAT), number)
        sys.argv = ["", folder, name]
        exec(script)
        break  # and the interpreter ends
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    with open(f"{folder}/code", "w") as file:
        file.write(str(code))
"""


@dataclass
class Ended:
    """How a process has ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], Ended]:
    """How each process has ended, by what was at work and how it was ended."""
    scripts = {(name, end): START + ENDS[end][0] for name, end in AT_WORK}
    if sys.platform != "win32":
        scripts |= {(name, "Ctrl-C"): START + CTRL_C for name in INTERRUPTED}
    folders = {case: tmp_path_factory.mktemp("process") for case in scripts}
    if not hasattr(os, "fork"):
        return {case: started(script, folders[case], case[0]) for case, script in scripts.items()}
    asked = [(str(folders[case]), case[0], script) for case, script in scripts.items()]
    subprocess.run(
        [sys.executable, "-c", EACH, json.dumps(asked)], check=True, timeout=limits.CHILD
    )
    found = {}
    for case, folder in folders.items():
        code, out, err = ((folder / part).read_text() for part in ("code", "stdout", "stderr"))
        found[case] = Ended(int(code), out, err)
    return found


def started(script: str, folder: Path, name: str) -> Ended:
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder), name],
        capture_output=True,
        text=True,
        timeout=limits.CHILD,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(("name", "end"), AT_WORK)
def test_a_daemon_thread_is_at_work(
    name: str, end: str, ended: dict[tuple[str, str], Ended]
) -> None:
    done = ended[name, end]
    assert done.code == ENDS[end][1], done.stderr
    assert done.stdout.split() == ["end"]
    assert not [bad for bad in BAD if bad in done.stderr], done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")
@pytest.mark.parametrize("name", INTERRUPTED)
def test_ctrl_c_ends_the_main_thread_beside_a_daemon(
    name: str, ended: dict[tuple[str, str], Ended]
) -> None:
    done = ended[name, "Ctrl-C"]
    assert done.code == -signal.SIGINT, done.stderr
    assert "KeyboardInterrupt" in done.stderr
    assert not [bad for bad in BAD if bad in done.stderr], done.stderr
