"""Sparse samples by their stored values and by lanes: `python benches/sparse.py`.

Networks of the same seed train in turns on one-hot rows, and on rows of words. The work of one
goes by the stored values; the other takes the features of a batch as lanes, which is the way for
samples that store many values, and trains on some batches of the one-hot rows only. Printed are
medians, their ratio, and the peak memory. `--shares` compares both ways for shares of stored values
from 0.1 to 50 %: by it the share was chosen up to which work goes by the values.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import trulysparse as ts
from process import forget_peak, memory
from trulysparse._core import kernels

BATCH = 128


def one_hot(rows: int, columns: int, each: int, seed: int = 0) -> tuple[sp.csr_array, np.ndarray]:
    """Rows with ``each`` categories of ``columns / each`` values, as indicators; two classes."""
    rng = np.random.default_rng(seed)
    values = columns // each
    indices = rng.integers(0, values, (rows, each), dtype=np.int32)
    indices += values * np.arange(each, dtype=np.int32)
    offsets = np.arange(0, rows * each + 1, each, dtype=np.int32)
    data = np.ones(rows * each, np.float32)
    y = (indices % 7).sum(1) % 2
    return sp.csr_array((data, indices.ravel(), offsets), shape=(rows, columns)), y


def words(rows: int, columns: int, each: float, seed: int = 0) -> tuple[sp.csr_array, np.ndarray]:
    """Counts of about ``each`` words a row, frequent and rare ones; five classes."""
    rng = np.random.default_rng(seed)
    common = 1 / np.arange(1, columns + 1)
    common = rng.permutation(common / common.sum())
    counts = rng.poisson(each, rows)
    at = np.repeat(np.arange(rows), counts), rng.choice(columns, counts.sum(), p=common)
    table = sp.csr_array((np.ones(len(at[0]), np.float32), at), shape=(rows, columns))
    table.sum_duplicates()
    return table, rng.integers(0, 5, rows)


def network(x: sp.csr_array, y: np.ndarray, hidden: int, fan_out: float) -> ts.SparseMLP:
    """Give a network with about ``fan_out`` connections of each feature."""
    density = [fan_out / hidden, 1.0]
    return ts.SparseMLP([x.shape[1], hidden, int(y.max()) + 1], density=density, seed=0)


def seconds(run: Callable[[], object]) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def fit(model: ts.SparseMLP, x: sp.csr_array, y: np.ndarray) -> float:
    """Time an epoch with Adam."""
    options = {"optimizer": ts.Adam(), "topology": None, "progress": False}
    return seconds(lambda: model.fit(x, y, epochs=1, batch_size=BATCH, **options))


def compare(x: sp.csr_array, y: np.ndarray, model: ts.SparseMLP, rows: int, turns: int) -> None:
    """Print the seconds of an epoch and of predictions both ways; the second on some rows."""
    times: dict[str, list[float]] = {"values": [], "lanes": [], "predict": [], "predict lanes": []}
    part = slice(0, rows)
    for _ in range(turns):
        kernels.set_few(1.0)
        times["values"].append(fit(model, x, y))
        times["predict"].append(seconds(lambda: model.predict(x)))
        kernels.set_few(0.0)
        times["lanes"].append(fit(model, x[part], y[part]) * len(y) / rows)
        run = seconds(lambda: model.predict(x[part]))
        times["predict lanes"].append(run * len(y) / rows)
    kernels.set_few(None)
    medians = {name: statistics.median(found) for name, found in times.items()}
    for kind in ("values", "predict"):
        other = "lanes" if kind == "values" else "predict lanes"
        name = "an epoch" if kind == "values" else "predictions"
        ratio = medians[other] / medians[kind]
        print(f"  {name}: {medians[kind]:.2f} s by values, {medians[other]:.2f} s by lanes, "
              f"{ratio:.1f}x")  # fmt: skip


def shares(turns: int) -> None:
    """Print the ratio of both ways for shares of stored values."""
    for columns, hidden, fan_out in ((20_000, 100, 7), (2_000, 100, 20), (500, 500, 50)):
        for share in (0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5):
            rng = np.random.default_rng(0)
            x = sp.random_array((1280, columns), density=share, format="csr", rng=rng)
            x = x.astype(np.float32)
            y = rng.integers(0, 2, 1280)
            model = network(x, y, hidden, fan_out)
            found: dict[float, list[float]] = {1.0: [], 0.0: []}
            for _ in range(turns):
                for few, times in found.items():
                    kernels.set_few(few)
                    times.append(fit(model, x, y))
            by_values, by_lanes = (statistics.median(times) for times in found.values())
            print(f"{columns} columns, share {share}: {1e3 * by_values:.1f} ms by values, "
                  f"{by_lanes / by_values:.2f}x")  # fmt: skip
    kernels.set_few(None)


def main() -> None:
    """Print a block for each kind of rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--columns", type=int, default=1_000_000)
    parser.add_argument("--part", type=int, default=64, help="batches by lanes")
    parser.add_argument("--shares", action="store_true")
    options = parser.parse_args()
    if options.shares:
        return shares(options.turns)
    x, y = words(3000, 20_000, 100)
    print(f"{x.shape[0]} x {x.shape[1]} words, {x.nnz / x.shape[0]:.0f} a row")
    compare(x, y, network(x, y, 100, 7), len(y), options.turns * 5)
    x, y = one_hot(options.rows, options.columns, 20)
    model = network(x, y, 100, 7)
    print(f"{x.shape[0]} x {x.shape[1]} one-hot, 20 a row, {model.nnz} connections")
    forget_peak()
    fit(model, x, y)
    print(f"  peak memory of a fit: {memory('VmHWM') / 1e9:.2f} GB")
    compare(x, y, model, min(len(y), options.part * BATCH), options.turns)


if __name__ == "__main__":
    main()
