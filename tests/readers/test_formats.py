"""Parquet, Arrow, NumPy's, SciPy's and libsvm's files."""

import gzip

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn.datasets import dump_svmlight_file
from trulysparse.readers import read_table

X = np.array([[0, 1.5, 0], [2.5, 0, 0], [0, 0, -3]])


def test_parquet_and_arrow(tmp_path):
    frame = pl.DataFrame({"a": [1.0, float("nan"), None], "b": ["x", "y", None], "kind": [1, 2, 1]})
    frame.write_parquet(tmp_path / "t.parquet")
    frame.write_ipc(tmp_path / "t.arrow")
    for name in ("t.parquet", "t.arrow"):
        found = read_table(tmp_path / name)
        assert found.x["a"].to_list() == [1.0, None, None]
        assert found.x["b"].to_list() == ["x", "y", None]
        assert found.y.to_list() == [1, 2, 1]
    frame.with_columns(a=pl.Series([1.0, float("inf"), 2.0])).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"row 2, column 'a': expected a finite number"):
        read_table(tmp_path / "t.parquet")
    pl.DataFrame({"a": [[1], [2]], "b": [1, 2]}).write_parquet(tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"column 'a' has type List"):
        read_table(tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"not a readable Parquet file"):
        read_table(tmp_path / "t.parquet")


def test_npz_and_npy(tmp_path):
    path = tmp_path / "t.npz"
    np.savez(path, x_train=X, y_train=[0, 1, 0], x_test=X[:1], y_test=[1], more=[1])
    found = read_table(path)
    assert np.array_equal(found.x, X)
    assert found.y.tolist() == [0, 1, 0]
    assert np.array_equal(found.test.x, X[:1])
    assert any("more" in note for note in found.notes)
    sp.save_npz(path, sp.csc_array(X))
    matrix = read_table(path).x
    assert matrix.format == "csr"
    assert np.array_equal(matrix.toarray(), X)
    np.save(tmp_path / "t.npy", X)
    found = read_table(tmp_path / "t.npy", label=0)
    assert np.array_equal(found.y, X[:, 0])
    assert np.array_equal(found.x, X[:, 1:])
    np.savez(path, x=np.array([[np.inf]]), y=[1])
    with pytest.raises(ValueError, match=r"x\[0, 0\] is infinite"):
        read_table(path)
    np.savez(path, x=np.array([{}], dtype=object))
    with pytest.raises(ValueError, match=r"plain arrays"):
        read_table(path)


@pytest.mark.parametrize("zero_based", [False, True])
def test_svm(tmp_path, zero_based):
    path = tmp_path / "t.svm"
    dump_svmlight_file(X, [1, 0, 2], str(path), zero_based=zero_based, comment="made")
    found = read_table(path)
    assert np.array_equal(found.x.toarray(), X)
    assert found.x.dtype == np.float64
    assert found.y.tolist() == [1, 0, 2]
    assert found.rows[0] > 1
    packed = tmp_path / "t.svm.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(read_table(packed).x.toarray(), X)


def test_svm_with_queries_several_labels_and_odd_numbers(tmp_path):
    path = tmp_path / "t.libsvm"
    path.write_text("1.5 qid:3 1:2 4:0.5 # c\n-2 qid:4 2:1\n")
    found = read_table(path)
    assert found.y.tolist() == [1.5, -2]
    assert found.ids.tolist() == [3, 4]
    path.write_text("1,3 1:2\n2 2:1\n 3:1\n")
    assert read_table(path).y == [(1.0, 3.0), (2.0,), ()]
    for odd in ("1 1:1_000", "1_0 1:2", "1 1:0x1", "1 a:2", "1 1:2 x", "\uff11 1:2"):
        path.write_text(f"1 1:2\n{odd}\n", encoding="utf-8")
        with pytest.raises(ValueError, match=r"row 2: expected a label and pairs"):
            read_table(path)
    path.write_text("1 1:inf\n")
    with pytest.raises(ValueError, match="expected a label and pairs"):
        read_table(path)


def test_numbers_of_numpy_are_numbers(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n1,2,x\n3,4,y\n5,6,x\n", encoding="utf-8")
    table = read_table(path, label=np.int64(0), header=np.True_, transpose=np.False_)
    assert (table.label, table.x.columns) == ("a", ["b", "c"])
