"""The samples of the files here and what they are judged by: bits, the same on every machine."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt
import trulysparse as ts

SIZES = [12, 30, 20, 4]
CLASSES = np.array(["iris", "poppy", "rose", "tulip"])


def samples(count: int = 90) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Samples and labels by arithmetic alone; a row's largest feature decides its label."""
    x = np.arange(count * SIZES[0]).reshape(count, SIZES[0]) * 7919 % 10007 / 10007
    return x.astype(np.float32), x[:, : SIZES[-1]].argmax(axis=1)


def parameters(model: ts.SparseMLP) -> str:
    """The SHA-256 of all that training changes."""
    digest = hashlib.sha256()
    for layer in model.layers:
        matrices = [layer.weight, layer.momentum, layer.second_moment]
        for matrix in matrices:
            if matrix is not None:
                digest.update(matrix.indptr.astype("<i8").tobytes())
                digest.update(matrix.indices.astype("<i8").tobytes())
                digest.update(matrix.data.astype("<f4").tobytes())
        vectors = [layer.bias, layer.bias_momentum, layer.bias_second_moment]
        for vector in [*vectors, layer.srelu, layer.srelu_momentum]:
            if vector is not None:
                digest.update(vector.astype("<f4").tobytes())
        digest.update(layer.pruned.astype("<i8").tobytes())
    for statistic in (model.mean, model.scale):
        if statistic is not None:
            digest.update(np.asarray(statistic, "<f8").tobytes())
    digest.update(repr((model.epochs_trained, model.steps_trained, model.evolutions)).encode())
    return digest.hexdigest()


def predicted(model: Any) -> str:
    """Predictions, or probabilities of an estimator, as hexadecimal text of their bytes."""
    predict = model.predict if isinstance(model, ts.SparseMLP) else model.predict_proba
    return np.asarray(predict(samples(6)[0]), "<f4").tobytes().hex()


def training(name: str) -> dict[str, Any]:
    """The arguments with which the model `name` trains."""
    options: dict[str, Any] = {"epochs": 2, "batch_size": 25, "progress": False}
    if name == "adam":
        return options | {"optimizer": ts.Adam(0.005), "topology": ts.GradientGrowth(0.3)}
    if name == "srelu":
        pruning = ts.ImportancePruning(start=1, every=2, percentile=10)
        return options | {"optimizer": ts.SGD(0.05), "topology": ts.SET(0.3), "pruning": pruning}
    return options | {"optimizer": ts.SGD(0.05, nesterov=True), "topology": ts.SET(0.3)}
