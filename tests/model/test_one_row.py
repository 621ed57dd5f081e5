"""Few samples are predicted in one call of the core, with the same bits; what is said is said."""

import mmap
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import scoring
from trulysparse.data.columns import ordered
from trulysparse.data.samples import inputs_of

FEATURES = 7
RNG = np.random.default_rng(5)
X = RNG.normal(3, 5, size=(300, FEATURES)) * (RNG.random((300, FEATURES)) < 0.6)
X[:, 2] = 4.5  # constant


def network(loss="cross_entropy", outputs=3, **options):
    y = X[:, :outputs] if loss == "squared_error" else RNG.integers(0, outputs, len(X))
    settings = {"loss": loss, "dropout": 0.0, "density": 0.7, "seed": 1} | options
    model = ts.SparseMLP([FEATURES, 12, 9, outputs], **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, y, epochs=1, topology=None, progress=False)
    return model


MODELS = {
    "plain": network(),
    "standardised": network(standardize=True, threads=2),
    "sigmoid": network(activation="sigmoid", standardize=True),
    "srelu": network(activation="srelu"),
    "labels": network(loss="squared_error", standardize=True),
    "units": network(loss="squared_error", standardize=True, standardize_targets=True, threads=1),
    "one output": network(loss="squared_error", outputs=1, standardize_targets=True),
    "compacted": network(standardize=True),
}
MODELS["compacted"].prune(percentile=40)
MODELS["compacted"].compact()


def at_length(model, x):
    """Predict as it is done where something may have to be converted or said."""
    inputs = inputs_of(model._core, "x", ordered(model, x))
    return scoring.predict(model._core, inputs, 128)


def same(found, expected):
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected, strict=True)
    assert found.flags.writeable
    assert found.flags.owndata


def unaligned(x):
    raw = bytearray(x.nbytes + 1)
    view = np.frombuffer(raw, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    view[...] = x
    return view


LAYOUTS = {
    "as it is": np.ascontiguousarray,
    "of columns": np.asfortranarray,
    "every second": lambda x: np.repeat(x, 2, axis=0)[::2],
    "of other bytes": lambda x: x.astype(x.dtype.newbyteorder()),
    "unaligned": unaligned,
    "a subclass": np.ma.array,
    "read-only": lambda x: np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape),
}


@given(
    name=st.sampled_from(list(MODELS)),
    layout=st.sampled_from(list(LAYOUTS)),
    dtype=st.sampled_from([np.float32, np.float64, np.float16, np.int64, np.bool_]),
    rows=st.integers(1, 140),
    start=st.integers(0, 150),
)
def test_the_same_bits_from_any_array(name, layout, dtype, rows, start):
    model, x = MODELS[name], X[start : start + rows].astype(dtype)
    same(model.predict(LAYOUTS[layout](x)), at_length(model, np.ascontiguousarray(x)))


@given(
    name=st.sampled_from(list(MODELS)),
    dtype=st.sampled_from([np.float32, np.float64, np.int64]),
    kind=st.sampled_from([sp.csr_array, sp.csr_matrix, sp.csc_array]),
    rows=st.integers(1, 40),
    rounds=st.booleans(),
)
def test_the_same_bits_from_sparse_rows(name, dtype, kind, rows, rounds):
    model, x = MODELS[name], X[:rows].astype(dtype)
    x = kind(x.astype(np.float32).astype(dtype) if rounds else x)
    same(model.predict(x), at_length(model, x))


@pytest.mark.parametrize("name", MODELS)
def test_plain_samples_take_the_short_way(name):
    core = MODELS[name]._core
    row = X[:1].astype(np.float32)
    for x in (row, X[:128], X[40:41], sp.csr_array(row), sp.csr_matrix(row.astype(np.float64))):
        same(core.predict_at_once(x), MODELS[name].predict(x))
    frame, objects = pd.DataFrame(X[:1]), X[:1].astype(object)
    for x in (
        X[:0],
        X[:129],
        X[:, :3],
        X[0],
        row.tolist(),
        objects,
        frame,
        None,
        sp.coo_array(row),
    ):
        assert core.predict_at_once(x) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("column", [1, 2])
def test_numbers_that_are_refused_are_refused_in_few_samples(bad, dtype, column):
    x = X[:3].copy()
    x[1, column] = bad
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    for model in (MODELS["plain"], MODELS["standardised"]):
        if bad == 1e300 and column == 2 and dtype == np.float64 and model.standardize:
            continue  # a constant column is 0 for the network
        with pytest.raises(ValueError, match=r"x(\[1, |.*row 1)"):
            model.predict(x)
        sparse = sp.csr_array(x)
        with pytest.raises(ValueError, match="x"):
            MODELS["plain"].predict(sparse)


def test_what_is_said_of_samples_is_said_of_one():
    x = X + 1e9
    model = ts.SparseMLP([FEATURES, 12, 2], standardize=True, seed=0)
    model.fit(x, RNG.integers(0, 2, len(x)), epochs=1, progress=False)
    with pytest.warns(RuntimeWarning, match="x is float32, which near"):
        model.predict(x[:1].astype(np.float32))
    with pytest.warns(RuntimeWarning, match="x is float32, which near"):
        model.predict(sp.csr_array(x[:1].astype(np.float32)))
    huge = np.full((1, FEATURES), 1e35)
    hiding = network(activation="sigmoid")
    with pytest.warns(RuntimeWarning, match="inputs beyond"):
        hiding.predict(huge)
    weights, biases = MODELS["plain"].to_scipy()
    wild = ts.SparseMLP.from_scipy([1e20 * w for w in weights], biases, loss="squared_error")
    with pytest.warns(RuntimeWarning, match="predict gives no finite numbers for 1 of 1 rows"):
        wild.predict(X[:1])


def test_a_mapped_row_that_has_become_shorter_is_refused(tmp_path):
    path = tmp_path / "rows.npy"
    path.write_bytes(X[:64].tobytes() * 40)
    with path.open("r+b") as file:
        memory = mmap.mmap(file.fileno(), 0)
        table = np.frombuffer(memory, np.float64).reshape(-1, FEATURES)
        same(MODELS["plain"].predict(table[-1:]), MODELS["plain"].predict(table[-1:].copy()))
        file.truncate(100)
        with pytest.raises(ValueError, match="mapped from a file"):
            MODELS["plain"].predict(table[-1:])


@pytest.mark.parametrize("damage", ["indices", "indptr", "order", "shape", "data"])
def test_damaged_sparse_rows_are_refused_in_words(damage):
    x = sp.csr_array(X[:2])
    if damage == "indices":
        x.indices[0] = 10**6
    elif damage == "indptr":
        x.indptr[1] = 10**6
    elif damage == "order":
        x.indices[:] = x.indices[::-1].copy()
        assert MODELS["plain"]._core.predict_at_once(x) is None
        return
    elif damage == "shape":
        x._shape = (2, FEATURES + 1)
    else:
        x.data = x.data[:-1]
    with pytest.raises(ValueError, match="x"):
        MODELS["plain"].predict(x)
