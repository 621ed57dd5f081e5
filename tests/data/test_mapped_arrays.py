"""Arrays that are mapped from files are used where they are."""

import mmap
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits

SAMPLES, FEATURES = 2000, 1000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(SAMPLES, FEATURES)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy"


def peak(x: np.ndarray, *, standardize: bool = True) -> int:
    """The bytes of NumPy's arrays, at most, while a model trains on `x` and predicts."""
    y = np.arange(SAMPLES) % 2
    model = ts.SparseMLP([FEATURES, 20, 2], density=0.05, standardize=standardize, seed=0)
    tracemalloc.start()
    try:
        model.fit(x, y, epochs=2, validation_data=(x, y), progress=False)
        model.evaluate(x, y)
        model.predict(x)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("mode", ["r", "c", "r+"])
def test_a_mapped_array_is_not_copied(mode, path):
    assert peak(np.load(path, mmap_mode=mode)) < SAMPLES * FEATURES  # a quarter of its bytes


def test_slices_of_rows_and_raw_maps_are_not_copied_either(path):
    mapped = np.memmap(path, np.float32, "r", offset=128, shape=(SAMPLES, FEATURES))
    np.testing.assert_array_equal(mapped, np.load(path))
    assert peak(mapped) < SAMPLES * FEATURES
    model = ts.SparseMLP([FEATURES, 20, 2], density=0.05, seed=0)
    assert np.array_equal(model.predict(mapped[10:20]), model.predict(np.load(path)[10:20]))


def test_other_types_and_orders_are_copied(path):
    assert peak(np.asfortranarray(np.load(path))) >= SAMPLES * FEATURES * 4
    samples = np.load(path).astype(np.float64)
    assert peak(samples, standardize=False) >= SAMPLES * FEATURES * 4


def test_standardised_samples_stay_in_float64(path):
    samples = np.load(path).astype(np.float64)
    assert peak(samples) < SAMPLES * FEATURES * 4


# --- files that become shorter --------------------------------------------------------------------

SHORTER = """
import sys, warnings
import mmap, os
import numpy as np, trulysparse as ts
folder, *wanted = sys.argv[1:]
path = folder + "/x"
def mapped(form, kind, whole):
    wide = kind == np.float64
    if form == "npy" or wide: return np.load(path + ".npy", mmap_mode="r"), path + ".npy"
    if form == "raw": return np.memmap(path, kind, "r", shape=whole.shape), path
    if form == "view": return np.asarray(np.load(path + ".npy", "c"))[10:][:2990], path + ".npy"
    with open(path, "rb") as file:
        map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return np.frombuffer(map, kind).reshape(whole.shape), path
def attempt(form, call):
    wide = form == "float64"
    kind = np.float64 if wide else np.float32
    whole = np.random.default_rng(0).normal(size=(3000, 40)).astype(kind)
    np.save(path + ".npy", whole); whole.tofile(path)
    x, file = mapped(form, kind, whole)
    y = np.arange(len(x)) % 2
    model = ts.SparseMLP([40, 20, 2], density=0.3, standardize=wide, seed=0)
    cut = lambda: os.truncate(file, 5000)
    class Cut(ts.Callback):
        def on_epoch_end(self, epoch, logs):
            if epoch == 1: cut()
    calls = {
        "fit": lambda: model.fit(x, y, epochs=2, progress=False),
        "midway": lambda: model.fit(x, y, epochs=5, callbacks=[Cut()], progress=False),
        "workers": lambda: model.fit(x, y, epochs=5, callbacks=[Cut()], progress=False,
                                     strategy=ts.WASSP(workers=2)),
        "validation": lambda: model.fit(whole[:len(x)], y, validation_data=(x, y), epochs=5,
                                        callbacks=[Cut()], progress=False),
        "batch": lambda: model.train_on_batch(x, y),
        "predict": lambda: model.predict(x),
        "evaluate": lambda: model.evaluate(x, y),
        "targets": lambda: ts.SparseMLP([40, 5, 40], loss="squared_error").fit(
            whole[:len(x)], x, epochs=5, callbacks=[Cut()], progress=False),
        "estimator": lambda: ts.SparseMLPClassifier((10,), max_iter=1).fit(x, y),
    }
    if call not in ("midway", "workers", "validation", "targets"): cut()
    try:
        calls[call]()
    except ValueError as error:
        text = str(error)
        assert "mapped from" in text and "5000 bytes" in text, text
        assert form == "plain" or repr(file).strip("'") in text, text
        if call in ("midway", "workers"):
            assert model.epochs_trained == 2, model.epochs_trained
            assert "keeps the 2 epochs" in text, text
        print(form, call, flush=True)
for one in wanted:
    attempt(*one.split())
"""
# Of each form the calls that meet a file that has become shorter.
CALLS = {
    "npy": ["midway", "fit", "workers", "validation", "batch", "predict", "evaluate", "targets",
            "estimator"],
    "raw": ["midway"], "view": ["midway", "predict"], "plain": ["midway"],
    "float64": ["midway", "fit", "estimator"],
}  # fmt: skip


@pytest.fixture(scope="module")
def refused(tmp_path_factory):
    """One process that makes all of them, and the calls that were refused."""
    wanted = [f"{form} {call}" for form, calls in CALLS.items() for call in calls]
    command = [sys.executable, "-c", SHORTER, str(tmp_path_factory.mktemp("shorter")), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    return done, [line.split() for line in done.stdout.splitlines()]


@pytest.mark.parametrize("form", CALLS)
def test_a_file_that_became_shorter_is_an_error(form, refused):
    done, calls = refused
    assert [call for of, call in calls if of == form] == CALLS[form], done.stderr


def test_no_file_that_became_shorter_ends_the_process(refused):
    done, _ = refused
    assert done.returncode == 0, done.stderr


def test_a_file_that_grows_is_none(path):
    x = np.load(path, mmap_mode="r")
    with open(path, "ab") as file:
        file.write(b"more")
    model = ts.SparseMLP([FEATURES, 20, 2], density=0.05, seed=0)
    model.fit(x, np.arange(SAMPLES) % 2, epochs=1, progress=False)
    path.unlink()  # a name is no file
    assert np.isfinite(model.predict(x)).all()


def test_memory_without_a_file_is_none():
    x = np.frombuffer(mmap.mmap(-1, 40 * 16), np.float32).reshape(-1, 4)
    x[:] = np.random.default_rng(0).normal(size=x.shape)
    model = ts.SparseMLP([4, 20, 2], density=0.5, seed=0)
    model.fit(x, np.arange(40) % 2, epochs=1, progress=False)
