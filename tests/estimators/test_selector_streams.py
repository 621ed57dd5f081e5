"""Selection from rows of a file."""

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
import trulysparse as ts
from trulysparse.estimators import _sampling

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 20)).astype(np.float32)
Y = (X[:, 4] - X[:, 11] > 0).astype(int)
QUICK = {"random_state": 0, "hidden_layer_sizes": 20, "n_members": 1, "epochs": 6}


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "x.npy", X)
    return np.load(tmp_path / "x.npy", mmap_mode="r")


def selector(count=2, **how):
    return ts.SparseFeatureSelector(count, **(QUICK | how))


def test_rows_of_a_file_are_selected_from_as_an_array_is(mapped):
    found = selector().fit(ts.RowBlocks(mapped, Y, buffer_rows=37))
    assert found.get_support(indices=True).tolist() == [4, 11]
    assert np.array_equal(found.scores_, selector().fit(X, Y).scores_)
    assert found.n_features_in_ == 20
    assert np.array_equal(found.transform(X), X[:, [4, 11]])


def test_a_part_of_the_rows_and_their_weights(mapped):
    weight = RNG.random(400).astype(np.float32)
    rows = ts.RowBlocks(mapped, Y, sample_weight=weight)[50:300]
    found = selector().fit(rows)
    plain = selector().fit(X[50:300], Y[50:300], sample_weight=weight[50:300])
    assert np.array_equal(found.scores_, plain.scores_)


def test_of_many_rows_some_are_read_and_all_classes(mapped, monkeypatch):
    monkeypatch.setattr(_sampling, "MOST", 100)
    y = Y.copy()
    y[:30] = 2
    read = []
    sampled = _sampling.sampled

    def noted(*arguments):
        read.append(sampled(*arguments))
        return read[-1]

    monkeypatch.setattr(_sampling, "sampled", noted)
    rows = ts.RowBlocks(mapped, y, buffer_rows=64)
    found = selector(None, fdr=0.2).fit(rows)
    (sample,) = read
    assert 100 <= len(sample.y) <= 120
    assert (np.bincount(sample.y) >= 20).all()
    # Each is a row of the file, with its label.
    places = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in sample.X]
    assert np.array_equal(y[places], sample.y)
    assert np.array_equal(places, np.unique(places))
    assert found.classes_.tolist() == [0, 1, 2]
    assert np.array_equal(selector(None, fdr=0.2).fit(rows).scores_, found.scores_)


def test_a_table_in_a_file(tmp_path):
    columns = {f"g{i}": X[:, i] for i in range(6)}
    columns |= {"letter": RNG.choice(list("abcd"), 400), "label": np.where(X[:, 2] > 0, "y", "n")}
    table = pl.DataFrame({name: list(values) for name, values in columns.items()})
    table.write_parquet(tmp_path / "t.parquet")
    found = selector(1).fit(ts.open_table(tmp_path / "t.parquet", label="label"))
    assert found.get_feature_names_out().tolist() == ["g2"]
    assert found.classes_.tolist() == ["n", "y"]
    assert found.transform(table.drop("label")).columns == ["g2"]


def test_sparse_rows(tmp_path):
    h5py = pytest.importorskip("h5py", reason="needs h5py: pip install h5py")
    rare = sp.random_array((200, 30), density=0.3, format="csr", random_state=1, dtype=np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("X")
        group.attrs["encoding-type"] = "csr_matrix"
        group.attrs["shape"] = rare.shape
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(rare, name)
    with h5py.File(tmp_path / "x.h5") as file:
        try:
            rows = ts.RowBlocks(file["X"], (rare.toarray()[:, 3] > 0).astype(int), buffer_rows=64)
        except TypeError:
            pytest.skip("needs a backed AnnData: pip install anndata")
        assert selector(1).fit(rows).get_support(indices=True).tolist() == [3]


def test_without_labels_an_autoencoder_is_trained(mapped):
    found = ts.SparseFeatureSelector(3, random_state=0, epochs=2).fit(ts.RowBlocks(mapped))
    plain = ts.SparseFeatureSelector(3, random_state=0, epochs=2).fit(X)
    assert np.array_equal(found.scores_, plain.scores_)


def test_what_rows_have_is_not_given_twice(mapped):
    rows = ts.RowBlocks(mapped, Y)
    with pytest.raises(TypeError, match="y: expected None"):
        selector().fit(rows, Y)
    with pytest.raises(TypeError, match="sample_weight: expected None"):
        selector().fit(rows, sample_weight=np.ones(400))
    with pytest.raises(ValueError, match="two or more"):
        selector().fit(rows[:1])
    fitted = selector().fit(rows)
    with pytest.raises(TypeError, match="not rows of a file"):
        fitted.transform(rows)
