"""The loaders of tables: what they return, and what they say about files that are wrong."""

import numpy as np
import pytest
from helpers.data_files import check
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import datasets
from trulysparse.data.readers import encode


@pytest.fixture
def arrays():
    rng = np.random.default_rng(1)
    return {"x_train": rng.normal(size=(40, 6)), "y_train": np.arange(40) % 4}


@pytest.fixture
def save(tmp_path):
    """``save(**arrays)``: the path of an .npz with them."""

    def write(**arrays):
        np.savez(tmp_path / "mine.npz", **arrays)
        return tmp_path / "mine.npz"

    return write


@pytest.fixture
def write_csv(tmp_path):
    """``write_csv(text)``: the path of a .csv with it."""

    def write(text, encoding="utf-8"):
        (tmp_path / "table.csv").write_text(text, encoding=encoding)
        return tmp_path / "table.csv"

    return write


class TestMadelon:
    @pytest.fixture
    def parts(self):
        rng = np.random.default_rng(2)
        return {
            "train": (rng.integers(400, 600, (12, 5)), np.array([-1, 1] * 6)),
            "valid": (rng.integers(400, 600, (6, 5)), np.array([1, -1, 1] * 2)),
        }

    @pytest.fixture
    def uci(self, tmp_path, parts):
        for part, (x, y) in parts.items():
            lines = [" ".join(map(str, row)) + " \n" for row in x]  # UCI ends lines with a space
            (tmp_path / f"madelon_{part}.data").write_text("".join(lines))
            (tmp_path / f"madelon_{part}.labels").write_text("".join(f"{v}\n" for v in y))
        return tmp_path

    def check(self, data, parts):
        check(data, features=5, classes=2)
        assert data.name == "madelon"
        np.testing.assert_array_equal(data.x_train, parts["train"][0])
        np.testing.assert_array_equal(data.y_train, parts["train"][1] > 0)
        np.testing.assert_array_equal(data.x_test, parts["valid"][0])
        np.testing.assert_array_equal(data.y_test, parts["valid"][1] > 0)

    def test_uci(self, uci, parts):
        self.check(datasets.load_madelon(uci), parts)

    def test_uci_with_subfolder(self, uci, parts):
        (uci / "MADELON").mkdir()
        for name in ("madelon_train.data", "madelon_train.labels", "madelon_valid.data"):
            (uci / name).rename(uci / "MADELON" / name)
        self.check(datasets.load_madelon(uci), parts)

    @pytest.mark.parametrize("place", ["", "madelon.npz"])
    def test_npz(self, tmp_path, parts, place):
        (x, y), (x_test, y_test) = parts["train"], parts["valid"]
        np.savez(
            tmp_path / "madelon.npz",
            x_train=x.astype(np.uint16),
            y_train=(y > 0).astype(np.uint8),
            x_test=x_test.astype(np.uint16),
            y_test=(y_test > 0).astype(np.uint8),
        )
        self.check(datasets.load_madelon(tmp_path / place), parts)

    def test_missing(self, uci):
        with pytest.raises(FileNotFoundError, match=r"--data-dir.*madelon\.npz.*no network"):
            datasets.load_madelon()
        (uci / "madelon_valid.labels").unlink()
        with pytest.raises(FileNotFoundError, match=r"no madelon_valid\.labels in .*expected"):
            datasets.load_madelon(uci)

    def test_wrong_contents(self, uci):
        labels = uci / "madelon_valid.labels"
        labels.write_text("0\n" * 6)
        with pytest.raises(ValueError, match=r"madelon_valid\.labels to hold -1 and 1 only"):
            datasets.load_madelon(uci)
        labels.write_text("1\n" * 5)
        with pytest.raises(ValueError, match=r"y_test .*\(6,\).*got \(5, 1\)"):
            datasets.load_madelon(uci)
        labels.write_text("one\n" * 6)
        with pytest.raises(ValueError, match=r"madelon_valid\.labels: expected a table of numbers"):
            datasets.load_madelon(uci)


class TestNpz:
    def test_with_test_part(self, save, arrays):
        path = save(**arrays, x_test=np.ones((3, 6)), y_test=[3, 3, 1])
        data = datasets.load_npz(path)
        check(data, features=6, classes=4)
        assert data.name == "mine"
        np.testing.assert_array_equal(data.x_train, arrays["x_train"].astype(np.float64))
        np.testing.assert_array_equal(data.y_train, arrays["y_train"])
        np.testing.assert_array_equal(data.y_test, [3, 3, 1])

    def test_holds_out_a_stratified_fifth(self, save, arrays):
        path = save(**arrays)
        data, again, other = (datasets.load_npz(path, seed=seed) for seed in (0, 0, 1))
        check(data, features=6, classes=4)
        assert np.bincount(data.y_test).tolist() == [2, 2, 2, 2]
        np.testing.assert_array_equal(data.x_test, again.x_test)
        assert not np.array_equal(data.x_test, other.x_test)
        both = np.concatenate([data.x_train, data.x_test])
        expected = arrays["x_train"].astype(np.float64)
        assert sorted(map(tuple, both.tolist())) == sorted(map(tuple, expected.tolist()))

    def test_classes_too_small_to_stratify(self, save):
        data = datasets.load_npz(save(x_train=np.eye(9), y_train=[0] * 8 + [1]))
        assert (len(data.y_train), len(data.y_test)) == (7, 2)
        data = datasets.load_npz(save(x_train=np.eye(8), y_train=np.arange(8) // 2))
        assert (len(data.y_train), len(data.y_test)) == (6, 2)  # four classes, two rows

    def test_all_rows_to_score(self, save, arrays):
        data = datasets.load_npz(save(**arrays), hold_out=False)
        check(data, features=6, classes=4)
        assert len(data.y_train) == 0
        np.testing.assert_array_equal(data.y_test, arrays["y_train"])

    @pytest.mark.parametrize(
        ("labels", "names"),
        [
            (np.array([-1, 1], np.int8), ("-1", "1")),
            (np.array([10, 2], np.uint64), ("2", "10")),
            (np.array([7.0, 5.0]), ("5", "7")),
            (np.array(["no", "yes"]), ("no", "yes")),
            (np.array([True, False]), ("False", "True")),
            (np.array([[0], [1]]), ("0", "1")),
        ],
    )
    def test_labels_of_any_kind(self, save, labels, names):
        data = datasets.load_npz(
            save(x_train=np.eye(2), y_train=labels, x_test=np.eye(2), y_test=labels)
        )
        check(data, features=2, classes=2)
        assert data.class_names == names
        kind = labels.dtype.type
        restored = [data.class_names[code] for code in data.y_train]
        assert restored == [str(kind(v) if kind is not np.float64 else int(v)) for v in labels.flat]

    def test_images_are_flattened(self, save):
        images = np.arange(48, dtype=np.uint8).reshape(4, 3, 4)
        data = datasets.load_npz(save(x_train=images, y_train=[0, 1, 0, 1]), hold_out=False)
        np.testing.assert_array_equal(data.x_test, images.reshape(4, 12))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"x_train": None}, "x_train is missing"),
            ({"y_train": None}, "y_train is missing"),
            ({"x_test": np.ones((2, 6))}, "both x_test and y_test"),
            ({"x_train": np.ones(40)}, r"x_train to be numbers of shape.*\(40,\)"),
            ({"x_train": np.ones((0, 6)), "y_train": []}, "x_train to be numbers"),
            ({"x_train": np.full((40, 6), "a")}, "x_train to be numbers"),
            ({"x_train": np.full((40, 6), np.nan)}, "x_train holds NaN"),
            ({"x_train": np.full((40, 6), np.inf)}, "NaN or infinity"),
            ({"y_train": np.arange(39)}, r"y_train to have shape \(40,\).*got \(39,\)"),
            ({"y_train": np.eye(40)}, "y_train to have shape"),
            ({"y_train": np.int64(1)}, "y_train to have shape"),
            ({"y_train": np.full(40, 0.5)}, r"class labels.*got 0\.5"),
            ({"y_train": np.full(40, np.nan)}, "class labels.*got nan"),
            ({"y_train": np.full(40, 1j)}, "got complex128"),
            ({"x_test": np.ones((2, 5)), "y_test": [0, 1]}, "6 features, x_test 5"),
            ({"x_train": np.array([[None]])}, "plain arrays"),
        ],
    )
    def test_errors(self, save, arrays, changes, message):
        arrays = {k: v for k, v in {**arrays, **changes}.items() if v is not None}
        with pytest.raises(ValueError, match=rf"mine\.npz: .*{message}"):
            datasets.load_npz(save(**arrays))

    def test_not_an_archive(self, save, tmp_path, arrays):
        path = save(**arrays)
        whole = path.read_bytes()
        np.save(tmp_path / "single.npy", np.ones(3))
        single = (tmp_path / "single.npy").read_bytes()
        damaged = bytearray(whole)
        damaged[200] ^= 0xFF
        for content in (b"", b"hello", whole[:300], single, bytes(damaged)):
            path.write_bytes(content)
            with pytest.raises(ValueError, match=r"mine\.npz: expected a NumPy \.npz"):
                datasets.load_npz(path)
        with pytest.raises(FileNotFoundError):
            datasets.load_npz(tmp_path / "absent.npz")


class TestCsv:
    def test_label_by_name_and_by_default(self, write_csv):
        path = write_csv("a,kind,b\n1,x,2\n\n3,y,4.5\n")
        data = datasets.load_csv(path, "kind", hold_out=False)
        check(data, features=2, classes=2)
        assert data.name == "table"
        assert data.feature_names == ("a", "b")
        assert data.class_names == ("x", "y")
        np.testing.assert_array_equal(data.x_test, [[1, 2], [3, 4.5]])
        np.testing.assert_array_equal(data.y_test, [0, 1])
        for label in (None, "b"):
            with pytest.raises(
                ValueError, match="row 2, column 'kind': expected a number, got 'x'"
            ):
                datasets.load_csv(path, label)

    def test_spreadsheet_dialect(self, write_csv):
        text = '"size, in m", kind \r\n 1e1 ,"a ""b"""\r\n-2,c d\r\n'
        data = datasets.load_csv(write_csv(text, "utf-8-sig"), hold_out=False)
        assert data.feature_names == ("size, in m",)
        assert data.class_names == ('a "b"', "c d")
        np.testing.assert_array_equal(data.x_test, [[10], [-2]])

    def test_numbers_of_every_honest_spelling(self, write_csv):
        path = write_csv("a,b,y\n 4,+.5,u\n-3.,2E-1\t,v\n")
        np.testing.assert_array_equal(
            datasets.load_csv(path, hold_out=False).x_test, [[4, 0.5], [-3, 0.2]]
        )

    def test_numeric_labels_are_ordered_as_numbers(self, write_csv):
        data = datasets.load_csv(write_csv("a,y\n0,10\n1,2\n2,-1.0\n"), hold_out=False)
        assert data.class_names == ("-1", "2", "10")
        assert data.y_test.tolist() == [2, 1, 0]

    def test_holds_out_a_stratified_fifth(self, write_csv):
        path = write_csv("a,y\n" + "".join(f"{i},{'ab'[i % 2]}\n" for i in range(20)))
        data, again = datasets.load_csv(path), datasets.load_csv(path)
        check(data, features=1, classes=2)
        assert np.bincount(data.y_test).tolist() == [2, 2]
        np.testing.assert_array_equal(data.x_test, again.x_test)
        assert (data.x_train % 2 == data.y_train[:, None]).all()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "expected a table"),
            ("a\n1\n", "expected two or more columns"),
            ("a,y\n", "expected rows below the header"),
            ("a,a,y\n1,2,0\n", "'a' appears twice"),
            ("a,b,y\n1,2,0\n1,2\n", "row 3 has 2 cells, expected 3"),
            ("a,b,y\n1,2,0\n\n1,,1\n", "row 4, column 'b': expected a number, got nothing"),
            ("a,b,y\n1,2,0\nx,2,1\n", "row 3, column 'a': expected a number, got 'x'"),
            ("a,b,y\n1,2,0\n\n1,nan,1\n", "row 4, column 'b': expected a number, got nothing"),
            ("a,b,y\n1,2_500,0\n", "row 2, column 'b': expected a number, got '2_500'"),
            ("a,b,y\n3,2,0\n\uff13,2,1\n", "row 3, column 'a': expected a number, got '\uff13'"),
            ("a,b,y\n1,٤٢,0\n", "row 2, column 'b': expected a number, got '٤٢'"),
            ("a,b,y\n1,-Infinity,0\n", "row 2, column 'b': expected a finite number"),
            ("a,b,y\n1e999,2,0\n", "row 2, column 'a': expected a finite number that float64"),
            ("a,b,y\n1,2,\n", "row 2, column 'y': expected a label, got nothing"),
            ("a,y\n1,0.5\n2,1\n", r"column 'y': expected class labels .*got 0\.5"),
            ("a,y\n1,0\n", "two or more rows"),
        ],
    )
    def test_errors(self, write_csv, text, message):
        with pytest.raises(ValueError, match=rf"table.*{message}"):
            datasets.load_csv(write_csv(text))

    def test_unknown_label_lists_the_columns(self, write_csv):
        with pytest.raises(ValueError, match="no column label='z': expected one of 'a', 'y'"):
            datasets.load_csv(write_csv("a,y\n1,0\n"), "z")

    def test_not_there(self, tmp_path):
        with pytest.raises(FileNotFoundError):
            datasets.load_csv(tmp_path / "absent.csv")

    def test_other_dialects_are_read_too(self, write_csv):
        data = datasets.load_csv(write_csv("1,5;2;u\n3,5;4;v\n"), hold_out=False)
        np.testing.assert_array_equal(data.x_test, [[1.5, 2], [3.5, 4]])


class TestEncode:
    def test_text_that_is_partly_numeric_stays_text(self):
        codes, names = encode(np.array(["10", "2", "b"]), "labels")
        assert codes.tolist() == [0, 1, 2]
        assert names == ("10", "2", "b")

    def test_numbers_that_float_cannot_tell_apart_are_refused(self):
        with pytest.raises(ValueError, match="labels: expected class labels"):
            encode(np.array([str(2**53), str(2**53 + 1)]), "labels")
        codes, _ = encode(np.array([2**53, 2**53 + 1]), "labels")
        assert codes.tolist() == [0, 1]

    @pytest.mark.parametrize(
        ("labels", "names"),
        [
            (["08015", "8015", "8016"], ("08015", "8015", "8016")),  # codes stay text
            (["+3", "3"], ("+3", "3")),
            (["1_2", "12"], ("12", "1_2")),  # numbers to Python only
            (["\uff14", "4"], ("4", "\uff14")),
            (["3.0", "3", "12"], ("3", "12")),  # a spreadsheet's
            (["2e0", "1e1"], ("2", "10")),
            ([str(2**53), str(2**53 + 1), "none"], (str(2**53), str(2**53 + 1), "none")),
        ],
    )
    def test_spellings_are_classes_of_their_own(self, labels, names):
        assert encode(np.array(labels), "labels")[1] == names

    @pytest.mark.parametrize("labels", [["2e1", "20"], ["-0", "0"], ["4.0", "4", "other"]])
    def test_two_spellings_of_one_number_are_named(self, labels):
        with pytest.raises(ValueError, match=r"labels, row 9: .* in row 5: expected one spelling"):
            encode(np.array(labels), "labels", [5, 9, 11])

    @given(st.lists(st.from_regex(r"[+-]?[0-9]{1,3}(\.0?)?(e[01])?", fullmatch=True), min_size=1))
    def test_no_two_classes_become_one(self, labels):
        """But for 3 and 3.0."""
        try:
            codes, _ = encode(np.array(labels), "labels")
        except ValueError:
            return
        plain = [label.removesuffix("0") if "." in label else label for label in labels]
        plain = [label.removesuffix(".") for label in plain]
        assert len(set(codes.tolist())) >= len(set(plain))


class TestResolve:
    def test_names_and_paths(self, fashion_folder, save, arrays, write_csv):
        assert datasets.resolve("digits").name == "digits"
        assert datasets.resolve("fashion-mnist", fashion_folder).name == "fashion-mnist"
        path = save(**arrays)
        assert datasets.resolve("madelon", path).name == "madelon"
        assert datasets.resolve(path).name == "mine"
        path = write_csv("y,a\n0,1\n1,2\n0,1\n1,2\n")
        assert datasets.resolve(str(path), label="y").feature_names == ("a",)
        upper = path.with_suffix(".CSV")
        path.rename(upper)
        assert datasets.resolve(upper, label="y").name == "table"

    def test_seed_and_hold_out_are_passed_on(self, save, arrays, write_csv):
        path = save(**arrays)
        for seed in (0, 1):
            np.testing.assert_array_equal(
                datasets.resolve(path, seed=seed).y_test, datasets.load_npz(path, seed=seed).y_test
            )
        assert len(datasets.resolve(path, hold_out=False).y_test) == 40
        assert len(datasets.resolve(write_csv("a,y\n1,0\n"), hold_out=False).y_test) == 1

    @pytest.mark.parametrize("spec", ["digit", "data.txt", "", "Digits"])
    def test_unknown(self, spec):
        with pytest.raises(
            ValueError, match=r"digits, fashion-mnist, .*leukemia, .*\.npz or \.csv"
        ):
            datasets.resolve(spec)

    def test_options_of_no_use_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"label='y' names a column of a \.csv or of leukemia"):
            datasets.resolve("digits", label="y")
        with pytest.raises(
            ValueError, match=r"data_dir=.* is for fashion-mnist, cifar10.*data is 'digits'"
        ):
            datasets.resolve("digits", data_dir=tmp_path)
