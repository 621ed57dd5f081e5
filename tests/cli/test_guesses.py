"""What a command has to guess about columns, labels and classes, it says or refuses."""

import csv

import numpy as np
import pytest
from trulysparse import cli
from trulysparse.loading import network

RNG = np.random.default_rng(3)
QUICK = ["--epochs", "1", "--hidden", "8", "--out", "out"]
MODEL = "out/model.safetensors"


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def table(path, names, rows=60, **columns):
    """Columns of noise, but for those that are given."""
    found = [columns.get(name, RNG.normal(size=rows).round(6)) for name in names]
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([names, *zip(*found, strict=True)])
    return path


def halves(rows=60):
    return np.arange(rows) % 2


def archive(path, features, rows=60, **more):
    y = halves(rows)
    x = RNG.normal(size=(rows, features)) + y[:, None]
    np.savez(path, **({"x_train": x, "y_train": y} | more))
    return path


def said(capsys, code, *arguments):
    """What a command says on the error stream."""
    capsys.readouterr()
    found = cli.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    assert found == code, err
    return out, err


def trained(path, *more):
    assert cli.main(["train", "--data", path, *QUICK, *more]) == 0
    return network(MODEL)


class TestColumns:
    @pytest.mark.parametrize("label", ["label", "Class", "TARGET"])
    @pytest.mark.parametrize("place", [0, 2, 5])
    def test_a_label_is_no_feature(self, capsys, label, place):
        trained(archive("six.npz", 6))
        names = list("pqrst")
        names.insert(place, label)
        table("five.csv", names, **{label: halves()})
        _, err = said(capsys, 2, "predict", MODEL, "--data", "five.csv")
        assert f"five.csv: column {label!r} would be a feature" in err

    def test_by_position_is_said(self, capsys):
        trained(archive("four.npz", 4))
        table("more.csv", "wxuz")
        _, err = said(capsys, 0, "predict", MODEL, "--data", "more.csv")
        assert "note: the model has no names of columns: those of more.csv are taken by" in err
        assert "from 'w' to 'z'" in err
        table("scored.csv", "wxuzk", k=halves())
        for command in (["evaluate"], ["prune", "--percentile", "5"]):
            _, err = said(capsys, 0, command[0], MODEL, "--data", "scored.csv", *command[1:])
            assert "taken by position, from 'w' to 'z'" in err
            assert "the model does not say which column its label is: the table's 'k'" in err

    def test_arrays_have_no_names(self, capsys):
        trained(table("named.csv", "uvk", k=halves()))
        archive("plain.npz", 2)
        np.savez("x.npz", x=RNG.normal(size=(4, 2)))
        for command, file in (("evaluate", "plain.npz"), ("predict", "x.npz")):
            _, err = said(capsys, 0, command, MODEL, "--data", file)
            assert "has no names of columns: they are taken by position, the first as 'u'" in err
            assert "the last as 'v'" in err

    def test_names_that_match_need_no_word(self, capsys):
        trained(table("named.csv", "uvk", k=halves()))
        for command in ("evaluate", "predict"):
            assert said(capsys, 0, command, MODEL, "--data", "named.csv")[1] == ""
        trained(archive("plain.npz", 2))
        assert said(capsys, 0, "evaluate", MODEL, "--data", "plain.npz")[1] == ""


class TestLabels:
    def test_the_one_of_training_is_taken_wherever_it_is(self, capsys):
        y = halves()
        trained(table("first.csv", "uvk", k=y, u=y + RNG.normal(size=60) / 9))
        with open("first.csv") as file:
            rows = [row[::-1] for row in csv.reader(file)]
        with open("turned.csv", "w", newline="") as file:
            csv.writer(file).writerows(rows)
        one = said(capsys, 0, "evaluate", MODEL, "--data", "first.csv")[0]
        assert said(capsys, 0, "evaluate", MODEL, "--data", "turned.csv")[0] == one.replace(
            "data: first", "data: turned"
        )

    def test_one_that_is_not_there_is_an_error(self, capsys):
        trained(table("first.csv", "uvk", k=halves()))
        table("other.csv", "uvm", m=halves())
        _, err = said(capsys, 2, "evaluate", MODEL, "--data", "other.csv")
        assert "no column --label 'k'" in err
        assert said(capsys, 0, "evaluate", MODEL, "--data", "other.csv", "--label", "m")[1] == ""

    def test_one_that_is_named_so_is_taken_where_the_model_knows_none(self, capsys):
        trained(archive("two.npz", 2))
        table("odd.csv", ["class", "u", "v"], v=halves(), **{"class": halves()})
        _, err = said(capsys, 0, "evaluate", MODEL, "--data", "odd.csv")
        assert "the model does not say which column its label is: the table's 'class'" in err

    def test_training_says_which_it_takes(self, capsys):
        table("odd.csv", ["u", "target", "n"], n=halves(), target=halves())
        out, _ = said(capsys, 0, "train", "--data", "odd.csv", *QUICK)
        assert "note: the label is 'target', by its name\n" in out
        out, _ = said(capsys, 0, "train", "--data", "odd.csv", "--label", "n", *QUICK)
        assert "the label is" not in out
        table("last.csv", "uvk", k=halves())
        out, _ = said(capsys, 0, "train", "--data", "last.csv", *QUICK)
        assert "note: the label is the last column, 'k'\n" in out


class TestClasses:
    @pytest.mark.parametrize(
        ("kind", "hint"),
        [
            ("few", "which has 30 whole numbers (--task regression if they are values)"),
            ("text", ""),
            ("years", "which has 5 whole numbers (--task regression if they are values)"),
            ("two", ""),
            ("floats", "which has 3 whole numbers (--task regression if they are values)"),
        ],
    )
    def test_are_told_from_values(self, capsys, kind, hint):
        k = {
            "few": np.arange(300) % 30,
            "text": [f"plot {i // 10}" for i in range(300)],
            "years": np.arange(300) % 5 + 1990,
            "two": np.arange(300) % 2 * 1000,
            "floats": np.arange(300) % 3 * 1.0,
        }[kind]
        table("classes.csv", "uvk", 300, k=k)
        out, _ = said(capsys, 0, "train", "--data", "classes.csv", "--label", "k", *QUICK)
        assert f"task: classification of 'k'{', ' * bool(hint)}{hint}\n" in out
        assert "confusion matrix" in out or "most frequent mistakes" in out

    @pytest.mark.parametrize(
        ("kind", "hint"),
        [
            ("many", "which has 120 whole numbers (--task classification if they are classes)"),
            ("gaps", "which has 60 whole numbers (--task classification if they are classes)"),
            ("fractions", "whose values are no whole numbers"),
        ],
    )
    def test_values_are_told_from_them(self, capsys, kind, hint):
        k = {
            "many": np.arange(600) % 120 * 3,
            "gaps": np.arange(600) % 60 + 18,
            "fractions": np.arange(600) % 3 / 2,
        }[kind]
        table("values.csv", "uvk", 600, k=k)
        out, _ = said(capsys, 0, "train", "--data", "values.csv", *QUICK)
        assert f"task: regression of 'k', {hint}\n" in out
        assert "test: R2 " in out
        if kind == "fractions":
            _, err = said(
                capsys, 2, "train", "--data", "values.csv", "--task", "classification", *QUICK
            )
            assert "column 'k': expected class labels (whole numbers or text), got 0.5" in err
        else:
            flags = ["--task", "classification", *QUICK]
            out, _ = said(capsys, 0, "train", "--data", "values.csv", *flags)
            assert "task: classification of 'k'\n" in out

    def test_a_cell_that_is_none_of_many_numbers_is_named(self, capsys):
        values = list(RNG.permutation(120) * 3)
        values[7] = "unknown"
        table("values.csv", "uvk", 120, k=values)
        _, err = said(capsys, 2, "train", "--data", "values.csv", *QUICK)
        assert "values.csv: row 9, column 'k': expected a number" in err
        said(capsys, 0, "train", "--data", "values.csv", "--missing", "0.5", "--text", "k", *QUICK)

    def test_those_that_nothing_trains_are_named(self, capsys):
        x = RNG.normal(size=(40, 3))
        test = {"x_test": x[:6], "y_test": np.array([0, 1, 7, 7, 9, 0])}
        archive("new.npz", 3, **test)
        _, err = said(capsys, 0, "train", "--data", "new.npz", *QUICK)
        assert "2 of 4 classes have no training rows" in err
        assert "'7', '9', with 3 of 6 test rows" in err

    def test_the_one_row_of_a_class_may_be_held_out(self, capsys):
        found = set()
        for row in range(30):
            k = ["common", "usual"] * 15
            k[row] = "rare"
            table("rare.csv", "uvk", 30, k=k)
            capsys.readouterr()
            cli.main(["train", "--data", "rare.csv", *QUICK[:-2], "--out", "rare"])
            found.add("1 of 3 classes have no training rows" in capsys.readouterr().err)
            if len(found) == 2:
                return
        raise AssertionError("it is always said, or never")


class TestArchives:
    def test_arrays_that_are_not_used_are_named(self, capsys):
        archive("more.npz", 3, sample_weight=np.ones(60), x_val=np.ones((2, 3)))
        for command in (["train", *QUICK], ["evaluate", MODEL]):
            found = "".join(said(capsys, 0, *command, "--data", "more.npz"))
            assert "note: not used of the file: sample_weight, x_val\n" in found

    def test_predict_names_what_it_leaves(self, capsys):
        trained(archive("parts.npz", 3, x_test=np.ones((2, 3)), y_test=np.array([0, 1])))
        out, err = said(capsys, 0, "predict", MODEL, "--data", "parts.npz")
        assert "2 rows" in out
        assert "parts.npz: the rows of x_test are taken" in err

    def test_their_names_are_no_commands_of_a_terminal(self, capsys):
        archive("odd.npz", 3, **{"\x1b[2Jred": np.ones(2)})
        found = "".join(said(capsys, 0, "train", "--data", "odd.npz", *QUICK))
        assert "not used of the file: \\x1b[2Jred" in found
        assert "\x1b" not in found


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_a_test_loss_above_a_constant_is_noted_after_any_number_of_epochs(capsys, epochs):
    y = np.arange(300) % 10
    np.savez("noise.npz", x_train=RNG.normal(size=(300, 40)), y_train=y)
    how = ["--epochs", str(epochs), "--hidden", "30", "--out", "out"]
    how += ["--learning-rate", "0.1", "--dropout", "0"]
    capsys.readouterr()
    assert cli.main(["train", "--data", "noise.npz", *how]) in (0, 1)
    out = capsys.readouterr().out
    loss = float(out.split("test: ")[1].split("loss ")[1].split()[0])
    assert np.log(10) < loss < 2 * np.log(10)
    assert "note: the test loss is above 2.303, that of a constant prediction" in out


def test_a_rate_that_is_too_low_is_not_to_be_lower(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x, y = 100 * rng.normal(size=(200, 5)), np.arange(200) % 2
    np.savez("far.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    flags = ["--no-standardize", "--hidden", "9", "--epochs", "3"]
    assert cli.main(["train", "--data", "far.npz", *flags, "--learning-rate", "1e-12"]) == 1
    assert "Try a higher --learning-rate than 1e-12" in capsys.readouterr().err
