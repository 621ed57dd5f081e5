"""What experiments share: rows that are kept, and trainings that go on after a break."""

import sys
from pathlib import Path

import pytest
import trulysparse as ts
from helpers.small_model import X, Y, make_model

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
