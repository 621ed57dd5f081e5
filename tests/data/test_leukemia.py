"""Leukemia as a series matrix of GEO and as a .csv."""

import contextlib
import gzip

import numpy as np
import pytest
from helpers.command_line import write_csv
from helpers.data_files import check
from helpers.stand_ins import series_matrix, write_gz
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import datasets
from trulysparse.datasets import _leukemia

NAMES = ["ALL with t(12;21)", "AML: complex", "CLL", "Non-leukemia and healthy bone marrow"]
RNG = np.random.default_rng(5)
CODES = RNG.permutation(np.arange(30) % 4)
X = (RNG.normal(size=(30, 17)) * 3 + CODES[:, None]).astype(np.float32)
CLASSES = [NAMES[code] for code in CODES]
TEXT = series_matrix(X, CLASSES)


def check_samples(data, x=X, codes=CODES, names=NAMES):
    """Every sample is in one part, with its own label."""
    check(data, features=x.shape[1], classes=len(names))
    assert data.name == "leukemia"
    assert data.class_names == tuple(names)
    assert len(data.y_test) == -(-len(x) // 3)
    found = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    place = {row.tobytes(): i for i, row in enumerate(x)}
    order = [place[row.tobytes()] for row in found]
    assert sorted(order) == list(range(len(x)))
    np.testing.assert_array_equal(labels, codes[order])


class TestSeriesMatrix:
    @pytest.mark.parametrize("chunk", [1, 3, 256])
    def test_samples(self, tmp_path, monkeypatch, chunk):
        monkeypatch.setattr(_leukemia, "CHUNK", chunk)
        data = datasets.load_leukemia(write_gz(tmp_path / "a_series_matrix.txt.gz", TEXT))
        check_samples(data)
        assert data.feature_names == tuple(f"{1007 + i}_s_at" for i in range(17))

    @pytest.mark.parametrize(
        "name",
        ["GSE13159_series_matrix.txt.gz", "GSE13159_series_matrix.txt", "x_series_matrix.txt"],
    )
    def test_folder(self, tmp_path, name):
        raw = TEXT.replace("\n", "\r\n").encode()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        (tmp_path / "notes.txt").write_text("")
        check_samples(datasets.load_leukemia(str(tmp_path)))

    def test_folder_of_several(self, tmp_path):
        for name in ("a_series_matrix.txt", "b_series_matrix.txt.gz"):
            (tmp_path / name).write_text(TEXT)
        with pytest.raises(
            ValueError, match=r"got a_series_matrix\.txt, b_series.*the file itself"
        ):
            datasets.load_leukemia(tmp_path)
        (tmp_path / "GSE13159_series_matrix.txt").write_text(TEXT)
        check_samples(datasets.load_leukemia(tmp_path))

    def test_the_split_is_stratified_and_by_seed(self, tmp_path):
        path = write_gz(tmp_path / "a_series_matrix.txt.gz", TEXT)
        first, again, other = (datasets.load_leukemia(path, seed=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first.x_test, again.x_test)
        assert not np.array_equal(first.x_test, other.x_test)
        check_samples(other)
        assert set(np.bincount(first.y_test)) <= {2, 3}

    def test_the_published_parts_have_the_papers_sizes(self):
        codes = np.arange(2096) % 18
        train, test = _leukemia.held_out("x", codes, 18, seed=0, fraction=_leukemia.TEST_FRACTION)
        assert (len(train), len(test)) == (1397, 699)

    def test_a_characteristic_may_be_in_another_line(self, tmp_path):
        """GEO moves a sample's cells up if it lacks the first one."""
        path = tmp_path / "a_series_matrix.txt"
        path.write_text(series_matrix(X, CLASSES, shifted={0, 5, 29}))
        check_samples(datasets.load_leukemia(path))

    def test_another_characteristic_by_name(self, tmp_path):
        text = TEXT.replace('"tissue: marrow"', '"Tissue: blood"', 9)
        path = tmp_path / "a_series_matrix.txt"
        path.write_text(text)
        data = datasets.load_leukemia(path, label="tissue")
        check_samples(data, codes=(np.arange(30) >= 9).astype(int), names=["blood", "marrow"])

    @pytest.mark.parametrize("label", ["colour", "tiss"])
    def test_no_such_characteristic(self, tmp_path, label):
        path = tmp_path / "a_series_matrix.txt"
        path.write_text(TEXT)
        with pytest.raises(
            ValueError, match=f"'{label}', got 0 of tissue, leukemia class .*--label"
        ):
            datasets.load_leukemia(path, label=label)

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("!series_matrix_table_begin", "!begin", "no line !series_matrix_table_begin"),
            ("!series_matrix_table_end", "", r"ends after line 27 without .*it is cut off"),
            ("!series_matrix_table_end\n", "", r"ends after line 26 without .*it is cut off"),
            (
                "leukemia class: CLL",
                "leukemia class:",
                "sample 'GSM3300.*' has no 'leukemia class'",
            ),
            ("leukemia class: CLL", "", "sample 'GSM3300.*' has no 'leukemia class'"),
            ("leukemia class", "disease", "with 'leukemia' in its name, got 0 of tissue, disease"),
            ("tissue", "leukemia type", "got 2 of leukemia type, leukemia class"),
            ('\t"tissue: marrow"\n', "\n", r"line 6 has characteristics of 29 samples, .* 30"),
            ("!Sample_characteristics_ch1", "!Sample_x", "got 0 of none"),
            ('"1010_s_at"\t', '"1010_s_at"\t\t', "line 13 has 31 cells, expected 30"),
            ('"1010_s_at"\t', '"1010_s_at"\tnull\t', "line 13 has 31 cells"),
            ('"1010_s_at"', '"1009_s_at"', "different probes, '1009_s_at' appears twice"),
            ('"ID_REF"', '"ID_REF"\n', r"line 9: expected the names of two or more samples"),
            ('"1012_s_at"', '\n"1012_s_at"', r"line 15 has 1 cells, expected 30"),
            ("!series_matrix_table_begin", "!series_matrix_table_end", "no line !series_m.*begin"),
        ],
    )
    def test_damage_is_named(self, tmp_path, old, new, message):
        text = TEXT.replace(old, new, 1 if old.startswith('\t"') or "CLL" in old else -1)
        assert text != TEXT
        path = write_gz(tmp_path / "a_series_matrix.txt.gz", text)
        with pytest.raises(ValueError, match=rf"a_series_matrix\.txt\.gz: .*{message}"):
            datasets.load_leukemia(path)

    @pytest.mark.parametrize("cell", ["null", "NA", "", "nan", "inf", "1e99", "1.2.3"])
    def test_a_cell_that_is_no_number_is_named(self, tmp_path, cell):
        lines = TEXT.splitlines()
        cells = lines[15].split("\t")
        cells[7] = cell
        lines[15] = "\t".join(cells)
        path = tmp_path / "a_series_matrix.txt"
        path.write_text("\n".join(lines))
        with pytest.raises(ValueError, match=f"line 16, cell 7: expected a finite .*got '{cell}'"):
            datasets.load_leukemia(path)

    def test_no_probes(self, tmp_path):
        path = tmp_path / "a_series_matrix.txt"
        path.write_text(series_matrix(X[:, :0], CLASSES))
        with pytest.raises(ValueError, match="expected probes below line 9, there are none"):
            datasets.load_leukemia(path)

    def test_damaged_compression(self, tmp_path):
        raw = gzip.compress(TEXT.encode())
        path = tmp_path / "a_series_matrix.txt.gz"
        for damaged in (raw[: len(raw) // 2], raw[:-4]):
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"a_series_matrix\.txt\.gz: damaged file"):
                datasets.load_leukemia(path)


@given(st.integers(0, len(TEXT) - 1), st.text('\t\n!"a:0.', max_size=3), st.integers(0, 40))
def test_any_damage_is_a_value_error_or_the_right_shape(tmp_path_factory, place, new, dropped):
    path = tmp_path_factory.getbasetemp() / "fuzz_series_matrix.txt"
    path.write_text(TEXT[:place] + new + TEXT[place + dropped :])
    with contextlib.suppress(ValueError):
        data = datasets.load_leukemia(path)
        check(data, features=len(data.feature_names), classes=data.n_classes)


class TestCsv:
    def test_samples_in_rows(self, tmp_path):
        names = [*(f"probe{i}" for i in range(17)), "class"]
        path = write_csv(tmp_path / "leukemia.csv", X, CLASSES, names)
        for place in (path, tmp_path):
            data = datasets.load_leukemia(place)
            check_samples(data)
            assert data.feature_names == tuple(names[:-1])

    def test_label(self, tmp_path):
        path = tmp_path / "a.csv"
        path.write_text("kind,p,q\n" + "\n".join(f"{'ab'[i % 2]},{i},{i}.5" for i in range(6)))
        data = datasets.load_leukemia(path, label="kind")
        assert data.class_names == ("a", "b")
        assert data.x_test.shape == (2, 2)
        with pytest.raises(ValueError, match=r"a\.csv: row 2, column 'kind': expected a number"):
            datasets.load_leukemia(path)


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"leukemia needs --data-dir.*GSE13159.*72 samples"):
        datasets.load_leukemia()
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileNotFoundError, match=r"(no leukemia data in|absent).*GSE13159"):
            datasets.load_leukemia(place)


def test_resolve(tmp_path):
    path = write_gz(tmp_path / "a_series_matrix.txt.gz", TEXT)
    check_samples(datasets.resolve("leukemia", path, "leukemia class", 3))
    one, other = (datasets.resolve("leukemia", path, seed=seed, hold_out=False) for seed in (0, 3))
    assert len(one.y_test) == 10
    assert not np.array_equal(one.x_test, other.x_test)
