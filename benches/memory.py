"""Bytes per connection, over what the process has before: `python benches/memory.py` (Linux)."""

import numpy as np
import trulysparse as ts


def peak() -> int:
    """The process's peak of resident memory in bytes."""
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


before = peak()
model = ts.SparseMLP([20, 20_000, 20_000, 2], density=0.04, seed=0)
x, y = np.zeros((8, 20), np.float32), np.zeros(8, int)


def report(what: str) -> None:
    """Print the peak so far."""
    print(f"{what}: {(peak() - before) / model.nnz:.1f} bytes per connection at the peak")


report("created")
model.fit(x, y, epochs=1, batch_size=4, topology=None, progress=False)
report("trained")
model.fit(x, y, epochs=3, batch_size=4, progress=False)
report("trained with SET")
