"""Ctrl-C beside busy threads: none is lost, and the model is at a completed step.

``tests/helpers/interrupts.py`` measures it.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from helpers import cases, interrupts

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT")


MOMENTS = cases.some(2, 10)


@pytest.fixture(scope="module")
def by() -> Iterator[interrupts.Sender]:
    """A process that sends, of all tests: busy threads would hold up the start of each."""
    with interrupts.sender() as started:
        yield started


@pytest.mark.cases
@pytest.mark.parametrize("name", interrupts.CALLS)
def test_a_call_beside_busy_threads(name: str, by: interrupts.Sender, tmp_path: Path) -> None:
    work = interrupts.Work(0.02, tmp_path)
    with interrupts.load(processes=0):
        found = interrupts.run(work, name, MOMENTS, random.Random(name), by)
    assert (found.tried, found.lost, found.wrong) == (MOMENTS, 0, 0)


def test_a_lost_interrupt_would_be_seen(
    by: interrupts.Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    patience, calls = interrupts.limits.CHILD, []

    def loses(work: interrupts.Work, model: object) -> None:
        calls.append(model)
        if len(calls) == 1:  # is timed, so that interrupts come later than the call begins
            time.sleep(0.2)
            return
        with suppress(KeyboardInterrupt):
            time.sleep(patience)

    monkeypatch.setattr(interrupts.limits, "CHILD", 0.1)
    monkeypatch.setitem(interrupts.CALLS, "predict", loses)
    work = interrupts.Work(0.02, tmp_path)
    found = interrupts.run(work, "predict", 1, random.Random(0), by)
    assert (found.tried, found.lost) == (1, 1)
