"""Classes by name and by place: what is said where they may be confused."""

import json
import warnings

import numpy as np
import pytest
import trulysparse as ts
from trulysparse.data import classes
from trulysparse.data.readers import encode

RNG = np.random.default_rng(5)
X = RNG.normal(size=(24, 3))


def network(names, loss="cross_entropy", outputs=4):
    model = ts.SparseMLP([3, 6, outputs], loss=loss, seed=0)
    model.metadata["class_names"] = json.dumps(names)
    return model


def uses(model, y):
    """What is said in each call that takes labels."""
    found = []
    for call in (
        lambda: model.evaluate(X, y),
        lambda: model.test_on_batch(X, y),
        lambda: model.fit(X, y, epochs=1, progress=False),
        lambda: model.train_on_batch(X, y),
        lambda: model.pruning_curve(X, y, percentiles=[10]),
    ):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            call()
        found.append([str(one.message) for one in caught if one.filename == __file__])
    return found


@pytest.mark.parametrize(
    ("names", "place"),
    [(["0", "1", "10", "2"], 2), (["1", "2", "3", "4"], 0), (["0", "1", "2", "none"], None)],
)
@pytest.mark.parametrize("kind", [list, np.array, np.uint8])
def test_integers_where_classes_have_other_numbers(names, place, kind):
    y = kind((np.arange(24) % 4).tolist())
    for said in uses(network(names), y):
        if place is None:
            assert said == []
        else:
            (one,) = said
            assert f"output {place} is class {names[place]!r} (metadata['class_names'])" in one


@pytest.mark.parametrize("names", [["0", "1", "2", "3"], ["a", "b", "c", "d"], {"10": 2}, 3])
def test_other_names_are_no_trouble(names):
    assert not any(uses(network(names), np.arange(24) % 4))


def test_probabilities_and_values_are_no_places():
    assert not any(uses(network(["1", "0", "2", "3"]), np.eye(4, dtype=int)[np.arange(24) % 4]))
    values = network(["4"], loss="squared_error", outputs=1)
    assert not any(uses(values, np.arange(24) % 4))


def test_estimators_give_places():
    labels = np.array([3, 30, 300])[np.arange(24) % 3]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "y has integers")
        found = ts.SparseMLPClassifier(max_iter=2, warm_start=True, random_state=0)
        found.fit(X, labels).fit(X, labels).score(X, labels)
        found.partial_fit(X, labels)
        ts.SparseFeatureSelector(epochs=1, random_state=0).fit(X, labels)


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        (["2", "10"] * 20 + ["x"], "'x' in row 42: 1 of 41 labels"),
        (["7"] * 30 + ["007", "8"], "'007' in row 32: 1 of 32 labels"),
        (["2", "10", "x"] * 9, None),
        (["a", "b"] * 20 + ["3"], None),
        (["2", "10"] * 20, None),
    ],
)
def test_strays_among_numbers(labels, told):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encode(np.array(labels), "t.csv: column 'k'", range(2, 2 + len(labels)))
    assert [told in str(one.message) for one in caught] == ([] if told is None else [True])


@pytest.mark.parametrize(
    ("names", "rows", "found"),
    [
        (range(100), 400, True),
        (range(100), 501, False),
        (range(5), 5, False),
        ([f"c{i}" for i in range(100)], 100, False),
        ([*map(str, range(50)), "x"], 51, True),
    ],
)
def test_what_looks_like_values(names, rows, found):
    assert classes.look_like_values(names, rows) == found
