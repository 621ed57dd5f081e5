"""The start of a parallel fit on all ranks: that they agree, and who does what."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _check, _core
from trulysparse.config import Config
from trulysparse.parallel.mpi import processes
from trulysparse.parallel.mpi.link import Link
from trulysparse.parallel.strategies import Strategy, ranks


class Session:
    """A link and what its ranks have agreed on."""

    def __init__(self, comm: Any, timeout: float, *, sharded: bool) -> None:
        self.link = Link(comm, timeout)
        self.sharded = sharded
        self.greeted = self.refused = False
        self.shares: list[int] = []

    @property
    def is_server(self) -> bool:
        return self.link.rank == 0

    def greet(self, hello: dict[str, Any], samples: int = 0) -> None:
        """Compare what must be the same on all ranks; an error on all of them if it is not.

        `samples`: those that this rank has. Fills `shares` with those of all workers.
        """
        self.greeted = True
        link = self.link
        mine = {"same": hello, "samples": samples, "process": processes.own()}
        if self.is_server:
            hellos = [mine, *(link.hear(peer) for peer in link.peers)]
            verdict = _disagreement(hellos, sharded=self.sharded)
            self.shares = [theirs["samples"] for theirs in hellos[1:]]
            identities = [theirs["process"] for theirs in hellos]
            answer: dict[str, Any] = {
                "verdict": verdict,
                "shares": self.shares,
                "processes": identities,
            }
            for peer in link.peers:
                link.tell(peer, answer)
        else:
            link.tell(0, mine)
            answer = link.hear(0)
            verdict, self.shares = answer["verdict"], answer["shares"]
            identities = answer["processes"]
        link.processes = processes.Processes(identities)
        if verdict is not None:
            link.close()
            self.refused = True
            if "error" not in hello:
                raise ValueError(verdict)

    def standardize(self, core: _core.Network, data: _core.Data | None) -> None:
        """Give the network the statistics of all shares, each of which is on its own rank.

        Features that had one value until now count from now on, if they vary.
        """
        config, link = Config.of(core), self.link
        known = core.input_statistics()
        inputs = config.standardize and (known is None or not known.scale.all())
        targets = config.standardize_targets and core.target_statistics() is None
        if not inputs and not targets:
            return
        own: tuple[_core.Moments | None, _core.Moments | None] = (None, None)
        if data is not None and not self.is_server:
            own = link.aside(lambda: core.moments(data))
        sizes = config.layer_sizes
        core.standardize_by(
            self._merged(own[0], sizes[0]) if inputs else None,
            self._merged(own[1], sizes[-1]) if targets else None,
        )

    def _merged(self, own: _core.Moments | None, columns: int) -> _core.Moments:
        """Merge the workers' moments, in the order of ranks."""
        link, packed = self.link, np.empty(1 + 2 * columns)
        if self.is_server:
            merged = None
            for peer in link.peers:
                link.receive(peer, packed)
                part = _unpacked(packed.copy(), columns)
                merged = part if merged is None else merged.merged(part)
            assert merged is not None  # there are workers
            packed = _packed(merged)
            for peer in link.peers:
                link.send(peer, packed)
            return merged
        assert own is not None  # a worker has samples
        link.send(0, _packed(own))
        link.receive(0, packed)
        return _unpacked(packed, columns)

    def share_network(self, core: _core.Network, resumed: bool) -> None:
        """Give all ranks the server's network, if it comes from a checkpoint."""
        link = self.link
        if self.is_server:
            content = np.frombuffer(core.to_bytes({}) if resumed else b"", np.uint8)
            for peer in link.peers:
                link.tell(peer, {"size": content.size}, content)
        elif size := link.hear(0)["size"]:
            content = np.empty(size, np.uint8)
            link.receive(0, content)
            core.become(_core.Network.from_bytes(content.tobytes(), core.threads)[0])


@contextmanager
def session(strategy: Strategy | None) -> Iterator[Session | None]:
    """Open what a rank needs for a fit; None without a communicator of several ranks.

    An error before ranks have greeted each other is raised by all of them, and the job may go on;
    a later one ends the job when its process ends.
    """
    comm = getattr(strategy, "comm", None)
    if strategy is None or comm is None or ranks(comm) == 1:
        yield None
        return
    opened = Session(comm, strategy.timeout, sharded=strategy.sharded)
    try:
        try:
            with _interruptible(opened):
                yield opened
        except Exception as error:
            if not opened.greeted:
                opened.greet({"error": f"{type(error).__name__}: {error}"})
            raise
    except BaseException as error:
        if not opened.refused:
            opened.link.fail(error)
        raise


@contextmanager
def _interruptible(opened: Session) -> Iterator[None]:
    """Let the end that is announced to the server be a KeyboardInterrupt, so that it can save.

    Open MPI's mpiexec passes Ctrl-C on as a SIGTERM, and batch systems send one when time is up.
    """
    if (
        not opened.is_server
        or threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def fingerprint(core: _core.Network) -> str:
    """Hash the structure and values of all layers."""
    from hashlib import blake2b  # with OpenSSL, which takes a while

    digest = blake2b(digest_size=16)
    for layer in range(len(core.nnz())):
        weights = core.weights(layer)
        for part in (weights.indptr, weights.indices, weights.values):
            digest.update(np.asarray(part).view(np.uint8).data)
    return digest.hexdigest()


def _packed(moments: _core.Moments) -> npt.NDArray[np.float64]:
    return np.concatenate([[moments.total], moments.mean, moments.deviations])


def _unpacked(packed: npt.NDArray[np.float64], columns: int) -> _core.Moments:
    return _core.Moments(packed[0], packed[1 : columns + 1], packed[columns + 1 :])


def _disagreement(hellos: list[dict[str, Any]], *, sharded: bool) -> str | None:
    for rank, hello in enumerate(hellos):
        if "error" in hello["same"]:
            return f"rank {rank}: {hello['same']['error']}"
    first = hellos[0]
    for rank, hello in enumerate(hellos[1:], start=1):
        different = _check.first_difference(first["same"], hello["same"])
        if different is not None:
            key, mine, theirs = different
            return (
                f"{key}: {theirs!r} on rank {rank} and {mine!r} on rank 0, expected the same on "
                "all ranks"
            )
        if sharded and hello["samples"] == 0:
            return f"x: no samples on rank {rank}, expected at least one with sharded=True"
        if not sharded and hello["samples"] != first["samples"]:
            return (
                f"x: {hello['samples']} samples on rank {rank} and {first['samples']} on rank 0, "
                "expected all of them on all ranks, or sharded=True"
            )
    if sharded and first["samples"]:
        return (
            f"x: {first['samples']} samples on rank 0, expected none, x[:0], with sharded=True: "
            "it is the server and trains on none"
        )
    return None
