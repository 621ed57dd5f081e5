"""Words of other libraries where something is made, called, set or looked for in a module."""

import copy
import dataclasses
import inspect
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import SIZES, X, Y
from trulysparse import _hints, _words, callbacks, datasets, estimators, optim, plot, topology
from trulysparse.optim import schedules
from trulysparse.parallel import strategies

MADE = [
    kind
    for kind in (vars(ts) | vars(schedules) | vars(strategies)).values()
    if isinstance(kind, type) and issubclass(kind, _hints.Worded)
]


def make():
    return ts.SparseMLP(SIZES, epsilon=3, seed=0, threads=1)


@pytest.mark.parametrize("kind", MADE, ids=lambda kind: kind.__name__)
def test_each_class_says_what_a_word_means(kind):
    known = set(inspect.signature(kind).parameters)
    words = [_words.OF.get(base.__name__, {}) for base in kind.__mro__]
    for word in {*_hints.ARGUMENTS, "verbose", "lr", "colour"}.union(*words) - known:
        message = rf"^{kind.__name__} has no argument '{word}': expected \w"
        with pytest.raises(TypeError, match=message) as caught:
            kind(**{word: 0})
        said = str(caught.value).rsplit("expected ", 1)[1]
        assert not said.isidentifier() or said in known, (word, said)


def test_all_that_users_make_is_among_them():
    names = {kind.__name__ for kind in MADE}
    assert {*optim.__all__, *callbacks.__all__} - {"Logs", "Optimizer", "Schedule"} <= names
    assert {"SET", "GradientGrowth", "TopologyRule", "ImportancePruning"} <= names
    assert {"WASSP", "WASAP", "ImageAugmentation"} <= names


def test_some_arguments():
    for call, message in (
        (lambda: ts.Adam(lr=0.1), "^Adam has no argument 'lr': expected learning_rate$"),
        (lambda: ts.Adam(betas=(0.9, 0.99)), "expected beta_1=... and beta_2=...$"),
        (lambda: ts.SGD(clipnorm=1), "gradients are not clipped"),
        (lambda: ts.SGD(epochs=3), r"expected SparseMLP.fit\(..., epochs=...\)$"),
        (lambda: ts.EarlyStopping(patince=3), "expected patience$"),
        (lambda: ts.ModelCheckpoint("a", save_weights_only=True), "holds the whole model"),
        (lambda: ts.TerminateOnNaN(3), r"^TerminateOnNaN takes no arguments"),
        (lambda: ts.SET(drop_fraction=0.3), "expected zeta$"),
        (lambda: make().save("a", overwrite=True), "a file that exists is replaced$"),
        (lambda: make().train_on_batch(X, Y, lr=1), r"expected train_on_batch\(..., optimizer="),
        (lambda: make().prune(amount=0.5), "expected percentile$"),
        (lambda: make().evolve(zeta=0.5), r"expected evolve\(..., topology=trulysparse.SET\("),
        (lambda: ts.plan(SIZES, epochs=3), r"^plan has no argument 'epochs': expected \w"),
        (lambda: ts.load("a", custom_objects={}), "^load has no argument 'custom_objects'"),
        (lambda: datasets.load_cifar10(seed=3), "expected only data_dir$"),
        (lambda: datasets.load_digits(random_state=3), "expected seed$"),
        (lambda: plot.learning_curves({}, figsize=3), "expected ax"),
        (lambda: ts.read_table("a", sep=","), "expected separator$"),
        (lambda: ts.SparseFeatureSelector(k=3), "expected n_features_to_select$"),
    ):
        with pytest.raises(TypeError, match=message):
            call()


def test_each_function_refuses_words():
    functions = [getattr(module, name) for module in (datasets, plot) for name in module.__all__]
    functions = [f for f in (*functions, ts.load, ts.preset, ts.read_table, ts.open_table)
                 if inspect.isfunction(f)]  # fmt: skip
    assert len(functions) > 25
    for function in functions:
        needed = [
            parameter.name
            for parameter in inspect.signature(function).parameters.values()
            if parameter.default is parameter.empty
        ]
        said = f"^{function.__name__} has no argument 'colour': expected "
        with pytest.raises(TypeError, match=said):
            function(*needed, colour=0)


def test_own_classes_take_their_own_words(monkeypatch):
    class Mine(ts.Callback):
        def __init__(self, lr, **others):
            self.lr, self.others = lr, others

    class Model(ts.SparseMLP):
        trainable = None

    class Made(ts.Callback):
        def __new__(cls, verbose):
            return super().__new__(cls)

    assert Mine(3, verbose=1).others == {"verbose": 1}
    assert isinstance(Made(verbose=1), Made)
    model = Model(SIZES, density=1, seed=0)
    model.mark = model.trainable = 1
    assert (model.mark, model.trainable) == (1, 1)
    other = make()
    monkeypatch.setattr(other, "predict", len)
    other._mark = 1
    assert other.predict([1]) == other._mark == 1


def test_copies_and_pickles_stay():
    for made in (ts.SGD(0.5), ts.Cosine(), ts.SET(0.1), ts.WASSP(2), ts.ImageAugmentation()):
        for again in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
            assert again == made == dataclasses.replace(again)


def test_what_is_fixed_says_what_to_make():
    for made, name in ((ts.Adam(), "learning_rate"), (ts.SET(), "zeta"), (ts.WASSP(), "workers")):
        kind = type(made).__name__
        message = rf"^{kind}.{name} cannot be set: .* trulysparse.{kind}\({name}=...\)"
        with pytest.raises(dataclasses.FrozenInstanceError, match=message):
            setattr(made, name, 0.5)
    with pytest.raises(
        AttributeError, match=r"^Adam has no attribute 'lr': expected learning_rate"
    ):
        ts.Adam().lr = 1


def test_another_optimiser_of_a_kind_keeps_the_moments():
    one = make()
    one.train_on_batch(X, Y, optimizer=ts.Adam(0.01))
    other = copy.deepcopy(one)
    one.train_on_batch(X, Y, optimizer=ts.Adam(0.01))
    other.train_on_batch(X, Y, optimizer=ts.Adam(0.5))
    layers = one.layers[0], other.layers[0]
    assert np.array_equal(*(layer.second_moment.data for layer in layers))
    assert np.array_equal(*(layer.momentum.data for layer in layers))
    assert not np.array_equal(*(layer.weight.data for layer in layers))


def test_attributes_that_one_sets():
    model = make()
    before = pickle.dumps(model)
    for owner, name, message in (
        (model, "foo", "'SparseMLP' object has no attribute 'foo': metadata"),
        (model, "lr", "expected learning_rate"),
        (model, "stop_trainin", "expected stop_training$"),
        (model, "dropout", r"^SparseMLP.dropout can only be read: SparseMLP\(..., dropout="),
        (model, "nnz", "^SparseMLP.nnz can only be read: "),
        (model.layers[0], "trainable", "a fit trains all layers$"),
        (model.layers[0], "weight", "^Layer.weight can only be read: SparseMLP.from_scipy"),
    ):
        with pytest.raises(AttributeError, match=message):
            setattr(owner, name, 0)
    assert pickle.dumps(model) == before
    model.threads, model.stop_training, model.metadata = 2, True, {"a": "b"}
    assert model.threads == 2
    assert pickle.loads(pickle.dumps(model)).metadata == {"a": "b"}
    with pytest.raises(TypeError, match=r"^a SparseMLP cannot be called: predict\(x\)"):
        model(X)


MODULES = (ts, optim, callbacks, topology, datasets, plot, estimators, ts.parallel)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_modules_say_what_a_name_means(module):
    for name in _words.NAMES:
        if name in module.__all__:
            continue
        with pytest.raises(AttributeError, match=rf"no attribute '{name}': expected \w"):
            getattr(module, name)
    for name in ("_zz", "zzzzzz"):
        assert not hasattr(module, name)


def test_names_that_are_said_are_there():
    for said in _words.NAMES.values():
        name = said.split("(")[0].split(",")[0].split(" ")[0]
        if name[0].isupper() or name.startswith(("load", "read", "datasets.")):
            owner = datasets if name.startswith("datasets.") else ts
            assert hasattr(owner, name.removeprefix("datasets.")), said


def test_imports_say_so_too():
    for line, message in (
        ("from trulysparse import AdamW", r"'AdamW' from 'trulysparse': expected Adam\("),
        ("from trulysparse import SGD, EarlyStoping", "expected trulysparse.EarlyStopping$"),
        ("from trulysparse.datasets import load_mnist", "expected trulysparse.datasets.load_fas"),
    ):
        with pytest.raises(ImportError, match=message):
            exec(line)
    # Modules that nothing has imported yet, and whose names are near others.
    code = "from trulysparse import cli, estimators; from trulysparse.callbacks import given"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("ending", [".h5", ".keras", ".pt", ".csv", ".PKL", ".npz"])
def test_files_of_other_formats_are_not_written(tmp_path, ending):
    path = tmp_path / f"model{ending}"
    message = rf"model\{ending}': expected the ending .safetensors, or none; "
    fitted = ts.SparseMLPClassifier((4,), max_iter=1, random_state=0).fit(X, np.arange(len(X)) % 2)
    for call in (
        lambda: make().save(path),
        lambda: fitted.save(path),
        lambda: ts.ModelCheckpoint(path),
        lambda: ts.WASSP(checkpoint=path),
    ):
        with pytest.raises(ValueError, match=re.escape(message.replace("\\", ""))):
            call()
    assert not path.exists()
    for name in ("model", "model.safetensors", "0.25", "model.v2"):
        make().save(tmp_path / name)
        assert ts.load(tmp_path / name).nnz


def batches():
    yield X, Y


class Loader:
    def __iter__(self):
        return batches()


@pytest.mark.parametrize("given", [batches, Loader, lambda: [(X, Y)]])
def test_only_fit_takes_batches(given):
    model = make()
    for call in (model.predict, model.evaluate, lambda x: model.train_on_batch(x, Y)):
        with pytest.raises(
            (TypeError, ValueError), match=r"^x (is a|holds) .*only fit takes batch"
        ):
            call(given())


def test_one_row_is_no_table():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X)
    model = make()
    for call in (model.predict, lambda x: model.fit(x, Y, progress=False)):
        for row, message in (
            (
                frame.iloc[0],
                r"^x has shape \(\d+,\): expected .* of a frame is frame.iloc\[\[0\]\]",
            ),
            (dict(frame.iloc[0]), r"^x is a dict: expected a table: pandas.DataFrame\(\[x\]\)"),
            ([dict(frame.iloc[0])], r"^x has dictionaries: expected a table: "),
            (X[0], r"one sample is x\[None\]$"),
        ):
            with pytest.raises((TypeError, ValueError), match=message):
                call(row)
    assert model.predict(frame.iloc[[0]]).shape == model.predict(X[0][None]).shape


def test_a_model_is_no_numbers_to_draw():
    model = make()
    for draw, message in (
        (plot.feature_importance_bars, r"model.feature_importance\(\), got a SparseMLP$"),
        (plot.importance_histogram, r"model.importance\(1\), got a SparseMLP$"),
        (plot.gradient_flow, "got a SparseMLP$"),
        (plot.learning_curves, "model.history"),
    ):
        with pytest.raises(TypeError, match=message):
            draw(model)
