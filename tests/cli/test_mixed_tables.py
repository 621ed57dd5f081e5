"""Tables as they are on the command line: text, missing cells, tasks, labels, rows held out."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
import trulysparse as ts
from helpers import limits
from helpers.houses import LONGER, MODEL, QUICK, houses, rows_of, said
from trulysparse.cli.flags import workers
from trulysparse.loading import network


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


class TestTraining:
    def test_says_what_the_columns_became(self, capsys):
        houses().write_csv("houses.csv")
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        lines = out.splitlines()
        assert "note: the label is the last column, 'price'" in lines
        assert any(
            line.startswith("task: regression of 'price', whose values are no whole numbers")
            for line in lines
        )
        assert any(line.startswith("  name   left out: ") for line in lines)
        assert any(line.startswith("  area   a number; ") and "mean" in line for line in lines)
        assert any(line.startswith("  town   a category: 3 levels, ") for line in lines)
        assert any(line.startswith("  built  a time: seconds since 1970") for line in lines)
        assert any(line.startswith("test: R2 ") for line in lines)
        out, _ = said(capsys, 0, "info", MODEL)
        assert "  town" in out
        assert " a category: 3 levels, " in out
        assert "left out: " in out

    def test_learns_from_all_of_them(self, capsys):
        houses(800).write_csv("houses.csv")
        flags = ["--hidden", "50", "--epochs", "40", "--out", "out"]
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *flags)
        r2 = float(out.split("test: R2 ")[1].split(",")[0])
        assert r2 > 0.8

    def test_row_numbers_are_left_out(self, capsys):
        frame = houses().select("area", "garden", "price").with_row_index("row")
        frame.write_csv("numbered.csv")
        out, _ = said(capsys, 0, "train", "--data", "numbered.csv", *QUICK)
        assert "  row   left out: it numbers the rows" in out

    @pytest.mark.parametrize("label", ["price", "-1", "6"])
    def test_label_by_name_or_position(self, capsys, label):
        houses().write_csv("houses.csv")
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", "--label", label, *QUICK)
        assert "task: regression of 'price'" in out
        assert json.loads(network(MODEL).metadata["label"]) == "price"

    @pytest.mark.parametrize(
        "flags", [["--drop", "name,owner"], ["--drop", "0", "--drop", "owner"]]
    )
    def test_drop(self, capsys, flags):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        assert [part.name for part in ts.load(MODEL).columns_] == [
            "area",
            "town",
            "built",
            "garden",
        ]

    def test_columns(self, capsys):
        houses().write_csv("houses.csv")
        flags = ["--columns", "town,area", "--label", "price"]
        said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        assert sorted(part.name for part in ts.load(MODEL).columns_) == ["area", "town"]

    def test_several_numbers(self, capsys):
        frame = houses().with_columns(rent=pl.col("price") / 300 + 100)
        frame.write_csv("houses.csv")
        flags = ["--label", "price", "--label", "rent"]
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        assert "task: regression of 2 numbers" in out
        assert "test: price: R2 " in out
        assert "; rent: R2 " in out
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv")
        header, rows = rows_of()
        assert header == ["price", "rent"]
        assert len(rows) == frame.height
        assert "R2" in said(capsys, 0, "evaluate", MODEL, "--data", "houses.csv")[0]

    def test_several_labels(self, capsys):
        frame = houses().with_columns(
            big=(pl.col("area").fill_null(0) > 100),
            delft=(pl.col("town") == "Delft").fill_null(False),
        )
        frame.drop("price").write_csv("houses.csv")
        flags = ["--label", "big,delft"]
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        assert "task: classification, 2 labels of 0 and 1" in out
        assert "all labels right" in out
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv")
        header, rows = rows_of()
        assert header == ["big", "delft", "probability_big", "probability_delft"]
        estimator = ts.load(MODEL)
        assert (
            np.array(rows)[:, :2].astype(int).tolist()
            == estimator.predict(frame.drop("price", "big", "delft")).tolist()
        )

    def test_rows_without_a_label_may_be_left_out(self, capsys):
        frame = houses().with_columns(
            price=pl.when(pl.int_range(pl.len()) % 4 == 1).then(None).otherwise(pl.col("price"))
        )
        frame.write_csv("houses.csv")
        _, err = said(capsys, 2, "train", "--data", "houses.csv", *QUICK)
        assert "--drop-unlabelled leaves such rows out" in err
        flags = ["--drop-unlabelled", "--group", "owner"]
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *flags, *LONGER)
        assert "note: 50 rows without a label are left out\n" in out
        assert "of 15 groups of 'owner'\n" in out

    def test_several_labels_of_which_some_are_missing(self, capsys):
        frame = houses().with_columns(
            big=pl.when(pl.int_range(pl.len()) % 4 == 0)
            .then(None)
            .otherwise((pl.col("area").fill_null(0) > 100).cast(pl.Int64)),
            delft=(pl.col("town").fill_null("?") == "Delft").cast(pl.Int64),
        )
        frame.drop("price").write_csv("houses.csv")
        flags = ["--label", "big,delft"]
        out, _ = said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        assert "2 labels of 0 and 1; 50 of 400 are missing, and do not count\n" in out
        out, _ = said(capsys, 0, "evaluate", MODEL, "--data", "houses.csv")
        truth = frame.select("big", "delft").to_numpy()
        guess = ts.load(MODEL).predict(frame.drop("price", "big", "delft"))
        exact = ((truth == guess) | np.isnan(truth)).all(axis=1).mean()
        assert f"all labels right {100 * exact:.2f} %" in out

    def test_labels_of_another_file(self, capsys):
        frame = houses()
        frame.select("name", "price").sort("price").write_csv("prices.csv")
        frame.drop("price").write_csv("houses.csv")
        flags = ["--labels-from", "prices.csv", "--label", "price"]
        said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        out, _ = said(capsys, 0, "evaluate", MODEL, "--data", "houses.csv", *flags)
        frame.write_csv("both.csv")
        assert (
            out.splitlines()[-1]
            == said(capsys, 0, "evaluate", MODEL, "--data", "both.csv")[0].splitlines()[-1]
        )

    def test_a_missing_label_is_named(self, capsys):
        frame = houses().with_columns(
            price=pl.when(pl.int_range(pl.len()) == 5).then(None).otherwise(pl.col("price"))
        )
        frame.write_csv("houses.csv")
        _, err = said(capsys, 2, "train", "--data", "houses.csv", *QUICK)
        assert "houses.csv: row 7, column 'price': expected a label, got nothing" in err

    @pytest.mark.parametrize(
        ("flags", "message"),
        [
            (["--label", "rent"], "no column --label 'rent': expected one of 'name'"),
            (["--drop", "99"], "--drop 99: expected the position of one of 7 columns"),
            (
                ["--group", "price", "--label", "price"],
                "'price' is a label, and in --drop or --id: expected",
            ),
            (["--label", "town", "--task", "regression"], "column 'town': expected a number"),
            (["--separator", "x"], "--separator 'x': expected one of"),
        ],
    )
    def test_mistakes(self, capsys, flags, message):
        houses().fill_null("Delft").write_csv("houses.csv")
        _, err = said(capsys, 2, "train", "--data", "houses.csv", *flags, *QUICK)
        assert message in err

    def test_options_of_tables_are_none_of_digits(self, capsys):
        _, err = said(capsys, 2, "train", "--data", "digits", "--drop", "0", *QUICK)
        assert "--drop is for tables of your own, but the data is 'digits'" in err


class TestHeldOut:
    def test_groups_stay_together(self, capsys, monkeypatch):
        seen = {}
        fit = ts.SparseMLP.fit

        def spied(self, x, y, *, validation_data, **options):
            seen.update(train=y, test=validation_data[1])
            return fit(self, x, y, validation_data=validation_data, **options)

        monkeypatch.setattr(ts.SparseMLP, "fit", spied)
        frame = houses().with_columns(
            price=pl.col("owner").str.slice(1).cast(pl.Int64) + 0.5,
        )
        frame.write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", "--group", "owner", *LONGER)
        assert not set(seen["train"].ravel()) & set(seen["test"].ravel())
        assert len(seen["test"]) == pytest.approx(40, abs=20)
        assert "owner" not in [part.name for part in ts.load(MODEL).columns_]

    @pytest.mark.parametrize("drop", [[], ["--drop", "built"]])
    def test_the_future_is_held_out(self, capsys, monkeypatch, drop):
        seen = {}
        fit = ts.SparseMLP.fit

        def spied(self, x, y, *, validation_data, **options):
            seen.update(train=y, test=validation_data[1])
            return fit(self, x, y, validation_data=validation_data, **options)

        monkeypatch.setattr(ts.SparseMLP, "fit", spied)
        days = (pl.col("built") - pl.date(2024, 1, 1)).dt.total_days()
        houses().with_columns(price=days + 0.5).write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", "--time", "built", *drop, *LONGER)
        assert seen["train"].max() < seen["test"].min()
        assert 40 <= len(seen["test"]) < 45
        assert ("built" in [part.name for part in ts.load(MODEL).columns_]) is (drop == [])

    def test_one_group_is_an_error(self, capsys):
        houses().with_columns(owner=pl.lit("me")).write_csv("houses.csv")
        _, err = said(capsys, 2, "train", "--data", "houses.csv", "--group", "owner", *QUICK)
        assert "--group owner: expected two or more groups, got 1" in err


IN_A_PROCESS = """
import sys
from trulysparse import cli

for kind in sys.argv[1:]:
    flags = ["--data", "new.csv", "--id", "name", "--out", f"{kind}.csv"]
    assert cli.main(["predict", f"{kind}.safetensors", *flags]) == 0
"""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Fitted estimators, new rows, and the folder of what a new process predicts for them."""
    frame = houses()
    x = frame.drop("price", "name")
    big = (frame["price"] > frame["price"].median()).to_numpy()
    targets = {
        "classes": np.where(big, "dear", "cheap"),
        "labels": np.column_stack([big, ~big]).astype(int),
        "numbers": frame["price"].to_numpy(),
    }
    folder, estimators = tmp_path_factory.mktemp("saved"), {}
    for kind, y in targets.items():
        make = ts.SparseMLPRegressor if kind == "numbers" else ts.SparseMLPClassifier
        estimators[kind] = make((10,), max_iter=4, random_state=0).fit(x, y)
        estimators[kind].save(folder / f"{kind}.safetensors")
    new = houses(50, seed=1).with_columns(
        town=pl.Series(["Paris" if i % 7 == 0 else "Gouda" for i in range(50)]),
        garden=pl.Series([None if i % 5 == 0 else True for i in range(50)]),
    )
    new.write_csv(folder / "new.csv")
    done = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS, *targets],
        cwd=folder, check=False, capture_output=True, text=True, timeout=limits.CHILD,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, estimators, new


class TestPredictions:
    """From `estimator.save`, a new process, and the command line: the same."""

    @pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
    def test_are_those_of_the_estimator(self, saved, kind):
        folder, estimators, new = saved
        estimator = estimators[kind]
        header, rows = rows_of(folder / f"{kind}.csv")
        assert header[0] == "name"
        assert [row[0] for row in rows] == new["name"].to_list()
        inputs = new.drop("price", "name")
        expected = estimator.predict(inputs)
        loaded = ts.load(folder / f"{kind}.safetensors").predict(inputs)
        np.testing.assert_array_equal(loaded, expected)
        if kind == "classes":
            assert [row[1] for row in rows] == expected.tolist()
            found = np.array([row[2:] for row in rows], np.float32)
            np.testing.assert_array_equal(found, estimator.predict_proba(inputs))
        elif kind == "labels":
            assert np.array([row[1:3] for row in rows]).astype(int).tolist() == expected.tolist()
        else:
            assert [float(row[1]) for row in rows] == expected.tolist()

    def test_of_a_model_that_the_command_line_trained(self, capsys):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", "--id", "name", *QUICK)
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv", "--id", "name")
        header, rows = rows_of()
        assert header == ["name", "price"]
        estimator = ts.load(MODEL)
        assert isinstance(estimator, ts.SparseMLPRegressor)
        expected = estimator.predict(houses().drop("price", "name"))
        assert [float(row[1]) for row in rows] == expected.tolist()

    def test_of_codes_that_look_like_numbers(self, capsys):
        frame = houses().with_columns(zip=pl.Series([f"0{i % 7}2" for i in range(200)]))
        frame.select("zip", "area", "price").write_csv("codes.csv")
        said(capsys, 0, "train", "--data", "codes.csv", *QUICK)
        frame.select("zip", "area").head(30).write_csv("new.csv")
        with open("new.csv") as file:
            text = file.read()
        with open("odd.csv", "w") as file:  # 99 is read as a number, of a level that is unseen
            file.write(text.replace("\n0", "\n9", 1))
        for name in ("new.csv", "odd.csv"):
            said(capsys, 0, "predict", MODEL, "--data", name)
        only = text.splitlines()[:2]
        with open("one.csv", "w") as file:
            file.write("\n".join(only).replace("\n0", "\n1") + "\n")
        said(capsys, 0, "predict", MODEL, "--data", "one.csv")
        assert len(rows_of()[1]) == 1

    def test_identifiers_stay_what_the_file_has(self, capsys):
        frame = houses()
        frame.write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", "--id", "name", *QUICK)
        codes = [f"89490200000000{i:06}" for i in range(200)]
        frame.with_columns(name=pl.Series(codes)).write_csv("new.csv")
        said(capsys, 0, "predict", MODEL, "--data", "new.csv", "--id", "name")
        assert [row[0] for row in rows_of()[1]] == codes

    def test_an_identifier_may_be_a_feature(self, capsys):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv")
        plain = rows_of()[1]
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv", "--id", "owner", "--id", "area")
        header, rows = rows_of()
        assert header == ["owner", "area", "price"]
        assert [row[2:] for row in rows] == plain

    def test_without_names_go_by_position_and_leave_the_label_out(self, capsys):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(80, 4)).round(5)
        kinds = np.where(x[:, 0] > 0, "up", "down")

        def write(path, *columns):
            with open(path, "w", newline="") as file:
                csv.writer(file, delimiter="\t").writerows(zip(*columns, strict=True))

        write("train.tsv", kinds, *x.T)
        said(capsys, 0, "train", "--data", "train.tsv", "--label", "0", *QUICK)
        found = []
        write("new.tsv", *x.T)
        for name in ("train.tsv", "new.tsv"):
            _, err = said(capsys, 0, "predict", MODEL, "--data", name)
            found.append(rows_of()[1])
        assert found[0] == found[1]
        assert "have no names of columns: all are taken by position" in err
        write("wide.tsv", *x.T, *x.T)
        _, err = said(capsys, 2, "predict", MODEL, "--data", "wide.tsv")
        assert "wide.tsv has 8 columns without names: expected the 4 features" in err

    def test_what_is_new_or_missing_is_said(self, capsys):
        frame = houses().with_columns(garden=pl.col("garden").cast(pl.Int64))
        frame.write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        new = frame.with_columns(
            town=pl.lit("Mars"), garden=pl.lit(None, pl.Int64), built=pl.lit(None, pl.Date)
        )
        new.write_csv("new.csv")
        _, err = said(capsys, 0, "predict", MODEL, "--data", "new.csv")
        assert "200 cells of 'town' have levels that training had in none, such as 'Mars'" in err
        for name in ("garden", "built"):
            assert f"200 cells of {name!r} are missing, and none was in training" in err

    def test_sparse_rows_may_end_earlier(self, capsys):
        with open("train.svm", "w") as file:
            file.writelines(f"{i % 2} 1:{i % 2} 2:1 9:{i % 3}\n" for i in range(60))
        with open("new.svm", "w") as file:
            file.writelines(f"0 1:{i % 2} 2:1\n" for i in range(10))
        with open("same.svm", "w") as file:
            file.writelines(f"0 1:{i % 2} 2:1 9:0\n" for i in range(10))
        said(capsys, 0, "train", "--data", "train.svm", *LONGER)
        found = []
        for name in ("new.svm", "same.svm"):
            said(capsys, 0, "predict", MODEL, "--data", name)
            found.append(rows_of()[1])
        assert found[0] == found[1]

    def test_a_folder_of_a_training_is_its_model(self, capsys):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        said(capsys, 0, "predict", "out", "--data", "houses.csv")
        assert len(rows_of()[1]) == 200

    def test_frames_may_have_the_label_of_the_command_line(self, capsys):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        estimator = ts.load(MODEL)
        np.testing.assert_array_equal(
            estimator.predict(houses()), estimator.predict(houses().drop("price"))
        )

    def test_parquet_after_text(self, capsys):
        frame = houses().with_columns(area=pl.col("area").fill_null(-999))
        frame = frame.with_columns(town=pl.col("town").fill_null("none"))
        frame.write_csv("houses.csv")
        flags = ["--missing=-999", "--not-missing", "none"]
        said(capsys, 0, "train", "--data", "houses.csv", *flags, *QUICK)
        houses().with_columns(town=pl.col("town").cast(pl.Categorical)).write_parquet("new.parquet")
        said(capsys, 0, "predict", MODEL, "--data", "new.parquet")
        assert len(rows_of()[1]) == 200

    def test_through_pipes(self, capsys, monkeypatch):
        houses().write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
        said(capsys, 0, "predict", MODEL, "--data", "houses.csv")
        with open("houses.csv", "rb") as file:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(file.read())))
        out, _ = said(capsys, 0, "predict", MODEL, "--data", "-", "--out", "-")
        with open("predictions.csv", newline="") as file:
            assert out.replace("\r\n", "\n") == file.read().replace("\r\n", "\n")

    def test_missing_cells_are_spelled_as_in_training(self, capsys):
        frame = houses().with_columns(area=pl.col("area").fill_null(-999))
        frame.write_csv("houses.csv")
        said(capsys, 0, "train", "--data", "houses.csv", "--missing=-999", *QUICK)
        _, err = said(capsys, 0, "predict", MODEL, "--data", "houses.csv")
        assert "'-999' in a cell is missing, as in training" in err
        _, rows = rows_of()
        houses().write_csv("null.csv")
        said(capsys, 0, "predict", MODEL, "--data", "null.csv")
        assert rows_of()[1] == rows


class TestOtherFormats:
    def test_genes_in_rows(self, capsys):
        rng = np.random.default_rng(0)
        values = rng.normal(size=(30, 40))
        values[3] += np.arange(40) % 2 * 3
        kinds = ["ALL" if i % 2 else "AML" for i in range(40)]
        lines = [["gene", *(f"s{i}" for i in range(40))]]
        lines += [[f"g{j}", *map(str, row.round(4))] for j, row in enumerate(values)]
        lines += [["kind", *kinds]]
        with open("genes.tsv", "w") as file:
            file.writelines("\t".join(line) + "\n" for line in lines)
        flags = ["--transpose", "--label", "kind"]
        out, _ = said(capsys, 0, "train", "--data", "genes.tsv", *flags, *QUICK)
        assert "32 training and 8 test samples, 30 features, 2 classes" in out
        said(capsys, 0, "predict", MODEL, "--data", "genes.tsv", "--transpose")
        header, rows = rows_of()
        assert header == ["sample", "class", "probability_ALL", "probability_AML"]
        assert [row[0] for row in rows] == [f"s{i}" for i in range(40)]

    def test_svm_and_parquet(self, capsys):
        rng = np.random.default_rng(0)
        with open("t.svm", "w") as file:
            for i in range(60):
                places = np.sort(rng.choice(50, 5, replace=False))
                pairs = " ".join(f"{p + 1}:{1 + (p == 0)}" for p in places)
                file.write(f"{i % 3} {pairs}\n")
        out, _ = said(capsys, 0, "train", "--data", "t.svm", *QUICK)
        assert "50 features, 3 classes" in out
        assert "--optimizer adam" in out
        said(capsys, 0, "evaluate", MODEL, "--data", "t.svm")
        houses().write_parquet("houses.parquet")
        out, _ = said(capsys, 0, "train", "--data", "houses.parquet", *QUICK)
        assert "test: R2" in out

    def test_arrays_with_missing_numbers(self, capsys):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(90, 6))
        x[rng.random(x.shape) < 0.1] = np.nan
        np.savez("t.npz", x_train=x, y_train=np.arange(90) % 3)
        out, _ = said(capsys, 0, "train", "--data", "t.npz", *LONGER)
        assert "missing are the mean, with an indicator" in out
        said(capsys, 0, "predict", MODEL, "--data", "t.npz")
        found = np.array([row[1:] for row in rows_of()[1]], np.float32)
        np.testing.assert_array_equal(found, ts.load(MODEL).predict_proba(x))


def test_importance_of_columns_and_levels(capsys):
    houses().write_csv("houses.csv")
    said(capsys, 0, "train", "--data", "houses.csv", *QUICK)
    out, _ = said(capsys, 0, "importance", MODEL)
    estimator = ts.load(MODEL)
    scores = dict(
        zip([p.name for p in estimator.columns_], estimator.feature_importances_, strict=True)
    )
    first = out.splitlines()[1].split()
    best = max(scores, key=scores.get)
    assert first[:2] == ["1", best]
    assert float(first[2]) == pytest.approx(scores[best], rel=1e-4)
    out, _ = said(capsys, 0, "importance", MODEL, "--levels", "--top", "50")
    assert "town = Delft" in out
    assert "area is missing" in out


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    "dtype", [pl.Categorical, pl.Enum(["Delft", "Leiden", "Gouda"]), pl.String]
)
def test_a_file_with_types_is_read_again(dtype, suffix, capsys):
    frame = houses().with_columns(pl.col("town").cast(dtype))
    path = f"houses.{suffix}"
    frame.write_parquet(path) if suffix == "parquet" else frame.write_ipc(path)
    frame.write_csv("houses.csv")
    said(capsys, 0, "train", "--data", path, *QUICK)
    typed, _ = said(capsys, 0, "evaluate", MODEL, "--data", path)
    text, _ = said(capsys, 0, "evaluate", MODEL, "--data", "houses.csv")
    assert typed.splitlines()[1:] == text.splitlines()[1:]


@pytest.mark.parametrize(
    "flags",
    [["--text", "beds,street"], ["--text", "0, beds"], ["--text", "street", "--text", "beds"]],
)
def test_several_columns_stay_text(flags, capsys):
    numbers = [i % 5 for i in range(200)]
    added = [pl.Series("street", numbers), pl.Series("beds", numbers)]
    pl.DataFrame([*added, houses()["price"]]).write_csv("rooms.csv")
    said(capsys, 0, "train", "--data", "rooms.csv", *flags, *QUICK)
    assert [part.kind for part in ts.load(MODEL).columns_] == ["category", "category"]


def test_levels_are_numbers_in_another_file_with_types(capsys):
    frame = houses().with_columns(town=pl.Series([str(i % 3) for i in range(200)]))
    frame.write_parquet("text.parquet")
    frame.with_columns(pl.col("town").cast(pl.Int64)).write_parquet("numbers.parquet")
    said(capsys, 0, "train", "--data", "text.parquet", *QUICK)
    text, _ = said(capsys, 0, "evaluate", MODEL, "--data", "text.parquet")
    numbers, _ = said(capsys, 0, "evaluate", MODEL, "--data", "numbers.parquet")
    assert numbers.splitlines()[1:] == text.splitlines()[1:]


@pytest.mark.parametrize(
    ("name", "starter"),
    [("SLURM_STEP_NUM_TASKS", "srun"), ("PMI_SIZE", "mpiexec"), ("FLUX_JOB_SIZE", "flux run")],
)
def test_copies_of_a_scheduler_are_refused(monkeypatch, capsys, name, starter):
    for other in workers._COUNTS:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.delitem(sys.modules, "mpi4py", raising=False)
    monkeypatch.setenv(name, "4")
    _, err = said(capsys, 2, "train", *QUICK)
    assert f"started 4 times by {starter} ({name}), but without mpi4py" in err
    monkeypatch.setenv(name, "1")
    said(capsys, 0, "train", *QUICK)
