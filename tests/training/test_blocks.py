"""Samples of two blocks, and the smooth clip: as the same numbers in one array."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases
from hypothesis import given, settings
from hypothesis import strategies as st

# Columns of both blocks, and the part of the sparse one that is stored: work goes by values, by the
# lanes of some features, and by those of all.
SHAPES = {"few": (3, 400, 0.01), "some": (6, 60, 0.1), "most": (30, 8, 0.2)}


def table(shape: tuple[int, int, float], rows: int = 120, seed: int = 0):
    """Give a dense block with columns of very different sizes, a sparse block, and classes."""
    dense, sparse, density = shape
    rng = np.random.default_rng(seed)
    numbers = rng.normal(size=(rows, dense)) * 10.0 ** rng.integers(-3, 7, dense) + 1e4
    stored = sp.random_array((rows, sparse), density=density, format="csr", rng=rng)
    stored.data[:] = rng.integers(1, 4, stored.nnz)
    y = (numbers[:, 0] > 1e4).astype(int) + (stored[:, [0]].toarray()[:, 0] > 0)
    return numbers, stored, y


def clipped(z: np.ndarray, clip: float | None) -> np.ndarray:
    return z if clip is None else z / np.sqrt(1 + (z / clip) ** 2)


def trained(x: object, y: np.ndarray, how: object, clip: float | None = None, **fit: object):
    model = ts.SparseMLP(
        [x.shape[1], 12, 3], epsilon=6, standardize=how, clip=clip, dropout=0, seed=1
    )
    fit = {"topology": None, "optimizer": ts.Adam(0.01), "epochs": 4, "batch_size": 16} | fit
    history = model.fit(x, y, progress=False, **fit)
    return model, history.history["loss"]


@pytest.mark.parametrize("clip", [None, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_as_numbers_that_were_standardised_by_hand(shape: str, clip: float | None):
    dense, sparse, y = table(SHAPES[shape])
    z = clipped((dense - dense.mean(axis=0)) / dense.std(axis=0), clip)
    model, losses = trained(ts.Blocks(dense, sparse), y, "auto", clip)
    _, expected = trained(np.c_[z, sparse.toarray()], y, False)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    statistics = model.scale[dense.shape[1] :]
    assert (statistics == 1).all()


@pytest.mark.parametrize("clip", [None, 3.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_one_array_a_matrix_and_blocks_agree(shape: str, clip: float | None):
    dense, sparse, y = table(SHAPES[shape])
    whole = np.c_[dense, sparse.toarray()]
    forms = (whole, sp.csr_array(whole), ts.Blocks(dense, sparse))
    found = [trained(x, y, True, clip, epochs=1) for x in forms]
    for x, (model, losses) in zip(forms, found, strict=True):
        np.testing.assert_allclose(losses, found[0][1], rtol=1e-4)
        np.testing.assert_allclose(model.predict(whole), model.predict(x), atol=1e-4)


@settings(max_examples=cases.drawn(25))
@given(
    rows=st.integers(1, 40),
    dense=st.integers(1, 20),
    sparse=st.integers(1, 30),
    density=st.floats(0, 1),
    how=st.sampled_from([False, True, "auto"]),
    clip=st.sampled_from([None, 0.5, 3.0]),
    seed=st.integers(0, 5),
)
def test_predictions_are_those_of_the_formula(rows, dense, sparse, density, how, clip, seed):
    rng = np.random.default_rng(seed)
    x = ts.Blocks(
        rng.normal(size=(rows, dense)).astype(np.float32),
        sp.random_array((rows, sparse), density=density, format="csr", rng=rng, dtype=np.float32),
    )
    clip = clip if how else None
    model, _ = trained(x, rng.integers(3, size=rows), how, clip, epochs=1)
    whole = np.c_[x.dense, x.sparse.toarray()].astype(np.float64)
    if how:
        z = (whole - model.mean) * model.scale
        kept = (model.mean == 0) & (model.scale == 1) & (how == "auto")
        whole = np.where(kept, z, clipped(z, clip))
    hidden = whole @ model.layers[0].weight.astype(np.float64) + model.layers[0].bias
    hidden = np.where(hidden > 0, hidden, -0.6 * hidden)
    logits = hidden @ model.layers[1].weight.astype(np.float64) + model.layers[1].bias
    expected = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.predict(x), expected, atol=2e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_threads_and_memory_change_no_bit(shape: str):
    dense, sparse, y = table(SHAPES[shape])
    x = ts.Blocks(dense, sparse)
    found = []
    for threads, memory in ((1, "fast"), (3, "fast"), (2, "lean"), (2, "least")):
        model = ts.SparseMLP(
            [x.shape[1], 12, 3], epsilon=6, standardize="auto", clip=3, seed=1, threads=threads
        )
        model.fit(x, y, epochs=3, batch_size=16, memory=memory, progress=False)
        found.append(model.predict(x))
    assert all((other == found[0]).all() for other in found)


@pytest.mark.parametrize("shape", SHAPES)
def test_everything_that_takes_samples_takes_blocks(shape: str, tmp_path):
    dense, sparse, y = table(SHAPES[shape])
    x, fit = ts.Blocks(dense, sparse), {"epochs": 2, "topology": ts.GradientGrowth()}
    model, _ = trained(x, y, "auto", 3.0, validation_data=(x[:20], y[:20]), **fit)
    assert model.evaluate(x, y)["accuracy"] > 0.3
    model.train_on_batch(x[np.arange(5)], y[:5], optimizer=ts.Adam())
    model.pruning_curve(x, y, percentiles=[0, 5])
    model.save(tmp_path / "m.safetensors")
    loaded = ts.load(tmp_path / "m.safetensors")
    assert (loaded.predict(x) == model.predict(x)).all()
    assert (loaded.predict(x[7]) == model.predict(x)[7]).all()
    model.export_npz(tmp_path / "npz")
    back = ts.SparseMLP.from_npz(tmp_path / "npz")
    assert back.clip == 3
    assert (back.predict(x) == model.predict(x)).all()
    for strategy in (ts.WASSP(workers=2), ts.WASAP(workers=2)):
        trained(x, y, "auto", 3.0, strategy=strategy, topology=ts.SET(), optimizer=ts.SGD(0.01))
    batches = [(x[i : i + 20], y[i : i + 20]) for i in range(0, 120, 20)]
    model = ts.SparseMLP([x.shape[1], 12, 3], standardize="auto", seed=1)
    model.fit(iter(batches * 2), steps_per_epoch=6, epochs=2, progress=False)


def test_statistics_follow_batches():
    dense, sparse, y = table(SHAPES["some"])
    model = ts.SparseMLP([66, 12, 3], standardize="auto", seed=1)
    for i in range(0, 120, 30):
        model.train_on_batch(ts.Blocks(dense[i : i + 30], sparse[i : i + 30]), y[i : i + 30])
    np.testing.assert_allclose(model.mean, np.r_[dense.mean(axis=0), np.zeros(60)], rtol=1e-9)
    np.testing.assert_allclose(model.scale, np.r_[1 / dense.std(axis=0), np.ones(60)], rtol=1e-9)


def test_a_column_of_another_size_in_a_sparse_matrix():
    """As scikit-learn's ColumnTransformer makes it: a price beside one-hot columns."""
    rng = np.random.default_rng(0)
    price, rare = rng.lognormal(11, 1, 400), np.where(rng.random(400) < 0.2, 5e4, 0)
    codes = rng.integers(300, size=400)
    x = sp.hstack([price[:, None], rare[:, None], sp.eye_array(300).tocsr()[codes]], format="csr")
    y = (price > np.exp(11)).astype(int)
    model, losses = trained(x, y, "auto", epochs=10)
    np.testing.assert_allclose(model.mean[:3], [price.mean(), 0, 0])
    np.testing.assert_allclose(model.scale[:3], [1 / price.std(), 1 / 5e4, 1])
    z = sp.csr_array(x * model.scale)
    dense = np.c_[(price - price.mean()) / price.std(), z[:, 1:].toarray()]
    _, expected = trained(dense, y, False, epochs=10)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert model.evaluate(x, y)["accuracy"] > 0.9


def test_what_is_no_pair_of_blocks_is_refused():
    dense, sparse, y = table(SHAPES["some"])
    for args, error, words in (
        ((dense, dense), TypeError, "sparse is a ndarray: expected a SciPy sparse matrix"),
        ((dense[:5], sparse), ValueError, "dense has 5 samples and sparse 120"),
        ((dense[:, :0], sparse), ValueError, "at least one column"),
        ((sparse, sparse), TypeError, "dense is a sparse matrix"),
        ((dense.astype(str), sparse), TypeError, "dense has dtype"),
    ):
        with pytest.raises(error, match=words):
            ts.Blocks(*args)
    x = ts.Blocks(dense, sparse)
    with pytest.raises(TypeError, match="two blocks are no array"):
        np.asarray(x)
    with pytest.raises(TypeError, match="expected rows only"):
        x[:, 1]
    model = ts.SparseMLP([70, 5, 3], seed=0)
    with pytest.raises(ValueError, match="6 dense and 60 sparse features: expected 70 together"):
        model.predict(x)
    bad = ts.Blocks(np.where(dense == dense[3, 2], np.nan, dense), sparse)
    with pytest.raises(ValueError, match=r"x.dense\[3, 2\] = nan"):
        ts.SparseMLP([66, 5, 3], seed=0).fit(bad, y, epochs=1, progress=False)
    with pytest.raises(ValueError, match="input_noise"):
        ts.SparseMLP([66, 5, 3], input_noise=0.1).fit(x, y, epochs=1, progress=False)
    with pytest.raises(ValueError, match=r"clip = 3\.0 and standardize = False"):
        ts.SparseMLP([66, 5, 3], clip=3)
    for clip in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="clip"):
            ts.SparseMLP([66, 5, 3], standardize=True, clip=clip)


def test_clipped_values_stay_finite_and_ordered():
    x = np.array([[-1e300], [-1.0], [0.0], [1.0], [2.0], [1e300]])
    model = ts.SparseMLP([1, 3, 2], standardize=True, clip=3, seed=0)
    model._core.set_statistics(ts._core.Statistics(np.zeros(1), np.ones(1), 6.0), None)
    assert np.isfinite(model.predict(x)).all()
    assert (model.predict(x[:1]) == model.predict(x[:1] / 10)).all()
