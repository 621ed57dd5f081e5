"""Labels that are in another file than the features."""

import numpy as np
import pytest
from trulysparse.readers import read_table

GENES = "gene\ts1\ts2\ts3\ng1\t1.5\t2.5\t3.5\ng2\t4\t5\t6\n"
ROWS = "sample,a\ns1,1.5\ns2,2.5\ns3,3.5\n"


@pytest.fixture
def read(tmp_path):
    def write_and_read(features, labels, **options):
        (tmp_path / "x.txt").write_text(features, encoding="utf-8")
        (tmp_path / "y.txt").write_text(labels, encoding="utf-8")
        return read_table(tmp_path / "x.txt", labels_from=tmp_path / "y.txt", **options)

    return write_and_read


@pytest.mark.parametrize(
    "labels",
    [
        "id,kind\ns3,in\ns1,out\ns2,in\n",
        "id,age,kind\ns3,30,in\ns1,40,out\nother,1,x\ns2,50,in\n",
        ",kind\ns3,in\ns1,out\ns2,in\n",
        "s3\tin\ns1\tout\ns2\tin\n",  # without names of columns
        "kind;patient\nin;s3\nout;s1\nin; s2\n",
    ],
)
def test_by_names_of_samples(read, labels):
    label = "kind" if labels.startswith("kind") else None
    found = read(GENES, labels, transpose=True, label=label)
    assert found.y.to_list() == ["out", "in", "in"]
    assert found.ids.to_list() == ["s1", "s2", "s3"]
    assert found.names == ("g1", "g2")
    assert any("belong to the rows by" in note for note in found.notes)
    assert any("1 row(s)" in note for note in found.notes) == ("other" in labels)


def test_by_a_column_that_both_have(read):
    labels = "sample,kind\ns3,in\ns1,out\ns2,in\n"
    for options in ({}, {"ids": "sample"}):
        found = read(ROWS, labels, **options)
        assert found.y.to_list() == ["out", "in", "in"]
        assert found.ids.to_list() == ["s1", "s2", "s3"]
        assert found.names == ("a",)
    numbers = read("id,a\n7,1\n8,2\n", "id,kind\n8,in\n7,out\n")
    assert numbers.y.to_list() == ["out", "in"]


def test_by_order(read):
    found = read("a,b\n1.5,2\n2.5,3\n3.5,4\n", "in\nout\nin\n")
    assert found.y.to_list() == ["in", "out", "in"]
    assert any("in their order, row by row" in note for note in found.notes)
    with pytest.raises(ValueError, match=r"y\.txt has 2 rows and .*x\.txt 3, without identifiers"):
        read("a,b\n1.5,2\n2.5,3\n3.5,4\n", "kind\nin\nout\n")


def test_several_labels_and_arrays(read, tmp_path):
    found = read(GENES, "id,u,v\ns3,1,2\ns1,3,4\ns2,5,6\n", transpose=True, label=["u", "v"])
    assert found.y.to_dict(as_series=False) == {"u": [3, 5, 1], "v": [4, 6, 2]}
    assert found.label == ("u", "v")
    np.savez(tmp_path / "x.npz", x=np.eye(3))
    found = read_table(tmp_path / "x.npz", labels_from=tmp_path / "y.txt", label="v")
    assert found.y.to_list() == [2, 4, 6]


def test_what_does_not_belong_together_is_named(read):
    for labels, words in (
        ("id,kind\ns3,in\ns2,out\n", r"no label for 1 of 3 rows of .*: 's1'"),
        ("id,kind\ns3,in\ns2,out\ns2,in\ns1,in\n", r"'s2' is there more than once"),
        ("id,kind\nS3,in\nS2,out\nS1,in\n", r"no column has the identifiers of .*, such as 's1'"),
    ):
        with pytest.raises(ValueError, match=words):
            read(GENES, labels, transpose=True)
    with pytest.raises(ValueError, match=r"label = False, and labels_from"):
        read(GENES, "id,kind\n", transpose=True, label=False)
    with pytest.raises(ValueError, match=r"'id' is a label, and names the rows"):
        read(GENES, "id,kind\ns3,in\ns2,out\ns1,a\n", transpose=True, label="id")
