"""Threads on one model, and each on its own, at the same time; also without Python's global lock.

    PYTHONPATH=tests python tests/helpers/hammer.py [THREADS [ROUNDS]]

Needs nothing but the package, so that `tests/wheels` can run it on free-threaded Python.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import trulysparse as ts

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 12)).astype(np.float32)
Y = X[:, :3].argmax(axis=1)
SPARSE = sp.csr_matrix(np.where(X > 1, X, 0))
FIT: dict[str, Any] = {"epochs": 3, "batch_size": 32, "progress": False}
LIMIT = 240  # seconds for all threads


def make(seed: int) -> ts.SparseMLP:
    return ts.SparseMLP([12, 30, 30, 3], epsilon=4, seed=seed, threads=2, standardize=True)


def own(seed: int, folder: Path) -> str:
    """A hash of what a thread gets from objects that no other thread has."""
    found = sha256()
    model = make(seed)
    optimizer = (ts.SGD(0.02), ts.Adam(), ts.Lion())[seed % 3]
    topology = (ts.SET(), ts.GradientGrowth())[seed % 2]
    history = model.fit(X, Y, optimizer=optimizer, topology=topology, **FIT)
    found.update(repr(history.history["loss"]).encode())
    path = folder / f"{seed}-{threading.get_ident()}.safetensors"
    model.save(path)
    found.update(path.read_bytes())
    for other in (ts.load(path), pickle.loads(pickle.dumps(model))):
        found.update(other.predict(X).tobytes())
    path.unlink()
    model.prune(percentile=30)
    model.compact()
    found.update(model.explain(X[:5]).values.tobytes())
    sparse = ts.SparseMLP([12, 30, 3], epsilon=4, seed=seed, threads=1)
    sparse.fit(SPARSE, Y, **FIT)
    found.update(sparse.predict(SPARSE).tobytes())
    classifier = ts.SparseMLPClassifier((20,), max_iter=2, random_state=seed, n_jobs=1)
    found.update(classifier.fit(X, Y).predict_proba(X).tobytes())
    return found.hexdigest()


def change(model: ts.SparseMLP, rounds: int) -> int:
    """What changes the shared model. Returns how often another thread was at it."""
    busy = 0
    for work in (
        lambda: model.fit(X, Y, topology=ts.SET(), **FIT),
        lambda: model.train_on_batch(X[:32], Y[:32]),
        lambda: model.evolve(),
        lambda: model.restore(model.snapshot()),
        lambda: setattr(model, "threads", 3 - model.threads),
        lambda: model.fit(X, Y, strategy=ts.WASSP(workers=2), **FIT),
    ) * rounds:
        try:
            work()
        except ts.ModelBusyError:
            busy += 1
    return busy


def look(model: ts.SparseMLP, folder: Path, rounds: int) -> int:
    """What reads the shared model: each finds a complete step of it."""
    path = folder / f"shared-{threading.get_ident()}.safetensors"
    for _ in range(2 * rounds):
        steps = model.steps_trained
        rows = model.predict(X[:20])
        assert np.isfinite(rows).all()
        assert np.allclose(rows.sum(axis=1), 1, atol=1e-5), rows.sum(axis=1)
        model.save(path)
        loaded = ts.load(path)
        assert loaded.steps_trained >= steps
        for one in (loaded, pickle.loads(pickle.dumps(model))):
            assert np.isfinite(one.evaluate(X, Y)["loss"])
        weights = [layer.weight for layer in model.layers]
        assert all(matrix.has_canonical_format for matrix in weights)
        lines = [repr(model)]
        model.summary(lines.append)
        assert len(lines) > len(model.layer_sizes)
        assert len(model.feature_importance()) == 12
        assert len(model.history.epoch) <= FIT["epochs"]
    return 0


def hammer(threads: int = 3, rounds: int = 1) -> int:
    """Run all of it. Returns how many calls were told that the model is busy."""
    with tempfile.TemporaryDirectory() as name:
        folder, shared = Path(name), make(99)
        shared.fit(X, Y, **FIT)
        expected = [own(seed, folder) for seed in range(3)]
        works: list[Callable[[], Any]] = []
        for i in range(threads):
            works.append(lambda: change(shared, rounds))
            works.append(lambda: look(shared, folder, rounds))
            works.append(lambda seed=i % 3: own(seed, folder) == expected[seed])
        start = threading.Barrier(len(works))

        def begun(work: Callable[[], Any]) -> Any:
            start.wait(LIMIT)
            return work()

        with ThreadPoolExecutor(len(works)) as pool:
            found = [pool.submit(begun, work) for work in works]
            results = [future.result(LIMIT) for future in found]
    assert all(results[2::3]), "a thread's own objects gave other bits beside other threads"
    return sum(results[::3])


if __name__ == "__main__":
    warnings.simplefilter("ignore", ts.ExplosionWarning)  # three epochs are few
    busy = hammer(*map(int, sys.argv[1:]))
    free = "t" in getattr(sys, "abiflags", "")
    if free and sys._is_gil_enabled():
        raise SystemExit("an import has taken the global lock back")
    print(f"hammered {'without' if free else 'with'} a global lock; busy {busy} times")
