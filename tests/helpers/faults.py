#!/usr/bin/env python3
"""Break ranks of an MPI job in every way and phase, and see how the job ends and goes on.

``PYTHONPATH=tests python tests/helpers/faults.py`` runs the whole table with the MPI library of the
environment and prints it; it takes some minutes. Every job must end by itself, with an exit status
that is not 0 and a text that names the failed rank, and the same command without the fault must go
on from the last epoch's checkpoint. Exit status 1 if one does not. A script that is interrupted,
Ctrl-C, gets the time to save; of Open MPI's mpiexec that is a fifth of a second, so that a
checkpoint will do.

Of a rank that is gone without a word (killed, os._exit) mpiexec knows first. MPICH's kills all
others at once: it names the process's number only, and of os._exit(0) it says nothing and may end
with status 0, so that only the missing result tells. Where mpiexec leaves the others alone, they
name the rank. `--lost` counts that.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import mpi_launch

TIMEOUT = 5.0  # seconds; a rank of a busy machine may be held up for a while
EPOCHS = 6  # the last three are local


def _hang() -> None:
    while True:
        time.sleep(1)


def _raise() -> None:
    raise RuntimeError("injected")


FAULTS: dict[str, Callable[[], object]] = {
    "killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "stopped": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "raises": _raise,
    "sys.exit(0)": lambda: sys.exit(0),
    "sys.exit(3)": lambda: sys.exit(3),
    "os._exit(0)": lambda: os._exit(0),
    "hangs": _hang,
    "Ctrl-C": lambda: None,
    "runs": lambda: None,
}
BLAMED = r"rank (\d) (?:is lost|failed|has given no sign)"
PHASES = ("phase 1", "evolution", "phase 2")


@dataclass
class Found:
    """How a job ended."""

    seconds: float  # from the fault on
    status: int
    output: str
    left: list[int]  # processes

    def named_by(self, rank: int) -> str:
        """Who says that this rank has failed."""
        ours = rank in self.blamed()
        theirs = re.search(rf"process rank {rank} |rank {rank} in comm", self.output)
        pid = re.search(r"PID \d+ RUNNING AT", self.output)
        named = [("trulysparse", ours), ("mpiexec", theirs), ("mpiexec's pid", pid)]
        return next((who for who, match in named if match), "nobody")

    def blamed(self) -> set[int]:
        """The ranks of which we say that they have failed or are lost."""
        lines = re.findall(r"trulysparse: rank \d ends the job: (.*)", self.output)
        return {int(rank) for line in lines for rank in re.findall(BLAMED, line)}


# --- on the ranks ---------------------------------------------------------------------------------


def _inject(fault: str, phase: str, rank: int, folder: Path) -> None:
    """Break this rank at a call of a method that belongs to the phase."""
    from trulysparse.parallel.mpi.server import ServerRank
    from trulysparse.parallel.mpi.worker import WorkerRank

    calls = itertools.count(1)

    def break_now() -> None:
        (folder / "broken").write_text(str(time.time()))
        FAULTS[fault]()

    def before(kind: Any, method: str, due: Callable[..., bool]) -> None:
        usual = getattr(kind, method)

        def broken(self: Any, *arguments: Any, **more: Any) -> Any:
            if due(self, *arguments):
                break_now()
            return usual(self, *arguments, **more)

        setattr(kind, method, broken)

    def nth(number: int) -> Callable[..., bool]:
        return lambda *_: next(calls) == number

    if fault == "Ctrl-C":  # the job tells that it may come, and goes on
        before(ServerRank, "evolve", nth(2))
    elif phase == "phase 1":  # in its second epoch
        broken = (
            (ServerRank, "_send_network", nth(75))
            if rank == 0
            else (WorkerRank, "_gradient", nth(38))
        )
        before(*broken)
    elif phase == "evolution" and rank == 0:
        before(ServerRank, "evolve", nth(2))
    elif phase == "evolution":  # that of phase 1 is the server's alone
        before(WorkerRank, "_do", lambda _, message: message["do"] == "evolve")
    elif rank == 0:  # averaging
        before(ServerRank, "aside", lambda server, _: server._local)
    else:
        before(WorkerRank, "_tick", nth(1))


def job(folder: Path, strategy: str, rank: int, fault: str, phase: str) -> None:
    """One fit, broken or not."""
    import trulysparse as ts
    from mpi4py import MPI

    from helpers.parallel_fit import content, fitted, make_model

    comm = MPI.COMM_WORLD
    (folder / f"pid-{comm.rank}").write_text(str(os.getpid()))
    if comm.rank == rank:
        _inject(fault, phase, rank, folder)
    begun = []

    class Begun(ts.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            begun.append(epoch)

    endless = fault == "Ctrl-C"
    chosen = {"wassp": ts.WASSP, "wasap": ts.WASAP}[strategy](
        comm=comm,
        local_fraction=0.5 if not endless else 0 if phase == "phase 1" else 1,
        timeout=TIMEOUT,
        checkpoint=folder / "checkpoint",
    )
    model = make_model(threads=1)
    try:
        fitted(
            chosen,
            model=model,
            epochs=10**6 if endless else EPOCHS,
            batch_size=4,
            pruning=None,
            callbacks=[Begun()],
        )
    except KeyboardInterrupt:
        if comm.rank == 0:
            content(model, folder / "saved")
        raise
    if comm.rank == 0:
        content(model, folder / "model")
        print("FINISHED", json.dumps({"begun": begun, "epochs": model.history.epoch}), flush=True)


# --- around them ----------------------------------------------------------------------------------


def broken(
    folder: Path,
    fault: str,
    phase: str,
    rank: int,
    strategy: str = "wasap",
    ranks: int = 3,
    run_by_mpi4py: bool = False,
    limit: float = 120,
    signalled: int | None = None,
) -> Found:
    """Run a job with a fault to its end. `signalled`: what mpiexec gets once the fault is there."""
    arguments = ("faults.py", "--job", folder, strategy, rank, fault, phase)
    command = mpi_launch.command(ranks, *arguments, run_by_mpi4py=run_by_mpi4py)
    with open(folder / "output", "w+") as output:
        running = subprocess.Popen(
            command, env=mpi_launch.ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            if signalled is not None:
                started = time.monotonic()
                while not (folder / "broken").exists() and time.monotonic() - started < limit:
                    time.sleep(0.05)
                time.sleep(0.5)
                running.send_signal(signalled)
            status = running.wait(limit)
        finally:
            ended = time.time()
            running.kill()
            running.wait(limit)
            left = _end_what_is_left(folder)
        output.seek(0)
        text = output.read()
    since = folder / "broken"
    seconds = ended - float(since.read_text()) if since.exists() else 0.0
    return Found(seconds, status, text, left)


def lost(
    folder: Path,
    rank: int,
    strategy: str = "wasap",
    phase: str = "phase 1",
    after: float = 0.5,
    ranks: int = 4,
    shielded: bool = False,
    limit: float = 120,
) -> Found:
    """Kill a rank of an endless job at a random moment, some seconds after its first epoch."""
    arguments = ("faults.py", "--job", folder, strategy, -1, "Ctrl-C", phase)
    command = mpi_launch.command(ranks, *arguments, shielded=shielded)
    with open(folder / "output", "w+") as output:
        running = subprocess.Popen(
            command, env=mpi_launch.ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            until = time.monotonic() + limit
            while not (folder / "checkpoint").exists() and time.monotonic() < until:
                time.sleep(0.02)
            time.sleep(after)
            os.kill(int((folder / f"pid-{rank}").read_text()), signal.SIGKILL)
            started = time.time()
            status = running.wait(limit)
        finally:
            ended = time.time()
            running.kill()
            running.wait(limit)
            left = _end_what_is_left(folder)
        output.seek(0)
        return Found(ended - started, status, output.read(), left)


def table_of_lost(times: int) -> int:
    """Lose ranks at random moments, and print who is named; exit status 1 if an innocent one is."""
    draw = random.Random(times)
    print("| mpiexec ends the others | ranks lost | named | only its process | others named |")
    print("|---|---|---|---|---|", flush=True)
    wrong = 0
    for shielded in (False, True):
        right = by_number = innocent = 0
        for _ in range(times):
            rank, strategy = draw.randrange(4), draw.choice(["wasap", "wassp"])
            with tempfile.TemporaryDirectory() as name:
                found = lost(
                    Path(name),
                    rank,
                    strategy,
                    draw.choice(["phase 1", "phase 2"]),
                    draw.uniform(0, 2),
                    shielded=shielded,
                )
            right += found.blamed() == {rank}
            by_number += found.named_by(rank) == "mpiexec's pid"
            innocent += bool(found.blamed() - {rank})
        cells = ["no" if shielded else "yes", times, right, by_number, innocent]
        print("|", " | ".join(map(str, cells)), "|", flush=True)
        wrong += innocent
    return int(wrong > 0)


def _end_what_is_left(folder: Path) -> list[int]:
    """The ranks that are still there a moment after the job's end."""
    left = [int(path.read_text()) for path in folder.glob("pid-*")]
    until = time.monotonic() + 3
    while left and time.monotonic() < until:
        left = [pid for pid in left if _alive(pid)]
        time.sleep(0.02)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return left


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def resumed(folder: Path, strategy: str = "wasap", ranks: int = 3) -> dict[str, list[int]]:
    """Run the job again without a fault: the epochs that it began, and those of its history."""
    for path in folder.glob("pid-*"):
        path.unlink()
    arguments = ("faults.py", "--job", folder, strategy, 0, "runs", "phase 1")
    done = mpi_launch.run(ranks, *arguments, timeout=120)
    text = re.search(r"FINISHED (.*)", done.stdout)
    if done.returncode or text is None:
        raise AssertionError(f"the job did not go on, exit status {done.returncode}: {done.stdout}")
    found: dict[str, list[int]] = json.loads(text[1])
    if (folder / "checkpoint").exists() or found["epochs"] != list(range(EPOCHS)):
        raise AssertionError(f"the job did not end well: {found}")
    return found


def table(strategies: list[str], faults: list[str], verbose: bool) -> int:
    print(mpi_launch.library(), flush=True)
    print("| fault | in | rank | strategy | python | seconds | status | named by | goes on from |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    wrong = 0
    for strategy, fault, phase, rank, by_mpi4py in itertools.product(
        strategies, faults, PHASES, (0, 1), (False, True)
    ):
        if fault == "Ctrl-C" and (rank > 0 or phase == "evolution"):
            continue
        with tempfile.TemporaryDirectory() as name:
            cells, bad, output = row(Path(name), strategy, fault, phase, rank, by_mpi4py)
        python = "-m mpi4py" if by_mpi4py else ""
        print("|", " | ".join([fault, phase, str(rank), strategy, python, *cells]), "|", end="")
        print(" WRONG" * bad, flush=True)
        wrong += bad
        if verbose or bad:
            print(output)
    print(f"{wrong} are wrong")
    return int(wrong > 0)


def row(
    folder: Path, strategy: str, fault: str, phase: str, rank: int, by_mpi4py: bool
) -> tuple[list[str], bool, str]:
    """The last cells of a row, whether something is wrong, and what the job printed."""
    sent = signal.SIGINT if fault == "Ctrl-C" else None
    try:
        found = broken(
            folder, fault, phase, rank, strategy, run_by_mpi4py=by_mpi4py, signalled=sent
        )
    except subprocess.TimeoutExpired:
        return ["HANGS", "", "", ""], True, (folder / "output").read_text()
    if fault == "Ctrl-C":
        named, on = "", "saved" if (folder / "saved").exists() else "not saved"
        in_time = on == "saved" or mpi_launch.library().startswith("Open MPI")
        bad = found.status == 0 or not in_time or not (folder / "checkpoint").exists()
    else:
        named = found.named_by(rank)
        # See the description: beyond us.
        silent = fault == "os._exit(0)" and mpi_launch.library().startswith("MPICH")
        bad = (named == "nobody" or found.status == 0) and not silent
        try:
            first = resumed(folder, strategy)["begun"][0]
            on = f"epoch {first}"
            bad |= first == 0
        except (AssertionError, subprocess.TimeoutExpired) as error:
            on, bad = f"FAILS {error}", True
    if found.left:
        on, bad = f"{on}, LEFT {found.left}", True
    bad |= found.seconds > 2 * TIMEOUT + 5
    return [f"{found.seconds:.1f}", str(found.status), named, on], bad, found.output


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", nargs="+", default=["wasap"], choices=["wassp", "wasap"])
    parser.add_argument("--fault", nargs="+", default=[*FAULTS][:-1], choices=[*FAULTS][:-1])
    parser.add_argument("--verbose", action="store_true", help="print what the jobs print")
    parser.add_argument("--lost", type=int, help="kill that many ranks at random moments instead")
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        folder, strategy, rank, fault, phase = arguments.job
        job(Path(folder), strategy, int(rank), fault, phase)
        return 0
    if mpi_launch.missing() is not None:
        parser.error(str(mpi_launch.missing()))
    if arguments.lost:
        return table_of_lost(arguments.lost)
    return table(arguments.strategy, arguments.fault, arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
