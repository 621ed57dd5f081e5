"""What an asynchronous MPI job sends and waits for, and what that means for more workers.

    mpiexec -n 3 python -m mpi4py benches/mpi.py

trains a network of Fashion-MNIST's shape, 784-1000-1000-1000-10 with epsilon 20, on artificial
data, phase 1 only, and prints the bytes of an update, the seconds that the server and a worker
need for one, and a projection for more workers: K of them push at most K / (worker + wire +
server) updates per second, and at most one per (wire + server), as there is one server with one
link.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import trulysparse as ts
from trulysparse import _core

# Bytes per second of payload that a link of that speed is assumed to carry.
LINKS = {"10 Gbit/s": 1.1e9, "100 Gbit/s": 11e9}


class Clock:
    """Seconds in each call of some methods."""

    def __init__(self) -> None:
        self.calls: dict[str, list[float]] = {}

    def watch(self, owner: Any, name: str) -> None:
        method: Callable[..., Any] = getattr(owner, name)
        calls = self.calls.setdefault(name, [])

        def timed(*args: Any, **keywords: Any) -> Any:
            start = time.perf_counter()
            result = method(*args, **keywords)
            calls.append(time.perf_counter() - start)
            return result

        setattr(owner, name, timed)

    def median(self, name: str) -> float:
        return float(np.median(self.calls[name]))


class Timed:
    """An object of the core, whose methods cannot be replaced, with its calls timed."""

    def __init__(self, core: Any, clock: Clock, names: list[str]) -> None:
        self._core = core
        for name in names:
            setattr(self, name, getattr(core, name))
            clock.watch(self, name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._core, name)


def watch(clock: Clock) -> list[Any]:
    """Time the calls of the job to come; give the list of the links that it will open."""
    from trulysparse.parallel.mpi import link as links
    from trulysparse.parallel.mpi import server as servers
    from trulysparse.parallel.mpi import session as sessions
    from trulysparse.parallel.mpi import worker as workers

    opened: list[Any] = []

    class Link(links.Link):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            opened.append(self)

    def server(*arguments: Any) -> Timed:
        return Timed(_core.RemoteServer(*arguments), clock, ["push"])

    def worker(*arguments: Any) -> Timed:
        return Timed(_core.RemoteGradientWorker(*arguments), clock, ["next_gradient", "set_values"])

    sessions.Link = Link  # type: ignore[misc]
    for module, name, made in (
        (servers, "RemoteServer", server),
        (workers, "RemoteGradientWorker", worker),
    ):
        core = type("Core", (), {"__getattr__": lambda _, key: getattr(_core, key)})()
        setattr(core, name, made)
        module._core = core  # type: ignore[attr-defined]
    clock.watch(servers.ServerRank, "_send_network")
    clock.watch(servers.ServerRank, "_take_gradient")
    return opened


def report(
    workers: int, batch: int, values: int, history: Any, link: Any, step: float, clock: Clock
) -> None:
    """Print what an update takes, and what follows for more workers."""
    updates = sum(history["updates"])
    sent, received = link.bytes_sent / updates, link.bytes_received / updates
    push, give, take = map(clock.median, ("push", "_send_network", "_take_gradient"))
    print(
        f"{workers} workers, batch {batch}, {updates:,.0f} updates, "
        f"{updates / sum(history['seconds']):,.0f} per second"
    )
    print(
        f"values: {values / 1e6:.3f} MB. An update sends {sent / 1e6:.3f} MB to a worker "
        f"({sent / values:.3f} of the values, structures after evolutions included) and "
        f"{received / 1e6:.3f} MB back ({received / values:.3f})"
    )
    print(
        f"server: {1e3 * take:.3f} ms to receive, {1e3 * push:.3f} ms to apply, "
        f"{1e3 * give:.3f} ms to send; worker: {1e3 * step:.3f} ms for a gradient (medians)"
    )
    wires = {"this machine": take + give}
    wires |= {name: (sent + received) / rate for name, rate in LINKS.items()}
    print("\n| link | a server saturates at | 16 workers | 128 | 1024 |\n|---|---|---|---|---|")
    for name, wire in wires.items():
        most = 1 / (wire + push)
        rates = [min(k / (step + wire + push), most) for k in (16, 128, 1024)]
        cells = " | ".join(f"{rate * batch:,.0f} samples/s" for rate in rates)
        print(f"| {name} | {most * (step + wire + push):.1f} workers | {cells} |")
    print(f"\nOne worker alone: {batch / step:,.0f} samples/s. Projected, not measured.")


def main() -> None:
    """Run the job, and let the server print what it took."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--samples", type=int, default=25600)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    try:
        from mpi4py import MPI
    except ImportError:
        parser.error("mpi4py is not installed: pip install 'trulysparse[mpi]'")
    comm = MPI.COMM_WORLD
    if comm.size < 2:
        parser.error("expected mpiexec -n 2 or more")
    clock = Clock()
    opened = watch(clock)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(args.samples, 784)).astype(np.float32)
    y = rng.integers(0, 10, args.samples)
    model = ts.SparseMLP([784, 1000, 1000, 1000, 10], epsilon=20, seed=0, threads=1)
    values = 4 * (model.nnz + sum(model.layer_sizes[1:]))
    strategy = ts.WASAP(comm=comm, local_fraction=0)
    history = model.fit(
        x, y, epochs=args.epochs, batch_size=args.batch_size, strategy=strategy, progress=False
    )
    steps = comm.gather(
        (clock.median("next_gradient"), clock.median("set_values")) if comm.rank else None
    )
    if comm.rank == 0:
        step = float(np.median([sum(step) for step in steps[1:]]))
        report(comm.size - 1, args.batch_size, values, history.history, opened[0], step, clock)


if __name__ == "__main__":
    main()
