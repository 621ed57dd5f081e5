"""Presets: what they hold, by data set, in Python and on the command line."""

import dataclasses
import math
import re
from pathlib import Path

import numpy as np
import pytest
import trulysparse as ts
from hypothesis import given
from hypothesis import strategies as st
from trulysparse import cli, datasets
from trulysparse.cli.tables import problem
from trulysparse.presets import PRESETS, find

# By hand, from arXiv 2102.01732 and its proof of concept:
# hidden layers, epsilon, slope, initialisation, batch size, learning rate, images.
PAPER = {
    "fashion-mnist": ((1000, 1000, 1000), 20, 0.6, "he_uniform", 128, 0.01, None),
    "cifar10": (
        (4000, 1000, 4000),
        20,
        0.75,
        "he_uniform",
        128,
        0.01,
        ts.ImageAugmentation((32, 32, 3)),
    ),
    "higgs": ((1000, 1000, 1000), 10, 0.05, "xavier", 128, 0.01, None),
    "madelon": ((400, 100, 400), 10, 0.5, "normal", 32, 0.01, None),
    "leukemia": ((27500, 27500), 10, 0.75, "normal", 5, 0.005, None),
}
RECIPE = {
    "digits": (200, 200, 200),
    "fashion-mnist": (1000, 1000, 1000),
    "cifar10": (4000, 1000, 4000),
    "madelon": (400, 100, 400),
    "synthetic": (500, 500, 500),
    "synthetic:64:20": (500, 500, 500),
}
EACH = [(name, data) for name, by_data in PRESETS.items() for data in by_data]


@pytest.mark.parametrize("data", PAPER)
def test_the_papers(data):
    preset = ts.preset("paper", data)
    hidden, epsilon, slope, init, batch_size, rate, augment = PAPER[data]
    assert (preset.hidden, preset.augment, preset.retries) == (hidden, augment, 0)
    assert preset.model == {
        "epsilon": epsilon,
        "activation": "all_relu",
        "slope": slope,
        "init": init,
        "fan": "layer",
        "dropout": 0.3,
        "standardize": True,
    }
    assert preset.fit == {
        "epochs": 500,
        "batch_size": batch_size,
        "optimizer": ts.SGD(rate, momentum=0.9, weight_decay=2e-4, nesterov=False),
        "topology": ts.SET(zeta=0.3, grow_init=1.0),
        **({} if augment is None else {"augment": augment}),
    }


def test_the_papers_are_for_its_data_sets():
    assert set(PRESETS["paper"]) == set(PAPER)


@pytest.mark.parametrize("data", RECIPE)
def test_the_recipe(data):
    preset = ts.preset("recipe", data)
    rate, dropout = (0.1, 0.1) if data == "cifar10" else (0.05, 0.2)
    assert preset.hidden == RECIPE[data]
    assert preset.model == {
        "epsilon": 20,
        "activation": "all_relu",
        "slope": 0.6,
        "init": "lecun_uniform",
        "fan": "real",
        "dropout": dropout,
        "standardize": True,
    }
    assert preset.fit == {
        "epochs": 100,
        "batch_size": 128,
        "optimizer": ts.SGD(
            rate, nesterov=True, weight_decay=2e-5, schedule="cosine", schedule_decay=True
        ),
        "topology": ts.SET(zeta=0.3, grow_init=0.1, schedule="cosine", stop=0.75),
        **({"augment": ts.ImageAugmentation((32, 32, 3))} if data == "cifar10" else {}),
    }


def test_the_recipe_for_other_data_goes_by_samples():
    preset = ts.preset("recipe", samples=1000)
    assert preset.hidden == (500, 500, 500)
    assert preset.fit["batch_size"] == 25
    assert preset.fit["optimizer"] == ts.preset("recipe", "digits").fit["optimizer"]


@given(st.integers(1, 10**6))
def test_the_table_goes_by_samples(samples):
    preset = ts.preset("table", samples=samples)
    size = preset.fit["batch_size"]
    assert size == min(max(samples // 40, 16), 128)
    steps = math.ceil(samples / min(size, samples))
    assert preset.fit["epochs"] == max(math.ceil(1500 / steps), 30)
    assert preset.fit["topology"].every == max(round(20 / steps), 1)
    assert preset.hidden == ((300,) if samples >= 1000 else (100,))
    assert ts.preset("table", "leukemia", samples=samples) == preset


@pytest.mark.parametrize(("name", "data"), EACH)
def test_each_trains(name, data):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 6)), np.arange(40) % 3
    preset = ts.preset(name, data, samples=40)
    assert preset.name == name
    model = ts.SparseMLP([6, 8, 7, 3], **preset.model, seed=0)
    history = model.fit(x, y, **{**preset.fit, "epochs": 2, "augment": None}, progress=False)
    assert np.isfinite(history.history["loss"]).all()
    assert (model.activation, model.standardize) == (preset.activation, True)


def test_they_cannot_be_changed():
    preset = ts.preset("paper", "madelon")
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.epsilon = 3
    preset.fit["epochs"] = 1
    preset.model.clear()
    assert preset.fit["epochs"] == 500
    assert preset.model["epsilon"] == 10


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (["paper"], {}, ValueError, "is for fashion-mnist, cifar10, higgs, madelon, leukemia, not"),
        (["paper", "digits"], {}, ValueError, "not for other data: got 'digits'"),
        (["paper", "mine.csv"], {"samples": 9}, ValueError, "got 'mine.csv'"),
        (["mine"], {}, ValueError, "preset = 'mine': expected"),
        (["table"], {}, ValueError, "expected samples="),
        (["recipe", "mine.csv"], {}, ValueError, "expected samples="),
        (["table"], {"samples": 0}, ValueError, "samples = 0"),
        (["table"], {"samples": 1.5}, TypeError, "samples = 1.5"),
        (["paper", 3], {}, TypeError, "data = 3"),
        ([None], {}, (ValueError, TypeError), "preset = None"),
    ],
)
def test_mistakes(arguments, options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        ts.preset(*arguments, **options)


class TestCommandLine:
    @pytest.fixture(autouse=True)
    def tiny(self, tmp_path, monkeypatch):
        """Any data set, with six features and three classes."""
        monkeypatch.chdir(tmp_path)
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(60, 6)).astype(np.float32), np.arange(60) % 3
        data = datasets.Dataset("tiny", x, y, x, y)
        monkeypatch.setattr(problem, "read", lambda *args, **options: problem.of_dataset(data))

    @pytest.fixture
    def fitted(self, monkeypatch):
        """What `fit` was given, and the model, without training."""
        seen = {}

        def fit(self, x, y, **options):
            seen.update(options, model=self)
            raise KeyboardInterrupt

        monkeypatch.setattr(ts.SparseMLP, "fit", fit)
        return seen

    @pytest.mark.parametrize(("name", "data"), EACH)
    def test_takes_them(self, fitted, capsys, name, data):
        spec = {None: "mine.csv", "synthetic": "synthetic:6"}.get(data, data)
        small = ["--hidden", "8"] if data == "leukemia" else []
        arguments = ["--data", spec, "--preset", name, *small]
        assert cli.main(["train", *arguments]) == 130
        preset = ts.preset(name, data, samples=60)
        for key, value in preset.fit.items():
            if key != "augment":  # these are no images
                assert fitted[key] == value, key
        model = fitted["model"]
        hidden = [8] if small else preset.hidden
        assert model.layer_sizes == [6, *hidden, 3]
        for key in ("activation", "init", "fan", "standardize"):
            assert getattr(model, key) == preset.model[key], key
        for key in ("slope", "dropout"):
            assert getattr(model, key) == pytest.approx(preset.model[key]), key
        same = ts.SparseMLP([6, *hidden, 3], **preset.model, seed=0)
        for one, two in zip(model.layers, same.layers, strict=True):
            assert one.weight.data.tobytes() == two.weight.data.tobytes()
        said = " ".join(capsys.readouterr().out.split())
        assert f"--epochs {preset.epochs} --batch-size" in said

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            ("digits", "recipe"),
            ("fashion-mnist", "recipe"),
            ("cifar10", "recipe"),
            ("madelon", "recipe"),
            ("synthetic:6", "recipe"),
            ("higgs", "table"),
            ("leukemia", "table"),
            ("mine.csv", "table"),
            ("MINE.NPZ", "table"),
        ],
    )
    def test_chooses_by_data(self, capsys, data, expected):
        settings = ["--hidden", "5", "--epochs", "1"]
        assert cli.main(["train", "--data", data, *settings]) == 0
        assert f"preset {expected}, with what was given" in capsys.readouterr().out
        assert find(None, data).name == expected

    @pytest.mark.parametrize("data", ["digits", "mine.csv", "mine.npz", "synthetic:6"])
    def test_refuses_the_papers_for_other_data(self, fitted, capsys, data):
        assert cli.main(["train", "--data", data, "--preset", "paper"]) == 2
        assert capsys.readouterr().err == (
            "trulysparse: error: preset 'paper' is for fashion-mnist, cifar10, higgs, madelon, "
            f"leukemia, not for other data: got '{data}'\n"
        )
        assert fitted == {}

    def test_explains_them(self, capsys):
        with pytest.raises(SystemExit):
            cli.main(["train", "--help-presets"])
        out = capsys.readouterr().out
        rows = [re.split("  +", line) for line in out.splitlines() if line.startswith("--")]
        shown = {name: others for name, *others in rows}
        assert shown["--learning-rate"] == ["0.004", "0.05", "0.01"]
        assert shown["--epochs"] == ["those of 1,500 steps, at least 30", "100", "500"]
        assert shown["--batch-size"] == ["rows / 40, from 16 to 128", "as table", "128"]
        assert shown["--hidden"][1:] == ["500 500 500", "1000 1000 1000"]
        text = " ".join(out.split())
        for data, (hidden, epsilon, slope, init, size, rate, _) in PAPER.items():
            if data == "fashion-mnist":  # which is the column
                continue
            sizes = " ".join(map(str, hidden))
            own = text[text.index("paper has otherwise:") :].partition(f"{data}: ")[2]
            own = own.partition(":")[0]
            for flag, value, usual in (
                ("hidden", sizes, "1000 1000 1000"),
                ("epsilon", epsilon, 20),
                ("slope", slope, 0.6),
                ("init", init, "he_uniform"),
                ("learning-rate", rate, 0.01),
                ("batch-size", size, 128),
            ):
                assert (f"--{flag} {value}" in own) == (value != usual), (data, flag)
        assert "digits: --hidden 200 200 200 --batch-size 128" in text


class TestRecipe:
    def test_is_in_the_presets(self):
        preset = ts.preset("recipe", "digits")
        # Data sets of presets are dense, where "auto" is True.
        assert (ts.RECIPE.model | {"standardize": True}).items() <= preset.model.items()
        assert ts.RECIPE.fit.items() <= preset.fit.items()

    def test_leaves_sizes_and_epochs_open(self):
        x, y = np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2
        model = ts.SparseMLP([4, 9, 2], density=0.5, **ts.RECIPE.model, seed=0)
        history = model.fit(x, y, epochs=2, batch_size=10, **ts.RECIPE.fit, progress=False)
        assert (model.init, model.fan, model.standardize) == ("lecun_uniform", "real", "auto")
        assert len(history.epoch) == 2

    def test_is_a_value(self):
        other = dataclasses.replace(ts.RECIPE, dropout=0.1)
        assert other.model == {**ts.RECIPE.model, "dropout": 0.1}
        ts.RECIPE.model.clear()
        ts.RECIPE.fit.clear()
        assert set(ts.RECIPE.model) == {"init", "fan", "dropout", "standardize"}
        with pytest.raises(dataclasses.FrozenInstanceError):
            ts.RECIPE.dropout = 0.5

    def test_is_what_the_page_says(self):
        page = Path(__file__).parents[2] / "docs" / "command-line.md"
        text = " ".join(page.read_text("utf-8").split())
        recipe, evolution = ts.RECIPE, ts.RECIPE.topology
        for said in (
            f"`--init {recipe.init} --fan {recipe.fan}`",
            f"`--grow-init {evolution.grow_init}`",
            f"`--zeta-schedule {evolution.schedule} --zeta-stop {evolution.stop}`",
            f"a {recipe.optimizer.schedule} schedule from {recipe.optimizer.learning_rate}",
            f"a dropout of {recipe.dropout}",
        ):
            assert said in text


@pytest.mark.parametrize("kind", [ts.SparseMLPClassifier, ts.SparseMLPRegressor])
def test_the_table_is_the_estimators_defaults(kind):
    table, defaults = ts.preset("table", samples=100), kind().get_params()
    names = {name: name for name in ("activation", "slope", "epsilon", "momentum")}
    names |= {"schedule": "learning_rate"}
    names |= {"nesterov": "nesterovs_momentum", "zeta": "zeta", "grow_init": "grow_init"}
    for ours, theirs in names.items():
        assert getattr(table, ours) == defaults[theirs], theirs
    fitted = kind(random_state=0).fit(
        np.random.default_rng(0).normal(size=(100, 5)), np.arange(100) % 2
    )
    assert fitted.model_.layer_sizes[1:-1] == list(table.hidden)
    assert (fitted.model_.dropout, fitted.model_.input_gain) == (table.dropout, table.input_gain)
    assert fitted.n_iter_ == table.epochs
    assert fitted.history_.history["learning_rate"][0] == pytest.approx(
        table.learning_rate, rel=0.01
    )
