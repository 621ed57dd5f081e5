"""Memory and time of training from files: `python benches/streams.py [--megabytes N] [FORMAT]`.

Makes a file, trains on it for an epoch in another process, and prints by how much its memory
grew at most, beside the size of the file. Time is that of reading alone and of the fit.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import trulysparse as ts

FORMATS = ("npy", "parquet", "mixed", "h5ad", "csr")
FEATURES = 200
_PIECE = 20_000


def pieces(rows: int):
    """Draw rows of numbers, and labels that they tell."""
    rng = np.random.default_rng(0)
    for start in range(0, rows, _PIECE):
        x = rng.normal(size=(min(_PIECE, rows - start), FEATURES)).astype(np.float32)
        yield x, (x[:, :5].sum(axis=1) > 0).astype(np.int64)


def make(kind: str, path: str, size: int) -> None:
    """Write a file of about `size` bytes."""
    {"npy": make_npy, "parquet": make_parquet, "mixed": make_mixed}.get(kind, make_h5ad)(
        path, size, *([kind == "csr"] if kind in ("h5ad", "csr") else [])
    )


def make_npy(path: str, size: int) -> None:
    rows, done = size // (4 * FEATURES + 4), 0
    out = np.lib.format.open_memmap(path, "w+", np.float32, (rows, FEATURES + 1))
    for x, y in pieces(rows):
        out[done : done + len(x), :-1], out[done : done + len(x), -1] = x, y
        done += len(x)
    out.flush()


def make_parquet(path: str, size: int) -> None:
    import polars as pl

    rows = size // (4 * FEATURES)
    parts = [
        pl.DataFrame(x, schema=[f"x{i}" for i in range(FEATURES)]).with_columns(label=pl.Series(y))
        for x, y in pieces(rows)
    ]
    pl.concat(parts).write_parquet(path, row_group_size=20_000)


def make_mixed(path: str, size: int) -> None:
    """20 numbers, 5 % of them missing, and 10 columns of categories."""
    import polars as pl

    rows = size // 170
    rng, frame = np.random.default_rng(0), {}
    for i in range(20):
        column = rng.normal(size=rows)
        column[rng.random(rows) < 0.05] = np.nan
        frame[f"n{i}"] = pl.Series(column).fill_nan(None)
    for i in range(10):
        frame[f"c{i}"] = pl.Series(rng.integers(0, 1000, rows)).cast(pl.String)
    frame["label"] = pl.Series(rng.integers(0, 2, rows))
    pl.DataFrame(frame).write_parquet(path, row_group_size=20_000)


def make_h5ad(path: str, size: int, is_sparse: bool) -> None:
    """AnnData's format, dense or CSR with a tenth of the values."""
    import h5py

    with h5py.File(path, "w") as file:
        if is_sparse:
            features, per_row = 10 * FEATURES, FEATURES
            rows = size // (8 * per_row + 8)
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = "csr_matrix", (rows, features)
            group["indptr"] = np.arange(rows + 1, dtype=np.int64) * per_row
            data = group.create_dataset("data", (rows * per_row,), "f4")
            indices = group.create_dataset("indices", (rows * per_row,), "i4")
            rng, labels = np.random.default_rng(0), []
            for start in range(0, rows, _PIECE):
                count = min(_PIECE, rows - start)
                at = slice(start * per_row, (start + count) * per_row)
                places = np.sort(rng.integers(0, 10, (count, per_row)) + 10 * np.arange(per_row))
                values = rng.exponential(size=(count, per_row)).astype(np.float32)
                indices[at], data[at] = places.ravel(), values.ravel()
                labels.append(values[:, :5].sum(axis=1) > 5)
        else:
            rows, done, labels = size // (4 * FEATURES), 0, []
            data = file.create_dataset("X", (rows, FEATURES), "f4", chunks=(1000, FEATURES))
            for x, y in pieces(rows):
                data[done : done + len(x)] = x
                done += len(x)
                labels.append(y)
        file.create_group("obs")["label"] = np.concatenate(labels).astype(np.int64)


# --- what is measured ---------------------------------------------------------------------------


def resident() -> tuple[int, int]:
    """Memory of this process: all, and the part that is mapped from files."""
    pages = Path("/proc/self/statm").read_text().split()[1:3]
    return tuple(int(count) * os.sysconf("SC_PAGESIZE") for count in pages)


class Peak:
    """The most memory, looked at every few milliseconds."""

    def __enter__(self) -> "Peak":
        self.most, self._ends = resident(), False
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends = True
        self._thread.join()

    def _watch(self) -> None:
        while not self._ends:
            self.most = max(self.most, resident())  # by all of it
            time.sleep(0.003)


def train(path: str) -> None:
    """Train on a small file first, so that libraries are there, then on this one."""
    small = f"{Path(path).parent}/small{Path(path).suffix}"
    for warm in (small, path):
        before = resident()
        with Peak() as peak:
            started = time.perf_counter()
            rows = ts.open_table(warm, None if warm.endswith(".npy") else "label")
            opened = time.perf_counter()
            for _ in rows.pieces():
                pass
            read = time.perf_counter()
            model = ts.SparseMLP([rows.shape[1], 100, 2], standardize="auto", seed=0)
            history = model.fit(rows, epochs=1, batch_size=256, progress=False)
            fitted = time.perf_counter()
    found = {
        "rows": len(rows),
        "features": rows.shape[1],
        "mixed": rows.buffer_rows,
        "grown": peak.most[0] - before[0],
        "mapped": peak.most[1] - before[1],
        "open": opened - started,
        "read": read - opened,
        "fit": fitted - read,
        "epoch": history.history["seconds"][0],
    }
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("formats", nargs="*", help=f"of {', '.join(FORMATS)}; all by default")
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--train", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        train(arguments.train)
        return
    print("format    file MB  memory MB  mapped  share  rows mixed  open s  read s  fit s  epoch s")
    for kind in arguments.formats or FORMATS:
        suffix = {"npy": ".npy", "h5ad": ".h5ad", "csr": ".h5ad"}.get(kind, ".parquet")
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/large{suffix}"
            make(kind, f"{folder}/small{suffix}", 10_000_000)
            make(kind, path, arguments.megabytes * 1_000_000)
            command = [sys.executable, __file__, "--train", path]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            size = os.path.getsize(path)
        shown = [f"{kind:8} {size / 1e6:8.0f} {found['grown'] / 1e6:10.0f}"]
        shown += [f"{found['mapped'] / 1e6:7.0f} {found['grown'] / size:6.2f} {found['mixed']:11,}"]
        shown += [f"{found[name]:7.1f}" for name in ("open", "read", "fit", "epoch")]
        print(*shown, flush=True)


if __name__ == "__main__":
    main()
