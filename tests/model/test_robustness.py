"""What must not happen: aborts, hangs, half-made changes and reads out of bounds."""

import errno
import gc
import json
import os
import signal
import subprocess
import sys
import weakref

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from trulysparse import _core
from trulysparse.training.settings import of_trainer

SIZES = [4, 6, 3]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(10, 4)).astype(np.float32)
Y = np.arange(10) % 3
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")


def make_model(**options):
    return ts.SparseMLP(SIZES, **({"density": 0.7, "seed": 1, "threads": 2} | options))


def run(script):
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=limits.CHILD
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


LIMITED = """
import resource
import numpy as np
import trulysparse as ts

def limit(mebibytes):
    with open("/proc/self/statm") as statm:
        size = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (mebibytes << 20), resource.RLIM_INFINITY))

def refused(call):
    try:
        call()
    except MemoryError:
        return True
    return False

def state(model):
    arrays = [a for la in model.layers
              for a in (la.weight.data, la.weight.indices, la.weight.indptr, la.momentum.data,
                        la.bias, la.bias_momentum)]
    return [a.tobytes() for a in arrays] + [model.steps_trained, model.evolutions]

def unlimited():
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
"""


@LINUX
def test_training_under_a_snapshot_without_the_memory_for_a_copy():
    # 6 million connections, 24 MB of weights to copy.
    out = run(
        LIMITED
        + """
model = ts.SparseMLP([6000, 6000], density=1 / 6, loss="squared_error", seed=0, threads=1)
x, y = np.ones((1, 6000), np.float32), np.ones((1, 6000), np.float32)
model.train_on_batch(x, y)
before, snapshot = state(model), model.layers[0].weight
limit(12)
print(refused(lambda: model.train_on_batch(x, y)))
unlimited()
print(state(model) == before)
model.train_on_batch(x, y)
print(state(model) != before, snapshot.data.tobytes() == before[0])
"""
    )
    assert out.split() == ["True"] * 4


@LINUX
def test_an_evolution_without_memory_changes_no_layer():
    # There is memory for the first layer's new connections, not for the second's 6 million.
    out = run(
        LIMITED
        + """
model = ts.SparseMLP([100, 6000, 6000, 2], density=1 / 6, seed=0, threads=1)
before = state(model)
limit(30)
print(refused(model.evolve))
unlimited()
print(state(model) == before)
model.evolve()
print(model.evolutions)
"""
    )
    assert out.split() == ["True", "True", "1"]


@LINUX
def test_kernels_of_enormous_sizes_are_refused():
    out = run(
        LIMITED
        + """
from trulysparse._core import kernels
limit(1000)
none = np.zeros(1, np.int64), np.zeros(0, np.uint32), np.zeros(0, np.float32)
n = 2**32 - 2
print(refused(lambda: kernels.spmm_transpose((*none, n), np.zeros((0, 1), np.float32), 1)))
print(refused(lambda: kernels.erdos_renyi(n, 2, 0.4, 0, 2)))
"""
    )
    assert out.split() == ["True", "True"]


@pytest.mark.parametrize("p", [np.nan, np.inf, -np.inf])
def test_a_probability_that_is_no_number_is_refused(p):
    with pytest.raises(ValueError, match="density"):
        _core.kernels.erdos_renyi(3, 3, p, 0, 1)


class At(ts.Callback):
    def __init__(self, action):
        self.action = action

    def on_epoch_end(self, epoch, logs=None):
        self.action()


def set_shape(array, shape):
    array.shape = shape


CHANGES = {
    "reshaped": lambda a: set_shape(a, (a.shape[1], a.shape[0])),
    "flattened": lambda a: set_shape(a, (a.size,)),
    "shrunk": lambda a: a.resize((a.shape[0] // 2, a.shape[1]), refcheck=False),
    "retyped": lambda a: setattr(a, "dtype", np.int32),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["x", "y"])
@pytest.mark.parametrize("change", CHANGES)
def test_arrays_that_a_callback_changes_in_place_are_refused(change, name):
    x, y = np.array(X), RNG.random((10, 3), dtype=np.float32)
    array = {"x": x, "y": y}[name]
    model = make_model(loss="squared_error")
    with pytest.raises(ValueError, match=f"^{name} = an array that was changed"):
        model.fit(
            x,
            y,
            epochs=3,
            topology=None,
            callbacks=[At(lambda: CHANGES[change](array))],
            progress=False,
        )
    assert model.epochs_trained == 1
    assert np.isfinite(model.predict(X)).all()


def test_the_core_takes_c_order_only():
    model, fortran = make_model(), np.asfortranarray(X)
    with pytest.raises(ValueError, match=r"^x = .*C order"):
        _core.Data(model._core, fortran)
    out = np.empty((10, 3), np.float32, order="F")
    with pytest.raises(ValueError, match=r"^out = .*C order"):
        model._core.predict(_core.Data(model._core, X), 5, out)
    with pytest.raises(ValueError, match="C order"):
        _core.kernels.spmm_transpose(
            (np.arange(11), np.zeros(10, np.uint32), np.ones(10, np.float32), 1), fortran, 1
        )


def test_the_core_refuses_what_the_facade_would():
    model = make_model()
    data = _core.Data(model._core, X, Y.astype(np.uint32))
    text = ts.SGD()._core()
    sgd = json.loads(text)
    with pytest.raises(ValueError, match="batch_size"):
        _core.Trainer(model._core, data, of_trainer(0, text, 1))
    with pytest.raises(ValueError, match="batch_size"):
        model._core.evaluate(data, 0)
    with pytest.raises(ValueError, match="batch_size = 5: expected all samples in one step"):
        _core.Trainer(model._core, data, of_trainer(5, text, 1)).step()
    huge = json.dumps({"batch_size": 2**64 - 1, "optimizer": sgd, "total_steps": 1})
    worker = _core.RemoteLocalWorker(model._core, data, huge, 1, 2)
    assert worker.epoch(0, _core.Scaling(1.0, 1.0), lambda *_: None).samples == len(X) // 2
    for name, wrong in [
        ("learning_rate", {"learning_rate": 0.0}),
        ("momentum", {"rule": sgd["rule"] | {"momentum": 1.0}}),
        ("beta_2", {"rule": {"name": "adam", "beta_1": 0.9, "beta_2": 1.0, "epsilon": 1e-8}}),
        ("settings", {"rule": {"name": "adam", "beta_1": 0.9}}),
        ("unknown", {"unknown": 1}),
        ("weight_decay", {"weight_decay": -1.0}),
        ("l1", {"l1": -1.0}),
    ]:
        with pytest.raises(ValueError, match=name):
            _core.Trainer(model._core, data, of_trainer(5, json.dumps(sgd | wrong), 1))
    for name, arguments in [
        ("zeta", {"zeta": 1.0, "grow_init": 1.0}),
        ("zeta", {"zeta": -0.1, "grow_init": 1.0}),
        ("grow_init", {"zeta": 0.3, "grow_init": 1e39}),
    ]:
        with pytest.raises(ValueError, match=name):
            model._core.evolve(json.dumps({"rule": "set", **arguments}))
    rules = [
        "",
        "{}",
        '{"rule": "set", "zeta": 0.3}',
        '{"rule": "set", "zeta": NaN, "grow_init": 1}',
        '{"rule": "set", "zeta": 0.3, "grow_init": 1, "samples": 3}',
        '{"rule": "rigl", "zeta": 0.3, "grow_init": 1}',
        '{"rule": "gradient_growth", "zeta": 0.3, "grow_init": 1, "samples": 3}',  # no samples
    ]
    for rule in rules:
        with pytest.raises(ValueError, match="rule = "):
            model._core.evolve(rule)
    for rule in ["", '{"cut": {"threshold": 1}}', '{"cut": {"half": 1}, "close": true}']:
        with pytest.raises(ValueError, match="rule = "):
            model._core.prune(rule)


@FORKS
def test_a_fork_of_an_idle_model_works(state_of):
    model, twin = make_model(), make_model()
    model.predict(X)  # its threads are running
    twin.train_on_batch(X, Y)
    pid = os.fork()
    if pid == 0:
        code = 1
        signal.alarm(limits.CHILD)
        try:
            model.train_on_batch(X, Y)
            code = 0 if state_of(model) == state_of(twin) else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    model.train_on_batch(X, Y)
    assert state_of(model) == state_of(twin)


# A child that hangs is killed by its alarm, which fails the test.
FORKED = """
import os, signal, threading
import numpy as np
import trulysparse as ts

class Stop(ts.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = stop.is_set()

stop = threading.Event()
x, y = np.random.default_rng(0).normal(size=(3000, 20)), np.zeros(3000, int)
model = ts.SparseMLP([20, 300, 300, 3], density=0.5, seed=0, threads=2)
options = dict(epochs=10**6, batch_size=64, topology=None, callbacks=[Stop()], progress=False)
thread = threading.Thread(target=lambda: model.fit(x, y, **options))
thread.start()
while model.steps_trained == 0:
    pass
codes = []
for _ in range(8):
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            signal.alarm(100)
            try:
                model.train_on_batch(x[:10], y[:10])
                model.predict(x[:10])
                code = 0
            except RuntimeError as error:
                named = "forked" in str(error) and not isinstance(error, ts.ModelBusyError)
                code = 3 if named else 4
        finally:
            os._exit(code)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
stop.set()
thread.join()
model.predict(x[:10])
print(*codes)
"""


@FORKS
def test_a_fork_in_the_middle_of_a_fit_does_not_hang():
    codes = set(run(FORKED).split())
    assert codes <= {"0", "3"}
    assert "3" in codes  # the fit was seldom anywhere else


def test_numbers_beyond_any_float_are_named():
    for value in (10**400, 10**5000):
        with pytest.raises(ValueError, match="epsilon"):
            ts.SparseMLP(SIZES, epsilon=value)
        with pytest.raises(ValueError, match="learning_rate"):
            ts.SGD(value)
        with pytest.raises(ValueError, match="batch_size"):
            make_model().predict(X, batch_size=value)


def test_numpys_booleans_are_booleans():
    assert make_model(standardize=np.True_).standardize is True
    with pytest.raises(TypeError, match="nesterov"):
        ts.SGD(nesterov=2)


def misaligned(array):
    raw = b"\0" + array.tobytes()
    return np.frombuffer(raw, array.dtype, array.size, offset=1).reshape(array.shape)


def test_misaligned_arrays_are_copied(state_of):
    x, y, labels = misaligned(X), misaligned(np.eye(3, dtype=np.float32)[Y]), Y.astype(np.uint32)
    assert not x.flags.aligned
    model, twin = make_model(), make_model()
    model.train_on_batch(x, y)
    twin.train_on_batch(X, np.eye(3)[Y])
    model.train_on_batch(x, misaligned(labels))
    twin.train_on_batch(X, Y)
    assert state_of(model) == state_of(twin)


def test_from_scipy_names_the_array_with_a_nan():
    good = [sp.csc_array(np.ones((4, 6))), sp.csc_array(np.ones((6, 3)))]
    for dtype in (np.float32, np.float64):
        bad = good[1].astype(dtype)
        bad.data[4] = np.nan
        with pytest.raises(ValueError, match=r"^weights\[1\].data\[4\] = nan"):
            ts.SparseMLP.from_scipy([good[0], bad])
        biases = [np.zeros(6, dtype), np.array([0, 0, np.inf], dtype)]
        with pytest.raises(ValueError, match=r"^biases\[1\]\[2\] = inf"):
            ts.SparseMLP.from_scipy(good, biases)


def test_saving_into_a_missing_folder_names_the_path(tmp_path):
    path = tmp_path / "absent" / "model.safetensors"
    with pytest.raises(FileNotFoundError) as caught:
        make_model().save(path)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOENT, str(path))


def test_saving_over_a_folder_is_the_systems_error(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name) as caught:
        make_model().save(tmp_path)
    assert (caught.value.errno is not None, caught.value.filename) == (True, str(tmp_path))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="makes a named pipe")
def test_paths_that_are_no_regular_files_are_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    keep = os.open(pipe, os.O_RDWR)  # nothing hangs for want of the other end
    try:
        with pytest.raises(ValueError, match="regular file"):
            ts.load(pipe)
        with pytest.raises(ValueError, match="regular file"):
            make_model().save(pipe)
    finally:
        os.close(keep)
    assert pipe.is_fifo()


def test_the_same_model_gives_the_same_file(tmp_path):
    model = make_model(standardize=True)
    model.train_on_batch(X, Y)
    model.metadata |= {"b": "1", "a": "2"}
    files = set()
    for i in range(12):
        model.save(tmp_path / str(i))
        files.add((tmp_path / str(i)).read_bytes())
    again = ts.load(tmp_path / "0")
    again.save(tmp_path / "again")
    assert files == {(tmp_path / "again").read_bytes()}


@pytest.mark.parametrize("options", [{"epochs": 0}, {"epochs": 2, "initial_epoch": 2}])
def test_a_fit_without_epochs_changes_nothing(options, state_of):
    model = make_model(standardize=True)
    before = state_of(model)
    model.fit(X, Y, progress=False, **options)
    assert model.mean is None
    assert state_of(model) == before


def test_statistics_keep_large_offsets_apart():
    x = (16_777_000 + np.arange(100) % 2 * 1.0)[:, np.newaxis]
    model = ts.SparseMLP([1, 8, 3], density=1.0, standardize=True, dropout=0.0, seed=0, threads=1)
    plain = ts.SparseMLP([1, 8, 3], density=1.0, dropout=0.0, seed=0, threads=1)
    y = np.arange(100) % 3
    model.train_on_batch(x, y)
    plain.train_on_batch((x - 16_777_000.5) * 2, y)
    assert model.mean.dtype == model.scale.dtype == np.float64
    assert model.mean[0] == 16_777_000.5
    assert model.predict(x).tobytes() == plain.predict((x - 16_777_000.5) * 2).tobytes()


def test_importance_without_connections_is_positive_zero():
    model = ts.SparseMLP.from_scipy([sp.csc_array((4, 3))])
    assert not np.signbit(model.importance(1)).any()


def test_a_model_can_be_collected():
    model = make_model()
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
