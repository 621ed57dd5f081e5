"""Making, saving and loading large models: progress, Ctrl-C and sudden death."""

from __future__ import annotations

import _thread
import random
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trulysparse as ts
from helpers import cases, limits
from helpers.interrupting import interrupted
from trulysparse import _progress

SAVING_FOR_EVER = """
import signal, sys
import trulysparse as ts

signal.alarm(240)
models = [ts.SparseMLP([500, 50_000, 2], epsilon=5, seed=seed) for seed in (0, 1)]
models[0].save(sys.argv[1])
print("saved", flush=True)
while True:
    for model in models:
        model.save(sys.argv[1])
"""


@pytest.mark.cases
def test_a_killed_process_leaves_one_of_the_versions_whole(tmp_path: Path) -> None:
    path, other = tmp_path / "folder" / "model.safetensors", tmp_path / "other"
    path.parent.mkdir()
    versions = set()
    for seed in (0, 1):
        ts.SparseMLP([500, 50_000, 2], epsilon=5, seed=seed).save(other)
        versions.add(other.read_bytes())
    delays = random.Random(0)
    for _ in range(cases.some(3, 30)):
        command = [sys.executable, "-c", SAVING_FOR_EVER, str(path)]
        with limits.child(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            assert child.stdout.readline() == "saved\n"
            time.sleep(delays.uniform(0, 0.1))
            child.kill()
        assert path.read_bytes() in versions
        assert ts.load(path).layer_sizes == [500, 50_000, 2]
        for left in path.parent.iterdir():
            assert left == path or left.name.startswith(".trulysparse-")
            left.unlink()


class Broken:
    """A progress bar that fails at once."""

    n, total = 0, 0

    def update(self, by: int) -> None:
        raise RuntimeError("the bar broke")

    def close(self) -> None:
        pass


def call_with_a_broken_bar(call: Callable[..., Any]) -> None:
    call(progress=True)


def call_with_ctrl_c(call: Callable[..., Any]) -> None:
    if interrupted(call, 0.02, _thread.interrupt_main):
        raise RuntimeError


def ended_by(cause: Callable[[Callable[..., Any]], None], call: Callable[..., Any]) -> bool:
    try:
        cause(call)
    except RuntimeError:
        return True
    return False


@pytest.mark.parametrize("cause", [call_with_a_broken_bar, call_with_ctrl_c])
def test_a_save_that_is_ended_leaves_the_old_file_and_no_other(
    cause: Callable[[Callable[..., Any]], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_progress, "bar", lambda **_: Broken())
    path = tmp_path / "model"
    saving_ended = loading_ended = False
    for width in (2000, 4000, 8000):  # as much as it takes to be slow
        model = ts.SparseMLP([width, width], density=1, seed=0, loss="squared_error")
        ts.SparseMLP([3, 2], seed=0).save(path)
        old = path.read_bytes()
        raised = ended_by(cause, partial(model.save, path))
        assert list(tmp_path.iterdir()) == [path]
        kept = path.read_bytes() == old
        assert kept <= raised
        saving_ended |= kept
        if kept:
            model.save(path)
        elif raised:  # Ctrl-C came just before the end
            assert cause is call_with_ctrl_c
            assert ts.load(path).nnz == model.nnz
        loading_ended |= ended_by(cause, partial(ts.load, path))
        path.unlink()
        if saving_ended and loading_ended:
            return
    pytest.fail("not slow enough on this machine")


def test_ctrl_c_ends_the_making_of_a_model() -> None:
    with pytest.raises(RuntimeError):
        call_with_ctrl_c(lambda: ts.SparseMLP([1_000_000] * 11, epsilon=1, seed=0))


def test_a_bar_is_shown_only_for_what_is_slow_and_on_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sizes = [1_000_000] * 4
    ts.SparseMLP(sizes, epsilon=1, seed=0, progress=True)
    assert capfd.readouterr() == ("", "")  # no terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    model = ts.SparseMLP([3, 2], seed=0, progress=True)
    model.save(tmp_path / "model", progress=True)
    ts.load(tmp_path / "model", progress=True)
    assert capfd.readouterr() == ("", "")
    monkeypatch.setattr(_progress, "_PATIENCE", 0)
    ts.SparseMLP(sizes, epsilon=1, seed=0)
    assert capfd.readouterr() == ("", "")
    ts.SparseMLP(sizes, epsilon=1, seed=0, progress=True)
    shown = capfd.readouterr().err
    assert "making the model" in shown
    assert "100%" in shown


@pytest.mark.parametrize("value", [2, None, "yes"])
def test_progress_is_true_or_false(value: Any, tmp_path: Path) -> None:
    model = ts.SparseMLP([3, 2], seed=0)
    model.save(tmp_path / "model")
    for call in (
        lambda: ts.SparseMLP([3, 2], progress=value),
        lambda: model.save(tmp_path / "model", progress=value),
        lambda: ts.load(tmp_path / "model", progress=value),
    ):
        with pytest.raises(TypeError, match="progress = "):
            call()
