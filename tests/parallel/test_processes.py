"""Which processes of a job are gone, without MPI."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from helpers import limits
from trulysparse.parallel.mpi import processes

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")


def child() -> tuple[subprocess.Popen[Any], processes.Identity]:
    code = (
        "import json; from trulysparse.parallel.mpi import processes;"
        "print(json.dumps(processes.own()), flush=True); input()"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    return started, json.loads(started.stdout.readline())


def test_a_process_that_ends_is_gone_before_it_is_waited_for() -> None:
    started, identity = child()
    with started:
        known = processes.Processes([processes.own(), identity])
        assert not known.is_one_gone()
        assert known.gone() == {}
        assert known.said(1) == "its process is there, but hangs"
        started.kill()
        os.waitid(os.P_PID, started.pid, os.WEXITED | os.WNOWAIT)  # a zombie now
        assert known.is_one_gone()
        assert known.gone() == {1: started.pid}
        started.wait(limits.CHILD)
        assert known.gone() == {1: started.pid}


def test_what_cannot_be_known_is_not_said() -> None:
    me: Any = processes.own()
    elsewhere = me | {"machine": "another"}
    reused = me | {"started": "1"}
    ended = me | {"pid": 2**22 + 5}
    known = processes.Processes([me, elsewhere, reused, ended, None])
    # Of those that were not there at the beginning nothing is known.
    assert not known.is_one_gone()
    assert known.gone() == {}
    assert known.said(1) == known.said(4) == "it hangs, was stopped or is cut off"
    assert not processes.Processes([]).is_one_gone()


def test_one_of_many_is_found_after_some_looks() -> None:
    started, identity = child()
    with started:
        known = processes.Processes([*[processes.own()] * 50, identity])
        started.kill()
        started.wait(limits.CHILD)
        assert sum(known.is_one_gone() for _ in range(7)) >= 1
