"""What notebooks show of networks, plans, histories and explanations, and frames of them."""

import math
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
import trulysparse as ts
from helpers.small_model import SIZES, X, Y
from trulysparse import _html

LARGEST = 20_000
BAD = "<b>&\"'\0</b>" + "x" * 1000


class Named(ts.Callback):
    """Put many numbers under odd names into the logs, not all of them finite."""

    def on_epoch_end(self, epoch, logs):
        logs.update({f"{place}{BAD}": math.inf if epoch else 1e308 for place in range(50)})


@pytest.fixture(scope="module")
def model():
    made = ts.SparseMLP(SIZES, epsilon=4, seed=0, threads=1)
    made.fit(X, Y, epochs=3, progress=False, callbacks=[Named()])
    return made


def parsed(shown):
    """Give the text of HTML that is well-formed, small, and has neither scripts nor colours."""
    html = shown._repr_html_()
    assert len(html.encode()) <= LARGEST
    root = ElementTree.fromstring(html)
    tags = {element.tag for element in root.iter()}
    assert tags <= {
        "div", "strong", "table", "thead", "tbody", "tr", "th", "td",
        "svg", "rect", "path", "polyline", "title",
    }  # fmt: skip
    colours = {element.get(key) for element in root.iter() for key in ("fill", "stroke")}
    assert colours <= {None, "none", "currentColor"}
    return " ".join(root.itertext())


def test_layers_at_a_glance(model):
    text = parsed(model)
    assert repr(model) in text
    for layer in model.layers:
        assert f"{layer.nnz:,}" in text
        assert f"{layer.n_in} → {layer.n_out}" in text
        degrees = np.diff(layer.weight.indptr)
        said = f"{degrees.min()} to {degrees.max()}, mean {degrees.mean():.3g}"
        assert said in text
        assert said in parsed(layer)


@pytest.mark.parametrize("sizes", [[300_000, 200_000, 3], [2] * 500, [1, 2]])
def test_any_size_is_a_small_page(sizes):
    text = parsed(ts.SparseMLP(sizes, epsilon=1, seed=0, threads=1))
    assert ("483 more" in text) == (len(sizes) == 500)


def test_layers_without_connections():
    model = ts.SparseMLP.from_scipy([np.zeros((3, 4)), np.eye(4)])
    assert "0 to 0, mean 0" in parsed(model)


def test_plans_have_units(model):
    plan = ts.plan([10_000, 5_000, 10])
    for text in (repr(plan), parsed(plan), str(plan)):
        assert "15,010 neurons" in text
        assert f"{plan.total / 1e6:.2f} MB" in text
    assert "taken already" in parsed(model.plan())


def test_histories_in_notebooks_and_frames(model):
    text = parsed(model.history)
    assert "3 epochs" in text
    assert "<b>" in text  # as text, and no element
    assert "more" in text
    assert "0 epochs" in parsed(ts.History())
    frame = pd.DataFrame(model.history)
    assert frame["epoch"].tolist() == [0, 1, 2]
    assert frame["loss"].tolist() == model.history.history["loss"]
    assert list(frame) == ["epoch", *model.history.history]
    assert pd.DataFrame(model.history.history)["loss"].equals(frame["loss"])
    assert pl.DataFrame(model.history)["loss"].to_list() == model.history.history["loss"]
    assert list(ts.History()) == []


def test_explanations_show_what_counts(model):
    found = model.explain(X)
    sizes = np.abs(found.values).mean(axis=(0, 2))
    text = parsed(found)
    assert f"{sizes.max():.4g}" in text
    assert text.index(f"x{sizes.argmax()} ") < text.index(f"x{sizes.argmin()} ")
    sparse = parsed(model.explain(sp.csr_array(X), baseline="zero"))
    assert sparse.startswith("Explanation(50 samples, 6 columns")
    many = ts.SparseMLP([1000, 5, 2], seed=0, threads=1).explain(np.ones((2, 1000)), outputs=1)
    assert len(parsed(many).split("x")) < 30


VALUES = [[], [1], [math.nan, 1], [1, 1, 1], [-1e308, 1e308], [1, 2] * 99]


@pytest.mark.parametrize("values", VALUES)
def test_lines_of_any_numbers(values):
    shown = _html.line(values, "what")
    assert shown == "" or "nan" not in ElementTree.fromstring(shown)[1].get("points")
    whole = np.array([round(abs(value) % 1000) for value in values if math.isfinite(value)], int)
    assert "nan" not in _html.histogram(whole, "what").replace("mean", "")
