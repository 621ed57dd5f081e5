"""Estimators in files of skops, whose types are trusted one by one."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import trulysparse as ts
from helpers.small_model import X, Y

PAGE = Path(__file__).parents[2] / "docs" / "recipes.md"
NAMED = set(re.findall(r"trulysparse\.[a-z_.]+\.[A-Z]\w+", PAGE.read_text("utf-8")))
TABLE = pd.DataFrame({"a": X[:, 0], "b": pd.Categorical(np.where(Y > 0, "u", "v"))})
QUICK = {"max_iter": 2, "random_state": 0}


@pytest.mark.parametrize("x", [X, TABLE], ids=["array", "table"])
def test_the_types_of_the_page_make_the_same_estimator(x):
    io = pytest.importorskip("skops.io", reason="pip install skops")
    fitted = ts.SparseMLPClassifier(**QUICK).fit(x, Y)
    data = io.dumps(fitted)
    trusted = [*NAMED, "trulysparse.tables.parts.NumberPart"]
    again = io.loads(data, trusted=trusted)
    np.testing.assert_array_equal(again.predict_proba(x), fitted.predict_proba(x))
    assert again.history_.history == fitted.history_.history
    with pytest.raises(io.exceptions.UntrustedTypesFoundException):
        io.loads(data)


def test_regressors_and_selectors():
    io = pytest.importorskip("skops.io", reason="pip install skops")
    for made in (
        ts.SparseMLPRegressor(**QUICK).fit(X, X[:, 0]),
        ts.SparseFeatureSelector(epochs=1, random_state=0).fit(X, Y),
    ):
        data = io.dumps(made)
        again = io.loads(data, trusted=io.get_untrusted_types(data=data))
        predict = "predict" if hasattr(made, "predict") else "transform"
        np.testing.assert_array_equal(getattr(again, predict)(X), getattr(made, predict)(X))


def test_the_state_of_a_network_makes_the_network():
    model = ts.SparseMLP([4, 8, 3], seed=0, threads=1)
    model.metadata["note"] = "here"
    again = ts.SparseMLP.__new__(ts.SparseMLP)
    again.__setstate__(model.__getstate__())
    assert again.metadata == model.metadata
    assert (again.predict(X[:, :4]) == model.predict(X[:, :4])).all()
    for state in ({}, None, {"data": b"", "threads": 1}, model.__getstate__() | {"data": b"junk"}):
        with pytest.raises(ValueError, match=r"."):
            ts.SparseMLP.__new__(ts.SparseMLP).__setstate__(state)
