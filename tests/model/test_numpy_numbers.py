"""NumPy's numbers wherever Python's go: each public number, with the same result."""

import inspect
import re
from fractions import Fraction

import numpy as np
import pytest
import trulysparse as ts
from helpers import cases
from helpers.public_calls import CALLS, EARLY, estimated, model, state, trained
from helpers.small_model import X
from trulysparse import datasets

# Callables that need what is not here: their numbers go through the same functions as those of
# `load_digits` and `resolve`, or are those of a class that only the package makes.
ELSEWHERE = {
    "Table",
    "read_table",  # tests/readers/test_formats.py
    "RowBlocks",  # tests/streams
    "open_table",
    "datasets.load_csv",
    "datasets.load_npz",
    "datasets.load_images",
    "datasets.load_leukemia",
    "datasets.load_higgs",
    "datasets.Dataset",
    "SparseMLP.to_torch",
    "EvolvingLayer",
    "Layer",
    "MemoryPlan",
    "MemoryPlan.of",
    "Preset",
    "Recipe",
    "History.append",
}
NUMBER = re.compile(r"\b(int|float|bool)\b")


def public():
    """Every public class, method and function outside of `plot`, by its name."""
    for prefix, module, names in (
        ("", ts, ts.__all__),
        ("datasets.", datasets, datasets.__all__),
    ):
        for name in names:
            found = getattr(module, name)
            if inspect.isclass(found) and not issubclass(found, Exception):
                yield prefix + name, found
                for method in vars(found):
                    member = getattr(found, method)
                    if method[0] != "_" and method[:3] != "on_" and _is_ours(member):
                        yield f"{prefix}{name}.{method}", member
            elif inspect.isfunction(found):
                yield prefix + name, found


def _is_ours(member):
    return inspect.isroutine(member) and (member.__module__ or "").startswith("trulysparse")


def test_no_public_number_is_left_out():
    tried = {}
    for name, (_, parameters) in CALLS.items():
        tried.setdefault(name.split(",")[0], set()).update(parameters)
    tried["SparseMLPClassifier"] |= {"class_weight", *EARLY}  # those of the base class, tried once
    missing = [
        f"{name}: {parameter.name}"
        for name, found in public()
        if name not in ELSEWHERE
        for parameter in inspect.signature(found).parameters.values()
        if NUMBER.search(str(parameter.annotation)) and parameter.name not in tried.get(name, ())
    ]
    assert missing == []


def of_an_integer(value):
    yield from (np.uint64(value), np.array(value), float(value), np.float64(value))
    if value < 2**63:
        yield np.int64(value)
    if value < 100:
        yield from (np.int8(value), np.float16(value), np.array(float(value)), np.longdouble(value))


def of_a_float(value):
    yield from (np.float64(value), np.float32(value), np.float16(value), np.array(value))
    yield from (np.array(np.float32(value)), np.longdouble(value), Fraction(value))


def of_a_boolean(value):
    yield from (np.bool_(value), np.array(value), int(value), np.int64(value), float(value))


def variants(value):
    """NumPy's values that are this one; it is exact in half precision, or an integer."""
    if isinstance(value, bool):
        return of_a_boolean(value)
    if isinstance(value, int):
        return of_an_integer(value)
    if isinstance(value, float):
        return of_a_float(value)
    exact = np.array(value)
    return (tuple(value), exact, exact.astype(np.float32), list(exact))


CASES = [
    (name, parameter, value)
    for name, (_, parameters) in CALLS.items()
    for parameter, values in parameters.items()
    for value in values
]


# Each number is tried as one in three of NumPy's kinds, and the next number as others.
EVERY = cases.some(3, 1)


@pytest.mark.cases
@pytest.mark.parametrize("case", range(len(CASES)), ids=["-".join(map(str, c)) for c in CASES])
def test_numbers_of_numpy_are_numbers(case, tmp_path):
    name, parameter, value = CASES[case]
    call = CALLS[name][0]
    files = {"tmp_path": tmp_path} if "tmp_path" in inspect.signature(call).parameters else {}
    expected = state(call(**files, **{parameter: value}))
    chosen = list(variants(value))[case % EVERY :: EVERY]
    assert chosen
    for variant in chosen:
        found = state(call(**files, **{parameter: variant}))
        assert found == expected, repr(variant)


@pytest.mark.parametrize(
    "wrong",
    [
        np.timedelta64(3, "s"),
        np.datetime64("2024-03-01"),
        np.array(np.timedelta64(3, "s")),
        np.ma.masked,
        np.array([3]),
        np.complex64(3),
        np.str_("3"),
        np.array(None),
    ],
    ids=repr,
)
def test_what_only_looks_like_a_number_is_none(wrong):
    for name, call in {
        "batch_size": lambda: model().predict(X, batch_size=wrong),
        "learning_rate": lambda: ts.SGD(wrong),
        "nesterov": lambda: ts.SGD(nesterov=wrong),
        "start": lambda: ts.SET(start=wrong),
    }.items():
        with pytest.raises(TypeError, match=name):
            call()


@pytest.mark.parametrize("wrong", [2.5, np.float32(2.5), np.inf, np.nan, True, np.bool_(True)])
def test_counts_are_whole(wrong):
    with pytest.raises(TypeError, match=r"epochs = .*expected an integer"):
        trained(epochs=wrong)
    with pytest.raises(TypeError, match=r"hidden_layer_sizes.*expected an integer"):
        estimated(ts.SparseMLPClassifier)(hidden_layer_sizes=[wrong])


def test_names_of_numpy_are_names():
    expected = state(model(activation="tanh", loss="huber"))
    for tanh in (np.str_("tanh"), np.array("tanh")):
        assert state(model(activation=tanh, loss=np.array("huber"))) == expected
    assert state(model(activation=np.array(["tanh", "tanh"]), loss="huber")) != expected


def test_searches_over_arrays():
    from sklearn.model_selection import GridSearchCV

    grid = {
        "hidden_layer_sizes": np.array([6, 8]),
        "max_iter": np.array([1.0, 2.0]),
        "dropout": np.linspace(0, 0.5, 2, dtype=np.float32),
        "activation": np.array(["relu", "tanh"]),
        "nesterovs_momentum": np.array([False, True]),
    }
    search = GridSearchCV(ts.SparseMLPRegressor(random_state=np.int64(0)), grid, cv=2)
    found = search.fit(X, X[:, 0]).cv_results_["mean_test_score"]
    assert np.isfinite(found).all()
