"""The callback that records norms of gradients, and its picture."""

import doctest
import io
import pickle

import numpy as np
import pytest
import trulysparse as ts
from helpers import oracle as o
from helpers.small_model import X, Y, fit, make_model
from trulysparse import plot
from trulysparse.callbacks import gradient_norms


@pytest.mark.parametrize(
    "options",
    [{}, {"standardize": True, "dropout": 0.5}, {"loss": "squared_error_sigmoid", "sizes": None}],
)
def test_norms_are_those_of_the_oracle(options):
    if "sizes" in options:
        model = ts.SparseMLP([6, 20, 15, 1], density=0.5, seed=3, loss=options["loss"])
        x, y = X, (Y > 1) * 1.0
    else:
        model, (x, y) = make_model(**options), (X, Y)
    flow, norms = ts.GradientNorms(x[:30], y[:30]), []

    class Judge(ts.Callback):
        def on_epoch_begin(self, epoch, logs):
            if not norms:
                self.on_epoch_end(epoch, logs)

        def on_epoch_end(self, epoch, logs):
            gradients = o.from_model(self.model).gradients(x[:30], y[:30])
            norms.append([float(np.linalg.norm(weight)) for weight, _ in gradients])

    model.fit(x, y, epochs=3, callbacks=[flow, Judge()], progress=False)
    assert flow.epochs == [0, 1, 2, 3]
    np.testing.assert_allclose(np.array(list(flow.norms.values())).T, norms, rtol=1e-5)
    assert repr(flow) == "GradientNorms(epochs=[0, 1, 2, 3], layers=[0, 1, 2])"


@pytest.mark.parametrize("strategy", [None, ts.WASSP(workers=2)])
@pytest.mark.parametrize("memory", ["fast", "least"])
def test_the_fit_has_the_same_bits(state_of, strategy, memory):
    if strategy is not None and memory != "fast":
        pytest.skip("with a strategy fast only")
    options = {
        "epochs": 4, "validation_data": (X, Y), "strategy": strategy, "memory": memory,
        "pruning": ts.ImportancePruning(start=2, every=1, percentile=10),
    }  # fmt: skip
    plain, watched = (make_model(standardize=True) for _ in range(2))
    fit(plain, **options)
    fit(watched, **options, callbacks=[ts.GradientNorms(X, Y)])
    assert state_of(watched) == state_of(plain)


@pytest.mark.parametrize(
    ("every", "epochs", "recorded"),
    [(1, 2, [0, 1, 2]), (2, 4, [0, 2, 4]), (3, 7, [0, 3, 6, 7]), (9, 2, [0, 2]), (1, 0, [])],
)
def test_every(every, epochs, recorded):
    flow = ts.GradientNorms(X, Y, every)
    fit(make_model(), epochs, callbacks=[flow])
    assert flow.epochs == recorded
    assert [len(norms) for norms in flow.norms.values()] == [len(recorded)] * 3


def test_a_second_fit_starts_anew_where_it_starts():
    flow, model = ts.GradientNorms(X, Y), make_model()
    fit(model, 2, callbacks=[flow])
    last = flow.norms[1][-1]
    fit(model, 3, initial_epoch=2, callbacks=[flow], topology=None)
    assert flow.epochs == [2, 3]
    assert flow.norms[1][0] == last
    assert pickle.loads(pickle.dumps(flow)).norms == flow.norms


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ts.GradientNorms(X[:, :5], Y), "GradientNorms: x"),
        (lambda: ts.GradientNorms(X, Y + 9), "GradientNorms: y"),
        (lambda: ts.GradientNorms(X, Y[:7]), "GradientNorms: y"),
        (lambda: ts.GradientNorms(X, Y, 0), "every = 0"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_changed(state_of, make, message):
    model = make_model()
    before = state_of(model)
    with pytest.raises(ValueError, match=message):
        fit(model, callbacks=[make()])
    assert state_of(model) == before


def test_the_example_of_the_docstring():
    assert doctest.testmod(gradient_norms).failed == 0


# --- the picture ----------------------------------------------------------------------------------


@pytest.fixture
def ax():
    figure = pytest.importorskip("matplotlib.figure", reason="pip install 'trulysparse[plot]'")
    return figure.Figure().subplots()


def test_a_curve_for_each_layer(ax):
    flow = ts.GradientNorms(X, Y)
    fit(make_model(), 4, callbacks=[flow])
    assert plot.gradient_flow(flow, ax) is ax
    assert ax.get_yscale() == "log"
    for layer, line in enumerate(ax.lines):
        assert line.get_xdata().tolist() == flow.epochs
        assert line.get_ydata().tolist() == flow.norms[layer]
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["layer 1", "layer 2", "output"]


def test_zeros_and_what_is_not_finite_leave_gaps(ax):
    plot.gradient_flow([[1.0, 0.0], [2.0, 0.5]], ax)
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), [np.nan, 0.5])
    flow = ts.GradientNorms(X, Y)
    flow.epochs, flow.norms = [0, 1], {0: [0.1, np.inf]}
    plot.gradient_flow(flow, ax)
    np.testing.assert_array_equal(ax.lines[2].get_ydata(), [0.1, np.nan])
    plot.gradient_flow([[0.0]], ax)  # nothing to see, but a picture
    ax.figure.savefig(io.BytesIO())


@pytest.mark.parametrize(
    ("norms", "kind", "message"),
    [
        (ts.GradientNorms(X, Y), ValueError, "callback of a fit"),
        ([1.0, 2.0], ValueError, "2-D"),
        ([[-1.0]], ValueError, "at least 0"),
        ([[np.nan]], ValueError, "finite"),
        ("flow", TypeError, "norms"),
    ],
)
def test_what_cannot_be_drawn(norms, kind, message):
    with pytest.raises(kind, match=message):
        plot.gradient_flow(norms)
