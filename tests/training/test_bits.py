"""The promise of bits: golden hashes for every instruction set and number of threads.

What a network becomes depends on its arguments alone: every sum has one order, exponentials and
logarithms are our own or libm's portable ones, and vector code does what portable code does. A
change of a hash is a change of results that users see; it needs a line in the changelog.
"""

import functools
import os
import subprocess
import sys

import pytest
from helpers import limits

GOLDEN = {
    0.0: "6e492c8bc2ae240a38a4a4824f625ef9e57ed589a681c47276ad34745b31011e",
    0.3: "0db2622ae8b68261c1ee4d77a7bccac828973f690564749a9867d595fa8575fe",
}

# Batches of 33 and a short one of 1; three activations, dropout, SET, standardisation; no random
# generator but the package's own.
SCRIPT = """
import hashlib, sys
import numpy as np
import trulysparse as ts

n = 100
x = ((np.arange(n * 30).reshape(n, 30) * 7919 % 101) / 101).astype(np.float32)
y = np.arange(n) * 31 % 5

def digest_of(threads, noise):
    digest = hashlib.sha256()
    for activation in ("all_relu", "sigmoid", "tanh"):
        model = ts.SparseMLP([30, 70, 200, 40, 5], epsilon=8, activation=activation, init="normal",
                             standardize=True, seed=7, threads=threads, input_noise=noise)
        optimizer = ts.SGD(0.05, nesterov=True)
        model.fit(x, y, epochs=3, batch_size=33, progress=False, optimizer=optimizer)
        for layer in model.layers:
            for matrix in (layer.weight, layer.momentum):
                digest.update(matrix.indices.astype("<i4").tobytes())
                digest.update(matrix.data.astype("<f4").tobytes())
            digest.update(layer.bias.astype("<f4").tobytes())
        for batch_size in (1, 3, 8, 100):
            digest.update(model.predict(x, batch_size=batch_size).astype("<f4").tobytes())
    return digest.hexdigest()

for setting in sys.argv[1:]:
    threads, noise = setting.split()
    print(setting, digest_of(int(threads), float(noise)), sep=":")
"""
THREADS = [1, 3]


@functools.cache
def digests(isa):
    """All that are asked of an instruction set, in one process."""
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, *(f"{t} {noise}" for t in THREADS for noise in GOLDEN)],
        env={**os.environ, "TRULYSPARSE_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
        timeout=limits.CHILD,
    )


@pytest.mark.parametrize("noise", list(GOLDEN))
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512", "neon"])
def test_golden_hash(isa, threads, noise):
    run = digests(isa)
    if "TRULYSPARSE_ISA" in run.stderr and "expected one of" in run.stderr and isa != "portable":
        pytest.skip(f"this processor has no {isa}")
    assert run.returncode == 0, run.stderr
    found = dict(line.split(":") for line in run.stdout.splitlines())
    assert found[f"{threads} {noise}"] == GOLDEN[noise]
