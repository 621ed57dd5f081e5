"""The flags of training on several workers, in threads or in an MPI job."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from trulysparse.cli.common import number, positive
from trulysparse.parallel import WASAP, WASSP

CHECKPOINT = "checkpoint.safetensors"
"""The file of a broken-off MPI job, in the folder of its outputs."""

_KINDS: dict[str, type[WASSP | WASAP]] = {"wassp": WASSP, "wasap": WASAP}


def add_flags(parser: Any) -> None:
    """Add all flags."""
    parser.add_argument(
        "--parallel",
        choices=list(_KINDS),
        help="train on several workers: wassp in step with each other, wasap each at its pace "
        "(default: one batch at a time)",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        metavar="N",
        help=f"workers of --parallel (default: {WASSP().workers}; in an MPI job its ranks but one)",
    )
    parser.add_argument(
        "--timeout",
        type=number,
        default=WASSP.timeout,
        metavar="SECONDS",
        help="in an MPI job: after how long without a sign of life a rank has failed (default: "
        "%(default)g)",
    )


_COUNTS = {
    "PMI_SIZE": "mpiexec",
    "OMPI_COMM_WORLD_SIZE": "mpiexec",
    "MV2_COMM_WORLD_SIZE": "mpiexec",
    "SLURM_STEP_NUM_TASKS": "srun",
    "FLUX_JOB_SIZE": "flux run",
    "JSM_NAMESPACE_SIZE": "jsrun",
    "PALS_SIZE": "aprun",
}
"""Where schedulers say how many processes they have started, and with what."""


def communicator(parallel: str | None) -> Any:
    """Give all ranks if the command was started through mpi4py by mpiexec, or None.

    Raises
    ------
    ValueError
        If it was started several times without ranks: all would write the same files.
    """
    if "mpi4py" not in sys.modules:
        _refuse_copies("but without mpi4py")
        return None
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    if comm.size == 1:
        _refuse_copies("but MPI counts one process (srun --mpi=pmi2 or pmix starts ranks)")
        return None
    if parallel is None:
        raise ValueError(
            f"started on {comm.size} ranks: expected --parallel wassp or wasap as well"
        )
    return comm


def _refuse_copies(problem: str) -> None:
    for name, starter in _COUNTS.items():
        count = os.environ.get(name, "1")
        if count.isdigit() and int(count) > 1:
            raise ValueError(
                f"started {count} times by {starter} ({name}), {problem}: each would write the "
                f"same files; expected `{starter} -n N python -m mpi4py -m trulysparse train ...`, "
                "or one process"
            )


def strategy(args: argparse.Namespace, comm: Any) -> WASSP | WASAP | None:
    """Make the strategy that was asked for, if one was."""
    if args.parallel is None:
        if args.workers is not None:
            raise ValueError("--workers: expected --parallel as well")
        return None
    kind = _KINDS[args.parallel]
    if comm is None:
        return kind() if args.workers is None else kind(workers=args.workers)
    checkpoint = args.out / CHECKPOINT
    return kind(workers=args.workers, comm=comm, timeout=args.timeout, checkpoint=checkpoint)


def batch_of_worker(size: int, whole: int | None, workers: int) -> str:
    """Say what each worker's batch is; `whole` is what was divided, if no size was given."""
    why = "as given" if whole is None else f"{whole} divided by the workers"
    rows = "row" if size == 1 else "rows"
    return f"{workers} worker{'s' * (workers > 1)}: a batch of each has {size} {rows}, {why}"
