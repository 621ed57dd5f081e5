"""The pictures of a training run: what is in them, and that they can be written."""

import io
import sys

import numpy as np
import pytest
from trulysparse.explosion import Baseline
from trulysparse.plot import learning_curves, save_learning_curves

figure = pytest.importorskip("matplotlib.figure", reason="pip install 'trulysparse[plot]'")


@pytest.fixture
def axes():
    """An Axes of a figure that pyplot does not know."""
    return figure.Figure().subplots()


def history(n_epochs):
    t = np.arange(1, n_epochs + 1)
    return {
        "loss": list(1 / t),
        "val_loss": list(1.1 / t),
        "accuracy": list(1 - 0.5 / t),
        "val_accuracy": list(1 - 0.6 / t),
        "seconds": list(0.1 * t),
    }


def curves(panel):
    return {line.get_label(): line for line in panel.lines if line.get_label()[0] != "_"}


class History:
    """The part of trulysparse.History that a plot uses."""

    def __init__(self, values, first):
        self.history = values
        self.epoch = list(range(first, first + len(values["loss"])))


def test_loss_and_accuracy(axes):
    values = history(30)
    assert learning_curves(values, axes) is axes
    loss, accuracy = axes.figure.axes
    assert loss is axes
    for panel, key in ((loss, "loss"), (accuracy, "accuracy")):
        lines = curves(panel)
        assert list(lines) == ["training", "validation"]
        for label, prefix in (("training", ""), ("validation", "val_")):
            np.testing.assert_array_equal(lines[label].get_xdata(), np.arange(1, 31))
            np.testing.assert_array_equal(lines[label].get_ydata(), values[prefix + key])
    assert "best validation 98.0 %, epoch 30" in accuracy.get_title(loc="right")


def test_legends_cover_nothing_and_a_constant_is_drawn(axes):
    record = History(history(30), 0)
    for loss, names in ((0.5, ["training", "validation", "best constant"]), (50, [])):
        record.baseline = Baseline(loss, loss)
        axes.clear()
        learning_curves(record, axes)
        for panel in axes.figure.axes[:2]:
            assert not panel.get_legend().get_frame_on()
        names = names or ["training", "validation"]
        assert [text.get_text() for text in axes.get_legend().get_texts()] == names
        axes.figure.axes[1].remove()


def test_a_test_set_is_named_and_chooses_no_epoch(axes):
    values = {"loss": [1, 1, 1], "accuracy": [0.5, 0.5, 0.5], "val_accuracy": [0.6, 0.8, 0.7]}
    values["val_loss"] = [1, 2, 3]
    learning_curves(values, axes, held_out="test")
    loss, accuracy = axes.figure.axes
    assert list(curves(loss)) == list(curves(accuracy)) == ["training", "test"]
    assert accuracy.get_title(loc="right") == "test 70.0 % after epoch 3"
    (mark,) = (line for line in accuracy.lines if line.get_markersize() == 7)
    assert (*mark.get_xdata(), *mark.get_ydata()) == (3, 0.7)


def test_best_epoch_is_the_first_of_equals(axes):
    values = {"loss": [1, 1, 1], "accuracy": [0.5, 0.5, 0.5], "val_accuracy": [0.6, 0.8, 0.8]}
    learning_curves(values, axes)
    assert axes.figure.axes[1].get_title(loc="right") == "best validation 80.0 %, epoch 2"


@pytest.mark.parametrize("bad", [[np.nan], [np.inf], [1e38, np.inf, np.nan]])
def test_losses_that_are_not_finite_leave_a_gap(axes, recwarn, bad):
    n = 2 + len(bad)
    values = {"loss": [2.0, 1.0, *bad], "val_loss": [2.0, 1.0, *bad]}
    values |= {"accuracy": [0.5] * n, "val_accuracy": [0.6, 0.8, *[np.nan] * len(bad)]}
    learning_curves(values, axes)
    axes.figure.savefig(io.BytesIO())
    loss, accuracy = axes.figure.axes
    assert np.isfinite(loss.get_ylim()).all()
    assert accuracy.get_title(loc="right") == "best validation 80.0 %, epoch 2"
    assert not recwarn.list


def test_no_finite_number_at_all(axes):
    nan = [np.nan, np.nan]
    learning_curves({"loss": nan, "accuracy": nan, "val_accuracy": nan}, axes)
    axes.figure.savefig(io.BytesIO())
    assert axes.figure.axes[1].get_title(loc="right") == ""


def test_history_object_that_continues_a_run(axes):
    learning_curves(History(history(5), first=10), axes)
    np.testing.assert_array_equal(curves(axes)["training"].get_xdata(), [11, 12, 13, 14, 15])


def test_loss_alone_takes_the_whole_figure(axes):
    learning_curves({"loss": [2.0, 1.0], "val_loss": []}, axes)
    assert axes.figure.axes == [axes]
    assert list(curves(axes)) == ["training"]


def test_single_epoch_can_be_seen(axes):
    learning_curves(history(1), axes)
    assert curves(axes)["training"].get_marker() == "o"


def test_new_figure_by_default(monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    ax = learning_curves(history(3))
    assert ax.figure.number in pyplot.get_fignums()
    pyplot.close(ax.figure)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "at least one epoch"),
        ({"loss": []}, "at least one epoch"),
        ({"val_loss": [1.0]}, "at least one epoch"),
        ({"loss": [1.0, 2.0], "val_loss": [1.0]}, "same length"),
    ],
)
def test_errors(axes, values, message):
    with pytest.raises(ValueError, match=f"history: expected .*{message}"):
        learning_curves(values, axes)


@pytest.mark.parametrize("n_epochs", [1, 40])
def test_written_file_is_a_png(tmp_path, n_epochs):
    save_learning_curves(history(n_epochs), tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("draw", [learning_curves, save_learning_curves])
def test_without_matplotlib(monkeypatch, tmp_path, draw):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'trulysparse\[plot\]'"):
        draw(history(2), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
