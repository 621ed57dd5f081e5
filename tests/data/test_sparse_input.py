"""SciPy matrices as samples, which never become dense."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import limits
from helpers.small_model import SIZES, make_model
from hypothesis import given
from hypothesis import strategies as st

FEATURES = SIZES[0]
OPTIONS = {"batch_size": 16, "epochs": 3, "progress": False}


def table(seed, samples=50, density=0.3, features=FEATURES):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(samples, features)).astype(np.float32)
    x[rng.random(x.shape) > density] = 0
    return x, rng.integers(0, SIZES[-1], samples)


def as_sparse(x, kind, index):
    matrix = kind(x)
    if hasattr(matrix, "indptr"):
        matrix.indptr, matrix.indices = matrix.indptr.astype(index), matrix.indices.astype(index)
    return matrix


KINDS = [
    sp.dok_array,
    sp.csr_array,
    sp.csr_matrix,
    sp.csc_array,
    sp.coo_array,
    sp.lil_matrix,
    sp.bsr_array,
]


def numbers(model):
    """Values of all layers; == does not tell -0 from 0."""
    return [
        array
        for layer in model.layers
        for array in (
            layer.weight.toarray(), layer.momentum.toarray(), layer.bias, layer.bias_momentum,
        )
    ]  # fmt: skip


@pytest.mark.parametrize("memory", ["fast", "lean", "least"])
@pytest.mark.parametrize("kind", KINDS)
def test_sparse_samples_train_as_dense_ones_do(kind, memory):
    x, y = table(0)
    dense, sparse = make_model(), make_model()
    options = OPTIONS | {"memory": memory, "topology": ts.SET(0.2)}
    expected = dense.fit(x, y, validation_data=(x, y), **options)
    given_x = as_sparse(x, kind, np.int64)
    history = sparse.fit(given_x, y, validation_data=(given_x, y), **options)
    for mine, other in zip(numbers(sparse), numbers(dense), strict=True):
        assert np.array_equal(mine, other)
    for name in ("loss", "accuracy", "val_loss"):
        assert history.history[name] == expected.history[name]
    assert np.array_equal(sparse.predict(given_x), dense.predict(x))
    assert sparse.evaluate(given_x, y) == dense.evaluate(x, y)


@pytest.mark.parametrize(
    ("optimizer", "topology", "activation"),
    [
        (ts.Adam(0.01, l1=1e-4), ts.SET(0.3), "all_relu"),
        (ts.SGD(0.05, nesterov=True), ts.GradientGrowth(0.3, samples=2), "all_relu"),
        (ts.Adam(0.01), ts.GradientGrowth(0.3, batch_size=10), "tanh"),
        (ts.SGD(0.05, l1=1e-3), ts.SET(0.3), "srelu"),
    ],
)
def test_sparse_samples_with_all_that_trains(optimizer, topology, activation):
    x, y = table(6)
    dense, sparse = make_model(activation=activation), make_model(activation=activation)
    options = OPTIONS | {"optimizer": optimizer, "topology": topology}
    dense.fit(x, y, **options)
    sparse.fit(sp.csr_array(x), y, **options)
    for mine, other in zip(numbers(sparse), numbers(dense), strict=True):
        assert np.array_equal(mine, other)
    assert np.array_equal(sparse.gradient_norms(sp.csr_array(x), y), dense.gradient_norms(x, y))
    dense.evolve(ts.GradientGrowth(0.2), x, y)
    sparse.evolve(ts.GradientGrowth(0.2), sp.csr_array(x), y)
    assert np.array_equal(sparse.layers[0].weight.indices, dense.layers[0].weight.indices)


@pytest.mark.parametrize("sparse", [False, True])
def test_validation_may_be_stored_the_other_way(sparse):
    x, y = table(7)
    model, same = make_model(), make_model()
    other = sp.csr_array(x)
    given_x, held_out = (other, x) if sparse else (x, other)
    history = model.fit(given_x, y, validation_data=(held_out, y), **OPTIONS)
    expected = same.fit(x, y, validation_data=(x, y), **OPTIONS)
    assert history.history["val_loss"] == expected.history["val_loss"]
    assert history.history["loss"] == expected.history["loss"]


@given(
    seed=st.integers(0, 2**32),
    density=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
    batch_size=st.integers(1, 40),
    threads=st.integers(1, 3),
    index=st.sampled_from([np.int32, np.int64]),
    hidden=st.sampled_from([[], [7], [30, 20]]),
)
def test_whatever_is_zero(seed, density, batch_size, threads, index, hidden):
    x, y = table(seed, samples=23, density=density)
    sizes = [FEATURES, *hidden, SIZES[-1]]
    make = lambda threads: ts.SparseMLP(sizes, density=0.6, seed=1, threads=threads)  # noqa: E731
    options = {"batch_size": batch_size, "epochs": 2, "progress": False}
    models = [make(1), make(threads)]
    models[0].fit(x, y, **options)
    sparse = as_sparse(x, sp.csr_array, index)
    models[1].fit(sparse, y, **options)
    few = np.count_nonzero(x) <= 0.03 * x.size  # work goes by the values: bits differ
    for dense, other in zip(*map(numbers, models), strict=True):
        np.testing.assert_allclose(dense, other, rtol=0, atol=1e-5 if few else 0)
    predictions = models[1].predict(x, batch_size=batch_size)
    assert np.array_equal(predictions, models[1].predict(sparse))
    np.testing.assert_allclose(models[0].predict(x), predictions, rtol=0, atol=1e-5 if few else 0)


@pytest.mark.parametrize("strategy", [ts.WASSP(workers=2), ts.WASAP(workers=1), None])
def test_standardised_features_are_scaled_and_the_layer_moves_them(strategy):
    x, y = table(5, samples=80)
    x[:, 2] = 0  # without variance
    x[:, 3] = np.random.default_rng(1).normal(5, 2, len(x))  # no zeros, far from 0
    dense, sparse = make_model(standardize=True), make_model(standardize=True)
    options = OPTIONS | {"topology": ts.SET(0.0, 0.0), "strategy": strategy}
    dense.fit(x, y, **options)
    sparse.fit(sp.csr_array(x), y, **options)
    np.testing.assert_allclose(sparse.mean, dense.mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(sparse.scale, dense.scale, rtol=1e-12)
    assert (sparse.mean[2], sparse.scale[2]) == (0, 0)
    for mine, other in zip(numbers(sparse), numbers(dense), strict=True):
        np.testing.assert_allclose(mine, other, rtol=0, atol=2e-5)
    # A standardising model takes either.
    np.testing.assert_allclose(
        sparse.predict(sp.csr_array(x)), sparse.predict(x), rtol=0, atol=1e-5
    )


def test_one_batch_at_a_time_and_curves():
    x, y = table(2)
    sparse, dense = make_model(), make_model()
    for start in (0, 10, 30):
        part = slice(start, start + 20)
        scores = sparse.train_on_batch(sp.csr_array(x[part]), y[part])
        assert scores == dense.train_on_batch(x[part], y[part])
    assert sparse.test_on_batch(sp.csr_array(x), y) == dense.test_on_batch(x, y)
    curve = sparse.pruning_curve(sp.csr_array(x), y, percentiles=[0, 30])
    assert np.array_equal(curve["loss"], dense.pruning_curve(x, y, percentiles=[0, 30])["loss"])


def test_the_matrix_of_the_caller_stays_as_it_is():
    x = table(3)[0]
    coo = sp.coo_array(x)  # below: two halves of every entry, in descending order
    twice = sp.csr_array(x.shape, dtype=np.float32)
    order = np.lexsort((-coo.col, coo.row))
    rows, cols, data = coo.row[order], coo.col[order], coo.data[order] / 2
    twice.indices = np.repeat(cols, 2)
    twice.data = np.repeat(data, 2)
    twice.indptr = np.concatenate([[0], 2 * np.cumsum(np.bincount(rows, minlength=len(x)))])
    before = twice.indices.copy(), twice.data.copy()
    model = make_model()
    assert np.array_equal(model.predict(twice), model.predict(x))
    assert np.array_equal(twice.indices, before[0])
    assert np.array_equal(twice.data, before[1])


def test_mistakes_are_named(state_of):
    x, y = table(4)
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match=r"x has shape \(50, 7\): expected \(samples, 6\)"):
        model.fit(sp.csr_array((50, 7), dtype=np.float32), y)
    with pytest.raises(ValueError, match=r"x has shape .*at least one sample"):
        model.predict(sp.csr_array((0, FEATURES), dtype=np.float32))
    with pytest.raises(ValueError, match="expected 50, as many as x has"):
        model.fit(sp.csr_array(x), y[1:])
    bad = sp.csr_array(x)
    bad.data[3] = np.nan
    with pytest.raises(ValueError, match=r"x\[.*\] = nan: expected finite"):
        model.fit(bad, y)
    with pytest.raises(TypeError, match="complex"):
        model.predict(sp.csr_array(x).astype(np.complex64))
    broken = sp.csr_array(x)
    broken.indices[0] = FEATURES + 3
    with pytest.raises(ValueError, match="x is not a valid sparse matrix"):
        model.predict(broken)
    broken = sp.csr_array(x)
    broken.indptr[3] = 9999  # SciPy would follow it out of its arrays
    with pytest.raises(ValueError, match="x is not a valid sparse matrix"):
        model.predict(broken)
    assert state_of(model) == before
    noisy = make_model(input_noise=0.1)
    with pytest.raises(ValueError, match=r"x is sparse and input_noise = 0\.1"):
        noisy.fit(sp.csr_array(x), y)
    with pytest.raises(ValueError, match=r"x is sparse and input_noise = 0\.1"):
        noisy.evolve(ts.GradientGrowth(), sp.csr_array(x), y)
    noisy.evaluate(sp.csr_array(x), y)  # without noise


SCRIPT = """
import numpy as np, scipy.sparse as sp, trulysparse as ts

def peak():
    with open("/proc/self/status") as status:
        return 1024 * next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

rng = np.random.default_rng(0)
samples, features, each = 10_000, 1_000_000, 50
columns = np.sort(rng.integers(0, features, (samples, each)), axis=1)
y = rng.integers(0, 2, samples)
columns[:, 0] = y  # tells the class
x = sp.csr_array(
    (np.ones(samples * each, np.float32), columns.ravel(), np.arange(0, samples * each + 1, each)),
    shape=(samples, features),
)
x.sum_duplicates()
model = ts.SparseMLP([features, 100, 2], epsilon=5, dropout=0, init="lecun_uniform", fan="real",
                     seed=0)
history = model.fit(x, y, epochs=3, optimizer=ts.SGD(0.05, weight_decay=0), progress=False,
                    topology=ts.SET(grow_init=0.1))
print(model.nnz, peak(), history.history["loss"][0], history.history["loss"][-1],
      model.predict(x).shape)
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads the peak memory from Linux's /proc"
)
def test_a_million_columns_train_within_a_gigabyte():
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    assert done.returncode == 0, done.stderr
    nnz, peak, first, last = done.stdout.split()[:4]
    assert int(nnz) > 4_900_000
    assert int(peak) < 1e9
    assert float(last) < float(first)
