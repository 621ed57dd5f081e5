"""Data sets of HDF5 files, and files of AnnData, as h5py writes them."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import trulysparse as ts

h5py = pytest.importorskip("h5py", reason="pip install 'trulysparse[hdf5]'")

ROWS, FEATURES = 1500, 40


def matrix(seed: int = 0) -> sp.csr_array:
    return sp.random_array((ROWS, FEATURES), density=0.2, format="csr", dtype="f4", rng=seed)


def names() -> np.ndarray:
    return np.array(["T", "B", "NK"], object)[np.arange(ROWS) % 3]


def write(path: Path, x, old: bool = False) -> Path:
    """Write what AnnData does; `old`, as before its version 0.8."""
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        if sp.issparse(x):
            group = file.create_group("X")
            group.attrs["encoding-type"], group.attrs["shape"] = f"{x.format}_matrix", x.shape
            for part in ("data", "indices", "indptr"):
                group[part] = getattr(x, part)
        else:
            file.create_dataset("X", data=x, chunks=(100, FEATURES))
        obs, var = file.create_group("obs"), file.create_group("var")
        categories, codes = np.unique(names().astype(str), return_inverse=True)
        if old:
            obs["cell"] = codes.astype(np.int8)
            obs.create_group("__categories").create_dataset("cell", data=categories.astype(object))
        else:
            cell = obs.create_group("cell")
            cell["codes"], cell["categories"] = codes.astype(np.int8), categories.astype(object)
        obs.create_dataset("text", data=names(), dtype=text)
        obs["age"] = np.arange(ROWS, dtype=float)
        gap = obs.create_group("gap")
        gap["codes"], gap["categories"] = np.where(codes == 2, -1, codes), categories.astype(object)
        var.attrs["_index"] = "gene"
        var.create_dataset("gene", data=[f"g{i}" for i in range(FEATURES)], dtype=text)
    return path


def fitted(x, y=None, epochs=2):
    model = ts.SparseMLP([FEATURES, 20, 3], standardize="auto", seed=1)
    return model, model.fit(x, y, epochs=epochs, progress=False).history["loss"]


@pytest.mark.parametrize("is_sparse", [False, True])
@pytest.mark.parametrize("label", ["cell", "text"])
@pytest.mark.parametrize("old", [False, True])
def test_a_file_of_anndata_is_trained_on_as_its_matrix(is_sparse, label, old, tmp_path):
    x = matrix() if is_sparse else matrix().toarray()
    path = write(tmp_path / "a.h5ad", x, old)
    codes = np.unique(names().astype(str), return_inverse=True)[1]
    whole, losses = fitted(x, codes)
    rows = ts.open_table(path, label, buffer_rows=ROWS)
    assert rows.classes.tolist() == ["B", "NK", "T"]
    assert rows.names[:2] == ("g0", "g1")
    streamed, found = fitted(rows)
    assert found == losses
    assert np.array_equal(whole.predict(x), streamed.predict(rows))
    many, _ = fitted(ts.open_table(path, label, buffer_rows=200))
    assert np.array_equal(many.mean, whole.mean)
    assert np.array_equal(many.scale, whole.scale)
    assert many.evaluate(rows) == pytest.approx(many.evaluate(x, codes), rel=1e-12)


def test_numbers_of_obs_are_targets(tmp_path):
    path = write(tmp_path / "a.h5ad", matrix())
    rows = ts.open_table(path, "age", buffer_rows=ROWS)
    streamed = ts.SparseMLPRegressor(max_iter=2, random_state=0).fit(rows)
    whole = ts.SparseMLPRegressor(max_iter=2, random_state=0).fit(matrix(), np.arange(ROWS))
    assert streamed.loss_curve_ == whole.loss_curve_
    assert streamed.feature_names_in_[0] == "g0"


def test_data_sets_are_taken_as_they_are_and_not_copied(tmp_path):
    x = np.random.default_rng(0).normal(size=(20_000, 300)).astype("f4")
    y = np.arange(20_000) % 2
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("x", data=x, chunks=(500, 300))
        file["y"] = y
    with h5py.File(tmp_path / "x.h5") as file:
        for make in (
            lambda: ts.SparseMLP([300, 5, 2], seed=0).fit(file["x"], y, epochs=1, progress=False),
            lambda: ts.SparseMLPClassifier(max_iter=1).fit(file["x"], y),
            lambda: ts.SparseMLPClassifier(max_iter=1).fit(file["x"], file["y"]),
        ):
            tracemalloc.start()
            try:
                made = make()
                assert tracemalloc.get_traced_memory()[1] < x.nbytes / 4
            finally:
                tracemalloc.stop()
        assert np.array_equal(made.predict(file["x"]), made.predict(x))
        assert made.score(file["x"], y) == made.score(x, y)


def test_a_backed_anndata_is_taken_by_its_x(tmp_path):
    anndata = pytest.importorskip("anndata")
    for name, x in (("sparse", matrix()), ("dense", matrix().toarray())):
        anndata.AnnData(x).write_h5ad(tmp_path / name)
        backed = anndata.read_h5ad(tmp_path / name, backed="r")
        y = np.arange(ROWS) % 3
        model, losses = fitted(backed.X, y)
        assert losses == fitted(x, y)[1]
        assert np.array_equal(model.predict(backed.X), model.predict(x))
        ts.SparseMLPClassifier(max_iter=1).fit(backed.X, y)


def test_mistakes_are_named(tmp_path):
    path = write(tmp_path / "a.h5ad", matrix())
    by_columns = write(tmp_path / "c.h5ad", matrix().tocsc())
    damaged = write(tmp_path / "d.h5ad", matrix())
    with h5py.File(damaged, "r+") as file:
        file["X/indices"][70] = FEATURES
    empty = tmp_path / "e.h5ad"
    h5py.File(empty, "w").close()
    (tmp_path / "f.h5ad").write_text("no file of HDF5")
    for call, message in (
        (lambda: ts.open_table(by_columns), "stored as csc_matrix, by columns: expected a CSR"),
        (lambda: ts.open_table(path, "nothing"), "obs has no column 'nothing': expected one of"),
        (lambda: ts.open_table(path, 3), "label = 3: expected the name of a column of obs"),
        (lambda: ts.open_table(path, drop=["g1"]), "drop = .*: expected None with .h5ad files"),
        (lambda: fitted(ts.open_table(path, "gap")), r"obs\['gap'\] is missing in row 0"),
        (lambda: fitted(ts.open_table(damaged, "cell")), "indices beyond its 40 columns"),
        (lambda: ts.open_table(empty), "has no X and obs"),
        (lambda: ts.open_table(tmp_path / "f.h5ad"), "not a readable HDF5 file"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            call()
    rows = ts.open_table(path, "cell", buffer_rows=100)
    with open(path, "ab") as file:
        file.write(b"more")
    with pytest.raises(ValueError, match="has changed since it was opened"):
        fitted(rows)


def test_zarr_is_taken_too(tmp_path):
    zarr = pytest.importorskip("zarr")
    x = matrix().toarray()
    array = zarr.open(str(tmp_path / "z"), mode="w", shape=x.shape, chunks=(100, 40), dtype="f4")
    array[:] = x
    assert fitted(array, np.arange(ROWS) % 3)[1] == fitted(x, np.arange(ROWS) % 3)[1]
