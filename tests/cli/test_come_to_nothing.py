"""``trulysparse train`` and networks that are no better than a constant prediction."""

import numpy as np
import pytest
from trulysparse import cli
from trulysparse.loading import network


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Two classes that are told apart by one column."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 6)).astype(np.float32)
    np.savez("table.npz", x_train=x, y_train=(x[:, 0] > 0).astype(int))
    return ["train", "--data", "table.npz", "--out", "out"]


def test_is_written_and_said(table, capsys):
    flags = ["--input-gain", "1", "--learning-rate", "1e-6", "--epochs", "12"]
    assert cli.main([*table, *flags]) == 1
    out, err = capsys.readouterr()
    assert err.startswith("trulysparse: warning: training has come to nothing: the loss of the tra")
    assert "after 12 epochs, above 0.6" in err
    assert "test: accuracy" in out
    assert network("out/model.safetensors").epochs_trained == 12


@pytest.mark.parametrize("epochs", [1, 12])
def test_is_not_said_of_a_good_network(table, capsys, epochs):
    assert cli.main([*table, "--epochs", str(epochs)]) == 0
    assert capsys.readouterr().err == ""


def test_noise_is_said_and_is_no_failure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    np.savez("noise.npz", x_train=x, y_train=rng.integers(0, 2, 400))
    told = ["--learning-rate", "1e-4", "--epochs", "30"]
    assert cli.main(["train", "--data", "noise.npz", "--out", "out", *told]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("trulysparse: warning: training has learnt nothing: the loss of the tra")
    assert "learnt: next to nothing" in out
