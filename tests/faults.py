#!/usr/bin/env python3
"""Break ranks of an MPI job in every way and phase, and see how the job ends and goes on.

``python tests/faults.py`` runs the whole table with the MPI library of the environment and prints
it; it takes some minutes. Every job must end by itself, with an exit status that is not 0 and a
text that names the failed rank, and the same command without the fault must go on from the last
epoch's checkpoint. Exit status 1 if one does not.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
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

import mpi_launch

TIMEOUT = 3.0
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
    "runs": lambda: None,
}
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
        ours = re.search(rf"trulysparse: rank \d ends the job: rank {rank} ", self.output)
        theirs = re.search(rf"process rank {rank} |rank {rank} in comm", self.output)
        pid = re.search(r"PID \d+ RUNNING AT", self.output)
        named = [("trulysparse", ours), ("mpiexec", theirs), ("mpiexec's pid", pid)]
        return next((who for who, match in named if match), "nobody")


# --- on the ranks ---------------------------------------------------------------------------------


def _inject(fault: str, phase: str, rank: int, folder: Path) -> None:
    """Break this rank at a call of a method that belongs to the phase."""
    from trulysparse._mpi.server import Server
    from trulysparse._mpi.worker import Worker

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

    if phase == "phase 1":  # in its second epoch
        before(*((Server, "_give", nth(75)) if rank == 0 else (Worker, "_gradient", nth(38))))
    elif phase == "evolution" and rank == 0:
        before(Server, "evolve", nth(2))
    elif phase == "evolution":  # that of phase 1 is the server's alone
        before(Worker, "_do", lambda _, message: message["do"] == "evolve")
    elif rank == 0:  # averaging
        before(Server, "aside", lambda server, _: server._local)
    else:
        before(Worker, "_tick", nth(1))


def job(folder: Path, strategy: str, rank: int, fault: str, phase: str) -> None:
    """One fit, broken or not."""
    import trulysparse as ts
    from mpi4py import MPI
    from parallel_fit import content, fitted

    comm = MPI.COMM_WORLD
    (folder / f"pid-{comm.rank}").write_text(str(os.getpid()))
    if comm.rank == rank:
        _inject(fault, phase, rank, folder)
    begun = []

    class Begun(ts.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any) -> None:
            begun.append(epoch)

    chosen = {"wassp": ts.WASSP, "wasap": ts.WASAP}[strategy](
        comm=comm, local_fraction=0.5, timeout=TIMEOUT, checkpoint=folder / "checkpoint"
    )
    try:
        model = fitted(chosen, threads=1, epochs=EPOCHS, batch_size=4, callbacks=[Begun()])
    except KeyboardInterrupt:
        (folder / f"interrupted-{comm.rank}").touch()
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
    limit: float = 60,
    signalled: int | None = None,
) -> Found:
    """Run a job with a fault to its end. `signalled`: once the fault is there, mpiexec gets this."""
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
            running.wait()
            left = _end_what_is_left(folder)
        output.seek(0)
        text = output.read()
    since = folder / "broken"
    seconds = ended - float(since.read_text()) if since.exists() else 0.0
    return Found(seconds, status, text, left)


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
    done = mpi_launch.run(ranks, *arguments, timeout=60)
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
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            about = f"| {fault} | {phase} | {rank} | {strategy} | {'-m mpi4py' * by_mpi4py} |"
            try:
                found = broken(folder, fault, phase, rank, strategy, run_by_mpi4py=by_mpi4py)
            except subprocess.TimeoutExpired:
                print(about, "HANGS | | | |", flush=True)
                wrong += 1
                continue
            named = found.named_by(rank)
            has_checkpoint = (folder / "checkpoint").exists()
            try:
                begun = f"epoch {resumed(folder, strategy)['begun'][0]}"
            except (AssertionError, subprocess.TimeoutExpired) as error:
                begun = f"FAILS {error}"
            bad = (
                found.status == 0
                or named == "nobody"
                or not has_checkpoint
                or bool(found.left)
                or found.seconds > 2 * TIMEOUT + 5
                or begun in ("epoch 0",)
                or begun.startswith("FAILS")
            )
            wrong += bad
            left = f" LEFT {found.left}" if found.left else ""
            print(
                f"{about} {found.seconds:.1f} | {found.status} | {named} | {begun} |{left}"
                f"{' WRONG' * bad}",
                flush=True,
            )
            if verbose or bad:
                print(found.output)
    print(f"{wrong} are wrong")
    return int(wrong > 0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strategy", nargs="+", default=["wasap"], choices=["wassp", "wasap"])
    parser.add_argument("--fault", nargs="+", default=[*FAULTS][:-1], choices=[*FAULTS])
    parser.add_argument("--verbose", action="store_true", help="print what the jobs print")
    parser.add_argument("--job", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.job:
        folder, strategy, rank, fault, phase = arguments.job
        job(Path(folder), strategy, int(rank), fault, phase)
        return 0
    if mpi_launch.missing() is not None:
        parser.error(str(mpi_launch.missing()))
    return table(arguments.strategy, arguments.fault, arguments.verbose)


if __name__ == "__main__":
    sys.exit(main())
