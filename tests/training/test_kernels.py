"""The Rust products against NumPy in float64, straight through the private module.

A matrix is CSR with one row per output neuron: indptr int64, indices uint32, data float32.
"""

import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from trulysparse._core import kernels

THREADS = (1, 2, 3)
UNIT = 2.0**-24  # unit roundoff of float32
SMALLEST = 2.0**-149  # smallest denormal: what an underflowing product may lose
MAGNITUDES = ("ordinary", "mixed", "denormal", "huge", "zeros")


def random_values(rng, shape, magnitude):
    values = rng.normal(size=shape)
    if magnitude == "mixed":  # cancellation between large and small terms
        values *= 10.0 ** rng.integers(-6, 7, size=shape)
    elif magnitude == "denormal":
        values *= 1e-40
    elif magnitude == "huge":  # products near 1e36, sums still below the largest float32
        values *= 1e18
    elif magnitude == "zeros":
        values *= rng.integers(0, 2, size=shape)
    return values.astype(np.float32)


def random_csr(rng, n_out, n_in, pattern, magnitude):
    present = rng.random((n_out, n_in)) < rng.random()
    if pattern == "empty":
        present[:] = False
    elif pattern == "full":
        present[:] = True
    elif pattern == "gaps":  # whole rows and columns empty, another row full
        present[rng.random(n_out) < 0.4] = False
        present[rng.integers(n_out)] = True
        present[:, rng.random(n_in) < 0.4] = False
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))]).astype(np.int64)
    indices = np.nonzero(present)[1].astype(np.uint32)
    return indptr, indices, random_values(rng, len(indices), magnitude)


def dense(indptr, indices, data, n_in):
    matrix = np.zeros((len(indptr) - 1, n_in))
    matrix[np.repeat(np.arange(len(indptr) - 1), np.diff(indptr)), indices] = data
    return matrix


def rows_of(indptr):
    return np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))


@st.composite
def problems(draw):
    """(generator, csr, n_in, batch, magnitude); a seed makes the numbers, so it stays fast."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_out, n_in = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    batch = draw(st.integers(1, 40) | st.sampled_from([64, 127, 128, 129, 200]))
    pattern = draw(st.sampled_from(["random", "empty", "full", "gaps"]))
    magnitude = draw(st.sampled_from(MAGNITUDES))
    return rng, random_csr(rng, n_out, n_in, pattern, magnitude), n_in, batch, magnitude


def assert_within_rounding(actual, exact, sum_of_magnitudes, terms):
    """Hold a float32 sum to the textbook bound of any summation order: n * u * sum |terms|."""
    assert actual.dtype == np.float32
    assert actual.shape == exact.shape
    bound = 1.01 * (terms + 2) * (UNIT * sum_of_magnitudes + SMALLEST)
    error = np.abs(actual.astype(np.float64) - exact)
    assert np.all(error <= bound), (error - bound).max()


def same_bits_for_all_threads(call):
    results = [call(threads) for threads in THREADS]
    for other in results[1:]:
        assert other.tobytes() == results[0].tobytes()
    return results[0]


@given(problems())
def test_spmm(problem):
    rng, (indptr, indices, data), n_in, batch, magnitude = problem
    x = random_values(rng, (n_in, batch), magnitude)
    bias = random_values(rng, len(indptr) - 1, magnitude)
    y = same_bits_for_all_threads(
        lambda threads: kernels.spmm((indptr, indices, data, n_in), x, bias, threads)
    )
    w, x64, b = dense(indptr, indices, data, n_in), x.astype(np.float64), bias[:, None]
    terms = np.diff(indptr)[:, None] + 1
    assert_within_rounding(y, w @ x64 + b, np.abs(w) @ np.abs(x64) + np.abs(b), terms)
    for row in np.flatnonzero(np.diff(indptr) == 0):
        assert np.all(y[row] == bias[row])


@given(problems())
def test_spmm_of_one_sample_has_the_same_bits_in_any_batch(problem):
    rng, (indptr, indices, data), n_in, batch, magnitude = problem
    x = random_values(rng, (n_in, batch), magnitude)
    bias = random_values(rng, len(indptr) - 1, magnitude)
    y = kernels.spmm((indptr, indices, data, n_in), x, bias, 2)
    for b in {0, batch // 2, batch - 1}:
        column = np.ascontiguousarray(x[:, b : b + 1])
        alone = kernels.spmm((indptr, indices, data, n_in), column, bias, 1)
        assert alone.tobytes() == np.ascontiguousarray(y[:, b : b + 1]).tobytes()


@given(problems())
def test_spmm_transpose(problem):
    rng, (indptr, indices, data), n_in, batch, magnitude = problem
    dy = random_values(rng, (len(indptr) - 1, batch), magnitude)
    dx = same_bits_for_all_threads(
        lambda threads: kernels.spmm_transpose((indptr, indices, data, n_in), dy, threads)
    )
    w, dy64 = dense(indptr, indices, data, n_in), dy.astype(np.float64)
    terms = np.bincount(indices, minlength=n_in)[:, None]
    assert_within_rounding(dx, w.T @ dy64, np.abs(w.T) @ np.abs(dy64), terms)
    assert np.all(dx[terms[:, 0] == 0] == 0)


@given(problems())
def test_sddmm(problem):
    rng, (indptr, indices, data), n_in, batch, magnitude = problem
    dy = random_values(rng, (len(indptr) - 1, batch), magnitude)
    x = random_values(rng, (n_in, batch), magnitude)
    g = same_bits_for_all_threads(
        lambda threads: kernels.sddmm((indptr, indices, data, n_in), dy, x, threads)
    )
    products = dy.astype(np.float64)[rows_of(indptr)] * x.astype(np.float64)[indices]
    assert_within_rounding(g, products.sum(axis=1), np.abs(products).sum(axis=1), batch)


def test_kernels_agree_with_scipy_on_a_larger_matrix():
    # Several rows per thread and blocks longer than any tile, with SciPy instead of loops.
    rng = np.random.default_rng(5)
    matrix = sp.random_array((700, 1300), density=0.05, rng=rng, format="csr", dtype=np.float32)
    matrix.sort_indices()
    csr = matrix.indptr.astype(np.int64), matrix.indices.astype(np.uint32), matrix.data
    x, dy = (rng.normal(size=(n, 130)).astype(np.float32) for n in (1300, 700))
    y = same_bits_for_all_threads(
        lambda threads: kernels.spmm((*csr, 1300), x, np.zeros(700, np.float32), threads)
    )
    dx = same_bits_for_all_threads(lambda t: kernels.spmm_transpose((*csr, 1300), dy, t))
    exact = matrix.astype(np.float64)
    np.testing.assert_allclose(y, exact @ x.astype(np.float64), rtol=0, atol=2e-5)
    np.testing.assert_allclose(dx, exact.T @ dy.astype(np.float64), rtol=0, atol=2e-5)


def broken_matrices():
    """name -> a 2 x 3 matrix with one thing wrong."""
    good = {"indptr": [0, 2, 3], "indices": [0, 2, 1], "data": [1.0, 2.0, 3.0]}
    changes = {
        "unsorted row": {"indices": [2, 0, 1]},
        "duplicate in a row": {"indices": [2, 2, 1]},
        "index equal to n_in": {"indices": [0, 3, 1]},
        "huge index": {"indices": [0, 2**32 - 1, 1]},
        "indptr decreases": {"indptr": [0, 4, 3]},
        "indptr starts above zero": {"indptr": [1, 2, 3]},
        "negative indptr": {"indptr": [0, -1, 3]},
        "indptr ends early": {"indptr": [0, 1, 2]},
        "indptr ends late": {"indptr": [0, 2, 4]},
        "indptr near the largest": {"indptr": [0, 2, 2**63 - 1]},
        "empty indptr": {"indptr": []},
        "too few indices": {"indices": [0, 2]},
        "too few data": {"data": [1.0, 2.0]},
        "too many data": {"data": [1.0, 2.0, 3.0, 4.0]},
        "NaN": {"data": [1.0, math.nan, 3.0]},
        "infinity": {"data": [1.0, -math.inf, 3.0]},
    }
    return {"good": good} | {name: good | change for name, change in changes.items()}


def as_arrays(indptr, indices, data):
    return np.array(indptr, np.int64), np.array(indices, np.uint32), np.array(data, np.float32)


@pytest.mark.parametrize("name", broken_matrices())
def test_check_csr(name):
    arrays = as_arrays(**broken_matrices()[name])
    if name == "good":
        assert kernels.check_csr((*arrays, 3)) is None
    else:
        with pytest.raises(ValueError, match=r"\w"):
            kernels.check_csr((*arrays, 3))


@given(problems())
def test_check_csr_accepts_whatever_is_valid(problem):
    _, csr, n_in, _, _ = problem
    kernels.check_csr((*csr, n_in))


# A kernel that trusted its indices would read outside its arrays: a crash, not an exception.
@pytest.mark.parametrize("name", [n for n in broken_matrices() if n not in ("NaN", "infinity")])
def test_kernels_refuse_broken_matrices(name):
    indptr, indices, data = as_arrays(**broken_matrices()[name])
    x, dy = np.ones((3, 4), np.float32), np.ones((2, 4), np.float32)
    calls = [
        lambda: kernels.spmm((indptr, indices, data, 3), x, np.zeros(2, np.float32), 1),
        lambda: kernels.spmm_transpose((indptr, indices, data, 3), dy, 1),
        lambda: kernels.evolve((indptr, indices, data, 3), 0.3, 0, 0, 1),
    ]
    if "data" not in name:  # the sampled product takes no values
        calls.append(lambda: kernels.sddmm((indptr, indices, data, 3), dy, x, 1))
    for call in calls:
        if name == "good":
            call()
        else:
            with pytest.raises(ValueError, match=r"\w"):
                call()


def test_kernels_refuse_operands_of_the_wrong_shape():
    csr = as_arrays(**broken_matrices()["good"])
    x, dy, bias = (np.ones(s, np.float32) for s in ((3, 4), (2, 4), 2))
    for call in (
        lambda: kernels.spmm((*csr, 3), x[:2], bias, 1),
        lambda: kernels.spmm((*csr, 3), x, bias[:1], 1),
        lambda: kernels.spmm_transpose((*csr, 3), x, 1),
        lambda: kernels.sddmm((*csr, 3), dy, np.ones((3, 5), np.float32), 1),
        lambda: kernels.sddmm((*csr, 3), x, x, 1),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            call()
