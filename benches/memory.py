"""Bytes per connection, over what the process has before: `python benches/memory.py` (Linux)."""

import argparse

import numpy as np
import process
import trulysparse as ts


def main() -> None:
    """Create a network of one large layer, train it, and print the peaks."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    before = process.memory("VmHWM")
    model = ts.SparseMLP([20, 20_000, 20_000, 2], density=0.04, seed=0)
    x, y = np.zeros((8, 20), np.float32), np.zeros(8, int)

    def report(what: str) -> None:
        peak = (process.memory("VmHWM") - before) / model.nnz
        print(f"{what}: {peak:.1f} bytes per connection at the peak")

    report("created")
    model.fit(x, y, epochs=1, batch_size=4, topology=None, progress=False)
    report("trained")
    model.fit(x, y, epochs=3, batch_size=4, progress=False)
    report("trained with SET")


if __name__ == "__main__":
    main()
