"""The pictures of neurons, features and topologies: what is drawn is what was given."""

import io
import itertools
import sys

import numpy as np
import pytest
import trulysparse as ts
from helpers.small_model import SIZES, fit, make_model
from trulysparse import plot
from trulysparse.selection.ranking import Step

figure = pytest.importorskip("matplotlib.figure", reason="pip install 'trulysparse[plot]'")

SCORES = np.random.default_rng(1).gamma(3.0, size=300)
CURVE = {
    "percentile": np.array([0.0, 50.0, 90.0]),
    "connections": np.array([1000, 500, 100]),
    "neurons": np.array([60, 30, 6]),
    "loss": np.array([0.5, 0.7, 1.5]),
    "accuracy": np.array([0.9, 0.8, 0.4]),
}


@pytest.fixture
def ax():
    """An Axes of a figure that pyplot does not know."""
    return figure.Figure().subplots()


@pytest.fixture(scope="module")
def recorder():
    recorder = ts.TopologyRecorder()
    fit(make_model(), 5, callbacks=[recorder])
    return recorder


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def heights(bars):
    return np.array([bar.get_height() for bar in bars])


# --- importance -------------------------------------------------------------------------------


def test_histogram_counts(ax):
    assert plot.importance_histogram(SCORES, ax) is ax
    (bars,) = ax.containers
    edges = [bars[0].get_x(), *(bar.get_x() + bar.get_width() for bar in bars)]
    np.testing.assert_array_equal(heights(bars), np.histogram(SCORES, edges)[0])
    assert heights(bars).sum() == len(SCORES)
    assert ax.get_legend() is None


@pytest.mark.parametrize("cut", [{"percentile": 30}, {"threshold": 2.5}])
def test_histogram_with_a_cut(ax, cut):
    values = np.concatenate([np.zeros(17), SCORES])
    plot.importance_histogram(values, ax, **cut)
    at = cut.get("threshold", np.percentile(SCORES, 30))
    below, above = ax.containers[:2]
    assert heights(below).sum() == (at >= SCORES).sum()
    assert heights(above).sum() == (at < SCORES).sum()
    assert not ((heights(below) > 0) & (heights(above) > 0)).any()  # the cut parts no bar
    for low, high in zip(below, above, strict=True):
        assert high.get_y() == low.get_height()
    (line,) = ax.collections
    np.testing.assert_array_equal(line.get_segments()[0][:, 0], [at, at])
    n_below = (at >= SCORES).sum()
    assert f"at or below the cut: {n_below} neurons" in labels(ax)
    assert f"above it: {300 - n_below} neurons" in labels(ax)
    assert any(f"{at:.3g}" in label for label in labels(ax))
    assert "17 neurons without connections" in ax.get_xlabel()


@pytest.mark.parametrize("cut", [{}, {"percentile": 50}, {"threshold": 0}, {"threshold": 1e9}])
@pytest.mark.parametrize("values", [[2.0], [3.0] * 7, [1e-30, 3e38]])
def test_histogram_of_few_or_extreme_values(ax, values, cut):
    plot.importance_histogram(np.array(values, dtype=np.float32), ax, **cut)
    ax.figure.savefig(io.BytesIO())
    assert sum(heights(bars).sum() for bars in ax.containers) == len(values)


def test_bars_are_sorted_and_named(ax):
    names = [f"name {i}" for i in range(5)]
    assert plot.feature_importance_bars([2, 9, -1, 9, 4], ax, names=names, top=4) is ax
    (bars,) = ax.containers
    assert [bar.get_width() for bar in bars] == [9, 9, 4, 2]
    texts = [tick.get_text() for tick in ax.get_yticklabels()]
    assert texts == ["name 1", "name 3", "name 4", "name 0"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    assert "best 4 of 5" in ax.get_xlabel()


def test_bars_without_names_show_columns(ax):
    plot.feature_importance_bars(SCORES, ax)
    best = np.argsort(-SCORES, kind="stable")[:20]
    np.testing.assert_array_equal([bar.get_width() for bar in ax.containers[0]], SCORES[best])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [str(i) for i in best]


def test_names_that_are_long_or_look_like_formulas(ax):
    plot.feature_importance_bars([1.0, 0.5], ax, names=["x" * 90, "$a_$"])
    long, formula = (tick.get_text() for tick in ax.get_yticklabels())
    assert len(long) == 40
    assert formula == r"\$a_\$"
    ax.figure.savefig(io.BytesIO())


# --- inputs -----------------------------------------------------------------------------------


def test_heatmap(ax):
    assert plot.input_connections_heatmap(np.arange(6), (2, 3), ax, label="Paths") is ax
    (image,) = ax.images
    np.testing.assert_array_equal(image.get_array(), [[0, 1, 2], [3, 4, 5]])
    assert image.get_clim() == (0, 5)
    assert ax.get_title(loc="left") == "Paths"
    ax.figure.draw_without_rendering()
    for axis in (ax.xaxis, ax.yaxis, ax.figure.axes[1].yaxis):
        assert all(at == round(at) for at in axis.get_ticklocs())


def test_heatmap_of_equal_numbers(ax):
    plot.input_connections_heatmap(np.zeros((2, 3)), (2, 3), ax)
    ax.figure.savefig(io.BytesIO())


def test_heatmaps_over_epochs_share_their_scale(recorder):
    axes = figure.Figure().subplots(1, 3)
    drawn = plot.input_connections_over_epochs(recorder, (2, 3), [0, 2, 5], axes)
    assert list(drawn) == list(axes)
    degrees = [recorder.out_degrees[0][i].reshape(2, 3) for i in (0, 2, 5)]
    for ax, degree in zip(drawn, degrees, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), degree)
        assert ax.images[0].get_clim() == (np.min(degrees), np.max(degrees))
    assert [ax.get_title() for ax in drawn] == ["before training", "epoch 2", "epoch 5"]
    assert len(drawn[0].figure.axes) == 4  # one bar of colours


# --- topology ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["in", "out"])
def test_degree_distributions(ax, recorder, kind):
    assert plot.degree_distributions(recorder, 1, ax, kind=kind, epochs=[0, 5]) is ax
    assert labels(ax) == ["before training", "epoch 5"]
    for line, i in zip(ax.lines, (0, 5), strict=True):
        degrees = (recorder.in_degrees if kind == "in" else recorder.out_degrees)[1][i]
        ks = line.get_xdata()
        assert {*ks.tolist()} == {0, *degrees.tolist()}
        share = [(degrees >= k).mean() for k in ks]
        np.testing.assert_allclose(line.get_ydata(), share, rtol=1e-12)
    assert "layer 1" in ax.get_title(loc="left")


def test_degree_distributions_of_arrays(ax):
    plot.degree_distributions({"one": [1, 2, 3, 3], "none": [0, 0]}, ax=ax)
    assert labels(ax) == ["one", "none"]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 1, 0.75, 0.5])
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [1])
    ax.figure.savefig(io.BytesIO())
    alone = figure.Figure().subplots()
    assert plot.degree_distributions(np.array([4, 5]), ax=alone).get_legend() is None


def test_a_huge_degree_takes_no_memory(ax):
    plot.degree_distributions([7, 2**31, 3, 7], ax=ax)
    (line,) = ax.lines
    assert line.get_xdata().tolist() == [0, 3, 7, 2**31]
    assert line.get_ydata().tolist() == [1, 1, 0.75, 0.25]
    ax.figure.savefig(io.BytesIO())


def test_up_to_four_epochs_are_chosen(recorder, ax):
    plot.degree_distributions(recorder, 0, ax)
    assert labels(ax) == ["before training", "epoch 2", "epoch 3", "epoch 5"]


def test_size_over_epochs(ax, recorder):
    left, right = plot.size_over_epochs(recorder, ax)
    assert left is ax
    connections = np.sum([recorder.connections[i] for i in range(3)], axis=0)
    neurons = np.sum([recorder.neurons[i] for i in range(2)], axis=0)  # hidden ones
    for panel, values in ((left, connections), (right, neurons)):
        (line,) = panel.lines
        np.testing.assert_array_equal(line.get_xdata(), range(6))
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert panel.get_ylim()[0] == 0
        assert panel.texts[0].get_text() == f"{values[0]:,}"


def test_size_of_a_layer(ax, recorder):
    left, right = plot.size_over_epochs(recorder, ax, layer=2)
    np.testing.assert_array_equal(left.lines[0].get_ydata(), recorder.connections[2])
    np.testing.assert_array_equal(right.lines[0].get_ydata(), [SIZES[-1]] * 6)
    assert "layer 2" in left.get_title(loc="left")


# --- pruning ----------------------------------------------------------------------------------


def test_accuracy_against_parameters(ax):
    assert plot.accuracy_against_parameters(CURVE, ax) is ax
    line, ring = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), [100, 500, 1000])
    np.testing.assert_array_equal(line.get_ydata(), [0.4, 0.8, 0.9])
    assert (*ring.get_xdata(), *ring.get_ydata()) == (1000, 0.9)
    assert [t.get_text() for t in ax.texts] == ["unpruned", "percentile 50", "percentile 90"]
    assert ax.get_xscale() == "linear"
    assert ax.get_legend() is None


def test_percentiles_lie_beside_the_line(ax):
    up = {"percentile": np.arange(0, 100, 5), "connections": np.arange(2000, 0, -100)}
    plot.accuracy_against_parameters(up | {"accuracy": np.linspace(0.9, 0.5, 20)}, ax)
    ax.figure.draw_without_rendering()
    path = ax.lines[0].get_path().transformed(ax.transData)
    boxes = [text.get_window_extent() for text in ax.texts]
    assert len(boxes) == 5
    assert not any(path.intersects_bbox(box, filled=False) for box in boxes)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(boxes, 2))


def test_several_curves_are_named(ax):
    large = {**CURVE, "connections": CURVE["connections"] * 100, "percentile": [10, 50, 90]}
    plot.accuracy_against_parameters({"small": CURVE, "large": large}, ax)
    assert labels(ax) == ["small", "large"]
    assert len(ax.lines) == 3  # large has no percentile 0, so no ring
    assert ax.get_xscale() == "log"
    ax.figure.savefig(io.BytesIO())


# --- selection --------------------------------------------------------------------------------

PATH = [Step(1, 0.5, 0.1, 0.75), Step(9, 0.25, 0.05, 0.9), Step(90, 0.3, 0.06, 0.85)]


def test_a_path_of_scores_with_what_was_selected(ax):
    assert plot.selection_path(PATH[::-1], ax, selected=9) is ax
    line, ring = ax.lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 9, 90])
    np.testing.assert_array_equal(line.get_ydata(), [0.75, 0.9, 0.85])
    assert (*ring.get_xdata(), *ring.get_ydata()) == (9, 0.9)
    assert (ax.get_xscale(), ax.get_ylabel()) == ("log", "Score of held-out samples")
    ax.figure.savefig(io.BytesIO())


def test_a_path_without_scores_has_losses(ax):
    plot.selection_path([step._replace(score=np.nan) for step in PATH[:2]], ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.5, 0.25])
    assert (ax.get_xscale(), ax.get_ylabel()) == ("linear", "Loss of held-out samples")


# --- all of them ------------------------------------------------------------------------------

DRAW = {
    "histogram": lambda r, ax=None: plot.importance_histogram(SCORES, ax, percentile=10),
    "bars": lambda r, ax=None: plot.feature_importance_bars(SCORES, ax),
    "heatmap": lambda r, ax=None: plot.input_connections_heatmap(np.ones(6), (2, 3), ax),
    "heatmaps": lambda r, ax=None: plot.input_connections_over_epochs(r, (2, 3), [5], ax and [ax]),
    "degrees": lambda r, ax=None: plot.degree_distributions(r, 0, ax),
    "size": lambda r, ax=None: plot.size_over_epochs(r, ax),
    "path": lambda r, ax=None: plot.selection_path(PATH, ax),
    "accuracy": lambda r, ax=None: plot.accuracy_against_parameters(CURVE, ax),
}


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_a_new_figure_by_default_and_no_other_state(recorder, draw):
    matplotlib = pytest.importorskip("matplotlib")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    settings, before = dict(matplotlib.rcParams), pyplot.get_fignums()
    drawn = np.ravel(draw(recorder))
    (number,) = set(pyplot.get_fignums()) - set(before)
    assert {ax.figure.number for ax in drawn} == {number}
    drawn[0].figure.savefig(io.BytesIO())
    pyplot.close(number)
    draw(recorder, figure.Figure().subplots())
    assert pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_without_matplotlib(monkeypatch, recorder, draw):
    for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'trulysparse\[plot\]'"):
        draw(recorder)


@pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)
def test_an_ax_of_another_type(recorder, draw):
    with pytest.raises(TypeError, match=r"ax(\[0\])? = 'left': expected a matplotlib Axes"):
        draw(recorder, "left")


ERRORS = [
    (lambda r: plot.selection_path([]), ValueError, "path has no steps: expected"),
    (lambda r: plot.selection_path([(1, 2)]), TypeError, r"path\[0\] = \(1, 2\): expected a step"),
    (lambda r: plot.selection_path(None), TypeError, "path = None: expected"),
    (lambda r: plot.selection_path(PATH, selected=2), ValueError, "selected = 2: expected"),
    (lambda r: plot.importance_histogram([1.0, -1.0]), ValueError, "importance has -1"),
    (lambda r: plot.importance_histogram([0.0, 0.0]), ValueError, "expected one above 0, all 2"),
    (lambda r: plot.importance_histogram([]), ValueError, "importance has the shape"),
    (lambda r: plot.importance_histogram([1, np.nan]), ValueError, r"importance\[1\] = nan"),
    (lambda r: plot.importance_histogram(["a"]), TypeError, "importance: expected an array of"),
    (lambda r: plot.importance_histogram([1], percentile=100), ValueError, "percentile = 100: "),
    (lambda r: plot.importance_histogram([1], threshold=-1), ValueError, "threshold = -1: "),
    (
        lambda r: plot.importance_histogram([1], percentile=5, threshold=1),
        ValueError,
        "percentile = 5 and threshold = 1: expected one of the two",
    ),
    (lambda r: plot.feature_importance_bars([[1]]), ValueError, r"scores has the shape \(1, 1\)"),
    (lambda r: plot.feature_importance_bars([1], top=0), ValueError, "top = 0: expected"),
    (lambda r: plot.feature_importance_bars([1], names=["a", "b"]), ValueError, "expected 1, one"),
    (lambda r: plot.feature_importance_bars([1], names=3), TypeError, "names = 3: expected"),
    (
        lambda r: plot.input_connections_heatmap(np.ones(5), (2, 3)),
        ValueError,
        r"connections has 5 values: expected 6, as shape = \(2, 3\)",
    ),
    (
        lambda r: plot.input_connections_heatmap(np.ones((3, 2)), (2, 3)),
        ValueError,
        r"connections has the shape \(3, 2\): expected \(2, 3\)",
    ),
    (lambda r: plot.input_connections_heatmap([1], (1, 1, 1)), ValueError, "expected .rows, col"),
    (lambda r: plot.input_connections_heatmap([1], 1), TypeError, "shape = 1: expected"),
    (lambda r: plot.input_connections_over_epochs(r, (2, 2)), ValueError, "has 6 values"),
    (
        lambda r: plot.input_connections_over_epochs(r, (2, 3), [9]),
        ValueError,
        r"epochs\[0\] = 9: expected a recorded epoch, which are 0, 1, 2, 3, 4, 5",
    ),
    (lambda r: plot.input_connections_over_epochs(r, (2, 3), []), ValueError, "epochs = "),
    (
        lambda r: plot.input_connections_over_epochs(r, (2, 3), [0, 1], [None]),
        ValueError,
        "ax has 1 Axes: expected 2",
    ),
    (lambda r: plot.degree_distributions(r, 3), ValueError, "layer = 3: expected a recorded layer"),
    (lambda r: plot.degree_distributions(r, kind="up"), ValueError, "kind = 'up'"),
    (lambda r: plot.degree_distributions([1], epochs=[0]), ValueError, "epochs = .0.: expected"),
    (lambda r: plot.degree_distributions({}), ValueError, "degrees is empty"),
    (lambda r: plot.degree_distributions({"a": [0.5]}), ValueError, r"degrees\['a'\]: expected"),
    (lambda r: plot.degree_distributions([1e300, 2]), ValueError, "degrees: expected .* from 0 to"),
    (lambda r: plot.degree_distributions([2**63]), ValueError, "degrees: expected .* from 0 to"),
    (lambda r: plot.size_over_epochs({}), TypeError, "recorder = {}: expected a trulysparse.Top"),
    (lambda r: plot.size_over_epochs(ts.TopologyRecorder()), ValueError, "a callback of a fit"),
    (lambda r: plot.size_over_epochs(r, layer="0"), TypeError, "layer = '0'"),
    (lambda r: plot.accuracy_against_parameters([1]), TypeError, "curve = .1.: expected a dict"),
    (lambda r: plot.accuracy_against_parameters({}), ValueError, "curve is empty"),
    (
        lambda r: plot.accuracy_against_parameters({"a": {"percentile": [0]}}),
        ValueError,
        r"curve\['a'\]: expected the keys .*there is no 'connections', 'accuracy'",
    ),
    (
        lambda r: plot.accuracy_against_parameters({**CURVE, "accuracy": [1.0]}),
        ValueError,
        "same length",
    ),
    (
        lambda r: plot.accuracy_against_parameters({**CURVE, "refused": [1, 1, 2]}),
        ValueError,
        "expected a point at which no layer was refused",
    ),
]


@pytest.mark.parametrize(("draw", "error", "message"), ERRORS)
def test_errors(recorder, draw, error, message):
    with pytest.raises(error, match=message):
        draw(recorder)


def test_a_recorder_without_degrees():
    recorder = ts.TopologyRecorder(degrees=False)
    fit(make_model(), 1, callbacks=[recorder])
    with pytest.raises(ValueError, match="expected one made with degrees=True"):
        plot.degree_distributions(recorder)


def test_a_neuron_at_the_cut_is_drawn_below_it():
    ax = figure.Figure().add_subplot()
    plot.importance_histogram(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), ax, threshold=3.0)
    below = [bar for bar in ax.containers[0] if bar.get_height() > 0]
    assert sum(bar.get_height() for bar in below) == 3
    assert all(bar.get_x() + bar.get_width() <= np.nextafter(3.0, 4) for bar in below)


def test_learning_curves_name_what_is_no_history():
    with pytest.raises(TypeError, match="history = None"):
        plot.learning_curves(None)
