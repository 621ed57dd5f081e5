"""Arrays that are mapped from files are used where they are."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts

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
