"""The ranks from 1 on of a parallel fit: gradients and local epochs, as the server asks."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from trulysparse import _core
from trulysparse.config import Config
from trulysparse.history import History
from trulysparse.parallel.mpi.link import GRADIENT, NOTHING, STRUCTURE_AND_VALUES, TEXT, Link


class WorkerRank:
    """What one rank has: its data, and of the network the structure and one copy of the values.

    The values and the gradient take turns in one buffer, 4 bytes a parameter.
    """

    def __init__(
        self,
        link: Link,
        network: _core.Network,
        data: _core.Data,
        batch_size: int,
        settings: str,
        *,
        sharded: bool,
    ) -> None:
        self._link, self._network, self._data = link, network, data
        self._settings = settings
        self._share = (link.rank - 1, None if sharded else link.size - 1)
        self._core: _core.RemoteGradientWorker | None = _core.RemoteGradientWorker(
            network, data, batch_size, *self._share
        )
        self._buffer = np.empty(self._core.parameters(), np.float32)
        self._parts: list[npt.NDArray[np.float32]] = []
        self._epoch = -1
        self._idle = 0.0
        self._local: _core.RemoteLocalWorker | None = None

    def run(self) -> History:
        """Do what the server asks until it says that the fit is over."""
        while True:
            asked = time.monotonic()
            header = self._link.header(0)
            if header["kind"] != TEXT:
                self._gradient(header, asked)
                continue
            message = self._link.hear(0, header)
            if message["do"] == "finish":
                return self._finish(message)
            self._do(message)

    def _gradient(self, header: Any, asked: float) -> None:
        core = self._core
        assert core is not None
        if header["kind"] == STRUCTURE_AND_VALUES:
            self._receive_structure(core)
        self._link.receive(0, *self._parts)
        self._idle += time.monotonic() - asked
        core.set_values(self._buffer)
        start, epoch = int(header["start"]), int(header["epoch"])
        sums: _core.ScoreSums | None
        if start < 0:
            sums = core.next_gradient(self._buffer)
        else:
            if epoch != self._epoch:
                core.shuffle(epoch)
                self._epoch = epoch
            sums = core.gradient_at(start, int(header["step"]), self._buffer)
        if sums is None:
            self._link.post_header(0, kind=NOTHING, idle=self._idle)
            return
        self._link.post_header(
            0,
            kind=GRADIENT,
            size=self._buffer.size,
            **_fields(sums),
            idle=self._idle,
        )
        self._link.send(0, self._buffer)

    def _receive_structure(self, core: _core.RemoteGradientWorker) -> None:
        sizes = Config.of(self._network).layer_sizes
        nnz = np.empty(len(sizes) - 1, np.int64)
        self._link.receive(0, nnz)
        layers = []
        for n_out, count in zip(sizes[1:], nnz, strict=True):
            indptr, indices = np.empty(n_out + 1, np.int64), np.empty(count, np.uint32)
            self._link.receive(0, indptr, indices)
            layers.append((indptr, indices))
        core.set_structure(layers)
        if self._buffer.size != core.parameters():
            self._buffer = np.empty(core.parameters(), np.float32)
        # As the server sends them: of each layer the weights, then biases and SReLU's parameters.
        srelu = [self._network.srelu(layer) is not None for layer in range(len(sizes) - 1)]
        others = [5 * n if has else n for n, has in zip(sizes[1:], srelu, strict=True)]
        lengths = np.stack([nnz, np.array(others, np.int64)], axis=1).reshape(-1)
        self._parts = np.split(self._buffer, np.cumsum(lengths)[:-1])

    def _do(self, message: dict[str, Any]) -> None:
        link = self._link
        if message["do"] == "local":
            self._core, self._buffer, self._parts = None, np.empty(0, np.float32), []
            network = self._receive_network(message["size"])
            own = self._receive_network(message["own"]) if message["own"] else None
            self._local = _core.RemoteLocalWorker(
                network, self._data, self._settings, *self._share, own
            )
            return
        if message["do"] == "constant":
            constant = link.aside(lambda: self._network.constant(self._data))
            link.tell(0, {"result": [constant.samples, constant.numbers]})
            return
        if message["do"] == "measure":
            network = self._receive_network(message["size"])
            size, most = message["batch_size"], message["most"]
            found = link.aside(lambda: network.measure(self._data, size, most))
            link.tell(0, {"result": [found.loss, found.samples, found.varies]})
            return
        local = self._local
        assert local is not None
        if message["do"] == "epoch":
            scaling = _core.Scaling(**message["scaling"])
            sums = local.epoch(message["first_step"], scaling, self._tick)
            network_bytes = np.frombuffer(local.network().to_bytes({}), np.uint8)
            link.tell(0, {"sums": _fields(sums), "size": network_bytes.size}, network_bytes)
        elif message["do"] == "evolve":
            evolved = link.aside(lambda: local.evolve(message["rule"]))
            link.tell(0, {"result": [(layer.dropped, layer.grown) for layer in evolved]})
        else:
            pruned = link.aside(lambda: local.prune(message["rule"]))
            result = [(layer.neurons, layer.connections, layer.refusal) for layer in pruned]
            link.tell(0, {"result": result})

    def _tick(self, samples: int, loss: float, correct: float) -> None:
        self._link.progress[:] = samples, loss, correct
        self._link.look()

    def _receive_network(self, size: int) -> _core.Network:
        data = np.empty(size, np.uint8)
        self._link.receive(0, data)
        return _core.Network.from_bytes(data.tobytes(), self._network.threads)[0]

    def _finish(self, message: dict[str, Any]) -> History:
        self._network.become(self._receive_network(message["size"]))
        self._link.close()
        history = History()
        history.epoch = message["history"]["epoch"]
        history.history = message["history"]["history"]
        return history


def _fields(sums: _core.ScoreSums) -> dict[str, float]:
    names = ("loss", "correct", "samples", "multiply_adds", "counted")
    return {name: getattr(sums, name) for name in names}
