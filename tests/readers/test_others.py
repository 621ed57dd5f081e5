"""Files that other tools write: read, or refused with a word on what reads them."""

import json
import pickle
import sqlite3

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.io
import scipy.sparse as sp
from trulysparse.readers import others, read_table


@pytest.mark.parametrize("suffix", sorted(others.BY_NAME))
def test_names_of_files_that_something_else_reads(tmp_path, suffix):
    path = tmp_path / f"t{suffix.upper()}"
    with pytest.raises(FileNotFoundError):
        read_table(path)
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"t\.\w+ is .*: (read|save|unpack) "):
        read_table(path)


def written(path, kind):
    frame = pd.DataFrame({"a": [1.5, 2.5], "b": ["x", "y"]})
    if kind == "read_stata":
        frame.to_stata(path)
    elif kind == "lines=True":
        frame.to_json(path, orient="records", lines=True)
    elif kind == "read_json":
        frame.to_json(path, indent=2)
    elif kind == r"read_json\(path\)":
        path.write_text(json.dumps([{"a": 1}]), encoding="utf-8")
    elif kind == "read_pickle":
        path.write_bytes(pickle.dumps(frame))
    elif kind == "read_sql":
        with sqlite3.connect(path) as connection:
            connection.execute("create table t (a)")
    elif kind == "loadmat":
        scipy.io.savemat(path, {"x": np.eye(2)}, appendmat=False)
    elif kind == "read_avro":
        pl.DataFrame({"a": [1]}).write_avro(path)
    elif kind == "fetch_openml":
        path.write_text("% from Weka\n\n@RELATION t\n@attribute a numeric\n@data\n1\n")
    else:
        path.write_text("<!DOCTYPE html><table></table>")


@pytest.mark.parametrize(
    "kind",
    [
        *("read_stata", "lines=True", "read_json", r"read_json\(path\)", "read_pickle"),
        *("read_sql", "loadmat", "read_avro", "fetch_openml", "read_html"),
    ],
)
def test_content_that_something_else_reads(tmp_path, kind):
    path = tmp_path / "t.csv"
    written(path, kind)
    with pytest.raises(ValueError, match=rf"t\.csv is .*{kind}"):
        read_table(path)


def test_text_that_begins_as_json_does_is_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('{a},[b]\n1.5,x\n2.5,y\n"{""c"": 1}",z\n', encoding="utf-8")
    assert read_table(path, text="{a}").names == ("{a}",)


@pytest.mark.parametrize("layout", ["sparse", "dense"])
def test_matrix_market(tmp_path, layout):
    path = tmp_path / "t.mtx"
    x = np.array([[0, 1.5, 0], [-2, 0, 0]])
    scipy.io.mmwrite(path, sp.coo_array(x) if layout == "sparse" else x)
    found = read_table(path)
    assert sp.issparse(found.x) == (layout == "sparse")
    assert np.array_equal(found.x.toarray() if layout == "sparse" else found.x, x)
    assert any("transpose=True" in note for note in found.notes)
    turned = read_table(path, transpose=True).x
    assert np.array_equal(turned.toarray() if layout == "sparse" else turned, x.T)
    with pytest.raises(ValueError, match="no named columns"):
        read_table(path, drop=0)


@pytest.mark.parametrize(
    "text",
    [
        "%%MatrixMarket matrix coordinate real general\n2 2 1\n1 3 5\n",
        "%%MatrixMarket matrix coordinate real general\n0 2 0\n",
        "%%MatrixMarket matrix array real general\n100000 100000\n1\n",
        "%%MatrixMarket matrix coordinate complex general\n1 1 1\n1 1 5 2\n",
        "%%MatrixMarket matrix coordinate real general\n99999999999999999 1 1\n1 1 5\n",
        "1,2\n3,4\n",
        "",
    ],
)
def test_damaged_matrix_market(tmp_path, text):
    path = tmp_path / "t.mtx"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"t\.mtx: not a readable Matrix Market file"):
        read_table(path)


def test_gct(tmp_path):
    path = tmp_path / "t.gct"
    path.write_text("#1.2\n2\t3\nName\tDescription\ts1\ts2\ts3\ng1\tna\t1\t2.5\t\ng2\tx\t4\t5\t6\n")
    found = read_table(path)
    assert found.x.to_dict(as_series=False) == {"g1": [1.0, 2.5, None], "g2": [4.0, 5.0, 6.0]}
    assert found.ids.to_list() == ["s1", "s2", "s3"]
    path.write_text(
        "#1.3\n2\t2\t2\t1\nid\tsymbol\ton\ts1\ts2\nlabel\tna\tna\tin\tout\n"
        "g1\tx\t1\t1.5\t2.5\ng2\ty\t1\t3.5\t4.5\n"
    )
    found = read_table(path)
    assert found.x.to_dict(as_series=False) == {"g1": [1.5, 2.5], "g2": [3.5, 4.5]}
    assert found.y.to_list() == ["in", "out"]
    assert any("'symbol', 'on'" in note for note in found.notes)


def test_series_matrix_of_geo(tmp_path):
    path = tmp_path / "GSE1_series_matrix.txt"
    path.write_text(
        '!Series_title\t"a, b"\n!Sample_title\t"x"\t"y"\n!Sample_type\t"RNA"\t"RNA"\n\n'
        '!series_matrix_table_begin\n"ID_REF"\t"GSM1"\t"GSM2"\n"g1"\t1.5\t2.5\n"g2"\t3.5\tnull\n'
        "!series_matrix_table_end\n"
    )
    found = read_table(path, transpose=True)
    assert found.x.to_dict(as_series=False) == {"g1": [1.5, 2.5], "g2": [3.5, None]}
    assert found.ids.to_list() == ["GSM1", "GSM2"]


def test_tables_of_r(tmp_path):
    path = tmp_path / "t.txt"
    # write.csv has an empty cell above the names of rows, write.table none.
    for text in (
        '"","len","supp"\n"1",4.2,"VC"\n"2",11.5,"OJ"\n"3",NA,"VC"\n',
        '"len" "supp"\n"1" 4.2 "VC"\n"2" 11.5 "OJ"\n"3" NA "VC"\n',
        '"len"\t"supp"\n"1"\t4.2\t"VC"\n"2"\t11.5\t"OJ"\n"3"\tNA\t"VC"\n',
    ):
        path.write_text(text, encoding="utf-8")
        found = read_table(path)
        assert found.x.to_dict(as_series=False) == {"len": [4.2, 11.5, None]}
        assert found.y.to_list() == ["VC", "OJ", "VC"]


def test_tables_of_spss_and_weka(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes("\ufeffalter;gr\u00f6\u00dfe;typ\r\n30;1,75;a\r\n ;1,80;b\r\n".encode())
    found = read_table(path)
    assert found.x.to_dict(as_series=False) == {"alter": [30, None], "gr\u00f6\u00dfe": [1.75, 1.8]}
    path.write_text("age,'blood type',class\n30,?,'tested positive'\n?,A,'tested negative'\n")
    found = read_table(path, quote="'")
    assert found.names == ("age", "blood type")
    assert found.y.to_list() == ["tested positive", "tested negative"]
