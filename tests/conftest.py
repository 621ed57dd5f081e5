"""Hypothesis profiles and fixtures that several test files share."""

import gzip
import os
import signal
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from helpers.command_line import RNG, write_csv
from helpers.data_files import idx
from hypothesis import HealthCheck, settings
from trulysparse.cli import prune, train

# A shell's background job ignores Ctrl-C, and so would the tests that send it and their children.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Timing is no part of any test: no deadline, and no complaint about slow data generation on a
# loaded machine. HYPOTHESIS_PROFILE=thorough looks 15 times as hard, quick a quarter.
settings.register_profile(
    "default", deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", settings.get_profile("default"), max_examples=600)
settings.register_profile("quick", settings.get_profile("default"), max_examples=10)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def moments(layer):
    """Adam's, if there are some."""
    if layer.second_moment is None:
        return ()
    return (layer.second_moment.data, layer.bias_second_moment)


def _state(model):
    """Everything that training changes, as bytes: equal states are equal bit for bit."""
    layers = [
        (array.dtype.str, array.shape, array.tobytes())
        for layer in model.layers
        for array in (
            layer.weight.indptr.astype(np.int64),
            layer.weight.indices.astype(np.int64),
            layer.weight.data,
            layer.bias,
            layer.momentum.indptr.astype(np.int64),
            layer.momentum.indices.astype(np.int64),
            layer.momentum.data,
            layer.bias_momentum,
            layer.pruned,
            *moments(layer),
        )
    ]
    parts = [part for la in model.layers for part in (la.srelu, la.srelu_momentum)]
    layers += [None if part is None else part.tobytes() for part in parts]
    layers += [model.units(level).tobytes() for level in range(len(model.layer_sizes))]
    statistics = [None if s is None else np.asarray(s).tobytes() for s in (model.mean, model.scale)]
    counters = (model.epochs_trained, model.steps_trained, model.evolutions)
    return layers, statistics, counters, dict(model.metadata)


@pytest.fixture(scope="session")
def state_of():
    """``state_of(model)``: a comparable, independent copy of a model's whole state."""
    return _state


@pytest.fixture(scope="session")
def digits():
    """(x_train, y_train, x_test, y_test) of scikit-learn's digits, with its constant pixels."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    assert (x.std(axis=0) == 0).any()
    x_train, x_test, y_train, y_test = train_test_split(
        x.astype(np.float32), y, test_size=0.3, random_state=0, stratify=y
    )
    return x_train, y_train, x_test, y_test


@pytest.fixture(scope="session")
def wine():
    """scikit-learn's wine in parts, as `train_test_split` gives them."""
    from sklearn.datasets import load_wine
    from sklearn.model_selection import train_test_split

    x, y = load_wine(return_X_y=True)
    return train_test_split(x, y, stratify=y, test_size=0.3, random_state=0)


@pytest.fixture(scope="session")
def diabetes():
    """scikit-learn's diabetes in parts, as `train_test_split` gives them."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    return train_test_split(*load_diabetes(return_X_y=True), test_size=0.3, random_state=0)


@pytest.fixture
def fashion_folder(tmp_path):
    """A tiny folder in the layout of Fashion-MNIST, half of it compressed."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 20)):
        images = rng.integers(0, 256, (count, 28, 28))
        labels = np.arange(count) % 10
        (tmp_path / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
    return tmp_path


@pytest.fixture
def flowers(tmp_path):
    """A .csv of three classes that are easy to tell apart by their features a, b and c."""
    y = np.arange(120) % 3
    x = RNG.normal(size=(120, 3)) * 0.1 + np.eye(3)[y]
    return write_csv(tmp_path / "flowers.csv", x, np.array(["iris", "poppy", "rose"])[y], "abcy")


@pytest.fixture(scope="session", autouse=True)
def offline():
    """No test asks OpenML; those of its answers replace `fetch_openml` by another function."""

    def fetch(*arguments, **options):
        raise OSError("no network in tests")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn.datasets.fetch_openml", fetch)
        yield


DRAWN = {train: "save_learning_curves", prune: "save_pruning_curve"}


@pytest.fixture(scope="session", autouse=True)
def sketched():
    """Commands in the tests' own process lay out their pictures, and do not draw them.

    Drawing takes longer than all else that a command does to a small table. The commands that tests
    start as processes draw, and so does a test that asks for `drawn`.
    """

    def sketch(figure, path, **options):
        Path(path).write_bytes(b"sketched")

    def sketching(usual):
        def save(*given, **options):
            if find_spec("matplotlib") is None:
                return usual(*given, **options)
            with mock.patch("matplotlib.figure.Figure.savefig", sketch):
                return usual(*given, **options)

        save.usual = usual
        return save

    with pytest.MonkeyPatch.context() as patch:
        for command, name in DRAWN.items():
            patch.setattr(command, name, sketching(getattr(command, name)))
        yield


@pytest.fixture
def drawn(sketched, monkeypatch):
    """The commands of this test draw their pictures."""
    for command, name in DRAWN.items():
        monkeypatch.setattr(command, name, getattr(command, name).usual)
