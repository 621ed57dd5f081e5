"""Pruning and compaction on the command line."""

import numpy as np
import pytest
import trulysparse as ts
from helpers.command_line import RNG, accuracy_in, train, write_csv
from trulysparse import cli
from trulysparse.cli.flags import pruning
from trulysparse.loading import network

PRUNING = ["--prune-percentile", "30", "--prune-start", "1", "--prune-every", "1"]
CLOSED = [*PRUNING, "--no-prune-regrow"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def neurons_left(model):
    return sum(int((np.diff(layer.weight.indptr) > 0).sum()) for layer in model.layers[:-1])


def test_train_prunes_and_info_tells(capsys):
    model = train(*CLOSED)
    left = neurons_left(model)
    assert left == 40 - 2 * 6  # of 20 neurons each, once in two epochs
    text = f"{left} of 40 hidden neurons have incoming connections, 12 were closed by pruning"
    assert f"1,880 -> {model.nnz:,} connections; {text}\n" in capsys.readouterr().out
    assert cli.main(["info", "out/model.safetensors"]) == 0
    out = capsys.readouterr().out
    assert f"pruning: {text}\n" in out
    assert "compacted" not in out


def test_train_compacts_and_info_tells(capsys):
    whole = train(*CLOSED, out="whole")
    model = train(*CLOSED, "--compact")
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
    model = train(*PRUNING, "--epochs", 3)
    out = capsys.readouterr().out
    assert "hidden neurons have incoming connections\n" in out
    assert neurons_left(model) > 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prune-start", "3"], "--prune-start: expected --prune, --prune-percentile or"),
        (["--prune-regrow"], "--prune-regrow: expected --prune, --prune-percentile or"),
        (["--prune-tolerance", "1"], "tolerance = 1.0: expected a number in [0, 1)"),
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


@pytest.mark.parametrize("value", ["0", "1.5", "-3", "half", "nan"])
def test_times_are_epochs_or_shares(value, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--prune", f"--prune-start={value}"])
    assert "expected a whole number above 0 or a share between 0 and 1" in capsys.readouterr().err


def test_shares_of_the_epochs_and_the_defaults():
    parser = cli.make_parser()

    def rule(*arguments):
        args = parser.parse_args(["train", *map(str, arguments)])
        return pruning.make(args, getattr(args, "epochs", 100))

    assert rule() is None
    paper = rule("--prune", "--epochs", 500)
    assert (paper.start, paper.every, paper.percentile, paper.regrow) == (211, 10, 20, True)
    paper = rule("--prune", "--epochs", 500, "--parallel", "wassp")
    assert (paper.start, paper.every, paper.percentile) == (221, 20, 10)
    short = rule("--prune-percentile", 5, "--epochs", 30, "--prune-start", 0.3)
    assert (short.start, short.every, short.percentile) == (9, 1, 5)
    assert rule("--prune", "--epochs", 30).start == 15
    old = rule("--prune", "--prune-over", "connected", "--no-prune-regrow")
    assert (old.over, old.regrow) == ("connected", False)


def test_a_tolerance_is_measured_on_held_out_training_rows(capsys):
    model = train("--prune-tolerance", 0.5, "--prune-start", 1, "--prune-every", 1, "--epochs", 3)
    out = capsys.readouterr().out
    assert "held out of training, to measure the tolerance of pruning: 144 samples" in out
    assert model.nnz < 1880
    assert "test: accuracy" in out


def test_a_row_cannot_be_held_out_of_one(tmp_path, capsys):
    data = write_csv(tmp_path / "two.csv", np.eye(2), ["p", "q"], "aby")
    command = ["train", "--data", str(data), "--prune-tolerance", "0.1"]
    assert cli.main(command) == 2
    assert "--prune-tolerance: expected two or more training rows" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [data]


# --- the command prune -----------------------------------------------------------------------


@pytest.fixture
def trained():
    return train("--epochs", 20)


@pytest.mark.usefixtures("drawn")
def test_prune_writes_a_smaller_model_and_its_curve(trained, tmp_path, capsys):
    command = ["prune", "out/model.safetensors", "--data", "digits", "--percentile", "30"]
    assert cli.main([*command, "--out", "small.safetensors", "--compact"]) == 0
    out = capsys.readouterr().out
    assert "layer 1: 6 neurons pruned, with" in out
    assert "compacted: 64-20-20-10 to 64-14-14-10" in out
    assert f"connections: {trained.nnz:,} -> " in out
    pruned = network("small.safetensors")
    assert pruned.layer_sizes == [64, 14, 14, 10]
    assert pruned.metadata == trained.metadata
    trained.prune(percentile=30)
    data = ts.datasets.load_digits()
    expected = 100 * trained.evaluate(data.x_test, data.y_test)["accuracy"]
    assert f"% -> {expected:.2f} %\n" in out
    assert (tmp_path / "small.png").read_bytes()[:4] == b"\x89PNG"
    assert network("out/model.safetensors").nnz > pruned.nnz


def test_prune_makes_the_folder(trained, tmp_path):
    command = ["prune", "out/model.safetensors", "--data", "digits", "--percentile", "30"]
    assert cli.main([*command, "--out", "a/b/small.safetensors"]) == 0
    written = sorted(path.name for path in (tmp_path / "a/b").iterdir())
    assert written == ["small.png", "small.safetensors"]


def test_prune_goes_as_far_as_half_of_the_rows_allow(trained, capsys):
    left = []
    for tolerance in ("0.0", "0.3"):
        command = ["prune", "out/model.safetensors", "--data", "digits", "--tolerance", tolerance]
        assert cli.main(command) == 0
        assert "accuracy on the other half of the rows: " in capsys.readouterr().out
        left.append(network("pruned.safetensors").nnz)
    assert trained.nnz >= left[0] > left[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--percentile", "100"], "--percentile 100.0: expected a number above 0 and below 100"),
        (["--tolerance", "-1"], "--tolerance -1.0: expected a number in [0, 1)"),
        (["--percentile", "5", "--out", "a.png"], "expected the name of a model file"),
        (["--percentile", "5", "--out", "out"], "--out out: expected the name of a model"),
        (["--percentile", "5", "--out", ""], "--out .: expected the name of a model"),
        (["--percentile", "5", "--out", "out/model.safetensors/b"], "is a file"),
        (["--percentile", "5", "--batch-size", "0"], "--batch-size 0"),
    ],
)
def test_mistakes_of_prune_write_nothing(trained, tmp_path, capsys, arguments, message):
    before = sorted(tmp_path.rglob("*"))
    command = ["prune", "out/model.safetensors", "--data", "digits", *arguments]
    assert cli.main(command) == 2
    assert message in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("how", [["--percentile", "30"], ["--tolerance", "0.5"]])
@pytest.mark.parametrize("loss", ["squared_error", "huber"])
def test_such_a_loss_has_no_accuracy(tmp_path, capsys, how, loss):
    x = RNG.normal(size=(40, 3))
    model = ts.SparseMLP([3, 30, 1], loss=loss, epsilon=20, seed=0)
    model.save("model.safetensors")
    data = write_csv(tmp_path / "rows.csv", x, np.arange(40) % 2, "abcy")
    assert cli.main(["evaluate", "model.safetensors", "--data", str(data)]) == 0
    value = model.evaluate(x, np.arange(40) % 2)["loss"]
    said = capsys.readouterr().out
    assert "R2 " in said
    assert said.endswith(f", loss {value:.4f}\n") == (loss == "huber")
    assert cli.main(["prune", "model.safetensors", "--data", str(data), *how]) == 0
    out = capsys.readouterr().out
    assert "note: this file has no test part, so all of its rows are scored" in out
    assert "loss on " in out
    assert f"no picture of the curve: the loss {loss} has no accuracy\n" in out
    assert network("pruned.safetensors").nnz < model.nnz
    assert not (tmp_path / "pruned.png").exists()


def test_a_network_without_paths_is_not_written(monkeypatch, capsys, tmp_path):
    fit = ts.SparseMLP.fit

    def cut(self, *args, **options):
        history = fit(self, *args, **options)
        nothing = (np.zeros(0, np.uint32), np.zeros(0, np.uint32), np.zeros(0, np.float32))
        self._core.rewire([(np.ones(self.layers[0].nnz, bool), *nothing), None])
        return history

    monkeypatch.setattr(ts.SparseMLP, "fit", cut)
    assert cli.main(["train", "--epochs", "1", "--hidden", "9", "8"]) == 1
    error = capsys.readouterr().err
    assert "no path from the inputs to the outputs is left" in error
    assert "learning-rate" not in error
    assert not (tmp_path / "trulysparse-run" / "model.safetensors").exists()
