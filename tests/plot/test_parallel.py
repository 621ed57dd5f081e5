"""The pictures of training on several workers: what is drawn is what was given."""

import io
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import fit, make_model
from trulysparse import plot

figure = pytest.importorskip("matplotlib.figure", reason="pip install 'trulysparse[plot]'")

SPEED = {4: [30.0, 34.0, 38.0], 1: [9.0, 10.0, 20.0], 2: 19.0}


@pytest.fixture
def ax():
    """An Axes of a figure that pyplot does not know."""
    return figure.Figure().subplots()


def lines(ax):
    return {line.get_label(): line for line in ax.lines if line.get_label()[0] != "_"}


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


# --- over workers -----------------------------------------------------------------------------


def test_speedups_are_relative_to_the_median_of_one_worker(ax):
    assert plot.speedup_over_workers(SPEED, ax) is ax
    assert labels(ax) == ["ideal", "measured"]
    ideal, measured = lines(ax).values()
    np.testing.assert_array_equal(ideal.get_xydata(), [[1, 1], [4, 4]])
    np.testing.assert_allclose(measured.get_xydata(), [[1, 1], [2, 1.9], [4, 3.4]])
    (bars,) = ax.collections
    ends = [segment[:, 1] for segment in bars.get_segments()]
    np.testing.assert_allclose(ends, [[0.95, 1.5], [1.9, 1.9], [3.2, 3.6]])
    assert list(ax.get_xticks()) == [1, 2, 4]


def test_speedups_of_several_things(ax):
    plot.speedup_over_workers({"a": {1: 5, 2: 9}, "b": {1: 7, 8: 21}}, ax)
    assert labels(ax) == ["ideal", "a", "b"]
    np.testing.assert_array_equal(lines(ax)["b"].get_ydata(), [1, 3])
    np.testing.assert_array_equal(lines(ax)["ideal"].get_xdata(), [1, 8])
    assert not ax.collections  # single numbers have no spread
    assert len({line.get_color() for line in lines(ax).values()}) == 3


def test_accuracies_have_their_mean_and_every_seed(ax):
    assert plot.accuracy_over_workers({2: [0.8, 0.9], 1: [0.7, 0.9, 0.8]}, ax) is ax
    assert ax.get_legend() is None
    (line,) = lines(ax).values()
    np.testing.assert_allclose(line.get_xydata(), [[1, 0.8], [2, 0.85]])
    points = np.concatenate([points.get_offsets() for points in ax.collections])
    np.testing.assert_allclose(points, [[1, 0.7], [1, 0.9], [1, 0.8], [2, 0.8], [2, 0.9]])


def test_accuracies_of_several_things(ax):
    plot.accuracy_over_workers({"WASSP": {1: [0.5]}, "WASAP": {1: [0.5], 3: [0.25]}}, ax)
    assert labels(ax) == ["WASSP", "WASAP"]
    np.testing.assert_array_equal(lines(ax)["WASAP"].get_ydata(), [0.5, 0.25])


@pytest.mark.parametrize("draw", [plot.speedup_over_workers, plot.accuracy_over_workers])
def test_a_single_number_and_very_many_workers(ax, draw):
    draw({1: 0.5}, ax)
    other = ax.figure.add_subplot()
    draw(dict.fromkeys(range(1, 200), 1.0), other)
    assert len(other.get_xticks()) < 20
    ax.figure.savefig(io.BytesIO())


# --- staleness --------------------------------------------------------------------------------


def test_staleness_of_a_fit(ax):
    history = fit(make_model(), 4, strategy=ts.WASAP(workers=2, local_fraction=0))
    counts = history.staleness_histogram
    assert plot.staleness_histogram(history, ax) is ax
    (bars,) = ax.containers
    drawn = [bar.get_height() for bar in bars]
    np.testing.assert_allclose(drawn, np.array(counts)[: len(bars)] / sum(counts))
    mean = np.dot(counts, range(len(counts))) / sum(counts)
    assert ax.get_title(loc="right") == f"mean {mean:.3g}"
    assert ax.get_ylabel() == f"Part of {sum(counts)} gradients"


def test_a_long_tail_is_left_out_and_counted(ax):
    plot.staleness_histogram([500, 490, 5, *[0] * 300, 5], ax)
    (bars,) = ax.containers
    assert [bar.get_height() for bar in bars] == [0.5, 0.49, 0.005, *[0] * 7]
    assert "(5 above 9 not shown)" in ax.get_xlabel()


def test_many_bins_are_drawn_in_groups(ax):
    plot.staleness_histogram(np.ones(100, int), ax)
    (bars,) = ax.containers
    assert [bar.get_height() for bar in bars] == pytest.approx([0.03] * 33)
    assert bars[1].get_x() + bars[1].get_width() / 2 == 4  # of 3, 4 and 5
    assert "(1 above 98 not shown)" in ax.get_xlabel()


def test_a_full_last_bin_makes_the_mean_a_bound(ax):
    plot.staleness_histogram([*[0] * 1023, 1], ax)
    assert ax.get_title(loc="right") == "mean at least 1.02e+03"
    plot.staleness_histogram([3], other := ax.figure.add_subplot())
    assert other.get_title(loc="right") == "mean 0"
    ax.figure.savefig(io.BytesIO())


# --- errors -----------------------------------------------------------------------------------

ERRORS = [
    (lambda: plot.speedup_over_workers([1]), TypeError, "speed = .1.: expected a dict"),
    (lambda: plot.speedup_over_workers({}), ValueError, "speed is empty"),
    (lambda: plot.speedup_over_workers({"a": {}}), ValueError, r"speed\['a'\] is empty"),
    (lambda: plot.speedup_over_workers({2: 1}), ValueError, "speed: expected .*1 worker, got 2"),
    (lambda: plot.speedup_over_workers({"a": {2: 1}}), ValueError, r"speed\['a'\]: expected"),
    (lambda: plot.speedup_over_workers({1: [1, 0]}), ValueError, r"speed\[1\] has 0: .*above 0"),
    (lambda: plot.speedup_over_workers({1: [np.nan]}), ValueError, r"speed\[1\].*finite"),
    (lambda: plot.speedup_over_workers({1: []}), ValueError, r"speed\[1\] has the shape"),
    (lambda: plot.speedup_over_workers({1: "x"}), TypeError, r"speed\[1\]: expected"),
    (lambda: plot.speedup_over_workers({0: 1.0}), ValueError, "a key of speed = 0"),
    (lambda: plot.speedup_over_workers({"a": 1.0}), TypeError, "a key of speed = 'a'"),
    (lambda: plot.speedup_over_workers({1: 1}, "x"), TypeError, "ax = 'x'"),
    (lambda: plot.accuracy_over_workers(None), TypeError, "accuracy = None"),
    (lambda: plot.accuracy_over_workers({1: 85.0}), ValueError, r"accuracy\[1\]: .*\[0, 1\]"),
    (lambda: plot.staleness_histogram(None), ValueError, "history = None: .*WASAP"),
    (lambda: plot.staleness_histogram(ts.History()), ValueError, "staleness_histogram = None"),
    (lambda: plot.staleness_histogram([]), ValueError, "history: expected at least one gradient"),
    (lambda: plot.staleness_histogram([0, 0]), ValueError, "at least one gradient"),
    (lambda: plot.staleness_histogram([1, -1]), ValueError, "history has -1: expected"),
    (lambda: plot.staleness_histogram("x"), TypeError, "history: expected an array"),
    (lambda: plot.staleness_histogram([[1]]), ValueError, "history has the shape"),
]


@pytest.mark.parametrize(("draw", "error", "message"), ERRORS)
def test_errors(draw, error, message):
    with pytest.raises(error, match=message):
        draw()


DRAWN = [
    lambda: plot.speedup_over_workers(SPEED),
    lambda: plot.accuracy_over_workers({1: 0.5}),
    lambda: plot.staleness_histogram([1]),
]


@pytest.mark.parametrize("draw", DRAWN)
def test_new_figure_by_default(draw):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    ax = draw()
    assert ax.figure.number in pyplot.get_fignums()
    pyplot.close(ax.figure)


@pytest.mark.parametrize("draw", DRAWN)
def test_without_matplotlib(monkeypatch, draw):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'trulysparse\[plot\]'"):
        draw()
