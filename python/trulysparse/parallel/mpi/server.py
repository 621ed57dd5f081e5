"""Rank 0 of a parallel fit: what `_core.ParallelTrainer` is for threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from trulysparse import _core
from trulysparse.history import History
from trulysparse.parallel.mpi.link import (
    GRADIENT,
    NOTHING,
    STRUCTURE_AND_VALUES,
    VALUES,
    Link,
    PeerError,
)
from trulysparse.parallel.strategies import Strategy

Tick: TypeAlias = Callable[[int, float, float], object]

T = TypeVar("T")
_Float = npt.NDArray[np.float32]

# As often as the core asks between two steps.
_TICK = 0.1


class ServerRank:
    """The network of a fit, for workers that are other ranks.

    Memory beside the network's: one gradient for an asynchronous fit and one for each worker for a
    synchronous one, 4 bytes a parameter; in phase 2 a network for each worker while they are
    averaged, or all the time if a checkpoint takes them.
    """

    def __init__(
        self,
        link: Link,
        network: _core.Network,
        strategy: Strategy,
        shares: list[int],
        settings: str,
        local_from: int,
        *,
        keeps_networks: bool,
    ) -> None:
        self._link, self._network, self._shares = link, network, shares
        self._synchronous = not strategy.asynchronous
        self._local_from = local_from
        self._core = _core.RemoteServer(network, shares, settings)
        self.learning_rate = self._core.learning_rate
        self.events = self._core.events
        # What each worker has: the version of its structure, and whether it owes a gradient.
        self._known: list[int | None] = [None] * len(shares)
        self._owing = [False] * len(shares)
        self._idle = [0.0] * len(shares)
        self._buffers: list[_Float] = []
        self._local = False
        self._keeps_networks, self._networks = keeps_networks, list[_core.Network]()
        self.multiply_adds = 0  # of all complete epochs
        self.limited = 0  # not counted

    # --- epochs -----------------------------------------------------------------------------------

    def epoch(self, epoch: int, first_step: int, tick: Tick, replay: None = None) -> _core.Scores:
        if epoch >= self._local_from:
            return self._local_epoch(epoch, first_step, tick)
        self._core.start_epoch(epoch, first_step)
        if self._synchronous:
            return self._synchronous_epoch(tick)
        return self._asynchronous_epoch(tick)

    def _asynchronous_epoch(self, tick: Tick) -> _core.Scores:
        for worker, owing in enumerate(self._owing):
            if not owing:
                self._send_network(worker)
        due = 0.0
        while True:
            worker = self._link.next_sender() - 1
            taken = self._take_gradient(worker)
            assert taken is not None
            self._core.push(worker, *taken)
            now = self._core.progress()
            if not now.finished:
                self._send_network(worker)
            if now.finished or time.monotonic() >= due:
                self._link.look()
                tick(now.samples, now.loss, now.accuracy)
                due = time.monotonic() + _TICK
            if now.finished:
                self.multiply_adds += now.multiply_adds
                return _core.Scores(now.loss, now.accuracy)

    def _synchronous_epoch(self, tick: Tick) -> _core.Scores:
        due = 0.0
        while True:
            this = self._core.round()
            active = [k for k, samples in enumerate(self._shares) if this.start < samples]
            for worker in active:
                self._send_network(worker, start=this.start, epoch=this.epoch, step=this.step)
            # In the order of workers, whoever is ready first.
            taken = [self._take_gradient(worker, worker) for worker in active]
            self._core.apply([gradient for gradient in taken if gradient is not None])
            now = self._core.progress()
            if now.finished or time.monotonic() >= due:
                self._link.look()
                tick(now.samples, now.loss, now.accuracy)
                due = time.monotonic() + _TICK
            if now.finished:
                self.multiply_adds += now.multiply_adds
                return _core.Scores(now.loss, now.accuracy)

    def _send_network(self, worker: int, *, start: int = -1, epoch: int = 0, step: int = 0) -> None:
        """Send the network: the values, and the structure if the worker has another one.

        Returns before they have arrived: the core copies what is under way before it changes.
        """
        core, peer = self._network, worker + 1
        version = self._core.topology() if self._synchronous else self._core.note_pull(worker)
        layers = range(len(core.nnz()))
        values = [np.asarray(part) for layer in layers for part in core.values(layer)]
        new = self._known[worker] != version
        self._link.post_header(
            peer,
            kind=STRUCTURE_AND_VALUES if new else VALUES,
            topology=version,
            start=start,
            epoch=epoch,
            step=step,
            size=sum(part.size for part in values),
        )
        if new:
            self._link.post(peer, np.array(core.nnz(), np.int64))
            for layer in layers:
                weights = core.weights(layer)
                self._link.post(peer, weights.indptr, np.asarray(weights.indices))
        self._link.post(peer, *values)
        self._known[worker], self._owing[worker] = version, True

    def _take_gradient(self, worker: int, buffer: int = 0) -> tuple[_Float, _core.ScoreSums] | None:
        """Receive what a worker owes; None if it had no samples left."""
        peer = worker + 1
        header = self._link.header(peer)
        if not self._owing[worker] or header["kind"] not in (GRADIENT, NOTHING):
            raise PeerError(f"rank {peer} sent something else than the gradient that it owes")
        self._owing[worker] = False
        self._idle[worker] = float(header["idle"])
        if header["kind"] == NOTHING:
            return None
        size = int(header["size"])
        while len(self._buffers) <= buffer:
            self._buffers.append(np.empty(0, np.float32))
        if self._buffers[buffer].size != size:
            self._buffers[buffer] = np.empty(size, np.float32)
        values = self._buffers[buffer]
        self._link.receive(peer, values)
        scores = float(header["loss"]), float(header["correct"])
        counts = int(header["samples"]), int(header["multiply_adds"])
        return values, _core.ScoreSums(*scores, *counts, float(header["counted"]))

    def _discard_gradients(self) -> None:
        """Receive and drop the gradients that workers have under way and that have no use now."""
        for worker, owing in enumerate(self._owing):
            if owing:
                self._take_gradient(worker)
        self._buffers.clear()

    # --- phase 2 ----------------------------------------------------------------------------------

    def _local_epoch(self, epoch: int, first_step: int, tick: Tick) -> _core.Scores:
        link = self._link
        if not self._local:
            self._discard_gradients()
            self._begin_local([])
        # JSON keeps every bit of a number.
        scaling = self._core.scaling(epoch)
        factors = {"learning_rate": scaling.learning_rate, "velocity": scaling.velocity}
        message = {"do": "epoch", "first_step": first_step, "scaling": factors}
        for peer in link.peers:
            link.progress_of[peer][:] = 0
            link.tell(peer, message)

        def watch() -> None:
            samples, loss, correct = np.sum(list(link.progress_of.values()), axis=0)
            if samples > 0:
                tick(int(samples), loss / samples, correct / samples)

        link.watch = watch
        try:
            loss, correct, samples, counted, networks = 0.0, 0.0, 0, 0.0, []
            for peer in link.peers:
                answer = link.hear(peer)
                network = np.empty(answer["size"], np.uint8)
                link.receive(peer, network)
                part = answer["sums"]
                loss, correct = loss + part["loss"], correct + part["correct"]
                samples, counted = samples + part["samples"], counted + part["counted"]
                self.multiply_adds += part["multiply_adds"]
                networks.append(_core.Network.from_bytes(network.tobytes(), 1)[0])
        finally:
            link.watch = None
        self.aside(lambda: self._network.average(networks))
        if self._keeps_networks:
            self._networks = networks
        tick(samples, loss / counted, correct / counted)
        return _core.Scores(loss / counted, correct / counted)

    def _begin_local(self, owns: list[_core.Network]) -> None:
        """Let workers train their own networks: copies of this one, or those that they had."""
        network = np.frombuffer(self._network.to_bytes({}), np.uint8)
        for worker, peer in enumerate(self._link.peers):
            own = np.frombuffer(owns[worker].to_bytes({}) if owns else b"", np.uint8)
            message = {"do": "local", "size": network.size, "own": own.size}
            self._link.tell(peer, message, network, own)
        self._local = True

    def workers(self) -> list[_core.Network]:
        """Give the networks of the last epoch of phase 2, if they are kept."""
        return self._networks

    def resume(self, workers: list[_core.Network]) -> None:
        """Go on in phase 2 with the networks that workers had."""
        self._begin_local(workers)

    # --- between epochs ---------------------------------------------------------------------------

    def evolve(self, rule: str) -> list[_core.LayerTurnover]:
        if not self._local:
            return self.aside(lambda: self._core.evolve(rule))
        answers = self._ask({"do": "evolve", "rule": rule})
        layers = zip(*answers, strict=True)
        return [_core.LayerTurnover(*map(sum, zip(*parts, strict=True))) for parts in layers]

    def prune(self, rule: str) -> list[_core.Pruned]:
        if not self._local:
            return self.aside(lambda: self._core.prune(rule))
        answers = self._ask({"do": "prune", "rule": rule})
        return [
            _core.Pruned(
                sum(part[0] for part in parts),
                sum(part[1] for part in parts),
                next((part[2] for part in parts if part[2] is not None), None),
            )
            for parts in zip(*answers, strict=True)
        ]

    def _ask(self, message: dict[str, Any], *arrays: npt.NDArray[Any]) -> list[Any]:
        for peer in self._link.peers:
            self._link.tell(peer, message, *arrays)
        return [self._link.hear(peer)["result"] for peer in self._link.peers]

    def constant(self) -> _core.Constant:
        """Give the best constant prediction of all shares; before the first epoch."""
        parts = [
            _core.Constant(self._network, samples, numbers)
            for samples, numbers in self._ask({"do": "constant"})
        ]
        return reduce(_core.Constant.join, parts)

    def measure(self, batch_size: int, most: int | None) -> _core.Measured:
        """Measure the loss of all shares, or of at most `most` samples of each."""
        self._discard_gradients()
        network = np.frombuffer(self._network.to_bytes({}), np.uint8)
        message = {"do": "measure", "batch_size": batch_size, "most": most, "size": network.size}
        found = self._ask(message, network)
        samples = sum(count for _, count, _ in found)
        loss = sum(loss * count for loss, count, _ in found) / samples
        return _core.Measured(loss, samples, any(varies for _, _, varies in found))

    def aside(self, work: Callable[[], T]) -> T:
        return self._link.aside(work)

    def tally(self) -> _core.Tally:
        return self._core.tally(sum(self._idle))

    def finish(self, history: History) -> None:
        """End the fit: all ranks get the network and the history."""
        self._discard_gradients()
        network = np.frombuffer(self._network.to_bytes({}), np.uint8)
        for peer in self._link.peers:
            content = {"epoch": history.epoch, "history": history.history}
            message = {"do": "finish", "size": network.size, "history": content}
            self._link.tell(peer, message, network)
        self._link.close()
