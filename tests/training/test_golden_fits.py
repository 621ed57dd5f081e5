"""Golden hashes of fits of every kind, beside those of test_bits.py.

A fit that moves one of these hashes changes results that users see; it needs a line in the
changelog. Every instruction set and number of threads gives the same.
"""

import os
import subprocess
import sys

import pytest
from helpers import limits

GOLDEN = {
    "SGD": "840104700a261700bfeb2968973035c0ba8fc46331e38e1958406adb685bdc7e",
    "Adam": "5c60813bf44998b9dc3a5db17541e0ab81927a817e38e138f2e46111651422c1",
    "Lion": "d131bdd7ae46f74b9c34ab2aab4a43f15aa847812b44a9c81eaa9cb3bada535c",
    "pruning": "1b67dcf0628322a9d19354e60ea64b71572a2be594ad4c8eeae38f140d8ad5e4",
    "WASSP": "e3b6765eb4e8c246dca81afc61b631b0c9ef427750103bca92d3e044e071df40",
    "WASAP": "bc3f40aa9e9d307de7f795a7a265d810814f9270848a0f7dd4c1655ae7918b0a",
    "sparse": "f3f7a014159840efd860879b207e1535f75c3807d3e1625e40d69c3a7f426db2",
    "input noise": "76db53f83fc48b5d28befcc52c0cca09ba4b3cc9c951ab8e68a555af4a550a01",
    "layer rates": "397ab70bca43587177bcc0f4d9247bf4d80f6d6154cf14d1ed1e30171362ef51",
    "augmentation": "3b77419b05c0ed89903889d812c5adfe95012d584c35b9c886101a72ca967666",
    "lean": "840104700a261700bfeb2968973035c0ba8fc46331e38e1958406adb685bdc7e",
    "least": "840104700a261700bfeb2968973035c0ba8fc46331e38e1958406adb685bdc7e",
    "all_relu": "30c08e69434cc05046368d9c59341fe65162cad3e74a63ca69a3c0b6a60f89dd",
    "relu": "2958f7eb20effd569fc22b39923654c848e236b4e65a1435ff17dab1dc14401a",
    "leaky_relu": "848f078ddbe3c0ac94b88f1dc7fbceb0ff59262e6c051c7d4303329fb6b784ed",
    "sigmoid": "018b5b8f232befc4a8bffc17248ce0868cf9c57e85ea177743b6411f85876c98",
    "tanh": "5db982a839176da5956ed95be03474b87c31defcb637f909e904bc363ebf8214",
    "identity": "4fc969a214dba1d15aa22d8a6706e213c064033333540ef78b6fe357d6974d9a",
    "srelu": "c2f40faa68910f2de8e93e8ede925370ad489c20bbdef137ec72dc98b09da313",
    "silu": "1ebd4ba824302c62a8f8e298b1f892b811706bc501a1561581a21a50f1e72e2d",
    "gelu": "0b0884cdfb243e7583321ad9bf2a1c193fde71925c659f5bad0c3ac9afb7d78d",
    "binary_cross_entropy": "5895b03ab792a1ac8eeaa4f18dc1f06c934359a7dc66ab777b25b95910380c41",
    "squared_error": "75730732282de19af9388e0f11df04e2c0d14acd55a2ca04707fb917d9d1fb6e",
    "huber": "2e2fbec33ee62cf48dd4b464de2ea00d04ae98f6bafefbdbdf9c3120c273ba10",
    "squared_error_sigmoid": "ede991c510022a1dd76fab58ac49134758c3375e99225f56fb47cfe29864ae40",
}

# No random generator but the package's own; prints a name and a hash for each fit.
SCRIPT = """
import hashlib, sys
import numpy as np
import scipy.sparse as sp
import trulysparse as ts

THREADS, N = int(sys.argv[1]), 120
x = ((np.arange(N * 24).reshape(N, 24) * 7919 % 10007) / 10007).astype(np.float32)
x[x < 0.4] = 0
y = x[:, :5].argmax(axis=1)
x_more, y_more = x[::3], y[::3]


def fit(name, model=None, **options):
    defaults = {"epsilon": 6, "seed": 9, "threads": THREADS, "standardize": True}
    made = ts.SparseMLP([24, 60, 50, 40, 5], **(defaults | (model or {})))
    samples = options.pop("x", x)
    defaults = {"epochs": 3, "batch_size": 25, "optimizer": ts.SGD(0.02), "progress": False}
    history = made.fit(samples, y, **(defaults | options)).history
    digest = hashlib.sha256()
    for layer in made.layers:
        for matrix in (layer.weight, layer.momentum, layer.second_moment):
            if matrix is not None:
                digest.update(matrix.indptr.astype("<i8").tobytes())
                digest.update(matrix.indices.astype("<i8").tobytes())
                digest.update(matrix.data.astype("<f4").tobytes())
        vectors = (layer.bias, layer.bias_momentum, layer.bias_second_moment)
        for vector in (*vectors, layer.srelu, layer.srelu_momentum):
            if vector is not None:
                digest.update(vector.astype("<f4").tobytes())
        digest.update(layer.pruned.astype("<i8").tobytes())
    for key in ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"):
        digest.update(np.asarray(history.get(key, ()), "<f8").tobytes())
    digest.update(made.predict(x).astype("<f4").tobytes())
    print(name, digest.hexdigest())


fit("SGD", optimizer=ts.SGD(0.02, nesterov=True, schedule="cosine"), topology=ts.SET(0.3),
    validation_data=(x_more, y_more))
fit("Adam", optimizer=ts.Adam(0.005, schedule=ts.StepDecay(1, 0.5)),
    topology=ts.GradientGrowth(0.3, schedule="cosine"), epochs=4)
fit("Lion", optimizer=ts.Lion(0.002, weight_decay=0.1, schedule="cosine"), topology=ts.SET(0.3))
fit("pruning", pruning=ts.ImportancePruning(start=1, every=1, percentile=15), epochs=4,
    model={"activation": ["srelu", "all_relu", "srelu"]})
fit("WASSP", strategy=ts.WASSP(workers=2, warmup_epochs=1, local_fraction=0.4), epochs=5)
fit("WASAP", strategy=ts.WASAP(workers=1, local_fraction=0.4), epochs=4)
fit("sparse", x=sp.csr_array(x))
fit("input noise", {"input_noise": 0.3})
fit("layer rates", optimizer=ts.SGD(0.02, layer_rates="fan_in", l1=1e-4), topology=None)
fit("augmentation", augment=ts.ImageAugmentation((4, 6, 1)))
for memory in ("lean", "least"):
    fit(memory, memory=memory, optimizer=ts.SGD(0.02, nesterov=True, schedule="cosine"),
        topology=ts.SET(0.3), validation_data=(x_more, y_more))
for activation in (
    "all_relu", "relu", "leaky_relu", "sigmoid", "tanh", "identity", "srelu", "silu", "gelu",
):
    fit(activation, {"activation": activation, "standardize": False, "init": "xavier"})
for loss in ("binary_cross_entropy", "squared_error", "squared_error_sigmoid", "huber"):
    y = np.eye(5, dtype=np.float32)[x[:, :5].argmax(axis=1)]
    fit(loss, {"loss": loss, "fan": "real", "init": "lecun_uniform"})
"""


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("isa", ["portable", "avx2", "avx512", "neon"])
def test_golden_fits(isa, threads):
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(threads)],
        env={**os.environ, "TRULYSPARSE_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
        timeout=limits.CHILD,
    )
    if "TRULYSPARSE_ISA" in run.stderr and "expected one of" in run.stderr and isa != "portable":
        pytest.skip(f"this processor has no {isa}")
    assert run.returncode == 0, run.stderr
    assert dict(line.rsplit(" ", 1) for line in run.stdout.splitlines()) == GOLDEN


def test_memory_modes_give_the_same_bits():
    assert GOLDEN["lean"] == GOLDEN["least"] == GOLDEN["SGD"]
