"""`trulysparse explain`."""

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import RNG, train, write_csv
from trulysparse import cli


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def table():
    x = np.empty((90, 3), object)
    x[:, :2] = RNG.normal(size=(90, 2)).round(3)
    x[:, 2] = RNG.choice(["S", "C"], 90)
    labels = np.where(x[:, 0].astype(float) + (x[:, 2] == "S") > 0.5, "yes", "no")
    write_csv("data.csv", x, labels, ["number", "noise", "port", "label"])
    write_csv("new.csv", x[:, ::-1], labels, ["port", "noise", "number", "label"])
    train("--data", "data.csv", "--label", "label", "--epochs", 30)
    return x


def test_rows_and_columns(table, capsys):
    capsys.readouterr()
    arguments = ["explain", "out/model.safetensors", "--data", "new.csv", "--rows", "3,0"]
    assert cli.main([*arguments, "--of", "log_odds", "--top", "2"]) == 0
    first, second = capsys.readouterr().out.split("\n\n")
    lines = first.splitlines()
    assert lines[0].startswith("row 3: ")
    assert lines[0].split()[2] in ("yes,", "no,")
    assert second.startswith("row 0: ")
    shown = {line.split()[0]: line.split()[1:] for line in lines[1:3]}
    cells = dict(zip(["number", "noise", "port"], map(str, table[3]), strict=True))
    for column, (cell, value) in shown.items():
        assert cell == cells[column]
        float(value)
    assert lines[3].startswith("  1 other columns: ")
    output, base = (float(lines[0].split()[i].strip(";")) for i in (4, -1))
    total = sum(float(value) for _, value in shown.values()) + float(lines[3].split()[-1])
    assert abs(total - (output - base)) <= 0.011 * abs(output - base) + 1e-4


def test_the_baseline_is_the_mean_row_of_the_file(table):
    estimator = ts.load("out/model.safetensors")
    held = estimator._shares
    assert held.shape == (2,)  # of C and S, among the rows that were trained on
    assert held.sum() == pytest.approx(1)
    assert 0.3 < held[0] < 0.7


def test_identifiers_are_written(capsys):
    x = RNG.normal(size=(40, 2))
    with open("data.csv", "w") as file:
        file.write("who,a,b,label\n")
        file.writelines(f"p{i},{a},{b},{int(a > 0)}\n" for i, (a, b) in enumerate(x))
    train("--data", "data.csv", "--label", "label", "--id", "who", "--epochs", 2)
    capsys.readouterr()
    arguments = ["explain", "out/model.safetensors", "--data", "data.csv", "--rows", "3"]
    assert cli.main([*arguments, "--id", "who"]) == 0
    assert capsys.readouterr().out.startswith("row 3 (who p3): ")


def test_rows_that_are_not_there(table, capsys):
    arguments = ["explain", "out/model.safetensors", "--data", "new.csv"]
    assert cli.main([*arguments, "--rows", "90"]) == 2
    assert "--rows 90: expected numbers below 90" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--rows", "a"])
