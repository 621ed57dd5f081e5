"""A small fit for several workers, that the tests on threads and on MPI ranks share."""

from pathlib import Path
from typing import Any

import numpy as np
import trulysparse as ts


def data(samples: int = 203) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(samples, 10)).astype(np.float32)
    return x, (x[:, 0] * x[:, 1] > 0).astype(int)


def make_model(**options: Any) -> ts.SparseMLP:
    defaults = {"epsilon": 5, "dropout": 0.2, "standardize": True, "seed": 4, "threads": 2}
    return ts.SparseMLP([10, 40, 30, 2], **(defaults | options))


def fitted(
    strategy: ts.WASSP | ts.WASAP | None,
    threads: int = 2,
    epochs: int = 6,
    model: ts.SparseMLP | None = None,
    **more: Any,
) -> ts.SparseMLP:
    x, y = data()
    model = make_model(threads=threads) if model is None else model
    more = {
        "x": x,
        "y": y,
        "batch_size": 16,
        "validation_data": (x, y),
        "optimizer": ts.SGD(0.02, nesterov=True, schedule="cosine"),
        "pruning": ts.ImportancePruning(start=2, every=2, percentile=5),
        "progress": False,
    } | more
    model.fit(epochs=epochs, strategy=strategy, **more)
    return model


def numbers(model: ts.SparseMLP) -> dict[str, list[float]]:
    """The history without what depends on the clock or on the order of workers."""
    wall = ("peak_memory", "updates", "refused", "staleness", "dropped", "idle")
    history = model.history.history
    return {k: v for k, v in history.items() if k not in wall and not k.endswith("seconds")}


def content(model: ts.SparseMLP, path: Path) -> bytes:
    model.save(path)
    return path.read_bytes()
