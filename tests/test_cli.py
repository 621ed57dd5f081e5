"""The command line, from the arguments to the files and the exit code."""

import csv
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from trulysparse import cli
from trulysparse._arguments import make_parser

QUICK = ["--hidden", "2x20", "--epochs", "2", "--quiet"]
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


def train(*arguments, out="out"):
    """Train quickly and load what was saved."""
    assert cli.main(["train", *QUICK, "--out", out, *map(str, arguments)]) == 0
    return ts.load(f"{out}/model.safetensors")


def accuracy_in(text):
    return float(re.search(r"accuracy ([\d.]+) %, loss [\d.]+", text)[1])


def write_csv(path, x, labels, names):
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([*row, label] for row, label in zip(x.tolist(), labels, strict=True))
    return path


@pytest.fixture
def flowers(tmp_path):
    """A .csv of three classes that are easy to tell apart by their features a, b and c."""
    y = np.arange(120) % 3
    x = RNG.normal(size=(120, 3)) * 0.1 + np.eye(3)[y]
    return write_csv(tmp_path / "flowers.csv", x, np.array(["iris", "poppy", "rose"])[y], "abcy")


class TestTrain:
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

        with open("trulysparse-run/history.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 8
        assert {"loss", "accuracy", "val_loss", "val_accuracy", "connections"} <= set(rows[0])
        assert float(rows[-1]["val_accuracy"]) > 0.8
        assert accuracy_in(out) == pytest.approx(100 * float(rows[-1]["val_accuracy"]), abs=0.01)

        model = ts.load("trulysparse-run/model.safetensors")
        assert model.layer_sizes == [64, 40, 40, 10]
        assert (model.epochs_trained, model.seed, model.standardize) == (8, 3, True)
        assert model.evolutions > 0

    def test_defaults(self):
        args = make_parser().parse_args(["train"])
        assert (args.data, args.preset, args.seed) == ("digits", "recipe", 0)
        assert not {"zeta", "learning_rate", "init"} & set(vars(args))
        assert cli.main(["train", "--epochs", "1", "--quiet", "--threads", "2"]) == 0
        assert ts.load("trulysparse-run/model.safetensors").layer_sizes == [64, 200, 200, 200, 10]

    def test_settings_are_printed(self, capsys):
        train("--preset", "paper", "--momentum", 0.5, "--no-evolve")
        (line,) = (li for li in capsys.readouterr().out.splitlines() if li.startswith("preset"))
        assert line == (
            "preset paper, with what was given: --init he_uniform --fan layer "
            "--learning-rate 0.01 --schedule constant --momentum 0.5 --no-nesterov "
            "--weight-decay 0.0002 --dropout 0.3"
        )

    @pytest.mark.skipif(os.name == "nt", reason="closes a POSIX pipe")
    def test_a_reader_that_leaves_costs_no_file(self):
        command = [sys.executable, "-m", "trulysparse", "train", *QUICK]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            process.stdout.close()
            errors = process.stderr.read()
        assert (process.returncode, errors) == (0, b"")
        assert sorted(os.listdir("trulysparse-run")) == [
            "curves.png",
            "history.csv",
            "model.safetensors",
        ]

    def test_quiet_draws_no_bar(self, capsys):
        train()
        assert capsys.readouterr().err == ""

    def test_the_picture_calls_the_test_part_by_its_name(self, monkeypatch):
        seen = {}
        monkeypatch.setattr(cli, "save_learning_curves", lambda *_, **options: seen.update(options))
        train()
        assert seen == {"held_out": "test"}

    def test_names_are_saved_as_json(self, flowers):
        model = train("--data", flowers)
        metadata = {key: json.loads(value) for key, value in model.metadata.items()}
        assert metadata == {
            "dataset": "flowers",
            "class_names": ["iris", "poppy", "rose"],
            "feature_names": ["a", "b", "c"],
        }

    def test_network_flags(self):
        model = train(
            *["--hidden", "3x16", "8", "--density", "0.5", "--activation", "leaky_relu"],
            *["--slope", "0.1", "--init", "xavier", "--fan", "layer", "--dropout", "0.25"],
            "--no-standardize",
        )
        assert model.layer_sizes == [64, 16, 16, 16, 8, 10]
        assert model.layers[0].density == pytest.approx(0.5, abs=0.08)
        assert (model.activation, model.slope) == ("leaky_relu", pytest.approx(0.1))
        assert (model.init, model.fan) == ("xavier", "layer")
        assert model.dropout == pytest.approx(0.25)
        assert model.standardize is False

    def test_epsilon(self):
        assert train("--epsilon", 2).nnz < train("--epsilon", 8).nnz

    @pytest.mark.parametrize("preset", list(cli.PRESETS))
    def test_flags_win_over_the_preset(self, monkeypatch, preset):
        seen = {}

        def spy(name):
            real = getattr(cli, name)

            def make(**options):
                seen.update(options)
                return real(**options)

            return make

        for name in ("SGD", "SET"):
            monkeypatch.setattr(cli, name, spy(name))
        expected = cli.PRESETS[preset]
        model = train("--preset", preset)
        seen |= {"init": model.init, "fan": model.fan, "dropout": pytest.approx(model.dropout)}
        assert {key: seen[key] for key in expected} == expected
        other_schedule = "constant" if expected["schedule"] == "cosine" else "cosine"
        train(
            *["--preset", preset, "--learning-rate", "0.02", "--momentum", "0.5"],
            *["--weight-decay", "0", "--zeta", "0.1", "--grow-init", "0.5"],
            *["--schedule", other_schedule],
            "--no-nesterov" if expected["nesterov"] else "--nesterov",
        )
        assert seen["learning_rate"] == 0.02
        assert seen["momentum"] == 0.5
        assert seen["weight_decay"] == 0
        assert (seen["zeta"], seen["grow_init"]) == (0.1, 0.5)
        assert seen["nesterov"] is not expected["nesterov"]
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
        arguments = ["--data", "madelon", "--data-dir", "madelon", "--epochs", "1", "--quiet"]
        assert cli.main(["train", *arguments]) == 0
        model = ts.load("trulysparse-run/model.safetensors")
        assert model.layer_sizes == [5, 400, 100, 400, 2]

    def test_without_matplotlib(self, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
        train()
        assert "pip install 'trulysparse[plot]'" in capsys.readouterr().out
        assert sorted(os.listdir("out")) == ["history.csv", "model.safetensors"]


class TestInterrupt:
    def test_saves_what_there_is(self, monkeypatch, capsys):
        class Impatient(cli._StopWhenDiverged):
            def on_epoch_end(self, epoch, logs=None):
                super().on_epoch_end(epoch, logs)
                if epoch == 1:
                    raise KeyboardInterrupt

        monkeypatch.setattr(cli, "_StopWhenDiverged", Impatient)
        assert cli.main(["train", "--hidden", "20", "--epochs", "50", "--quiet"]) == 130
        assert "interrupted after 2 of 50 epochs, saving" in capsys.readouterr().out
        model = ts.load("trulysparse-run/model.safetensors")
        assert 1 <= model.epochs_trained <= 2
        with open("trulysparse-run/history.csv", newline="") as file:
            assert len(list(csv.DictReader(file))) == 2
        assert os.path.exists("trulysparse-run/curves.png")

    def test_first_epoch_leaves_nothing_of_an_earlier_run(self, monkeypatch):
        class Immediate(cli._StopWhenDiverged):
            def on_epoch_begin(self, epoch, logs):
                raise KeyboardInterrupt

        train()
        monkeypatch.setattr(cli, "_StopWhenDiverged", Immediate)
        assert cli.main(["train", *QUICK, "--out", "out"]) == 130
        assert sorted(os.listdir("out")) == ["history.csv", "model.safetensors"]
        with open("out/history.csv", newline="") as file:
            assert list(csv.DictReader(file)) == []
        assert ts.load("out/model.safetensors").epochs_trained == 0

    def test_before_training(self, monkeypatch, capsys):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(cli.datasets, "resolve", interrupt)
        assert cli.main(["train"]) == 130
        assert "interrupted" in capsys.readouterr().err
        assert os.listdir() == []

    @pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
    def test_real_signal(self, tmp_path):
        process = subprocess.Popen(
            [sys.executable, "-m", "trulysparse", "train", "--epochs", "1000000", "--quiet"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out = tmp_path / "trulysparse-run"
            for _ in range(600):
                if out.exists() or process.poll() is not None:
                    break
                time.sleep(0.05)
            time.sleep(0.5)  # the folder is made just before the training
            process.send_signal(signal.SIGINT)
            text, errors = process.communicate(timeout=20)
        finally:
            process.kill()
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        assert "saving what there is" in text
        assert ts.load(out / "model.safetensors").steps_trained > 0


class TestDivergence:
    @pytest.mark.parametrize("earlier_run", [False, True])
    def test_says_so_and_keeps_the_files_of_an_earlier_run(self, capsys, earlier_run):
        if earlier_run:
            train()
        before = {path.name: path.read_bytes() for path in Path("out").glob("*")}
        capsys.readouterr()
        arguments = ["train", "--epochs", "50", "--quiet", "--out", "out"]
        assert cli.main([*arguments, "--learning-rate", "1e9"]) == 1
        out, err = capsys.readouterr()
        assert re.fullmatch(
            r"trulysparse: training diverged in epoch [12]: the loss is not finite\. Nothing was "
            r"written to out\. Try a lower --learning-rate than 1e\+09\.\n",
            err,
        )
        assert "wrote" not in out
        assert {path.name: path.read_bytes() for path in Path("out").glob("*")} == before

    def test_is_noticed_if_ctrl_c_comes_first(self, monkeypatch, capsys):
        class Fit(ts.SparseMLP):
            def fit(self, x, y, **options):
                with pytest.warns(RuntimeWarning, match="diverged"):
                    super().fit(x, y, epochs=2, optimizer=ts.SGD(1e9), progress=False)
                self.history = ts.History()
                raise KeyboardInterrupt

        monkeypatch.setattr(cli, "SparseMLP", Fit)
        assert cli.main(["train", *QUICK]) == 1
        assert "diverged in epoch 1:" in capsys.readouterr().err
        assert os.listdir("trulysparse-run") == []


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
        assert "note: this file has no test part, so all of its rows are scored" in out
        assert accuracy_in(out) == 100

    def test_label_column_is_remembered(self, flowers, capsys):
        x = RNG.normal(size=(10, 2))
        write_csv("first.csv", x, np.arange(10) % 2, ["y", "a", "b"])
        with open("swapped.csv", "w") as file:
            file.write("kind,a,b\n" + "".join(f"{i % 2},{i},{i * i}\n" for i in range(10)))
        train("--data", "swapped.csv", "--label", "kind")
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
            ("abcy", ["rose", "tulip"], "more: unknown class 'tulip', the model's are: iris, pop"),
            ("abdy", ["rose", "rose"], r"more lacks 1 column\(s\): c"),
            ("abcdy", ["rose", "rose"], r"more has, but the model does not know, 1 column\(s\): d"),
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
    assert 'class_names: ["iris", "poppy", "rose"]' in out


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--data", "digit"], "unknown data 'digit'"),
            (["--data", "absent.csv"], "absent.csv"),
            (["--data", "madelon"], "--data-dir"),
            (["--data", "fashion-mnist", "--data-dir", "absent"], "apt-get install"),
            (["--label", "y"], "label='y'"),
            (["--learning-rate", "0"], "learning_rate"),
            (["--momentum", "-1"], "momentum"),
            (["--zeta", "1"], "zeta"),
            (["--grow-init", "nan"], "grow_init"),
            (["--epsilon", "-3"], "epsilon"),
            (["--density", "0"], "density"),
            (["--dropout", "1"], "dropout"),
            (["--seed", "-1"], "seed"),
            (["--no-evolve", "--zeta", "0.2"], "--no-evolve"),
            (["--out", "file"], "expected a folder"),
            (["--out", "file/below"], "expected a folder"),
        ],
    )
    def test_mistakes_are_named_before_anything_is_written(self, capsys, arguments, message):
        with open("file", "w"):
            pass
        assert cli.main(["train", *QUICK, *arguments]) == 2
        err = capsys.readouterr().err
        assert err.startswith("trulysparse: error: ")
        assert message in err
        assert os.listdir() == ["file"]

    def test_unwritable_folder(self, monkeypatch, capsys):
        # Permissions do not stop the superuser, so os.access is asked, and played here.
        monkeypatch.setattr(os, "access", lambda *args: False)
        assert cli.main(["train", "--out", "new/folder"]) == 2
        assert "is not writable" in capsys.readouterr().err

    def test_one_class(self, capsys):
        write_csv("one.csv", np.ones((9, 1)), [1] * 9, "ay")
        assert cli.main(["train", "--data", "one.csv"]) == 2
        assert "two or more classes, got 1" in capsys.readouterr().err

    def test_out_of_memory(self, monkeypatch, capsys):
        def exhaust(*args, **options):
            raise MemoryError

        monkeypatch.setattr(cli, "SparseMLP", exhaust)
        assert cli.main(["train"]) == 2
        assert capsys.readouterr().err == "trulysparse: error: not enough memory\n"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ([], "COMMAND"),
            (["train", "--epochs", "0"], "above 0, got '0'"),
            (["train", "--batch-size", "1.5"], "above 0, got '1.5'"),
            (["train", "--hidden", "x5"], "argument --hidden"),
            (
                ["train", "--hidden", "3x"],
                "expected N or COUNTxN, such as 1000 or 3x1000, got '3x'",
            ),
            (["predict", "model.safetensors"], "--data"),
            (["train", "--epsilon", "5", "--density", "0.1"], "not allowed with"),
            (["train", "--activation", "swish"], "invalid choice: 'swish'"),
            (["train", "--preset", "mine"], "invalid choice: 'mine'"),
            (["evaluate", "model.safetensors"], "--data"),
        ],
    )
    def test_usage(self, capsys, arguments, message):
        with pytest.raises(SystemExit) as exit_info:
            cli.main(arguments)
        assert exit_info.value.code == 2
        assert message in capsys.readouterr().err


def test_help_lists_the_presets(capsys):
    with pytest.raises(SystemExit) as exit_info:
        cli.main(["train", "--help"])
    assert exit_info.value.code == 0
    out = capsys.readouterr().out
    assert "paper: --init he_uniform --fan layer" in out.replace(",", "")
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize("command", ["train", "evaluate", "predict"])
def test_every_flag_is_explained(command):
    (commands,) = (a for a in make_parser()._actions if isinstance(a.choices, dict))
    for action in commands.choices[command]._actions:
        assert action.help, action.option_strings


def test_installed_as_module_and_script():
    version = importlib.metadata.version("trulysparse")
    command = [sys.executable, "-m", "trulysparse", "--version"]
    assert subprocess.check_output(command, text=True) == f"trulysparse {version}\n"
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="trulysparse")
    assert script.load() is cli.run
