"""What the help of the commands says, and what their answers to wrong input say."""

import argparse
import csv
import gzip
import pickle
import re
import shlex
import zipfile

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import train
from matplotlib.figure import Figure
from trulysparse import _core, cli
from trulysparse.cli import outcome
from trulysparse.loading import network

ALL = ("train", "plan", "evaluate", "predict", "explain", "importance", "report", "prune",
       "export", "info")  # fmt: skip


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def parsers():
    (commands,) = (a for a in cli.make_parser()._actions if isinstance(a.choices, dict))
    return commands.choices


def examples(text):
    lines = text.partition("examples:\n")[2].splitlines()
    return [shlex.split(line)[1:] for line in lines]


def write_table(path, rows=60):
    """Patients of whom some leave: numbers, one missing, a category, and a name for each row."""
    rng = np.random.default_rng(0)
    age, town = rng.integers(18, 90, rows), rng.choice(["Rome", "Oslo"], rows)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patient", "age", "town", "churn"])
        for i in range(rows):
            leaves = "yes" if age[i] > 50 or i % 9 == 0 else "no"
            writer.writerow([f"p{i}", "" if i == 5 else age[i], town[i], leaves])


class TestHelp:
    def test_examples_run(self, monkeypatch):
        write_table("table.csv")
        write_table("new.csv", rows=20)
        pages = [cli.make_parser(), *parsers().values()]
        asked = [one for page in pages for one in examples(page.epilog)]
        assert {one[0] for one in asked} == set(ALL)
        fit = ts.SparseMLP.fit

        def short(self, *args, **options):
            return fit(self, *args, **options | {"epochs": min(options["epochs"], 20)})

        monkeypatch.setattr(ts.SparseMLP, "fit", short)
        # Drawing would take longer than all else; the pictures of a page are laid out.
        svg = '<svg viewBox="0 0 9 9"></svg>'
        monkeypatch.setattr(Figure, "savefig", lambda _, to, **options: to.write(svg))
        for arguments in asked:
            assert cli.main(arguments) == 0, arguments

    @pytest.mark.parametrize("columns", [80, 120])
    def test_pages_are_short_to_read(self, monkeypatch, columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        for name, parser in parsers().items():
            page = parser.format_help()
            usage, _, rest = page.partition("\n\n")
            assert usage.startswith(f"usage: trulysparse {name} ")
            assert "\n" not in usage
            assert len(usage) <= 80
            assert max(map(len, rest.splitlines())) <= min(columns, 100), name
            assert "(default: preset" not in page
            assert 1 <= len(examples(page)) <= 4

    def test_metavars_say_the_kind(self):
        for parser in parsers().values():
            for action in parser._actions:
                if action.option_strings and action.nargs != 0:  # argparse would show the dest
                    is_switch = isinstance(action, argparse.BooleanOptionalAction)
                    assert action.metavar or action.choices or is_switch, action.option_strings

    def test_most_used_come_first(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["train", "--help"])
        first = capsys.readouterr().out.partition("which columns")[0]
        assert re.findall(r"^  (--\w+)", first, re.MULTILINE) == [
            "--data", "--label", "--task", "--hidden", "--epsilon", "--epochs", "--preset",
            "--prune", "--seed", "--out",
        ]  # fmt: skip

    def test_list_of_commands(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["--help"])
        out = capsys.readouterr().out
        assert re.findall(r"^  (\w+)  +\w", out.partition("other options")[0], re.MULTILINE) == [
            *ALL
        ]


KINDS = {
    "pickle": (lambda: pickle.dumps([1]), "a pickle: load it in Python"),
    "gz": (lambda: gzip.compress(b"x"), "a compressed file: joblib.load"),
    "npy": (lambda: b"\x93NUMPY\1\0", "a NumPy array: arrays go to --data"),
    "parquet": (lambda: b"PAR1" + bytes(9), "a Parquet file: a table goes to --data"),
    "csv": (lambda: b"a,b\n1,\xc3\xa92\n" * 300, "text: a table goes to --data"),
    "json": (lambda: b"{}", "text"),
    "html": (lambda: b"<!DOCTYPE html>", "a page of HTML: a browser opens it"),
    "empty": (lambda: b"", "an empty file"),
}


class TestModels:
    @pytest.mark.parametrize("kind", KINDS)
    def test_other_files_are_named(self, capsys, kind):
        content, what = KINDS[kind]
        with open(f"x.{kind}", "wb") as file:
            file.write(content())
        assert cli.main(["info", f"x.{kind}"]) == 2
        assert f"error: MODEL: x.{kind} is no model, but {what}" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("name", "what"),
        [("x.npy", "a NumPy archive"), ("m/data.pkl", "a PyTorch file"), ("xl/a", "an Excel file"),
         ("a.png", "a .zip")],
    )  # fmt: skip
    def test_archives_are_named(self, capsys, name, what):
        with zipfile.ZipFile("x.zip", "w") as archive:
            archive.writestr(name, "x")
        assert cli.main(["export", "x.zip"]) == 2
        assert f"MODEL: x.zip is no model, but {what}" in capsys.readouterr().err

    def test_damage_is_no_other_kind(self, capsys):
        ts.SparseMLP([3, 4, 2], seed=0).save("x.safetensors")
        with open("x.safetensors", "r+b") as file:
            file.write(b"\x80\x04")  # as pickles begin
        assert cli.main(["info", "x.safetensors"]) == 2
        assert "not a valid trulysparse model" in capsys.readouterr().err

    @pytest.mark.parametrize("command", ["info", "importance", "export", "evaluate", "report"])
    def test_that_are_not_there(self, capsys, command):
        data = ["--data", "digits"] if command in ("evaluate", "report") else []
        assert cli.main([command, "absent", *data]) == 2
        assert capsys.readouterr().err == "trulysparse: error: MODEL: no file 'absent'\n"
        assert cli.main([command, ".", *data]) == 2
        assert "MODEL: no model.safetensors in the folder '.'" in capsys.readouterr().err


class TestWrongInput:
    def test_a_slope_that_no_layer_has(self, capsys):
        assert cli.main(["train", "--slope", "0.3", "--activation", "relu"]) == 2
        assert capsys.readouterr().err == (
            "trulysparse: error: --slope 0.3: expected --activation all_relu or leaky_relu, got "
            "relu\n"
        )

    def test_more_threads_than_cores_are_noted(self, capsys):
        ts.SparseMLP([64, 4, 10], seed=0).save("x.safetensors")
        there = _core.available_threads()
        for threads in (there, there + 1):
            command = ["evaluate", "x.safetensors", "--data", "digits", "--threads", str(threads)]
            assert cli.main(command) == 0
            assert ("threads are no faster" in capsys.readouterr().err) == (threads > there)

    def test_a_column_or_data_that_are_not_there(self, capsys):
        write_table("table.csv")
        for arguments, said in (
            (["--data", "table.csv", "--label", "chrun"], "'churn'; did you mean churn?\n"),
            (["--data", "digist"], "images; did you mean digits?\n"),
            (["--data", "absent.csv"], "--data: no file 'absent.csv'\n"),
        ):
            assert cli.main(["train", *arguments]) == 2
            assert capsys.readouterr().err.endswith(said)

    def test_advice_has_a_number(self):
        for rate in (10.0, 0.05, 1e-6):
            for losses in ([], [1.0, 0.9], [1.0, 9.0]):
                said = outcome.advice(rate, 0.05, losses)
                assert re.search(r"such as [\d.e-]+", said)


def test_identifiers_and_row_numbers_are_not_strange_later(capsys):
    write_table("table.csv")
    train("--data", "table.csv", "--label", "churn", "--id", "patient")
    for command in ("evaluate", "predict"):
        capsys.readouterr()
        assert cli.main([command, "out", "--data", "table.csv"]) == 0
        assert capsys.readouterr().err == ""

    with open("table.csv") as file:
        header, *rows = csv.reader(file)
    with open("numbered.csv", "w", newline="") as file:
        numbered = [[7 * i, *row] for i, row in enumerate(rows)]
        csv.writer(file).writerows([["Unnamed: 0", *header], *numbered])
    model = train("--data", "numbered.csv", "--label", "churn")
    assert "the column of row numbers, 'Unnamed: 0', is left out" in capsys.readouterr().out
    assert "Unnamed: 0" not in model.metadata["feature_names"]
    # As an earlier version was trained.
    train("--data", "numbered.csv", "--label", "churn", "--columns", "Unnamed: 0,age")
    assert "Unnamed: 0" in network("out/model.safetensors").metadata["feature_names"]
    assert cli.main(["evaluate", "out", "--data", "numbered.csv"]) == 0
