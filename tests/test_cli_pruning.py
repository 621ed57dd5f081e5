"""Pruning and compaction on the command line."""

import numpy as np
import pytest
import trulysparse as ts
from command_line import RNG, accuracy_in, train, write_csv
from trulysparse import cli

PRUNING = ["--prune-percentile", "30", "--prune-start", "1", "--prune-every", "1"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def neurons_left(model):
    return sum(int((np.diff(layer.weight.indptr) > 0).sum()) for layer in model.layers[:-1])


def test_train_prunes_and_info_tells(capsys):
    model = train(*PRUNING)
    left = neurons_left(model)
    assert left == 40 - 2 * 6  # of 20 neurons each, once in two epochs
    text = f"{left} of 40 hidden neurons have incoming connections, 12 were closed by pruning"
    assert f"pruned: {text}\n" in capsys.readouterr().out
    assert cli.main(["info", "out/model.safetensors"]) == 0
    out = capsys.readouterr().out
    assert f"pruning: {text}\n" in out
    assert "compacted" not in out


def test_train_compacts_and_info_tells(capsys):
    whole = train(*PRUNING, out="whole")
    model = train(*PRUNING, "--compact")
    assert model.original_layer_sizes == whole.layer_sizes == [64, 20, 20, 10]
    assert model.layer_sizes[1:3] == [14, 14]
    assert "compacted: 64-20-20-10 to 64-14-14-10\n" in capsys.readouterr().out
    assert cli.main(["info", "out/model.safetensors"]) == 0
    assert "compacted from: 64-20-20-10\n" in capsys.readouterr().out
    accuracy = []
    for name in ("whole", "out"):
        assert cli.main(["evaluate", f"{name}/model.safetensors", "--data", "digits"]) == 0
        accuracy.append(accuracy_in(capsys.readouterr().out))
    assert accuracy[0] == accuracy[1]


def test_pruned_neurons_may_regrow(capsys):
    model = train(*PRUNING, "--prune-regrow", "--epochs", 3)
    assert "0 were closed by pruning" in capsys.readouterr().out
    assert neurons_left(model) > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prune-start", "3"], "--prune-start: expected --prune-percentile as well"),
        (["--prune-regrow"], "--prune-regrow: expected --prune-percentile as well"),
        (["--prune-percentile", "0"], "percentile = 0.0: expected a number above 0 and below"),
        (
            ["--prune-percentile", "20", "--prune-start", "2"],
            "--prune-start 2 with --epochs 2: expected a start bef",
        ),
    ],
)
def test_mistakes_are_named_before_anything_is_written(capsys, tmp_path, arguments, message):
    assert cli.main(["train", "--epochs", "2", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_model_without_some_features_still_finds_its_columns(tmp_path, capsys):
    """Compacted with inputs=True in Python: files with all columns or the remaining ones do."""
    x = RNG.normal(size=(90, 4))
    labels = np.array(["no", "yes"])[(x[:, 0] > 0).astype(int)]
    data = write_csv(tmp_path / "all.csv", x, labels, ["a", "b", "c", "d", "label"])
    model = train("--data", data, "--density", "0.6", "--no-evolve")
    weights = [layer.weight.tolil() for layer in model.layers]
    weights[0][1] = 0  # feature b
    cut = ts.SparseMLP.from_scipy(weights, [layer.bias for layer in model.layers])
    cut.metadata.update(model.metadata)
    cut.save("cut.safetensors")
    cut.compact(inputs=True)
    assert cut.units(0).tolist() == [0, 2, 3]
    cut.save("compact.safetensors")
    part = write_csv(tmp_path / "part.csv", x[:, [3, 0, 2]], labels, ["d", "a", "c", "label"])
    np.savez(tmp_path / "all.npz", x=x)
    tables = []
    for name, rows in [("cut", data), ("compact", data), ("compact", part), ("compact", "all.npz")]:
        command = ["predict", f"{name}.safetensors", "--data", str(rows), "--out", "out.csv"]
        assert cli.main(command) == 0
        tables.append(np.loadtxt("out.csv", delimiter=",", skiprows=1, usecols=[1, 2]))
    for table in tables[1:]:
        np.testing.assert_allclose(table, tables[0], rtol=1e-5)
    capsys.readouterr()
    scores = []
    for name, rows in [("cut", data), ("compact", data), ("compact", part)]:
        assert cli.main(["evaluate", f"{name}.safetensors", "--data", str(rows)]) == 0
        scores.append(accuracy_in(capsys.readouterr().out))
    assert scores[0] == scores[1] == scores[2]
