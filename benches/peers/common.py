"""What all candidates share: shapes, data, connections, the interface and the timing."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import numpy as np
import scipy.sparse as sp

BATCHES = 16  # that a candidate goes through in turn; a sample of time is all of them over 16
CLASS_SIGNAL = 0.2  # distance of class centres from the origin, per feature, over the noise's
MOMENTUM, WEIGHT_DECAY, DROPOUT, ZETA = 0.9, 2e-4, 0.3, 0.3
# While timed, the thousands of steps on few samples must not end in a perfect fit, whose
# vanishing gradients are subnormal numbers, which processors are slow at.
TIMED_RATE, CHECKED_RATE = 1e-6, 2e-3


@dataclass(frozen=True)
class Shape:
    """A network of the paper, and by what factor ours has to be faster than which peer."""

    sizes: tuple[int, ...]
    epsilon: float
    batch: int
    slope: float
    goals: tuple[float | None, float | None, float | None] = (None, None, None)

    def goal(self, peer: str) -> float | None:
        """The ratio that is required over `peer`."""
        peers = ("torch_dense", "sparselab_set", "scipy_numba")
        return dict(zip(peers, self.goals, strict=True)).get(peer)

    @property
    def dense_bytes(self) -> int:
        """What its weights would take as dense float32 matrices."""
        return 4 * sum(a * b for a, b in pairwise(self.sizes))


_WIDE = (54675, 27500, 27500, 18)
SHAPES = {
    "fashion": Shape((784, 1000, 1000, 1000, 10), 20, 128, 0.6, (12, 7, 20)),
    "cifar": Shape((3072, 4000, 1000, 4000, 10), 20, 128, 0.75, (28, 7, 26)),
    "higgs": Shape((28, 1000, 1000, 1000, 2), 10, 128, 0.05, (22, 9, 22)),
    "madelon": Shape((500, 400, 100, 400, 2), 10, 32, 0.5, (8, 10, 25)),
    "wide": Shape(_WIDE, 10, 5, 0.75, (None, 4, 6)),
    "wide64": Shape(_WIDE, 10, 64, 0.75),
}


def random_csr(rng: np.random.Generator, n_out: int, n_in: int, density: float) -> sp.csr_array:
    """Draw an Erdos-Renyi layer, one row per output neuron, of variance 1 / real fan-in."""
    cells = n_out * n_in
    if cells <= 1 << 25:
        places = np.flatnonzero(rng.random(cells, dtype=np.float32) < density)
    else:
        places = np.unique(rng.integers(0, cells, rng.binomial(cells, density)))
    rows, columns = np.divmod(places, n_in)
    bound = np.sqrt(3 * n_out / len(places))
    values = rng.uniform(-bound, bound, len(places)).astype(np.float32)
    indptr = np.searchsorted(rows, np.arange(n_out + 1)).astype(np.int32)
    return sp.csr_array((values, columns.astype(np.int32), indptr), shape=(n_out, n_in))


@dataclass
class Work:
    """What every candidate is given: the same connections, weights, samples and labels."""

    shape: Shape
    rate: float
    weights: list[sp.csr_array]
    x: np.ndarray
    y: np.ndarray

    @classmethod
    def of(cls, shape: Shape, rate: float) -> "Work":
        """Draw it; the samples of a class lie around a centre, so there is something to learn."""
        rng = np.random.default_rng(0)
        weights = [
            random_csr(rng, n_out, n_in, shape.epsilon * (n_in + n_out) / (n_in * n_out))
            for n_in, n_out in pairwise(shape.sizes)
        ]
        samples, features, classes = BATCHES * shape.batch, shape.sizes[0], shape.sizes[-1]
        y = rng.integers(0, classes, samples)
        centres = CLASS_SIGNAL * rng.standard_normal((classes, features), dtype=np.float32)
        x = centres[y] + rng.standard_normal((samples, features), dtype=np.float32)
        return cls(shape, rate, weights, x, y)

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """The batches, already in memory; ours gathers its own."""
        edges = range(0, len(self.y), self.shape.batch)
        return [(self.x[i : i + self.shape.batch], self.y[i : i + self.shape.batch]) for i in edges]

    def slope(self, layer: int) -> float:
        """Of All-ReLU's negative side in hidden layer `layer`, counted from 0."""
        return self.shape.slope if layer % 2 else -self.shape.slope


class Peer(ABC):
    """A trainer of one network: a subclass is called `Bench` and built from (work, threads)."""

    label: ClassVar[str]
    note: ClassVar[str]
    needs_dense: ClassVar[bool] = False  # dense weight matrices
    same_start: ClassVar[bool] = True  # from the given weights, so the first losses must agree

    @abstractmethod
    def epoch(self) -> None:
        """Take a step on each of the batches."""

    @abstractmethod
    def loss(self) -> float:
        """Mean cross-entropy over the batches, without dropout."""


class SteppedPeer(Peer):
    """A trainer that takes its steps one by one."""

    @abstractmethod
    def step(self) -> None:
        """Train on the next batch: forward, backward, update."""

    def epoch(self) -> None:
        for _ in range(BATCHES):
            self.step()


Turn = Callable[[], dict[str, list[float]]]


def samples(run: Callable[[], object], seconds: float, *, warm: bool = True) -> list[float]:
    """Seconds of one run, again and again for `seconds`; the first is not counted if `warm`."""
    if warm:
        run()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return times


def settle(rest: float) -> None:
    """Rest until no thread pool of this process spins any more (OpenBLAS's does for a while)."""
    for _ in range(40):
        used = time.process_time()
        time.sleep(rest)
        if time.process_time() - used < 0.1 * rest:
            return


def interleave(turns: dict[str, Turn], repeats: int, rest: float) -> dict[str, dict]:
    """Let the candidates take turns, `repeats` each; what -> who -> seconds."""
    results: dict[str, dict[str, list[float]]] = {}
    for _ in range(repeats):
        for name, turn in turns.items():
            settle(rest)
            for what, times in turn().items():
                results.setdefault(what, {}).setdefault(name, []).extend(times)
    return results
