"""`trulysparse train` on tables of one's own: settings, second starts, and losses that are none."""

import itertools
import json
import math
import os
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from trulysparse import cli, datasets
from trulysparse.cli import outcome
from trulysparse.cli.common import SPLIT_SEED
from trulysparse.cli.flags import workers
from trulysparse.cli.tables.problem import of_dataset
from trulysparse.loading import network


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path, monkeypatch):
    """So that the default --out is a fresh folder too."""
    monkeypatch.chdir(tmp_path)


def genes(rng, n, p, modules, *, classes=2, effect=1.5, noise=0.6):
    """Columns that are correlated in modules, a third of which tell the classes apart."""
    y = np.arange(n) % classes
    factors = rng.normal(size=(n, modules))
    own = max(modules // (3 * classes), 1)
    for c in range(classes):
        factors[:, c * own : (c + 1) * own] += effect * (y == c)[:, None]
    return factors[:, rng.integers(0, modules, p)] + noise * rng.normal(size=(n, p)), y


def one_factor(n=100, p=1500):
    """All columns are nearly the same one: a step moves them all alike."""
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    return (rng.normal(size=n) + 1.5 * y)[:, None] + 0.3 * rng.normal(size=(n, p)), y


def table(name, kind):
    rng = np.random.default_rng(3)
    x, y = {
        "modules": lambda: genes(rng, 160, 2000, 60),
        "few": lambda: genes(rng, 40, 3000, 30),
        "counts": lambda: genes(rng, 200, 1500, 30),
        "offsets": lambda: genes(rng, 160, 2000, 60),
        "classes": lambda: genes(rng, 150, 1500, 60, classes=5, effect=3),
        "one_factor": one_factor,
        "large_one_factor": lambda: one_factor(300),
    }[kind]()
    if kind == "counts":
        x = rng.poisson(np.exp(x))
    if kind == "offsets":
        x = x + 1000 * rng.random(x.shape[1])
    np.savez(name, x_train=x.astype(np.float32), y_train=y)
    return name


def command(*arguments):
    return cli.main(["train", "--out", "out", *map(str, arguments)])


def scores_in(text):
    accuracy, loss = re.search(r"test: accuracy ([\d.]+) %, loss ([\d.]+)", text).groups()
    return float(accuracy), float(loss)


class TestSettings:
    @pytest.mark.parametrize(
        ("flags", "parameters"),
        [
            ([], {}),
            (["--hidden", "30", "20"], {"hidden_layer_sizes": (30, 20)}),
            (["--batch-size", "9"], {"batch_size": 9}),
            (["--optimizer", "adam"], {"optimizer": "adam"}),
            (["--activation", "leaky_relu"], {"activation": "leaky_relu"}),
            (["--density", "0.2"], {"density": 0.2}),
        ],
    )
    def test_are_the_estimators(self, monkeypatch, flags, parameters):
        """To the last bit of what is trained."""
        rng = np.random.default_rng(0)
        y = np.arange(90) % 3
        x = (rng.normal(size=(90, 12)) + y[:, None]).astype(np.float32)
        np.savez("mine.npz", x_train=x, y_train=y)
        assert command("--data", "mine.npz", "--epochs", "15", *flags) == 0
        model = network("out/model.safetensors")

        data = datasets.resolve("mine.npz", seed=SPLIT_SEED)
        monkeypatch.setattr("trulysparse.estimators._support.draw_seed", lambda random: 0)
        estimator = ts.SparseMLPClassifier(max_iter=15, **parameters)
        expected = estimator.fit(data.x_train, data.y_train).model_
        assert model.layer_sizes == expected.layer_sizes
        for one, two in zip(model.layers, expected.layers, strict=True):
            assert one.weight.data.tobytes() == two.weight.data.tobytes()
            assert one.weight.indices.tobytes() == two.weight.indices.tobytes()
            assert one.bias.tobytes() == two.bias.tobytes()
            assert one.momentum.data.tobytes() == two.momentum.data.tobytes()

    def test_are_said(self, capsys):
        assert command("--data", table("mine.npz", "few"), "--epochs", "2") == 0
        assert (
            "preset table, with what was given: --hidden 100 --epsilon 7 --activation relu "
            "--init lecun_uniform --fan real --input-gain 0.1 --dropout 0.5 "
            "--label-smoothing 0.1 --optimizer adam --learning-rate 0.004 --schedule cosine "
            "--weight-decay 0.3 --grow gradient --zeta 0.3 --zeta-schedule constant "
            "--grow-init 0.0 --evolve-every 10 --epochs 2 --batch-size 16 layer"
        ) in " ".join(capsys.readouterr().out.split())

    @pytest.mark.parametrize("parallel", [None, "wassp", "wasap"])
    @pytest.mark.parametrize("size", [None, 16])
    @pytest.mark.parametrize("sparse", [False, True])
    def test_decay_as_much_in_an_epoch_on_workers(self, monkeypatch, parallel, size, sparse):
        seen = []

        def fit(self, x, y, *, optimizer, batch_size, **options):
            seen.append((x.shape[0], optimizer.weight_decay, batch_size))
            raise KeyboardInterrupt

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        flags = ["--optimizer", "sgd"] + ([] if size is None else ["--batch-size", size])
        flags += [] if parallel is None else ["--parallel", parallel, "--workers", 4]
        rng = np.random.default_rng(0)
        if sparse:
            rows = [f"{'abc'[i % 3]},{('no', 'yes')[i % 2]}\n" for i in range(2000)]
            Path("mine.csv").write_text("word,label\n" + "".join(rows))
        np.savez("mine.npz", x_train=rng.normal(size=(2000, 3)), y_train=np.arange(2000) % 2)
        command("--data", "mine.csv" if sparse else "mine.npz", *flags)
        ((samples, decay, batch),) = seen
        step = 4 * batch if parallel == "wassp" else batch
        assert decay * samples / step == pytest.approx(0.005)

    def test_a_csv_has_them_too(self, flowers, capsys):
        assert command("--data", flowers, "--epochs", "1") == 0
        assert "preset table" in capsys.readouterr().out
        assert network("out/model.safetensors").layer_sizes == [3, 100, 3]


KINDS = ["modules", "few", "counts", "offsets", "classes", "one_factor"]
HIDDEN = [None, "3x500", "1000 1000"]
# Each kind of table with one of the networks, and the next kind with the next one.
SAMPLE = [(kind, HIDDEN[k % 3]) for k, kind in enumerate(KINDS)]
WIDE = cases.some(SAMPLE, list(itertools.product(KINDS, HIDDEN)))


@pytest.mark.cases
@pytest.mark.parametrize(("kind", "hidden"), WIDE)
def test_wide_tables_train(capsys, kind, hidden):
    """Within a few test rows of logistic regression, with a loss that means something."""
    path = table("wide.npz", kind)
    data = datasets.resolve(path, seed=SPLIT_SEED)
    baseline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300))
    expected = baseline.fit(data.x_train, data.y_train).score(data.x_test, data.y_test)
    flags = [] if hidden is None else ["--hidden", *hidden.split()]
    assert command("--data", path, *flags) == 0
    accuracy, loss = scores_in(capsys.readouterr().out)
    assert accuracy >= 100 * expected - 15
    assert loss < 2


@pytest.mark.parametrize("kind", ["modules", "few", "counts", "classes", "one_factor"])
def test_one_epoch_is_no_failure(capsys, kind):
    """Also if the network has hardly learnt yet."""
    assert command("--data", table("wide.npz", kind), "--epochs", "1") == 0
    assert "starting again" not in capsys.readouterr().out


class TestSecondStart:
    """The recipe's rate is too high for one factor in 1,500 columns; a quarter of it is not."""

    @pytest.mark.parametrize(
        ("epochs", "problem"),
        [
            (20, r"training diverged in epoch \d+: the loss is not finite"),
            (
                10,
                r"training failed: a loss of [\d.]+ after 10 epochs is far above 0\.6931, that of",
            ),
        ],
    )
    def test_takes_a_quarter_of_the_rate(self, capsys, epochs, problem):
        path = table("wide.npz", "large_one_factor")
        settings = ["--data", path, "--preset", "recipe", "--epochs", epochs]
        assert command(*settings) == 0
        out = capsys.readouterr().out
        assert re.search(problem + r".*: starting again with --learning-rate 0\.0125\n", out)
        assert out.count("starting again") == 1
        model = network("out/model.safetensors")
        assert command(*settings, "--learning-rate", "0.0125") == 0
        again = network("out/model.safetensors")
        for one, two in zip(model.layers, again.layers, strict=True):
            assert one.weight.data.tobytes() == two.weight.data.tobytes()
        assert json.loads(model.metadata["dataset"]) == "wide"

    @pytest.mark.parametrize(("epochs", "problem"), [(20, "diverged"), (10, "failed")])
    def test_not_with_a_rate_that_was_given(self, capsys, epochs, problem):
        path = table("wide.npz", "large_one_factor")
        settings = ["--preset", "recipe", "--epochs", epochs, "--learning-rate", "0.05"]
        assert command("--data", path, *settings) == 1
        out, err = capsys.readouterr()
        assert "starting again" not in out
        assert err.startswith(f"trulysparse: training {problem}")
        assert err.endswith(
            ". Nothing was written to out. Try a lower --learning-rate than 0.05, such as 0.0125.\n"
        )
        assert os.listdir("out") == []

    def test_ends(self, monkeypatch, capsys):
        """A table that no rate helps, with the last rate and the next one in the message."""
        rates = []

        def fit(self, x, y, *, optimizer, epochs, **options):
            rates.append(optimizer.learning_rate)
            self.history.append(0, {"loss": math.nan, "val_loss": math.nan})

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        # Without what held-out rows say, for which others are trained.
        flags = ["--epochs", 5, "--all-features"]
        assert command("--data", table("wide.npz", "few"), *flags) == 1
        assert rates == [0.004, 0.001, 0.00025, 0.0000625, 0.000015625]
        out, err = capsys.readouterr()
        assert out.count("starting again") == 4
        assert "training diverged in epoch 1: the loss is not finite" in err
        assert "than 1.5625e-05, such as 3.90625e-06." in err

    def test_data_sets_have_none(self, monkeypatch, capsys):
        rates = []

        def fit(self, x, y, *, optimizer, **options):
            rates.append(optimizer.learning_rate)
            self.history.append(0, {"loss": math.nan, "val_loss": math.nan})

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        assert command("--data", "digits") == 1
        assert rates == [0.05]

    def test_ctrl_c_ends_it(self, monkeypatch):
        class Impatient(cli.train.TerminateOnNaN):
            def on_epoch_end(self, epoch, logs):
                if epoch == 1:
                    raise KeyboardInterrupt

        monkeypatch.setattr(cli.train, "TerminateOnNaN", Impatient)
        assert command("--data", table("wide.npz", "few")) == 130
        assert (Path("out") / "model.safetensors").exists()


class TestFarAboveAConstant:
    def test_is_an_error_for_data_sets_too(self, capsys):
        settings = ["--hidden", "200", "--epochs", "3", "--learning-rate", "1.2"]
        assert command(*settings) == 1
        assert re.fullmatch(
            r"trulysparse: training failed: a loss of [\de.+]+ after 3 epochs is far above 2\.302, "
            r"that of a constant prediction\. Nothing was written to out\. "
            r"Try a lower --learning-rate than 1\.2, such as 0\.05\.\n",
            capsys.readouterr().err,
        )
        assert os.listdir("out") == []

    @pytest.mark.parametrize(
        ("losses", "held_out", "exploded", "failed"),
        [
            ([0.9, 0.3], 0.4, False, False),
            ([0.9, 0.01], 7.0, False, False),  # overfitting
            ([0.9, 3.0], 0.6, False, False),  # dropout, or few steps at a start far off
            ([0.9, 3.0], 3.0, False, True),
            ([0.9, 3.0], 0.6, True, True),
            ([1e9, 0.01], 0.6, False, False),  # recovered
            ([1e9, 0.01], 1e7, False, True),  # but not in truth
        ],
    )
    def test_rule(self, losses, held_out, exploded, failed):
        x, y = one_factor(40, 5)
        data = of_dataset(datasets.Dataset("d", x, y, x, y))
        model = ts.SparseMLP([5, 4, 2], init="lecun_uniform", fan="real", seed=0)
        if exploded:
            model = scaled(model, 1e3)
        for epoch, loss in enumerate(losses):
            model.history.append(epoch, {"loss": loss, "val_loss": held_out})
        problem = outcome.trouble(model, data, 2, interrupted=False)
        assert (problem is not None) is failed
        assert outcome.trouble(model, data, 2, interrupted=True) is None

    @pytest.mark.parametrize(
        ("losses", "epoch"),
        [([0.9, 0.2, 2.0, 0.1], 3), ([3.0, 2.0, 0.5, 1.5], 4), ([3.0, 2.0, 0.5], None)],
    )
    def test_a_loss_that_rose_matters_for_a_second_start_only(self, losses, epoch):
        x, y = one_factor(40, 5)
        data = of_dataset(datasets.Dataset("d", x, y, x, y))
        model = ts.SparseMLP([5, 4, 2], init="lecun_uniform", fan="real", seed=0)
        for i, loss in enumerate(losses):
            model.history.append(i, {"loss": loss, "val_loss": 0.5})
        problem = outcome.trouble(model, data, 4, interrupted=False, last=False)
        assert (problem is not None) == (epoch is not None)
        assert problem is None or problem.endswith(f" in epoch {epoch}")
        assert outcome.trouble(model, data, 4, interrupted=False) is None

    def test_overfitting_is_a_remark(self, capsys):
        x, _ = genes(np.random.default_rng(0), 120, 500, 20)
        np.savez("noise.npz", x_train=x, y_train=np.arange(120) % 4 // 2)  # nothing to be learnt
        settings = ["--optimizer", "adam", "--learning-rate", "0.01", "--dropout", "0"]
        settings += ["--epochs", "100", "--label-smoothing", "0", "--weight-decay", "0"]
        settings += ["--all-features"]
        assert command("--data", "noise.npz", *settings) == 0
        out = capsys.readouterr().out
        _, loss = scores_in(out)
        assert loss > 2 * math.log(2)
        assert "note: the test loss is far above 0.6931, that of a constant prediction" in out

    @pytest.mark.parametrize("share", [0.02, 0.3])
    def test_rare_classes_and_one_epoch_are_none(self, share, capsys):
        rng = np.random.default_rng(0)
        y = np.arange(400) < 400 * share
        x = rng.normal(size=(400, 30)) + y[:, None]
        np.savez("rare.npz", x_train=x, y_train=y.astype(int))
        assert command("--data", "rare.npz", "--epochs", "1") == 0
        out = capsys.readouterr().out
        assert "far above" not in out
        assert "starting again" not in out
        _, loss = scores_in(out)
        constant = outcome.constant_loss(y.astype(int))
        assert ("note: the test loss is above" in out) == (loss > constant)

    @given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(0, 2**32 - 1))
    def test_no_constant_is_better(self, labels, seed):
        labels = np.array(labels)
        loss = outcome.constant_loss(labels)
        frequencies = np.bincount(labels, minlength=6) / len(labels)
        rows = np.tile(frequencies, (len(labels), 1))
        assert loss == pytest.approx(log_loss(labels, rows, labels=range(6)), abs=1e-9)
        other = log_softmax(np.random.default_rng(seed).normal(size=6))
        assert loss <= -other[labels].mean() + 1e-12
        limit = outcome.limit(labels, 6)
        assert math.log(6) <= limit <= 2 * math.log(6) + 1e-12
        assert limit >= 2 * loss - 1e-12

    def test_the_loss_of_one_class_has_no_sign(self):
        assert f"{outcome.constant_loss(np.ones(3, np.int64)):.4g}" == "0"


def scaled(model, factor):
    """A copy with all weights and biases times `factor`."""
    weights = [layer.weight * factor for layer in model.layers]
    biases = [layer.bias * factor for layer in model.layers]
    return ts.SparseMLP.from_scipy(weights, biases, activation=model.activation)


def test_ranks_have_one_start(monkeypatch):
    """They do not know of each other's divergence."""
    rates = []

    def fit(self, x, y, *, optimizer, strategy, **options):
        rates.append(optimizer.learning_rate)
        self.history.append(0, {"loss": math.nan, "val_loss": math.nan})

    monkeypatch.setattr(ts.SparseMLP, "fit", fit)
    monkeypatch.setattr(workers, "communicator", lambda parallel: SimpleNamespace(rank=0, size=3))
    monkeypatch.setattr(workers, "strategy", lambda args, comm: None)
    flags = ["--parallel", "wassp", "--epochs", 5, "--all-features"]
    assert command("--data", table("wide.npz", "few"), *flags) == 1
    assert rates == [0.004]
