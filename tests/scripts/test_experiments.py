"""What experiments share: rows that are kept, and trainings that go on after a break."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import X, Y, make_model
from trulysparse import cli

sys.path.insert(0, str(Path(__file__).parents[2] / "experiments"))
import rows
import runs


def test_a_row_is_kept_and_its_run_not_repeated(tmp_path):
    done = []

    def job():
        done.append(1)
        return {"accuracy": 0.5}

    for _ in range(2):  # a second process reads the file
        table = rows.Rows("a", ["data", "seed"], ["accuracy"], tmp_path)
        row = table.run(job, data="digits", seed=3)
        assert row == {"data": "digits", "seed": "3", "accuracy": "0.5"}
    assert len(done) == 1
    table.run(job, data="digits", seed=4)
    assert len(done) == 2
    assert (tmp_path / "a.csv").read_text() == "data,seed,accuracy\ndigits,3,0.5\ndigits,4,0.5\n"
    with pytest.raises(ValueError, match="has other columns"):
        rows.Rows("a", ["data"], ["accuracy"], tmp_path)


class BreakOff(ts.Callback):
    def __init__(self, at):
        super().__init__()
        self.at = at

    def on_epoch_end(self, epoch, logs):
        if epoch == self.at:
            raise RuntimeError("broken off")


@pytest.mark.parametrize("breaks", [[5], [1, 4, 8]])
def test_a_training_that_was_broken_off_goes_on_with_its_bits(breaks, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "UNFINISHED", tmp_path / "unfinished")
    monkeypatch.setattr(runs, "CURVES", tmp_path / "curves")

    def train(name, **options):
        pruning = ts.ImportancePruning(start=2, every=3, percentile=20)
        optimizer = ts.SGD(0.02, schedule="cosine")
        return runs.train(
            name, lambda: make_model(dropout=0.2), (X, Y, X, Y), epochs=10, every=2, thin=1,
            batch_size=16, optimizer=optimizer, pruning=pruning, **options,
        )  # fmt: skip

    whole = train("whole")
    for at in breaks:
        with pytest.raises(RuntimeError, match="broken off"):
            train("parts", callbacks=[BreakOff(at)])
    parts = train("parts")
    curves = tmp_path / "curves"
    assert (curves / "parts.csv").read_text() == (curves / "whole.csv").read_text()
    assert len((curves / "whole.csv").read_text().splitlines()) == 11
    same = ["accuracy", "best", "connections_start", "connections_end", "multiply_adds"]
    assert [parts[key] for key in same] == [whole[key] for key in same]
    assert list((tmp_path / "unfinished").iterdir()) == []


@pytest.fixture
def package_tables():
    for package in ("pandas", "polars"):
        pytest.importorskip(package)
    import package_tables

    return package_tables


@pytest.mark.parametrize(
    ("name", "rows_and_columns", "classes"),
    [
        ("iris", (150, 4), ["setosa", "versicolor", "virginica"]),
        ("wine", (178, 13), [0, 1, 2]),
        ("diabetes", (442, 10), None),
        ("digits", (1797, 64), list(range(10))),
        ("linnerud", (20, 3), None),
        ("like binary.train", (7000, 28), [0, 1]),
        ("like agaricus", (6500, 126), [0, 1]),
        ("autos", (201, 25), None),
        ("gbsg2", (686, 8), [False, True]),
    ],
)
def test_a_table_of_a_package_is_read_as_it_was_written(
    package_tables, name, rows_and_columns, classes, tmp_path
):
    source = package_tables.TABLES[name]
    if source.package in ("statsmodels", "sksurv") and not find_spec(source.package):
        pytest.skip(f"no {source.package}")
    label = 0 if source.format == "text without names" else source.label
    label = list(label) if isinstance(label, tuple) else label
    table = ts.read_table(package_tables.written(name, tmp_path), label)
    assert table.x.shape == rows_and_columns
    if classes is not None:
        assert np.unique(np.asarray(table.y)).tolist() == classes
    elif hasattr(table.y, "columns"):
        assert tuple(table.y.columns) == source.label


def test_a_table_goes_through_the_commands(package_tables, monkeypatch, capsys, tmp_path):
    def run(*command):  # in this process, as imports take longer than the rest
        assert cli.main(list(map(str, command))) == 0
        return capsys.readouterr().out.splitlines()

    with pytest.raises(RuntimeError, match=r"plan, exit code 2: .*--features"):
        package_tables.run("plan", "--features", "no number")
    monkeypatch.setattr(package_tables, "run", run)
    monkeypatch.setattr(package_tables, "lightgbm_score", lambda *rest: 0.5)
    row = package_tables.measure("iris", tmp_path)
    assert row["found"] == "3 classes; 4 numbers"
    assert float(row["constant"]) == pytest.approx(1 / 3, abs=1e-4)
    assert float(row["score"]) > 0.8
    assert package_tables.better([row, {"score": "0.3", "lightgbm": "0.7"}]) == (1, 1, 0)
    assert list(package_tables.table_lines([{"table": "iris", **row}]))[2].startswith("| iris |")
