"""Construction takes memory for the connections that exist and for nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import limits

SCRIPT = """
import trulysparse as ts

def peak_kib():
    # VmHWM belongs to this process image; ru_maxrss would start at the parent's peak.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

before = peak_kib()
model = ts.SparseMLP([100_000, 100_000, 100_000], epsilon=10, seed=0, threads=2)
after = peak_kib()
print(model.nnz, after - before)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc"
)
def test_a_large_network_takes_little_more_than_its_connections():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    assert done.returncode == 0, done.stderr
    nnz, kib = map(int, done.stdout.split())
    # Two layers of about epsilon * (n_in + n_out) = 2 million connections, within 1 %.
    assert abs(nnz - 4_000_000) < 40_000
    assert kib < 150 * 1024
    # Value, index and momentum of 4 bytes each: less would mean that nothing was measured.
    assert kib * 1024 > 8 * nnz
