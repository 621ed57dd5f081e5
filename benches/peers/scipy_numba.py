"""A sparse trainer of SciPy and Numba, as the paper's proof of concept is one.

Everything in float64: SciPy's CSR products (one thread), a Numba loop over the connections for
the gradient (all threads), and SciPy's sparse matrices for gradient, momentum and update.
"""

from itertools import cycle

import common
import numba
import numpy as np
import scipy.sparse as sp


@numba.njit(parallel=True, fastmath=True)
def sampled_gradient(a, delta, rows, columns, out):
    """Mean over the batch of a[:, i] * delta[:, j] for every connection (i, j)."""
    for k in numba.prange(len(out)):
        total = 0.0
        for sample in range(a.shape[0]):
            total += a[sample, rows[k]] * delta[sample, columns[k]]
        out[k] = total / a.shape[0]


def gradient(a: np.ndarray, delta: np.ndarray, w: sp.csr_array) -> sp.csr_array:
    """The gradient of a (n_in, n_out) matrix at its connections."""
    dw = w.tocoo(copy=True)
    sampled_gradient(a, delta, *dw.coords, dw.data)
    return dw.tocsr()


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def dropped(values: np.ndarray) -> np.ndarray:
    """Which values SET drops: of each sign the fraction zeta that is closest to zero."""
    drop = np.zeros(len(values), dtype=bool)
    for sign in (values > 0, values < 0):
        places = np.flatnonzero(sign)
        count = int(common.ZETA * len(places))
        if count:
            drop[places[np.argpartition(np.abs(values[places]), count - 1)[:count]]] = True
    return drop


class Bench(common.SteppedPeer):
    """The paper's step and evolution."""

    label = "SciPy + Numba"
    note = "float64; All-ReLU, dropout; SciPy's products use one thread, Numba's loop all"

    def __init__(self, work: common.Work, threads: int) -> None:
        numba.set_num_threads(threads)
        self.rate = work.rate
        self.rng = np.random.default_rng(0)
        self.w = [w.T.tocsr().astype(np.float64) for w in work.weights]
        self.b = [np.zeros(w.shape[1]) for w in self.w]
        self.v = [sp.csr_array(w.shape) for w in self.w]
        self.vb = [np.zeros_like(b) for b in self.b]
        self.slopes = [work.slope(i) for i in range(len(self.w) - 1)]
        one_hot = np.eye(work.shape.sizes[-1])
        self.batches = [(x.astype(np.float64), one_hot[y]) for x, y in work.batches()]
        self.next = cycle(self.batches)

    def forward(self, x: np.ndarray, keep: float):
        """Activations of every layer, the last one's before the softmax, and derivatives."""
        a, derivatives = [x], []
        for w, b, slope in zip(self.w, self.b, self.slopes, strict=False):
            z = a[-1] @ w + b
            derivative = np.where(z > 0, 1.0, slope)
            if keep < 1:
                derivative *= (self.rng.random(z.shape) < keep) / keep
            a.append(z * derivative)
            derivatives.append(derivative)
        a.append(a[-1] @ self.w[-1] + self.b[-1])
        return a, derivatives

    def step(self) -> None:
        x, target = next(self.next)
        a, derivatives = self.forward(x, 1 - common.DROPOUT)
        delta = softmax(a[-1]) - target
        for i in reversed(range(len(self.w))):
            dw, db = gradient(a[i], delta, self.w[i]), delta.mean(axis=0)
            if i > 0:
                delta = (delta @ self.w[i].T) * derivatives[i - 1]
            self.v[i] = common.MOMENTUM * self.v[i] - self.rate * dw
            self.w[i] = self.w[i] + self.v[i] - common.WEIGHT_DECAY * self.w[i]
            self.vb[i] = common.MOMENTUM * self.vb[i] - self.rate * db
            self.b[i] = self.b[i] + self.vb[i] - common.WEIGHT_DECAY * self.b[i]

    def loss(self) -> float:
        losses = [
            -np.log((softmax(self.forward(x, 1.0)[0][-1]) * target).sum(axis=1)).mean()
            for x, target in self.batches
        ]
        return float(np.mean(losses))

    def evolve(self) -> None:
        for i, w in enumerate(self.w[:-1]):
            shape, entries = w.shape, w.tocoo()
            keep = ~dropped(entries.data)
            keys = entries.row[keep] * np.int64(shape[1]) + entries.col[keep]
            missing, grown = w.nnz - len(keys), np.empty(0, dtype=np.int64)
            while missing > len(grown):
                fresh = self.rng.integers(0, shape[0] * shape[1], missing - len(grown))
                grown = np.union1d(grown, np.setdiff1d(fresh, keys))
            rows, columns = np.divmod(np.concatenate([keys, grown]), shape[1])
            values = self.rng.normal(0, 0.1, w.nnz)
            values[: len(keys)] = entries.data[keep]
            kept = sp.csr_array((np.ones(len(keys)), divmod(keys, shape[1])), shape=shape)
            self.w[i] = sp.csr_array((values, (rows, columns)), shape=shape)
            self.v[i] = self.v[i].multiply(kept).tocsr()


def products(weight, x, dy, threads: int) -> dict:
    """The three products of a step."""
    numba.set_num_threads(threads)
    w, x, dy = weight.T.tocsr().astype(np.float64), x.astype(np.float64), dy.astype(np.float64)
    return {
        "forward": lambda: x @ w,
        "dX": lambda: dy @ w.T,
        "dW": lambda: gradient(x, dy, w),
    }
