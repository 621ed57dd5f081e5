"""`trulysparse evaluate` and `trulysparse info`."""

import importlib.metadata
import re

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import RNG, accuracy_in, train, write_csv
from trulysparse import cli


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


class TestEvaluate:
    def test_built_in_data_is_scored_on_the_rows_not_trained_on(self, capsys):
        train("--seed", 5)
        trained = accuracy_in(capsys.readouterr().out)
        assert cli.main(["evaluate", "out/model.safetensors", "--data", "digits"]) == 0
        out = capsys.readouterr().out
        assert "data: digits, 360 samples" in out
        assert "note:" not in out
        assert accuracy_in(out) == trained

    def test_csv_with_fewer_classes_and_other_column_order(self, flowers, capsys):
        model = train("--data", flowers, "--epochs", 30, "--batch-size", 8)
        x = RNG.normal(size=(8, 3)) * 0.1 + np.eye(3)[[2, 0] * 4]
        expected = np.argmax(model.predict(x.astype(np.float32)), axis=1)
        assert set(expected) == {0, 2}
        names = np.array(["iris", "poppy", "rose"])[expected]
        write_csv("more.csv", x[:, [2, 0, 1]], names, "caby")
        capsys.readouterr()
        arguments = ["--threads", "1", "--batch-size", "3"]
        code = cli.main(["evaluate", "out/model.safetensors", "--data", "more.csv", *arguments])
        assert code == 0
        out = capsys.readouterr().out
        assert "data: more, 8 samples" in out
        assert "so all of its rows are scored. The model was not trained on any of them\n" in out
        assert accuracy_in(out) == 100

    def test_rows_that_were_trained_on_are_said(self, flowers, capsys):
        train("--data", flowers, "--epochs", 1)
        capsys.readouterr()
        assert cli.main(["evaluate", "out/model.safetensors", "--data", str(flowers)]) == 0
        out = capsys.readouterr().out
        assert "The model was trained on 96 of them, or on rows with the same cells" in out

    def test_label_column_is_remembered(self, flowers, capsys):
        x = RNG.normal(size=(10, 2))
        write_csv("first.csv", x, np.arange(10) % 2, ["y", "a", "b"])
        with open("swapped.csv", "w") as file:
            file.write("kind,a,b\n" + "".join(f"{i % 2},{i},{i * i}\n" for i in range(10)))
        train("--data", "swapped.csv", "--label", "kind", "--epochs", "1")
        assert cli.main(["evaluate", "out/model.safetensors", "--data", "swapped.csv"]) == 0

    def test_model_without_names(self, capsys):
        model = ts.SparseMLP([1, 4, 3], epsilon=20, seed=0)
        model.save("plain.safetensors")
        write_csv("two.csv", np.ones((4, 1)), [2, 2, 0, 2], "ay")
        assert cli.main(["evaluate", "plain.safetensors", "--data", "two.csv"]) == 0
        guess = np.argmax(model.predict(np.ones((1, 1), np.float32)))
        assert accuracy_in(capsys.readouterr().out) == {0: 25, 1: 0, 2: 75}[int(guess)]

    @pytest.mark.parametrize(
        ("names", "labels", "message"),
        [
            (
                "abcy",
                ["rose", "tulip"],
                "unknown class 'tulip', the model's are: iris, pop",
            ),
            ("abdy", ["rose", "rose"], r"more.csv lacks 1 column\(s\): c"),
        ],
    )
    def test_other_names(self, flowers, capsys, names, labels, message):
        train("--data", flowers)
        write_csv("more.csv", np.ones((2, len(names) - 1)), labels, names)
        assert cli.main(["evaluate", "out/model.safetensors", "--data", "more.csv"]) == 2
        assert re.search(message, capsys.readouterr().err)

    def test_damaged_metadata(self, flowers, capsys):
        model = train("--data", flowers)
        for damage in ("no json", "[1, 2]", '{"a": 1}'):
            model.metadata["class_names"] = damage
            model.save("damaged.safetensors")
            arguments = ["evaluate", "damaged.safetensors", "--data", str(flowers)]
            assert cli.main(arguments) == 2
            assert "expected a JSON list of names" in capsys.readouterr().err

    def test_files_that_are_no_model(self, tmp_path, capsys):
        (tmp_path / "text.safetensors").write_text("hello")
        for name in ("absent.safetensors", "text.safetensors"):
            for command in (["info", name], ["evaluate", name, "--data", "digits"]):
                assert cli.main(command) == 2
                assert capsys.readouterr().err.startswith("trulysparse: error: ")


def test_info(flowers, capsys):
    model = train("--data", flowers)
    capsys.readouterr()
    assert cli.main(["info", "out/model.safetensors"]) == 0
    out = capsys.readouterr().out
    assert "epochs trained: 2\n" in out
    assert f"steps trained: {model.steps_trained}\n" in out
    assert f"evolutions: {model.evolutions}\n" in out
    assert f"written by: trulysparse {importlib.metadata.version('trulysparse')}\n" in out
    assert 'class_names: ["iris", "poppy", "rose"]' in out
