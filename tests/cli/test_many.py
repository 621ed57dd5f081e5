"""`trulysparse train --members` and `--snapshots`."""

import contextlib

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import cli

FLAGS = ["--hidden", "8", "--epochs", "6"]


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 5))
    np.savez(tmp_path / "table.npz", x=x, y=np.where(x[:, 0] > 0, 1, 0))
    return tmp_path / "table.npz"


@pytest.mark.parametrize(
    ("flags", "count"),
    [
        (["--members", "2"], 2),
        (["--snapshots", "3"], 3),
        (["--members", "2", "--snapshots", "2"], 4),
        (["--members", "2", "--compact", "--density", "0.5"], None),
    ],
)
def test_a_file_with_several_networks(table, tmp_path, capsys, flags, count):
    out = tmp_path / "out"
    assert cli.main(["train", "--data", str(table), "--out", str(out), *FLAGS, *flags]) == 0
    assert "accuracy" in capsys.readouterr().out
    loaded = ts.load(out / "model.safetensors")
    assert loaded.n_members == (2 if "--members" in flags else 1)
    assert tuple(loaded.hidden_layer_sizes) == (8,)
    if count is not None:
        assert loaded.model_.layer_sizes == [5, 8 * count, 2]
    with pytest.raises(ValueError, match="expected 1 with partial_fit"):
        loaded.partial_fit(np.zeros((4, 5)), [0, 1, 0, 1])
    x = np.load(table)["x"]
    again = type(loaded)(**loaded.get_params()).fit(x, np.load(table)["y"])
    assert again.model_.layer_sizes[1] == 8 * loaded.n_members * loaded.n_snapshots


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--members", "0"], "expected a whole number above 0"),
        (["--members", "1001"], "--members 1001: expected 1000 or fewer"),
        (["--snapshots", str(10**20)], f"--snapshots {10**20}: expected 1000 or fewer"),
        (["--members", "2", "--parallel", "wassp"], "--members 2: expected no --parallel"),
        (["--snapshots", "2", "--schedule", "constant"], "--snapshots 2: expected --schedule"),
        (["--snapshots", "2", "--warmup", "0.1"], "--snapshots 2: expected --warmup 0.0"),
        (["--snapshots", "7"], "--snapshots 7: expected as many epochs or more, got 6"),
        (["--members", "2", "--prune-tolerance", "0.1"], "--members 2: expected no --prune"),
    ],
)
def test_flags_that_exclude_each_other(table, tmp_path, capsys, flags, message):
    arguments = ["train", "--data", str(table), "--out", str(tmp_path / "o"), *FLAGS, *flags]
    with contextlib.suppress(SystemExit):
        assert cli.main(arguments) > 0
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
