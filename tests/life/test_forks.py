"""Forks of the process while other threads use a model."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from helpers import cases, limits

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")

# A child that hangs is killed by its alarm, which shows in its exit code.
START = """
import os, signal, sys, threading, time
import numpy as np
import trulysparse as ts

x, y = np.random.default_rng(0).normal(size=(400, 20)), np.arange(400) % 3

def make(**options):
    return ts.SparseMLP([20, 100, 100, 3], density=0.5, seed=0, threads=2, **options)

def weights(model):
    return [layer.weight.data.tobytes() for layer in model.layers]

def forked(work):
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    code = 1
    try:
        signal.alarm(100)
        code = 0 if work() else 2
    except RuntimeError as error:
        code = 3 if "forked" in str(error) else 4
    finally:
        os._exit(code)

def beside(look, threads=4):
    # Threads that look again and again, which have begun.
    stop, begun = threading.Event(), threading.Semaphore(0)
    def run():
        look()
        begun.release()
        while not stop.is_set():
            look()
    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        begun.acquire()
    def end():
        stop.set()
        for thread in running:
            thread.join()
    return end
"""


def codes(script: str) -> list[int]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START + script],
        capture_output=True,
        text=True,
        timeout=limits.CHILD,
    )
    assert done.returncode == 0, done.stderr
    return list(map(int, done.stdout.split()))


CHILDREN = cases.some(5, 50)
LOOKS = {
    "predict": "model.predict(x)",
    "evaluate": "model.evaluate(x, y)",
    "importance": "model.importance(1), model.feature_importance()",
    "save": "model.save(path + str(threading.get_ident()))",
    "layers": "model.layers[0].weight",
    "settings": "model.threads, model.nnz",
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """The exit codes of the children beside each look, all of one process."""
    functions = ", ".join(f"{name!r}: lambda model: ({look})" for name, look in LOOKS.items())
    script = f"""
path = {str(tmp_path_factory.mktemp("saved"))!r} + "/model"
LOOKS = {{{functions}}}
twin = make()
twin.fit(x, y, epochs=2, progress=False)

def children(look):
    model = make()
    end = beside(lambda: look(model))

    def work():
        before = model.predict(x)
        model.fit(x, y, epochs=2, progress=False)
        return weights(model) == weights(twin) and (model.predict(x) != before).any()

    found = [forked(work) for _ in range({CHILDREN})]
    end()
    model.fit(x, y, epochs=2, progress=False)
    return [*found, 0 if weights(model) == weights(twin) else 5]

for look in LOOKS.values():
    print(*children(look), flush=True)
"""
    found = codes(script)
    each = CHILDREN + 1
    return {name: found[k * each : (k + 1) * each] for k, name in enumerate(LOOKS)}


@pytest.mark.cases
@pytest.mark.parametrize("name", LOOKS)
def test_a_child_trains_what_others_only_read(name: str, trained: dict[str, list[int]]) -> None:
    assert trained[name] == [0] * (CHILDREN + 1)


def test_children_of_children_and_their_threads_train_too() -> None:
    script = """
model, twin = make(), make()
for _ in range(3):
    twin.train_on_batch(x, y)
expected = weights(twin)
end = beside(lambda: model.predict(x))

def youngest():
    model.train_on_batch(x, y)
    return weights(model) == expected

def child():
    end = beside(lambda: model.predict(x), 2)
    model.train_on_batch(x, y)
    good = forked(lambda: model.train_on_batch(x, y) and forked(youngest) == 0) == 0
    end()
    return good

found = [forked(child) for _ in range(6)]
end()
print(*found)
"""
    assert codes(script) == [0] * 6


def test_a_child_that_lets_go_of_its_model_ends() -> None:
    script = """
found = []
for _ in range(10):
    models = [make()]
    models[0].predict(x)
    end = beside(lambda: models[0].predict(x), 2)
    def work():
        models.clear()  # frees the network and the threads that it does not have
        return make().predict(x).shape == (400, 3)
    found.append(forked(work))
    end()
print(*found)
"""
    assert codes(script) == [0] * 10


def test_a_child_of_a_fit_reads_or_is_told() -> None:
    """The network of a fit that runs is half-made at most moments; it is never waited for."""
    script = """
model = make()
stop = threading.Event()

class Stop(ts.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = stop.is_set()

options = dict(epochs=10**6, topology=None, callbacks=[Stop()], progress=False)
thread = threading.Thread(target=lambda: model.fit(x, y, **options))
thread.start()
while model.steps_trained == 0:
    pass
end = beside(lambda: model.predict(x[:5]), 2)

def work():
    model.predict(x)
    model.fit(x, y, epochs=1, progress=False)
    return True

print(*[forked(work) for _ in range(10)])
end()
stop.set()
thread.join()
"""
    assert set(codes(script)) <= {0, 3}
