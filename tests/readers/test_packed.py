"""Packed files of every kind, and what unpacks to more than there is memory for."""

import bz2
import gzip
import io
import lzma
import zipfile

import pytest
from trulysparse import _core
from trulysparse.readers import read_table

TEXT = b"a,b\n1.5,x\n2.5,y\n"


def zipped(*files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, data in files:
            file.writestr(name, data)
    return archive.getvalue()


PACKED = {
    "gz": gzip.compress(TEXT),
    "gz.twice": gzip.compress(TEXT[:8]) + gzip.compress(TEXT[8:]),
    "bz2": bz2.compress(TEXT),
    "xz": lzma.compress(TEXT),
    "zip": zipped(("t.csv", TEXT), ("__MACOSX/._t.csv", b"x")),
}


@pytest.mark.parametrize("kind", PACKED)
def test_packed_text(tmp_path, kind):
    path = tmp_path / f"t.csv.{kind[:3].strip('.')}"
    path.write_bytes(PACKED[kind])
    assert read_table(path).x["a"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize("kind", PACKED)
def test_damage_is_named(tmp_path, kind):
    path = tmp_path / f"t.csv.{kind[:3].strip('.')}"
    path.write_bytes(PACKED[kind][:-5])
    with pytest.raises(ValueError, match=rf"t\.csv\.{kind[:2]}.*: damaged"):
        read_table(path)


@pytest.mark.parametrize("kind", PACKED)
def test_what_unpacks_to_more_than_the_free_memory(tmp_path, monkeypatch, kind):
    path = tmp_path / f"t.csv.{kind[:3].strip('.')}"
    path.write_bytes(PACKED[kind])
    monkeypatch.setattr(_core, "available_memory", lambda: len(TEXT) - 1)
    with pytest.raises(
        ValueError, match=r"unpacks to more than the 0.0 GB of memory that are free"
    ):
        read_table(path)
    monkeypatch.setattr(_core, "available_memory", lambda: None)
    assert len(read_table(path)) == 2


def test_archives_of_several_files_are_refused_by_their_names(tmp_path):
    path = tmp_path / "t.zip"
    path.write_bytes(zipped(("a.csv", TEXT), ("b.csv", TEXT)))
    with pytest.raises(ValueError, match=r"holds 2 files \(a.csv, b.csv\): expected one"):
        read_table(path)


def test_the_free_memory_is_known():
    free = _core.available_memory()
    assert free is None or free > 1 << 20


def test_zstandard_is_read_or_the_error_says_how(tmp_path):
    path = tmp_path / "t.csv.zst"
    try:
        import zstandard
    except ImportError:
        path.write_bytes(b"\x28\xb5\x2f\xfd....")
        with pytest.raises(ImportError, match="pip install zstandard"):
            read_table(path)
        return
    path.write_bytes(zstandard.ZstdCompressor().compress(TEXT))
    assert read_table(path).x["a"].to_list() == [1.5, 2.5]
