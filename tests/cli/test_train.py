"""`trulysparse train`, from the arguments to the files and the exit code."""

import csv
import importlib.metadata
import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers import limits
from helpers.command_line import QUICK, RNG, accuracy_in, train
from trulysparse import cli
from trulysparse.loading import network


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


class TestTrain:
    @pytest.mark.usefixtures("drawn")
    def test_writes_model_history_and_curves(self, capsys):
        arguments = ["train", "--hidden", "2x40", "--epochs", "8", "--seed", "3"]
        assert cli.main([*arguments, "--batch-size", "32"]) == 0
        out = capsys.readouterr().out
        assert "data: digits, 1437 training and 360 test samples, 64 features, 10 classes" in out
        for name in ("model.safetensors", "history.csv", "curves.png"):
            assert f"wrote {os.path.join('trulysparse-run', name)}" in out
        assert sorted(os.listdir("trulysparse-run")) == [
            "curves.png",
            "history.csv",
            "model.safetensors",
        ]
        with open("trulysparse-run/curves.png", "rb") as file:
            assert file.read(4) == b"\x89PNG"

        with open("trulysparse-run/history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 8
        assert {"loss", "accuracy", "val_loss", "val_accuracy", "connections"} <= set(rows[0])
        assert float(rows[-1]["val_accuracy"]) > 0.8
        assert accuracy_in(out) == pytest.approx(100 * float(rows[-1]["val_accuracy"]), abs=0.01)

        model = network("trulysparse-run/model.safetensors")
        assert model.layer_sizes == [64, 40, 40, 10]
        assert (model.epochs_trained, model.seed, model.standardize) == (8, 3, True)
        assert model.evolutions > 0

    def test_defaults(self):
        args = cli.make_parser().parse_args(["train"])
        assert (args.data, args.preset, args.seed) == ("digits", None, 0)
        assert not {"zeta", "learning_rate", "init", "hidden", "epochs"} & set(vars(args))
        assert cli.main(["train", "--epochs", "1", "--threads", "2"]) == 0
        assert network("trulysparse-run/model.safetensors").layer_sizes == [64, 200, 200, 200, 10]

    def test_settings_are_printed(self, capsys):
        train("--preset", "recipe", "--momentum", 0.5, "--no-evolve")
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= 80
        assert (
            "preset recipe, with what was given: --hidden 20 20 --epsilon 20 "
            "--activation all_relu --slope 0.6 --init lecun_uniform --fan real --dropout 0.2 "
            "--learning-rate 0.05 --schedule cosine --momentum 0.5 --nesterov "
            "--weight-decay 2e-05 --schedule-decay --epochs 2 --batch-size 128 layer"
        ) in " ".join(out.split())

    @pytest.mark.skipif(os.name == "nt", reason="closes a POSIX pipe")
    def test_a_reader_that_leaves_costs_no_file(self):
        command = [sys.executable, "-m", "trulysparse", "train", *QUICK]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with limits.child(command, **pipes) as process:
            process.stdout.close()
            errors = process.stderr.read()
        assert (process.returncode, errors) == (0, b"")
        assert sorted(os.listdir("trulysparse-run")) == [
            "curves.png",
            "history.csv",
            "model.safetensors",
        ]

    def test_quiet_prints_the_score_only(self, capsys):
        train("--quiet", "--compact")
        out, err = capsys.readouterr()
        assert re.fullmatch(r"test: accuracy [\d.]+ %, loss [\d.]+\n", out)
        assert err == ""

    def test_the_picture_calls_the_test_part_by_its_name(self, monkeypatch):
        seen = {}
        monkeypatch.setattr(
            cli.train, "save_learning_curves", lambda *_, **options: seen.update(options)
        )
        train()
        assert seen == {"held_out": "test"}

    def test_names_are_saved_as_json(self, flowers):
        model = train("--data", flowers)
        metadata = {key: json.loads(value) for key, value in model.metadata.items()}
        assert metadata.pop("estimator")["class"] == "SparseMLPClassifier"
        assert metadata == {
            "dataset": "flowers",
            "class_names": ["iris", "poppy", "rose"],
            "feature_names": ["a", "b", "c"],
            "label": "y",
        }

    @pytest.mark.parametrize(("given", "expected"), [([], 16), (["--batch-size", 50], 50)])
    def test_a_small_table_has_small_batches(self, flowers, monkeypatch, given, expected):
        sizes, real = [], ts.SparseMLP.fit

        def fit(self, *args, **options):
            sizes.append(options["batch_size"])
            return real(self, *args, **options)

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        train("--data", flowers, *given)
        train(*given)  # digits
        assert sizes == [expected, given[1] if given else 128]

    def test_network_flags(self):
        model = train(
            *["--hidden", "3x16", "8", "--density", "0.5", "--activation", "leaky_relu"],
            *["--slope", "0.1", "--init", "xavier", "--fan", "layer", "--dropout", "0.25"],
            *["--no-standardize", "--input-noise", "0.5"],
        )
        assert model.layer_sizes == [64, 16, 16, 16, 8, 10]
        assert model.layers[0].density == pytest.approx(0.5, abs=0.08)
        assert (model.activation, model.slope) == ("leaky_relu", pytest.approx(0.1))
        assert (model.init, model.fan) == ("xavier", "layer")
        assert (model.dropout, model.input_noise) == (0.25, 0.5)
        assert model.standardize is False

    def test_epsilon(self):
        assert train("--epsilon", 2).nnz < train("--epsilon", 8).nnz

    @pytest.mark.parametrize(
        ("preset", "data"), [("recipe", "digits"), ("paper", "madelon"), ("recipe", "madelon")]
    )
    def test_flags_win_over_the_preset(self, monkeypatch, preset, data):
        where = []
        if data == "madelon":
            x, y = RNG.integers(400, 600, (30, 5)), np.arange(30) % 2
            np.savez("madelon.npz", x_train=x, y_train=y, x_test=x, y_test=y)
            where = ["--data", "madelon", "--data-dir", ".", "--epochs", "1"]
        seen, real = {}, ts.SparseMLP.fit

        def fit(self, *args, **options):
            # SET's schedule is that of zeta.
            seen.update(vars(options["topology"]) | vars(options["optimizer"]))
            return real(self, *args, **options)

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        settings = ts.preset(preset, data)
        sgd, evolution = settings.fit["optimizer"], settings.fit["topology"]
        names = ["learning_rate", "momentum", "nesterov", "weight_decay", "schedule"]
        names += ["schedule_decay"]
        expected = {name: getattr(sgd, name) for name in names}
        expected |= {"zeta": evolution.zeta, "grow_init": evolution.grow_init}
        model = train(*where, "--preset", preset)
        assert {key: seen[key] for key in expected} == expected
        for name in ("activation", "init", "fan"):
            assert getattr(model, name) == settings.model[name]
        for name in ("slope", "dropout"):
            assert getattr(model, name) == pytest.approx(settings.model[name])
        other_schedule = "constant" if expected["schedule"] == "cosine" else "cosine"
        train(
            *[*where, "--preset", preset, "--learning-rate", "0.02", "--momentum", "0.5"],
            *["--weight-decay", "0", "--zeta", "0.1", "--grow-init", "0.5"],
            *["--schedule", other_schedule],
            "--no-nesterov" if expected["nesterov"] else "--nesterov",
            "--no-schedule-decay" if expected["schedule_decay"] else "--schedule-decay",
        )
        assert seen["learning_rate"] == 0.02
        assert seen["momentum"] == 0.5
        assert seen["weight_decay"] == 0
        assert (seen["zeta"], seen["grow_init"]) == (0.1, 0.5)
        for name in ("nesterov", "schedule_decay"):
            assert seen[name] is not expected[name]
        assert seen["schedule"] == other_schedule

    def test_no_evolve_keeps_the_topology(self, monkeypatch):
        assert train("--no-evolve").evolutions == 0
        assert train().evolutions > 0

    def test_seed_decides_the_weights_but_not_the_split(self, capsys):
        first, again, other = (train("--seed", seed) for seed in (1, 1, 2))
        for one, two in zip(first.layers, again.layers, strict=True):
            assert one.weight.data.tobytes() == two.weight.data.tobytes()
        assert first.layers[0].weight.data.tobytes() != other.layers[0].weight.data.tobytes()
        np.testing.assert_array_equal(first.mean, other.mean)

    def test_npz(self, tmp_path):
        y = RNG.integers(0, 2, 40)
        x = RNG.normal(size=(40, 7)) + 5 * y[:, None]
        np.savez("mine.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
        model = train("--data", "mine.npz")
        assert model.layer_sizes == [7, 20, 20, 2]
        assert json.loads(model.metadata["class_names"]) == ["0", "1"]

    def test_madelon(self, tmp_path, capsys):
        (tmp_path / "madelon").mkdir()
        x, y = RNG.integers(400, 600, (30, 5)), np.arange(30) % 2
        np.savez("madelon/madelon.npz", x_train=x, y_train=y, x_test=x, y_test=y)
        arguments = ["--data", "madelon", "--data-dir", "madelon", "--epochs", "1"]
        assert cli.main(["train", *arguments]) == 0
        model = network("trulysparse-run/model.safetensors")
        assert model.layer_sizes == [5, 400, 100, 400, 2]

    def test_without_matplotlib(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        train()
        assert "pip install 'trulysparse[plot]'" in capsys.readouterr().out
        assert sorted(os.listdir("out")) == ["history.csv", "model.safetensors"]


def test_help_lists_the_presets(capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["train", "--help"])
    assert exit_info.value.code == 0
    out = capsys.readouterr().out
    assert "(default: 0.004; recipe: 0.05; with" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 100
    assert "default: preset" not in out


@pytest.mark.parametrize("command", ["train", "evaluate", "predict", "importance"])
def test_every_flag_is_explained(command):
    (commands,) = (a for a in cli.make_parser()._actions if isinstance(a.choices, dict))
    for action in commands.choices[command]._actions:
        assert action.help, action.option_strings


def test_installed_as_module_and_script():
    version = importlib.metadata.version("trulysparse")
    command = [sys.executable, "-m", "trulysparse", "--version"]
    assert (
        subprocess.check_output(command, text=True, timeout=limits.CHILD)
        == f"trulysparse {version}\n"
    )
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="trulysparse")
    assert script.load() is cli.run
