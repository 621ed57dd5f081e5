"""Many threads, processes and libraries on one model."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits
from helpers.hammer import hammer
from helpers.in_pools import train_and_predict
from trulysparse import _core

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(300, 20)).astype(np.float32), np.arange(300) % 3


def make(**options: Any) -> ts.SparseMLP:
    return ts.SparseMLP([20, 60, 60, 3], **{"epsilon": 5, "seed": 0, "threads": 2} | options)


def weights(model: ts.SparseMLP) -> list[bytes]:
    return [layer.weight.data.tobytes() for layer in model.layers]


def together(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all at the same time, each on a thread."""
    start = threading.Barrier(len(works))

    def begun(work: Callable[[], Any]) -> Any:
        start.wait(limits.CHILD)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        futures = [pool.submit(begun, work) for work in works]
        return [future.result(limits.CHILD) for future in futures]


def test_64_threads_predict_on_one_model() -> None:
    model = make()
    expected = model.predict(X).tobytes()

    def work() -> bool:
        return all(model.predict(X, batch_size=size).tobytes() == expected for size in (7, 64, 300))

    assert all(together([work] * 64))


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=3)], ids=["alone", "WASSP"])
def test_64_threads_look_at_a_fit(strategy: Any, state_of: Any) -> None:
    """Each sees a completed step, and the fit ends with the bits of one that is alone."""
    options: dict[str, Any] = {"epochs": 6, "batch_size": 32, "progress": False}
    model, twin = make(), make()
    twin.fit(X, Y, strategy=strategy, **options)

    def look() -> bool:
        steps = [model.steps_trained]
        for _ in range(5):
            good = np.allclose(model.predict(X).sum(axis=1), 1, atol=1e-5)
            good &= np.isfinite(model.evaluate(X, Y)["loss"])
            good &= len(pickle.loads(pickle.dumps(model)).predict(X)) == len(X)
            steps.append(model.steps_trained)
            if not good:
                return False
        return steps == sorted(steps)

    fit = lambda: model.fit(X, Y, strategy=strategy, **options)  # noqa: E731
    history, *good = together([fit, *[look] * 64])
    assert all(good)
    assert history.epoch == list(range(6))
    assert state_of(model) == state_of(twin)


def test_threads_that_would_change_a_model_are_told_or_do() -> None:
    model = make()

    def work() -> int:
        done = 0
        for _ in range(10):
            try:
                model.train_on_batch(X[:30], Y[:30])
                done += 1
            except ts.ModelBusyError:
                pass
        return done

    done = together([work] * 16)
    assert model.steps_trained == sum(done) >= 1


@pytest.mark.filterwarnings("ignore::trulysparse.ExplosionWarning")
def test_threads_hammer_a_shared_model_and_their_own() -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        hammer()
    finally:
        sys.setswitchinterval(interval)


def test_the_number_of_threads_changes_while_others_predict() -> None:
    model = make()
    expected = model.predict(X).tobytes()

    def change() -> bool:
        for threads in (1, 3, 2, 4) * 5:
            model.threads = threads
        return True

    look = lambda: all(model.predict(X).tobytes() == expected for _ in range(30))  # noqa: E731
    assert all(together([change, *[look] * 8]))


def scored(classifier: Any, jobs: int) -> Any:
    from sklearn.model_selection import cross_val_score

    return cross_val_score(classifier, X, Y, cv=3, n_jobs=jobs)


@pytest.mark.parametrize("jobs", [None, 2])
@pytest.mark.parametrize("backend", ["loky", "threading", "multiprocessing"])
def test_scikit_learns_jobs_have_the_same_scores(backend: str, jobs: int | None) -> None:
    joblib = pytest.importorskip("joblib", reason="pip install scikit-learn")
    classifier = ts.SparseMLPClassifier(max_iter=3, random_state=0, n_jobs=jobs)
    expected = scored(classifier, 1)
    # Its parent uses threads of ours when it forks.
    model = make()
    model.predict(X)
    with joblib.parallel_backend(backend, n_jobs=2):
        assert (scored(classifier, 2) == expected).all()


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_pools_of_processes_train_copies(method: str) -> None:
    model = make()
    model.predict(X)
    with multiprocessing.get_context(method).Pool(2) as pool:
        found = pool.starmap_async(train_and_predict, [(model, X, Y)] * 4).get(limits.CHILD)
    assert set(found) == {train_and_predict(model, X, Y)}


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="pip install torch")
def test_torchs_threads_and_ours_do_not_meet() -> None:
    import torch

    torch.set_num_threads(2)
    model, twin = make(), make()
    twin.fit(X, Y, epochs=3, progress=False)
    net = torch.nn.Linear(2000, 2000)
    inputs = torch.ones(64, 2000)
    expected = net(inputs).detach().numpy().tobytes()

    def products() -> bool:
        return all(net(inputs).detach().numpy().tobytes() == expected for _ in range(20))

    fit = lambda: model.fit(X, Y, epochs=3, progress=False)  # noqa: E731
    assert all(together([fit, products, products])[1:])
    assert weights(model) == weights(twin)


def ran(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=limits.CHILD
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="binds a process as Linux does")
def test_a_model_takes_the_processors_that_it_may_use() -> None:
    script = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import trulysparse as ts
print(ts.SparseMLP([3, 4, 2], seed=0).threads, ts.SparseMLP([3, 4, 2], seed=0, threads=3).threads)
"""
    assert ran(script).split() == ["1", "3"]
    # A limit of a container may be below that.
    assert 1 <= _core.available_threads() <= len(os.sched_getaffinity(0))
    assert make(threads=None).threads == _core.available_threads()


def test_a_bar_waits_for_one_lock_only() -> None:
    """As if Ctrl-C had come while tqdm took its two locks one after the other."""
    std = pytest.importorskip("tqdm.std")
    if std.TqdmDefaultWriteLock().locks[0] is std.TqdmDefaultWriteLock.th_lock:
        pytest.skip("tqdm has one lock here")
    x, y = np.eye(8, 3), np.arange(8) % 2
    fit = threading.Thread(
        target=lambda: ts.SparseMLP([3, 4, 2], seed=0).fit(x, y, epochs=1, progress=False),
        daemon=True,
    )
    with std.TqdmDefaultWriteLock.mp_lock:
        fit.start()
        fit.join(limits.CHILD)
        assert not fit.is_alive()
