"""HIGGS in the forms of UCI and LightGBM."""

import gzip
import zipfile

import numpy as np
import pytest
from helpers.data_files import check
from helpers.stand_ins import higgs_rows, higgs_text, write_gz, write_zip
from trulysparse import datasets
from trulysparse.data import lines
from trulysparse.datasets import _higgs

Y, X = higgs_rows(50)
TEXT = higgs_text(Y, X)


def check_rows(data, n_train, n_test, *, start=0):
    check(data, features=28, classes=2)
    assert data.name == "higgs"
    assert data.class_names == ("background", "signal")
    assert data.feature_names[0] == "lepton_pT"
    assert data.feature_names[-1] == "m_wwbb"
    end = start + n_train
    np.testing.assert_array_equal(data.x_train, X[start:end])
    np.testing.assert_array_equal(data.y_train, Y[start:end])
    np.testing.assert_array_equal(data.x_test, X[end : end + n_test])
    np.testing.assert_array_equal(data.y_test, Y[end : end + n_test])


class TestUci:
    @pytest.mark.parametrize("name", ["HIGGS.csv.gz", "HIGGS.csv", "higgs.zip", "mine.txt"])
    def test_file_and_folder(self, tmp_path, name):
        raw = TEXT.encode()
        if name.endswith(".zip"):
            write_zip(tmp_path / name, {"HIGGS.csv.gz": gzip.compress(raw)})
        else:
            (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        for place in (tmp_path / name, tmp_path):
            if place.is_file() or "igg" in name.lower():
                data = datasets.load_higgs(place, train_rows=30, test_rows=12)
                check_rows(data, 30, 12)

    @pytest.mark.parametrize("chunk", [1, 7, 30, 42, 1000])
    def test_chunks_make_no_difference(self, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(_higgs, "CHUNK", chunk)
        path = write_gz(tmp_path / "HIGGS.csv.gz", TEXT)
        check_rows(datasets.load_higgs(path, train_rows=30, test_rows=12), 30, 12)

    def test_the_paper_s_rows_by_default(self, tmp_path, monkeypatch):
        assert (_higgs.TRAIN_ROWS, _higgs.TEST_ROWS) == (105_000, 50_000)
        monkeypatch.setattr(_higgs, "TRAIN_ROWS", 35)
        monkeypatch.setattr(_higgs, "TEST_ROWS", 10)
        path = write_gz(tmp_path / "HIGGS.csv.gz", TEXT)
        check_rows(datasets.load_higgs(path), 35, 10)
        check_rows(datasets.load_higgs(path, test_rows=5), 35, 5)

    def test_nothing_after_the_rows_is_read(self, tmp_path):
        path = tmp_path / "HIGGS.csv"
        path.write_text(TEXT + "nonsense\n" * 3)
        check_rows(datasets.load_higgs(path, train_rows=40, test_rows=10), 40, 10)
        whole = gzip.compress(TEXT.encode())
        path = tmp_path / "HIGGS.csv.gz"
        path.write_bytes(whole + gzip.compress(b"", 0)[:4])  # cut off after the rows
        check_rows(datasets.load_higgs(path, train_rows=10, test_rows=10), 10, 10)

    def test_a_header_and_blank_lines_are_no_rows(self, tmp_path):
        header = ",".join(["label", *_higgs.HIGGS_FEATURES])
        path = tmp_path / "higgs.csv"
        path.write_text(f"\n{header}\n\n" + TEXT.replace("\n", "\r\n\r\n"))
        check_rows(datasets.load_higgs(path, train_rows=40, test_rows=10), 40, 10)

    @pytest.mark.parametrize(
        ("line", "new", "message"),
        [
            (3, "1,2,3", "line 3 has 3 cells, expected 29"),
            (7, "2" + ",0" * 28, r"line 7: expected a label of 0 or 1, got 2"),
            (7, "0.5" + ",0" * 28, "line 7: .*got 0.5"),
            (9, "1" + ",0" * 27 + ",?", r"line 9, cell 29: expected a finite number, got '\?'"),
            (9, "1" + ",0" * 27 + ",", "line 9, cell 29: .*got ''"),
            (9, "1" + ",0" * 27 + ",nan", "line 9, cell 29: .*got 'nan'"),
            (9, "1,1e99" + ",0" * 27, "line 9, cell 2: .*got '1e99'"),
            (42, "signal" + ",0" * 28, "line 42, cell 1: .*got 'signal'"),
            (9, "1" + ",0" * 27 + ",\xff", "line 9, cell 29"),
            (9, '1,"0"' + ",0" * 27, "line 9, cell 2"),
            (9, "1" + ",0" * 28 + "#", "line 9, cell 29"),
        ],
    )
    @pytest.mark.parametrize("chunk", [5, 1000])
    def test_damaged_lines_are_named(self, tmp_path, monkeypatch, line, new, message, chunk):
        monkeypatch.setattr(_higgs, "CHUNK", chunk)
        lines = TEXT.splitlines()
        lines[line - 1] = new
        path = tmp_path / "HIGGS.csv.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode("latin1")))
        with pytest.raises(ValueError, match=rf"HIGGS\.csv\.gz: {message}"):
            datasets.load_higgs(path, train_rows=40, test_rows=10)

    def test_too_few_rows(self, tmp_path):
        path = write_gz(tmp_path / "HIGGS.csv.gz", TEXT)
        with pytest.raises(ValueError, match=r"expected 155000 rows, got 50 .*train_rows"):
            datasets.load_higgs(path)
        with pytest.raises(ValueError, match="expected 51 rows, got 50"):
            datasets.load_higgs(path, train_rows=40, test_rows=11)
        write_gz(path, "")
        with pytest.raises(ValueError, match="expected 2 rows, got 0"):
            datasets.load_higgs(path, train_rows=1, test_rows=1)

    def test_damaged_compression(self, tmp_path):
        raw = gzip.compress(TEXT.encode())
        path = tmp_path / "HIGGS.csv.gz"
        for damaged in (raw[: len(raw) // 2], raw[:200] + b"x" * 200 + raw[400:]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"HIGGS\.csv\.gz: (damaged file|line)"):
                datasets.load_higgs(path, train_rows=40, test_rows=10)
        path = write_zip(tmp_path / "higgs.zip", {"HIGGS.csv": TEXT}, zipfile.ZIP_DEFLATED)
        raw = path.read_bytes()
        for damaged in (raw[:500], raw[:100] + b"x" * 200 + raw[300:]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"higgs\.zip: (damaged file|line)"):
                datasets.load_higgs(path, train_rows=40, test_rows=10)
        write_zip(path, {"readme.txt": "x"})
        with pytest.raises(ValueError, match=r"expected one file \.csv or \.csv\.gz in it, got 0"):
            datasets.load_higgs(path)

    def test_a_line_without_end_does_not_fill_the_memory(self, tmp_path, monkeypatch):
        monkeypatch.setattr(lines, "LINE_LIMIT", 5000)
        path = write_gz(tmp_path / "HIGGS.csv.gz", TEXT + "1" * 100_000)
        check_rows(datasets.load_higgs(path, train_rows=40, test_rows=10), 40, 10)
        with pytest.raises(ValueError, match="line 51 has 5000 characters or more"):
            datasets.load_higgs(path, train_rows=40, test_rows=11)


class TestLightGbm:
    @pytest.fixture
    def folder(self, tmp_path):
        for name, rows in (("train", slice(0, 30)), ("test", slice(30, 50))):
            text = higgs_text(Y[rows], X[rows], "\t")
            (tmp_path / f"binary.{name}").write_text(text)
        return tmp_path

    @pytest.mark.parametrize("name", ["", "binary.train", "binary.test"])
    def test_both_files(self, folder, name):
        check_rows(datasets.load_higgs(folder / name), 30, 20)
        data = datasets.load_higgs(folder / name, train_rows=30, test_rows=5)
        check_rows(data, 30, 5)

    def test_wrong(self, folder):
        with pytest.raises(ValueError, match=r"binary\.test: expected 21 rows, got 20"):
            datasets.load_higgs(folder, test_rows=21)
        (folder / "binary.test").write_text("0\t1\n")
        with pytest.raises(ValueError, match=r"binary\.test: line 1 has 2 cells, expected 29"):
            datasets.load_higgs(folder)
        (folder / "binary.test").unlink()
        with pytest.raises(FileNotFoundError, match=r"no .*binary\.test beside binary\.train"):
            datasets.load_higgs(folder)


class TestNpz:
    def save(self, path, **changed):
        arrays = {"x_train": X[:30], "y_train": Y[:30].astype(np.uint8)}
        arrays |= {"x_test": X[30:], "y_test": Y[30:].astype(float), **changed}
        np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
        return path

    def test_file_and_folder(self, tmp_path):
        path = self.save(tmp_path / "higgs.npz")
        check_rows(datasets.load_higgs(path), 30, 20)
        check_rows(datasets.load_higgs(tmp_path, train_rows=30, test_rows=3), 30, 3)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"x_test": None, "y_test": None}, "x_test is missing"),
            ({"x_train": X[:30, :27], "x_test": X[30:, :27]}, "28 features, got 27 in x_train"),
            ({"y_test": Y[30:] + 1}, "y_test to hold 0 and 1 only"),
            ({"y_test": Y[30:].astype(str)}, "y_test to hold 0 and 1 only"),
            ({"y_train": Y[:29]}, "y_train to have shape"),
        ],
    )
    def test_damage(self, tmp_path, changed, message):
        with pytest.raises(ValueError, match=rf"higgs\.npz: expected .*{message}"):
            datasets.load_higgs(self.save(tmp_path / "higgs.npz", **changed))

    def test_too_few_rows(self, tmp_path):
        path = self.save(tmp_path / "higgs.npz")
        with pytest.raises(ValueError, match="expected test_rows=21, got 20"):
            datasets.load_higgs(path, test_rows=21)


def test_wrong_arguments(tmp_path):
    for name in ("train_rows", "test_rows"):
        with pytest.raises(ValueError, match=f"{name} = 0: expected an integer at least 1"):
            datasets.load_higgs(tmp_path, **{name: 0})


def test_nothing_there(tmp_path):
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"(no HIGGS in|absent).*archive\.ics\.uci"):
            datasets.load_higgs(place)
    with pytest.raises(FileNotFoundError, match=r"--data-dir.*uci.*no network in tests"):
        datasets.load_higgs()


def test_resolve(tmp_path):
    path = TestNpz().save(tmp_path / "higgs.npz")
    check_rows(datasets.resolve("higgs", path), 30, 20)
