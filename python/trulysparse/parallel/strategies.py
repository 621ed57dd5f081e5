"""Training on several workers (WASAP-SGD and WASSP-SGD, arXiv 2102.01732)."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from trulysparse import _check, _files, _hints

_MOST_WORKERS = 1024
# What is used of a communicator.
_NEEDED = ("rank", "Isend", "Irecv", "Recv", "Iprobe", "Abort")


class _Strategy(_hints.Worded):
    """What both share."""


@_hints.frozen
@dataclass(frozen=True)
class WASSP(_Strategy):
    """Synchronous parallel training, WASSP-SGD.

    *Phase 1.* In every step each worker takes the gradient of a batch from its share of the
    samples, and one step is made of all of them. So a step uses up to ``workers * batch_size``
    samples. *Phase 2*, the last `local_fraction` of the epochs: every worker trains and evolves its
    copy of the network on its share. The result is their average over the union of their
    connections, cut back in each layer to the number of connections before, those closest to zero
    first, of each sign in proportion.

    The same seed and number of workers give the same bits for any number of threads. One worker is
    bit for bit the sequential fit.

    What the paper leaves open: worker k of K has the samples k, k + K, k + 2K and so on. A gradient
    is the mean over all samples of the step, so short batches count by their samples, and a worker
    whose share has run out is left out. Every worker enters phase 2 with the server's weights and
    momentum. After every epoch of phase 2 the model is the average as it is then, momentum
    included; the workers go on with their own.

    `momentum_correction` and `scale_local_rate` are what the paper's proof of concept does. On
    10,000 held-out training images of Fashion-MNIST (ten epochs, the paper's settings, a batch of
    128 divided by the workers, means of three seeds) the first changes the accuracy by less than
    0.1 points. The second adds 0.6 points with two workers and takes 0.2 with five. So both are off
    by default.

    Workers run on the model's `threads`; with several, a kernel inside a worker takes one. The
    memory of phase 2, a network for each worker, is taken when it begins: a `MemoryError` then
    leaves the model as phase 1 made it.

    Parameters
    ----------
    workers
        From 1 to 1024, and no more than there are samples. Default 4; with `comm` its ranks
        without the server.
    warmup_epochs
        The number of epochs over which the learning rate grows from the optimiser's to `workers`
        times it; 0 starts there. At least 0; default 5.
    local_fraction
        Of the epochs, in [0, 1]; rounded to whole epochs. Default 0.3.
    comm
        The communicator of an MPI job, ``mpi4py.MPI.COMM_WORLD`` as a rule: then rank 0 is the
        server and every other rank a worker, and all ranks call `fit` with the same arguments.
        Every rank gets the model and the history; callbacks, validation, progress and files are
        rank 0's.
        With a single rank the fit is sequential. None (default) trains on threads.
    sharded
        With `comm`: whether `x` and `y` hold the rank's own samples only, and none on rank 0. By
        default False: all ranks have all samples, or see them in a memory-mapped array.
    timeout
        With `comm`: the seconds without a sign of life after which a rank has failed, and the job
        ends with a `PeerError`. It must be longer than a step and than any callback. Default 60.
    checkpoint
        A file that takes the model after every epoch. A fit with the same arguments that finds it
        goes on from there; one that ends in the regular way removes it. In phase 2 the network of
        each worker is in a file beside it, so that the bits are those of a fit that was not
        broken off. None (default) writes none.
    momentum_correction
        Whether the velocity is multiplied by new rate / old rate at the start of an epoch that
        changes the factor of the learning rate: while warming up, and where phase 2 drops the
        factor. The schedule of the optimiser does not count, as in a sequential fit. Default False.
    scale_local_rate
        Whether phase 2 keeps the factor of phase 1, `workers` after the warm-up. Default False: its
        steps have the learning rate of a sequential fit.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range.
    """

    asynchronous: ClassVar[bool] = False
    record: ClassVar[None] = None
    replay: ClassVar[None] = None
    max_staleness: ClassVar[None] = None

    workers: int = None  # type: ignore[assignment]  # an int from __post_init__ on
    warmup_epochs: int = 5
    local_fraction: float = 0.3
    comm: Any = None
    sharded: bool = False
    timeout: float = 60.0
    checkpoint: str | os.PathLike[str] | None = None
    momentum_correction: bool = False
    scale_local_rate: bool = False

    def __post_init__(self) -> None:
        """Check every value."""
        _check_common(self)
        warmup = _check.integer("warmup_epochs", self.warmup_epochs, 0, 2**31)
        object.__setattr__(self, "warmup_epochs", warmup)
        for name in ("momentum_correction", "scale_local_rate"):
            object.__setattr__(self, name, _check.boolean(name, getattr(self, name)))

    def _core(self) -> dict[str, Any]:
        names = ("warmup_epochs", "momentum_correction", "scale_local_rate")
        return {"wassp": {name: getattr(self, name) for name in names}}

    def _samples_a_step(self, batch_size: int) -> int:
        return self.workers * batch_size


@_hints.frozen
@dataclass(frozen=True)
class WASAP(_Strategy):
    """Asynchronous parallel training, WASAP-SGD.

    *Phase 1.* Every worker is a thread that pulls the network, takes the gradient of a batch of its
    share and pushes it. The server applies it at once, and no worker waits for another. An epoch
    ends after as many updates as all shares have batches; then the topology evolves, and
    gradients that were under way are pushed after that. Of those the server applies the entries
    whose connections have existed without a break since the pull, and drops the others. *Phase 2*
    and the shares are those of `WASSP`.

    The results depend on the order in which workers come to push, so they differ from fit to fit;
    a `record` can be replayed with the same bits. One worker is bit for bit the sequential fit.
    The history has further numbers of each epoch: ``updates``, ``refused`` gradients, the mean
    ``staleness`` (updates between pull and push), ``dropped``, the part of pushed entries that was
    not applied, and ``idle``, the seconds that all workers together waited for the server; 0 in
    phase 2.

    Parameters
    ----------
    workers
        Threads, from 1 to 1024, and no more than there are samples. Default 4; with `comm` its
        ranks without the server. On threads the model's `threads` are used for evolution and
        evaluation only, unless there is one worker.
    local_fraction
        Of the epochs, in [0, 1]; rounded to whole epochs. Default 0.3.
    max_staleness
        A gradient is refused if more updates than this were made since its pull; at least 0. None
        (default) refuses none.
    record
        A file that takes the order of the server's events; it is overwritten. None writes none.
    replay
        A file that a fit with `record` has written: its events are repeated one after the other.
        Data, settings and the model at the start must be those of that fit. None replays none. A
        record of an MPI job is replayed on threads, without `comm`.
    comm
        The communicator of an MPI job, ``mpi4py.MPI.COMM_WORLD`` as a rule: then rank 0 is the
        server and every other rank a worker, and all ranks call `fit` with the same arguments.
        Every rank gets the model and the history; callbacks, validation, progress and files are
        rank 0's.
        With a single rank the fit is sequential. None (default) trains on threads.
    sharded
        With `comm`: whether `x` and `y` hold the rank's own samples only, and none on rank 0. By
        default False: all ranks have all samples, or see them in a memory-mapped array.
    timeout
        With `comm`: the seconds without a sign of life after which a rank has failed, and the job
        ends with a `PeerError`. It must be longer than a step and than any callback. Default 60.
    checkpoint
        A file that takes the model after every epoch. A fit with the same arguments that finds it
        goes on from there; one that ends in the regular way removes it. In phase 2 the network of
        each worker is in a file beside it, so that phase 2 has the bits that it would have
        had. None (default) writes none.

    Raises
    ------
    ValueError, TypeError
        If a value is out of its range, or both `record` and `replay` are given.
    """

    asynchronous: ClassVar[bool] = True

    workers: int = None  # type: ignore[assignment]  # an int from __post_init__ on
    local_fraction: float = 0.3
    max_staleness: int | None = None
    record: str | os.PathLike[str] | None = None
    replay: str | os.PathLike[str] | None = None
    comm: Any = None
    sharded: bool = False
    timeout: float = 60.0
    checkpoint: str | os.PathLike[str] | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check_common(self)
        if self.max_staleness is not None:
            most = _check.integer("max_staleness", self.max_staleness, 0, 2**63)
            object.__setattr__(self, "max_staleness", most)
        for name in ("record", "replay"):
            _check_path(name, getattr(self, name))
        if self.record is not None and self.replay is not None:
            raise ValueError("record and replay: expected one of the two")
        if self.checkpoint is not None and (self.record is not None or self.replay is not None):
            raise ValueError("checkpoint: expected None with record or replay, which start anew")
        if self.replay is not None and self.ranks > 1:
            raise ValueError("replay: expected no comm, as a record is replayed on threads")
        if self.record is not None and self.sharded:
            raise ValueError("record: expected sharded=False, as nothing could replay it")

    @property
    def ranks(self) -> int:
        """The ranks of `comm`; 1 without."""
        return ranks(self.comm)

    def _core(self) -> dict[str, Any]:
        return {"wasap": {"max_staleness": self.max_staleness}}

    def _samples_a_step(self, batch_size: int) -> int:
        return batch_size


Strategy: TypeAlias = WASSP | WASAP
STRATEGIES = (WASSP, WASAP)


def _check_common(strategy: Strategy) -> None:
    """Check what both have, and fill in the number of workers."""
    count = ranks(strategy.comm)
    if strategy.comm is None:
        workers = 4 if strategy.workers is None else strategy.workers
        workers = _check.integer("workers", workers, 1, _MOST_WORKERS)
    else:
        # A script for many ranks that runs alone is a sequential fit.
        workers = max(count - 1, 1)
        if strategy.workers not in (None, workers) and count > 1:
            raise ValueError(
                f"workers = {strategy.workers!r}: expected None or {workers}, the ranks of comm "
                "without the server"
            )
    object.__setattr__(strategy, "workers", workers)
    fraction = _check.real(
        "local_fraction", strategy.local_fraction, "a number in [0, 1]", low=0, high=1
    )
    object.__setattr__(strategy, "local_fraction", fraction)
    timeout = _check.real(
        "timeout", strategy.timeout, "a positive, finite number of seconds", low=0, low_open=True
    )
    object.__setattr__(strategy, "timeout", timeout)
    sharded = _check.boolean("sharded", strategy.sharded)
    object.__setattr__(strategy, "sharded", sharded)
    if sharded and strategy.comm is None:
        raise ValueError("sharded = True: expected a comm as well")
    _check_path("checkpoint", strategy.checkpoint)
    if strategy.checkpoint is not None:
        _files.to_write("checkpoint", strategy.checkpoint)


def ranks(comm: Any) -> int:
    """Count the ranks of a communicator; 1 of None."""
    if comm is None:
        return 1
    size = getattr(comm, "size", None)
    if not isinstance(size, int) or size < 1 or not all(hasattr(comm, name) for name in _NEEDED):
        raise TypeError(f"comm = {_check.shown(comm)}: expected an mpi4py communicator or None")
    return size


def _check_path(name: str, path: Any) -> None:
    if path is not None:
        _check.path(name, _check.instance(name, path, (str, os.PathLike), "a path or None"))


def local_from(strategy: Strategy, epochs: int) -> int:
    """Give the first epoch of phase 2, counted from 0."""
    return epochs - round(strategy.local_fraction * epochs)


def shares(strategy: Strategy, samples: int) -> list[int]:
    """Count the samples of each worker if all can see all of them."""
    return [len(range(k, samples, strategy.workers)) for k in range(strategy.workers)]


def steps_per_epoch(shares: list[int], batch_size: int) -> int:
    """Count the batches of the largest share."""
    return math.ceil(max(shares) / batch_size)
