"""Every SciPy matrix is checked before SciPy converts it, and means what its dense form means."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers import cases, limits, sparse_damage
from hypothesis import given
from hypothesis import strategies as st

ROWS, COLUMNS = sparse_damage.ROWS, sparse_damage.COLUMNS
EVERY = cases.some(3, 1)


@pytest.fixture(scope="module")
def attempts():
    """What became of each damage at each entry, tried in one process."""
    command = [sys.executable, Path(sparse_damage.__file__), str(EVERY)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=limits.CHILD)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    asked, found = lines[::2], lines[1::2]
    assert done.returncode == 0, f"{asked[-1:]} ended the process: {done.stderr[-2000:]}"
    return [(*case["case"], outcome) for case, outcome in zip(asked, found, strict=True)]


@pytest.mark.cases
@pytest.mark.parametrize("group", sparse_damage.GROUPS)
def test_damage_is_an_error_that_names_the_argument(group, attempts):
    tried = [attempt[1:] for attempt in attempts if attempt[0] == group]
    assert len(tried) > 100
    for entry, damage, outcome in tried:
        if damage == "state":
            assert outcome["error"] == "unchanged", entry
        else:
            assert outcome["error"] in ("ValueError", "TypeError"), (entry, damage, outcome)
            named = sparse_damage.argument(group, entry)
            assert named in outcome["text"], (entry, damage, outcome)


@pytest.mark.cases
def test_each_group_meets_each_damage(attempts):
    """Whatever the sample is."""
    for group, (_, formats) in sparse_damage.GROUPS.items():
        met = {damage for of, _, damage, _ in attempts if of == group}
        for kind in formats:
            for damage in sparse_damage.DAMAGE[kind]:
                labels = ("matrix", "array", "subclass")
                assert any(f"{kind}-{label}-{damage}" in met for label in labels), damage


# --- what is valid ----------------------------------------------------------------------------

SHAPE = (ROWS, COLUMNS)
MODEL = ts.SparseMLP([COLUMNS, 8, 3], density=0.8, seed=0, threads=1)


def triplets(seed, count):
    """Rows, columns and values, exact in float32: twice the same place, zeros, empty rows."""
    rng = np.random.default_rng(seed)
    rows = rng.choice(rng.permutation(ROWS)[: ROWS // 2], count)
    columns = rng.integers(0, COLUMNS, count)
    values = rng.integers(-3, 4, count) / 4
    if count > 3:
        rows[-1], columns[-1] = rows[0], columns[0]
    return rows, columns, values


def table(rows, columns, values):
    dense = np.zeros(SHAPE)
    np.add.at(dense, (rows, columns), values)
    return dense


def lying(matrix):
    matrix.has_canonical_format = True
    if hasattr(matrix, "has_sorted_indices"):
        matrix.has_sorted_indices = True
    return matrix


def compressed(kind, major, minor, values, index, data=None):
    """A matrix with its entries as they come, in the order of `major` only."""
    order = np.argsort(major, kind="stable")
    lines = SHAPE[0] if "csr" in kind.__name__ else SHAPE[1]
    matrix = kind(SHAPE, dtype=values.dtype)
    ends = np.cumsum(np.bincount(major, minlength=lines))
    matrix.indptr = np.r_[0, ends].astype(index)
    matrix.indices, matrix.data = minor[order].astype(index), values[order]
    return lying(matrix)


def csr(kind, rows, columns, values, index):
    return compressed(kind, rows, columns, values, index)


def csc(kind, rows, columns, values, index):
    return compressed(kind, columns, rows, values, index)


def bsr(kind, rows, columns, values, index):
    """A block of 3 x 2 for every entry."""
    order = np.argsort(rows // 3, kind="stable")
    blocks = np.zeros((len(rows), 3, 2), values.dtype)
    blocks[np.arange(len(rows)), rows % 3, columns % 2] = values
    matrix = kind(SHAPE, blocksize=(3, 2), dtype=values.dtype)
    ends = np.cumsum(np.bincount(rows // 3, minlength=ROWS // 3))
    matrix.indptr = np.r_[0, ends].astype(index)
    matrix.indices, matrix.data = (columns // 2)[order].astype(index), blocks[order]
    return lying(matrix)


def coo(kind, rows, columns, values, index):
    where = (rows.astype(index), columns.astype(index))
    return lying(kind((values, where), shape=SHAPE))


def lil(kind, rows, columns, values, index):
    matrix = kind(SHAPE, dtype=values.dtype)
    for row, column, value in zip(rows, columns, values, strict=True):
        matrix.rows[row].append(index(column) if row % 2 else int(column))
        matrix.data[row].append(value)
    return matrix


def dia(kind, rows, columns, values, index):
    """Diagonals in any order, some beside the matrix, longer than it is wide."""
    dense = table(rows, columns, values)
    offsets = np.random.default_rng(len(rows)).permutation(np.arange(-ROWS - 3, COLUMNS + 3))
    data = np.full((len(offsets), COLUMNS + 2), 9, values.dtype)
    for diagonal, offset in enumerate(offsets):
        for column in range(COLUMNS):
            if 0 <= column - offset < ROWS:
                data[diagonal, column] = dense[column - offset, column]
    matrix = kind((data, offsets), shape=SHAPE)
    matrix.offsets = offsets.astype(index)
    return matrix


def dok(kind, rows, columns, values, index):
    matrix = kind(SHAPE, dtype=values.dtype)
    dense = table(rows, columns, values)
    for row, column in zip(rows, columns, strict=True):
        matrix[index(row), index(column)] = dense[row, column]
    return matrix


MAKERS = {make.__name__: make for make in (csr, csc, bsr, coo, lil, dia, dok)}


def arrays(matrix):
    """All that a matrix holds, as bytes."""
    names = ("indptr", "indices", "data", "row", "col", "offsets", "rows")
    held = [getattr(matrix, name) for name in names if isinstance(
        getattr(matrix, name, None), np.ndarray)]  # fmt: skip
    if hasattr(matrix, "items"):
        return list(matrix.items())
    return [str(a.tolist()) if a.dtype == object else (a.dtype, a.tobytes()) for a in held]


@pytest.mark.parametrize("label", ["matrix", "array", "subclass"])
@pytest.mark.parametrize("name", MAKERS)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(0, 60),
    index=st.sampled_from([np.int32, np.int64]),
    dtype=st.sampled_from([np.float32, np.float64, np.longdouble]),
)
def test_a_valid_matrix_means_what_its_dense_form_means(name, label, seed, count, index, dtype):
    rows, columns, values = triplets(seed, count)
    kind = sparse_damage.kinds(name)[label]
    matrix = MAKERS[name](kind, rows, columns, values.astype(dtype), index)
    dense = table(rows, columns, values)
    before = arrays(matrix)
    assert np.array_equal(MODEL.predict(matrix), MODEL.predict(dense))
    layer = ts.SparseMLP.from_scipy([matrix]).layers[0]
    assert np.array_equal(layer.weight.toarray(), dense)
    assert arrays(matrix) == before


@pytest.mark.parametrize("name", ["csr", "csc", "coo", "lil"])
def test_stored_zeros_are_connections_and_twice_the_same_is_one(name):
    rows, columns = np.array([3, 3, 3, 0]), np.array([2, 5, 2, 0])
    matrix = MAKERS[name](sparse_damage.kinds(name)["array"], rows, columns,
                          np.array([1.0, 0.0, 2.0, 0.0]), np.int32)  # fmt: skip
    weight = ts.SparseMLP.from_scipy([matrix]).layers[0].weight
    assert weight.nnz == 3
    assert weight[3, 2] == 3


@pytest.mark.parametrize("name", MAKERS)
def test_estimators_take_every_format(name):
    rows, columns, values = triplets(5, 40)
    make, kind = MAKERS[name], sparse_damage.kinds(name)["matrix"]
    matrix, dense = make(kind, rows, columns, values, np.int64), table(rows, columns, values)
    y = np.arange(ROWS) % 2
    options = {"max_iter": 2, "random_state": 0}
    expected = ts.SparseMLPClassifier((5,), **options).fit(sp.csr_array(dense), y)
    found = ts.SparseMLPClassifier((5,), **options).fit(matrix, y, X_val=matrix, y_val=y)
    assert found.loss_curve_ == expected.loss_curve_
    assert np.array_equal(found.predict_proba(matrix), expected.predict_proba(dense))
    assert found.score(matrix, y) == expected.score(dense, y)
    number = ts.SparseMLPRegressor((5,), **options).fit(matrix, y)
    assert number.score(matrix, y) == number.score(sp.csr_array(dense), y)
    selector = ts.SparseFeatureSelector(3, random_state=0, epochs=1).fit(dense, y)
    chosen = selector.transform(matrix)
    assert np.array_equal(chosen.toarray(), selector.transform(dense))
    assert np.array_equal(
        selector.inverse_transform(chosen).toarray(), selector.inverse_transform(chosen.toarray())
    )


def test_sparse_labels_of_the_classifier_are_as_before():
    x, labels = sparse_damage.X, (sparse_damage.X > 30).astype(int)
    options = {"max_iter": 2, "random_state": 0}
    expected = ts.SparseMLPClassifier((5,), **options).fit(x, labels)
    found = ts.SparseMLPClassifier((5,), **options).fit(x, sp.coo_array(labels))
    assert np.array_equal(found.predict_proba(x), expected.predict_proba(x))
    assert found.score(x, sp.lil_matrix(labels)) == expected.score(x, labels)


@pytest.mark.parametrize("kind", [np.float16, np.int8, np.uint64, np.bool_, ">f4", ">f8", object])
def test_values_of_any_real_type(kind):
    matrix = sp.csr_array(sparse_damage.X > 9)
    matrix.data = matrix.data.astype(kind)
    expected = MODEL.predict(np.array(sparse_damage.X > 9))
    assert np.array_equal(MODEL.predict(matrix), expected)


def test_what_is_kept_is_not_the_callers():
    matrix = sp.csr_array(sparse_damage.X)
    model = ts.SparseMLP.from_scipy([matrix])
    seen = []

    class Spoil(ts.Callback):
        def on_epoch_end(self, epoch, logs=None):
            matrix.indices[:] = 10**6
            matrix.indptr[:] = -1
            matrix.data[:] = np.nan
            seen.append(logs["loss"])

    one = ts.SparseMLP([COLUMNS, 8, 3], density=0.8, seed=0, threads=1)
    history = one.fit(matrix, np.arange(ROWS) % 3, epochs=3, progress=False, callbacks=[Spoil()])
    assert len(seen) == 3
    assert np.isfinite(history.history["loss"]).all()
    assert np.array_equal(model.layers[0].weight.toarray(), sparse_damage.X.astype(np.float32))


def test_a_file_that_ends_early_is_refused(tmp_path):
    model = ts.SparseMLP.from_scipy([sp.csr_array(sparse_damage.X)])
    model.export_npz(tmp_path)
    again = ts.SparseMLP.from_npz(tmp_path)
    assert np.array_equal(again.layers[0].weight.toarray(), model.layers[0].weight.toarray())
    for save in (sp.csr_array, sp.bsr_matrix, sp.coo_array, sp.dia_array):
        sp.save_npz(tmp_path / "weight_0.npz", save(sparse_damage.X))
        again = ts.SparseMLP.from_npz(tmp_path)
        assert np.array_equal(again.layers[0].weight.toarray(), model.layers[0].weight.toarray())
    np.savez(tmp_path / "weight_0.npz", x=np.ones(3))
    with pytest.raises(ValueError, match=r"weight_0\.npz is not a file of SciPy's save_npz"):
        ts.SparseMLP.from_npz(tmp_path)


class Foreign:
    """A sparse array of another library, as PyData's is: it becomes no array by accident."""

    shape, ndim, dtype = SHAPE, 2, np.dtype(float)

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Cannot convert a sparse array to dense automatically.")

    def todense(self):
        return sparse_damage.X

    def tocsr(self):
        return sp.csr_matrix(sparse_damage.X)


def test_sparse_arrays_of_other_libraries_are_refused_in_words():
    x, y, other = sparse_damage.X, np.arange(ROWS) % 2, Foreign()
    classifier = ts.SparseMLPClassifier((5,), max_iter=1).fit(x, y)
    selector = ts.SparseFeatureSelector(2, epochs=1).fit(x, y)
    for call in (
        lambda: MODEL.predict(other),
        lambda: MODEL.fit(other, y, progress=False),
        lambda: MODEL.fit(x, other, progress=False),
        lambda: classifier.fit(other, y),
        lambda: classifier.predict(other),
        lambda: classifier.fit(x, y, sample_weight=other),
        lambda: classifier.score(x, other),
        lambda: selector.fit(other),
        lambda: selector.transform(other),
        lambda: ts.SparseMLP.from_scipy([other]),
    ):
        with pytest.raises(TypeError, match=r"Foreign|Sparse|sparse"):
            call()


def test_sparse_frames_are_taken_as_dense_ones():
    dense = pd.DataFrame(sparse_damage.X, columns=list("abcdef"))
    frame = dense.astype(pd.SparseDtype(float, 0.0))
    assert np.array_equal(MODEL.predict(frame), MODEL.predict(dense))
    y = np.arange(ROWS) % 2
    classifier = ts.SparseMLPClassifier((5,), max_iter=1, random_state=0).fit(frame, y)
    assert np.allclose(classifier.predict_proba(frame), classifier.predict_proba(dense))
