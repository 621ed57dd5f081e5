"""How tests start jobs of MPI ranks."""

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

from helpers import limits

# The scripts import this package. Open MPI starts neither as root nor more ranks than cores unless
# it is told to.
TESTS = str(Path(__file__).parents[1])
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(filter(None, (TESTS, os.environ.get("PYTHONPATH")))),
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def mpiexec() -> str | None:
    """This environment's own, or else the system's."""
    return shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")


@functools.cache
def missing() -> str | None:
    """What has to be installed before a job can be started; None if nothing."""
    if importlib.util.find_spec("mpi4py") is None:
        return "pip install mpi4py"
    if mpiexec() is None:
        return "pip install mpich, or another MPI that has a mpiexec"
    try:
        library()
    except (OSError, subprocess.SubprocessError):
        return "mpi4py finds no MPI library: pip install mpich, or another"
    return None


@functools.cache
def library() -> str:
    """The name and the version of the MPI library."""
    # In a process of its own: importing MPI starts it.
    code = "from mpi4py import MPI; print(MPI.Get_library_version().split(',')[0].split('\\n')[0])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
        timeout=limits.CHILD,
    )
    return " ".join(done.stdout.split())


def command(
    ranks: int | None, *arguments: object, run_by_mpi4py: bool = False, shielded: bool = False
) -> list[str]:
    """The command that runs a script of this folder on a number of ranks; None is without mpiexec.

    `shielded`: mpiexec does not see a rank's end, and so does not end the others.
    """
    script, *rest = map(str, arguments)
    python = [sys.executable, *(["-m", "mpi4py"] if run_by_mpi4py else [])]
    shield = ["sh", "-c", '"$@"; sleep 60', "sh"] if shielded else []
    start = [] if ranks is None else [str(mpiexec()), "-n", str(ranks), *shield]
    return [*start, *python, str(Path(__file__).with_name(script)), *rest]


def run(
    ranks: int | None,
    *arguments: object,
    timeout: float = limits.CHILD,
    run_by_mpi4py: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a job to its end; `subprocess.TimeoutExpired` if it hangs."""
    return subprocess.run(
        command(ranks, *arguments, run_by_mpi4py=run_by_mpi4py),
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
    )
