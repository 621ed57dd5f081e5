"""Messages between the server and its workers, with a timeout."""

from __future__ import annotations

import atexit
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt

from trulysparse import _core
from trulysparse.parallel.mpi.processes import Processes

T = TypeVar("T")

# Below the smallest bound that the standard allows for tags, 32767.
_DATA, _BEAT, _FAILURE = 31741, 31742, 31743

# MPI counts in 32 bits; pieces keep far away from that.
PIECE = 2**30

HEADER = np.dtype(
    [
        ("kind", "<i8"),
        ("topology", "<i8"),  # changes of the topology before
        ("start", "<i8"),  # where the batch starts in the share's order; -1: the worker's next one
        ("epoch", "<i8"),
        ("step", "<i8"),
        ("samples", "<i8"),
        ("size", "<i8"),  # of what follows
        ("loss", "<f8"),
        ("correct", "<f8"),
        ("multiply_adds", "<i8"),
        ("counted", "<f8"),  # samples, without labels that are missing
        ("idle", "<f8"),  # seconds that the worker has waited so far
    ]
)
# Seconds after which processes that are still there are not being ended with those that are gone.
_GRACE = 0.5

TEXT, VALUES, STRUCTURE_AND_VALUES, GRADIENT, NOTHING = range(5)


class PeerError(RuntimeError):
    """Another rank of a parallel fit has failed, or gives no sign of life."""


class Link:
    """One rank's end of all connections. Only the thread that made it may use it.

    A rank that waits for another sends it signs of life and looks for those of all ranks that it
    talks to: the server to the workers, a worker to the server. One that has given none for
    `timeout` seconds has failed.
    """

    def __init__(self, comm: Any, timeout: float) -> None:
        from mpi4py import MPI

        self._mpi, self._comm, self._timeout = MPI, comm, timeout
        self.rank: int = comm.rank
        self.size: int = comm.size
        self.peers = range(1, comm.size) if self.rank == 0 else range(1)
        now = time.monotonic()
        self._heard = dict.fromkeys(self.peers, now)
        self._beat_every = min(1.0, timeout / 5)
        self._next_beat = self._next_look = now
        self._posted: dict[int, list[tuple[Any, npt.NDArray[np.uint8]]]] = {}
        self._beats: dict[int, Any] = {}
        self._beats_sent = dict.fromkeys(self.peers, 0)
        self._beats_taken = dict.fromkeys(self.peers, 0)
        self._closing = False
        self._gone: set[int] = set()
        self.processes = Processes([])
        self._closed: set[int] = set()
        self.progress = np.zeros(3)  # of a worker's local epoch: samples, loss, correct
        self.progress_of = {peer: np.zeros(3) for peer in self.peers}
        self.watch: Callable[[], object] | None = None  # called now and then while one waits
        self.bytes_sent = self.bytes_received = 0

    # --- messages ---------------------------------------------------------------------------------

    def send(self, peer: int, *arrays: npt.NDArray[Any]) -> None:
        """Send arrays from where they are, and return when they may be changed again."""
        self.post(peer, *arrays)
        self._finish_posts(peer)

    def post(self, peer: int, *arrays: npt.NDArray[Any]) -> None:
        """Send arrays from where they are while other things are done; they must not change."""
        posted = self._posted.setdefault(peer, [])
        for piece in self._pieces(arrays):
            posted.append((self._comm.Isend([piece, self._mpi.BYTE], peer, _DATA), piece))
            self.bytes_sent += piece.nbytes

    def _finish_posts(self, peer: int) -> None:
        requests = [request for request, _ in self._posted.get(peer, [])]
        self._until(lambda: self._mpi.Request.Testall(requests) or None)
        self._posted.pop(peer, None)

    def receive(self, peer: int, *arrays: npt.NDArray[Any]) -> None:
        """Receive arrays of the sizes of these, into them."""
        pieces = self._pieces(arrays)
        requests = [self._comm.Irecv([p, self._mpi.BYTE], peer, _DATA) for p in pieces]
        self.bytes_received += sum(piece.nbytes for piece in pieces)
        self._until(lambda: self._mpi.Request.Testall(requests) or None)
        self._heard[peer] = max(self._heard[peer], time.monotonic())

    def post_header(self, peer: int, **fields: float) -> None:
        self._finish_posts(peer)
        header = np.zeros(1, HEADER)
        for name, value in fields.items():
            header[name] = value
        self.post(peer, header)

    def header(self, peer: int) -> Any:
        header = np.zeros(1, HEADER)
        self.receive(peer, header)
        return header[0]

    def tell(self, peer: int, message: dict[str, Any], *arrays: npt.NDArray[Any]) -> None:
        """Send a small message, and arrays after it."""
        text = np.frombuffer(json.dumps(message).encode(), np.uint8)
        self.post_header(peer, kind=TEXT, size=text.size)
        self.send(peer, text, *arrays)

    def hear(self, peer: int, header: Any = None) -> dict[str, Any]:
        """Receive a small message, whose header may have come already."""
        header = self.header(peer) if header is None else header
        if header["kind"] != TEXT:
            raise PeerError(f"rank {peer} sent something else than was expected of it")
        text = np.empty(int(header["size"]), np.uint8)
        self.receive(peer, text)
        message = json.loads(text.tobytes())
        assert isinstance(message, dict)
        return message

    def next_sender(self) -> int:
        """Wait for the first message of any peer."""
        status = self._mpi.Status()

        def arrived() -> int | None:
            found = self._comm.Iprobe(self._mpi.ANY_SOURCE, _DATA, status)
            return status.Get_source() if found else None

        return self._until(arrived)

    def _pieces(self, arrays: Sequence[npt.NDArray[Any]]) -> list[npt.NDArray[np.uint8]]:
        flat = (array.reshape(-1).view(np.uint8) for array in arrays)
        return [a[at : at + PIECE] for a in flat for at in range(0, a.size, PIECE)]

    # --- signs of life ----------------------------------------------------------------------------

    def look(self) -> None:
        """Send a sign of life, and look for failures; cheap when called often."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._beat_every / 20
        self._take_failures()
        self._take_beats(now)
        if now >= self._next_beat and not self._closing:
            self._next_beat = now + self._beat_every
            self._send_beats()
        if self.watch is not None:
            self.watch()
        if not self._closing and self.processes.is_one_gone():
            self._lose()
        for peer, heard in self._heard.items():
            if now - heard > self._timeout and peer not in self._gone:
                self._silent(peer)

    def _lose(self) -> NoReturn:
        """Say which processes are gone, unless all of them are being ended, or one says why."""
        until = time.monotonic() + _GRACE
        while time.monotonic() < until:
            self._take_failures()
            time.sleep(0.01)
        gone = self.processes.gone()
        self._gone |= gone.keys()
        raise PeerError(_lost(gone))

    def _silent(self, peer: int) -> NoReturn:
        self._gone.add(peer)
        others = self.size > 2 and peer == 0
        raise PeerError(
            f"rank {peer} has given no sign of life for {self._timeout:g} seconds: "
            f"{self.processes.said(peer)}"
            + ", perhaps as it waits for another rank that is lost"
            * others
        )

    def _send_beats(self) -> None:
        for peer in self.peers:
            pending = self._beats.get(peer)
            if pending is None or pending[0].Test():
                beat = self.progress.copy()
                self._beats_sent[peer] += 1
                self._beats[peer] = (self._comm.Isend([beat, self._mpi.DOUBLE], peer, _BEAT), beat)

    def _take_beats(self, now: float) -> None:
        beat = np.zeros(3)
        for peer in self.peers:
            # One that knows that all were taken may be in the next fit, whose signs are not ours.
            while peer not in self._closed and self._comm.Iprobe(peer, _BEAT):
                self._comm.Recv([beat, self._mpi.DOUBLE], peer, _BEAT)
                self._heard[peer] = now
                self._beats_taken[peer] += 1
                self.progress_of[peer][:] = beat

    def _take_failures(self) -> None:
        status = self._mpi.Status()
        if self._comm.Iprobe(self._mpi.ANY_SOURCE, _FAILURE, status):
            text = np.empty(status.Get_count(self._mpi.BYTE), np.uint8)
            peer = status.Get_source()
            self._comm.Recv([text, self._mpi.BYTE], peer, _FAILURE)
            self._gone.add(peer)
            failure = json.loads(text.tobytes())
            if failure["interrupted"]:
                raise KeyboardInterrupt
            raise PeerError(failure["what"])

    def _until(self, ready: Callable[[], T | None]) -> T:
        """Wait for a result that is not None."""
        started = time.monotonic()
        while (result := ready()) is None:
            self.look()
            waited = time.monotonic() - started
            # An answer usually comes at once; later the cores are better used by others.
            time.sleep(0 if waited < 1e-3 else min(waited / 10, 1e-3))
        return result

    def aside(self, work: Callable[[], T]) -> T:
        """Do long work of the core on another thread, while this one gives signs of life."""
        return _core.aside(work, self.look, self._beat_every / 5)

    def close(self) -> None:
        """Leave no message behind, which MPI's finalisation would stumble over."""
        self._closing = True
        for peer in self.peers:
            self.tell(peer, {"signs": self._beats_sent[peer]})
        for peer in self.peers:
            sent = self.hear(peer)["signs"]
            self._until(partial(self._all_taken, peer, sent))
            self._closed.add(peer)
            # It may have to wait for others before it answers.
            self._heard[peer] = time.monotonic() + self._timeout
            self.tell(peer, {"signs": "taken"})
        for peer in self.peers:
            self.hear(peer)
        for request, _ in self._beats.values():
            request.Wait()

    def _all_taken(self, peer: int, sent: int) -> bool | None:
        self._take_beats(time.monotonic())
        return self._beats_taken[peer] == sent or None

    # --- failures ---------------------------------------------------------------------------------

    def fail(self, error: BaseException) -> None:
        """Tell the others of an error of this rank, and end the job when this process ends.

        The error itself is the caller's to raise. Without the end of the job, processes would wait
        for each other in MPI's own finalisation.
        """
        interrupted = isinstance(error, KeyboardInterrupt)
        what = self._blamed(error)
        text = json.dumps({"interrupted": interrupted, "what": what[:2000]}).encode()
        buffer = np.frombuffer(text, np.uint8)
        for peer in self.peers:
            if peer not in self._gone:
                with suppress(self._mpi.Exception):  # the first error is the one to raise
                    request = self._comm.Isend([buffer, self._mpi.BYTE], peer, _FAILURE)
                    self._beats[-peer - 1] = request, buffer
        if not interrupted:
            # mpiexec may end the others before they can say it.
            print(
                f"trulysparse: rank {self.rank} ends the job: {what}", file=sys.stderr, flush=True
            )
        atexit.register(self._end)

    def _blamed(self, error: BaseException) -> str:
        """Say which rank an error is about: seldom this one, if sending or receiving failed."""
        if isinstance(error, PeerError):
            return str(error)
        if not isinstance(error, self._mpi.Exception):
            return f"rank {self.rank} failed: {_described(error)}"
        gone = self.processes.gone()
        if gone:
            return _lost(gone)
        may_be = " or ".join(map(str, self.peers))
        return f"rank {may_be} may be lost: rank {self.rank} reaches it no more ({error})"

    def _end(self) -> None:
        """Abort the job; a worker gives the server the time to say what is wrong, and to save."""
        try:
            sys.stdout.flush()
            sys.stderr.flush()
            # Half a second at least: what mpiexec has not read by the end of the job is lost.
            wait = min(self._timeout, 10.0) if self.rank > 0 and 0 not in self._gone else 0.5
            until = time.monotonic() + wait
            while time.monotonic() < until:
                self._comm.Iprobe(self._mpi.ANY_SOURCE, _FAILURE)  # MPI moves messages on in calls
                time.sleep(0.01)
        finally:
            self._comm.Abort(1)


def _lost(gone: dict[int, int]) -> str:
    """Name ranks whose processes are gone; mpiexec may know these by their numbers only."""
    each = (f"rank {rank} is lost: its process {pid} is gone" for rank, pid in gone.items())
    return ", ".join(each) + ", and said nothing"


def _described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
