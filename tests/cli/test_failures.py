"""The command line when it is interrupted, diverges or is given mistakes."""

import csv
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
from helpers import limits
from helpers.command_line import QUICK, train, write_csv
from trulysparse import cli, datasets
from trulysparse.loading import network


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


class TestInterrupt:
    def test_saves_what_there_is(self, monkeypatch, capsys):
        class Impatient(cli.train.TerminateOnNaN):
            def on_epoch_end(self, epoch, logs=None):
                super().on_epoch_end(epoch, logs)
                if epoch == 1:
                    raise KeyboardInterrupt

        monkeypatch.setattr(cli.train, "TerminateOnNaN", Impatient)
        assert cli.main(["train", "--hidden", "20", "--epochs", "50", "--quiet"]) == 130
        assert "interrupted after 2 of 50 epochs, saving" in capsys.readouterr().out
        model = network("trulysparse-run/model.safetensors")
        assert 1 <= model.epochs_trained <= 2
        with open("trulysparse-run/history.csv", newline="") as file:
            assert len(list(csv.DictReader(file))) == 2
        assert os.path.exists("trulysparse-run/curves.png")

    def test_first_epoch_leaves_nothing_of_an_earlier_run(self, monkeypatch):
        class Immediate(cli.train.TerminateOnNaN):
            def on_epoch_begin(self, epoch, logs):
                raise KeyboardInterrupt

        train()
        monkeypatch.setattr(cli.train, "TerminateOnNaN", Immediate)
        assert cli.main(["train", *QUICK, "--out", "out"]) == 130
        assert sorted(os.listdir("out")) == ["history.csv", "model.safetensors"]
        with open("out/history.csv", newline="") as file:
            assert list(csv.DictReader(file)) == []
        assert network("out/model.safetensors").epochs_trained == 0

    def test_before_training(self, monkeypatch, capsys):
        def interrupt(*args, **options):
            raise KeyboardInterrupt

        monkeypatch.setattr(datasets, "resolve", interrupt)
        assert cli.main(["train"]) == 130
        assert "interrupted" in capsys.readouterr().err
        assert os.listdir() == []

    @pytest.mark.skipif(os.name == "nt", reason="sends a POSIX signal")
    def test_real_signal(self, tmp_path):
        out = tmp_path / "trulysparse-run"
        command = [sys.executable, "-m", "trulysparse", "train", "--epochs", "1000000", "--quiet"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        for pause in (1.5, 5, 20):  # the folder is made just before the training
            with limits.child(command, **pipes) as process:
                while not out.exists() and process.poll() is None:
                    time.sleep(0.05)
                time.sleep(pause)
                process.send_signal(signal.SIGINT)
                text, errors = process.communicate()
            assert process.returncode == 130, errors
            assert "Traceback" not in errors
            if (out / "model.safetensors").exists():
                break
            out.rmdir()
        assert "saving what there is" in text
        assert network(out / "model.safetensors").steps_trained > 0


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
            r"written to out\. Try a lower --learning-rate than 1e\+09, such as "
            r"0\.05\.\n",
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

        monkeypatch.setattr(cli.train, "SparseMLP", Fit)
        assert cli.main(["train", *QUICK]) == 1
        assert "diverged in epoch 1:" in capsys.readouterr().err
        assert os.listdir("trulysparse-run") == []


class TestErrors:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["--data", "digit"], "unknown data 'digit'"),
            (["--data", "absent.csv"], "absent.csv"),
            (["--data", "leukemia"], "--data-dir"),
            (["--data", "fashion-mnist", "--data-dir", "absent"], "apt-get install"),
            (["--label", "y"], "label='y'"),
            (["--learning-rate", "0"], "--learning-rate 0.0: expected"),
            (["--momentum", "-1"], "momentum"),
            (["--zeta", "1"], "zeta"),
            (["--grow-init", "nan"], "--grow-init nan: expected"),
            (["--epsilon", "-3"], "epsilon"),
            (["--density", "0"], "density"),
            (["--dropout", "1"], "dropout"),
            (["--input-noise", "-1"], "--input-noise -1.0: expected"),
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

        monkeypatch.setattr(cli.train, "SparseMLP", exhaust)
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
            (["train", "--activation", "swish"], "silu, gelu, identity, srelu, got 'swish'\n"),
            (["train", "--preset", "mine"], "expected one of table, recipe, paper, got 'mine'\n"),
            (["evaluate", "model.safetensors"], "--data"),
            (["importance"], "MODEL"),
            (["importance", "x", "--tpo", "3"], "unknown option --tpo; did you mean --top?\n"),
            (["predict", "x", "--dta=y"], "unknown option --dta; did you mean --data?\n"),
            (["train", "table.csv"], "unexpected 'table.csv'\n"),
            (["trian"], "got 'trian'; did you mean train?\n"),
            (["train", "--activation", "rleu"], "got 'rleu'; did you mean relu?\n"),
            (["train", "--decimal", ";"], "expected one of '.', ',', got ';'\n"),
            (["train", "--prune", "--prune-tolerance", "0.1"], "not allowed with"),
            (["train", "--prune-p", "1", "--prune-t", "0.1"], "not allowed with"),
            (
                ["importance", "model.safetensors", "--kind", "gini"],
                "expected one of path, strength, got 'gini'\n",
            ),
            (["importance", "model.safetensors", "--top", "0"], "above 0, got '0'"),
        ],
    )
    def test_usage(self, capsys, arguments, message):
        with pytest.raises(SystemExit) as exit_info:
            cli.main(arguments)
        assert exit_info.value.code == 2
        out, err = capsys.readouterr()
        assert message in err
        prog = (
            f"trulysparse {arguments[0]}" if arguments and arguments != ["trian"] else "trulysparse"
        )
        assert re.fullmatch(rf"{prog}: error: .*\nsee {prog} --help\n", err)
        assert out == ""
