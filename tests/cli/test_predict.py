"""`trulysparse predict`: which rows it reads, and the table that it writes."""

import csv

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import cli
from trulysparse.loading import network

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 3))


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def model():
    """Trained by the command line on columns a, b and c; the label is y."""
    kinds = np.array(["iris", "poppy", "rose"])[np.arange(60) % 3]
    write_csv("flowers.csv", "abcy", [*RNG.normal(size=(3, 60)), kinds])
    arguments = ["--hidden", "8", "--epochs", "1", "--out", "."]
    assert cli.main(["train", "--data", "flowers.csv", *arguments]) == 0
    return network("model.safetensors")


def write_csv(path, names, columns):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([list(names), *zip(*columns, strict=True)])


def predict(data, *arguments, model="model.safetensors"):
    return cli.main(["predict", model, "--data", data, *arguments])


def table(path="predictions.csv"):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def check(model, header, rows):
    expected = model.predict(X)
    assert header == ["class", "probability_iris", "probability_poppy", "probability_rose"]
    best = np.array(["iris", "poppy", "rose"])[expected.argmax(axis=1)]
    assert [row[0] for row in rows] == best.tolist()
    # Written so that float32 reads the same bits.
    assert np.array([row[1:] for row in rows], np.float32).tobytes() == expected.tobytes()


def test_columns_are_found_by_name_and_no_label_is_needed(model, capsys):
    a, b, c = X.T
    for names, columns in (("cab", [c, a, b]), ("abcy", [a, b, c, ["?"] * 6])):
        write_csv("new.csv", names, columns)
        assert predict("new.csv") == 0
        assert "wrote predictions.csv, 6 rows" in capsys.readouterr().out
        check(model, *(lambda header, *rows: (header, rows))(*table()))


def test_other_columns_may_hold_anything(model):
    write_csv("new.csv", ["id", *"abc", "of"], [[*"uvwxyz"], *X.T, [*"uvwxyz"]])
    assert predict("new.csv", "--out", "other.csv", "--batch-size", "4", "--threads", "1") == 0
    check(model, *(lambda header, *rows: (header, rows))(*table("other.csv")))


@pytest.mark.parametrize("keys", [["x"], ["x_test"], ["x_train"], ["x_test", "x_train"]])
def test_npz(model, keys):
    np.savez("new.npz", **{key: X + i for i, key in enumerate(keys)})
    assert predict("new.npz") == 0
    check(model, *(lambda header, *rows: (header, rows))(*table()))


def test_model_without_names():
    ts.SparseMLP([3, 4], seed=0).save("plain.safetensors")
    write_csv("new.csv", "abc", X.T)
    assert predict("new.csv", model="plain.safetensors") == 0
    assert table()[0] == ["class", *(f"probability_{i}" for i in range(4))]
    assert {row[0] for row in table()[1:]} <= set("0123")


def test_label_column_of_a_model_without_feature_names():
    model = ts.SparseMLP([3, 4], seed=0)
    model.metadata["label"] = '"kind"'
    model.save("plain.safetensors")
    write_csv("new.csv", ["kind", *"abc"], [[*"uvwxyz"], *X.T])
    assert predict("new.csv", model="plain.safetensors") == 0
    assert len(table()) == 7


@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_outputs_that_are_no_classes(loss):
    model = ts.SparseMLP([3, 2], loss=loss, seed=0)
    model.save("plain.safetensors")
    np.savez("new.npz", x=X)
    assert predict("new.npz", model="plain.safetensors") == 0
    header, *rows = table()
    assert header == ["output_0", "output_1"]
    assert np.array(rows, np.float32).tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize(
    ("names", "columns", "message"),
    [
        ("ab", X.T[:2], "new.csv lacks 1 column(s): c"),
        ("abcc", [*X.T, X.T[0]], "expected different names of columns, 'c' appears twice"),
        (
            "abc",
            [*X.T[:2], ["1", "2", "red", "", "1", "1"]],
            "row 4, column 'c': expected a number",
        ),
        ("abc", [[], [], []], "expected rows below the header"),
        ("", [], "expected a table, it has no lines"),
    ],
)
def test_bad_csv(model, capsys, names, columns, message):
    write_csv("new.csv", names, columns)
    assert predict("new.csv") == 2
    assert message in capsys.readouterr().err
    with open("new.csv", "w") as file:
        file.write("a,b,c\n1,2\n")
    assert predict("new.csv") == 2
    assert "row 2 has 2 cells, expected 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": X}, "expected arrays x and y, or x_train and y_train, got y"),
        ({"x": X[0]}, "expected x to be numbers of shape (n_samples, n_features)"),
        ({"x": X[:, :2]}, "new.npz has 2 features, the model takes 3"),
        ({"x": X * np.inf}, "x[0, 0] is infinite"),
    ],
)
def test_bad_npz(model, capsys, arrays, message):
    np.savez("new.npz", **arrays)
    assert predict("new.npz") == 2
    assert message in capsys.readouterr().err


def test_other_mistakes(model, capsys):
    np.savez("new.npz", x=X)
    model.metadata["class_names"] = '["iris"]'
    model.save("damaged.safetensors")
    for data, name, message in (
        ("digits", "model.safetensors", "expected the file of a table"),
        ("absent.csv", "model.safetensors", "absent.csv"),
        ("new.npz", "absent.safetensors", "absent.safetensors"),
        ("new.npz", "damaged.safetensors", "expected 3 names"),
    ):
        assert predict(data, model=name) == 2
        assert message in capsys.readouterr().err
